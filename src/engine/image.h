/*
 * image.h
 *	  What an image consists of; clf.h has the functions.
 *
 * An image is a header and then, each at a multiple of CLF_ALIGNMENT and in the
 * order of clf_image_parts(), the arrays of a model as they stand in memory.
 * There are no addresses in it: sizes and places follow from the header.
 */
#ifndef CLF_IMAGE_H
#define CLF_IMAGE_H

#include "model.h"

#define CLF_IMAGE_VERSION 3		/* raise when the same header stands for other bytes */

typedef struct ClfImageStrings
{
	uint64_t	bytes;
	uint32_t	count;
	uint32_t	slots;
	uint64_t	seed;			/* of the hash */
} ClfImageStrings;

typedef struct ClfImageHeader
{
	char		magic[8];
	uint64_t	check;			/* hash of the header with this as 0 */
	uint64_t	layout;			/* clf_image_layout() */
	uint64_t	size;			/* of the image */
	ClfConfig	config;
	char		icu_version[CLF_MAX_VERSION];
	int32_t		tokenizer_version;
	int32_t		packed_form;	/* ClfPackedForm */
	float		scale[CLF_BRANCHES];
	ClfImageStrings labels;
	ClfImageStrings words;
	uint64_t	grams;			/* F */
	uint64_t	gram_slots;
	uint64_t	projected;		/* tokens of ClfProjected */
	uint64_t	info;			/* bytes */
	int32_t		has_info;
	int32_t		unused;
} ClfImageHeader;

#endif							/* CLF_IMAGE_H */

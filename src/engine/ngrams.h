/*
 * ngrams.h
 *	  The features of the linear branch: hashed n-grams of a text's tokens.
 *
 * Words: each one, each two neighbours, each two with one between them, the
 * first of the text as such, and with option char_ngrams the character 2- to
 * 5-grams inside each word and its borders.  Characters of
 * scripts that do not separate words: 1- to 3-grams of neighbours.  Numbers:
 * what they look like, too.
 */
#ifndef CLF_NGRAMS_H
#define CLF_NGRAMS_H

#include "clf.h"
#include "mem.h"
#include "tokenizer.h"

/* A token as n-grams see it. */
typedef struct ClfGramToken
{
	uint64_t	hash;
	bool		single;			/* a character of an unsegmented script */
} ClfGramToken;

/* The tokens that the n-grams of a token are of, in their order. */
typedef struct ClfReach
{
	uint8_t		spans;			/* the first ones are of 1, 2, .. spans tokens, */
	bool		skips;			/* the next one of it and the second before it, */
} ClfReach;						/* and all others of it alone */

/* Collects the hashes of a text's n-grams, repetitions included. */
typedef struct ClfGrams
{
	ClfMem	   *mem;
	bool		chars;			/* character n-grams of words, too */
	uint32_t   *hashes;
	size_t		capacity;
	size_t		count;
	ClfGramToken previous[2];	/* the tokens before; hash 0: none */
	ClfReach	reach;			/* of the last token */
} ClfGrams;

extern void clf_grams_init(ClfGrams *grams, ClfMem *mem, bool chars);
extern void clf_grams_free(ClfGrams *grams);

/* Begin a text. */
extern void clf_grams_start(ClfGrams *grams);

/* Add the n-grams that end with this token; false if memory is short. */
extern bool clf_grams_add(ClfGrams *grams, const char *token, size_t length);

#endif							/* CLF_NGRAMS_H */

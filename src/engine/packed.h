/*
 * packed.h
 *	  The weights of a network in the form that prediction reads.
 *
 * Weights stand in blocks of CLF_LANES units with their four gates, so that
 * one pass over them serves all four.  Units are padded to whole blocks with
 * zeros, which stay zero through every step; H' = blocks * CLF_LANES, and the
 * outputs of a layer are [directions * H'].
 *
 * In single precision w is [blocks][K][CLF_BLOCK].  u may be in pairs: where the
 * lower 16 bits of all its floats are 0 (bfloat16), a word holds the upper ones
 * of two states, the first of them in its lower bits, and u is words
 * [blocks][H'/2][CLF_BLOCK].  A step of one text, which reads all of u to use each
 * weight once, gets half as many bytes from the cache.  As bytes w is
 * [blocks][K'/4][CLF_BLOCK][4], K' being K up to a multiple of 4: a weight is
 * its byte times 127 * scale of its column, and an input x is (byte -
 * CLF_ZERO) * factor / 127 with the factor of its row, which is 1 for states.
 * The columns of w and u have one scale.  start is what CLF_ZERO in every
 * input adds to a sum, subtracted beforehand.
 */
#ifndef CLF_PACKED_H
#define CLF_PACKED_H

#include "kernels.h"
#include "mem.h"
#include "tensor.h"

struct ClfModel;

/* How the weights of the LSTM layers stand. */
typedef enum ClfPackedForm
{
	CLF_PACKED_FLOATS,
	CLF_PACKED_PAIRS,			/* w floats, u in pairs */
	CLF_PACKED_BYTES
} ClfPackedForm;

/* One direction of one layer. */
typedef struct ClfPackedLstm
{
	float	   *bias;			/* [blocks][CLF_BLOCK] */
	float	   *w;				/* of K inputs; NULL as bytes */
	float	   *u;				/* of H' states; NULL as bytes and in pairs */
	uint32_t   *u_pairs;		/* NULL unless in pairs */
	int8_t	   *w_bytes;		/* NULL unless as bytes, as the rest */
	int8_t	   *u_bytes;
	int32_t    *w_start;		/* [blocks][CLF_BLOCK] */
	int32_t    *u_start;
	float	   *scale;			/* [blocks][CLF_BLOCK] */
} ClfPackedLstm;

typedef struct ClfPacked
{
	ClfMem	   *mem;			/* NULL: empty */
	char	   *memory;			/* everything below, in one piece */
	ClfPackedForm form;
	size_t		blocks;
	size_t		width;			/* directions * H', of a layer's outputs */
	ClfPackedLstm lstm[CLF_MAX_LAYERS][2];
	size_t		features;		/* P with outputs padded: width, or 2 width + E */
	size_t		dense_blocks;	/* classes in blocks of CLF_BLOCK */
	float	   *dense;			/* [dense_blocks][features][CLF_BLOCK] */
	float	   *dense_bias;		/* [dense_blocks][CLF_BLOCK] */
} ClfPacked;

/* Set blocks, width, features and dense_blocks. */
extern void clf_packed_dimensions(ClfPacked *packed, const ClfConfig *config, size_t classes);

/* The form in which a model predicts soonest, none of its answers changed. */
extern ClfPackedForm clf_packed_form(const struct ClfModel *model);

/* Bytes that packing takes; false if they do not fit into memory. */
extern bool clf_packed_size(const ClfConfig *config, size_t classes, ClfPackedForm form,
							size_t *size);

/* Pack a model's weights.  The same weights give the same bytes everywhere. */
extern ClfStatus clf_packed_init(ClfPacked *packed, const struct ClfModel *model,
								 ClfPackedForm form, ClfMem *mem, ClfError *error);
extern void clf_packed_free(ClfPacked *packed);

/* Use weights that were packed before, where they are; nothing is to be freed. */
extern void clf_packed_attach(ClfPacked *packed, const ClfConfig *config, size_t classes,
							  ClfPackedForm form, char *memory);

/* Gates of a token: blocks * CLF_BLOCK. */
extern size_t clf_packed_columns(const ClfConfig *config);

/* Width K of a layer's input, units padded. */
extern size_t clf_packed_input(const ClfConfig *config, int layer);

/* K of packed bytes. */
static inline size_t
clf_packed_fours(size_t K)
{
	return (K + 3) / 4 * 4;
}

static inline int
clf_directions(const ClfConfig *config)
{
	return config->bidirectional ? 2 : 1;
}

#endif							/* CLF_PACKED_H */

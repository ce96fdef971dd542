/*
 * forward.h
 *	  The network as prediction runs it, on packed weights.
 *
 * Some sequences run together, the longest first, without padding: what stands
 * for one of them at one time is found at place (offset[t] + row), so that the
 * rows of one time are neighbours.  Together or alone, a sequence's scores are
 * the same bit for bit.
 */
#ifndef CLF_FORWARD_H
#define CLF_FORWARD_H

#include "kernels.h"
#include "model.h"
#include "packed.h"

#define CLF_FORWARD_ROWS CLF_STEP_ROWS	/* sequences at a time */

typedef struct ClfSequence
{
	const uint32_t *ids;
	size_t		length;			/* at least 1 */
} ClfSequence;

/*
 * Input projections as in ClfProjected, either those of the model or computed
 * when first met.
 */
typedef struct ClfTable
{
	size_t		ids;
	float	   *gates[2];
	bool	   *known[2];		/* [ids]; NULL: all are, and belong to the model */
} ClfTable;

/* Buffers of a forward pass; those by place grow to the most tokens seen. */
typedef struct ClfForward
{
	ClfMem	   *mem;			/* NULL: empty */
	const ClfModel *model;
	const ClfPacked *packed;
	const ClfKernels *kernels;
	ClfTable	table;
	size_t	   *offset;			/* [longest + 1] first place of each time */
	size_t		offset_capacity;
	float	   *inputs;			/* [places, width] of the layer at hand */
	size_t		inputs_capacity;	/* all capacities are in elements */
	float	   *outputs;		/* [places, width] */
	size_t		outputs_capacity;
	uint8_t    *input_bytes;	/* with packed bytes, as outputs and inputs */
	size_t		input_bytes_capacity;
	uint8_t    *output_bytes;
	size_t		output_bytes_capacity;

	/* the pass under way */
	size_t		rows;
	const ClfSequence *sequences;
	size_t		steps;			/* of a direction: length of the first, the longest */
	int			layer;			/* where it is */
	int			direction;
	size_t		step;

	/* steps are taken so many tokens at a time that their gates stay in the cache */
	size_t		chunk;			/* tokens */
	float	   *gates;			/* [chunk][blocks][CLF_BLOCK] */
	const float **gates_of;		/* [chunk] gates of a token, here or in the table */
	const void **x;				/* [chunk] inputs to be projected, and where to */
	float	  **out;
	float	   *factor;			/* [chunk] of inputs as bytes */
	uint8_t    *embedded;		/* [chunk, E'] embeddings as bytes */

	float	   *cell;			/* [CLF_FORWARD_ROWS, H'] */
	uint32_t   *words;			/* [CLF_FORWARD_ROWS, H'], the states for weights in pairs */
	float	   *zeros;			/* [H'], the state before the first step */
	uint8_t    *zero_bytes;		/* the same as bytes */
	float	   *features;		/* [CLF_FORWARD_ROWS, width] */
	float	   *scores;			/* [CLF_FORWARD_ROWS][dense_blocks][CLF_BLOCK] */
} ClfForward;

/* How many of a model's ids a table of input projections has room for. */
extern size_t clf_table_ids(const ClfConfig *config, size_t ids);

/* packed are weights of the model, in either form. */
extern ClfStatus clf_forward_init(ClfForward *forward, const ClfModel *model,
								  const ClfPacked *packed, ClfMem *mem,
								  const ClfKernels *kernels, ClfError *error);
extern void clf_forward_free(ClfForward *forward);

/*
 * Compute the input projections of the tokens 0 to ids - 1 for a direction of
 * the first layer: gates [ids][blocks][CLF_BLOCK].
 */
extern void clf_forward_project(ClfForward *forward, int direction, size_t ids, float *gates);

/*
 * Bytes that passes take of a network with so many ids and such dimensions of
 * packed weights, if none has more tokens than places.
 */
extern size_t clf_forward_memory(const ClfConfig *config, const ClfPacked *packed, size_t ids,
								 size_t places);

/*
 * Make room for passes with so many tokens in the longest sequence, and in all;
 * without, passes do themselves.
 */
extern ClfStatus clf_forward_reserve(ClfForward *forward, size_t longest, size_t places,
									 ClfError *error);

/*
 * Scores z[row] [C] of rows (1 to CLF_FORWARD_ROWS) sequences of ids, which
 * must be in order of falling length.
 */
extern ClfStatus clf_forward(ClfForward *forward, size_t rows, const ClfSequence *sequences,
							 float *const *z, ClfError *error);

/*
 * The same in items of some milliseconds: sequences must stay where they are
 * until advance, which returns true when z is there, has done so.
 */
extern ClfStatus clf_forward_start(ClfForward *forward, size_t rows,
								   const ClfSequence *sequences, ClfError *error);
extern bool clf_forward_advance(ClfForward *forward, float *const *z);

#endif							/* CLF_FORWARD_H */

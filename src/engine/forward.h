/*
 * forward.h
 *	  The network as prediction runs it: one sequence at a time, with the LSTM
 *	  weights packed so that one pass over them serves all four gates.
 *
 * Packed weights stand in blocks of CLF_LANES units; units are padded to whole
 * blocks with zeros, which stay zero through every step.  One direction of one
 * layer is laid out as kernel [blocks][K][CLF_BLOCK], recurrent
 * [blocks][H'][CLF_BLOCK], bias [blocks][CLF_BLOCK], with H' = blocks *
 * CLF_LANES and K the padded width of the layer's input.
 */
#ifndef CLF_FORWARD_H
#define CLF_FORWARD_H

#include "kernels.h"
#include "model.h"

/* Floats of the packed weights; false if they do not fit into memory. */
extern bool clf_packed_floats(const ClfConfig *config, size_t *floats);

/* Fill packed [clf_packed_floats] from the model's weights. */
extern void clf_pack_weights(const ClfModel *model, float *packed);

/* Buffers of a forward pass, which grow to the longest sequence seen. */
typedef struct ClfForward
{
	ClfMem	   *mem;
	const ClfModel *model;
	const ClfKernels *kernels;
	float	   *inputs;			/* [T,K] of the layer at hand */
	size_t		inputs_capacity;	/* all capacities are in floats */
	float	   *outputs;		/* [T,directions * H'] */
	size_t		outputs_capacity;
	float	   *gates;			/* [T][blocks][CLF_BLOCK] */
	size_t		gates_capacity;
	float	   *cell;			/* [H'] */
	float	   *zeros;			/* [H'], the state before the first step */
	float	   *features;		/* [D] */
} ClfForward;

extern ClfStatus clf_forward_init(ClfForward *forward, const ClfModel *model,
								  ClfMem *mem, const ClfKernels *kernels,
								  ClfError *error);
extern void clf_forward_free(ClfForward *forward);

/* Scores z [C] of a padded sequence of T >= 1 ids. */
extern ClfStatus clf_forward(ClfForward *forward, const uint32_t *ids, size_t T,
							 float *z, ClfError *error);

#endif							/* CLF_FORWARD_H */

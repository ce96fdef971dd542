/*
 * forward.h
 *	  The network as prediction runs it: one text at a time, with the LSTM
 *	  weights packed so that one pass over them serves all four gates.
 *
 * Packed weights stand in blocks of CLF_LANES units; units are padded to whole
 * blocks with zeros, which stay zero through every step.  The layout of one
 * direction of one layer is kernel [blocks][K][CLF_BLOCK], recurrent
 * [blocks][H'][CLF_BLOCK], bias [blocks][CLF_BLOCK], H' = blocks * CLF_LANES.
 */
#ifndef CLF_FORWARD_H
#define CLF_FORWARD_H

#include "model.h"

/* Floats of the packed weights; false if they do not fit into memory. */
extern bool clf_packed_floats(const ClfConfig *config, size_t *floats);

/* Fill packed [clf_packed_floats] from the model's weights. */
extern void clf_pack_weights(const ClfModel *model, float *packed);

#endif							/* CLF_FORWARD_H */

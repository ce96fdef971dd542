/*
 * storage.h
 *	  Numbers of fewer bits in which a model file can hold a network's weights
 *	  (option storage): half precision, and bytes with a scale per row.
 *
 * Where predictions compute in single precision, halves of recurrent weights are
 * rounded to 8 significant bits, so that as floats they are also bfloat16, which
 * predictions read in half the time.
 *
 * Weights are rounded before they are judged on the validation rows, so what
 * was judged is what the file gives back, bit for bit.
 */
#ifndef CLF_STORAGE_H
#define CLF_STORAGE_H

#include "tensor.h"

#define CLF_BYTE_MAX 127

/* Does the file hold this tensor as bytes, with a scale for each of its rows? */
static inline bool
clf_stored_as_bytes(const ClfConfig *config, const ClfTensor *tensor)
{
	return config->storage == CLF_STORAGE_INT8 && tensor->role == CLF_ROLE_EMBEDDING;
}

/* Are the recurrent weights rounded to bfloat16? */
static inline bool
clf_recurrent_as_bfloat16(const ClfConfig *config)
{
	return config->storage > CLF_STORAGE_FLOAT32 && config->precision == CLF_PRECISION_FLOAT32;
}

/* Are the lower 16 bits of all these floats 0? */
extern bool clf_all_bfloat16(const float *x, size_t n);

/*
 * The scale of a row [n]: its greatest magnitude over 127, rounded up to 16
 * significant bits.  So 127 scales are a float exactly, and a row that was
 * rounded has the same scale again.  0 if all is 0, or nearly.
 */
extern float clf_row_scale(const float *row, size_t n);

/* row [n] over its scale, rounded, as bytes. */
extern void clf_row_to_bytes(const float *row, size_t n, float scale, int8_t *bytes);

/* Round a row of a tensor, in place, to what the file can hold. */
extern void clf_storage_round_row(const ClfConfig *config, const ClfTensor *tensor,
								  float *row);

#endif							/* CLF_STORAGE_H */

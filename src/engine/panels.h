/*
 * panels.h
 *	  Weights as the products of training read them.
 *
 * A matrix [K,N] in panels: CLF_PANEL columns, row by row, then the next ones;
 * the last panel ends with zeros.
 */
#ifndef CLF_PANELS_H
#define CLF_PANELS_H

#include "kernels.h"

/* Floats that the panels of a matrix take; SIZE_MAX if too many. */
extern size_t clf_panels_floats(size_t K, size_t N);

/*
 * Fill panels with a matrix [K,N], or with the transposed of one that is
 * stored as [N,K]; rows are whole, one after the other.
 */
extern void clf_panels_fill(float *panels, bool transpose, size_t K, size_t N,
							const float *matrix);

#endif							/* CLF_PANELS_H */

/*
 * blas.h
 *	  The matrix products of trainings: OpenBLAS, if there is one.
 */
#ifndef TEXTCLF_BLAS_H
#define TEXTCLF_BLAS_H

#include "postgres.h"

#include "engine/clf.h"

/*
 * Give OpenBLAS's sgemm, loaded at the first call, or NULL if there is none.
 * A library that is configured and cannot be used is a WARNING, once a session.
 */
extern ClfSgemm BlasSgemm(void);

/* Whether OpenBLAS can be used, its core type, and why not; no message is sent. */
typedef struct BlasState
{
	ClfSgemm	sgemm;			/* NULL: not in use */
	char		core_type[64];	/* kernels that it chose */
	char		failure[200];	/* why it cannot be used, or empty */
} BlasState;

extern const BlasState *BlasLoad(void);

#endif							/* TEXTCLF_BLAS_H */

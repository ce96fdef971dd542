/*
 * optim.h
 *	  From gradients to new weights: clipping, the update rules of Keras, and
 *	  the running average of the weights.
 *
 * The embedding comes first in a block and is updated by row: a batch touches
 * few of its rows.  All other tensors follow it and are updated whole.
 */
#ifndef CLF_OPTIM_H
#define CLF_OPTIM_H

#include "clf.h"
#include "kernels.h"
#include "mem.h"
#include "tensor.h"

/* The gradient of a batch: whole for the dense tensors, by row for the embedding. */
typedef struct ClfGradient
{
	float	   *dense;			/* block without the embedding */
	uint32_t	nrows;
	const uint32_t *rows;		/* [nrows] distinct rows of the embedding */
	float	   *values;			/* [nrows,E] their gradients */
} ClfGradient;

typedef struct ClfOptimizer
{
	ClfMem	   *mem;
	const ClfConfig *config;
	const ClfTensorTable *table;
	const ClfKernels *kernels;
	float	   *first;			/* velocity or first moment, a block, or NULL */
	float	   *second;			/* second moment, a block, or NULL */
	float	   *average;		/* averaged weights, a block, or NULL */
	uint32_t   *averaged;		/* [V] step at which a row of average was true */
	uint32_t   *position;		/* [V] 1 + place of a row in the gradient, or 0 */
	float	   *zeros;			/* [E] the gradient of a row that has none */
	uint64_t	step;			/* updates made */
} ClfOptimizer;

/* Floats of a block that are not embedding: the size of ClfGradient.dense. */
extern size_t clf_dense_floats(const ClfTensorTable *table);

/* Bytes that clf_optimizer_init takes; SIZE_MAX if too many. */
extern size_t clf_optimizer_memory(const ClfConfig *config,
								   const ClfTensorTable *table);

/* config, table and kernels must outlive the optimizer. */
extern ClfStatus clf_optimizer_init(ClfOptimizer *optimizer, ClfMem *mem,
									const ClfConfig *config,
									const ClfTensorTable *table,
									const ClfKernels *kernels,
									ClfError *error);
extern void clf_optimizer_free(ClfOptimizer *optimizer);

/*
 * Scale a gradient down to the norm limit (0 = none).  Returns the norm it
 * had, which is not finite if the gradient is not.
 */
extern double clf_gradient_clip(const ClfOptimizer *optimizer,
								ClfGradient *gradient, double limit);

/* One update of the weights with this learning rate. */
extern void clf_optimizer_step(ClfOptimizer *optimizer, float *weights,
							   const ClfGradient *gradient,
							   double learning_rate);

/*
 * Learning rate of update step (from 0) of total: config's rate, its course
 * over the training, and a warm-up over the first twentieth of it.
 */
extern double clf_learning_rate(const ClfConfig *config, uint64_t step,
								uint64_t total);

/*
 * Copy to evaluated (a block) the weights to evaluate: the average if there
 * is one, corrected for its start at zero, else the weights themselves.
 */
extern void clf_optimizer_evaluated(ClfOptimizer *optimizer,
									const float *weights, float *evaluated);

#endif							/* CLF_OPTIM_H */

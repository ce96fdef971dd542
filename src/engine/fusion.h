/*
 * fusion.h
 *	  How much each branch of a model counts.
 *
 * The fused scores of a text are scale[0] * z_deep + scale[1] * z_wide; their
 * softmax is the probability.  Both factors together are the temperature, so
 * fitting them by log-loss calibrates the model, too.
 */
#ifndef CLF_FUSION_H
#define CLF_FUSION_H

#include "clf.h"
#include "mem.h"

#define CLF_BRANCHES 2

/* Scores of rows by each branch. */
typedef struct ClfScores
{
	size_t		rows;			/* n */
	size_t		C;
	const float *z[CLF_BRANCHES];	/* [n,C], or NULL: there is no such branch */
	const int32_t *classes;		/* [n] */
} ClfScores;

/* Fused scores out [C] of one row. */
extern void clf_fuse(const float scale[CLF_BRANCHES],
					 const float *const z[CLF_BRANCHES], size_t C, float *out);

/*
 * The factors, not negative, with the least log-loss on these rows; 1 where
 * there are no rows, 0 for a branch that is not there.  The problem is convex;
 * solved by Newton's method.  p is room for C floats.
 */
extern void clf_fusion_fit(const ClfScores *scores, float *p,
						   float scale[CLF_BRANCHES]);

#endif							/* CLF_FUSION_H */

/*
 * logistic.h
 *	  L2-regularised logistic regression, one class against the others, by
 *	  coordinate descent in the dual.
 *
 * For every class k: minimise |w|^2 / 2 + sum over rows of
 * cost * log(1 + exp(-y w x)), y = +1 for the class, -1 for the others.
 * Source: Yu, Huang, Lin, "Dual coordinate descent methods for logistic
 * regression and maximum entropy models", Machine Learning 85, 2011; the
 * problem of one coordinate is solved by Newton steps on its stationarity.
 *
 * Letters: n rows, F features, C classes.
 */
#ifndef CLF_LOGISTIC_H
#define CLF_LOGISTIC_H

#include "clf.h"
#include "kernels.h"
#include "mem.h"
#include "rng.h"

#define CLF_LOGISTIC_PASSES 60	/* at most */
#define CLF_LOGISTIC_VALUE_WORK 24	/* of a value, whatever the number of classes */
#define CLF_LOGISTIC_DUAL_WORK 80	/* of a dual variable */

/* Rows as lists of features and values, each of norm 1. */
typedef struct ClfSparse
{
	size_t		rows;			/* n */
	size_t	   *start;			/* [n + 1] */
	uint32_t   *feature;		/* [start[n]] */
	float	   *value;			/* [start[n]] */
} ClfSparse;

typedef struct ClfLogistic
{
	ClfMem	   *mem;
	const ClfKernels *kernels;
	const ClfSparse *data;
	const uint32_t *class_of;	/* [n] */
	size_t		F;
	size_t		C;
	float		cost;
	const float *class_weight;	/* [C], a factor of cost */
	float	   *w;				/* [F,C] */
	float	   *bias;			/* [C], regularised as a feature of value 1 */
	float	   *dual;			/* [n,C] between 0 and cost */
	float	   *z;				/* [C] */
	uint32_t   *order;			/* [n] */
	size_t		resumed;		/* rows whose duals are yet to be added to the weights: from ... */
	size_t		given;			/* ... to */
	size_t		position;		/* in order */
	int			pass;
	int			max_passes;
	double		change;			/* largest of this pass, relative to cost */
	ClfRng		rng;
} ClfLogistic;

extern size_t clf_logistic_memory(size_t rows, size_t F, size_t C);

/* data, class_of and class_weight must outlive the solver. */
extern ClfStatus clf_logistic_init(ClfLogistic *solver, ClfMem *mem,
								   const ClfKernels *kernels,
								   const ClfSparse *data, const uint32_t *class_of,
								   size_t F, size_t C, float cost,
								   const float *class_weight, uint64_t seed,
								   ClfError *error);
extern void clf_logistic_free(ClfLogistic *solver);

/*
 * Begin anew at another cost, near the optimum if dual [rows,C] is the solution
 * for the first rows at from_cost; it may be the solver's own.
 */
extern void clf_logistic_resume(ClfLogistic *solver, const float *dual, size_t rows,
								float from_cost, float cost);

/* Multiply-adds of a pass over so many rows that hold so many values in all, about. */
static inline double
clf_logistic_pass_work(double rows, double values, double C)
{
	return 2 * values * (C + CLF_LOGISTIC_VALUE_WORK) + rows * C * CLF_LOGISTIC_DUAL_WORK;
}

/* Work on some rows; true at the optimum (or after the last pass allowed). */
extern bool clf_logistic_advance(ClfLogistic *solver);

#endif							/* CLF_LOGISTIC_H */

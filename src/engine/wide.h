/*
 * wide.h
 *	  The linear branch of a model: n-grams under sublinear TF-IDF, and a score
 *	  per class straight from the n-gram.
 *
 * A text's n-grams that the model knows have the weights (1 + ln count) * idf,
 * scaled to a norm of 1; its margins are their sum times the kernel, and bias.
 * A margin is the log-odds of one class against all others, as the regression
 * has it; the score is the logarithm of that probability.  Margins themselves
 * would be poor scores: how far beyond doubt one of two likely classes lies
 * says little about which of them it is.
 */
#ifndef CLF_WIDE_H
#define CLF_WIDE_H

#include <math.h>

#include "clf.h"
#include "kernels.h"
#include "mem.h"
#include "ngrams.h"

#define CLF_WIDE_TOKENS 1024	/* tokens of a text whose n-grams count */

typedef struct ClfWide
{
	ClfMem	   *mem;
	size_t		F;				/* n-grams; 0: the model has no such branch */
	size_t		C;
	uint32_t   *hashes;			/* [F] ascending */
	float	   *idf;			/* [F], by how telling an n-gram is as well */
	float	   *kernel;			/* [F,C] */
	float	   *bias;			/* [C] */
	uint32_t   *slots;			/* hash table of most of them: index + 1, or 0 */
	uint32_t	slot_mask;
} ClfWide;

/* Number of weights of a branch: kernel and bias; 0 without one. */
static inline int64_t
clf_wide_parameters(const ClfWide *wide)
{
	return wide->F > 0 ? (int64_t) ((wide->F + 1) * wide->C) : 0;
}

/* Allocate the tensors of a branch, as zeros. */
extern ClfStatus clf_wide_allocate(ClfWide *wide, ClfMem *mem, size_t F, size_t C,
								   ClfError *error);
extern void clf_wide_free(ClfWide *wide);

/* To be called once hashes are there. */
extern ClfStatus clf_wide_prepare(ClfWide *wide, ClfError *error);

/* What scoring one text needs. */
typedef struct ClfWideScratch
{
	ClfMem	   *mem;
	uint32_t   *counts;			/* [F], zeros between texts */
	uint32_t   *found;			/* n-grams of the text at hand, distinct */
	size_t		found_capacity;
	size_t		found_count;
	float	   *values;			/* [found_count] */
	size_t		values_capacity;
} ClfWideScratch;

extern ClfStatus clf_wide_scratch_init(ClfWideScratch *scratch, ClfMem *mem,
									   const ClfWide *wide, ClfError *error);
extern void clf_wide_scratch_free(ClfWideScratch *scratch);

/* The known n-grams of a text into found, and their values of norm 1. */
extern ClfStatus clf_wide_values(const ClfWide *wide, ClfWideScratch *scratch,
								 const ClfGrams *grams, ClfError *error);

/* Margins m [C] of a text's n-grams. */
extern ClfStatus clf_wide_margins(const ClfWide *wide, ClfWideScratch *scratch,
								  const ClfKernels *kernels, const ClfGrams *grams,
								  float *m, ClfError *error);

/* The score that belongs to a margin: ln(1 / (1 + exp(-m))). */
static inline float
clf_wide_score_of(float m)
{
	return m > 0 ? -log1pf(expf(-m)) : m - log1pf(expf(m));
}

/* Scores z [C] of a text's n-grams. */
extern ClfStatus clf_wide_score(const ClfWide *wide, ClfWideScratch *scratch,
								const ClfKernels *kernels, const ClfGrams *grams,
								float *z, ClfError *error);

/*
 * Shares [grams->count] of a text's n-grams, each occurrence by itself, in the
 * sum over the classes of coefficient[k] * (m[k] - bias[k]): they add up to it.
 */
extern ClfStatus clf_wide_shares(const ClfWide *wide, ClfWideScratch *scratch,
								 const ClfGrams *grams, const double *coefficient,
								 double *shares, ClfError *error);

#endif							/* CLF_WIDE_H */

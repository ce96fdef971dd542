/*
 * widefit.h
 *	  Training of the linear branch: which n-grams count, and their weights.
 *
 * Cut into items of work like the rest of a training.
 */
#ifndef CLF_WIDEFIT_H
#define CLF_WIDEFIT_H

#include "dataset.h"
#include "logistic.h"
#include "wide.h"

typedef enum ClfWideStage
{
	CLF_WIDE_COUNT,
	CLF_WIDE_SELECT,
	CLF_WIDE_BUILD,
	CLF_WIDE_WEIGH,
	CLF_WIDE_SOLVE,
	CLF_WIDE_FINISHED
} ClfWideStage;

typedef struct ClfWideFit
{
	ClfMem	   *mem;
	const ClfKernels *kernels;
	ClfDataset *data;
	const float *class_weight;
	float		cost;			/* of the regression */
	size_t		memory;			/* bytes that the fit may take, roughly */
	ClfWideStage stage;
	size_t		rows;			/* of data, from the first, that are to be learned from */
	size_t		learned;		/* of these, for which there was room */
	size_t		row;			/* where a stage is */
	ClfGrams	grams;

	/* counting: a hash table of n-grams */
	uint32_t   *keys;			/* [slots] hash, or 0 */
	uint32_t   *rows_with;		/* [slots] */
	uint32_t   *last_row;		/* [slots] + 1 */
	size_t		slots;
	size_t		distinct;
	uint32_t	dropped;		/* n-grams in no more rows may have been dropped */

	/* training rows as values of n-grams */
	ClfWideScratch scratch;
	ClfSparse	sparse;
	size_t		feature_capacity;
	size_t		value_capacity;
	uint32_t   *class_of;		/* [sparse.rows] */
	ClfLogistic solver;
	float	   *telling;		/* [F] factors of the values, in CLF_WIDE_WEIGH */
	bool		weighed;
	bool		pruned;
	size_t		values;			/* of the training rows, once the n-grams are selected */
	int			max_passes;		/* of a regression; the caller may lower it */
	double		work;			/* multiply-adds of the regressions up to now, about */
	float	   *dual;			/* [dual_rows,C] from which the regression begins, or NULL */
	size_t		dual_rows;
	float		dual_cost;

	ClfWide		wide;			/* the result */
} ClfWideFit;

/*
 * data is prepared, and so many of its rows, from the first, are learned from;
 * class_weight [C] must outlive the fit.  Within memory bytes
 * it uses as many n-grams and training rows as there is room for.
 */
extern void clf_widefit_init(ClfWideFit *fit, ClfMem *mem, const ClfKernels *kernels,
							 ClfDataset *data, size_t rows, const float *class_weight,
							 bool char_ngrams, float cost, size_t memory);
extern void clf_widefit_free(ClfWideFit *fit);

/*
 * After the fit is finished: begin the regression anew, with the same n-grams,
 * on so many rows of data and at this cost.
 */
extern ClfStatus clf_widefit_restart(ClfWideFit *fit, size_t rows, float cost,
									 ClfError *error);

/* Do one item of work; fit->stage tells when it is finished. */
extern ClfStatus clf_widefit_advance(ClfWideFit *fit, ClfError *error);

/*
 * Once the n-grams are selected: multiply-adds, about and at most, until the
 * fit is finished.
 */
extern double clf_widefit_work_ahead(const ClfWideFit *fit);

/* Release the training rows and the solver: no restart after that, the result stays. */
extern void clf_widefit_forget_rows(ClfWideFit *fit);

/* Bring the n-grams of a row of data into fit->grams. */
extern ClfStatus clf_widefit_grams(ClfWideFit *fit, size_t row, ClfError *error);

#endif							/* CLF_WIDEFIT_H */

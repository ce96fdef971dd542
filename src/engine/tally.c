/*
 * tally.c
 *	  Answers counted, and the figures that they come to.
 *
 * Memory goes with the number of different (actual, predicted) pairs, not with
 * the square of the classes nor with the rows.  This file must never know where
 * an answer came from.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "hash.h"
#include "tally.h"

#define FIRST_CAPACITY 64

/* ---- life ---- */

void
clf_tally_init(ClfTally *tally, ClfMem *mem)
{
	memset(tally, 0, sizeof *tally);
	tally->mem = mem;
}

void
clf_tally_reset(ClfTally *tally)
{
	if (tally->mem != NULL)
		clf_mem_free(tally->mem, tally->cells);
	clf_tally_init(tally, tally->mem);
}

ClfStatus
clf_tally_new(const ClfAllocator *allocator, ClfTally **tally, ClfError *error)
{
	ClfMem		mem;
	ClfTally   *result;

	clf_mem_init(&mem, allocator);
	result = clf_mem_alloc(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	clf_tally_init(result, &result->own);
	result->own = mem;
	*tally = result;
	return CLF_OK;
}

void
clf_tally_free(ClfTally *tally)
{
	ClfMem		mem;

	if (tally == NULL)
		return;
	clf_mem_free(tally->mem, tally->cells);
	mem = tally->own;			/* the struct holds its own accounting */
	clf_mem_free(&mem, tally);
}

/* ---- counting ---- */

/* The cell of a pair, or the free one where it belongs. */
static ClfCell *
find_cell(ClfCell *cells, size_t capacity, int32_t actual, int32_t predicted)
{
	size_t		place = (size_t) clf_hash_mix((uint64_t) actual, (uint64_t) predicted);

	for (;; place++)
	{
		ClfCell    *cell = &cells[place & (capacity - 1)];

		if (cell->rows == 0 || (cell->actual == actual && cell->predicted == predicted))
			return cell;
	}
}

/* Move the cells into a table in which half the places are free. */
static ClfStatus
rehash(ClfTally *tally, size_t capacity, ClfError *error)
{
	ClfCell    *cells = clf_mem_alloc_zero(tally->mem, capacity, sizeof *cells);

	if (cells == NULL)
		return clf_fail_memory(error);
	for (size_t i = 0; i < tally->capacity; i++)
	{
		const ClfCell *old = &tally->cells[i];

		if (old->rows > 0)
			*find_cell(cells, capacity, old->actual, old->predicted) = *old;
	}
	clf_mem_free(tally->mem, tally->cells);
	tally->cells = cells;
	tally->capacity = capacity;
	tally->sorted = false;
	return CLF_OK;
}

ClfStatus
clf_tally_reserve(ClfTally *tally, size_t cells, ClfError *error)
{
	size_t		capacity = FIRST_CAPACITY;

	while (capacity / 2 < cells)
		capacity *= 2;
	return capacity > tally->capacity ? rehash(tally, capacity, error) : CLF_OK;
}

/* Make room for one cell more. */
static ClfStatus
make_room(ClfTally *tally, ClfError *error)
{
	size_t		capacity = tally->capacity > 0 ? tally->capacity : FIRST_CAPACITY;

	if (tally->count + 1 > capacity / 2)
		capacity *= 2;
	if (capacity == tally->capacity && !tally->sorted)
		return CLF_OK;
	return rehash(tally, capacity, error);
}

ClfStatus
clf_tally_add(ClfTally *tally, int actual, int predicted, double probability,
			  ClfError *error)
{
	ClfStatus	status = make_room(tally, error);
	int			bin = (int) (probability * CLF_BINS);
	ClfCell    *cell;

	if (status != CLF_OK)
		return status;
	cell = find_cell(tally->cells, tally->capacity, actual, predicted);
	if (cell->rows == 0)
	{
		if (tally->count == CLF_MAX_CELLS)
		{
			clf_fail(error, CLF_ERR_LIMIT, "the confusion matrix is too large");
			return clf_detail(error, "It has more than %d cells that are not 0.", CLF_MAX_CELLS);
		}
		tally->count++;
	}
	cell->actual = actual;
	cell->predicted = predicted;
	cell->rows++;

	bin = bin < CLF_BINS ? bin : CLF_BINS - 1;
	tally->bins[bin].rows++;
	tally->bins[bin].right += actual == predicted;
	tally->bins[bin].probability += probability;
	return CLF_OK;
}

/* ---- results ---- */

int
clf_compare_cells(const void *a, const void *b)
{
	const ClfCell *first = a;
	const ClfCell *second = b;

	if (first->actual != second->actual)
		return first->actual < second->actual ? -1 : 1;
	return (first->predicted > second->predicted) - (first->predicted < second->predicted);
}

const ClfCell *
clf_tally_cells(ClfTally *tally, size_t *count)
{
	if (!tally->sorted && tally->count > 0)
	{
		size_t		used = 0;

		for (size_t i = 0; i < tally->capacity; i++)
			if (tally->cells[i].rows > 0)
				tally->cells[used++] = tally->cells[i];
		memset(tally->cells + used, 0, (tally->capacity - used) * sizeof *tally->cells);
		qsort(tally->cells, used, sizeof *tally->cells, clf_compare_cells);
		tally->sorted = true;
	}
	*count = tally->count;
	return tally->cells;
}

const ClfBin *
clf_tally_bins(const ClfTally *tally)
{
	return tally->bins;
}

double
clf_calibration_error(const ClfBin bins[CLF_BINS])
{
	int64_t		rows = 0;
	double		error = 0;

	for (int i = 0; i < CLF_BINS; i++)
	{
		rows += bins[i].rows;
		error += fabs((double) bins[i].right - bins[i].probability);
	}
	return rows > 0 ? error / (double) rows : NAN;
}

/* a / b, or 0 where b is 0, as scikit-learn has it */
static double
ratio(double a, int64_t b)
{
	return b > 0 ? a / (double) b : 0;
}

/* Add a class's figures to an average, weight times. */
static void
add_scores(ClfAverage *average, const ClfClassScore *score, double weight)
{
	average->precision += weight * score->precision;
	average->recall += weight * score->recall;
	average->f1 += weight * score->f1;
}

/* Turn sums into means. */
static void
divide(ClfAverage *average, int64_t weights)
{
	double		divisor = weights > 0 ? (double) weights : NAN;

	average->precision /= divisor;
	average->recall /= divisor;
	average->f1 /= divisor;
}

void
clf_score(const ClfCell *cells, size_t count, int classes,
		  ClfClassScore *by_class, ClfScore *whole)
{
	int64_t		right = 0;
	int64_t		support = 0;

	memset(by_class, 0, (size_t) classes * sizeof *by_class);
	memset(whole, 0, sizeof *whole);
	for (size_t i = 0; i < count; i++)
	{
		const ClfCell *cell = &cells[i];
		bool		hit = cell->actual == cell->predicted;

		whole->rows += cell->rows;
		right += hit ? cell->rows : 0;
		if (cell->actual < classes)
		{
			by_class[cell->actual].support += cell->rows;
			by_class[cell->actual].right += hit ? cell->rows : 0;
			support += cell->rows;
		}
		if (cell->predicted < classes)
			by_class[cell->predicted].predicted += cell->rows;
	}
	for (int k = 0; k < classes; k++)
	{
		ClfClassScore *score = &by_class[k];

		if (score->support + score->predicted == 0)
			continue;
		score->precision = ratio((double) score->right, score->predicted);
		score->recall = ratio((double) score->right, score->support);
		score->f1 = ratio(2.0 * (double) score->right, score->support + score->predicted);
		whole->classes++;
		add_scores(&whole->macro, score, 1);
		add_scores(&whole->weighted, score, (double) score->support);
	}
	whole->accuracy = whole->rows > 0 ? (double) right / (double) whole->rows : NAN;
	divide(&whole->macro, whole->classes);
	divide(&whole->weighted, support);
}

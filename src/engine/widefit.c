/*
 * widefit.c
 *	  Training of the linear branch.
 *
 * N-grams are counted over the training rows; those in enough rows get values
 * by how rare they are and how much they tell about the class, and weights by
 * logistic regression; if they are too many for a small model, the least useful
 * go and the rest is weighted again.
 */
#include "widefit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "half.h"
#include "hash.h"

#define CHUNK 200				/* rows of one item of work */
#define FIRST_SLOTS 65536
#define MAX_SLOTS (1 << 23)
#define MAX_CANDIDATES (1 << 20)
#define MODEL_BYTES (5 << 19)	/* that the kept n-grams may take in a model ... */
#define LEAST_KEPT 50000		/* ... unless there are fewer than so many */
#define PRIOR_ROWS 1.0
#define LEAST_TELLING 1e-3		/* of an n-gram that tells nothing */

void
clf_widefit_init(ClfWideFit *fit, ClfMem *mem, const ClfKernels *kernels,
				 ClfDataset *data, size_t rows, const float *class_weight,
				 bool char_ngrams, float cost, size_t memory)
{
	memset(fit, 0, sizeof *fit);
	fit->mem = mem;
	fit->kernels = kernels;
	fit->data = data;
	fit->class_weight = class_weight;
	fit->memory = memory;
	fit->rows = rows;
	fit->cost = cost;
	fit->max_passes = CLF_LOGISTIC_PASSES;
	clf_grams_init(&fit->grams, mem, char_ngrams);
}

void
clf_widefit_forget_rows(ClfWideFit *fit)
{
	clf_wide_scratch_free(&fit->scratch);
	clf_logistic_free(&fit->solver);
	clf_mem_free(fit->mem, fit->sparse.start);
	clf_mem_free(fit->mem, fit->sparse.feature);
	clf_mem_free(fit->mem, fit->sparse.value);
	clf_mem_free(fit->mem, fit->class_of);
	clf_mem_free(fit->mem, fit->telling);
	fit->telling = NULL;
	memset(&fit->sparse, 0, sizeof fit->sparse);
	fit->feature_capacity = fit->value_capacity = 0;
	fit->class_of = NULL;
}

static void
free_counts(ClfWideFit *fit)
{
	clf_mem_free(fit->mem, fit->keys);
	clf_mem_free(fit->mem, fit->rows_with);
	clf_mem_free(fit->mem, fit->last_row);
	fit->keys = fit->rows_with = fit->last_row = NULL;
}

void
clf_widefit_free(ClfWideFit *fit)
{
	if (fit->mem == NULL)
		return;
	free_counts(fit);
	clf_widefit_forget_rows(fit);
	clf_mem_free(fit->mem, fit->dual);
	clf_grams_free(&fit->grams);
	clf_wide_free(&fit->wide);
	memset(fit, 0, sizeof *fit);
}

ClfStatus
clf_widefit_grams(ClfWideFit *fit, size_t row, ClfError *error)
{
	ClfDataset *data = fit->data;
	ClfStatus	status = clf_dataset_read_tokens(data, row, error);

	if (status != CLF_OK)
		return status;
	clf_grams_start(&fit->grams);
	for (size_t t = 0; t < data->sequence_length; t++)
	{
		size_t		length;
		const char *token = clf_vocab_string(&data->tokens, data->sequence[t], &length);

		if (!clf_grams_add(&fit->grams, token, length))
			return clf_fail_memory(error);
	}
	return CLF_OK;
}

/* ---- counting ---- */

static size_t
slot_of(const ClfWideFit *fit, uint32_t hash)
{
	size_t		slot = (size_t) clf_hash_mix(hash, fit->data->host->hash_seed) & (fit->slots - 1);

	while (fit->keys[slot] != 0 && fit->keys[slot] != hash)
		slot = (slot + 1) & (fit->slots - 1);
	return slot;
}

/*
 * Make room in the table: twice as large or, when it is as large as it may
 * be, without the n-grams that are in the fewest rows.
 */
static bool
grow_counts(ClfWideFit *fit)
{
	ClfWideFit	old = *fit;
	size_t		slots = old.slots ? old.slots * 2 : FIRST_SLOTS;

	if (slots > FIRST_SLOTS &&
		(slots > MAX_SLOTS || slots * 3 * sizeof(uint32_t) > fit->memory / 4))
	{
		slots = old.slots;
		fit->dropped++;
	}
	fit->distinct = 0;

	fit->keys = clf_mem_alloc_zero(fit->mem, slots, sizeof *fit->keys);
	fit->rows_with = clf_mem_alloc_zero(fit->mem, slots, sizeof *fit->rows_with);
	fit->last_row = clf_mem_alloc_zero(fit->mem, slots, sizeof *fit->last_row);
	fit->slots = slots;
	for (size_t i = 0; fit->keys && fit->rows_with && fit->last_row && i < old.slots; i++)
		if (old.keys[i] != 0 && old.rows_with[i] > fit->dropped)
		{
			size_t		slot = slot_of(fit, old.keys[i]);

			fit->distinct++;

			fit->keys[slot] = old.keys[i];
			fit->rows_with[slot] = old.rows_with[i];
			fit->last_row[slot] = old.last_row[i];
		}
	free_counts(&old);
	return fit->keys && fit->rows_with && fit->last_row;
}

static ClfStatus
count_row(ClfWideFit *fit, size_t row, ClfError *error)
{
	ClfStatus	status = clf_widefit_grams(fit, row, error);

	if (status != CLF_OK)
		return status;
	for (size_t i = 0; i < fit->grams.count; i++)
	{
		size_t		slot;

		while (fit->distinct >= fit->slots / 2)
			if (!grow_counts(fit))
				return clf_fail_memory(error);
		slot = slot_of(fit, fit->grams.hashes[i]);
		if (fit->last_row[slot] == row + 1)
			continue;
		fit->distinct += fit->keys[slot] == 0;
		fit->keys[slot] = fit->grams.hashes[i];
		fit->rows_with[slot]++;
		fit->last_row[slot] = (uint32_t) row + 1;
	}
	return CLF_OK;
}

/* Is there no room for the values and dual variables of another row? */
static bool
is_full(const ClfWideFit *fit)
{
	size_t		values = fit->stage == CLF_WIDE_BUILD ? fit->sparse.start[fit->row] : 0;

	return fit->stage == CLF_WIDE_BUILD &&
		(values > fit->memory / 64 ||
		 fit->row > fit->memory / 4 / (fit->data->labels.count * sizeof(float)));
}

/* Work on some training rows; true in *done after the last that has room. */
static ClfStatus
for_rows(ClfWideFit *fit, ClfStatus (*visit) (ClfWideFit *, size_t, ClfError *),
		 bool *done, ClfError *error)
{
	for (int i = 0; i < CHUNK && fit->row < fit->rows && !is_full(fit); i++)
	{
		ClfStatus	status = visit(fit, fit->row++, error);

		if (status != CLF_OK)
			return status;
	}
	*done = fit->row == fit->rows || is_full(fit);
	return CLF_OK;
}

/* ---- selecting ---- */

static int
compare_hashes(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* How many n-grams are in so many rows or more. */
static size_t
grams_in(const ClfWideFit *fit, uint32_t least)
{
	size_t		count = 0;

	for (size_t slot = 0; slot < fit->slots; slot++)
		count += fit->keys[slot] != 0 && fit->rows_with[slot] >= least;
	return count;
}

/* In how many rows an n-gram must be: as the options ask, and so that not too many are left. */
static uint32_t
least_rows(const ClfWideFit *fit)
{
	const ClfConfig *config = fit->data->config;
	uint32_t	least = (uint32_t) (config->min_rows > config->min_count ?
									config->min_rows : config->min_count);
	uint32_t	enough = (uint32_t) fit->rows + 1;	/* no n-gram is in so many */
	size_t		room = fit->memory / (4 * (fit->data->labels.count + 4) * sizeof(float));

	if (room > MAX_CANDIDATES)
		room = MAX_CANDIDATES;
	if (grams_in(fit, least) <= room)
		return least;
	while (least < enough)
	{
		uint32_t	middle = least + (enough - least) / 2;

		if (grams_in(fit, middle) <= room)
			enough = middle;
		else
			least = middle + 1;
	}
	return least;
}

/* Start the branch with the n-grams that are in enough rows. */
static ClfStatus
select_grams(ClfWideFit *fit, ClfError *error)
{
	uint32_t	least = least_rows(fit);
	ClfWide    *wide = &fit->wide;
	size_t		F = grams_in(fit, least);
	ClfStatus	status;

	status = clf_wide_allocate(wide, fit->mem, F, fit->data->labels.count, error);
	if (status != CLF_OK)
		return status;
	F = 0;
	for (size_t slot = 0; slot < fit->slots; slot++)
		if (fit->keys[slot] != 0 && fit->rows_with[slot] >= least)
			wide->hashes[F++] = fit->keys[slot];
	qsort(wide->hashes, F, sizeof *wide->hashes, compare_hashes);
	fit->values = 0;
	for (size_t f = 0; f < F; f++)
	{
		uint32_t	rows_with = fit->rows_with[slot_of(fit, wide->hashes[f])];

		wide->idf[f] = 1.0f + logf((1.0f + (float) fit->rows) /
								   (1.0f + (float) rows_with));
		fit->values += rows_with;
	}
	free_counts(fit);
	return clf_wide_prepare(wide, error);
}

/* ---- the regression ---- */

/* Begin to collect the training rows as values of the selected n-grams. */
static ClfStatus
start_building(ClfWideFit *fit, ClfError *error)
{
	size_t		n = fit->rows;

	fit->sparse.start = clf_mem_alloc_zero(fit->mem, n + 1, sizeof *fit->sparse.start);
	fit->class_of = clf_mem_alloc(fit->mem, n, sizeof *fit->class_of);
	if (fit->sparse.start == NULL || fit->class_of == NULL)
		return clf_fail_memory(error);
	fit->row = 0;
	fit->stage = CLF_WIDE_BUILD;
	return clf_wide_scratch_init(&fit->scratch, fit->mem, &fit->wide, error);
}

static ClfStatus
build_row(ClfWideFit *fit, size_t row, ClfError *error)
{
	ClfSparse  *sparse = &fit->sparse;
	size_t		begin = sparse->start[row];
	size_t		count;
	ClfStatus	status = clf_widefit_grams(fit, row, error);

	if (status == CLF_OK)
		status = clf_wide_values(&fit->wide, &fit->scratch, &fit->grams, error);
	if (status != CLF_OK)
		return status;
	count = fit->scratch.found_count;
	if (!clf_mem_grow(fit->mem, (void **) &sparse->feature, &fit->feature_capacity,
					  begin + count, sizeof *sparse->feature) ||
		!clf_mem_grow(fit->mem, (void **) &sparse->value, &fit->value_capacity,
					  begin + count, sizeof *sparse->value))
		return clf_fail_memory(error);
	if (count > 0)
	{
		memcpy(sparse->feature + begin, fit->scratch.found, count * sizeof *sparse->feature);
		memcpy(sparse->value + begin, fit->scratch.values, count * sizeof *sparse->value);
	}
	sparse->start[row + 1] = begin + count;
	fit->class_of[row] = fit->data->rows[row].label;
	for (size_t i = begin; !fit->weighed && i < begin + count; i++)
		fit->wide.kernel[sparse->feature[i] * fit->wide.C + fit->class_of[row]]++;
	return CLF_OK;
}

/* ---- weighing ---- */

/*
 * How much an n-gram in rows_of [C] rows of each class tells about the class:
 * the root of the root of twice the Kullback-Leibler divergence of the shares
 * of the classes among its rows from share [C], those among all.  PRIOR_ROWS
 * more rows with the shares of all keep one of few rows from seeming to tell much.
 */
static float
how_telling(const float *rows_of, const double *share, size_t C)
{
	double		total = PRIOR_ROWS;
	double		without = 1;	/* share of the classes that it is never in */
	double		divergence = 0;

	for (size_t k = 0; k < C; k++)
		total += rows_of[k];
	for (size_t k = 0; k < C; k++)
		if (rows_of[k] > 0)
		{
			double		p = (rows_of[k] + PRIOR_ROWS * share[k]) / total;

			divergence += p * log(p / share[k]);
			without -= share[k];
		}
	divergence += without * PRIOR_ROWS / total * log(PRIOR_ROWS / total);
	return (float) sqrt(sqrt(2 * fmax(divergence, 0)) + LEAST_TELLING);
}

/*
 * N-grams that tell the classes apart get larger values, so that the
 * regularisation holds the others back: for the idea see Wang and Manning,
 * "Baselines and Bigrams", 2012.  In how many rows of each class an n-gram is
 * has been counted in the kernel, and stays there until the weights come.
 */
static ClfStatus
weigh_grams(ClfWideFit *fit, ClfError *error)
{
	ClfWide    *wide = &fit->wide;
	size_t		n = fit->row;
	double	   *share = clf_mem_alloc_zero(fit->mem, wide->C, sizeof *share);

	fit->telling = clf_mem_alloc(fit->mem, wide->F, sizeof *fit->telling);
	if (share == NULL || fit->telling == NULL)
	{
		clf_mem_free(fit->mem, share);
		return clf_fail_memory(error);
	}
	for (size_t i = 0; i < n; i++)
		share[fit->class_of[i]] += 1.0 / (double) n;
	for (size_t f = 0; f < wide->F; f++)
	{
		fit->telling[f] = how_telling(wide->kernel + f * wide->C, share, wide->C);
		wide->idf[f] *= fit->telling[f];
	}
	clf_mem_free(fit->mem, share);
	fit->weighed = true;
	fit->sparse.rows = n;
	fit->row = 0;
	fit->stage = CLF_WIDE_WEIGH;
	return CLF_OK;
}

/* Bring the values of a row, which were made without that, up to date: norm 1 again. */
static void
weigh_row(ClfWideFit *fit, size_t row)
{
	ClfSparse  *sparse = &fit->sparse;
	double		squares = 0;

	for (size_t i = sparse->start[row]; i < sparse->start[row + 1]; i++)
	{
		sparse->value[i] *= fit->telling[sparse->feature[i]];
		squares += (double) sparse->value[i] * sparse->value[i];
	}
	for (size_t i = sparse->start[row]; i < sparse->start[row + 1]; i++)
		sparse->value[i] /= (float) sqrt(squares);
}

static ClfStatus
start_solving(ClfWideFit *fit, ClfError *error)
{
	const ClfConfig *config = fit->data->config;
	ClfStatus	status;

	fit->sparse.rows = fit->row;
	fit->values = fit->sparse.start[fit->row];
	fit->stage = CLF_WIDE_SOLVE;
	status = clf_logistic_init(&fit->solver, fit->mem, fit->kernels, &fit->sparse,
							   fit->class_of, fit->wide.F, fit->wide.C,
							   fit->cost, fit->class_weight,
							   (uint64_t) config->seed, error);
	fit->solver.max_passes = fit->max_passes;
	if (status == CLF_OK && fit->dual != NULL)
		clf_logistic_resume(&fit->solver, fit->dual,
							fit->dual_rows < fit->sparse.rows ? fit->dual_rows : fit->sparse.rows,
							fit->dual_cost, fit->cost);
	clf_mem_free(fit->mem, fit->dual);
	fit->dual = NULL;
	return status;
}

/* ---- pruning ---- */

static size_t
most_kept(const ClfWideFit *fit)
{
	size_t		fitting = MODEL_BYTES / (2 * sizeof(uint32_t) + 2 * fit->wide.C);

	return fitting > LEAST_KEPT ? fitting : LEAST_KEPT;
}

static bool
is_pruning(const ClfWideFit *fit)
{
	return !fit->pruned && fit->wide.F > most_kept(fit);
}

/* Multiply-adds of a pass over the rows. */
static double
pass_work(const ClfWideFit *fit)
{
	return clf_logistic_pass_work((double) fit->rows, (double) fit->values, (double) fit->wide.C);
}

double
clf_widefit_work_ahead(const ClfWideFit *fit)
{
	return pass_work(fit) * fit->max_passes * (is_pruning(fit) ? 2 : 1);
}

/* How much an n-gram moves the scores, over all rows, squared. */
static float
usefulness(const ClfWideFit *fit, size_t f)
{
	const float *w = fit->solver.w + f * fit->wide.C;
	float		sum = 0;
	float		rows = 0;

	for (size_t k = 0; k < fit->wide.C; k++)
		rows += fit->wide.kernel[f * fit->wide.C + k];
	for (size_t k = 0; k < fit->wide.C; k++)
		sum += w[k] * w[k];
	return sum * rows * fit->wide.idf[f] * fit->wide.idf[f];
}

static int
compare_down(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x < y) - (x > y);
}

/* Keep the most useful n-grams and begin the regression anew with them. */
static ClfStatus
prune(ClfWideFit *fit, ClfError *error)
{
	ClfWide    *wide = &fit->wide;
	size_t		kept = most_kept(fit);
	float	   *scores = clf_mem_alloc(fit->mem, 2 * wide->F, sizeof *scores);
	float	   *sorted = scores + wide->F;
	size_t		to = 0;

	if (scores == NULL)
		return clf_fail_memory(error);
	for (size_t f = 0; f < wide->F; f++)
		sorted[f] = scores[f] = usefulness(fit, f);
	qsort(sorted, wide->F, sizeof *sorted, compare_down);
	for (size_t f = 0; f < wide->F && to < kept; f++)
		if (scores[f] >= sorted[kept - 1])
		{
			wide->hashes[to] = wide->hashes[f];
			wide->idf[to++] = wide->idf[f];
		}
	clf_mem_free(fit->mem, scores);
	clf_mem_free(fit->mem, wide->slots);
	wide->slots = NULL;
	wide->F = to;
	fit->pruned = true;
	clf_widefit_forget_rows(fit);
	return clf_wide_prepare(wide, error);
}

/* Take the weights from the solver, as precise as a model file holds them. */
static void
take_weights(ClfWideFit *fit)
{
	ClfWide    *wide = &fit->wide;

	for (size_t i = 0; i < wide->F * wide->C; i++)
		wide->kernel[i] = clf_float_from_half(clf_half_from_float(fit->solver.w[i]));
	memcpy(wide->bias, fit->solver.bias, wide->C * sizeof(float));
	fit->learned = fit->sparse.rows;
	fit->stage = CLF_WIDE_FINISHED;
}

/* Take the solution for the rows at hand, if it is not large, to begin with it. */
static void
take_duals(ClfWideFit *fit)
{
	if (fit->solver.dual == NULL ||
		fit->sparse.rows * fit->wide.C * sizeof(float) > fit->memory / 16)
		return;
	fit->dual = fit->solver.dual;
	fit->dual_rows = fit->sparse.rows;
	fit->dual_cost = fit->solver.cost;
	fit->solver.dual = NULL;
}

ClfStatus
clf_widefit_restart(ClfWideFit *fit, size_t rows, float cost, ClfError *error)
{
	fit->pruned = true;			/* these n-grams it shall be */
	fit->cost = cost;
	if (rows == fit->rows)
	{
		clf_logistic_resume(&fit->solver, fit->solver.dual, fit->sparse.rows, fit->solver.cost, cost);
		fit->solver.max_passes = fit->max_passes;
		fit->stage = CLF_WIDE_SOLVE;
		return CLF_OK;
	}
	fit->rows = rows;
	take_duals(fit);
	clf_widefit_forget_rows(fit);
	return start_building(fit, error);
}

ClfStatus
clf_widefit_advance(ClfWideFit *fit, ClfError *error)
{
	bool		done = false;
	ClfStatus	status = CLF_OK;

	switch (fit->stage)
	{
		case CLF_WIDE_COUNT:
			status = for_rows(fit, count_row, &done, error);
			if (status == CLF_OK && done)
				fit->stage = CLF_WIDE_SELECT;
			break;
		case CLF_WIDE_SELECT:
			status = select_grams(fit, error);
			if (status == CLF_OK)
				status = start_building(fit, error);
			break;
		case CLF_WIDE_BUILD:
			status = for_rows(fit, build_row, &done, error);
			if (status == CLF_OK && done)
				status = fit->weighed ? start_solving(fit, error) : weigh_grams(fit, error);
			break;
		case CLF_WIDE_WEIGH:
			for (int i = 0; i < CHUNK && fit->row < fit->sparse.rows; i++)
				weigh_row(fit, fit->row++);
			if (fit->row < fit->sparse.rows)
				break;
			clf_mem_free(fit->mem, fit->telling);
			fit->telling = NULL;
			status = start_solving(fit, error);
			break;
		case CLF_WIDE_SOLVE:
			if (!clf_logistic_advance(&fit->solver))
				break;
			fit->work += fit->solver.pass * pass_work(fit);
			if (is_pruning(fit))
			{
				status = prune(fit, error);
				if (status == CLF_OK)
					status = start_building(fit, error);
			}
			else
				take_weights(fit);
			break;
		case CLF_WIDE_FINISHED:
			break;
	}
	return status;
}

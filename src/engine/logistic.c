/*
 * logistic.c
 *	  L2-regularised logistic regression by dual coordinate descent.
 *
 * All classes go through the rows together: their problems are independent,
 * and so the C weights of a feature are read and written as one.  It must not
 * know what a feature is.
 */
#include "logistic.h"

#include <math.h>
#include <string.h>

#include "error.h"

#define TOLERANCE 0.01			/* largest change of a dual, relative to cost */
#define ROWS_AT_ONCE 256
#define SQUARE_NORM 2.0f		/* of a row: 1, and 1 for the bias */
#define NEWTON_STEPS 20

size_t
clf_logistic_memory(size_t rows, size_t F, size_t C)
{
	size_t		weights;
	size_t		duals;
	size_t		bytes;

	if (!clf_size_mul(F + 2, C * sizeof(float), &weights) ||
		!clf_size_mul(rows, (C + 1) * sizeof(float), &duals) ||
		!clf_size_add(weights, duals, &bytes))
		return SIZE_MAX;
	return bytes;
}

ClfStatus
clf_logistic_init(ClfLogistic *solver, ClfMem *mem, const ClfKernels *kernels,
				  const ClfSparse *data, const uint32_t *class_of,
				  size_t F, size_t C, float cost, const float *class_weight,
				  uint64_t seed, ClfError *error)
{
	memset(solver, 0, sizeof *solver);
	solver->mem = mem;
	solver->kernels = kernels;
	solver->data = data;
	solver->class_of = class_of;
	solver->F = F;
	solver->C = C;
	solver->cost = cost;
	solver->class_weight = class_weight;
	solver->max_passes = CLF_LOGISTIC_PASSES;
	clf_rng_seed(&solver->rng, seed, 0);
	solver->w = clf_mem_alloc_zero(mem, F, C * sizeof(float));
	solver->bias = clf_mem_alloc_zero(mem, C, sizeof(float));
	solver->dual = clf_mem_alloc_zero(mem, data->rows, C * sizeof(float));
	solver->z = clf_mem_alloc(mem, C, sizeof(float));
	solver->order = clf_mem_alloc(mem, data->rows, sizeof *solver->order);
	if (!solver->w || !solver->bias || !solver->dual || !solver->z || !solver->order)
	{
		clf_logistic_free(solver);
		return clf_fail_memory(error);
	}
	for (size_t i = 0; i < data->rows; i++)
		solver->order[i] = (uint32_t) i;
	clf_rng_shuffle(&solver->rng, solver->order, data->rows);
	return CLF_OK;
}

void
clf_logistic_free(ClfLogistic *solver)
{
	if (solver->mem == NULL)
		return;
	clf_mem_free(solver->mem, solver->w);
	clf_mem_free(solver->mem, solver->bias);
	clf_mem_free(solver->mem, solver->dual);
	clf_mem_free(solver->mem, solver->z);
	clf_mem_free(solver->mem, solver->order);
	memset(solver, 0, sizeof *solver);
}

/* Add z, times the values of a row, to the weights. */
static void
add_to_weights(ClfLogistic *solver, size_t row)
{
	const ClfSparse *data = solver->data;
	size_t		C = solver->C;

	solver->kernels->axpy(C, 1.0f, solver->z, solver->bias);
	for (size_t i = data->start[row]; i < data->start[row + 1]; i++)
		solver->kernels->axpy(C, data->value[i], solver->z, solver->w + data->feature[i] * C);
}

void
clf_logistic_resume(ClfLogistic *solver, const float *dual, size_t rows,
					float from_cost, float cost)
{
	size_t		C = solver->C;
	float		factor = sqrtf(cost / from_cost);	/* between weights that stay and duals that do */

	solver->cost = cost;
	for (size_t i = 0; i < rows; i++)
	{
		float		most = cost * solver->class_weight[solver->class_of[i]];

		for (size_t k = 0; k < C; k++)
			solver->dual[i * C + k] = fminf(factor * dual[i * C + k], most);
	}
	memset(solver->w, 0, solver->F * C * sizeof(float));
	memset(solver->bias, 0, C * sizeof(float));
	solver->resumed = 0;
	solver->given = rows;
	solver->position = 0;
	solver->pass = 0;
	solver->change = 0;
}

/* Add the duals of a row to the weights. */
static void
resume_row(ClfLogistic *solver, size_t row)
{
	size_t		C = solver->C;
	const float *dual = solver->dual + row * C;
	float	   *z = solver->z;

	for (size_t k = 0; k < C; k++)
		z[k] = solver->class_of[row] == k ? dual[k] : -dual[k];
	add_to_weights(solver, row);
}

/*
 * How far to move one dual variable, now alpha, where the margin y w x is b:
 * the root of alpha + d = cost * sigmoid(-(b + d |x|^2)).  The difference of
 * the sides increases in d and changes its sign between -alpha and
 * cost - alpha; Newton steps that leave what is left of this interval are
 * replaced by halving it.
 */
static float
dual_change(float alpha, float b, float cost)
{
	float		low = -alpha;
	float		high = cost - alpha;
	float		d = 0;

	for (int step = 0; step < NEWTON_STEPS; step++)
	{
		float		s = 1.0f / (1.0f + expf(b + d * SQUARE_NORM));
		float		value = alpha + d - cost * s;
		float		next = d - value / (1.0f + cost * SQUARE_NORM * s * (1.0f - s));

		if (value > 0)
			high = d;
		else
			low = d;
		if (!(next > low && next < high))
			next = 0.5f * (low + high);
		if (fabsf(next - d) < 1e-4f * cost)
			return next;
		d = next;
	}
	return d;
}

/* Optimise the duals of one row, all classes. */
static void
visit_row(ClfLogistic *solver, uint32_t row)
{
	const ClfSparse *data = solver->data;
	size_t		C = solver->C;
	float		cost = solver->cost * solver->class_weight[solver->class_of[row]];
	float	   *dual = solver->dual + row * C;
	float	   *z = solver->z;
	bool		moved = false;

	memcpy(z, solver->bias, C * sizeof(float));
	for (size_t i = data->start[row]; i < data->start[row + 1]; i++)
		solver->kernels->axpy(C, data->value[i], solver->w + data->feature[i] * C, z);

	/* z becomes y times the change of every class */
	for (size_t k = 0; k < C; k++)
	{
		float		y = solver->class_of[row] == k ? 1.0f : -1.0f;
		float		change = dual_change(dual[k], y * z[k], cost);

		if (fabs(change) > solver->change * cost)
			solver->change = fabs(change) / cost;
		dual[k] += change;
		z[k] = y * change;
		moved |= change != 0;
	}
	if (moved)
		add_to_weights(solver, row);
}

bool
clf_logistic_advance(ClfLogistic *solver)
{
	size_t		n = solver->data->rows;

	if (solver->resumed < solver->given)
	{
		for (int i = 0; i < ROWS_AT_ONCE && solver->resumed < solver->given; i++)
			resume_row(solver, solver->resumed++);
		return false;
	}
	for (int i = 0; i < ROWS_AT_ONCE && solver->position < n; i++)
		visit_row(solver, solver->order[solver->position++]);
	if (solver->position < n)
		return false;
	if (++solver->pass >= solver->max_passes || solver->change < TOLERANCE)
		return true;
	solver->position = 0;
	solver->change = 0;
	clf_rng_shuffle(&solver->rng, solver->order, n);
	return false;
}

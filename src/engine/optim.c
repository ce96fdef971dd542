/*
 * optim.c
 *	  From gradients to new weights.
 *
 * The update rules are those of Keras 3: keras/src/optimizers/{sgd,rmsprop,
 * adam}.py, but that the embedding is updated by row ("lazily") unless option
 * dense_updates is set: a row that is not in the batch keeps its weights and
 * its moments.  It must not know what the loss is.
 */
#include "optim.h"

#include <math.h>
#include <string.h>

#include "error.h"

#define ADAM_BETA1 0.9
#define ADAM_BETA2 0.999
#define RMSPROP_RHO 0.9f
#define EPSILON 1e-7f

/* ---- memory ---- */

static bool
needs_first(const ClfConfig *config)
{
	return config->optimizer == CLF_OPTIMIZER_MOMENTUM ||
		config->optimizer == CLF_OPTIMIZER_ADAM;
}

static bool
needs_second(const ClfConfig *config)
{
	return config->optimizer == CLF_OPTIMIZER_RMSPROP ||
		config->optimizer == CLF_OPTIMIZER_ADAM;
}

size_t
clf_dense_floats(const ClfTensorTable *table)
{
	return table->floats - table->tensors[table->embedding + 1].offset;
}

size_t
clf_optimizer_memory(const ClfConfig *config, const ClfTensorTable *table)
{
	size_t		blocks = (needs_first(config) ? 1 : 0) +
		(needs_second(config) ? 1 : 0) + (config->weight_average > 0 ? 1 : 0);
	size_t		bytes;

	if (!clf_size_mul(table->floats, blocks * sizeof(float), &bytes) ||
		!clf_size_add(bytes, 2 * table->tensors[table->embedding].rows * sizeof(uint32_t), &bytes))
		return SIZE_MAX;
	return bytes;
}

static bool
allocate_block(ClfOptimizer *optimizer, bool needed, float **block)
{
	if (needed)
		*block = clf_mem_alloc_zero(optimizer->mem, optimizer->table->floats,
									sizeof(float));
	return !needed || *block != NULL;
}

ClfStatus
clf_optimizer_init(ClfOptimizer *optimizer, ClfMem *mem, const ClfConfig *config,
				   const ClfTensorTable *table, const ClfKernels *kernels,
				   ClfError *error)
{
	bool		averages = config->weight_average > 0;
	bool		dense = config->dense_updates != 0;
	size_t		rows = table->tensors[table->embedding].rows;

	memset(optimizer, 0, sizeof *optimizer);
	optimizer->mem = mem;
	optimizer->config = config;
	optimizer->table = table;
	optimizer->kernels = kernels;
	if (averages)
		optimizer->averaged = clf_mem_alloc_zero(mem, rows, sizeof(uint32_t));
	if (dense)
	{
		optimizer->position = clf_mem_alloc_zero(mem, rows, sizeof(uint32_t));
		optimizer->zeros = clf_mem_alloc_zero(mem, table->tensors[table->embedding].columns,
											  sizeof(float));
	}
	if (!allocate_block(optimizer, needs_first(config), &optimizer->first) ||
		!allocate_block(optimizer, needs_second(config), &optimizer->second) ||
		!allocate_block(optimizer, averages, &optimizer->average) ||
		(averages && optimizer->averaged == NULL) ||
		(dense && (optimizer->position == NULL || optimizer->zeros == NULL)))
	{
		clf_optimizer_free(optimizer);
		return clf_fail_memory(error);
	}
	return CLF_OK;
}

void
clf_optimizer_free(ClfOptimizer *optimizer)
{
	if (optimizer->mem == NULL)
		return;
	clf_mem_free(optimizer->mem, optimizer->first);
	clf_mem_free(optimizer->mem, optimizer->second);
	clf_mem_free(optimizer->mem, optimizer->average);
	clf_mem_free(optimizer->mem, optimizer->averaged);
	clf_mem_free(optimizer->mem, optimizer->position);
	clf_mem_free(optimizer->mem, optimizer->zeros);
	memset(optimizer, 0, sizeof *optimizer);
}

/* ---- clipping ---- */

double
clf_gradient_clip(const ClfOptimizer *optimizer, ClfGradient *gradient, double limit)
{
	const ClfTensorTable *table = optimizer->table;
	size_t		dense = clf_dense_floats(table);
	size_t		sparse = gradient->nrows * table->tensors[table->embedding].columns;
	double		norm = sqrt(optimizer->kernels->square_sum(dense, gradient->dense) +
							optimizer->kernels->square_sum(sparse, gradient->values));

	if (limit > 0 && norm > limit)
	{
		float		factor = (float) (limit / norm);

		for (size_t i = 0; i < dense; i++)
			gradient->dense[i] *= factor;
		for (size_t i = 0; i < sparse; i++)
			gradient->values[i] *= factor;
	}
	return norm;
}

/* ---- updates ---- */

/* Update n weights at this offset of the block; rate includes Adam's correction. */
static void
update(ClfOptimizer *optimizer, float *weights, size_t offset, size_t n,
	   const float *gradient, float rate)
{
	float	   *w = weights + offset;
	float	   *first = optimizer->first ? optimizer->first + offset : NULL;
	float	   *second = optimizer->second ? optimizer->second + offset : NULL;
	float		momentum = (float) optimizer->config->momentum;

	switch ((ClfOptimizerKind) optimizer->config->optimizer)
	{
		case CLF_OPTIMIZER_SGD:
			optimizer->kernels->axpy(n, -rate, gradient, w);
			break;
		case CLF_OPTIMIZER_MOMENTUM:
			for (size_t i = 0; i < n; i++)
			{
				first[i] = momentum * first[i] - rate * gradient[i];
				w[i] += first[i];
			}
			break;
		case CLF_OPTIMIZER_RMSPROP:
			for (size_t i = 0; i < n; i++)
			{
				second[i] = RMSPROP_RHO * second[i] +
					(1.0f - RMSPROP_RHO) * gradient[i] * gradient[i];
				w[i] -= rate * gradient[i] / sqrtf(second[i] + EPSILON);
			}
			break;
		case CLF_OPTIMIZER_ADAM:
			optimizer->kernels->adam(n, w, first, second, gradient, rate,
									 (float) ADAM_BETA1, (float) ADAM_BETA2, EPSILON);
			break;
	}
}

/*
 * Bring the average of n weights from step since up to the optimizer's step.
 * They have not changed in between.
 */
static void
advance_average(ClfOptimizer *optimizer, const float *weights, size_t offset,
				size_t n, uint64_t since)
{
	float		keep = (float) pow(optimizer->config->weight_average,
								   (double) (optimizer->step - since));

	optimizer->kernels->average(n, keep, weights + offset, optimizer->average + offset);
}

static void
advance_row(ClfOptimizer *optimizer, const float *weights, size_t row)
{
	size_t		E = optimizer->table->tensors[optimizer->table->embedding].columns;

	if (optimizer->average == NULL)
		return;
	advance_average(optimizer, weights, row * E, E, optimizer->averaged[row]);
	optimizer->averaged[row] = (uint32_t) optimizer->step;
}

/* Every row of the embedding, with a gradient of 0 where the batch gives none. */
static void
update_all_rows(ClfOptimizer *optimizer, float *weights,
				const ClfGradient *gradient, float rate)
{
	const ClfTensor *embedding = &optimizer->table->tensors[optimizer->table->embedding];
	size_t		E = embedding->columns;

	for (uint32_t i = 0; i < gradient->nrows; i++)
		optimizer->position[gradient->rows[i]] = i + 1;
	for (size_t row = 0; row < embedding->rows; row++)
	{
		uint32_t	position = optimizer->position[row];

		advance_row(optimizer, weights, row);
		update(optimizer, weights, row * E, E,
			   position ? gradient->values + (position - 1) * E : optimizer->zeros,
			   rate);
		optimizer->position[row] = 0;
	}
}

void
clf_optimizer_step(ClfOptimizer *optimizer, float *weights,
				   const ClfGradient *gradient, double learning_rate)
{
	const ClfTensorTable *table = optimizer->table;
	size_t		E = table->tensors[table->embedding].columns;
	size_t		dense_offset = table->tensors[table->embedding + 1].offset;
	size_t		dense = clf_dense_floats(table);
	double		step = (double) optimizer->step + 1;

	if (optimizer->config->optimizer == CLF_OPTIMIZER_ADAM)
		learning_rate *= sqrt(1.0 - pow(ADAM_BETA2, step)) / (1.0 - pow(ADAM_BETA1, step));

	if (optimizer->config->dense_updates)
		update_all_rows(optimizer, weights, gradient, (float) learning_rate);
	else
		for (uint32_t i = 0; i < gradient->nrows; i++)
		{
			advance_row(optimizer, weights, gradient->rows[i]);
			update(optimizer, weights, gradient->rows[i] * E, E,
				   gradient->values + i * E, (float) learning_rate);
		}
	update(optimizer, weights, dense_offset, dense, gradient->dense,
		   (float) learning_rate);
	optimizer->step++;
	if (optimizer->average)
		advance_average(optimizer, weights, dense_offset, dense, optimizer->step - 1);
}

double
clf_learning_rate(const ClfConfig *config, uint64_t step, uint64_t total)
{
	uint64_t	warm_up = total / 20;
	double		left;

	if (config->schedule == CLF_SCHEDULE_CONSTANT)
		return config->learning_rate;
	if (step < warm_up)
		return config->learning_rate * (double) (step + 1) / (double) warm_up;
	left = (double) (total - step) / (double) (total - warm_up);
	if (config->schedule == CLF_SCHEDULE_LINEAR)
		return config->learning_rate * left;
	return config->learning_rate * 0.5 * (1.0 - cos(3.14159265358979 * left));
}

void
clf_optimizer_evaluated(ClfOptimizer *optimizer, const float *weights,
						float *evaluated)
{
	const ClfTensorTable *table = optimizer->table;
	float		share;

	if (optimizer->average == NULL || optimizer->step == 0)
	{
		memcpy(evaluated, weights, table->floats * sizeof(float));
		return;
	}
	for (size_t row = 0; row < table->tensors[table->embedding].rows; row++)
		advance_row(optimizer, weights, row);
	share = (float) (1.0 - pow(optimizer->config->weight_average, (double) optimizer->step));
	for (size_t i = 0; i < table->floats; i++)
		evaluated[i] = optimizer->average[i] / share;
}

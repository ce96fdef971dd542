/*
 * forward.c
 *	  The network as prediction runs it.
 *
 * It must not know where a sequence comes from.
 */
#include "forward.h"

#include <string.h>

#include "error.h"
#include "network.h"

/* ---- shapes ---- */

static size_t
directions_of(const ClfConfig *config)
{
	return config->bidirectional ? 2 : 1;
}

static size_t
blocks_of(const ClfConfig *config)
{
	return ((size_t) config->units + CLF_LANES - 1) / CLF_LANES;
}

/* Width K of a layer's input, units padded. */
static size_t
input_width(const ClfConfig *config, int layer)
{
	return layer == 0 ? (size_t) config->embedding_dim :
		directions_of(config) * blocks_of(config) * CLF_LANES;
}

/* One direction of one layer in the packed weights. */
typedef struct Packed
{
	float	   *kernel;
	float	   *recurrent;
	float	   *bias;
	float	   *end;
} Packed;

static Packed
packed_at(float *start, const ClfConfig *config, int layer)
{
	size_t		blocks = blocks_of(config);
	Packed		packed;

	packed.kernel = start;
	packed.recurrent = packed.kernel + blocks * input_width(config, layer) * CLF_BLOCK;
	packed.bias = packed.recurrent + blocks * blocks * CLF_LANES * CLF_BLOCK;
	packed.end = packed.bias + blocks * CLF_BLOCK;
	return packed;
}

bool
clf_packed_floats(const ClfConfig *config, size_t *floats)
{
	size_t		block_rows = 0;	/* rows of CLF_BLOCK floats per block */
	size_t		bytes;

	/* units, layers and embedding_dim are limited by the table of options */
	for (int layer = 0; layer < config->layers; layer++)
		block_rows += directions_of(config) *
			(input_width(config, layer) + blocks_of(config) * CLF_LANES + 1);
	return clf_size_mul(block_rows, blocks_of(config) * CLF_BLOCK, floats) &&
		clf_size_mul(*floats, sizeof(float), &bytes);
}

/* ---- packing ---- */

/* Row of a matrix [.., 4H] to its place in every block of a packed one [.., K, ..]. */
static void
pack_row(const ClfConfig *config, const float *row, size_t k, size_t K, float *packed)
{
	size_t		H = (size_t) config->units;

	for (size_t gate = 0; gate < 4; gate++)
		for (size_t j = 0; j < H; j++)
			packed[((j / CLF_LANES) * K + k) * CLF_BLOCK +
				   gate * CLF_LANES + j % CLF_LANES] = row[gate * H + j];
}

/* Where row k of an unpadded input of a layer above the first stands. */
static size_t
padded_row(const ClfConfig *config, size_t k)
{
	size_t		H = (size_t) config->units;

	return k / H * blocks_of(config) * CLF_LANES + k % H;
}

void
clf_pack_weights(const ClfModel *model, float *packed)
{
	const ClfConfig *config = &model->config;
	size_t		H = (size_t) config->units;
	size_t		H_padded = blocks_of(config) * CLF_LANES;
	size_t		floats;

	(void) clf_packed_floats(config, &floats);
	memset(packed, 0, floats * sizeof(float));
	for (int layer = 0; layer < config->layers; layer++)
		for (size_t direction = 0; direction < directions_of(config); direction++)
		{
			const ClfLstmTensors *lstm = &model->table.lstm[layer][direction];
			size_t		K = input_width(config, layer);
			Packed		at = packed_at(packed, config, layer);

			for (size_t k = 0; k < clf_layer_input(config, layer); k++)
				pack_row(config, clf_model_tensor(model, lstm->kernel) + k * 4 * H,
						 layer == 0 ? k : padded_row(config, k), K, at.kernel);
			for (size_t k = 0; k < H; k++)
				pack_row(config, clf_model_tensor(model, lstm->recurrent) + k * 4 * H,
						 k, H_padded, at.recurrent);
			pack_row(config, clf_model_tensor(model, lstm->bias), 0, 1, at.bias);
			packed = at.end;
		}
}

/* ---- buffers ---- */

ClfStatus
clf_forward_init(ClfForward *forward, const ClfModel *model, ClfMem *mem,
				 const ClfKernels *kernels, ClfError *error)
{
	size_t		H_padded = blocks_of(&model->config) * CLF_LANES;

	memset(forward, 0, sizeof *forward);
	forward->mem = mem;
	forward->model = model;
	forward->kernels = kernels;
	forward->cell = clf_mem_alloc(mem, H_padded, sizeof(float));
	forward->zeros = clf_mem_alloc_zero(mem, H_padded, sizeof(float));
	forward->features = clf_mem_alloc(mem, clf_feature_width(&model->config), sizeof(float));
	if (forward->cell == NULL || forward->zeros == NULL ||
		forward->features == NULL)
	{
		clf_forward_free(forward);
		return clf_fail_memory(error);
	}
	return CLF_OK;
}

void
clf_forward_free(ClfForward *forward)
{
	if (forward->mem == NULL)
		return;
	clf_mem_free(forward->mem, forward->inputs);
	clf_mem_free(forward->mem, forward->outputs);
	clf_mem_free(forward->mem, forward->gates);
	clf_mem_free(forward->mem, forward->cell);
	clf_mem_free(forward->mem, forward->zeros);
	clf_mem_free(forward->mem, forward->features);
	memset(forward, 0, sizeof *forward);
}

/* Make a buffer of T rows; false if memory is short. */
static bool
reserve(ClfForward *forward, float **buffer, size_t *capacity, size_t T, size_t width)
{
	size_t		floats;

	return clf_size_mul(T, width, &floats) &&
		clf_mem_grow(forward->mem, (void **) buffer, capacity, floats, sizeof(float));
}

static bool
reserve_buffers(ClfForward *forward, size_t T)
{
	const ClfConfig *config = &forward->model->config;
	size_t		width = directions_of(config) * blocks_of(config) * CLF_LANES;
	size_t		input = width > input_width(config, 0) ? width : input_width(config, 0);

	return reserve(forward, &forward->inputs, &forward->inputs_capacity, T, input) &&
		reserve(forward, &forward->outputs, &forward->outputs_capacity, T, width) &&
		reserve(forward, &forward->gates, &forward->gates_capacity, T,
				blocks_of(config) * CLF_BLOCK);
}

/* ---- the pass ---- */

/* inputs [T,E]: the embeddings of the sequence */
static void
embed(ClfForward *forward, const uint32_t *ids, size_t T)
{
	const ClfModel *model = forward->model;
	size_t		E = (size_t) model->config.embedding_dim;
	const float *embedding = clf_model_tensor(model, model->table.embedding);

	for (size_t t = 0; t < T; t++)
		memcpy(forward->inputs + t * E, embedding + ids[t] * E, E * sizeof(float));
}

/* One direction of a layer: inputs [T,K] to its columns of outputs. */
static void
run_direction(ClfForward *forward, const Packed *weights, int layer,
			  size_t direction, size_t T)
{
	const ClfConfig *config = &forward->model->config;
	size_t		blocks = blocks_of(config);
	size_t		H_padded = blocks * CLF_LANES;
	size_t		width = directions_of(config) * H_padded;
	size_t		K = input_width(config, layer);
	float	   *outputs = forward->outputs + direction * H_padded;
	const float *h = forward->zeros;

	forward->kernels->project(T, K, forward->inputs, K, blocks, weights->kernel,
							  weights->bias, forward->gates);
	memset(forward->cell, 0, H_padded * sizeof(float));
	for (size_t step = 0; step < T; step++)
	{
		size_t		t = direction == 0 ? step : T - 1 - step;

		forward->kernels->lstm_step(blocks, forward->gates + t * blocks * CLF_BLOCK,
									h, weights->recurrent, forward->cell,
									outputs + t * width);
		h = outputs + t * width;
	}
}

/* One feature: the last state, maximum or mean of a column of outputs [T,width]. */
static float
pool_column(ClfPooling pooling, const float *column, size_t width, size_t T,
			size_t direction)
{
	float		result = column[0];

	if (pooling == CLF_POOLING_LAST)
		return column[direction == 0 ? (T - 1) * width : 0];
	for (size_t t = 1; t < T; t++)
	{
		float		value = column[t * width];

		if (pooling == CLF_POOLING_MEAN)
			result += value;
		else if (value > result)
			result = value;
	}
	return pooling == CLF_POOLING_MEAN ? result / (float) T : result;
}

/* features [D] of the top layer's outputs */
static void
pool(ClfForward *forward, size_t T)
{
	const ClfConfig *config = &forward->model->config;
	size_t		H = (size_t) config->units;
	size_t		H_padded = blocks_of(config) * CLF_LANES;
	size_t		width = directions_of(config) * H_padded;

	for (size_t direction = 0; direction < directions_of(config); direction++)
		for (size_t j = 0; j < H; j++)
			forward->features[direction * H + j] =
				pool_column(config->pooling, forward->outputs + direction * H_padded + j,
							width, T, direction);
}

/* scores z [C] of the features */
static void
classify(ClfForward *forward, float *z)
{
	const ClfModel *model = forward->model;
	size_t		C = model->labels.count;
	const float *kernel = clf_model_tensor(model, model->table.dense_kernel);

	memcpy(z, clf_model_tensor(model, model->table.dense_bias),
		   C * sizeof(float));
	for (size_t d = 0; d < clf_feature_width(&model->config); d++)
		forward->kernels->axpy(C, forward->features[d], kernel + d * C, z);
}

ClfStatus
clf_forward(ClfForward *forward, const uint32_t *ids, size_t T,
			float *z, ClfError *error)
{
	const ClfConfig *config = &forward->model->config;
	float	   *packed = forward->model->packed;

	if (!reserve_buffers(forward, T))
		return clf_fail_memory(error);
	embed(forward, ids, T);
	for (int layer = 0; layer < config->layers; layer++)
	{
		if (layer > 0)
			memcpy(forward->inputs, forward->outputs,
				   T * input_width(config, layer) * sizeof(float));
		for (size_t direction = 0; direction < directions_of(config); direction++)
		{
			Packed		weights = packed_at(packed, config, layer);

			run_direction(forward, &weights, layer, direction, T);
			packed = weights.end;
		}
	}
	pool(forward, T);
	classify(forward, z);
	return CLF_OK;
}

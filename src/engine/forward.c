/*
 * forward.c
 *	  The network as prediction runs it.
 *
 * It must not know where a sequence comes from.
 */
#include "forward.h"

#include <string.h>

#include "error.h"

#define CHUNK_BYTES (256 * 1024)	/* of gates: they and the weights share the L2 cache */
#define TABLE_BYTES (2 * 1024 * 1024)

/* The sequences of a pass. */
typedef struct Pass
{
	size_t		rows;
	const ClfSequence *sequences;
	size_t		T;				/* steps: length of the first, the longest */
} Pass;

static size_t
states(const ClfForward *forward)
{
	return forward->packed->blocks * CLF_LANES;
}

static size_t
columns(const ClfForward *forward)
{
	return forward->packed->blocks * CLF_BLOCK;
}

/* ---- buffers ---- */

/* Where a model brings projections, use them. */
static bool
take_table(ClfForward *forward)
{
	const ClfProjected *projected = &forward->model->projected;

	if (projected->kernels != forward->kernels || forward->packed != &forward->model->packed)
		return false;
	forward->table.ids = projected->ids;
	memcpy(forward->table.gates, projected->gates, sizeof projected->gates);
	return true;
}

/* A table of as many tokens as fit; without, all are computed. */
static bool
init_table(ClfForward *forward)
{
	int			directions = clf_directions(&forward->model->config);
	size_t		token_bytes = columns(forward) * sizeof(float) * (size_t) directions;
	size_t		ids = TABLE_BYTES / token_bytes;

	if (ids > clf_model_ids(forward->model))
		ids = clf_model_ids(forward->model);
	forward->table.ids = ids;
	for (int direction = 0; direction < directions; direction++)
	{
		forward->table.gates[direction] = clf_mem_alloc(forward->mem, ids * columns(forward),
														sizeof(float));
		forward->table.known[direction] = clf_mem_alloc_zero(forward->mem, ids, sizeof(bool));
		if (!forward->table.gates[direction] || !forward->table.known[direction])
			return false;
	}
	return true;
}

static bool
init_buffers(ClfForward *forward)
{
	ClfMem	   *mem = forward->mem;
	const ClfPacked *packed = forward->packed;
	size_t		chunk = CHUNK_BYTES / (columns(forward) * sizeof(float));

	if (chunk < CLF_FORWARD_ROWS)
		chunk = CLF_FORWARD_ROWS;
	forward->chunk = chunk;
	forward->gates = clf_mem_alloc(mem, chunk * columns(forward), sizeof(float));
	forward->gates_of = clf_mem_alloc(mem, chunk, sizeof *forward->gates_of);
	forward->x = clf_mem_alloc(mem, chunk, sizeof *forward->x);
	forward->out = clf_mem_alloc(mem, chunk, sizeof *forward->out);
	forward->factor = clf_mem_alloc(mem, chunk, sizeof *forward->factor);
	forward->cell = clf_mem_alloc(mem, CLF_FORWARD_ROWS * states(forward), sizeof(float));
	forward->zeros = clf_mem_alloc_zero(mem, states(forward), sizeof(float));
	forward->features = clf_mem_alloc(mem, CLF_FORWARD_ROWS * packed->features, sizeof(float));
	forward->scores = clf_mem_alloc(mem, CLF_FORWARD_ROWS * packed->dense_blocks * CLF_BLOCK,
									sizeof(float));
	if (!forward->gates || !forward->gates_of || !forward->x || !forward->out ||
		!forward->factor || !forward->cell || !forward->zeros || !forward->features ||
		!forward->scores)
		return false;
	if (packed->bytes)
	{
		size_t		E = clf_packed_fours((size_t) forward->model->config.embedding_dim);

		forward->embedded = clf_mem_alloc_zero(mem, chunk * E, 1);
		forward->zero_bytes = clf_mem_alloc(mem, states(forward), 1);
		if (!forward->embedded || !forward->zero_bytes)
			return false;
		memset(forward->zero_bytes, CLF_ZERO, states(forward));
	}
	return take_table(forward) || init_table(forward);
}

ClfStatus
clf_forward_init(ClfForward *forward, const ClfModel *model, const ClfPacked *packed,
				 ClfMem *mem, const ClfKernels *kernels, ClfError *error)
{
	memset(forward, 0, sizeof *forward);
	forward->mem = mem;
	forward->model = model;
	forward->packed = packed;
	forward->kernels = kernels;
	if (init_buffers(forward))
		return CLF_OK;
	clf_forward_free(forward);
	return clf_fail_memory(error);
}

void
clf_forward_free(ClfForward *forward)
{
	bool		own = forward->mem && forward->table.gates[0] != forward->model->projected.gates[0];
	void	   *blocks[] = {
		own ? forward->table.gates[0] : NULL, own ? forward->table.gates[1] : NULL,
		forward->table.known[0], forward->table.known[1],
		forward->offset, forward->inputs, forward->outputs,
		forward->input_bytes, forward->output_bytes,
		forward->gates, forward->gates_of, forward->x, forward->out,
		forward->factor, forward->embedded, forward->cell, forward->zeros,
		forward->zero_bytes, forward->features, forward->scores
	};

	if (forward->mem == NULL)
		return;
	for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
		clf_mem_free(forward->mem, blocks[i]);
	memset(forward, 0, sizeof *forward);
}

/* Make room for so many places; false if memory is short. */
static bool
reserve_places(ClfForward *forward, size_t places)
{
	ClfMem	   *mem = forward->mem;
	bool		several = forward->model->config.layers > 1;
	size_t		elements;

	if (!clf_size_mul(places, forward->packed->width, &elements) ||
		!clf_mem_grow(mem, (void **) &forward->outputs, &forward->outputs_capacity,
					  elements, sizeof(float)))
		return false;
	if (!forward->packed->bytes)
		return !several ||
			clf_mem_grow(mem, (void **) &forward->inputs, &forward->inputs_capacity,
						 elements, sizeof(float));
	return clf_mem_grow(mem, (void **) &forward->output_bytes,
						&forward->output_bytes_capacity, elements, 1) &&
		(!several || clf_mem_grow(mem, (void **) &forward->input_bytes,
								  &forward->input_bytes_capacity, elements, 1));
}

/* Number the places: time by time the rows that are that long. */
static ClfStatus
number_places(ClfForward *forward, const Pass *pass, ClfError *error)
{
	size_t		active = pass->rows;

	if (!clf_mem_grow(forward->mem, (void **) &forward->offset, &forward->offset_capacity,
					  pass->T + 1, sizeof *forward->offset))
		return clf_fail_memory(error);
	forward->offset[0] = 0;
	for (size_t t = 0; t < pass->T; t++)
	{
		while (pass->sequences[active - 1].length <= t)
			active--;
		forward->offset[t + 1] = forward->offset[t] + active;
	}
	if (!reserve_places(forward, forward->offset[pass->T]))
		return clf_fail_memory(error);
	return CLF_OK;
}

/* How many rows take a step, in either direction: the longest ones. */
static size_t
active_rows(const ClfForward *forward, size_t step)
{
	return forward->offset[step + 1] - forward->offset[step];
}

/* The time that a row reads at a step of a direction. */
static size_t
time_of(const Pass *pass, int direction, size_t step, size_t row)
{
	return direction == 0 ? step : pass->sequences[row].length - 1 - step;
}

/* ---- input projections ---- */

/* Work that was put together for one call of a kernel. */
typedef struct Projection
{
	size_t		count;			/* of x, out and factor */
	size_t		tokens;			/* of gates_of */
} Projection;

/* Note that a token has its gates at gates, to be computed from x. */
static void
add_projection(ClfForward *forward, Projection *work, const void *x, float factor, float *gates)
{
	forward->x[work->count] = x;
	forward->factor[work->count] = factor;
	forward->out[work->count] = gates;
	work->count++;
}

/* Give a token of the first layer its gates. */
static void
add_token(ClfForward *forward, Projection *work, int direction, uint32_t id)
{
	const ClfModel *model = forward->model;
	size_t		E = (size_t) model->config.embedding_dim;
	const float *x = clf_model_tensor(model, model->table.embedding) + id * E;
	float	   *gates = forward->gates + work->tokens * columns(forward);

	if (id < forward->table.ids)
	{
		gates = forward->table.gates[direction] + id * columns(forward);
		forward->gates_of[work->tokens++] = gates;
		if (forward->table.known[direction] == NULL || forward->table.known[direction][id])
			return;
		forward->table.known[direction][id] = true;
	}
	else
		forward->gates_of[work->tokens++] = gates;
	if (forward->packed->bytes)
	{
		uint8_t    *bytes = forward->embedded + work->count * clf_packed_fours(E);

		add_projection(forward, work, bytes, forward->kernels->quantise(E, x, bytes), gates);
	}
	else
		add_projection(forward, work, x, 1.0f, gates);
}

/* Give what stands at a place of a layer above the first its gates. */
static void
add_place(ClfForward *forward, Projection *work, size_t place)
{
	size_t		width = forward->packed->width;
	float	   *gates = forward->gates + work->tokens * columns(forward);

	forward->gates_of[work->tokens++] = gates;
	if (forward->packed->bytes)
		add_projection(forward, work, forward->input_bytes + place * width, 1.0f, gates);
	else
		add_projection(forward, work, forward->inputs + place * width, 1.0f, gates);
}

/* Do the work that was put together for a direction of a layer. */
static void
project(ClfForward *forward, int layer, int direction, const Projection *work)
{
	const ClfPackedLstm *lstm = &forward->packed->lstm[layer][direction];
	size_t		K = clf_packed_input(&forward->model->config, layer);
	size_t		blocks = forward->packed->blocks;

	if (forward->packed->bytes)
		forward->kernels->project_bytes(work->count, clf_packed_fours(K),
										(const uint8_t *const *) forward->x, forward->factor,
										blocks, lstm->w_bytes, lstm->w_start, lstm->scale,
										lstm->bias, forward->out);
	else
		forward->kernels->project(work->count, K, (const float *const *) forward->x, blocks,
								  lstm->w, lstm->bias, forward->out);
}

/* Compute the gates of the steps begin to end. */
static void
project_steps(ClfForward *forward, const Pass *pass, int layer, int direction,
			  size_t begin, size_t end)
{
	Projection	work = {0, 0};

	for (size_t step = begin; step < end; step++)
		for (size_t row = 0; row < active_rows(forward, step); row++)
		{
			size_t		t = time_of(pass, direction, step, row);

			if (layer == 0)
				add_token(forward, &work, direction, pass->sequences[row].ids[t]);
			else
				add_place(forward, &work, forward->offset[t] + row);
		}
	project(forward, layer, direction, &work);
}

void
clf_forward_fill_table(ClfForward *forward)
{
	for (int direction = 0; direction < clf_directions(&forward->model->config); direction++)
		for (size_t id = 0; id < forward->table.ids;)
		{
			Projection	work = {0, 0};

			while (id < forward->table.ids && work.tokens < forward->chunk)
				add_token(forward, &work, direction, (uint32_t) id++);
			project(forward, 0, direction, &work);
		}
}

/* ---- steps ---- */

/* Take one step of a direction: from its rows' gates to their outputs. */
static void
take_step(ClfForward *forward, const Pass *pass, int layer, int direction, size_t step,
		  const float *const *gates)
{
	const ClfPackedLstm *lstm = &forward->packed->lstm[layer][direction];
	size_t		rows = active_rows(forward, step);
	size_t		blocks = forward->packed->blocks;
	const float *h[CLF_FORWARD_ROWS];
	float	   *h_out[CLF_FORWARD_ROWS];
	const uint8_t *bytes[CLF_FORWARD_ROWS];
	uint8_t    *bytes_out[CLF_FORWARD_ROWS];

	for (size_t row = 0; row < rows; row++)
	{
		size_t		t = time_of(pass, direction, step, row);
		size_t		column = (size_t) direction * states(forward);
		size_t		width = forward->packed->width;
		size_t		at = (forward->offset[t] + row) * width + column;
		size_t		before = 0;

		if (step > 0)
		{
			t = time_of(pass, direction, step - 1, row);
			before = (forward->offset[t] + row) * width + column;
		}
		h_out[row] = forward->outputs + at;
		h[row] = step > 0 ? forward->outputs + before : forward->zeros;
		if (forward->packed->bytes)
		{
			bytes_out[row] = forward->output_bytes + at;
			bytes[row] = step > 0 ? forward->output_bytes + before : forward->zero_bytes;
		}
	}
	if (forward->packed->bytes)
		forward->kernels->lstm_step_bytes(rows, blocks, gates, bytes, lstm->u_bytes,
										  lstm->u_start, lstm->scale, forward->cell, h_out,
										  bytes_out);
	else
		forward->kernels->lstm_step(rows, blocks, gates, h, lstm->u, forward->cell, h_out);
}

/* One direction of a layer: from its inputs to its columns of outputs. */
static void
run_direction(ClfForward *forward, const Pass *pass, int layer, int direction)
{
	size_t		end;

	memset(forward->cell, 0, pass->rows * states(forward) * sizeof(float));
	for (size_t begin = 0; begin < pass->T; begin = end)
	{
		const float *const *gates = forward->gates_of;

		for (end = begin + 1; end < pass->T; end++)
			if (forward->offset[end + 1] - forward->offset[begin] > forward->chunk)
				break;
		project_steps(forward, pass, layer, direction, begin, end);
		for (size_t step = begin; step < end; step++)
		{
			take_step(forward, pass, layer, direction, step, gates);
			gates += active_rows(forward, step);
		}
	}
}

/* The outputs become the inputs of the next layer. */
static void
swap_buffers(ClfForward *forward)
{
	float	   *outputs = forward->outputs;
	uint8_t    *bytes = forward->output_bytes;

	/* both of a pair were grown together, so their capacities are the same */
	if (!forward->packed->bytes)
	{
		forward->outputs = forward->inputs;
		forward->inputs = outputs;
	}
	forward->output_bytes = forward->input_bytes;
	forward->input_bytes = bytes;
}

/* ---- features and scores ---- */

/* The states in which a row's directions end. */
static void
pool_last(const ClfForward *forward, size_t row, size_t T, float *features)
{
	size_t		H = states(forward);
	size_t		width = forward->packed->width;

	memcpy(features, forward->outputs + (forward->offset[T - 1] + row) * width, H * sizeof(float));
	/* the last step backwards reads the first token */
	memcpy(features + H, forward->outputs + row * width + H, (width - H) * sizeof(float));
}

static void
pool_maximum(const ClfForward *forward, size_t row, size_t T, float *features)
{
	size_t		width = forward->packed->width;

	memcpy(features, forward->outputs + row * width, width * sizeof(float));
	for (size_t t = 1; t < T; t++)
		forward->kernels->maximum(width, forward->outputs + (forward->offset[t] + row) * width,
								  features);
}

static void
pool_mean(const ClfForward *forward, size_t row, size_t T, float *features)
{
	size_t		width = forward->packed->width;

	memcpy(features, forward->outputs + row * width, width * sizeof(float));
	for (size_t t = 1; t < T; t++)
		forward->kernels->axpy(width, 1.0f, forward->outputs + (forward->offset[t] + row) * width,
							   features);
	for (size_t d = 0; d < width; d++)
		features[d] /= (float) T;
}

/* The maximum of the tokens' embeddings [E]. */
static void
pool_embeddings(const ClfForward *forward, const ClfSequence *sequence, float *features)
{
	const ClfModel *model = forward->model;
	const float *embedding = clf_model_tensor(model, model->table.embedding);
	size_t		E = (size_t) model->config.embedding_dim;

	memcpy(features, embedding + sequence->ids[0] * E, E * sizeof(float));
	for (size_t t = 1; t < sequence->length; t++)
		forward->kernels->maximum(E, embedding + sequence->ids[t] * E, features);
}

/* features [packed->features] of a row */
static void
pool(ClfForward *forward, const Pass *pass, size_t row)
{
	const ClfSequence *sequence = &pass->sequences[row];
	size_t		width = forward->packed->width;
	float	   *features = forward->features + row * forward->packed->features;

	switch ((ClfPooling) forward->model->config.pooling)
	{
		case CLF_POOLING_LAST:
			pool_last(forward, row, sequence->length, features);
			break;
		case CLF_POOLING_MAX:
			pool_maximum(forward, row, sequence->length, features);
			break;
		case CLF_POOLING_MEAN:
			pool_mean(forward, row, sequence->length, features);
			break;
		case CLF_POOLING_MAX_MEAN:
			pool_maximum(forward, row, sequence->length, features);
			pool_mean(forward, row, sequence->length, features + width);
			pool_embeddings(forward, sequence, features + 2 * width);
			break;
	}
}

/* scores of all features */
static void
classify(ClfForward *forward, size_t rows, float *const *z)
{
	const ClfPacked *packed = forward->packed;
	const float *features[CLF_FORWARD_ROWS] = {NULL};
	float	   *scores[CLF_FORWARD_ROWS] = {NULL};

	for (size_t row = 0; row < rows; row++)
	{
		features[row] = forward->features + row * packed->features;
		scores[row] = forward->scores + row * packed->dense_blocks * CLF_BLOCK;
	}
	forward->kernels->project(rows, packed->features, features, packed->dense_blocks,
							  packed->dense, packed->dense_bias, scores);
	for (size_t row = 0; row < rows; row++)
		memcpy(z[row], scores[row], forward->model->labels.count * sizeof(float));
}

ClfStatus
clf_forward(ClfForward *forward, size_t rows, const ClfSequence *sequences,
			float *const *z, ClfError *error)
{
	const ClfConfig *config = &forward->model->config;
	Pass		pass = {rows, sequences, sequences[0].length};
	ClfStatus	status = number_places(forward, &pass, error);

	if (status != CLF_OK)
		return status;
	for (int layer = 0; layer < config->layers; layer++)
	{
		if (layer > 0)
			swap_buffers(forward);
		for (int direction = 0; direction < clf_directions(config); direction++)
			run_direction(forward, &pass, layer, direction);
	}
	for (size_t row = 0; row < rows; row++)
		pool(forward, &pass, row);
	classify(forward, rows, z);
	return CLF_OK;
}

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
#define TABLE_BYTES (8 * 1024 * 1024)	/* twice as many: 1 to 6 % faster, and in every mapped file */

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

/* Are products those of bytes? */
static bool
on_bytes(const ClfPacked *packed)
{
	return packed->form == CLF_PACKED_BYTES;
}

/* ---- buffers ---- */

/* Where a model brings projections, use them. */
static void
take_table(ClfForward *forward)
{
	const ClfProjected *projected = &forward->model->projected;

	if (projected->kernels != forward->kernels || forward->packed != &forward->model->packed)
		return;
	forward->table.ids = projected->ids;
	memcpy(forward->table.gates, projected->gates, sizeof projected->gates);
}

size_t
clf_table_ids(const ClfConfig *config, size_t ids)
{
	size_t		gates = clf_packed_columns(config) * sizeof(float);
	size_t		room = TABLE_BYTES / (gates * (size_t) clf_directions(config));

	return room < ids ? room : ids;
}

/* A buffer whose size is known before the first pass. */
typedef struct Buffer
{
	void	  **place;
	size_t		bytes;
	int			fill;			/* with which byte; below 0: left as it is */
} Buffer;

#define BUFFERS 16

/*
 * The buffers of a model of so many ids, with a table if the model does not
 * bring one; returns how many.
 */
static int
list_buffers(ClfForward *forward, const ClfConfig *config, size_t ids, Buffer *list)
{
	const ClfPacked *packed = forward->packed;
	size_t		gates = columns(forward) * sizeof(float);
	size_t		rows = CLF_FORWARD_ROWS;
	size_t		table = clf_table_ids(config, ids);
	size_t		chunk = CHUNK_BYTES / gates;
	int			count = 0;

	chunk = chunk > rows ? chunk : rows;
	forward->chunk = chunk;
	if (forward->table.gates[0] == NULL)
		forward->table.ids = table;
	for (int direction = 0; forward->table.gates[0] == NULL && direction < clf_directions(config); direction++)
	{
		list[count++] = (Buffer) {(void **) &forward->table.gates[direction], table * gates, -1};
		list[count++] = (Buffer) {(void **) &forward->table.known[direction], table * sizeof(bool), 0};
	}
	list[count++] = (Buffer) {(void **) &forward->gates, chunk * gates, -1};
	list[count++] = (Buffer) {(void **) &forward->gates_of, chunk * sizeof *forward->gates_of, -1};
	list[count++] = (Buffer) {(void **) &forward->x, chunk * sizeof *forward->x, -1};
	list[count++] = (Buffer) {(void **) &forward->out, chunk * sizeof *forward->out, -1};
	list[count++] = (Buffer) {(void **) &forward->factor, chunk * sizeof(float), -1};
	list[count++] = (Buffer) {(void **) &forward->cell, rows * states(forward) * sizeof(float), -1};
	list[count++] = (Buffer) {(void **) &forward->zeros, states(forward) * sizeof(float), 0};
	list[count++] = (Buffer) {(void **) &forward->features, rows * packed->features * sizeof(float), -1};
	list[count++] = (Buffer) {(void **) &forward->scores,
	rows * packed->dense_blocks * CLF_BLOCK * sizeof(float), -1};
	if (packed->form == CLF_PACKED_PAIRS)
		list[count++] = (Buffer) {(void **) &forward->words, rows * states(forward) * sizeof(uint32_t), -1};
	if (on_bytes(packed))
	{
		list[count++] = (Buffer) {(void **) &forward->embedded,
		chunk * clf_packed_fours((size_t) config->embedding_dim), 0};
		list[count++] = (Buffer) {(void **) &forward->zero_bytes, states(forward), CLF_ZERO};
	}
	return count;
}

ClfStatus
clf_forward_init(ClfForward *forward, const ClfModel *model, const ClfPacked *packed,
				 ClfMem *mem, const ClfKernels *kernels, ClfError *error)
{
	Buffer		buffers[BUFFERS];
	int			count;

	memset(forward, 0, sizeof *forward);
	forward->mem = mem;
	forward->model = model;
	forward->packed = packed;
	forward->kernels = kernels;
	take_table(forward);
	count = list_buffers(forward, &model->config, clf_model_ids(model), buffers);
	for (int i = 0; i < count; i++)
	{
		*buffers[i].place = clf_mem_alloc(mem, buffers[i].bytes, 1);
		if (*buffers[i].place == NULL)
		{
			clf_forward_free(forward);
			return clf_fail_memory(error);
		}
		if (buffers[i].fill >= 0)
			memset(*buffers[i].place, buffers[i].fill, buffers[i].bytes);
	}
	return CLF_OK;
}

size_t
clf_forward_memory(const ClfConfig *config, const ClfPacked *packed, size_t ids, size_t places)
{
	ClfForward	forward = {.packed = packed};
	Buffer		buffers[BUFFERS];
	int			count = list_buffers(&forward, config, ids, buffers);
	size_t		layers = config->layers > 1 ? 2 : 1;	/* inputs and outputs */
	size_t		size = layers * places * packed->width * (on_bytes(packed) ? sizeof(float) + 1 : sizeof(float));

	size += (places + 1) * sizeof *forward.offset;
	for (int i = 0; i < count; i++)
		size += buffers[i].bytes;
	return size;
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
		forward->factor, forward->embedded, forward->cell, forward->words, forward->zeros,
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
	if (!on_bytes(forward->packed))
		return !several ||
			clf_mem_grow(mem, (void **) &forward->inputs, &forward->inputs_capacity,
						 elements, sizeof(float));
	return clf_mem_grow(mem, (void **) &forward->output_bytes,
						&forward->output_bytes_capacity, elements, 1) &&
		(!several || clf_mem_grow(mem, (void **) &forward->input_bytes,
								  &forward->input_bytes_capacity, elements, 1));
}

ClfStatus
clf_forward_reserve(ClfForward *forward, size_t longest, size_t places, ClfError *error)
{
	if (!clf_mem_grow(forward->mem, (void **) &forward->offset, &forward->offset_capacity,
					  longest + 1, sizeof *forward->offset) ||
		!reserve_places(forward, places))
		return clf_fail_memory(error);
	return CLF_OK;
}

/* Number the places: time by time the rows that are that long. */
static void
number_places(ClfForward *forward)
{
	size_t		active = forward->rows;

	forward->offset[0] = 0;
	for (size_t t = 0; t < forward->steps; t++)
	{
		while (forward->sequences[active - 1].length <= t)
			active--;
		forward->offset[t + 1] = forward->offset[t] + active;
	}
}

/* How many rows take a step, in either direction: the longest ones. */
static size_t
active_rows(const ClfForward *forward, size_t step)
{
	return forward->offset[step + 1] - forward->offset[step];
}

/* The time that a row reads at a step of a direction. */
static size_t
time_of(const ClfForward *forward, int direction, size_t step, size_t row)
{
	return direction == 0 ? step : forward->sequences[row].length - 1 - step;
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

/* Note that gates are to be computed from a token's embedding. */
static void
add_embedding(ClfForward *forward, Projection *work, size_t id, float *gates)
{
	const ClfModel *model = forward->model;
	size_t		E = (size_t) model->config.embedding_dim;
	const float *x = clf_model_tensor(model, model->table.embedding) + id * E;

	if (on_bytes(forward->packed))
	{
		uint8_t    *bytes = forward->embedded + work->count * clf_packed_fours(E);

		add_projection(forward, work, bytes, forward->kernels->quantise(E, x, bytes), gates);
	}
	else
		add_projection(forward, work, x, 1.0f, gates);
}

/* Give a token of the first layer its gates. */
static void
add_token(ClfForward *forward, Projection *work, int direction, uint32_t id)
{
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
	add_embedding(forward, work, id, gates);
}

/* Give what stands at a place of a layer above the first its gates. */
static void
add_place(ClfForward *forward, Projection *work, size_t place)
{
	size_t		width = forward->packed->width;
	float	   *gates = forward->gates + work->tokens * columns(forward);

	forward->gates_of[work->tokens++] = gates;
	if (on_bytes(forward->packed))
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

	if (on_bytes(forward->packed))
		forward->kernels->project_bytes(work->count, clf_packed_fours(K),
										(const uint8_t *const *) forward->x, forward->factor,
										blocks, lstm->w_bytes, lstm->w_start, lstm->scale,
										lstm->bias, forward->out);
	else
		forward->kernels->project(work->count, K, (const float *const *) forward->x, blocks,
								  lstm->w, lstm->bias, forward->out);
}

/* Bring so many floats near, which are to be read soon. */
static void
prefetch(const float *numbers, size_t count)
{
	for (size_t i = 0; i < count; i += CLF_ALIGNMENT / sizeof(float))
		__builtin_prefetch(numbers + i, 0, 2);
}

/* Bring near the embeddings that the steps begin to end of the first layer need. */
static void
prefetch_embeddings(const ClfForward *forward, int direction, size_t begin, size_t end)
{
	const ClfModel *model = forward->model;
	const float *embedding = clf_model_tensor(model, model->table.embedding);
	size_t		E = (size_t) model->config.embedding_dim;

	for (size_t step = begin; step < end; step++)
		for (size_t row = 0; row < active_rows(forward, step); row++)
		{
			size_t		id = forward->sequences[row].ids[time_of(forward, direction, step, row)];

			if (id >= forward->table.ids)
				prefetch(embedding + id * E, E);
		}
}

/* Compute the gates of the steps begin to end. */
static void
project_steps(ClfForward *forward, int layer, int direction, size_t begin, size_t end)
{
	Projection	work = {0, 0};

	if (layer == 0)
		prefetch_embeddings(forward, direction, begin, end);
	for (size_t step = begin; step < end; step++)
		for (size_t row = 0; row < active_rows(forward, step); row++)
		{
			size_t		t = time_of(forward, direction, step, row);

			if (layer == 0)
				add_token(forward, &work, direction, forward->sequences[row].ids[t]);
			else
				add_place(forward, &work, forward->offset[t] + row);
		}
	project(forward, layer, direction, &work);
}

void
clf_forward_project(ClfForward *forward, int direction, size_t ids, float *gates)
{
	for (size_t id = 0; id < ids;)
	{
		Projection	work = {0, 0};

		for (; id < ids && work.count < forward->chunk; id++)
			add_embedding(forward, &work, id, gates + id * columns(forward));
		project(forward, 0, direction, &work);
	}
}

/* ---- steps ---- */

/* Take one step of a direction: from its rows' gates to their outputs. */
static void
take_step(ClfForward *forward, int layer, int direction, size_t step,
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
		size_t		t = time_of(forward, direction, step, row);
		size_t		column = (size_t) direction * states(forward);
		size_t		width = forward->packed->width;
		size_t		at = (forward->offset[t] + row) * width + column;
		size_t		before = 0;

		if (step > 0)
		{
			t = time_of(forward, direction, step - 1, row);
			before = (forward->offset[t] + row) * width + column;
		}
		h_out[row] = forward->outputs + at;
		h[row] = step > 0 ? forward->outputs + before : forward->zeros;
		if (on_bytes(forward->packed))
		{
			bytes_out[row] = forward->output_bytes + at;
			bytes[row] = step > 0 ? forward->output_bytes + before : forward->zero_bytes;
		}
	}
	if (on_bytes(forward->packed))
		forward->kernels->lstm_step_bytes(rows, blocks, step % 2 != 0, gates, bytes, lstm->u_bytes,
										  lstm->u_start, lstm->scale, forward->cell, h_out,
										  bytes_out);
	else if (lstm->u_pairs != NULL)
		forward->kernels->lstm_step_pairs(rows, blocks, gates, h, lstm->u_pairs, forward->words,
										  forward->cell, h_out);
	else
		forward->kernels->lstm_step(rows, blocks, gates, h, lstm->u, forward->cell, h_out);
}

/* Bring near the gates of so many rows. */
static void
prefetch_gates(const ClfForward *forward, const float *const *gates, size_t rows)
{
	for (size_t row = 0; row < rows; row++)
		prefetch(gates[row], columns(forward));
}

/* Take as many steps of a direction as their gates have room, at least one. */
static void
run_steps(ClfForward *forward)
{
	const float *const *gates = forward->gates_of;
	int			layer = forward->layer;
	int			direction = forward->direction;
	size_t		begin = forward->step;
	size_t		end;

	if (begin == 0)
		memset(forward->cell, 0, forward->rows * states(forward) * sizeof(float));
	for (end = begin + 1; end < forward->steps; end++)
		if (forward->offset[end + 1] - forward->offset[begin] > forward->chunk)
			break;
	project_steps(forward, layer, direction, begin, end);
	for (size_t step = begin; step < end; step++)
	{
		size_t		rows = active_rows(forward, step);

		if (step + 1 < end)
			prefetch_gates(forward, gates + rows, active_rows(forward, step + 1));
		take_step(forward, layer, direction, step, gates);
		gates += rows;
	}
	forward->step = end;
}

/* The outputs become the inputs of the next layer. */
static void
swap_buffers(ClfForward *forward)
{
	float	   *outputs = forward->outputs;
	uint8_t    *bytes = forward->output_bytes;

	/* both of a pair were grown together, so their capacities are the same */
	if (!on_bytes(forward->packed))
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
pool(ClfForward *forward, size_t row)
{
	const ClfSequence *sequence = &forward->sequences[row];
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

/* ---- a pass ---- */

ClfStatus
clf_forward_start(ClfForward *forward, size_t rows, const ClfSequence *sequences,
				  ClfError *error)
{
	size_t		places = 0;
	ClfStatus	status;

	for (size_t row = 0; row < rows; row++)
		places += sequences[row].length;
	status = clf_forward_reserve(forward, sequences[0].length, places, error);
	if (status != CLF_OK)
		return status;
	forward->rows = rows;
	forward->sequences = sequences;
	forward->steps = sequences[0].length;
	forward->layer = 0;
	forward->direction = 0;
	forward->step = 0;
	number_places(forward);
	return CLF_OK;
}

bool
clf_forward_advance(ClfForward *forward, float *const *z)
{
	const ClfConfig *config = &forward->model->config;

	run_steps(forward);
	if (forward->step < forward->steps)
		return false;
	forward->step = 0;
	if (++forward->direction < clf_directions(config))
		return false;
	forward->direction = 0;
	if (++forward->layer < config->layers)
	{
		swap_buffers(forward);
		return false;
	}
	for (size_t row = 0; row < forward->rows; row++)
		pool(forward, row);
	classify(forward, forward->rows, z);
	return true;
}

ClfStatus
clf_forward(ClfForward *forward, size_t rows, const ClfSequence *sequences,
			float *const *z, ClfError *error)
{
	ClfStatus	status = clf_forward_start(forward, rows, sequences, error);

	if (status == CLF_OK)
		while (!clf_forward_advance(forward, z))
			;
	return status;
}

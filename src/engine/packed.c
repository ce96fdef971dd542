/*
 * packed.c
 *	  A model's weights put into the form that prediction reads.
 *
 * It must not know what is computed with them.
 */
#include "packed.h"

#include <math.h>
#include <string.h>

#include "error.h"
#include "model.h"
#include "storage.h"

#define LARGEST 127				/* of a weight as byte; -128 is not used */

static size_t
blocks_of(const ClfConfig *config)
{
	return ((size_t) config->units + CLF_LANES - 1) / CLF_LANES;
}

static size_t
width_of(const ClfConfig *config)
{
	return (size_t) clf_directions(config) * blocks_of(config) * CLF_LANES;
}

size_t
clf_packed_input(const ClfConfig *config, int layer)
{
	return layer == 0 ? (size_t) config->embedding_dim : width_of(config);
}

size_t
clf_packed_columns(const ClfConfig *config)
{
	return blocks_of(config) * CLF_BLOCK;
}

/* ---- places ---- */

/* The next part of the memory, or NULL where only sizes are wanted. */
static void *
take(char *memory, uint64_t *used, uint64_t count, size_t size)
{
	void	   *part = memory ? memory + *used : NULL;

	*used += (count * size + CLF_ALIGNMENT - 1) / CLF_ALIGNMENT * CLF_ALIGNMENT;
	return part;
}

void
clf_packed_dimensions(ClfPacked *packed, const ClfConfig *config, size_t classes)
{
	packed->blocks = blocks_of(config);
	packed->width = width_of(config);
	packed->features = config->pooling == CLF_POOLING_MAX_MEAN ?
		2 * packed->width + (size_t) config->embedding_dim : packed->width;
	packed->dense_blocks = (classes + CLF_BLOCK - 1) / CLF_BLOCK;
}

/*
 * Set the places of everything in packed->memory; returns its size.  Limits of
 * the table of options keep it far below 2^64.
 */
static uint64_t
lay_out(ClfPacked *packed, const ClfConfig *config, size_t classes)
{
	uint64_t	used = 0;
	char	   *memory = packed->memory;
	uint64_t	columns = clf_packed_columns(config);

	clf_packed_dimensions(packed, config, classes);
	for (int layer = 0; layer < config->layers; layer++)
		for (int direction = 0; direction < clf_directions(config); direction++)
		{
			ClfPackedLstm *lstm = &packed->lstm[layer][direction];
			uint64_t	K = clf_packed_input(config, layer);
			uint64_t	H = packed->blocks * CLF_LANES;

			memset(lstm, 0, sizeof *lstm);
			lstm->bias = take(memory, &used, columns, sizeof(float));
			if (packed->form == CLF_PACKED_BYTES)
			{
				lstm->w_bytes = take(memory, &used, clf_packed_fours(K) * columns, 1);
				lstm->u_bytes = take(memory, &used, H * columns, 1);
				lstm->w_start = take(memory, &used, columns, sizeof(int32_t));
				lstm->u_start = take(memory, &used, columns, sizeof(int32_t));
				lstm->scale = take(memory, &used, columns, sizeof(float));
				continue;
			}
			lstm->w = take(memory, &used, K * columns, sizeof(float));
			if (packed->form == CLF_PACKED_PAIRS)
				lstm->u_pairs = take(memory, &used, H * columns / 2, sizeof(uint32_t));
			else
				lstm->u = take(memory, &used, H * columns, sizeof(float));
		}
	packed->dense = take(memory, &used, packed->dense_blocks * packed->features * CLF_BLOCK,
						 sizeof(float));
	packed->dense_bias = take(memory, &used, packed->dense_blocks * CLF_BLOCK, sizeof(float));
	return used;
}

bool
clf_packed_size(const ClfConfig *config, size_t classes, ClfPackedForm form, size_t *size)
{
	ClfPacked	packed = {.form = form};
	uint64_t	needed = lay_out(&packed, config, classes);

	*size = (size_t) needed;
	return needed <= PTRDIFF_MAX;
}

/* ---- rows ---- */

/* Column [4H] of a weight among the packed columns [blocks][CLF_BLOCK]. */
static size_t
packed_column(size_t H, size_t column)
{
	size_t		gate = column / H;
	size_t		unit = column % H;

	return unit / CLF_LANES * CLF_BLOCK + gate * CLF_LANES + unit % CLF_LANES;
}

/* Where row k of an unpadded input of a layer, or of its states, stands. */
static size_t
packed_row(const ClfConfig *config, int layer, size_t k)
{
	size_t		H = (size_t) config->units;

	return layer == 0 ? k : k / H * blocks_of(config) * CLF_LANES + k % H;
}

/* Row [4H] to row k of K in packed floats. */
static void
pack_row(size_t H, const float *row, size_t k, size_t K, float *packed)
{
	for (size_t j = 0; j < 4 * H; j++)
	{
		size_t		column = packed_column(H, j);

		packed[(column / CLF_BLOCK * K + k) * CLF_BLOCK + column % CLF_BLOCK] = row[j];
	}
}

/* Row [4H] of bfloat16 to row k of K in packed pairs. */
static void
pack_row_pairs(size_t H, const float *row, size_t k, size_t K, uint32_t *packed)
{
	for (size_t j = 0; j < 4 * H; j++)
	{
		size_t		column = packed_column(H, j);
		uint32_t	bits;

		memcpy(&bits, &row[j], sizeof bits);
		packed[(column / CLF_BLOCK * K + k) / 2 * CLF_BLOCK + column % CLF_BLOCK] |=
			k % 2 == 0 ? bits >> 16 : bits & 0xFFFF0000;
	}
}

/* Row [4H] to row k of K in packed bytes, under the scales of the columns. */
static void
pack_row_bytes(size_t H, const float *row, size_t k, size_t K, const float *scale,
			   int8_t *packed, int32_t *start)
{
	for (size_t j = 0; j < 4 * H; j++)
	{
		size_t		column = packed_column(H, j);
		float		unit = scale[column] * LARGEST;
		int			byte = unit > 0 ? (int) floorf(row[j] / unit + 0.5f) : 0;

		packed[(column / CLF_BLOCK * K + k / 4 * 4) * CLF_BLOCK +
			   column % CLF_BLOCK * 4 + k % 4] = (int8_t) byte;
		start[column] -= CLF_ZERO * byte;
	}
}

/* Raise scale [packed columns] to the largest weight of some rows [4H]. */
static void
largest_weights(size_t H, const float *rows, size_t count, float *scale)
{
	for (size_t k = 0; k < count; k++)
		for (size_t j = 0; j < 4 * H; j++)
		{
			float	   *largest = &scale[packed_column(H, j)];

			*largest = fmaxf(*largest, fabsf(rows[k * 4 * H + j]));
		}
}

static void
pack_lstm(const ClfModel *model, int layer, int direction, ClfPackedLstm *packed)
{
	const ClfConfig *config = &model->config;
	const ClfLstmTensors *tensors = &model->table.lstm[layer][direction];
	const float *w = clf_model_tensor(model, tensors->kernel);
	const float *u = clf_model_tensor(model, tensors->recurrent);
	size_t		inputs = clf_layer_input(config, layer);
	size_t		H = (size_t) config->units;
	size_t		H_padded = blocks_of(config) * CLF_LANES;
	size_t		K = clf_packed_input(config, layer);

	pack_row(H, clf_model_tensor(model, tensors->bias), 0, 1, packed->bias);
	if (packed->w != NULL)
	{
		for (size_t k = 0; k < inputs; k++)
			pack_row(H, w + k * 4 * H, packed_row(config, layer, k), K, packed->w);
		for (size_t k = 0; k < H; k++)
			if (packed->u != NULL)
				pack_row(H, u + k * 4 * H, k, H_padded, packed->u);
			else
				pack_row_pairs(H, u + k * 4 * H, k, H_padded, packed->u_pairs);
		return;
	}
	largest_weights(H, w, inputs, packed->scale);
	largest_weights(H, u, H, packed->scale);
	for (size_t j = 0; j < blocks_of(config) * CLF_BLOCK; j++)
		packed->scale[j] /= (float) LARGEST * LARGEST;
	for (size_t k = 0; k < inputs; k++)
		pack_row_bytes(H, w + k * 4 * H, packed_row(config, layer, k), clf_packed_fours(K),
					   packed->scale, packed->w_bytes, packed->w_start);
	for (size_t k = 0; k < H; k++)
		pack_row_bytes(H, u + k * 4 * H, k, H_padded, packed->scale, packed->u_bytes,
					   packed->u_start);
}

/* Where a feature stands when outputs, of which there may be two parts, are padded. */
static size_t
packed_feature(const ClfConfig *config, const ClfPacked *packed, size_t feature)
{
	size_t		D = clf_output_width(config);

	if (feature >= 2 * D)
		return 2 * packed->width + feature - 2 * D;
	return feature / D * packed->width + packed_row(config, 1, feature % D);
}

/* The dense layer. */
static void
pack_dense(const ClfModel *model, ClfPacked *packed)
{
	size_t		C = model->labels.count;
	const float *kernel = clf_model_tensor(model, model->table.dense_kernel);

	for (size_t d = 0; d < clf_feature_width(&model->config); d++)
	{
		size_t		row = packed_feature(&model->config, packed, d);

		for (size_t k = 0; k < C; k++)
			packed->dense[(k / CLF_BLOCK * packed->features + row) * CLF_BLOCK + k % CLF_BLOCK] =
				kernel[d * C + k];
	}
	memcpy(packed->dense_bias, clf_model_tensor(model, model->table.dense_bias), C * sizeof(float));
}

ClfPackedForm
clf_packed_form(const ClfModel *model)
{
	const ClfTensorTable *table = &model->table;

	if (model->config.precision == CLF_PRECISION_INT8)
		return CLF_PACKED_BYTES;
	for (int i = 0; i < table->count; i++)
	{
		const ClfTensor *tensor = &table->tensors[i];
		const float *weights = clf_model_tensor(model, i);

		if (tensor->role == CLF_ROLE_RECURRENT &&
			!clf_all_bfloat16(weights, tensor->rows * tensor->columns))
			return CLF_PACKED_FLOATS;
	}
	return CLF_PACKED_PAIRS;
}

ClfStatus
clf_packed_init(ClfPacked *packed, const ClfModel *model, ClfPackedForm form, ClfMem *mem,
				ClfError *error)
{
	size_t		size;

	memset(packed, 0, sizeof *packed);
	if (!clf_packed_size(&model->config, model->labels.count, form, &size))
		return clf_fail(error, CLF_ERR_LIMIT, "the network is too large");
	packed->memory = clf_mem_alloc_zero(mem, size, 1);
	if (packed->memory == NULL)
		return clf_fail_memory(error);
	packed->mem = mem;
	packed->form = form;
	(void) lay_out(packed, &model->config, model->labels.count);
	for (int layer = 0; layer < model->config.layers; layer++)
		for (int direction = 0; direction < clf_directions(&model->config); direction++)
			pack_lstm(model, layer, direction, &packed->lstm[layer][direction]);
	pack_dense(model, packed);
	return CLF_OK;
}

void
clf_packed_attach(ClfPacked *packed, const ClfConfig *config, size_t classes,
				  ClfPackedForm form, char *memory)
{
	memset(packed, 0, sizeof *packed);
	packed->memory = memory;
	packed->form = form;
	(void) lay_out(packed, config, classes);
}

void
clf_packed_free(ClfPacked *packed)
{
	if (packed->mem != NULL)
		clf_mem_free(packed->mem, packed->memory);
	memset(packed, 0, sizeof *packed);
}

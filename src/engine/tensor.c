/*
 * tensor.c
 *	  Lay out the tensors of a network.
 */
#include "tensor.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

#define FLOATS_PER_LINE (CLF_ALIGNMENT / sizeof(float))

size_t
clf_layer_input(const ClfConfig *config, int layer)
{
	return layer == 0 ? (size_t) config->embedding_dim : clf_output_width(config);
}

size_t
clf_output_width(const ClfConfig *config)
{
	return (size_t) config->units * (config->bidirectional ? 2 : 1);
}

size_t
clf_feature_width(const ClfConfig *config)
{
	size_t		D = clf_output_width(config);

	return config->pooling == CLF_POOLING_MAX_MEAN ?
		2 * D + (size_t) config->embedding_dim : D;
}

/* Append one tensor; false if the block would not fit into memory. */
static bool
add_tensor(ClfTensorTable *table, const char *name, ClfTensorRole role,
		   int dimensions, size_t rows, size_t columns)
{
	ClfTensor  *tensor = &table->tensors[table->count++];
	size_t		floats;
	size_t		bytes;

	snprintf(tensor->name, sizeof tensor->name, "%s", name);
	tensor->role = role;
	tensor->dimensions = dimensions;
	tensor->rows = rows;
	tensor->columns = columns;
	tensor->offset = table->floats;

	if (!clf_size_mul(rows, columns, &floats))
		return false;
	table->parameters += (int64_t) floats;
	if (!clf_size_add(floats, FLOATS_PER_LINE - 1, &floats))
		return false;
	floats -= floats % FLOATS_PER_LINE;
	return clf_size_add(table->floats, floats, &table->floats) &&
		clf_size_mul(table->floats, sizeof(float), &bytes) &&
		bytes <= PTRDIFF_MAX;
}

ClfStatus
clf_tensor_table(const ClfConfig *config, size_t vocabulary, size_t classes,
				 ClfTensorTable *table, ClfError *error)
{
	static const char *const directions[2] = {"forward", "backward"};
	size_t		H = (size_t) config->units;
	bool		fits;

	memset(table, 0, sizeof *table);
	if (!clf_has_deep(config))
		return CLF_OK;
	table->embedding = table->count;
	fits = add_tensor(table, "embedding.weight", CLF_ROLE_EMBEDDING, 2,
					  vocabulary, (size_t) config->embedding_dim);
	for (int layer = 0; layer < config->layers; layer++)
	{
		for (int direction = 0; direction <= (config->bidirectional ? 1 : 0); direction++)
		{
			ClfLstmTensors *lstm = &table->lstm[layer][direction];
			size_t		input = clf_layer_input(config, layer);
			char		name[CLF_MAX_TENSOR_NAME];

			lstm->kernel = table->count;
			snprintf(name, sizeof name, "lstm.%d.%s.kernel", layer, directions[direction]);
			fits = fits && add_tensor(table, name, CLF_ROLE_KERNEL, 2, input, 4 * H);
			lstm->recurrent = table->count;
			snprintf(name, sizeof name, "lstm.%d.%s.recurrent", layer, directions[direction]);
			fits = fits && add_tensor(table, name, CLF_ROLE_RECURRENT, 2, H, 4 * H);
			lstm->bias = table->count;
			snprintf(name, sizeof name, "lstm.%d.%s.bias", layer, directions[direction]);
			fits = fits && add_tensor(table, name, CLF_ROLE_LSTM_BIAS, 1, 1, 4 * H);
		}
	}
	table->dense_kernel = table->count;
	fits = fits && add_tensor(table, "dense.kernel", CLF_ROLE_KERNEL, 2,
							  clf_feature_width(config), classes);
	table->dense_bias = table->count;
	fits = fits && add_tensor(table, "dense.bias", CLF_ROLE_BIAS, 1, 1, classes);

	if (!fits)
		return clf_fail(error, CLF_ERR_LIMIT, "the network is too large");
	return CLF_OK;
}

int
clf_tensor_find(const ClfTensorTable *table, const char *name)
{
	for (int i = 0; i < table->count; i++)
		if (strcmp(table->tensors[i].name, name) == 0)
			return i;
	return -1;
}

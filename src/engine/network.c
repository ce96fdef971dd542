/*
 * network.c
 *	  Forward and backward pass of the network over a shard of rows.
 *
 * Source of the equations: Hochreiter and Schmidhuber 1997 with the forget
 * gate of Gers et al. 2000, in the order of gates that Keras uses: i, f, c, o.
 * It must not know where rows come from or how weights are updated.
 */
#include "network.h"

#include <math.h>
#include <string.h>

#include "error.h"
#include "panels.h"

#define LEAST_SLOPE 1e-25		/* norm of a gradient that still says where the loss rises */

/* ---- buffers ---- */

/* One buffer: where its pointer stands and how many floats (or ints) it has. */
typedef struct Buffer
{
	void	  **pointer;
	size_t		count;
} Buffer;

#define MAX_BUFFERS (CLF_MAX_LAYERS * 15 + 16)

static int
add_buffer(Buffer *buffers, int count, void *pointer, size_t rows, size_t columns)
{
	buffers[count].pointer = pointer;
	if (!clf_size_mul(rows, columns, &buffers[count].count))
		buffers[count].count = SIZE_MAX;
	return count + 1;
}

/*
 * The list of all buffers for such shards, which drives the estimate, the
 * allocation and the release.  All elements are 4 bytes wide.
 */
static int
list_buffers(ClfNetwork *network, const ClfConfig *config,
			 const ClfTensorTable *table, size_t N, size_t R, bool training,
			 Buffer *buffers)
{
	size_t		E = (size_t) config->embedding_dim;
	size_t		H = (size_t) config->units;
	size_t		D = clf_output_width(config);
	size_t		P = clf_feature_width(config);
	size_t		C = table->tensors[table->dense_kernel].columns;
	int			n = 0;

	for (int layer = 0; layer < config->layers; layer++)
	{
		size_t		input = clf_layer_input(config, layer);

		for (int direction = 0; direction <= (config->bidirectional ? 1 : 0); direction++)
		{
			ClfLstmBuffers *lstm = &network->lstm[layer][direction];

			n = add_buffer(buffers, n, &lstm->kernel, 1, clf_panels_floats(input, 4 * H));
			n = add_buffer(buffers, n, &lstm->recurrent, 1, clf_panels_floats(H, 4 * H));
			if (training)
			{
				n = add_buffer(buffers, n, &lstm->kernel_back, 1, clf_panels_floats(4 * H, input));
				n = add_buffer(buffers, n, &lstm->recurrent_back, 1, clf_panels_floats(4 * H, H));
			}
			n = add_buffer(buffers, n, &lstm->gates, N, 4 * H);
			n = add_buffer(buffers, n, &lstm->c, N, H);
			n = add_buffer(buffers, n, &lstm->tanh_c, N, H);
		}
		n = add_buffer(buffers, n, &network->outputs[layer], N, D);
	}
	n = add_buffer(buffers, n, &network->embedded, N, E);
	n = add_buffer(buffers, n, &network->projected, N, 4 * H);
	n = add_buffer(buffers, n, &network->features, R, P);
	n = add_buffer(buffers, n, &network->mask, R, P);
	n = add_buffer(buffers, n, &network->best, R, P);
	n = add_buffer(buffers, n, &network->probability, R, C);
	n = add_buffer(buffers, n, &network->d_logits, R, C);
	if (training)
	{
		n = add_buffer(buffers, n, &network->d_outputs[0], N, D);
		if (config->layers > 1)
			n = add_buffer(buffers, n, &network->d_outputs[1], N, D);
		n = add_buffer(buffers, n, &network->d_embedded, N, E);
		n = add_buffer(buffers, n, &network->h_previous, N, H);
		n = add_buffer(buffers, n, &network->dh_next, R, H);
		n = add_buffer(buffers, n, &network->dc, R, H);
		n = add_buffer(buffers, n, &network->d_features, R, P);
	}
	return n;
}

size_t
clf_network_memory(const ClfConfig *config, const ClfTensorTable *table,
				   size_t max_tokens, size_t max_rows, bool training)
{
	ClfNetwork	unused;
	Buffer		buffers[MAX_BUFFERS];
	int			count = list_buffers(&unused, config, table, max_tokens,
									 max_rows, training, buffers);
	size_t		total = 0;

	for (int i = 0; i < count; i++)
	{
		size_t		bytes;

		if (!clf_size_mul(buffers[i].count, sizeof(float), &bytes) ||
			!clf_size_add(bytes, 2 * CLF_ALIGNMENT, &bytes) ||
			!clf_size_add(total, bytes, &total))
			return SIZE_MAX;
	}
	return total;
}

ClfStatus
clf_network_init(ClfNetwork *network, ClfMem *mem, const ClfConfig *config,
				 const ClfTensorTable *table, const ClfKernels *kernels,
				 ClfSgemm sgemm, size_t max_tokens, size_t max_rows,
				 bool training, ClfError *error)
{
	Buffer		buffers[MAX_BUFFERS];
	int			count;

	memset(network, 0, sizeof *network);
	network->mem = mem;
	network->config = config;
	network->table = table;
	network->kernels = kernels;
	network->sgemm = sgemm ? sgemm : kernels->sgemm;
	network->max_tokens = max_tokens;
	network->max_rows = max_rows;

	count = list_buffers(network, config, table, max_tokens, max_rows,
						 training, buffers);
	for (int i = 0; i < count; i++)
	{
		*buffers[i].pointer = clf_mem_alloc(mem, buffers[i].count, sizeof(float));
		if (*buffers[i].pointer == NULL)
		{
			clf_network_free(network);
			return clf_fail_memory(error);
		}
	}
	return CLF_OK;
}

void
clf_network_free(ClfNetwork *network)
{
	Buffer		buffers[MAX_BUFFERS];
	int			count;

	if (network->mem == NULL)
		return;
	count = list_buffers(network, network->config, network->table,
						 network->max_tokens, network->max_rows, true, buffers);
	for (int i = 0; i < count; i++)
	{
		clf_mem_free(network->mem, *buffers[i].pointer);
		*buffers[i].pointer = NULL;
	}
}

/* ---- small helpers ---- */

static const float *
weights_of(const ClfNetwork *network, int tensor)
{
	return network->weights + network->table->tensors[tensor].offset;
}

static float *
gradient_of(const ClfNetwork *network, int tensor)
{
	const ClfTensorTable *table = network->table;

	return network->gradient->dense +
		(table->tensors[tensor].offset - table->tensors[table->embedding + 1].offset);
}

/* Is the gradient of the dense tensors wanted, not of the embeddings alone? */
static bool
wants_weights(const ClfNetwork *network)
{
	return network->gradient->dense != NULL;
}

static const ClfLstmTensors *
lstm_tensors(const ClfNetwork *network)
{
	return &network->table->lstm[network->layer][network->direction];
}

/* The step before t in the order of the direction; -1 or T where there is none. */
static int
step_before(const ClfNetwork *network, int t)
{
	return network->direction == 0 ? t - 1 : t + 1;
}

/* How many rows of step t have a step before it; they are the first ones. */
static int
rows_with_history(const ClfNetwork *network, int t)
{
	const ClfShard *shard = network->shard;
	int			before = step_before(network, t);

	if (before < 0 || before >= shard->steps)
		return 0;
	return shard->active[before] < shard->active[t] ?
		shard->active[before] : shard->active[t];
}

/* outputs [N,D] of a layer, from the column where a direction's H begin */
static float *
direction_columns(const ClfNetwork *network, float *outputs)
{
	return outputs + (size_t) network->direction * (size_t) network->config->units;
}

/* What a gradient that a product is written to counts: all the second time. */
static float
kept(const ClfNetwork *network)
{
	return network->again ? 1.0f : 0.0f;
}

/* A gradient [width] is the sum of the rows of x [n, width] or, the second time, more by it. */
static void
sum_rows(const ClfNetwork *network, size_t n, size_t width, const float *x,
		 float *sum)
{
	if (!network->again)
		memset(sum, 0, width * sizeof(float));
	for (size_t row = 0; row < n; row++)
		network->kernels->axpy(width, 1.0f, x + row * width, sum);
}

/* ---- forward ---- */

/* Look up the embeddings of the distinct tokens: embedded [U,E]. */
static void
embed(ClfNetwork *network)
{
	size_t		E = (size_t) network->config->embedding_dim;
	const float *embedding = weights_of(network, network->table->embedding);

	for (int u = 0; u < network->shard->unique; u++)
		memcpy(network->embedded + u * E,
			   embedding + network->shard->ids[u] * E, E * sizeof(float));
}

/*
 * Weighted inputs: gates [N,4H] = inputs times kernel or, in the first layer,
 * projected [U,4H], where each distinct token is multiplied once.
 */
static void
project_inputs(ClfNetwork *network)
{
	const ClfShard *shard = network->shard;
	ClfLstmBuffers *lstm = &network->lstm[network->layer][network->direction];
	size_t		input = clf_layer_input(network->config, network->layer);
	size_t		four_h = 4 * (size_t) network->config->units;

	if (network->layer > 0)
	{
		network->kernels->multiply((size_t) shard->tokens, input, four_h,
								   network->outputs[network->layer - 1], input,
								   lstm->kernel, false, lstm->gates, four_h);
		return;
	}
	network->kernels->multiply((size_t) shard->unique, input, four_h,
							   network->embedded, input,
							   lstm->kernel, false, network->projected, four_h);
}

/* Copy the weighted inputs of a step's tokens to their places. */
static void
gather_inputs(ClfNetwork *network, int t)
{
	const ClfShard *shard = network->shard;
	size_t		four_h = 4 * (size_t) network->config->units;
	float	   *gates = network->lstm[network->layer][network->direction].gates;

	for (int i = shard->offset[t]; i < shard->offset[t + 1]; i++)
		memcpy(gates + i * four_h, network->projected + shard->slot[i] * four_h,
			   four_h * sizeof(float));
}

/* One time step of one direction. */
static void
forward_step(ClfNetwork *network, int t)
{
	const ClfShard *shard = network->shard;
	ClfLstmBuffers *lstm = &network->lstm[network->layer][network->direction];
	size_t		H = (size_t) network->config->units;
	size_t		D = clf_output_width(network->config);
	const float *bias = weights_of(network, lstm_tensors(network)->bias);
	size_t		begin = (size_t) shard->offset[t];
	int			old = rows_with_history(network, t);
	int			fresh = shard->active[t] - old;
	float	   *h = direction_columns(network, network->outputs[network->layer]);

	if (network->layer == 0)
		gather_inputs(network, t);
	if (old > 0)
	{
		size_t		before = (size_t) shard->offset[step_before(network, t)];

		network->kernels->multiply((size_t) old, H, 4 * H, h + before * D, D,
								   lstm->recurrent, true, lstm->gates + begin * 4 * H, 4 * H);
		network->kernels->lstm_forward((size_t) old, H, lstm->gates + begin * 4 * H,
									   bias, lstm->c + before * H,
									   lstm->c + begin * H, lstm->tanh_c + begin * H,
									   h + begin * D, D);
	}
	if (fresh > 0)
	{
		begin += (size_t) old;
		network->kernels->lstm_forward((size_t) fresh, H, lstm->gates + begin * 4 * H,
									   bias, NULL,
									   lstm->c + begin * H, lstm->tanh_c + begin * H,
									   h + begin * D, D);
	}
}

/* ---- pooling ---- */

/* The token at which a direction (by its column) ends its way through a row. */
static int
last_token(const ClfNetwork *network, int row, size_t column)
{
	const ClfShard *shard = network->shard;
	int			t = column < (size_t) network->config->units ? shard->length[row] - 1 : 0;

	return shard->offset[t] + row;
}

/*
 * feature [width] becomes the greater of itself, unless it is the first, and a
 * row of values; best tells which row.
 */
static void
take_maximum(const ClfNetwork *network, bool first, size_t width, const float *values, int row,
			 float *feature, int *best)
{
	const float *value = values + (size_t) row * width;

	if (!first)
	{
		network->kernels->take_maximum(width, value, row, feature, best);
		return;
	}
	memcpy(feature, value, width * sizeof(float));
	for (size_t j = 0; j < width; j++)
		best[j] = row;
}

/* Maximum of the outputs over the row's tokens. */
static void
pool_maximum(const ClfNetwork *network, int row, float *feature, int *best)
{
	const ClfShard *shard = network->shard;
	size_t		D = clf_output_width(network->config);

	for (int t = 0; t < shard->length[row]; t++)
		take_maximum(network, t == 0, D, network->outputs[network->config->layers - 1],
					 shard->offset[t] + row, feature, best);
}

/* The same of the embeddings. */
static void
pool_embeddings(const ClfNetwork *network, int row, float *feature, int *best)
{
	const ClfShard *shard = network->shard;
	size_t		E = (size_t) network->config->embedding_dim;

	for (int t = 0; t < shard->length[row]; t++)
		take_maximum(network, t == 0, E, network->embedded,
					 (int) shard->slot[shard->offset[t] + row], feature, best);
}

static void
pool_mean(const ClfNetwork *network, int row, float *feature)
{
	const ClfShard *shard = network->shard;
	size_t		D = clf_output_width(network->config);
	const float *outputs = network->outputs[network->config->layers - 1];

	memset(feature, 0, D * sizeof(float));
	for (int t = 0; t < shard->length[row]; t++)
		network->kernels->axpy(D, 1.0f, outputs + (size_t) (shard->offset[t] + row) * D, feature);
	for (size_t j = 0; j < D; j++)
		feature[j] /= (float) shard->length[row];
}

static void
pool_last(const ClfNetwork *network, int row, float *feature)
{
	size_t		D = clf_output_width(network->config);
	const float *outputs = network->outputs[network->config->layers - 1];

	for (size_t j = 0; j < D; j++)
		feature[j] = outputs[(size_t) last_token(network, row, j) * D + j];
}

/* features [R,P] of the top layer's outputs */
static void
pool(ClfNetwork *network)
{
	size_t		D = clf_output_width(network->config);
	size_t		P = clf_feature_width(network->config);

	for (int row = 0; row < network->shard->rows; row++)
	{
		float	   *feature = network->features + row * P;
		int		   *best = network->best + row * P;

		switch ((ClfPooling) network->config->pooling)
		{
			case CLF_POOLING_LAST:
				pool_last(network, row, feature);
				break;
			case CLF_POOLING_MAX:
				pool_maximum(network, row, feature, best);
				break;
			case CLF_POOLING_MEAN:
				pool_mean(network, row, feature);
				break;
			case CLF_POOLING_MAX_MEAN:
				pool_maximum(network, row, feature, best);
				pool_mean(network, row, feature + D);
				pool_embeddings(network, row, feature + 2 * D, best + 2 * D);
				break;
		}
	}
}

static void
unpool_maximum(size_t width, const float *d_feature, const int *best, float *d_values)
{
	for (size_t j = 0; j < width; j++)
		d_values[(size_t) best[j] * width + j] += d_feature[j];
}

static void
unpool_mean(const ClfNetwork *network, int row, const float *d_feature, float *d_outputs)
{
	const ClfShard *shard = network->shard;
	size_t		D = clf_output_width(network->config);

	for (int t = 0; t < shard->length[row]; t++)
		network->kernels->axpy(D, 1.0f / (float) shard->length[row], d_feature,
							   d_outputs + (size_t) (shard->offset[t] + row) * D);
}

/* d_outputs [N,D] of the top layer from d_features [R,P] */
static void
unpool(ClfNetwork *network, float *d_outputs)
{
	size_t		D = clf_output_width(network->config);
	size_t		P = clf_feature_width(network->config);

	memset(d_outputs, 0, (size_t) network->shard->tokens * D * sizeof(float));
	for (int row = 0; row < network->shard->rows; row++)
	{
		const float *d_feature = network->d_features + row * P;
		const int  *best = network->best + row * P;

		switch ((ClfPooling) network->config->pooling)
		{
			case CLF_POOLING_LAST:
				for (size_t j = 0; j < D; j++)
					d_outputs[(size_t) last_token(network, row, j) * D + j] += d_feature[j];
				break;
			case CLF_POOLING_MAX:
				unpool_maximum(D, d_feature, best, d_outputs);
				break;
			case CLF_POOLING_MEAN:
				unpool_mean(network, row, d_feature, d_outputs);
				break;
			case CLF_POOLING_MAX_MEAN:
				unpool_maximum(D, d_feature, best, d_outputs);
				unpool_mean(network, row, d_feature + D, d_outputs);
				break;
		}
	}
}

/* Set features to zero at random and scale the others up, as Keras does. */
static void
drop_features(ClfNetwork *network)
{
	size_t		count = (size_t) network->shard->rows * clf_feature_width(network->config);
	float		rate = (float) network->config->dropout;

	for (size_t i = 0; i < count; i++)
	{
		network->mask[i] = clf_rng_uniform(network->rng) < rate ? 0.0f : 1.0f / (1.0f - rate);
		network->features[i] *= network->mask[i];
	}
}

static bool
has_dropout(const ClfNetwork *network)
{
	return network->rng != NULL && network->config->dropout > 0;
}

/* ---- the dense layer, the loss, and the way back into the features ---- */

static void
classify(ClfNetwork *network)
{
	const ClfShard *shard = network->shard;
	const ClfTensorTable *table = network->table;
	int			R = shard->rows;
	int			C = (int) table->tensors[table->dense_kernel].columns;
	int			P = (int) clf_feature_width(network->config);
	float	   *logits = network->d_logits;
	double		loss = 0;
	int			correct = 0;

	pool(network);
	if (has_dropout(network))
		drop_features(network);
	for (int row = 0; row < R; row++)
		memcpy(logits + (size_t) row * C, weights_of(network, table->dense_bias),
			   C * sizeof(float));
	network->sgemm(false, false, R, C, P, network->features, P,
				   weights_of(network, table->dense_kernel), C, 1.0f, logits, C);

	for (int row = 0; row < R; row++)
	{
		float	   *p = network->probability + (size_t) row * C;
		float	   *z = logits + (size_t) row * C;

		/* the gradient takes the place of the logits */
		if (network->head)
		{
			network->head(network->head_context, row, z);
			continue;
		}
		loss += clf_loss(network->config->loss, C, z, shard->classes[row],
						 shard->row_weight[row], p,
						 network->gradient ? z : NULL);
		correct += clf_best(p, C) == shard->classes[row];
	}
	if (network->again)
		return;
	network->loss = loss;
	network->correct = correct;
}

static void
classify_backward(ClfNetwork *network)
{
	const ClfTensorTable *table = network->table;
	int			R = network->shard->rows;
	int			C = (int) table->tensors[table->dense_kernel].columns;
	int			P = (int) clf_feature_width(network->config);
	float	   *d_logits = network->d_logits;

	for (size_t i = 0; i < (size_t) R * C; i++)
		d_logits[i] *= network->scale;
	if (wants_weights(network))
	{
		network->sgemm(true, false, P, C, R, network->features, P, d_logits, C,
					   kept(network), gradient_of(network, table->dense_kernel), C);
		sum_rows(network, R, C, d_logits, gradient_of(network, table->dense_bias));
	}
	network->sgemm(false, true, R, P, C, d_logits, C,
				   weights_of(network, table->dense_kernel), C,
				   0.0f, network->d_features, P);
	if (has_dropout(network))
		for (size_t i = 0; i < (size_t) R * P; i++)
			network->d_features[i] *= network->mask[i];
	unpool(network, network->d_outputs[network->layer % 2]);
}

/* ---- backward through one direction of one layer ---- */

/* One time step, from the last of the direction to its first. */
static void
backward_step(ClfNetwork *network, int t)
{
	const ClfShard *shard = network->shard;
	ClfLstmBuffers *lstm = &network->lstm[network->layer][network->direction];
	size_t		H = (size_t) network->config->units;
	size_t		D = clf_output_width(network->config);
	size_t		begin = (size_t) shard->offset[t];
	size_t		old = (size_t) rows_with_history(network, t);
	size_t		fresh = (size_t) shard->active[t] - old;
	float	   *d_output = direction_columns(network, network->d_outputs[network->layer % 2]);

	if (old > 0)
	{
		size_t		before = (size_t) shard->offset[step_before(network, t)];

		network->kernels->lstm_backward(old, H, lstm->gates + begin * 4 * H,
										lstm->c + before * H, lstm->tanh_c + begin * H,
										d_output + begin * D, D,
										network->dh_next, network->dc);
	}
	if (fresh > 0)
		network->kernels->lstm_backward(fresh, H, lstm->gates + (begin + old) * 4 * H,
										NULL, lstm->tanh_c + (begin + old) * H,
										d_output + (begin + old) * D, D,
										network->dh_next + old * H, network->dc + old * H);
	if (old > 0)
		network->kernels->multiply(old, 4 * H, H, lstm->gates + begin * 4 * H, 4 * H,
								   lstm->recurrent_back, false, network->dh_next, H);
}

/* h_previous [N,H]: the output each token's step started from */
static void
shift_outputs(ClfNetwork *network)
{
	const ClfShard *shard = network->shard;
	size_t		H = (size_t) network->config->units;
	size_t		D = clf_output_width(network->config);
	const float *h = direction_columns(network, network->outputs[network->layer]);

	for (int t = 0; t < shard->steps; t++)
	{
		int			old = rows_with_history(network, t);
		float	   *to = network->h_previous + (size_t) shard->offset[t] * H;

		for (int row = 0; row < old; row++)
			memcpy(to + row * H,
				   h + (size_t) (shard->offset[step_before(network, t)] + row) * D,
				   H * sizeof(float));
		memset(to + old * H, 0, (size_t) (shard->active[t] - old) * H * sizeof(float));
	}
}

/*
 * Gradients of the direction's weights, and of its inputs: added to d_outputs
 * of the layer below, or to d_embedded of the distinct tokens.
 */
static void
backward_weights(ClfNetwork *network)
{
	const ClfShard *shard = network->shard;
	const ClfLstmTensors *tensors = lstm_tensors(network);
	const float *kernel_back = network->lstm[network->layer][network->direction].kernel_back;
	float	   *d_gates = network->lstm[network->layer][network->direction].gates;
	int			H = network->config->units;
	int			input = (int) clf_layer_input(network->config, network->layer);
	bool		add = network->direction > 0;

	if (wants_weights(network))
	{
		shift_outputs(network);
		network->sgemm(true, false, H, 4 * H, shard->tokens, network->h_previous, H,
					   d_gates, 4 * H, kept(network), gradient_of(network, tensors->recurrent), 4 * H);
	}

	if (network->layer > 0)
	{
		if (wants_weights(network))
		{
			network->sgemm(true, false, input, 4 * H, shard->tokens,
						   network->outputs[network->layer - 1], input, d_gates, 4 * H,
						   kept(network), gradient_of(network, tensors->kernel), 4 * H);
			sum_rows(network, shard->tokens, 4 * H, d_gates, gradient_of(network, tensors->bias));
		}
		network->kernels->multiply((size_t) shard->tokens, 4 * (size_t) H, (size_t) input,
								   d_gates, 4 * (size_t) H, kernel_back, add,
								   network->d_outputs[(network->layer + 1) % 2], (size_t) input);
		return;
	}
	/* sum over the places of each distinct token, then multiply once */
	memset(network->projected, 0, (size_t) shard->unique * 4 * H * sizeof(float));
	for (int i = 0; i < shard->tokens; i++)
		network->kernels->axpy(4 * H, 1.0f, d_gates + (size_t) i * 4 * H,
							   network->projected + (size_t) shard->slot[i] * 4 * H);
	if (wants_weights(network))
	{
		network->sgemm(true, false, input, 4 * H, shard->unique, network->embedded, input,
					   network->projected, 4 * H,
					   kept(network), gradient_of(network, tensors->kernel), 4 * H);
		sum_rows(network, shard->unique, 4 * H, network->projected,
				 gradient_of(network, tensors->bias));
	}
	network->kernels->multiply((size_t) shard->unique, 4 * (size_t) H, (size_t) input,
							   network->projected, 4 * (size_t) H, kernel_back, add || network->again,
							   network->d_embedded, (size_t) input);
}

/* ---- the course of a pass ---- */

void
clf_network_load(ClfNetwork *network, const float *weights)
{
	size_t		H = (size_t) network->config->units;

	network->weights = weights;
	for (int layer = 0; layer < network->config->layers; layer++)
		for (int direction = 0; direction <= (network->config->bidirectional ? 1 : 0); direction++)
		{
			const ClfLstmTensors *tensors = &network->table->lstm[layer][direction];
			ClfLstmBuffers *lstm = &network->lstm[layer][direction];
			size_t		input = clf_layer_input(network->config, layer);
			const float *kernel = weights_of(network, tensors->kernel);
			const float *recurrent = weights_of(network, tensors->recurrent);

			clf_panels_fill(lstm->kernel, false, input, 4 * H, kernel);
			clf_panels_fill(lstm->recurrent, false, H, 4 * H, recurrent);
			if (lstm->kernel_back == NULL)
				continue;		/* not for training */
			clf_panels_fill(lstm->kernel_back, true, 4 * H, input, kernel);
			clf_panels_fill(lstm->recurrent_back, true, 4 * H, H, recurrent);
		}
}

/* From the embeddings on. */
static void
start_forward(ClfNetwork *network)
{
	network->layer = 0;
	network->direction = 0;
	network->stage = CLF_STAGE_INPUT;
}

void
clf_network_start(ClfNetwork *network, const ClfShard *shard,
				  ClfGradient *gradient, float scale, float perturbation, ClfRng *rng)
{
	network->shard = shard;
	network->gradient = gradient;
	network->scale = scale;
	network->perturbation = perturbation;
	network->again = false;
	network->rng = rng;
	network->head = NULL;
	embed(network);
	start_forward(network);
}

void
clf_network_start_head(ClfNetwork *network, const ClfShard *shard,
					   ClfGradient *gradient, ClfHead head, void *context)
{
	clf_network_start(network, shard, gradient, 1.0f, 0.0f, NULL);
	network->head = head;
	network->head_context = context;
}

/* The first (or, going back, the last) step in the order of the direction. */
static int
first_step(const ClfNetwork *network)
{
	return network->direction == 0 ? 0 : network->shard->steps - 1;
}

static int
last_step(const ClfNetwork *network)
{
	return network->direction == 0 ? network->shard->steps - 1 : 0;
}

/* Turn to the next direction or layer; false after the last one. */
static bool
next_direction(ClfNetwork *network, int layers)
{
	if (network->direction == 0 && network->config->bidirectional)
	{
		network->direction = 1;
		return true;
	}
	network->direction = 0;
	network->layer += layers;
	return network->layer >= 0 && network->layer < network->config->layers;
}

static void
start_backward_direction(ClfNetwork *network)
{
	size_t		count = (size_t) network->shard->rows * (size_t) network->config->units;

	memset(network->dh_next, 0, count * sizeof(float));
	memset(network->dc, 0, count * sizeof(float));
	network->t = last_step(network);
	network->stage = CLF_STAGE_BACKWARD;
}

/* The embeddings' share of what was pooled: to the token each feature came from. */
static void
unpool_embeddings(ClfNetwork *network)
{
	size_t		E = (size_t) network->config->embedding_dim;
	size_t		P = clf_feature_width(network->config);

	for (int row = 0; row < network->shard->rows; row++)
	{
		const float *d_feature = network->d_features + (row + 1) * P - E;
		const int  *best = network->best + (row + 1) * P - E;

		unpool_maximum(E, d_feature, best, network->d_embedded);
	}
}

/* Move the embeddings the way that the loss rises. */
static void
perturb(ClfNetwork *network)
{
	size_t		count = (size_t) network->shard->unique * (size_t) network->config->embedding_dim;
	double		size = sqrt(network->kernels->square_sum(count, network->embedded));
	double		slope = sqrt(network->kernels->square_sum(count, network->d_embedded));

	if (slope > LEAST_SLOPE)
		network->kernels->axpy(count, (float) (network->perturbation * size / slope),
							   network->d_embedded, network->embedded);
}

/* The way back has come to the embeddings: go through the shard again, or say where the gradient is. */
static void
finish_gradient(ClfNetwork *network)
{
	if (network->config->pooling == CLF_POOLING_MAX_MEAN)
		unpool_embeddings(network);
	if (network->perturbation > 0 && !network->again)
	{
		perturb(network);
		network->again = true;
		start_forward(network);
		return;
	}
	network->gradient->nrows = (uint32_t) network->shard->unique;
	network->gradient->rows = network->shard->ids;
	network->gradient->values = network->d_embedded;
	network->stage = CLF_STAGE_FINISHED;
}

bool
clf_network_advance(ClfNetwork *network)
{
	switch (network->stage)
	{
		case CLF_STAGE_INPUT:
			project_inputs(network);
			network->t = first_step(network);
			network->stage = CLF_STAGE_FORWARD;
			break;
		case CLF_STAGE_FORWARD:
			forward_step(network, network->t);
			if (network->t != last_step(network))
				network->t += network->direction == 0 ? 1 : -1;
			else
				network->stage = next_direction(network, 1) ?
					CLF_STAGE_INPUT : CLF_STAGE_HEAD;
			break;
		case CLF_STAGE_HEAD:
			classify(network);
			network->stage = CLF_STAGE_FINISHED;
			if (network->gradient)
			{
				network->layer = network->config->layers - 1;
				classify_backward(network);
				start_backward_direction(network);
			}
			break;
		case CLF_STAGE_BACKWARD:
			backward_step(network, network->t);
			if (network->t != first_step(network))
				network->t -= network->direction == 0 ? 1 : -1;
			else
				network->stage = CLF_STAGE_WEIGHTS;
			break;
		case CLF_STAGE_WEIGHTS:
			backward_weights(network);
			if (next_direction(network, -1))
				start_backward_direction(network);
			else
				finish_gradient(network);
			break;
		case CLF_STAGE_FINISHED:
			break;
	}
	return network->stage == CLF_STAGE_FINISHED;
}

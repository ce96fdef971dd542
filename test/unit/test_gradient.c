/*
 * test_gradient.c
 *	  Every gradient against finite differences, for every combination of
 *	  layers, directions, pooling and loss, with and without dropout.
 *
 * The loss of a float network has some seven digits, so central differences
 * with a step of 1e-2 are good to about 1e-3 of a tensor's largest gradient.
 * With max pooling the step is smaller, for fewer maxima to change within it.
 */
#include "unit.h"

#define V 9
#define C 3
#define TOLERANCE 1e-2

static ClfConfig config;
static ClfTensorTable table;
static ClfNetwork network;
static UnitMemory memory;
static ClfMem mem;
static float *weights;
static ClfShard *shard;

static const int lengths[] = {4, 1, 6, 2};
static const uint32_t ids[] = {3, 4, 3, 8, 1, 0, 2, 5, 5, 7, 3, 6, 2};
static const int32_t classes[] = {2, 0, 1, 2};
static const float row_weight[] = {1.0f, 0.5f, 2.0f, 1.0f};

/* One pass; the same dropout each time. */
static double
loss_of(ClfGradient *gradient)
{
	ClfRng		rng;

	clf_rng_seed(&rng, 5, 5);
	clf_network_load(&network, weights);
	clf_network_start(&network, shard, gradient, 1.0f, &rng);
	while (!clf_network_advance(&network))
		;
	return network.loss;
}

/* Compare the gradient of one tensor, analytic [rows, columns], element by element. */
static void
check_tensor(const ClfTensor *tensor, const float *analytic)
{
	size_t		count = tensor->rows * tensor->columns;
	bool		maximum = config.pooling == CLF_POOLING_MAX || config.pooling == CLF_POOLING_MAX_MEAN;
	float		step = maximum ? 2e-3f : 1e-2f;
	double		largest = 1e-2;
	double		wrong = 0;
	double		sum_square = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(analytic[i]));
	for (size_t i = 0; i < count; i++)
	{
		float	   *w = &weights[tensor->offset + i];
		float		before = *w;
		double		up;
		double		down;
		double		error;

		*w = before + step;
		up = loss_of(NULL);
		*w = before - step;
		down = loss_of(NULL);
		*w = before;
		error = fabs((up - down) / (2 * (double) step) - analytic[i]);
		/* at a tie, a maximum has no derivative: a few elements may be off */
		wrong += error > TOLERANCE * largest;
		sum_square += error * error;
	}
	CHECK(maximum || wrong == 0, "%s: %g elements are off by more than %g",
		  tensor->name, wrong, TOLERANCE * largest);
	CHECK(sqrt(sum_square / (double) count) < TOLERANCE * largest, "%s is off by %g of %g",
		  tensor->name, sqrt(sum_square / (double) count), largest);
}

static void
check_gradients(void)
{
	ClfGradient gradient;
	float	   *dense = calloc(clf_dense_floats(&table), sizeof(float));
	float	   *rows = calloc(V * (size_t) config.embedding_dim, sizeof(float));
	size_t		E = (size_t) config.embedding_dim;

	gradient.dense = dense;
	loss_of(&gradient);
	for (uint32_t i = 0; i < gradient.nrows; i++)
		memcpy(rows + gradient.rows[i] * E, gradient.values + i * E, E * sizeof(float));
	check_tensor(&table.tensors[0], rows);
	for (int i = 1; i < table.count; i++)
		check_tensor(&table.tensors[i], dense + table.tensors[i].offset - table.tensors[1].offset);
	free(dense);
	free(rows);
}

/* Make the network of config, check it, release it. */
static void
combination(void)
{
	ClfError	error;
	ClfRng		rng;
	int			order[4];

	CHECK(clf_tensor_table(&config, V, C, &table, &error) == CLF_OK, "no table");
	shard = unit_shard(4, lengths, ids, classes, row_weight, order);
	CHECK(clf_network_init(&network, &mem, &config, &table, clf_kernels(), NULL,
						   (size_t) shard->tokens, 4, true, &error) == CLF_OK, "no network");
	weights = calloc(table.floats, sizeof(float));
	clf_rng_seed(&rng, 11, 0);
	for (size_t i = 0; i < table.floats; i++)
		weights[i] = 1.4f * clf_rng_uniform(&rng) - 0.7f;
	check_gradients();
	free(weights);
	unit_shard_free(shard);
	clf_network_free(&network);
	CHECK(memory.blocks == 0, "memory is kept");
}

int
main(void)
{
	static const char *const poolings[] = {"last", "max", "mean", "max_mean"};
	static const char *const losses[] = {"cross_entropy", "mse"};

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	for (int layers = 1; layers <= 3; layers++)
		for (int bidirectional = 0; bidirectional <= 1; bidirectional++)
			for (int pooling = 0; pooling < 4; pooling++)
				for (int loss = 0; loss < 2; loss++)
					for (int dropout = 0; dropout <= 1; dropout++)
					{
						char		name[128];

						unit_config(&config);
						config.embedding_dim = 3;
						config.units = 3;
						config.layers = layers;
						config.bidirectional = bidirectional;
						config.pooling = pooling;
						config.loss = loss;
						config.dropout = dropout * 0.4;
						snprintf(name, sizeof name, "gradient_%d_%s_%s_%s%s", layers,
								 bidirectional ? "bilstm" : "lstm", poolings[pooling],
								 losses[loss], dropout ? "_dropout" : "");
						unit_run(name, combination);
					}
	return UNIT_RESULT();
}

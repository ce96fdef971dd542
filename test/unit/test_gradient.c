/*
 * test_gradient.c
 *	  Every gradient against finite differences, for every combination of
 *	  layers, directions, pooling and loss, with and without dropout; and the
 *	  second way through the shard, beside passes over weights that were moved.
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

static double
pass(ClfGradient *gradient, float perturbation, ClfRng *rng)
{
	clf_network_load(&network, weights);
	clf_network_start(&network, shard, gradient, 1.0f, perturbation, rng);
	while (!clf_network_advance(&network))
		;
	return network.loss;
}

/* One pass; the same dropout each time. */
static double
loss_of(ClfGradient *gradient)
{
	ClfRng		rng;

	clf_rng_seed(&rng, 5, 5);
	return pass(gradient, 0.0f, &rng);
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

/* The gradient of a pass: all of it as a block of the table. */
static double
whole_gradient(float perturbation, ClfRng *rng, float *block)
{
	size_t		E = (size_t) config.embedding_dim;
	ClfGradient gradient = {.dense = block + table.tensors[1].offset};
	double		loss = pass(&gradient, perturbation, rng);

	for (uint32_t i = 0; i < gradient.nrows; i++)
		memcpy(block + gradient.rows[i] * E, gradient.values + i * E, E * sizeof(float));
	return loss;
}

/* Euclidean norm of the rows of an embedding that are in the shard. */
static double
norm_of_rows(const float *block)
{
	size_t		E = (size_t) config.embedding_dim;
	double		sum = 0;

	for (int u = 0; u < shard->unique; u++)
		for (size_t j = 0; j < E; j++)
			sum += (double) block[shard->ids[u] * E + j] * block[shard->ids[u] * E + j];
	return sqrt(sum);
}

/*
 * A pass with a perturbation has the loss of one without it, and the gradient
 * of two: at the weights, and at embeddings that were moved to where the loss
 * is greater.  The second draws the dropout that comes next.
 */
static void
check_perturbation(void)
{
	const float perturbation = 0.02f;
	size_t		bytes = table.floats * sizeof(float);
	size_t		E = (size_t) config.embedding_dim;
	float	   *both = calloc(1, bytes);
	float	   *first = calloc(1, bytes);
	float	   *second = calloc(1, bytes);
	float	   *before = malloc(bytes);
	double		worst = 0;
	double		factor;
	double		loss;
	double		moved_loss;
	ClfRng		rng;

	clf_rng_seed(&rng, 5, 5);
	loss = whole_gradient(perturbation, &rng, both);
	clf_rng_seed(&rng, 5, 5);
	CHECK(whole_gradient(0.0f, &rng, first) == loss, "the loss is that of the second way");
	memcpy(before, weights, bytes);
	factor = perturbation * norm_of_rows(weights) / norm_of_rows(first);
	for (int u = 0; u < shard->unique; u++)
		for (size_t j = 0; j < E; j++)
			weights[shard->ids[u] * E + j] += (float) factor * first[shard->ids[u] * E + j];
	moved_loss = whole_gradient(0.0f, &rng, second);
	memcpy(weights, before, bytes);
	CHECK(config.dropout > 0 || moved_loss > loss, "the loss falls from %g to %g", loss, moved_loss);
	for (size_t i = 0; i < table.floats; i++)
		worst = fmax(worst, fabs((double) both[i] - first[i] - second[i]));
	CHECK(worst < 1e-4, "the gradient is off by %g", worst);
	free(both);
	free(first);
	free(second);
	free(before);
}

/* Where no way leads up, there is no second place to go to. */
static void
check_flat(void)
{
	const ClfTensor *kernel = &table.tensors[table.dense_kernel];
	float	   *both = calloc(table.floats, sizeof(float));
	float	   *once = calloc(table.floats, sizeof(float));
	double		worst = 0;

	memset(weights + kernel->offset, 0, kernel->rows * kernel->columns * sizeof(float));
	whole_gradient(0.5f, NULL, both);
	whole_gradient(0.0f, NULL, once);
	for (size_t i = 0; i < table.floats; i++)
		worst = fmax(worst, fabs((double) both[i] - 2 * once[i]));
	CHECK(worst < 1e-4, "the gradient is off by %g", worst);
	free(both);
	free(once);
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
	check_perturbation();
	check_flat();
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

/*
 * test_golden.c
 *	  The network against PyTorch, the optimizers against Keras's formulas.
 *
 * Prints the largest errors met, as comments.
 */
#include "unit.h"

#include "optim.h"

#define FORWARD_TOLERANCE 1e-5
#define GRADIENT_TOLERANCE 1e-4 /* of a tensor's largest gradient */
#define OPTIMIZER_TOLERANCE 2e-6

static UnitGolden *golden;
static const char *case_name;
static const ClfKernels *kernels;
static double worst_forward;
static double worst_gradient;

/* Copy the case's weights into a block, from malloc. */
static float *
load_weights(const ClfTensorTable *table, const char *prefix)
{
	float	   *block = calloc(table->floats, sizeof *block);

	for (int i = 0; i < table->count; i++)
	{
		char		name[80];
		const UnitMatrix *matrix;

		snprintf(name, sizeof name, "%s%s", prefix, table->tensors[i].name);
		matrix = unit_golden(golden, case_name, name);
		for (size_t k = 0; k < matrix->rows * matrix->columns; k++)
			block[table->tensors[i].offset + k] = (float) matrix->values[k];
	}
	return block;
}

static ClfShard *
load_shard(int *order)
{
	const UnitMatrix *lengths = unit_golden(golden, case_name, "lengths");
	const UnitMatrix *ids = unit_golden(golden, case_name, "ids");
	const UnitMatrix *classes = unit_golden(golden, case_name, "classes");
	const UnitMatrix *weight = unit_golden(golden, case_name, "row_weight");
	int			length[64];
	int32_t		class_id[64];
	float		row_weight[64];
	uint32_t	id[512];

	for (size_t i = 0; i < lengths->columns; i++)
	{
		length[i] = (int) lengths->values[i];
		class_id[i] = (int32_t) classes->values[i];
		row_weight[i] = (float) weight->values[i];
	}
	for (size_t i = 0; i < ids->columns; i++)
		id[i] = (uint32_t) ids->values[i];
	return unit_shard((int) lengths->columns, length, id, class_id, row_weight, order);
}

/* The error of a tensor's gradient, relative to its largest element. */
static double
gradient_error(const ClfTensorTable *table, int tensor, const ClfGradient *gradient)
{
	char		name[80];
	const UnitMatrix *expected;
	const ClfTensor *place = &table->tensors[tensor];
	double		largest = 0;
	double		error = 0;

	snprintf(name, sizeof name, "d.%s", place->name);
	expected = unit_golden(golden, case_name, name);
	for (size_t row = 0; row < place->rows; row++)
		for (size_t j = 0; j < place->columns; j++)
		{
			double		want = expected->values[row * place->columns + j];
			double		got = 0;

			if (tensor != table->embedding)
				got = gradient->dense[place->offset - table->tensors[1].offset +
									  row * place->columns + j];
			else
				for (uint32_t i = 0; i < gradient->nrows; i++)
					if (gradient->rows[i] == row)
						got = gradient->values[i * place->columns + j];
			largest = fmax(largest, fabs(want));
			error = fmax(error, fabs(got - want));
		}
	return error / fmax(largest, 1e-3);
}

static void
compare_network(const ClfConfig *config, const ClfTensorTable *table,
				const ClfNetwork *network, const ClfGradient *gradient,
				const int *order)
{
	const UnitMatrix *probability = unit_golden(golden, case_name, "probability");
	double		loss = unit_golden(golden, case_name, "loss")->values[0];

	(void) config;
	for (size_t i = 0; i < probability->rows; i++)
		for (size_t k = 0; k < probability->columns; k++)
		{
			double		error = fabs(network->probability[i * probability->columns + k] -
									 probability->values[(size_t) order[i] * probability->columns + k]);

			worst_forward = fmax(worst_forward, error);
			CHECK(error < FORWARD_TOLERANCE, "row %zu class %zu is off by %g", i, k, error);
		}
	CHECK(fabs(network->loss - loss) < FORWARD_TOLERANCE * fmax(1, loss), "loss %.9g, not %.9g",
		  network->loss, loss);
	for (int tensor = 0; tensor < table->count; tensor++)
	{
		double		error = gradient_error(table, tensor, gradient);

		worst_gradient = fmax(worst_gradient, error);
		CHECK(error < GRADIENT_TOLERANCE, "gradient of %s is off by %g with %s",
			  table->tensors[tensor].name, error, kernels->name);
	}
}

/* One case of the golden file with one set of kernels. */
static void
network_case(void)
{
	const double *values = unit_golden(golden, case_name, "config")->values;
	ClfConfig	config;
	ClfTensorTable table;
	ClfError	error;
	ClfNetwork	network;
	UnitMemory	memory;
	ClfMem		mem;
	int			order[64];
	ClfShard   *shard = load_shard(order);
	ClfGradient gradient;
	float	   *weights;

	unit_config(&config);
	config.layers = (int32_t) values[0];
	config.bidirectional = (int32_t) values[1];
	config.pooling = (int32_t) values[2];
	config.loss = (int32_t) values[3];
	config.embedding_dim = (int32_t) values[5];
	config.units = (int32_t) values[6];
	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	CHECK(clf_tensor_table(&config, (size_t) values[4], (size_t) values[7], &table, &error) == CLF_OK,
		  "no table: %s", error.message);
	CHECK(clf_network_init(&network, &mem, &config, &table, kernels, NULL,
						   (size_t) shard->tokens, (size_t) shard->rows, true, &error) == CLF_OK,
		  "no network: %s", error.message);
	CHECK(memory.bytes <= clf_network_memory(&config, &table, (size_t) shard->tokens,
											 (size_t) shard->rows, true),
		  "the network takes more than it announced");
	weights = load_weights(&table, "");
	gradient.dense = calloc(clf_dense_floats(&table), sizeof(float));
	clf_network_load(&network, weights);
	clf_network_start(&network, shard, &gradient, 1.0f / (float) shard->rows, 0, NULL);
	while (!clf_network_advance(&network))
		;
	compare_network(&config, &table, &network, &gradient, order);
	clf_network_free(&network);
	free(gradient.dense);
	free(weights);
	unit_shard_free(shard);
	CHECK(memory.blocks == 0 && mem.used == 0, "the network keeps memory");
}

/* ---- optimizers ---- */

static double worst_optimizer;

/* Gradient of a step, from malloc. */
static void
load_gradient(const ClfTensorTable *table, int step, ClfGradient *gradient,
			  uint32_t *rows)
{
	char		name[80];
	const UnitMatrix *matrix;

	snprintf(name, sizeof name, "rows.%d", step);
	matrix = unit_golden(golden, case_name, name);
	gradient->nrows = (uint32_t) matrix->columns;
	for (size_t i = 0; i < matrix->columns; i++)
		rows[i] = (uint32_t) matrix->values[i];
	gradient->rows = rows;
	gradient->dense = calloc(clf_dense_floats(table), sizeof(float));
	for (int tensor = 0; tensor < table->count; tensor++)
	{
		float	   *to;

		snprintf(name, sizeof name, "d.%d.%s", step, table->tensors[tensor].name);
		matrix = unit_golden(golden, case_name, name);
		if (tensor == table->embedding)
			to = gradient->values = calloc(matrix->rows * matrix->columns, sizeof(float));
		else
			to = gradient->dense + table->tensors[tensor].offset - table->tensors[1].offset;
		for (size_t i = 0; i < matrix->rows * matrix->columns; i++)
			to[i] = (float) matrix->values[i];
	}
}

static void
compare_block(const ClfTensorTable *table, const char *prefix, const float *block)
{
	for (int tensor = 0; tensor < table->count; tensor++)
	{
		char		name[80];
		const UnitMatrix *expected;

		snprintf(name, sizeof name, "%s%s", prefix, table->tensors[tensor].name);
		expected = unit_golden(golden, case_name, name);
		for (size_t i = 0; i < expected->rows * expected->columns; i++)
		{
			double		error = fabs(block[table->tensors[tensor].offset + i] - expected->values[i]);

			worst_optimizer = fmax(worst_optimizer, error);
			CHECK(error < OPTIMIZER_TOLERANCE, "%s[%zu] is off by %g", name, i, error);
		}
	}
}

static void
optimizer_case(void)
{
	const double *values = unit_golden(golden, case_name, "config")->values;
	ClfConfig	config;
	ClfTensorTable table;
	ClfError	error;
	ClfOptimizer optimizer;
	UnitMemory	memory;
	ClfMem		mem;
	float	   *weights;
	float	   *evaluated;

	unit_config(&config);
	config.optimizer = (int32_t) values[0];
	config.dense_updates = (int32_t) values[1];
	config.learning_rate = values[2];
	config.momentum = values[3];
	config.weight_average = values[4];
	config.embedding_dim = (int32_t) values[6];
	config.units = (int32_t) values[7];
	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	CHECK(clf_tensor_table(&config, (size_t) values[5], (size_t) values[8], &table, &error) == CLF_OK,
		  "no table");
	CHECK(clf_optimizer_init(&optimizer, &mem, &config, &table, kernels, &error) == CLF_OK,
		  "no optimizer");
	weights = load_weights(&table, "");
	evaluated = calloc(table.floats, sizeof(float));
	for (int step = 0; step < (int) values[9]; step++)
	{
		ClfGradient gradient;
		uint32_t	rows[16];

		load_gradient(&table, step, &gradient, rows);
		clf_optimizer_step(&optimizer, weights, &gradient,
						   clf_learning_rate(&config, (uint64_t) step, (uint64_t) values[9]));
		free(gradient.dense);
		free(gradient.values);
	}
	compare_block(&table, "after.", weights);
	clf_optimizer_evaluated(&optimizer, weights, evaluated);
	compare_block(&table, config.weight_average > 0 ? "average." : "after.", evaluated);
	clf_optimizer_free(&optimizer);
	free(weights);
	free(evaluated);
	CHECK(memory.blocks == 0, "the optimizer keeps memory");
}

/* Run every case of a file with every set of kernels. */
static void
run_file(const char *path, const char *kind, void (*test) (void))
{
	const ClfKernels *sets[CLF_KERNEL_SETS];
	int			count = clf_kernels_available(sets);

	golden = unit_golden_load(path);
	for (int i = 0; (case_name = unit_golden_case(golden, i)) != NULL; i++)
		for (int set = 0; set < count; set++)
		{
			char		name[128];

			kernels = sets[set];
			snprintf(name, sizeof name, "%s_%s_%s", kind, case_name, kernels->name);
			unit_run(name, test);
		}
	unit_golden_free(golden);
}

int
main(void)
{
	run_file("test/golden/network.txt", "golden_network", network_case);
	run_file("test/golden/optimizer.txt", "golden_optimizer", optimizer_case);
	printf("# largest error: forward %.2g, gradient %.2g relative, optimizer %.2g\n",
		   worst_forward, worst_gradient, worst_optimizer);
	return UNIT_RESULT();
}

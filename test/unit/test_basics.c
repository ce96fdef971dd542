/*
 * test_basics.c
 *	  Initial weights, random numbers, the vocabulary, memory and the options.
 */
#include "unit.h"

#include "vocab.h"

/* ---- initial weights ---- */

/* A tensor of a role, initialised, from malloc. */
static float *
initialised(ClfTensorRole role, size_t rows, size_t columns, uint64_t seed)
{
	ClfTensor	tensor = {.role = role,.rows = rows,.columns = columns};
	float	   *values = malloc(rows * columns * sizeof *values);
	ClfRng		rng;

	clf_rng_seed(&rng, seed, 0);
	for (size_t row = 0; row < rows; row++)
		clf_tensor_init_row(&tensor, row, values, &rng);
	return values;
}

/* Check that values are spread evenly over (-limit, limit). */
static void
check_uniform(const float *values, size_t count, double limit)
{
	double		sum = 0;
	double		square = 0;

	for (size_t i = 0; i < count; i++)
	{
		CHECK(fabs(values[i]) <= limit, "%g is beyond %g", values[i], limit);
		sum += values[i];
		square += (double) values[i] * values[i];
	}
	CHECK(fabs(sum / (double) count) < 0.05 * limit, "the mean is %g", sum / (double) count);
	CHECK(fabs(square / (double) count / (limit * limit / 3) - 1) < 0.05, "the variance is off");
}

static void
init_glorot_and_embedding(void)
{
	float	   *kernel = initialised(CLF_ROLE_KERNEL, 60, 80, 1);
	float	   *embedding = initialised(CLF_ROLE_EMBEDDING, 100, 50, 2);

	check_uniform(kernel, 60 * 80, sqrt(6.0 / 140));
	check_uniform(embedding, 100 * 50, 0.05);
	free(kernel);
	free(embedding);
}

static void
init_orthogonal(void)
{
	static const size_t units[] = {1, 2, 7, 33};

	for (int s = 0; s < 4; s++)
	{
		size_t		H = units[s];
		float	   *u = initialised(CLF_ROLE_RECURRENT, H, 4 * H, 3);

		for (size_t a = 0; a < H; a++)
			for (size_t b = 0; b <= a; b++)
			{
				double		product = 0;

				for (size_t j = 0; j < 4 * H; j++)
					product += (double) u[a * 4 * H + j] * u[b * 4 * H + j];
				CHECK(fabs(product - (a == b)) < 1e-6, "rows %zu and %zu: %g", a, b, product);
			}
		free(u);
	}
}

static void
init_biases(void)
{
	float	   *lstm = initialised(CLF_ROLE_LSTM_BIAS, 1, 12, 4);
	float	   *bias = initialised(CLF_ROLE_BIAS, 1, 5, 4);

	for (int j = 0; j < 12; j++)
		CHECK(lstm[j] == (j >= 3 && j < 6 ? 1.0f : 0.0f), "unit forget bias is off at %d", j);
	for (int j = 0; j < 5; j++)
		CHECK(bias[j] == 0, "bias is not 0");
	free(lstm);
	free(bias);
}

static void
init_depends_on_seed_alone(void)
{
	float	   *a = initialised(CLF_ROLE_RECURRENT, 5, 20, 9);
	float	   *b = initialised(CLF_ROLE_RECURRENT, 5, 20, 9);
	float	   *c = initialised(CLF_ROLE_RECURRENT, 5, 20, 10);

	CHECK(memcmp(a, b, 100 * sizeof *a) == 0, "the same seed gives other weights");
	CHECK(memcmp(a, c, 100 * sizeof *a) != 0, "another seed gives the same weights");
	free(a);
	free(b);
	free(c);
}

/* ---- random numbers ---- */

static void
rng_distributions(void)
{
	ClfRng		rng;
	double		sum = 0;
	double		square = 0;
	int			bins[10] = {0};

	clf_rng_seed(&rng, 0, 0);
	for (int i = 0; i < 100000; i++)
	{
		float		u = clf_rng_uniform(&rng);
		float		n = clf_rng_normal(&rng);
		uint64_t	b = clf_rng_below(&rng, 10);

		CHECK(u >= 0 && u < 1, "uniform gives %g", u);
		CHECK(isfinite(n), "normal gives %g", n);
		CHECK(b < 10, "below gives %d", (int) b);
		bins[b]++;
		sum += n;
		square += (double) n * n;
	}
	CHECK(fabs(sum / 1e5) < 0.02 && fabs(square / 1e5 - 1) < 0.03, "normal has mean %g, variance %g",
		  sum / 1e5, square / 1e5);
	for (int i = 0; i < 10; i++)
		CHECK(bins[i] > 9500 && bins[i] < 10500, "below gives %d %d times", i, bins[i]);
	CHECK(clf_rng_below(&rng, 1) == 0, "below 1 is 0");
}

static void
rng_streams_differ(void)
{
	ClfRng		a;
	ClfRng		b;
	int			equal = 0;

	clf_rng_seed(&a, 1, 0);
	clf_rng_seed(&b, 1, 1);
	for (int i = 0; i < 1000; i++)
		equal += clf_rng_next(&a) == clf_rng_next(&b);
	CHECK(equal == 0, "streams share %d numbers", equal);
}

static void
rng_shuffle_permutes(void)
{
	uint32_t	items[1000];
	bool		seen[1000] = {false};
	int			moved = 0;
	ClfRng		rng;

	clf_rng_seed(&rng, 3, 0);
	for (uint32_t i = 0; i < 1000; i++)
		items[i] = i;
	clf_rng_shuffle(&rng, items, 0);
	clf_rng_shuffle(&rng, items, 1);
	clf_rng_shuffle(&rng, items, 1000);
	for (uint32_t i = 0; i < 1000; i++)
	{
		CHECK(items[i] < 1000 && !seen[items[i]], "%u is there twice", items[i]);
		seen[items[i]] = true;
		moved += items[i] != i;
	}
	CHECK(moved > 950, "only %d items moved", moved);
}

/* ---- vocabulary ---- */

static void
vocab_numbers_by_arrival(void)
{
	UnitMemory	memory;
	ClfMem		mem;
	ClfVocab	vocab;
	ClfError	error;
	uint32_t	index;
	size_t		length;

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	clf_vocab_init(&vocab, &mem, 1);
	CHECK(clf_vocab_find(&vocab, "x", 1) == -1, "found in nothing");
	for (uint32_t i = 0; i < 20000; i++)
	{
		char		word[32];
		int			n = snprintf(word, sizeof word, "w%u", i % 10000);

		CHECK(clf_vocab_add(&vocab, word, (size_t) n, &index, &error) == CLF_OK, "cannot add");
		CHECK(index == i % 10000, "%s is %u", word, index);
	}
	CHECK(vocab.count == 10000, "%u strings", vocab.count);
	CHECK(clf_vocab_find(&vocab, "w9999", 5) == 9999, "w9999 is lost");
	CHECK(clf_vocab_find(&vocab, "w99999", 6) == -1, "w99999 is found");
	CHECK(memcmp(clf_vocab_string(&vocab, 123, &length), "w123", 4) == 0 && length == 4, "123 is not w123");
	clf_vocab_free(&vocab);
	CHECK(memory.blocks == 0 && mem.used == 0, "memory is kept");
}

/* A label may be empty, and may hold bytes of 0. */
static void
vocab_empty_and_zero_bytes(void)
{
	UnitMemory	memory;
	ClfMem		mem;
	ClfVocab	vocab;
	ClfError	error;
	uint32_t	index[4];

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	clf_vocab_init(&vocab, &mem, 1);
	CHECK(clf_vocab_add(&vocab, "", 0, &index[0], &error) == CLF_OK, "cannot add nothing");
	CHECK(clf_vocab_find(&vocab, "", 0) == 0, "nothing is lost");
	CHECK(clf_vocab_add(&vocab, "a\0b", 3, &index[1], &error) == CLF_OK &&
		  clf_vocab_add(&vocab, "a\0c", 3, &index[2], &error) == CLF_OK &&
		  clf_vocab_add(&vocab, "a", 1, &index[3], &error) == CLF_OK, "cannot add");
	CHECK(index[1] == 1 && index[2] == 2 && index[3] == 3, "strings are taken for one");
	CHECK(clf_vocab_add(&vocab, "", 0, &index[0], &error) == CLF_OK && index[0] == 0, "nothing is there twice");
	clf_vocab_free(&vocab);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* ---- memory ---- */

static void
mem_checks_sizes(void)
{
	UnitMemory	memory;
	ClfMem		mem;
	void	   *block;
	void	   *array = NULL;
	size_t		capacity = 0;

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	CHECK(clf_mem_alloc(&mem, SIZE_MAX / 2, 4) == NULL, "an overflow is not seen");
	CHECK(clf_mem_alloc(&mem, SIZE_MAX, 1) == NULL, "a whole address space is given");
	CHECK(memory.calls == 0, "the host is asked for the impossible");
	block = clf_mem_alloc_zero(&mem, 0, 4);
	CHECK(block != NULL && (uintptr_t) block % CLF_ALIGNMENT == 0, "a block of nothing is not aligned");
	CHECK(mem.used == memory.bytes, "%zu bytes are counted as %zu", memory.bytes, mem.used);
	for (size_t n = 1; n < 1000; n += 100)
	{
		CHECK(clf_mem_grow(&mem, &array, &capacity, n, 8) && capacity >= n, "cannot grow");
		memset(array, 1, capacity * 8);
	}
	CHECK(!clf_mem_grow(&mem, &array, &capacity, SIZE_MAX / 4, 8) && capacity >= 900, "grows beyond all");
	memory.fail_at = memory.calls + 1;
	CHECK(!clf_mem_grow(&mem, &array, &capacity, 100000, 8) && ((char *) array)[7199] == 1, "loses the old block");
	clf_mem_free(&mem, NULL);
	clf_mem_free(&mem, block);
	clf_mem_free(&mem, array);
	CHECK(mem.used == 0 && memory.blocks == 0, "memory is kept");
}

/* ClfAllocator.stopped: after so many questions */
static int	patience;

static bool
has_no_patience(void *context)
{
	(void) context;
	return patience-- <= 0;
}

/* The host is asked while a large block is cleared, and need not wait for the end. */
static void
mem_clears_as_long_as_wanted(void)
{
	const size_t large = (size_t) 100 << 20;
	UnitMemory	memory;
	ClfMem		mem;
	char	   *block;

	unit_memory_init(&memory);
	memory.allocator.stopped = has_no_patience;
	clf_mem_init(&mem, &memory.allocator);
	patience = 1000;
	block = clf_mem_alloc_zero(&mem, large, 1);
	CHECK(block != NULL && patience < 1000 - 4, "%d questions", 1000 - patience);
	for (size_t i = 0; i < large; i++)
		CHECK(block[i] == 0, "byte %zu is not cleared", i);
	clf_mem_free(&mem, block);
	patience = 2;
	CHECK(clf_mem_alloc_zero(&mem, large, 1) == NULL, "goes on");
	CHECK(mem.used == 0 && memory.blocks == 0, "memory is kept");
	patience = 0;
	block = clf_mem_alloc_zero(&mem, 1000, 1000);
	CHECK(block != NULL, "gives up a block that takes no time");
	clf_mem_free(&mem, block);
}

/* ---- options ---- */

static void
options_describe_the_config(void)
{
	ClfConfig	config;
	int			count;
	const ClfOption *options = clf_options(&count);

	clf_config_init(&config);
	CHECK(clf_config_valid(&config, true), "the defaults are not valid");
	CHECK(!clf_config_valid(&config, false), "auto is valid where it is not allowed");
	for (int i = 0; i < count; i++)
	{
		bool		string = options[i].type == CLF_OPTION_STRING;
		size_t		size = options[i].type == CLF_OPTION_REAL ? sizeof(double) : string ? 1 : sizeof(int32_t);

		CHECK(options[i].offset + size + (string ? (size_t) options[i].maximum : 0) <= sizeof config &&
			  options[i].offset % size == 0,
			  "%s does not lie in the config", options[i].name);
		CHECK(options[i].description[0] != '\0' && options[i].minimum <= options[i].maximum,
			  "%s is not described", options[i].name);
		if (options[i].type == CLF_OPTION_ENUM)
			CHECK(options[i].names[(int) options[i].maximum] != NULL &&
				  options[i].names[(int) options[i].maximum + 1] == NULL,
				  "%s has other names than values", options[i].name);
		for (int bit = 0; options[i].type == CLF_OPTION_SET && (bit == 0 || options[i].names[bit - 1] != NULL); bit++)
			CHECK((options[i].names[bit] != NULL) == ((int32_t) options[i].maximum >> bit & 1),
				  "%s has other names than bits", options[i].name);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(options[i].name, options[j].name) != 0 && options[i].offset != options[j].offset,
				  "%s is there twice", options[i].name);
	}
}

static void
options_refuse_what_is_out_of_range(void)
{
	ClfConfig	config;
	int			count;
	const ClfOption *options = clf_options(&count);

	for (int i = 0; i < count; i++)
		for (int side = 0; side < 3; side++)
		{
			char	   *field;
			double		real = side == 0 ? options[i].minimum - 5 :
				side == 1 ? options[i].maximum * 2 + 1 : NAN;
			int32_t		integer = (int32_t) fmax(fmin(real, INT32_MAX), INT32_MIN);

			if (options[i].type != CLF_OPTION_REAL && (side == 2 || real > INT32_MAX))
				continue;
			unit_config(&config);
			CHECK(clf_config_valid(&config, false), "a good config is refused");
			field = (char *) &config + options[i].offset;
			if (options[i].type == CLF_OPTION_REAL)
				memcpy(field, &real, sizeof real);
			else if (options[i].type == CLF_OPTION_STRING)
				memset(field, 'a', (size_t) options[i].maximum + 1);	/* without an end */
			else
				memcpy(field, &integer, sizeof integer);
			CHECK(!clf_config_valid(&config, true), "%s may be %g", options[i].name, real);
		}
}

int
main(void)
{
	RUN(init_glorot_and_embedding);
	RUN(init_orthogonal);
	RUN(init_biases);
	RUN(init_depends_on_seed_alone);
	RUN(rng_distributions);
	RUN(rng_streams_differ);
	RUN(rng_shuffle_permutes);
	RUN(vocab_numbers_by_arrival);
	RUN(vocab_empty_and_zero_bytes);
	RUN(mem_checks_sizes);
	RUN(mem_clears_as_long_as_wanted);
	RUN(options_describe_the_config);
	RUN(options_refuse_what_is_out_of_range);
	return UNIT_RESULT();
}

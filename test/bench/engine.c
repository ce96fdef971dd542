/*
 * engine.c
 *	  How fast the engine predicts on one core, and what the core could do.
 *
 *	  engine [SHAPE...]     R1, R2, R3 (see below) and default; all if none given
 *
 * Every figure is the median of interleaved repetitions: the peak of this
 * core's multiply-adds, then each way to predict.  "of peak" counts the
 * multiplications that were done, input projections found in a table not.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "forward.h"
#include "rng.h"

#define REPETITIONS 9
#define SECONDS 0.1				/* of a repetition, at least */
#define TEXTS 480
#define FORMS 3					/* of ClfPackedForm */

typedef struct Shape
{
	const char *name;
	int			vocabulary;
	int			embedding_dim;
	int			units;
	int			layers;
	int			bidirectional;
	int			classes;
	int			tokens;
	int			architecture;
	int			pooling;
} Shape;

static const Shape shapes[] = {
	{"R1", 30000, 128, 128, 2, 0, 4, 40, CLF_ARCH_BILSTM, CLF_POOLING_LAST},
	{"R2", 5000, 128, 128, 2, 0, 10, 20, CLF_ARCH_BILSTM, CLF_POOLING_LAST},
	{"R3", 50000, 300, 256, 1, 1, 4, 200, CLF_ARCH_BILSTM, CLF_POOLING_LAST},
	{"default", 50000, 128, 96, 1, 1, 4, 45, CLF_ARCH_BILSTM, CLF_POOLING_MAX},
};

/* Seconds that this program had a core, whatever else runs on the machine. */
static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

/* ---- the peak ---- */

#define PEAK_LOOPS 10000000

#if defined(__x86_64__)

__attribute__((target("avx512f"))) static double
peak_avx512(void)
{
	__m512		sum[12];
	__m512		factor = _mm512_set1_ps(0.999f);
	double		start;

#pragma GCC unroll 12
	for (int i = 0; i < 12; i++)	/* unrolled, so that all are in registers */
		sum[i] = _mm512_set1_ps((float) i);
	start = now();
	for (int loop = 0; loop < PEAK_LOOPS; loop++)
#pragma GCC unroll 12
		for (int i = 0; i < 12; i++)
		{
			sum[i] = _mm512_fmadd_ps(sum[i], factor, factor);
			__asm__ volatile("" : "+v"(sum[i]));
		}
	return 12.0 * 16 * 2 * PEAK_LOOPS / (now() - start);
}

__attribute__((target("avx2,fma"))) static double
peak_avx2(void)
{
	__m256		sum[12];
	__m256		factor = _mm256_set1_ps(0.999f);
	double		start;

#pragma GCC unroll 12
	for (int i = 0; i < 12; i++)	/* unrolled, so that all are in registers */
		sum[i] = _mm256_set1_ps((float) i);
	start = now();
	for (int loop = 0; loop < PEAK_LOOPS; loop++)
#pragma GCC unroll 12
		for (int i = 0; i < 12; i++)
		{
			sum[i] = _mm256_fmadd_ps(sum[i], factor, factor);
			__asm__ volatile("" : "+x"(sum[i]));
		}
	return 12.0 * 8 * 2 * PEAK_LOOPS / (now() - start);
}

#endif

/* Multiplications and additions per second, for a set of kernels; 0: unknown */
static double
peak(const ClfKernels *kernels)
{
#if defined(__x86_64__)
	if (strncmp(kernels->name, "avx512", 6) == 0)
		return peak_avx512();
	if (strcmp(kernels->name, "avx2") == 0)
		return peak_avx2();
#endif
	return 0;
}

/* ---- a model of random weights, and texts ---- */

static void *
allocate(void *context, size_t size)
{
	return malloc(size);
}

static void
release(void *context, void *pointer)
{
	free(pointer);
}

static void
check(ClfStatus status, const ClfError *error)
{
	if (status == CLF_OK)
		return;
	fprintf(stderr, "%s\n", error->message);
	exit(1);
}

static ClfModel *
make_model(const Shape *shape, ClfRng *rng)
{
	ClfAllocator allocator = {.alloc = allocate, .free = release};
	ClfModel   *model;
	ClfError	error;
	uint32_t	index;
	char		string[32];

	check(clf_model_new(&allocator, &model, &error), &error);
	clf_config_init(&model->config);
	model->config.architecture = shape->architecture;
	model->config.maxlen = shape->tokens;
	model->config.embedding_dim = shape->embedding_dim;
	model->config.units = shape->units;
	model->config.layers = shape->layers;
	model->config.bidirectional = shape->bidirectional;
	model->config.pooling = shape->pooling;
	for (int i = 2; i < shape->vocabulary; i++)
	{
		snprintf(string, sizeof string, "w%d", i);
		check(clf_vocab_add(&model->words, string, strlen(string), &index, &error), &error);
	}
	for (int i = 0; i < shape->classes; i++)
	{
		snprintf(string, sizeof string, "class%d", i);
		check(clf_vocab_add(&model->labels, string, strlen(string), &index, &error), &error);
	}
	check(clf_model_allocate(model, &error), &error);
	for (size_t i = 0; i < model->table.floats; i++)
		model->weights[i] = (2 * clf_rng_uniform(rng) - 1) * 0.15f;
	model->scale[0] = 1;
	check(clf_model_prepare(model, &error), &error);
	return model;
}

/* Ids under Zipf's law with a shift, as words of a language have it. */
static uint32_t *
make_ids(const Shape *shape, ClfRng *rng)
{
	uint32_t   *ids = malloc((size_t) (TEXTS * shape->tokens) * sizeof *ids);

	for (int i = 0; i < TEXTS * shape->tokens; i++)
	{
		double		u = clf_rng_uniform(rng);

		ids[i] = (uint32_t) (2 + 3 * (pow((shape->vocabulary - 2) / 3.0, u) - 1));
	}
	return ids;
}

/* ---- measuring ---- */

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values)
{
	qsort(values, REPETITIONS, sizeof *values, compare);
	return values[REPETITIONS / 2];
}

/* Texts per second of a forward pass, so many together. */
static double
rate(ClfForward *forward, const Shape *shape, const uint32_t *ids, size_t together)
{
	float		scores[CLF_FORWARD_ROWS][64];
	double		start = now();
	double		seconds;
	size_t		done = 0;
	ClfError	error;

	do
	{
		ClfSequence sequences[CLF_FORWARD_ROWS];
		float	   *z[CLF_FORWARD_ROWS];

		for (size_t i = 0; i < together; i++)
		{
			sequences[i].ids = ids + (done + i) % TEXTS * (size_t) shape->tokens;
			sequences[i].length = (size_t) shape->tokens;
			z[i] = scores[i];
		}
		check(clf_forward(forward, together, sequences, z, &error), &error);
		done += together;
		seconds = now() - start;
	}
	while (seconds < SECONDS);
	return (double) done / seconds;
}

/* Multiplications and additions for one text; the table's share is left out. */
static double
operations(const ClfForward *forward, const Shape *shape, const uint32_t *ids)
{
	double		directions = shape->bidirectional ? 2 : 1;
	double		H4 = 4.0 * shape->units;
	double		looked_up = 0;
	double		sum = 0;

	for (int i = 0; i < TEXTS * shape->tokens; i++)
		looked_up += ids[i] < forward->table.ids;
	looked_up /= TEXTS * shape->tokens;
	for (int layer = 0; layer < shape->layers; layer++)
		sum += directions * H4 * (shape->units + (layer == 0 ? (1 - looked_up) * shape->embedding_dim :
												  directions * shape->units));
	return 2 * sum * shape->tokens;
}

static void
measure(const Shape *shape)
{
	const ClfKernels *sets[CLF_KERNEL_SETS];
	int			set_count = clf_kernels_available(sets);
	ClfRng		rng;
	ClfModel   *model;
	ClfPacked	packed[FORMS];
	uint32_t   *ids;
	ClfError	error;

	clf_rng_seed(&rng, 1, 0);
	model = make_model(shape, &rng);
	ids = make_ids(shape, &rng);
	for (int form = 0; form < FORMS; form++)
		check(clf_packed_init(&packed[form], model, (ClfPackedForm) form, &model->mem, &error), &error);
	for (int set = 0; set < set_count; set++)
	{
		static const size_t together[2] = {1, CLF_FORWARD_ROWS};
		static const char *const names[FORMS] = {"float32", "float32, pairs", "int8"};
		double		figures[FORMS][2][REPETITIONS];
		double		peaks[REPETITIONS];
		ClfForward	forward[FORMS];

		for (int form = 0; form < FORMS; form++)
			check(clf_forward_init(&forward[form], model, &packed[form], &model->mem, sets[set],
								   &error), &error);
		for (int i = 0; i < REPETITIONS; i++)
		{
			peaks[i] = peak(sets[set]);
			for (int form = 0; form < FORMS; form++)
				for (int many = 0; many < 2; many++)
					figures[form][many][i] = rate(&forward[form], shape, ids, together[many]);
		}
		for (int form = 0; form < FORMS; form++)
			for (int many = 0; many < 2; many++)
			{
				double		rows = median(figures[form][many]);
				double		flops = rows * operations(&forward[form], shape, ids);
				double		top = median(peaks);

				printf("| %s | %s | %s | %zu | %.0f | %.1f |", shape->name, sets[set]->name,
					   names[form], together[many], rows, flops / 1e9);
				if (top > 0)
					printf(" %.0f%% |\n", 100 * flops / top);
				else
					printf(" |\n");
				fflush(stdout);
			}
		for (int form = 0; form < FORMS; form++)
			clf_forward_free(&forward[form]);
	}
	for (int form = 0; form < FORMS; form++)
		clf_packed_free(&packed[form]);
	clf_model_free(model);
	free(ids);
}

int
main(int argc, char **argv)
{
	printf("| shape | kernels | precision | texts together | texts/s | GFLOP/s | of FMA peak |\n"
		   "|---|---|---|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
	{
		bool		wanted = argc == 1;

		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], shapes[i].name) == 0;
		if (wanted)
			measure(&shapes[i]);
	}
	return 0;
}

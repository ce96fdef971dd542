/*
 * models.h
 *	  The models that fuzz targets use: of every architecture and tokenizer.
 */
#ifndef FUZZ_MODELS_H
#define FUZZ_MODELS_H

#include "fuzz.h"

#include "model.h"
#include "rng.h"
#include "tokenizer.h"

#define MODELS 6

static const char *const strings[] = {"apple", "x", "\xE4\xB8\xAD", "!", "\xF0\x9F\x98\x80"};

#define STRINGS 5

static int
compare_hashes(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* A linear branch that knows the n-grams of the strings. */
static void
make_wide(ClfModel *model, ClfRng *rng)
{
	ClfWide    *wide = &model->wide;
	ClfGrams	grams;
	ClfError	error;
	size_t		F = 0;

	clf_grams_init(&grams, &model->mem, model->config.char_ngrams);
	clf_grams_start(&grams);
	for (int i = 0; i < STRINGS; i++)
		FUZZ_CHECK(clf_grams_add(&grams, strings[i], strlen(strings[i])));
	qsort(grams.hashes, grams.count, sizeof *grams.hashes, compare_hashes);
	for (size_t i = 0; i < grams.count; i++)
		if (F == 0 || grams.hashes[i] != grams.hashes[F - 1])
			grams.hashes[F++] = grams.hashes[i];
	FUZZ_CHECK(clf_wide_allocate(wide, &model->mem, F, model->labels.count, &error) == CLF_OK);
	memcpy(wide->hashes, grams.hashes, F * sizeof *wide->hashes);
	for (size_t f = 0; f < F; f++)
		wide->idf[f] = 1 + clf_rng_uniform(rng);
	for (size_t i = 0; i < F * wide->C; i++)
		wide->kernel[i] = 2 * clf_rng_uniform(rng) - 1;
	clf_grams_free(&grams);
}

/* Everything set: what is left to a training, to its least value. */
static void
set_all(ClfConfig *config)
{
	int			count;
	const ClfOption *options = clf_options(&count);

	clf_config_init(config);
	for (int i = 0; i < count; i++)
	{
		char	   *field = (char *) config + options[i].offset;
		int32_t		integer = (int32_t) options[i].minimum;

		if (options[i].initial >= options[i].minimum || options[i].type == CLF_OPTION_STRING)
			continue;
		if (options[i].type == CLF_OPTION_REAL)
			memcpy(field, &options[i].minimum, sizeof(double));
		else
			memcpy(field, &integer, sizeof integer);
	}
}

/*
 * One of MODELS models with random weights: small ones, or such that have more
 * units than a register.
 */
static ClfModel *
make_model(int index, bool small)
{
	static const int32_t architectures[MODELS] = {
		CLF_ARCH_BILSTM, CLF_ARCH_LSTM, CLF_ARCH_HYBRID, CLF_ARCH_LINEAR, CLF_ARCH_LSTM, CLF_ARCH_HYBRID
	};
	ClfError	error;
	ClfRng		rng;
	uint32_t	unused;
	ClfModel   *model;
	ClfConfig  *config;

	FUZZ_CHECK(clf_model_new(&fuzz_allocator, &model, &error) == CLF_OK);
	model->tokenizer_version = CLF_TOKENIZER_VERSION;
	strcpy(model->icu_version, "72.1");
	config = &model->config;
	set_all(config);
	config->architecture = architectures[index];
	config->tokenizer = index / 3;
	config->char_ngrams = index == 2 || index == 3;
	config->mask = index % 2 ? 31 : 1 << index;
	if (index == 2 || index == 4)
		strcpy(config->mask_pattern, "(?s)x+(a|b.)*?c|\\bq\\w");
	config->maxlen = 5 + (small ? 1 : 10) * index;
	config->embedding_dim = 3 + index;
	config->units = 3 + (small ? 1 : 6) * index;
	config->layers = 1 + index % 2;
	config->bidirectional = index != 1;
	config->pooling = index % 3;
	config->storage = small ? index % 3 : CLF_STORAGE_FLOAT32;
	config->precision = index < 3 ? CLF_PRECISION_FLOAT32 : CLF_PRECISION_INT8;
	for (int i = 0; i < STRINGS; i++)
	{
		FUZZ_CHECK(clf_vocab_add(&model->words, strings[i], strlen(strings[i]), &unused, &error) == CLF_OK);
		if (i < 2 + index % 3)
			FUZZ_CHECK(clf_vocab_add(&model->labels, strings[i], strlen(strings[i]), &unused, &error) == CLF_OK);
	}
	FUZZ_CHECK(clf_model_allocate(model, &error) == CLF_OK);
	clf_rng_seed(&rng, (uint64_t) index, 0);
	for (size_t i = 0; i < model->table.floats; i++)
		model->weights[i] = 2 * clf_rng_uniform(&rng) - 1;
	model->scale[0] = 0.5f;
	model->scale[1] = 2.0f;
	if (clf_has_wide(config))
		make_wide(model, &rng);
	FUZZ_CHECK(clf_model_prepare(model, &error) == CLF_OK);
	return model;
}

#endif							/* FUZZ_MODELS_H */

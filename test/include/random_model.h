/*
 * random_model.h
 *	  Models with random weights, for tests in C.
 *
 * It must not know what a test takes them for: config, words and labels are its.
 */
#ifndef RANDOM_MODEL_H
#define RANDOM_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "half.h"
#include "model.h"
#include "rng.h"
#include "storage.h"
#include "tokenizer.h"

/* Defaults; what those leave to a training, at its least value. */
static inline void
complete_config(ClfConfig *config)
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

static inline int
compare_random_hashes(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* A linear branch that knows the n-grams of the model's words, one after the other. */
static inline ClfStatus
fill_random_wide(ClfModel *model, ClfRng *rng, ClfError *error)
{
	ClfWide    *wide = &model->wide;
	ClfGrams	grams;
	ClfStatus	status = CLF_OK;
	size_t		F = 0;

	clf_grams_init(&grams, &model->mem, model->config.char_ngrams);
	clf_grams_start(&grams);
	for (uint32_t i = 0; i < model->words.count && status == CLF_OK; i++)
	{
		size_t		length;
		const char *word = clf_vocab_string(&model->words, i, &length);

		if (!clf_grams_add(&grams, word, length))
			status = clf_fail_memory(error);
	}
	qsort(grams.hashes, grams.count, sizeof *grams.hashes, compare_random_hashes);
	for (size_t i = 0; i < grams.count; i++)
		if (F == 0 || grams.hashes[i] != grams.hashes[F - 1])
			grams.hashes[F++] = grams.hashes[i];
	if (status == CLF_OK)
		status = clf_wide_allocate(wide, &model->mem, F, model->labels.count, error);
	if (status == CLF_OK)
	{
		memcpy(wide->hashes, grams.hashes, F * sizeof *wide->hashes);
		for (size_t f = 0; f < F; f++)
			wide->idf[f] = 1 + 3 * clf_rng_uniform(rng);
		for (size_t i = 0; i < F * wide->C; i++)
			wide->kernel[i] = clf_float_from_half(clf_half_from_float(4 * clf_rng_uniform(rng) - 2));
		for (size_t k = 0; k < wide->C; k++)
			wide->bias[k] = 2 * clf_rng_uniform(rng) - 1;
	}
	clf_grams_free(&grams);
	return status;
}

/* Complete a new model that has a config, words and labels. */
static inline ClfStatus
fill_random_model(ClfModel *model, uint64_t seed, ClfError *error)
{
	ClfRng		rng;
	ClfStatus	status = clf_model_allocate(model, error);

	if (status != CLF_OK)
		return status;
	model->tokenizer_version = CLF_TOKENIZER_VERSION;
	strcpy(model->icu_version, "72.1");
	for (uint32_t i = 0; i < model->words.count; i++)
		model->word_rows[i] = 7 * i + 1;
	clf_rng_seed(&rng, seed, 0);
	for (int i = 0; i < model->table.count; i++)
	{
		const ClfTensor *tensor = &model->table.tensors[i];
		float	   *values = clf_model_tensor(model, i);

		for (size_t k = 0; k < tensor->rows * tensor->columns; k++)
			values[k] = 1.2f * clf_rng_uniform(&rng) - 0.6f;
		for (size_t row = 0; row < tensor->rows; row++)
			clf_storage_round_row(&model->config, tensor, values + row * tensor->columns);
	}
	model->scale[0] = clf_has_deep(&model->config) ? 0.75f : 0;
	model->scale[1] = clf_has_wide(&model->config) ? 1.3f : 0;
	if (clf_has_wide(&model->config))
		status = fill_random_wide(model, &rng, error);
	return status == CLF_OK ? clf_model_prepare(model, error) : status;
}

#endif							/* RANDOM_MODEL_H */

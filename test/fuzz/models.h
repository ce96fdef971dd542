/*
 * models.h
 *	  The models that fuzz targets use: of every architecture and tokenizer.
 */
#ifndef FUZZ_MODELS_H
#define FUZZ_MODELS_H

#include "fuzz.h"

#include "../include/random_model.h"

#define MODELS 6

static const char *const strings[] = {"apple", "x", "\xE4\xB8\xAD", "!", "\xF0\x9F\x98\x80"};

#define STRINGS 5

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
	uint32_t	unused;
	ClfModel   *model;
	ClfConfig  *config;

	FUZZ_CHECK(clf_model_new(&fuzz_allocator, &model, &error) == CLF_OK);
	config = &model->config;
	complete_config(config);
	config->architecture = architectures[index];
	config->tokenizer = index / 3;
	config->capitals = index == 0 || index == 2;
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
	FUZZ_CHECK(fill_random_model(model, (uint64_t) index, &error) == CLF_OK);
	return model;
}

#endif							/* FUZZ_MODELS_H */

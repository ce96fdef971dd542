/*
 * fuzz_predict.c
 *	  libFuzzer on prediction: any text has probabilities that sum to 1 or is
 *	  not UTF-8, and the tokens shown are in bounds.
 *
 * The first byte chooses one of the models, the rest is the text.
 */
#include "fuzz.h"

#include <math.h>

#include "model.h"
#include "rng.h"
#include "tokenizer.h"

#define MODELS 4

static ClfModel *models[MODELS];
static ClfScratch *scratches[MODELS];

static void
make_model(int index)
{
	static const char *const strings[] = {"apple", "x", "\xE4\xB8\xAD", "!", "\xF0\x9F\x98\x80"};
	ClfError	error;
	ClfRng		rng;
	uint32_t	unused;
	ClfModel   *model;
	ClfConfig  *config;

	FUZZ_CHECK(clf_model_new(&fuzz_allocator, &model, &error) == CLF_OK);
	config = &model->config;
	clf_config_init(config);
	config->architecture = index % 2;
	config->tokenizer = index / 2;
	config->maxlen = 5 + 10 * index;
	config->embedding_dim = 3 + index;
	config->units = 3 + 6 * index;
	config->layers = 1 + index % 2;
	config->bidirectional = index != 1;
	config->pooling = index % 3;
	for (int i = 0; i < 5; i++)
	{
		FUZZ_CHECK(clf_vocab_add(&model->words, strings[i], strlen(strings[i]), &unused, &error) == CLF_OK);
		if (i < 2 + index % 3)
			FUZZ_CHECK(clf_vocab_add(&model->labels, strings[i], strlen(strings[i]), &unused, &error) == CLF_OK);
	}
	FUZZ_CHECK(clf_model_allocate(model, &error) == CLF_OK);
	clf_rng_seed(&rng, (uint64_t) index, 0);
	for (size_t i = 0; i < model->table.floats; i++)
		model->weights[i] = 2 * clf_rng_uniform(&rng) - 1;
	FUZZ_CHECK(clf_model_prepare(model, &error) == CLF_OK);
	FUZZ_CHECK(clf_scratch_new(model, &fuzz_allocator, &scratches[index], &error) == CLF_OK);
	models[index] = model;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			index = size ? data[0] % MODELS : 0;
	const char *text = (const char *) data + (size > 0);
	size_t		length = size - (size > 0);
	float		probability[8];
	const ClfToken *tokens;
	size_t		count;
	size_t		end = 0;
	double		sum = 0;
	ClfError	error;
	ClfStatus	status;

	if (models[index] == NULL)
		make_model(index);
	status = clf_predict(models[index], scratches[index], text, length, probability, &error);
	FUZZ_CHECK(clf_tokens(models[index], scratches[index], text, length, &tokens, &count, &error) == status);
	if (status != CLF_OK)
	{
		FUZZ_CHECK(status == CLF_ERR_ENCODING);
		return 0;
	}
	for (int k = 0; k < clf_model_classes(models[index]); k++)
		sum += probability[k];
	FUZZ_CHECK(fabs(sum - 1) < 1e-5);
	FUZZ_CHECK(count <= (size_t) models[index]->config.maxlen);
	for (size_t i = 0; i < count; i++)
	{
		FUZZ_CHECK(tokens[i].start >= end && tokens[i].end <= length && tokens[i].length > 0);
		FUZZ_CHECK(tokens[i].id >= 1 && tokens[i].id < clf_model_vocabulary(models[index]));
		end = tokens[i].end;
	}
	return 0;
}

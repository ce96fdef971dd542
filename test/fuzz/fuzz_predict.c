/*
 * fuzz_predict.c
 *	  libFuzzer on prediction: any text has probabilities that sum to 1 or is
 *	  not UTF-8, and the tokens shown are in bounds.
 *
 * The first byte chooses one of the models, the rest is the text.
 */
#include "models.h"

#include "encode.h"

static ClfModel *models[MODELS];
static ClfScratch *scratches[MODELS];

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
	{
		models[index] = make_model(index, false);
		FUZZ_CHECK(clf_scratch_new(models[index], &fuzz_allocator, &scratches[index], &error) == CLF_OK);
	}
	status = clf_predict(models[index], scratches[index], text, length, probability, &error);
	FUZZ_CHECK(clf_tokens(models[index], scratches[index], text, length, &tokens, &count, &error) == status);
	if (status != CLF_OK)
	{
		/* a pattern may take too long */
		FUZZ_CHECK(status == CLF_ERR_ENCODING || status == CLF_ERR_LIMIT);
		return 0;
	}
	for (int k = 0; k < clf_model_classes(models[index]); k++)
		sum += probability[k];
	FUZZ_CHECK(fabs(sum - 1) < 1e-5);
	FUZZ_CHECK(count <= clf_encode_limit(&models[index]->config));
	for (size_t i = 0; i < count; i++)
	{
		/* a mark of capitals has the place of its word */
		FUZZ_CHECK(tokens[i].start >= end ||
				   (i > 0 && tokens[i].start == tokens[i - 1].start && tokens[i].end == tokens[i - 1].end));
		FUZZ_CHECK(tokens[i].end <= length && tokens[i].length > 0);
		FUZZ_CHECK(tokens[i].id >= 1 && tokens[i].id < clf_model_vocabulary(models[index]));
		end = tokens[i].end;
	}
	return 0;
}

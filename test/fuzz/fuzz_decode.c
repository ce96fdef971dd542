/*
 * fuzz_decode.c
 *	  libFuzzer on the decoder: bytes are refused for a reason, or make a model
 *	  that can be listed, predicts, explains and comes back as the same bytes; no
 *	  memory is kept.
 */
#include "fuzz.h"

/* What a model of strangers must be able to do. */
static void
use_model(const ClfModel *model)
{
	static const char text[] = "apple x \xE4\xB8\xAD";
	const ClfText texts[] = {{text, sizeof text - 1}, {text, 0}, {text, sizeof text - 1}};
	size_t		classes = (size_t) clf_model_classes(model);
	ClfScratch *scratch;
	ClfModel   *again;
	ClfError	error;
	void	   *bytes[2];
	size_t		size[2];
	float	   *probability = malloc(4 * classes * sizeof(float));

	fuzz_list(model);
	/* a wide network costs time, and nothing is learned from it */
	if (clf_model_config(model)->maxlen <= 200 && clf_scratch_new(model, &fuzz_allocator, &scratch, &error) == CLF_OK)
	{
		if (clf_predict(model, scratch, text, sizeof text - 1, probability, &error) == CLF_OK)
		{
			for (size_t k = 0; k < classes; k++)
				FUZZ_CHECK(probability[k] >= 0 && probability[k] <= 1.00001f);
			if (clf_batch_limit(model) >= 3 &&
				clf_predict_batch(model, scratch, texts, 3, probability + classes, &error) == CLF_OK)
				FUZZ_CHECK(memcmp(probability, probability + classes, classes * sizeof(float)) == 0 &&
						   memcmp(probability, probability + 3 * classes, classes * sizeof(float)) == 0);
		}
		(void) fuzz_explain(model, text, sizeof text - 1);
		clf_scratch_free(scratch);
	}
	free(probability);
	FUZZ_CHECK(clf_model_encode(model, &fuzz_allocator, &bytes[0], &size[0], &error) == CLF_OK);
	FUZZ_CHECK(clf_model_decode(&fuzz_allocator, bytes[0], size[0], &again, &error) == CLF_OK);
	FUZZ_CHECK(clf_model_encode(again, &fuzz_allocator, &bytes[1], &size[1], &error) == CLF_OK);
	FUZZ_CHECK(size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0);
	fuzz_allocator.free(NULL, bytes[0]);
	fuzz_allocator.free(NULL, bytes[1]);
	clf_model_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ClfModel   *model;
	ClfError	error;
	ClfStatus	status = clf_model_decode(&fuzz_allocator, data, size, &model, &error);
	size_t		digest;

	FUZZ_CHECK(!clf_digest_field(data, size, &digest) || digest + CLF_DIGEST_LENGTH <= size);
	if (status == CLF_OK)
	{
		use_model(model);
		clf_model_free(model);
	}
	else
		FUZZ_CHECK(status == CLF_ERR_CORRUPT && error.status == status &&
				   error.message[0] != '\0' && error.detail[0] != '\0');
	FUZZ_CHECK(fuzz_blocks == 0);
	return 0;
}

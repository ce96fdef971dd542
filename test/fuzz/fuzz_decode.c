/*
 * fuzz_decode.c
 *	  libFuzzer on the decoder: bytes are refused for a reason, or make a model
 *	  that can be used in every way; no memory is kept.
 */
#include "use.h"

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
		fuzz_use(model, data, size);
		clf_model_free(model);
	}
	else
		FUZZ_CHECK(status == CLF_ERR_CORRUPT && error.status == status &&
				   error.message[0] != '\0' && error.detail[0] != '\0');
	FUZZ_CHECK(fuzz_blocks == 0);
	return 0;
}

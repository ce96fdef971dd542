/*
 * fuzz_model.c
 *	  libFuzzer on models that are nearly right: the bytes of one, some of them
 *	  changed, are refused for a reason, or make a model that can be used in every
 *	  way.  The header's form, which fuzz_decode must find by chance, is given.
 *
 * The first byte chooses one of the models, and the rest changes its bytes.
 */
#include "models.h"
#include "use.h"

typedef struct Encoded
{
	void	   *bytes;
	size_t		size;
} Encoded;

static Encoded originals[MODELS];

static void
encode_model(int index)
{
	ClfModel   *model = make_model(index, true);
	ClfError	error;

	FUZZ_CHECK(clf_model_encode(model, &fuzz_allocator, &originals[index].bytes, &originals[index].size, &error) == CLF_OK);
	clf_model_free(model);
	FUZZ_CHECK(clf_model_decode(&fuzz_allocator, originals[index].bytes, originals[index].size, &model, &error) == CLF_OK);
	clf_model_free(model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			index = size ? data[0] % MODELS : 0;
	Encoded    *original = &originals[index];
	ClfModel   *model;
	ClfError	error;
	ClfStatus	status;
	char	   *bytes;
	size_t		blocks;

	if (original->bytes == NULL)
		encode_model(index);
	blocks = fuzz_blocks;
	bytes = malloc(original->size);
	memcpy(bytes, original->bytes, original->size);
	if (size > 1)
		fuzz_change(bytes, original->size, data + 1, size - 1);
	status = clf_model_decode(&fuzz_allocator, bytes, original->size, &model, &error);
	free(bytes);
	if (status == CLF_OK)
	{
		fuzz_use(model, data, size);
		clf_model_free(model);
	}
	else
		FUZZ_CHECK(status == CLF_ERR_CORRUPT && error.detail[0] != '\0');
	FUZZ_CHECK(fuzz_blocks == blocks);
	return 0;
}

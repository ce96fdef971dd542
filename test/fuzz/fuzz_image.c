/*
 * fuzz_image.c
 *	  libFuzzer on images: one that is damaged is refused or harmless, whatever
 *	  it predicts.
 *
 * The first byte chooses one of the models, and the rest changes its image.
 * The header's check is made to agree.
 */
#include "models.h"
#include "use.h"

#include "hash.h"

static FuzzBytes originals[MODELS];

static void
make_image(int index)
{
	FuzzBytes  *image = &originals[index];
	ClfModel   *model = make_model(index, true);
	ClfError	error;

	FUZZ_CHECK(clf_image_write(model, &fuzz_allocator, SIZE_MAX, fuzz_append, image, &error) == CLF_OK);
	clf_model_free(model);
}

/* All that the server does with an image.  Numbers are not looked at, so any may come out. */
static void
use_image(const void *bytes, size_t size)
{
	ClfModel   *model;
	ClfError	error;
	float	   *probability;

	if (clf_image_attach(&fuzz_allocator, bytes, size, &model, &error) != CLF_OK)
	{
		FUZZ_CHECK(error.status == CLF_ERR_CORRUPT);
		return;
	}
	fuzz_list(model);
	probability = malloc(3 * (size_t) clf_model_classes(model) * sizeof(float));
	if (clf_model_config(model)->maxlen <= 200)
		(void) fuzz_predict(model, false, probability);
	free(probability);
	clf_model_free(model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			index = size ? data[0] % MODELS : 0;
	FuzzBytes  *original = &originals[index];
	ClfImageHeader *header;
	char	   *bytes;
	size_t		blocks;

	if (original->bytes == NULL)
		make_image(index);
	blocks = fuzz_blocks;
	/* of exactly this size, so that what is read beyond its end is noticed */
	bytes = aligned_alloc(CLF_ALIGNMENT, original->size);
	memcpy(bytes, original->bytes, original->size);
	if (size > 1)
		fuzz_change(bytes, original->size, data + 1, size - 1);
	header = (ClfImageHeader *) bytes;
	header->check = 0;
	header->check = clf_hash_bytes(header, sizeof *header, CLF_HASH_SEED);
	use_image(bytes, original->size);
	free(bytes);
	FUZZ_CHECK(fuzz_blocks == blocks);
	return 0;
}

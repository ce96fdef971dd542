/*
 * fuzz_image.c
 *	  libFuzzer on images: one that is damaged is refused or harmless, whatever
 *	  it predicts.
 *
 * The first byte chooses one of the models, and each four bytes after it change
 * its image: a place, as a number of 16 bits from the start or, if the third
 * byte is odd, before the end; and what is to stand there.  The header's check
 * is made to agree.
 */
#include "models.h"

#include "hash.h"
#include "image.h"

#define ROOM (1 << 20)

typedef struct Image
{
	char	   *bytes;			/* [ROOM], aligned */
	size_t		size;
} Image;

static Image originals[MODELS];

static bool
append(void *context, const void *bytes, size_t size)
{
	Image	   *image = context;

	FUZZ_CHECK(size <= ROOM - image->size);
	memcpy(image->bytes + image->size, bytes, size);
	image->size += size;
	return true;
}

static void
make_image(int index)
{
	Image	   *image = &originals[index];
	ClfModel   *model = make_model(index);
	ClfError	error;

	image->bytes = aligned_alloc(CLF_ALIGNMENT, ROOM);
	FUZZ_CHECK(clf_image_write(model, &fuzz_allocator, ROOM, append, image, &error) == CLF_OK);
	clf_model_free(model);
}

/* All that the server does with an image. */
static void
use_image(const void *bytes, size_t size)
{
	static const char text[] = "apple x \xE4\xB8\xAD !";
	const ClfText texts[] = {{text, sizeof text - 1}, {text, 0}, {text, sizeof text - 1}};
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	float	   *probability;

	if (clf_image_attach(&fuzz_allocator, bytes, size, &model, &error) != CLF_OK)
	{
		FUZZ_CHECK(error.status == CLF_ERR_CORRUPT);
		return;
	}
	fuzz_list(model);
	probability = malloc(3 * (size_t) clf_model_classes(model) * sizeof(float));
	if (clf_model_config(model)->maxlen <= 200 && clf_scratch_new(model, &fuzz_allocator, &scratch, &error) == CLF_OK)
	{
		if (clf_batch_limit(model) >= 3)
			(void) clf_predict_batch(model, scratch, texts, 3, probability, &error);
		(void) clf_predict(model, scratch, text, sizeof text - 1, probability, &error);
		clf_scratch_free(scratch);
	}
	free(probability);
	clf_model_free(model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			index = size ? data[0] % MODELS : 0;
	Image	   *original = &originals[index];
	ClfImageHeader *header;
	char	   *bytes;
	size_t		blocks;

	if (original->bytes == NULL)
		make_image(index);
	blocks = fuzz_blocks;
	/* of exactly this size, so that what is read beyond its end is noticed */
	bytes = aligned_alloc(CLF_ALIGNMENT, original->size);
	memcpy(bytes, original->bytes, original->size);
	for (size_t i = 1; i + 4 <= size; i += 4)
	{
		size_t		place = (data[i] | (size_t) data[i + 1] << 8) % original->size;

		bytes[data[i + 2] & 1 ? original->size - 1 - place : place] = (char) data[i + 3];
	}
	header = (ClfImageHeader *) bytes;
	header->check = 0;
	header->check = clf_hash_bytes(header, sizeof *header, CLF_HASH_SEED);
	use_image(bytes, original->size);
	free(bytes);
	FUZZ_CHECK(fuzz_blocks == blocks);
	return 0;
}

/*
 * test_image.c
 *	  Images: what is attached predicts as what was written, and images that are
 *	  damaged are refused or harmless.
 */
#include "forward.h"
#include "hash.h"
#include "image.h"
#include "unit.h"

static const char *const texts[] = {
	"", "apple", "unheard of", "apple bridge cloud common0 common1 x", "Ember \xE4\xB8\xAD common3 dance dance dance"
};

#define TEXTS (sizeof texts / sizeof texts[0])
#define CLASSES 3

/* ---- a buffer that an image is written to ---- */

typedef struct Buffer
{
	char	   *bytes;			/* a block of its own, so that what is read beyond it shows */
	size_t		size;
	size_t		room;			/* refuse to hold more */
} Buffer;

static bool
append(void *context, const void *bytes, size_t size)
{
	Buffer	   *buffer = context;
	char	   *larger;

	if (size > buffer->room - buffer->size)
		return false;
	larger = aligned_alloc(CLF_ALIGNMENT, (buffer->size + size + CLF_ALIGNMENT - 1) / CLF_ALIGNMENT * CLF_ALIGNMENT);
	if (buffer->size > 0)
		memcpy(larger, buffer->bytes, buffer->size);
	memcpy(larger + buffer->size, bytes, size);
	free(buffer->bytes);
	buffer->bytes = larger;
	buffer->size += size;
	return true;
}

static UnitMemory memory;
static ClfConfig config;
static ClfModel *
new_model(void)
{
	ClfModel   *model = unit_random_model(&memory.allocator, &config, CLASSES, 5);
	ClfError	error;

	if (clf_model_set_info(model, "{\"a\": 1}", 8, &error) != CLF_OK)
		abort();
	return model;
}

/* A new model and its image. */
static ClfModel *
write_image(Buffer *buffer)
{
	ClfModel   *model;
	ClfError	error;

	unit_memory_init(&memory);
	model = new_model();
	*buffer = (Buffer) {.room = SIZE_MAX};
	if (clf_image_write(model, &memory.allocator, SIZE_MAX, append, buffer, &error) != CLF_OK)
		return NULL;
	return model;
}

/* ---- the round trip ---- */

static bool
same_predictions(const ClfModel *one, const ClfModel *other)
{
	ClfScratch *scratch[2];
	ClfText		batch[TEXTS];
	float		p[2][TEXTS * CLASSES];
	ClfError	error;
	bool		same = true;

	if (clf_scratch_new(one, &memory.allocator, &scratch[0], &error) != CLF_OK ||
		clf_scratch_new(other, &memory.allocator, &scratch[1], &error) != CLF_OK)
		return false;
	for (size_t i = 0; i < TEXTS; i++)
	{
		batch[i] = (ClfText) {texts[i], strlen(texts[i])};
		for (int k = 0; k < 2; k++)
			same = same && clf_predict(k ? other : one, scratch[k], texts[i], strlen(texts[i]),
									   p[k], &error) == CLF_OK;
		same = same && memcmp(p[0], p[1], CLASSES * sizeof(float)) == 0;
	}
	for (int k = 0; k < 2; k++)
		same = same && clf_predict_batch(k ? other : one, scratch[k], batch, TEXTS, p[k], &error) == CLF_OK;
	same = same && memcmp(p[0], p[1], sizeof p[0]) == 0;
	clf_scratch_free(scratch[0]);
	clf_scratch_free(scratch[1]);
	return same;
}

/* The network by each set of kernels, of which the image has the projections of one. */
static bool
same_scores(const ClfModel *one, const ClfModel *other)
{
	static const uint32_t ids[] = {5, 0, 1, 11, 5, 2, 3};
	const ClfKernels *sets[CLF_KERNEL_SETS];
	int			count = clf_kernels_available(sets);
	ClfSequence sequence = {ids, sizeof ids / sizeof ids[0]};
	bool		same = true;
	ClfError	error;

	for (int set = 0; set < count; set++)
	{
		float		scores[2][CLASSES];

		for (int k = 0; k < 2; k++)
		{
			const ClfModel *model = k ? other : one;
			float	   *z = scores[k];
			ClfForward	forward;
			ClfMem		mem;

			clf_mem_init(&mem, &memory.allocator);
			if (clf_forward_init(&forward, model, &model->packed, &mem, sets[set], &error) != CLF_OK)
				return false;
			same = same && clf_forward(&forward, 1, &sequence, &z, &error) == CLF_OK;
			clf_forward_free(&forward);
		}
		same = same && memcmp(scores[0], scores[1], sizeof scores[0]) == 0;
	}
	return same;
}

static bool
same_explanation(const ClfModel *one, const ClfModel *other)
{
	double		sums[2];

	for (int k = 0; k < 2; k++)
	{
		ClfExplainer *explainer;
		bool		done = false;
		ClfError	error;

		if (clf_explainer_new(k ? other : one, &memory.allocator, NULL, texts[3], strlen(texts[3]), 1,
							  &explainer, &error) != CLF_OK)
			return false;
		while (!done)
			if (clf_explainer_step(explainer, &done, &error) != CLF_OK)
				return false;
		sums[k] = clf_explainer_result(explainer)->log_odds + clf_explainer_result(explainer)->weights[0];
		clf_explainer_free(explainer);
	}
	return memcmp(&sums[0], &sums[1], sizeof sums[0]) == 0;
}

static bool
same_bytes(const ClfModel *one, const ClfModel *other)
{
	void	   *bytes[2];
	size_t		size[2];
	bool		same;
	ClfError	error;

	for (int k = 0; k < 2; k++)
		if (clf_model_encode(k ? other : one, &memory.allocator, &bytes[k], &size[k], &error) != CLF_OK)
			return false;
	same = size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
	for (int k = 0; k < 2; k++)
		memory.allocator.free(memory.allocator.context, bytes[k]);
	return same;
}

static void
round_trip(void)
{
	Buffer		buffer;
	ClfModel   *model = write_image(&buffer);
	ClfModel   *attached;
	char	   *copy;
	ClfError	error;

	CHECK(model != NULL, "cannot write");
	copy = malloc(buffer.size);
	memcpy(copy, buffer.bytes, buffer.size);
	CHECK(clf_image_attach(&memory.allocator, buffer.bytes, buffer.size, &attached, &error) == CLF_OK, "%s", error.message);
	CHECK(same_predictions(model, attached), "another prediction");
	CHECK(same_bytes(model, attached), "another model");
	CHECK(!clf_has_deep(&config) || same_scores(model, attached), "another score");
	CHECK(same_explanation(model, attached), "another explanation");
	CHECK(clf_model_class(attached, "class2", 6) == 2 && clf_model_class(attached, "x", 1) == -1, "another class");
	CHECK(clf_model_memory(attached) < 16384, "an attached model holds %zu bytes", clf_model_memory(attached));
	CHECK(memcmp(copy, buffer.bytes, buffer.size) == 0, "the image is written to");
	clf_model_free(model);
	CHECK(clf_model_vocabulary(attached) == 12, "the image needs the model");
	clf_model_free(attached);
	free(buffer.bytes);
	free(copy);
	CHECK(memory.blocks == 0, "memory is kept");
}

static void
all_round_trips(void)
{
	for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
		for (int storage = CLF_STORAGE_FLOAT32; storage <= CLF_STORAGE_INT8; storage++)
			for (int bytes = 0; bytes <= (architecture == CLF_ARCH_LINEAR ? 0 : 1); bytes++)
				for (int layers = 1; layers <= 2; layers++)
				{
					char		name[128];

					unit_config(&config);
					config.architecture = architecture;
					config.storage = storage;
					config.layers = layers;
					config.bidirectional = architecture != CLF_ARCH_LSTM;
					config.pooling = architecture == CLF_ARCH_HYBRID ? CLF_POOLING_MAX_MEAN : CLF_POOLING_LAST;
					config.units = layers == 1 ? 5 : 17;
					config.precision = bytes ? CLF_PRECISION_INT8 : CLF_PRECISION_FLOAT32;
					snprintf(name, sizeof name, "image_%s_storage%d_%s_%d", unit_architecture(architecture), storage,
							 bytes ? "bytes" : "floats", layers);
					unit_run(name, round_trip);
				}
}

/* Projections are read from the image, not computed in the scratch. */
static void
scratch_is_small(void)
{
	Buffer		buffer;
	ClfModel   *model;
	ClfModel   *attached;
	ClfScratch *scratch[2];
	float		p[CLASSES];
	ClfError	error;

	unit_config(&config);
	config.units = 128;
	model = write_image(&buffer);
	CHECK(clf_image_attach(&memory.allocator, buffer.bytes, buffer.size, &attached, &error) == CLF_OK, "%s", error.message);
	for (int k = 0; k < 2; k++)
	{
		CHECK(clf_scratch_new(k ? attached : model, &memory.allocator, &scratch[k], &error) == CLF_OK, "no scratch");
		CHECK(clf_predict(k ? attached : model, scratch[k], "apple", 5, p, &error) == CLF_OK, "%s", error.message);
	}
	CHECK(clf_scratch_memory(scratch[0]) - clf_scratch_memory(scratch[1]) > 12 * 4 * 128 * sizeof(float),
		  "%zu bytes, %zu without image", clf_scratch_memory(scratch[1]), clf_scratch_memory(scratch[0]));
	clf_scratch_free(scratch[0]);
	clf_scratch_free(scratch[1]);
	clf_model_free(attached);
	clf_model_free(model);
	free(buffer.bytes);
}

/* ---- images that are not whole ---- */

/* Attach what may be damaged: refused, or it can be used. */
static void
attach_damaged(const Buffer *buffer, size_t size, bool must_fail, const char *what, size_t where)
{
	ClfModel   *attached;
	ClfScratch *scratch;
	size_t		blocks = memory.blocks;
	float		p[CLASSES];
	size_t		length;
	ClfError	error;
	ClfStatus	status = clf_image_attach(&memory.allocator, buffer->bytes, size, &attached, &error);

	if (status == CLF_OK)
	{
		CHECK(!must_fail, "%s %zu: attached", what, where);
		CHECK(clf_model_classes(attached) == CLASSES, "%s %zu: other classes", what, where);
		CHECK(clf_scratch_new(attached, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
		for (size_t i = 0; i < TEXTS; i++)
			CHECK(clf_predict(attached, scratch, texts[i], strlen(texts[i]), p, &error) == CLF_OK ||
				  error.status == CLF_ERR_CORRUPT, "%s %zu: %s", what, where, error.message);
		for (int k = 0; k < CLASSES; k++)
			CHECK(clf_model_label(attached, k, &length) != NULL && length < 100, "no label");
		for (int id = CLF_FIRST_ID; id < clf_model_vocabulary(attached); id++)
			CHECK(clf_model_token(attached, id, &length) != NULL && length < 100, "no token");
		clf_scratch_free(scratch);
		clf_model_free(attached);
	}
	else
		CHECK(status == CLF_ERR_CORRUPT && error.status == status, "%s %zu: %s", what, where, error.message);
	CHECK(memory.blocks == blocks, "%s %zu: memory is kept", what, where);
}

static ClfModel *
small_image(Buffer *buffer)
{
	unit_config(&config);
	config.architecture = CLF_ARCH_HYBRID;
	config.units = 2;
	config.embedding_dim = 2;
	config.maxlen = 9;
	return write_image(buffer);
}

static void
cut_off(void)
{
	Buffer		buffer;
	ClfModel   *model = small_image(&buffer);

	for (size_t size = 0; size < buffer.size; size += size < 2000 ? 1 : 61)
	{
		Buffer		part = {.bytes = aligned_alloc(CLF_ALIGNMENT, size / CLF_ALIGNMENT * CLF_ALIGNMENT + CLF_ALIGNMENT)};

		memcpy(part.bytes, buffer.bytes, size);
		attach_damaged(&part, size, true, "cut off at", size);
		free(part.bytes);
	}
	CHECK(buffer.size % CLF_ALIGNMENT == 0, "the size is %zu", buffer.size);
	CHECK(clf_image_attach(&memory.allocator, buffer.bytes + CLF_ALIGNMENT / 2, buffer.size - CLF_ALIGNMENT / 2, &model,
						   &(ClfError) {0}) == CLF_ERR_CORRUPT, "attached where it is not aligned");
	clf_model_free(model);
	free(buffer.bytes);
}

/* Change a byte of the header, and make the check agree. */
static void
flip_header(Buffer *buffer, size_t at, int bit)
{
	ClfImageHeader *header = (ClfImageHeader *) buffer->bytes;

	buffer->bytes[at] ^= (char) (1 << bit);
	header->check = 0;
	header->check = clf_hash_bytes(header, sizeof *header, CLF_HASH_SEED);
}

static void
flipped_header(void)
{
	Buffer		buffer;
	ClfModel   *model = small_image(&buffer);
	ClfImageHeader *header = (ClfImageHeader *) buffer.bytes;
	ClfImageHeader right = *header;

	for (size_t at = 0; at < sizeof *header; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			buffer.bytes[at] ^= (char) (1 << bit);
			attach_damaged(&buffer, buffer.size, true, "flip in the header at", at);
			*header = right;
			flip_header(&buffer, at, bit);
			attach_damaged(&buffer, buffer.size, false, "flip in the header, checked, at", at);
			*header = right;
		}
	attach_damaged(&buffer, buffer.size, false, "not damaged", 0);
	clf_model_free(model);
	free(buffer.bytes);
}

static void
flipped_arrays(void)
{
	static const int bits[] = {0, 3, 7};
	Buffer		buffer;
	ClfModel   *model = small_image(&buffer);
	ClfModel   *attached;
	ClfError	error;
	size_t		numbers;

	/* what is before the gates of the first layer is looked up by, the rest is computed with */
	CHECK(clf_image_attach(&memory.allocator, buffer.bytes, buffer.size, &attached, &error) == CLF_OK, "%s", error.message);
	numbers = (size_t) ((char *) attached->projected.gates[0] - buffer.bytes);
	clf_model_free(attached);
	for (size_t at = sizeof(ClfImageHeader); at < buffer.size; at += at < numbers ? 1 : 101)
		for (int i = 0; i < 3; i++)
		{
			buffer.bytes[at] ^= (char) (1 << bits[i]);
			attach_damaged(&buffer, buffer.size, false, "flip at", at);
			buffer.bytes[at] ^= (char) (1 << bits[i]);
		}
	clf_model_free(model);
	free(buffer.bytes);
}

/* Numbers that are none are not looked at before a text is: it has no answer then. */
static void
no_numbers(void)
{
	for (int precision = CLF_PRECISION_FLOAT32; precision <= CLF_PRECISION_INT8; precision++)
	{
		Buffer		buffer;
		ClfModel   *model;
		ClfModel   *attached;
		char	   *numbers;
		ClfError	error;

		unit_config(&config);
		config.precision = precision;
		config.layers = 2;
		model = write_image(&buffer);
		CHECK(clf_image_attach(&memory.allocator, buffer.bytes, buffer.size, &attached, &error) == CLF_OK, "%s", error.message);
		numbers = (char *) attached->projected.gates[0];
		clf_model_free(attached);
		memset(numbers, 0xFF, (size_t) (buffer.bytes + buffer.size - numbers));
		attach_damaged(&buffer, buffer.size, false, "precision", (size_t) precision);
		clf_model_free(model);
		free(buffer.bytes);
	}
}

/* Slots that are all taken would be searched for ever. */
static void
full_slots(void)
{
	Buffer		buffer;
	ClfModel   *model = small_image(&buffer);
	ClfModel   *attached;
	uint32_t   *slots;
	uint32_t	used;
	ClfError	error;

	CHECK(clf_image_attach(&memory.allocator, buffer.bytes, buffer.size, &attached, &error) == CLF_OK, "%s", error.message);
	slots = attached->words.slots;
	used = attached->words.slot_count;
	clf_model_free(attached);
	for (uint32_t i = 0; i < used; i++)
		slots[i] = 1;
	attach_damaged(&buffer, buffer.size, true, "full slots", used);
	clf_model_free(model);
	free(buffer.bytes);
}

/* ---- writing that fails ---- */

static void
no_room(void)
{
	Buffer		buffer;
	ClfModel   *model = small_image(&buffer);
	Buffer		small = {0};
	size_t		size = buffer.size;
	ClfError	error;

	CHECK(clf_image_write(model, &memory.allocator, size - 1, append, &small, &error) == CLF_ERR_LIMIT && small.size == 0,
		  "begun though it is too large");
	for (small.room = 0; small.room < size; small.room += 97)
	{
		size_t		blocks = memory.blocks;

		CHECK(clf_image_write(model, &memory.allocator, size, append, &small, &error) == CLF_ERR_HOST, "written to %zu", small.room);
		CHECK(memory.blocks == blocks, "memory is kept");
		free(small.bytes);
		small.bytes = NULL;
		small.size = 0;
	}
	small.room = SIZE_MAX;
	CHECK(clf_image_write(model, &memory.allocator, size, append, &small, &error) == CLF_OK && small.size == size &&
		  memcmp(small.bytes, buffer.bytes, size) == 0, "a second image differs");
	free(small.bytes);
	free(buffer.bytes);
	clf_model_free(model);
}

int
main(void)
{
	all_round_trips();
	RUN(scratch_is_small);
	RUN(cut_off);
	RUN(flipped_header);
	RUN(flipped_arrays);
	RUN(no_numbers);
	RUN(full_slots);
	RUN(no_room);
	return UNIT_RESULT();
}

/*
 * image.c
 *	  A model as one piece of memory that many processes read in place.
 *
 * The reader trusts sizes and offsets no more than the codec does: with what it
 * accepts, no look-up leaves the image or goes round in circles.  The numbers
 * that are only multiplied and added it does not look at, which is why a large
 * model is attached as quickly as a small one.
 */
#include "image.h"

#include <string.h>

#include "error.h"
#include "forward.h"
#include "hash.h"
#include "tokenizer.h"

#define MAGIC "clfimage"
#define MAX_PARTS 17

/* One array of an image: the field of a model that points to it. */
typedef struct Part
{
	void	  **place;
	uint64_t	size;			/* bytes */
} Part;

/* ---- layout ---- */

static uint64_t
hash_text(const char *text, uint64_t seed)
{
	return clf_hash_bytes(text, strlen(text), seed);
}

uint64_t
clf_image_layout(void)
{
	const uint32_t numbers[] = {
		CLF_IMAGE_VERSION, sizeof(ClfImageHeader), CLF_LANES, CLF_ALIGNMENT, CLF_TOKENIZER_VERSION,
		__BYTE_ORDER__
	};
	uint64_t	hash = clf_hash_bytes(numbers, sizeof numbers, CLF_HASH_SEED);
	int			count;
	const ClfOption *options = clf_options(&count);

	for (int i = 0; i < count; i++)
	{
		hash = clf_hash_mix(hash_text(options[i].name, hash), options[i].offset);
		for (int k = 0; options[i].names != NULL && options[i].names[k] != NULL; k++)
			hash = hash_text(options[i].names[k], hash);
	}
	return hash_text(clf_kernels_name(), hash);
}

static uint64_t
check_of(const ClfImageHeader *header)
{
	ClfImageHeader copy;

	memcpy(&copy, header, sizeof copy);
	copy.check = 0;
	return clf_hash_bytes(&copy, sizeof copy, CLF_HASH_SEED);
}

static Part *
add_part(Part *part, void **place, uint64_t count, uint64_t size)
{
	part->place = place;
	part->size = count * size;
	return part + 1;
}

static Part *
add_strings(Part *part, ClfVocab *vocab, uint64_t bytes)
{
	part = add_part(part, (void **) &vocab->slots, vocab->slot_count, sizeof(uint32_t));
	part = add_part(part, (void **) &vocab->offsets, vocab->count ? (uint64_t) vocab->count + 1 : 0,
					sizeof(uint32_t));
	return add_part(part, (void **) &vocab->bytes, bytes, 1);
}

/*
 * The parts of a model whose counts are set and agree with the header; returns
 * how many.  Counts are bounded so that no size overflows.
 */
static int
list_parts(ClfModel *model, const ClfImageHeader *header, Part parts[MAX_PARTS])
{
	ClfWide    *wide = &model->wide;
	ClfProjected *projected = &model->projected;
	Part	   *part = parts;
	size_t		packed = 0;

	part = add_strings(part, &model->labels, header->labels.bytes);
	part = add_strings(part, &model->words, header->words.bytes);
	part = add_part(part, (void **) &model->word_rows, model->words.count, sizeof(uint32_t));
	part = add_part(part, (void **) &wide->slots, header->gram_slots, sizeof(uint32_t));
	part = add_part(part, (void **) &wide->hashes, wide->F, sizeof(uint32_t));
	part = add_part(part, (void **) &wide->idf, wide->F, sizeof(float));
	part = add_part(part, (void **) &wide->kernel, wide->F * wide->C, sizeof(float));
	part = add_part(part, (void **) &wide->bias, wide->C, sizeof(float));
	if (clf_has_deep(&model->config))
	{
		(void) clf_packed_size(&model->config, model->labels.count,
							   (ClfPackedForm) header->packed_form, &packed);
		for (int direction = 0; direction < clf_directions(&model->config); direction++)
			part = add_part(part, (void **) &projected->gates[direction],
							projected->ids * clf_packed_columns(&model->config), sizeof(float));
	}
	part = add_part(part, (void **) &model->packed.memory, packed, 1);
	part = add_part(part, (void **) &model->weights, model->table.floats, sizeof(float));
	part = add_part(part, (void **) &model->info, model->info_length, 1);
	return (int) (part - parts);
}

static uint64_t
aligned(uint64_t size)
{
	return (size + CLF_ALIGNMENT - 1) / CLF_ALIGNMENT * CLF_ALIGNMENT;
}

static uint64_t
image_size(const Part *parts, int count)
{
	uint64_t	size = aligned(sizeof(ClfImageHeader));

	for (int i = 0; i < count; i++)
		size += aligned(parts[i].size);
	return size;
}

/* ---- writing ---- */

static ClfImageStrings
describe_strings(const ClfVocab *vocab)
{
	ClfImageStrings strings = {
		.bytes = vocab->count ? vocab->offsets[vocab->count] : 0,
		.count = vocab->count,
		.slots = vocab->slot_count,
		.seed = vocab->seed
	};

	return strings;
}

/* The header of a model's image, but for its size and check. */
static void
describe(const ClfModel *model, ClfImageHeader *header)
{
	memset(header, 0, sizeof *header);
	memcpy(header->magic, MAGIC, sizeof header->magic);
	header->layout = clf_image_layout();
	header->config = model->config;
	memcpy(header->icu_version, model->icu_version, sizeof header->icu_version);
	header->tokenizer_version = model->tokenizer_version;
	header->packed_form = (int32_t) model->packed.form;
	memcpy(header->scale, model->scale, sizeof header->scale);
	header->labels = describe_strings(&model->labels);
	header->words = describe_strings(&model->words);
	header->grams = model->wide.F;
	header->gram_slots = clf_has_wide(&model->config) ? (uint64_t) model->wide.slot_mask + 1 : 0;
	header->projected = model->projected.ids;
	header->info = model->info_length;
	header->has_info = model->info != NULL;
}

/* Write bytes and what follows them up to a multiple of CLF_ALIGNMENT. */
static bool
write_aligned(ClfImageWrite write, void *context, const void *bytes, uint64_t size)
{
	static const char zeros[CLF_ALIGNMENT];
	uint64_t	rest = aligned(size) - size;

	return (size == 0 || write(context, bytes, (size_t) size)) &&
		(rest == 0 || write(context, zeros, (size_t) rest));
}

/* Write the image of a model, projections included. */
static ClfStatus
write_model(ClfModel *model, uint64_t limit, ClfImageWrite write, void *context, ClfError *error)
{
	ClfImageHeader header;
	Part		parts[MAX_PARTS];
	int			count;
	bool		written;

	describe(model, &header);
	count = list_parts(model, &header, parts);
	header.size = image_size(parts, count);
	header.check = check_of(&header);
	if (header.size > limit)
		return clf_fail(error, CLF_ERR_LIMIT, "the image of the model is too large");
	written = write_aligned(write, context, &header, sizeof header);
	for (int i = 0; i < count && written; i++)
		written = write_aligned(write, context, *parts[i].place, parts[i].size);
	if (!written)
		return clf_fail(error, CLF_ERR_HOST, "the image of the model could not be written");
	return CLF_OK;
}

/* Compute the projections that a model is to bring. */
static ClfStatus
compute_projections(ClfModel *model, ClfMem *mem, ClfError *error)
{
	ClfProjected *projected = &model->projected;
	size_t		columns = clf_packed_columns(&model->config);
	size_t		ids = clf_table_ids(&model->config, clf_model_ids(model));
	ClfForward	forward;
	ClfStatus	status = clf_forward_init(&forward, model, &model->packed, mem, clf_kernels(), error);

	if (status != CLF_OK)
		return status;
	for (int direction = 0; direction < clf_directions(&model->config) && status == CLF_OK; direction++)
	{
		projected->gates[direction] = clf_mem_alloc(mem, ids * columns, sizeof(float));
		if (projected->gates[direction] != NULL)
			clf_forward_project(&forward, direction, ids, projected->gates[direction]);
		else
			status = clf_fail_memory(error);
	}
	projected->ids = ids;
	clf_forward_free(&forward);
	return status;
}

ClfStatus
clf_image_write(const ClfModel *model, const ClfAllocator *allocator, size_t limit,
				ClfImageWrite write, void *context, ClfError *error)
{
	ClfModel	complete = *model;
	ClfStatus	status = CLF_OK;
	ClfMem		mem;

	clf_mem_init(&mem, allocator);
	memset(&complete.projected, 0, sizeof complete.projected);
	if (clf_has_deep(&model->config))
		status = compute_projections(&complete, &mem, error);
	if (status == CLF_OK)
		status = write_model(&complete, limit, write, context, error);
	clf_mem_free(&mem, complete.projected.gates[0]);
	clf_mem_free(&mem, complete.projected.gates[1]);
	return status;
}

/* ---- attaching ---- */

/* Can so many strings be found in so many slots, and their number be that of a model? */
static bool
strings_possible(const ClfImageStrings *strings, uint32_t most)
{
	return strings->count <= most && strings->bytes <= UINT32_MAX &&
		(strings->slots & (strings->slots - 1)) == 0 &&
		(strings->count == 0 ? strings->slots == 0 : strings->slots > strings->count);
}

/* Is the header one that this engine wrote, and are its numbers within bounds? */
static bool
header_possible(const ClfImageHeader *header, size_t size)
{
	return memcmp(header->magic, MAGIC, sizeof header->magic) == 0 &&
		header->check == check_of(header) &&
		header->layout == clf_image_layout() &&
		header->size == size &&
		clf_config_valid(&header->config, false) &&
		memchr(header->icu_version, '\0', sizeof header->icu_version) != NULL &&
		strings_possible(&header->labels, CLF_MAX_CLASSES) &&
		strings_possible(&header->words, CLF_MAX_WORDS) &&
		header->labels.count >= 2 &&
		header->grams < UINT32_MAX && header->gram_slots <= UINT32_MAX &&
		(header->gram_slots & (header->gram_slots - 1)) == 0 &&
		(clf_has_wide(&header->config) ? header->gram_slots > header->grams :
		 header->gram_slots == 0 && header->grams == 0) &&
		header->projected <= (uint64_t) header->words.count + CLF_FIRST_ID &&
		header->packed_form >= CLF_PACKED_FLOATS && header->packed_form <= CLF_PACKED_BYTES &&
		header->info <= size;
}

/* Take the counts of a header over into a model. */
static ClfStatus
take_header(ClfModel *model, const ClfImageHeader *header, ClfError *error)
{
	model->config = header->config;
	memcpy(model->icu_version, header->icu_version, sizeof model->icu_version);
	model->tokenizer_version = header->tokenizer_version;
	memcpy(model->scale, header->scale, sizeof model->scale);
	model->labels.count = header->labels.count;
	model->labels.slot_count = header->labels.slots;
	model->labels.seed = header->labels.seed;
	model->words.count = header->words.count;
	model->words.slot_count = header->words.slots;
	model->words.seed = header->words.seed;
	model->wide.F = (size_t) header->grams;
	model->wide.C = clf_has_wide(&model->config) ? header->labels.count : 0;
	model->wide.slot_mask = (uint32_t) (header->gram_slots - 1);
	model->projected.ids = (size_t) header->projected;
	model->projected.kernels = clf_kernels();
	model->info_length = (size_t) header->info;
	return clf_tensor_table(&model->config, clf_model_ids(model), model->labels.count,
							&model->table, error);
}

/* Do slots hold numbers from 1 to count, at least so many and at most count, or zero? */
static bool
slots_sound(const uint32_t *slots, uint64_t slot_count, uint64_t least, uint64_t count)
{
	uint64_t	used = 0;
	uint32_t	largest = 0;

	for (uint64_t i = 0; i < slot_count; i++)
	{
		used += slots[i] != 0;
		largest = slots[i] > largest ? slots[i] : largest;
	}
	return used >= least && used <= count && largest <= count;
}

static bool
strings_sound(const ClfVocab *vocab, uint64_t bytes)
{
	bool		ascending = true;

	if (vocab->count == 0)
		return bytes == 0;
	for (uint32_t i = 0; i < vocab->count; i++)
		ascending &= vocab->offsets[i] <= vocab->offsets[i + 1];
	return ascending && vocab->offsets[0] == 0 && vocab->offsets[vocab->count] == bytes &&
		slots_sound(vocab->slots, vocab->slot_count, vocab->count, vocab->count);
}

/* Point a model at the parts of an image; false if that is not one of it. */
static bool
take_parts(ClfModel *model, const ClfImageHeader *header)
{
	Part		parts[MAX_PARTS];
	int			count = list_parts(model, header, parts);
	char	   *at = (char *) header + aligned(sizeof *header);

	if (image_size(parts, count) != header->size)
		return false;
	for (int i = 0; i < count; i++)
	{
		*parts[i].place = parts[i].size > 0 ? at : NULL;
		at += aligned(parts[i].size);
	}
	if (header->has_info && model->info == NULL)
		model->info = at;		/* an empty text */
	if (clf_has_deep(&model->config))
		clf_packed_attach(&model->packed, &model->config, model->labels.count,
						  (ClfPackedForm) header->packed_form, model->packed.memory);
	return strings_sound(&model->labels, header->labels.bytes) &&
		strings_sound(&model->words, header->words.bytes) &&
		slots_sound(model->wide.slots, header->gram_slots, 0, header->grams);
}

ClfStatus
clf_image_attach(const ClfAllocator *allocator, const void *image, size_t size,
				 ClfModel **model, ClfError *error)
{
	const ClfImageHeader *header = image;
	ClfModel   *result;
	ClfStatus	status;

	if (size < sizeof *header || (uintptr_t) image % CLF_ALIGNMENT != 0 ||
		!header_possible(header, size))
		return clf_fail(error, CLF_ERR_CORRUPT, "not an image of a model");
	status = clf_model_new(allocator, &result, error);
	if (status != CLF_OK)
		return status;
	result->image = image;
	status = take_header(result, header, error);
	if (status == CLF_OK && !take_parts(result, header))
		status = clf_fail(error, CLF_ERR_CORRUPT, "the image of a model is damaged");
	if (status != CLF_OK)
	{
		clf_model_free(result);
		return status;
	}
	*model = result;
	return CLF_OK;
}

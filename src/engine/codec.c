/*
 * codec.c
 *	  Models to bytes and back, as FORMAT.md specifies.
 *
 * The decoder reads bytes that may come from anyone.  It takes them through
 * slice() alone, allocates nothing before the sizes agree with the bytes at
 * hand, and gives up at the first thing that is not as it should be.  It does
 * not look at the digest, which whoever forges a model can compute.
 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "half.h"
#include "model.h"
#include "storage.h"
#include "tokenizer.h"

#define MAX_HEADER 1048576
#define MAX_VALUES 2000			/* of JSON; 8 layers in both directions have about 500 */
#define MAX_SCALE 1e30f			/* of a row of bytes: far from overflow */
#define LENGTH_BYTES 8
#define HEADER_START "{\"__metadata__\":{\"textclf.digest\":\""
#define FORMAT "1"

#define STRING_TENSORS 5		/* offsets and bytes of words and labels, rows of words */
#define WIDE_TENSORS 4
#define EXTRA_TENSORS (2 + WIDE_TENSORS + STRING_TENSORS)
#define MAX_ENTRIES (CLF_MAX_TENSORS + EXTRA_TENSORS)

/* Types of elements; U8 is text. */
typedef enum Type
{
	F32, F16, I8, U32, U8
} Type;

static const struct
{
	const char *name;
	size_t		width;			/* bytes of an element */
}			types[] = {{"F32", 4}, {"F16", 2}, {"I8", 1}, {"U32", 4}, {"U8", 1}};

/* One tensor of a file. */
typedef struct Entry
{
	const char *name;
	Type		type;
	int			dimensions;
	size_t		shape[2];
	const void *data;			/* encoding: what to write; floats for F32, F16, I8 */
	const float *scales;		/* encoding I8: of each row */
	size_t		begin;			/* of the data */
	size_t		size;			/* bytes */
} Entry;

bool
clf_digest_field(const void *bytes, size_t size, size_t *offset)
{
	size_t		start = LENGTH_BYTES + strlen(HEADER_START);

	if (size < start + CLF_DIGEST_LENGTH ||
		memcmp((const char *) bytes + LENGTH_BYTES, HEADER_START, strlen(HEADER_START)) != 0)
		return false;
	*offset = start;
	return true;
}

/* ---- numbers of the file are little-endian ---- */

/* Copy count elements of 4 bytes between the file's order and this machine's. */
static void
copy_words(void *to, const void *from, size_t count)
{
	memcpy(to, from, count * 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	for (size_t i = 0; i < count; i++)
	{
		uint32_t	word;

		memcpy(&word, (char *) to + i * 4, 4);
		word = __builtin_bswap32(word);
		memcpy((char *) to + i * 4, &word, 4);
	}
#endif
}

static uint64_t
read_length(const unsigned char *bytes)
{
	uint64_t	length = 0;

	for (int i = LENGTH_BYTES - 1; i >= 0; i--)
		length = length << 8 | bytes[i];
	return length;
}

static void
write_length(unsigned char *bytes, uint64_t length)
{
	for (int i = 0; i < LENGTH_BYTES; i++)
		bytes[i] = (unsigned char) (length >> (8 * i));
}

/* ---- the tensors of a model, for both directions ---- */

static void
set_entry(Entry *entry, const char *name, Type type,
		  int dimensions, size_t rows, size_t columns, const void *data)
{
	entry->name = name;
	entry->type = type;
	entry->dimensions = dimensions;
	entry->shape[0] = dimensions == 1 ? columns : rows;
	entry->shape[1] = columns;
	entry->data = data;
	entry->scales = NULL;
	entry->begin = 0;
	entry->size = rows * columns * types[type].width;	/* clf_tensor_table checked them */
}

/*
 * The tensors of the network, in the order of the table, then the scales of
 * those held as bytes; returns how many.
 */
static int
list_weights(const ClfModel *model, const float *scales, Entry *entries)
{
	const ClfTensorTable *table = &model->table;
	int			count = table->count;

	for (int i = 0; i < table->count; i++)
	{
		const ClfTensor *tensor = &table->tensors[i];
		bool		bytes = clf_stored_as_bytes(&model->config, tensor);

		set_entry(&entries[i], tensor->name,
				  bytes ? I8 : model->config.storage == CLF_STORAGE_FLOAT32 ? F32 : F16,
				  tensor->dimensions, tensor->rows, tensor->columns,
				  model->weights ? model->weights + tensor->offset : NULL);
		if (bytes)
		{
			entries[i].scales = scales;
			set_entry(&entries[count++], "embedding.scale", F32, 1, 1, tensor->rows, scales);
		}
	}
	return count;
}

/* The linear branch and the factors of the fusion; returns how many. */
static int
list_wide(const ClfModel *model, size_t F, size_t C, Entry *entries)
{
	const ClfWide *wide = &model->wide;
	int			count = 0;

	set_entry(&entries[count++], "fusion.scale", F32, 1, 1, CLF_BRANCHES, model->scale);
	if (!clf_has_wide(&model->config))
		return count;
	set_entry(&entries[count++], "wide.hashes", U32, 1, 1, F, wide->hashes);
	set_entry(&entries[count++], "wide.idf", F32, 1, 1, F, wide->idf);
	set_entry(&entries[count++], "wide.bias", F32, 1, 1, C, wide->bias);
	set_entry(&entries[count++], "wide.kernel", F16, 2, F, C, wide->kernel);
	return count;
}

/* ---- encoding ---- */

/*
 * An empty JSON object.  Jansson's function for it has the name of one that
 * PostgreSQL exports, which would be called in its place.
 */
static json_t *
new_object(void)
{
	return json_pack("{}");
}

/* The names in a set. */
static json_t *
encode_set(const ClfOption *option, int32_t set)
{
	json_t	   *names = json_array();

	for (int i = 0; option->names[i] != NULL; i++)
		if (set & 1 << i)
			json_array_append_new(names, json_string(option->names[i]));
	return names;
}

static json_t *
encode_option(const ClfConfig *config, const ClfOption *option)
{
	const char *field = (const char *) config + option->offset;
	int32_t		integer;
	double		real;

	if (option->type == CLF_OPTION_REAL)
	{
		memcpy(&real, field, sizeof real);
		return json_real(real);
	}
	if (option->type == CLF_OPTION_STRING)
		return json_string(field);
	memcpy(&integer, field, sizeof integer);
	if (option->type == CLF_OPTION_ENUM)
		return json_string(option->names[integer]);
	if (option->type == CLF_OPTION_SET)
		return encode_set(option, integer);
	return option->type == CLF_OPTION_BOOL ? json_boolean(integer) : json_integer(integer);
}

/* The config as JSON text, from malloc; NULL if memory is short. */
static char *
encode_config(const ClfConfig *config)
{
	json_t	   *object = new_object();
	char	   *text;
	int			count;
	const ClfOption *options = clf_options(&count);

	for (int i = 0; i < count; i++)
		if (json_object_set_new(object, options[i].name,
								encode_option(config, &options[i])) != 0)
		{
			json_decref(object);
			return NULL;
		}
	text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
	json_decref(object);
	return text;
}

static json_t *
encode_metadata(const ClfModel *model)
{
	char		zeros[CLF_DIGEST_LENGTH];
	char		version[16];
	char	   *config = encode_config(&model->config);
	json_t	   *metadata = new_object();
	int			failed = config == NULL;

	memset(zeros, '0', sizeof zeros);
	snprintf(version, sizeof version, "%d", (int) model->tokenizer_version);
	failed |= json_object_set_new(metadata, "textclf.digest",
								  json_stringn(zeros, sizeof zeros));
	failed |= json_object_set_new(metadata, "textclf.format", json_string(FORMAT));
	failed |= json_object_set_new(metadata, "textclf.config", json_string(config));
	failed |= json_object_set_new(metadata, "textclf.tokenizer_version", json_string(version));
	failed |= json_object_set_new(metadata, "textclf.icu_version",
								  json_string(model->icu_version));
	if (model->info)
		failed |= json_object_set_new(metadata, "textclf.info",
									  json_stringn(model->info, model->info_length));
	free(config);
	if (failed)
	{
		json_decref(metadata);
		return NULL;
	}
	return metadata;
}

static json_t *
encode_entry(const Entry *entry)
{
	json_t	   *shape = json_array();

	for (int i = 0; i < entry->dimensions; i++)
		json_array_append_new(shape, json_integer((json_int_t) entry->shape[i]));
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", types[entry->type].name, "shape", shape,
					 "data_offsets", (json_int_t) entry->begin,
					 (json_int_t) (entry->begin + entry->size));
}

/* The header as text, from malloc; NULL if memory is short. */
static char *
encode_header(const ClfModel *model, const Entry *entries, int count)
{
	json_t	   *header = new_object();
	int			failed = json_object_set_new(header, "__metadata__", encode_metadata(model));
	char	   *text;

	for (int i = 0; i < count; i++)
		failed |= json_object_set_new(header, entries[i].name, encode_entry(&entries[i]));
	text = failed ? NULL : json_dumps(header, JSON_COMPACT);
	json_decref(header);
	return text;
}

static size_t
vocab_bytes(const ClfVocab *vocab)
{
	return vocab->count ? vocab->offsets[vocab->count] : 0;
}

/* Write an array of floats as halves. */
static void
write_halves(unsigned char *to, const float *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		uint16_t	half = clf_half_from_float(from[i]);

		to[2 * i] = (unsigned char) half;
		to[2 * i + 1] = (unsigned char) (half >> 8);
	}
}

/* Write a tensor to its place in a file. */
static void
write_entry(unsigned char *to, const Entry *entry)
{
	size_t		n = entry->size / types[entry->type].width;

	switch (entry->type)
	{
		case F32:
		case U32:
			copy_words(to, entry->data, n);
			break;
		case F16:
			write_halves(to, entry->data, n);
			break;
		case I8:
			for (size_t i = 0; i < entry->shape[0]; i++)
				clf_row_to_bytes((const float *) entry->data + i * entry->shape[1], entry->shape[1],
								 entry->scales[i], (int8_t *) to + i * entry->shape[1]);
			break;
		case U8:
			if (n > 0)
				memcpy(to, entry->data, n);
			break;
	}
}

/* The scales of the embedding's rows, where the file holds them as bytes; else NULL. */
static ClfStatus
embedding_scales(const ClfModel *model, const ClfAllocator *allocator,
				 float **scales, ClfError *error)
{
	const ClfTensor *tensor = &model->table.tensors[model->table.embedding];

	*scales = NULL;
	if (model->table.count == 0 || !clf_stored_as_bytes(&model->config, tensor))
		return CLF_OK;
	*scales = allocator->alloc(allocator->context, tensor->rows * sizeof(float));
	if (*scales == NULL)
		return clf_fail_memory(error);
	for (size_t i = 0; i < tensor->rows; i++)
		(*scales)[i] = clf_row_scale(model->weights + tensor->offset + i * tensor->columns,
									 tensor->columns);
	return CLF_OK;
}

/* All tensors of a model with their places; returns how many. */
static int
list_entries(const ClfModel *model, const float *scales, Entry *entries)
{
	static const uint32_t no_offsets[1] = {0};
	const ClfVocab *words = &model->words;
	const ClfVocab *labels = &model->labels;
	int			count = list_weights(model, scales, entries);
	size_t		begin = 0;

	count += list_wide(model, model->wide.F, labels->count, entries + count);
	set_entry(&entries[count++], "vocabulary.offsets", U32, 1, 1,
			  (size_t) words->count + 1, words->count ? words->offsets : no_offsets);
	set_entry(&entries[count++], "labels.offsets", U32, 1, 1,
			  (size_t) labels->count + 1, labels->offsets);
	set_entry(&entries[count++], "vocabulary.rows", U32, 1, 1, words->count, model->word_rows);
	set_entry(&entries[count++], "vocabulary.bytes", U8, 1, 1,
			  vocab_bytes(words), words->bytes);
	set_entry(&entries[count++], "labels.bytes", U8, 1, 1,
			  vocab_bytes(labels), labels->bytes);
	for (int i = 0; i < count; i++)
	{
		entries[i].begin = begin;
		begin += entries[i].size;
	}
	return count;
}

/* Encode, given the scales of the embedding's rows. */
static ClfStatus
encode(const ClfModel *model, const ClfAllocator *allocator, const float *scales,
	   void **bytes, size_t *size, ClfError *error)
{
	Entry		entries[MAX_ENTRIES];
	int			count = list_entries(model, scales, entries);
	size_t		data_size = entries[count - 1].begin + entries[count - 1].size;
	char	   *header = encode_header(model, entries, count);
	size_t		text_length;
	size_t		start;			/* of the data */
	unsigned char *result;

	if (header == NULL)
		return clf_fail_memory(error);
	text_length = strlen(header);
	start = LENGTH_BYTES + text_length;
	start += (CLF_ALIGNMENT - start % CLF_ALIGNMENT) % CLF_ALIGNMENT;
	if (start - LENGTH_BYTES > MAX_HEADER)
	{
		free(header);
		return clf_fail(error, CLF_ERR_LIMIT, "the description of the model is too long");
	}
	result = allocator->alloc(allocator->context, start + data_size);
	if (result == NULL)
	{
		free(header);
		return clf_fail_memory(error);
	}
	write_length(result, start - LENGTH_BYTES);
	memset(result + LENGTH_BYTES, ' ', start - LENGTH_BYTES);
	memcpy(result + LENGTH_BYTES, header, text_length);
	free(header);
	for (int i = 0; i < count; i++)
		write_entry(result + start + entries[i].begin, &entries[i]);
	*bytes = result;
	*size = start + data_size;
	return CLF_OK;
}

ClfStatus
clf_model_encode(const ClfModel *model, const ClfAllocator *allocator,
				 void **bytes, size_t *size, ClfError *error)
{
	float	   *scales;
	ClfStatus	status = embedding_scales(model, allocator, &scales, error);

	if (status == CLF_OK)
		status = encode(model, allocator, scales, bytes, size, error);
	if (scales != NULL)
		allocator->free(allocator->context, scales);
	return status;
}

/* ---- decoding ---- */

typedef struct Reader
{
	const unsigned char *bytes;
	size_t		size;
	size_t		data;			/* where the data begins */
	ClfModel   *model;
	json_t	   *header;
	ClfError   *error;
} Reader;

/* The one refusal: what is wrong goes into the detail. */
#define corrupt(reader, ...) \
	(clf_fail((reader)->error, CLF_ERR_CORRUPT, "model bytes are not a valid model"), \
	 clf_detail((reader)->error, __VA_ARGS__))

/* The one way to the bytes: size of them at offset, or NULL if they are not there. */
static const unsigned char *
slice(const Reader *reader, size_t offset, size_t size)
{
	if (!((offset <= reader->size) & (size <= reader->size - offset)))
		return NULL;
	return reader->bytes + offset;
}

/*
 * Has JSON no more values than a writer has use for?  A million zeros would take
 * the parser a tenth of a second, and blocks that are not the allocator's.
 */
static bool
few_values(const char *text, size_t length)
{
	bool		quoted = false;
	size_t		values = 0;

	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted)
			i += c == '\\';
		else
			values += (c == ',') | (c == '[') | (c == '{');
	}
	return values <= MAX_VALUES;
}

static ClfStatus
decode_header(Reader *reader)
{
	const unsigned char *bytes = slice(reader, 0, LENGTH_BYTES);
	uint64_t	length = bytes ? read_length(bytes) : 0;
	json_error_t json_error;

	if (bytes == NULL)
		return corrupt(reader, "There are only %zu bytes.", reader->size);
	if (length > MAX_HEADER)
		return corrupt(reader, "The header would be %" PRIu64 " bytes long.", length);
	bytes = slice(reader, LENGTH_BYTES, length);
	if (bytes == NULL)
		return corrupt(reader, "The header ends after the last byte.");
	reader->data = LENGTH_BYTES + length;
	if (!few_values((const char *) bytes, length))
		return corrupt(reader, "The header has more than %d values.", MAX_VALUES);
	reader->header = json_loadb((const char *) bytes, length, JSON_REJECT_DUPLICATES,
								&json_error);
	if (reader->header == NULL)
		return corrupt(reader, "The header is not JSON: error near byte %d.",
					   json_error.position);
	if (json_typeof(reader->header) != JSON_OBJECT)
		return corrupt(reader, "The header is not an object.");
	return CLF_OK;
}

/* The number of a name of an option; -1 if it is not one. */
static int32_t
decode_name(const ClfOption *option, const json_t *value)
{
	if (json_typeof(value) != JSON_STRING)
		return -1;
	for (int32_t i = 0; option->names[i] != NULL; i++)
		if (strcmp(option->names[i], json_string_value(value)) == 0)
			return i;
	return -1;
}

/* A set of names; -1 if it is not one. */
static int32_t
decode_set(const ClfOption *option, const json_t *value)
{
	int32_t		set = 0;

	if (json_typeof(value) != JSON_ARRAY)
		return -1;
	for (size_t i = 0; i < json_array_size(value); i++)
	{
		int32_t		name = decode_name(option, json_array_get(value, i));

		if (name < 0)
			return -1;
		set |= 1 << name;
	}
	return set;
}

/* Set one field of the config; false if the value does not suit the option. */
static bool
decode_option(ClfConfig *config, const ClfOption *option, const json_t *value)
{
	char	   *field = (char *) config + option->offset;
	json_type	type = json_typeof(value);
	int32_t		integer = 0;
	double		real;

	switch (option->type)		/* LCOV_EXCL_BR_LINE: there is no further type */
	{
		case CLF_OPTION_REAL:
			if (type != JSON_REAL && type != JSON_INTEGER)
				return false;
			real = json_number_value(value);
			memcpy(field, &real, sizeof real);
			return true;
		case CLF_OPTION_INT:
			if (type != JSON_INTEGER || json_integer_value(value) < INT32_MIN ||
				json_integer_value(value) > INT32_MAX)
				return false;
			integer = (int32_t) json_integer_value(value);
			break;
		case CLF_OPTION_BOOL:
			if (type != JSON_TRUE && type != JSON_FALSE)
				return false;
			integer = type == JSON_TRUE;
			break;
		case CLF_OPTION_STRING:
			if (type != JSON_STRING || json_string_length(value) > (size_t) option->maximum)
				return false;
			memcpy(field, json_string_value(value), json_string_length(value) + 1);
			return true;
		case CLF_OPTION_SET:
			integer = decode_set(option, value);
			if (integer < 0)
				return false;
			break;
		case CLF_OPTION_ENUM:
			integer = decode_name(option, value);
			if (integer < 0)
				return false;
			break;
	}
	memcpy(field, &integer, sizeof integer);
	return true;
}

static ClfStatus
decode_config(Reader *reader, const char *text)
{
	ClfConfig  *config = &reader->model->config;
	json_t	   *object = few_values(text, strlen(text)) ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int			count;
	const ClfOption *options = clf_options(&count);
	size_t		found = 0;
	const char *unsuitable = NULL;
	bool		whole;
	ClfStatus	status;

	clf_config_init(config);
	for (int i = 0; i < count; i++)
	{
		const json_t *value = json_object_get(object, options[i].name);

		if (value == NULL)
			continue;
		found++;
		if (!decode_option(config, &options[i], value))
			unsuitable = options[i].name;
	}
	whole = json_is_object(object) && json_object_size(object) == found;
	json_decref(object);
	if (!whole)
		return corrupt(reader, "The configuration is not an object of known options.");
	if (unsuitable)
		return corrupt(reader, "Option \"%s\" has an impossible value.", unsuitable);
	if (!clf_config_valid(config, false))
		return corrupt(reader, "An option is missing or out of its range.");
	status = clf_config_check(config, reader->error);
	if (status == CLF_ERR_DATA)
		return corrupt(reader, "Option \"mask_pattern\" is not a regular expression.");
	return status;
}

static ClfStatus
decode_metadata(Reader *reader)
{
	ClfModel   *model = reader->model;
	const json_t *metadata = json_object_get(reader->header, "__metadata__");
	const char *format = json_string_value(json_object_get(metadata, "textclf.format"));
	const char *config = json_string_value(json_object_get(metadata, "textclf.config"));
	const char *icu = json_string_value(json_object_get(metadata, "textclf.icu_version"));
	const char *tokenizer = json_string_value(json_object_get(metadata, "textclf.tokenizer_version"));
	const json_t *info = json_object_get(metadata, "textclf.info");

	if (format == NULL || strcmp(format, FORMAT) != 0)
		return corrupt(reader, "The format is not " FORMAT ".");
	if (config == NULL || icu == NULL || tokenizer == NULL)
		return corrupt(reader, "The metadata is not complete.");
	if (strlen(icu) >= sizeof model->icu_version ||
		strspn(icu, "0123456789.") != strlen(icu))
		return corrupt(reader, "The ICU version is not a version.");
	strcpy(model->icu_version, icu);
	if (strlen(tokenizer) > 6 || strspn(tokenizer, "0123456789") != strlen(tokenizer) ||
		atoi(tokenizer) != CLF_TOKENIZER_VERSION)
		return corrupt(reader, "The tokenizer version is not known.");
	model->tokenizer_version = atoi(tokenizer);
	if (json_is_string(info))
	{
		ClfStatus	status = clf_model_set_info(model, json_string_value(info),
												json_string_length(info), reader->error);

		if (status != CLF_OK)
			return status;
	}
	return decode_config(reader, config);
}

/* A member of an array as a size; false if it is not one. */
static bool
size_member(const json_t *array, size_t index, size_t *size)
{
	const json_t *value = json_array_get(array, index);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*size = (size_t) json_integer_value(value);
	return true;
}

/*
 * Look up a tensor of one dimension whose length only the file knows: fills
 * the entry, with a shape that agrees with the bytes it claims.
 */
static ClfStatus
find_vector(Reader *reader, const char *name, Type type, Entry *entry)
{
	const json_t *tensor = json_object_get(reader->header, name);
	size_t		length;

	if (!size_member(json_object_get(tensor, "shape"), 0, &length) ||
		length > reader->size / types[type].width)
		return corrupt(reader, "Tensor \"%s\" is missing or has no possible shape.", name);
	set_entry(entry, name, type, 1, 1, length, NULL);
	return CLF_OK;
}

/* Check that the header describes this entry, and take its place from there. */
static ClfStatus
locate(Reader *reader, Entry *entry)
{
	const json_t *tensor = json_object_get(reader->header, entry->name);
	const char *dtype = json_string_value(json_object_get(tensor, "dtype"));
	const json_t *shape = json_object_get(tensor, "shape");
	const json_t *offsets = json_object_get(tensor, "data_offsets");
	size_t		end;

	if (dtype == NULL || strcmp(dtype, types[entry->type].name) != 0)
		return corrupt(reader, "Tensor \"%s\" is missing or not of type %s.",
					   entry->name, types[entry->type].name);
	if (json_array_size(shape) != (size_t) entry->dimensions)
		return corrupt(reader, "Tensor \"%s\" does not have %d dimensions.",
					   entry->name, entry->dimensions);
	for (int i = 0; i < entry->dimensions; i++)
	{
		size_t		length;

		if (!size_member(shape, i, &length) || length != entry->shape[i])
			return corrupt(reader, "Tensor \"%s\" does not have the shape that the configuration asks for.",
						   entry->name);
	}
	if (json_array_size(offsets) != 2 || !size_member(offsets, 0, &entry->begin) ||
		!size_member(offsets, 1, &end) || end < entry->begin ||
		end - entry->begin != entry->size || end > reader->size - reader->data)
		return corrupt(reader, "Tensor \"%s\" does not lie where it could.", entry->name);
	return CLF_OK;
}

static int
compare_begin(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

/* Check that the entries cover the data without gap or overlap. */
static ClfStatus
check_cover(Reader *reader, const Entry *entries, int count)
{
	Entry		sorted[MAX_ENTRIES];
	size_t		end = 0;

	if (json_object_size(reader->header) != (size_t) count + 1)
		return corrupt(reader, "The header names tensors that do not belong to the model.");
	memcpy(sorted, entries, count * sizeof *entries);
	qsort(sorted, count, sizeof *sorted, compare_begin);
	for (int i = 0; i < count; i++)
	{
		if (sorted[i].begin != end)
			return corrupt(reader, "Tensor \"%s\" leaves a gap or overlaps another.",
						   sorted[i].name);
		end += sorted[i].size;
	}
	if (end != reader->size - reader->data)
		return corrupt(reader, "There are bytes after the last tensor.");
	return CLF_OK;
}

/* Read the strings of a vocabulary; each is new, and between minimum and maximum long. */
static ClfStatus
decode_strings(Reader *reader, const Entry *offsets, const Entry *bytes,
			   size_t minimum, size_t maximum, ClfVocab *vocab)
{
	const unsigned char *offset_bytes = slice(reader, reader->data + offsets->begin, offsets->size);
	const char *text = (const char *) slice(reader, reader->data + bytes->begin, bytes->size);
	uint32_t	begin;

	if (clf_check_utf8(text, bytes->size, reader->error) != CLF_OK)
		return corrupt(reader, "\"%s\" is not UTF-8.", bytes->name);
	clf_vocab_seed(vocab, text, bytes->size);
	copy_words(&begin, offset_bytes, 1);
	if (begin != 0)
		return corrupt(reader, "The first string of \"%s\" does not begin at 0.", offsets->name);
	for (size_t i = 1; i < offsets->shape[0]; i++)
	{
		uint32_t	end;
		uint32_t	index;
		ClfStatus	status;

		copy_words(&end, offset_bytes + i * 4, 1);
		if (end < begin || end > bytes->size || end - begin < minimum || end - begin > maximum)
			return corrupt(reader, "String %zu of \"%s\" has an impossible length.", i - 1, offsets->name);
		if (clf_check_utf8(text + begin, end - begin, reader->error) != CLF_OK)
			return corrupt(reader, "String %zu of \"%s\" is not UTF-8.", i - 1, offsets->name);
		status = clf_vocab_add(vocab, text + begin, end - begin, &index, reader->error);
		if (status != CLF_OK)
			return status;
		if (index != i - 1)
			return corrupt(reader, "String %zu of \"%s\" is there twice.", i - 1, offsets->name);
		begin = end;
	}
	if (begin != bytes->size)
		return corrupt(reader, "\"%s\" has bytes that belong to no string.", bytes->name);
	return CLF_OK;
}

/* Read a tensor of floats or halves, none of which is over a magnitude. */
static ClfStatus
decode_floats(Reader *reader, const Entry *entry, float largest, float *to)
{
	const unsigned char *from = slice(reader, reader->data + entry->begin, entry->size);
	size_t		n = entry->size / types[entry->type].width;

	if (entry->type == F32)
		copy_words(to, from, n);
	else
		for (size_t i = 0; i < n; i++)
			to[i] = clf_float_from_half((uint16_t) (from[2 * i] | from[2 * i + 1] << 8));
	/* written so that NaN fails */
	for (size_t i = 0; i < n; i++)
		if (!(fabsf(to[i]) <= largest))
			return corrupt(reader, "Tensor \"%s\" holds a value that is %s.", entry->name,
						   isfinite(to[i]) ? "too large" : "not finite");
	return CLF_OK;
}

/* Read a tensor of bytes whose rows have scales; no value is over a magnitude. */
static ClfStatus
decode_bytes(Reader *reader, const Entry *entry, const Entry *scales, float largest, float *to)
{
	const int8_t *from = (const int8_t *) slice(reader, reader->data + entry->begin, entry->size);
	const unsigned char *scale_bytes = slice(reader, reader->data + scales->begin, scales->size);
	size_t		columns = entry->shape[1];

	for (size_t i = 0; i < entry->shape[0]; i++)
	{
		float		scale;

		copy_words(&scale, scale_bytes + i * sizeof scale, 1);
		if (!(scale >= 0 && scale <= MAX_SCALE && scale <= largest / 128))
			return corrupt(reader, "Row %zu of tensor \"%s\" has an impossible scale.", i, entry->name);
		for (size_t j = 0; j < columns; j++)
			to[i * columns + j] = from[i * columns + j] * scale;
	}
	return CLF_OK;
}

/* The tensors of list_weights: those of the table, then scales. */
static ClfStatus
decode_weights(Reader *reader, const Entry *entries)
{
	const ClfTensorTable *table = &reader->model->table;
	float		largest = clf_largest_weight(&reader->model->config);
	ClfStatus	status = CLF_OK;

	for (int i = 0; i < table->count && status == CLF_OK; i++)
	{
		float	   *to = clf_model_tensor(reader->model, i);

		status = entries[i].type == I8 ?
			decode_bytes(reader, &entries[i], &entries[table->count], largest, to) :
			decode_floats(reader, &entries[i], largest, to);
	}
	return status;
}

/* The tensors of list_wide. */
static ClfStatus
decode_wide(Reader *reader, const Entry *entries, int count)
{
	ClfModel   *model = reader->model;
	ClfWide    *wide = &model->wide;
	ClfStatus	status = decode_floats(reader, &entries[0], FLT_MAX, model->scale);

	if (status != CLF_OK || count == 1)
		return status;
	status = clf_wide_allocate(wide, &model->mem, entries[1].shape[0],
							   model->labels.count, reader->error);
	if (status != CLF_OK)
		return status;
	copy_words(wide->hashes, slice(reader, reader->data + entries[1].begin, entries[1].size),
			   wide->F);
	for (size_t f = 1; f < wide->F; f++)
		if (wide->hashes[f] <= wide->hashes[f - 1])
			return corrupt(reader, "The n-grams are not in ascending order.");
	if ((status = decode_floats(reader, &entries[2], FLT_MAX, wide->idf)) != CLF_OK ||
		(status = decode_floats(reader, &entries[3], FLT_MAX, wide->bias)) != CLF_OK)
		return status;
	return decode_floats(reader, &entries[4], FLT_MAX, wide->kernel);
}

/* The tensors: where they are first, then what is in them. */
static ClfStatus
decode_tensors(Reader *reader)
{
	ClfModel   *model = reader->model;
	Entry		entries[MAX_ENTRIES];
	Entry		extra[STRING_TENSORS];
	Entry		grams = {0};
	Entry	   *strings;
	int			count;
	int			wide_count;
	int			total;
	ClfStatus	status;

	if ((status = find_vector(reader, "vocabulary.offsets", U32, &extra[0])) != CLF_OK ||
		(status = find_vector(reader, "labels.offsets", U32, &extra[1])) != CLF_OK ||
		(status = find_vector(reader, "vocabulary.bytes", U8, &extra[2])) != CLF_OK ||
		(status = find_vector(reader, "labels.bytes", U8, &extra[3])) != CLF_OK)
		return status;
	if (clf_has_wide(&model->config) &&
		(status = find_vector(reader, "wide.hashes", U32, &grams)) != CLF_OK)
		return status;
	if (extra[0].shape[0] < 1 || extra[0].shape[0] - 1 > CLF_MAX_WORDS)
		return corrupt(reader, "The number of words is not possible.");
	set_entry(&extra[4], "vocabulary.rows", U32, 1, 1, extra[0].shape[0] - 1, NULL);
	if (extra[1].shape[0] < 3 || extra[1].shape[0] - 1 > CLF_MAX_CLASSES)
		return corrupt(reader, "The number of classes is not possible.");

	status = clf_tensor_table(&model->config, extra[0].shape[0] - 1 + CLF_FIRST_ID,
							  extra[1].shape[0] - 1, &model->table, reader->error);
	if (status != CLF_OK)		/* not with 64 bits: LCOV_EXCL_BR_LINE */
		return corrupt(reader, "The network would not fit into memory.");
	count = list_weights(model, NULL, entries);
	wide_count = list_wide(model, grams.shape[0], extra[1].shape[0] - 1, entries + count);
	strings = entries + count + wide_count;
	memcpy(strings, extra, sizeof extra);
	total = count + wide_count + STRING_TENSORS;
	for (int i = 0; i < total; i++)
		if ((status = locate(reader, &entries[i])) != CLF_OK)
			return status;
	if ((status = check_cover(reader, entries, total)) != CLF_OK ||
		(status = decode_strings(reader, &strings[0], &strings[2], 1,
								 CLF_MAX_TOKEN_BYTES, &model->words)) != CLF_OK ||
		(status = decode_strings(reader, &strings[1], &strings[3], 0,
								 CLF_MAX_LABEL_BYTES, &model->labels)) != CLF_OK ||
		(status = clf_model_allocate(model, reader->error)) != CLF_OK ||
		(status = decode_weights(reader, entries)) != CLF_OK)
		return status;
	copy_words(model->word_rows, slice(reader, reader->data + strings[4].begin, strings[4].size),
			   model->words.count);
	return decode_wide(reader, entries + count, wide_count);
}

ClfStatus
clf_model_decode(const ClfAllocator *allocator, const void *bytes, size_t size,
				 ClfModel **model, ClfError *error)
{
	Reader		reader = {.bytes = bytes,.size = size,.error = error};
	ClfStatus	status = clf_model_new(allocator, &reader.model, error);

	if (status != CLF_OK)
		return status;
	if ((status = decode_header(&reader)) == CLF_OK &&
		(status = decode_metadata(&reader)) == CLF_OK &&
		(status = decode_tensors(&reader)) == CLF_OK)
		status = clf_model_prepare(reader.model, error);
	json_decref(reader.header);
	if (status != CLF_OK)
	{
		clf_model_free(reader.model);
		return status;
	}
	*model = reader.model;
	return CLF_OK;
}

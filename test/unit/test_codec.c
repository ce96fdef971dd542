/*
 * test_codec.c
 *	  Models to bytes and back, and bytes that lie.
 */
#include <time.h>

#include "half.h"
#include "hash.h"
#include "storage.h"
#include "unit.h"

static UnitMemory memory;
static unsigned char *bytes;
static size_t size;
static int	architecture = CLF_ARCH_BILSTM;	/* of encoded_model */
static int	storage = CLF_STORAGE_FLOAT32;

/* A small model, encoded: bytes and size. */
static ClfModel *
encoded_model(void)
{
	ClfConfig	config;
	ClfModel   *model;
	ClfError	error;
	void	   *result;

	unit_memory_init(&memory);
	unit_config(&config);
	config.architecture = architecture;
	config.storage = storage;
	config.precision = storage == CLF_STORAGE_INT8 ? CLF_PRECISION_INT8 : CLF_PRECISION_FLOAT32;
	config.tokenizer = architecture == CLF_ARCH_LSTM ? CLF_TOKENIZER_KERAS : CLF_TOKENIZER_UNICODE;
	if (architecture != CLF_ARCH_LINEAR)
	{
		config.mask = 1 << CLF_MASK_EMAIL | 1 << CLF_MASK_PHONE;
		strcpy(config.mask_pattern, "\"\\d+\xC3\xA9");
	}
	config.embedding_dim = 2;
	config.units = 2;
	config.bidirectional = 1;
	config.learning_rate = 0.1;	/* not exact in binary */
	config.maxlen = 5;
	model = unit_random_model(&memory.allocator, &config, 3, 1);
	if (clf_model_set_info(model, "{\"note\": \"\xC3\xA9\"}", 14, &error) != CLF_OK ||
		clf_model_encode(model, &memory.allocator, &result, &size, &error) != CLF_OK)
		return NULL;
	bytes = malloc(size);
	memcpy(bytes, result, size);
	memory.allocator.free(memory.allocator.context, result);
	return model;
}

/* Where the header ends and the tensors begin. */
static size_t
header_end(void)
{
	return 8 + (size_t) bytes[0] + 256 * (size_t) bytes[1];
}

static void
round_trip(void)
{
	ClfModel   *model = encoded_model();
	ClfModel   *again;
	ClfError	error;
	void	   *second;
	size_t		second_size;
	size_t		length;

	CHECK(model != NULL, "cannot encode");
	CHECK(clf_model_decode(&memory.allocator, bytes, size, &again, &error) == CLF_OK,
		  "%s: %s", error.message, error.detail);
	CHECK(memcmp(&again->config, &model->config, sizeof model->config) == 0, "the config differs");
	CHECK(again->labels.count == 3 && again->words.count == model->words.count, "counts differ");
	CHECK(memcmp(again->weights, model->weights, model->table.floats * sizeof(float)) == 0, "weights differ");
	CHECK(again->packed.form == model->packed.form, "packed otherwise");
	CHECK(strcmp(clf_model_icu_version(again), "72.1") == 0 && again->tokenizer_version == model->tokenizer_version,
		  "versions differ");
	CHECK(clf_model_class(again, "class2", 6) == 2 && clf_model_class(again, "class", 5) == -1, "labels differ");
	CHECK(memcmp(clf_model_token(again, 2, &length), "apple", 5) == 0 && length == 5, "words differ");
	CHECK(clf_model_token(again, 1, &length) == NULL && clf_model_token(again, 12, &length) == NULL &&
		  clf_model_token(again, -1, &length) == NULL, "a token that is not there");
	CHECK(memcmp(clf_model_info(again, &length), "{\"note\": \"\xC3\xA9\"}", 14) == 0 && length == 14, "info differs");
	CHECK(clf_model_parameters(again) == model->table.parameters +
		  (clf_has_wide(&model->config) ? 3 * (int64_t) model->wide.F + 3 : 0), "parameters differ");
	CHECK(memcmp(again->word_rows, model->word_rows, model->words.count * sizeof(uint32_t)) == 0, "the rows of words differ");
	CHECK(memcmp(again->scale, model->scale, sizeof model->scale) == 0, "the factors differ");
	CHECK(again->wide.F == model->wide.F && (model->wide.F > 0) == clf_has_wide(&model->config),
		  "%zu n-grams", again->wide.F);
	for (size_t f = 0; f < model->wide.F; f++)
		CHECK(again->wide.hashes[f] == model->wide.hashes[f] && again->wide.idf[f] == model->wide.idf[f] &&
			  memcmp(again->wide.kernel + 3 * f, model->wide.kernel + 3 * f, 3 * sizeof(float)) == 0,
			  "n-gram %zu differs", f);
	CHECK(model->wide.F == 0 || memcmp(again->wide.bias, model->wide.bias, 3 * sizeof(float)) == 0,
		  "the bias differs");
	CHECK(clf_model_encode(again, &memory.allocator, &second, &second_size, &error) == CLF_OK, "cannot encode");
	CHECK(second_size == size && memcmp(second, bytes, size) == 0, "the bytes differ");
	memory.allocator.free(memory.allocator.context, second);
	clf_model_free(again);
	clf_model_free(model);
	free(bytes);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* FORMAT.md: the length, the place of the digest, the alignment of the data. */
static void
layout(void)
{
	ClfModel   *model = encoded_model();
	size_t		header = 0;
	size_t		offset;

	for (int i = 7; i >= 0; i--)
		header = header << 8 | bytes[i];
	CHECK((8 + header) % 64 == 0 && header < size, "the header is %zu bytes", header);
	CHECK(clf_digest_field(bytes, size, &offset) && offset == 43, "the digest is at %zu", offset);
	for (int i = 0; i < CLF_DIGEST_LENGTH; i++)
		CHECK(bytes[offset + i] == '0', "the digest is not zeros");
	CHECK(!clf_digest_field(bytes, 43 + 63, &offset), "a digest beyond the end");
	CHECK(!clf_digest_field("", 0, &offset), "a digest in nothing");
	bytes[20] ^= 1;
	CHECK(!clf_digest_field(bytes, size, &offset), "a digest in something else");
	clf_model_free(model);
	free(bytes);
}

/* Seconds of the CPU that refusing bytes takes; the least of some, as others disturb. */
static double
least_time(const void *data, size_t length)
{
	double		least = INFINITY;

	for (int i = 0; i < 10 && least >= 0.01; i++)
	{
		clock_t		begin = clock();
		ClfModel   *model;
		ClfError	error;

		if (clf_model_decode(&memory.allocator, data, length, &model, &error) == CLF_OK)
			clf_model_free(model);
		least = fmin(least, (double) (clock() - begin) / CLOCKS_PER_SEC);
	}
	return least;
}

/* Decode bytes that are damaged; what comes of it must be refused or sound. */
static void
decode_damaged(const void *data, size_t length, bool must_fail, const char *what,
			   size_t where)
{
	ClfModel   *model;
	ClfError	error;
	size_t		blocks = memory.blocks;
	size_t		before = memory.bytes;
	ClfStatus	status;

	memory.peak = memory.bytes;
	status = clf_model_decode(&memory.allocator, data, length, &model, &error);
	if (status == CLF_OK)
	{
		ClfScratch *scratch;
		float		probability[16];
		void	   *again;
		size_t		again_size;

		CHECK(!must_fail, "%s %zu: accepted", what, where);
		CHECK(clf_model_classes(model) <= 16, "%s %zu: too many classes", what, where);
		CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
		CHECK(clf_predict(model, scratch, "apple unheard", 13, probability, &error) == CLF_OK ||
			  error.status == CLF_ERR_CORRUPT, "%s %zu: %s", what, where, error.message);
		CHECK(clf_model_encode(model, &memory.allocator, &again, &again_size, &error) == CLF_OK,
			  "%s %zu: cannot be encoded", what, where);
		memory.allocator.free(memory.allocator.context, again);
		clf_scratch_free(scratch);
		clf_model_free(model);
	}
	else
	{
		CHECK(length > 100000 || least_time(data, length) < 0.01, "%s %zu: takes over 10 ms", what, where);
		CHECK(status == CLF_ERR_CORRUPT && error.status == status, "%s %zu: status %d", what, where, status);
		CHECK(error.message[0] != '\0' && error.detail[0] != '\0', "%s %zu: no reason given", what, where);
		CHECK(memory.peak - before < 64 * length + 65536, "%s %zu: takes %zu bytes for %zu", what, where,
			  memory.peak - before, length);
	}
	CHECK(memory.blocks == blocks && memory.bytes == before, "%s %zu: memory is kept", what, where);
}

static void
truncated_at_every_offset(void)
{
	ClfModel   *model = encoded_model();

	for (size_t length = 0; length < size; length++)
	{
		unsigned char *part = malloc(length + !length);	/* so that reading on shows */

		memcpy(part, bytes, length);
		decode_damaged(part, length, true, "cut at", length);
		free(part);
	}
	clf_model_free(model);
	free(bytes);
}

static void
longer_than_it_should(void)
{
	ClfModel   *model = encoded_model();

	bytes = realloc(bytes, size + 8);
	memset(bytes + size, 0, 8);
	for (size_t more = 1; more <= 8; more++)
		decode_damaged(bytes, size + more, true, "longer by", more);
	clf_model_free(model);
	free(bytes);
}

/* The length of the header, and the tensors. */
static void
every_byte_flipped(void)
{
	static const unsigned char masks[] = {0x40, 0xFF};
	ClfModel   *model = encoded_model();
	size_t		header = header_end();

	for (size_t m = 0; m < sizeof masks; m++)
		for (size_t i = 0; i < size; i = i == 7 ? header : i + 1)
		{
			bytes[i] ^= masks[m];
			decode_damaged(bytes, size, i < 8, "flipped at", i);
			bytes[i] ^= masks[m];
		}
	clf_model_free(model);
	free(bytes);
}

static void
every_bit_of_the_header(void)
{
	ClfModel   *model = encoded_model();
	size_t		end = header_end();

	for (size_t i = 8; i < end; i++)
		for (int bit = 0; bit < 8; bit++)
		{
			bytes[i] ^= (unsigned char) (1 << bit);
			decode_damaged(bytes, size, false, "bit flipped at", i);
			bytes[i] ^= (unsigned char) (1 << bit);
		}
	clf_model_free(model);
	free(bytes);
}

/* Bits of every kind of model: some, all of them with TEXTCLF_TEST_BITS=full, which takes minutes. */
static void
bits_flipped(void)
{
	const char *wanted = getenv("TEXTCLF_TEST_BITS");
	size_t		step = wanted != NULL && strcmp(wanted, "full") == 0 ? 1 : 61;
	ClfModel   *model = encoded_model();

	for (size_t bit = (size_t) (3 * architecture + storage) % step; bit < 8 * size; bit += step)
	{
		bytes[bit / 8] ^= (unsigned char) (1 << bit % 8);
		decode_damaged(bytes, size, false, "flipped bit", bit);
		bytes[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	clf_model_free(model);
	free(bytes);
}

/* ---- headers that lie ---- */

/*
 * Replace the first occurrence of a text in the header by another, which may
 * have another length, and mend the header's length.  from NULL: the whole
 * header becomes to.
 */
typedef struct Lie
{
	const char *name;
	const char *from;
	const char *to;
} Lie;

#define HUNDRED "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const Lie lies[] = {
	/* the frame: what is not a JSON object of the kind that is asked for */
	{"no header", NULL, ""},
	{"blanks only", NULL, "      "},
	{"not JSON", NULL, "{"},
	{"an array", NULL, "[]"},
	{"a number", NULL, "1"},
	{"an empty object", NULL, "{}"},
	{"metadata is a string", NULL, "{\"__metadata__\":\"x\"}"},
	{"metadata is null", NULL, "{\"__metadata__\":null}"},
	{"metadata has no config", NULL, "{\"__metadata__\":{\"textclf.format\":\"1\"}}"},
	{"not UTF-8", "textclf.icu", "textclf.\xFFicu"},
	{"something after the object", "{\"__metadata__\"", "{} {\"__metadata__\""},
	{"an escaped zero byte in a key", "\"labels.bytes\"", "\"labels.bytes\\u0000\""},

	/* metadata: values that no writer writes */
	{"another format", "\"textclf.format\":\"1\"", "\"textclf.format\":\"2\""},
	{"the format is a number", "\"textclf.format\":\"1\"", "\"textclf.format\":1"},
	{"a tokenizer of the future", "tokenizer_version\":\"2\"", "tokenizer_version\":\"99\""},
	{"a negative tokenizer", "tokenizer_version\":\"2\"", "tokenizer_version\":\"-1\""},
	{"a tokenizer of the past", "tokenizer_version\":\"2\"", "tokenizer_version\":\"1\""},
	{"tokenizer version 0", "tokenizer_version\":\"2\"", "tokenizer_version\":\"0\""},
	{"tokenizer version that overflows", "tokenizer_version\":\"2\"", "tokenizer_version\":\"99999999999999999999\""},
	{"an ICU version too long to hold", "\"72.1\"", "\"72.1111111111111111111111111111111111111111111111\""},
	{"an ICU version with a quote to inject", "\"72.1\"", "\"72';--\""},

	/* the configuration: each option must be there, typed, and in range */
	{"config is not JSON", "\"textclf.config\":\"{", "\"textclf.config\":\"{{"},
	{"an option is missing", "\\\"maxlen\\\":5,", ""},
	{"an unknown option", "\\\"maxlen\\\":5,", "\\\"maxlen\\\":5,\\\"minlen\\\":5,"},
	{"an option twice", "\\\"maxlen\\\":5,", "\\\"maxlen\\\":5,\\\"maxlen\\\":6,"},
	{"maxlen 0", "\\\"maxlen\\\":5", "\\\"maxlen\\\":0"},
	{"maxlen beyond its limit: scratch memory", "\\\"maxlen\\\":5", "\\\"maxlen\\\":2147483647"},
	{"maxlen that wraps to 5", "\\\"maxlen\\\":5", "\\\"maxlen\\\":4294967301"},
	{"maxlen left open", "\\\"maxlen\\\":5", "\\\"maxlen\\\":-1"},
	{"maxlen a real", "\\\"maxlen\\\":5", "\\\"maxlen\\\":5.5"},
	{"maxlen a string", "\\\"maxlen\\\":5", "\\\"maxlen\\\":\\\"5\\\""},
	{"more units than the tensors have", "\\\"units\\\":2", "\\\"units\\\":3"},
	{"units for a product that overflows", "\\\"units\\\":2", "\\\"units\\\":4096"},
	{"zero units", "\\\"units\\\":2", "\\\"units\\\":0"},
	{"nine layers: beyond the table of tensors", "\\\"layers\\\":1", "\\\"layers\\\":9"},
	{"a layer whose tensors are not there", "\\\"layers\\\":1", "\\\"layers\\\":2"},
	{"one direction, with tensors of two", "\\\"bidirectional\\\":true", "\\\"bidirectional\\\":false"},
	{"bidirectional 2", "\\\"bidirectional\\\":true", "\\\"bidirectional\\\":2"},
	{"a linear branch that is not there", "\\\"architecture\\\":\\\"bilstm\\\"", "\\\"architecture\\\":\\\"hybrid\\\""},
	{"no factors", "\"fusion.scale\"", "\"fusion.scales\""},
	{"an architecture that is not there", "\\\"architecture\\\":\\\"bilstm\\\"", "\\\"architecture\\\":\\\"trilstm\\\""},
	{"an enum as a number", "\\\"pooling\\\":\\\"last\\\"", "\\\"pooling\\\":7"},
	{"config is an array", "\"textclf.config\":\"{", "\"textclf.config\":\"[]\",\"x\":\"{"},
	{"maxlen that wraps downwards", "\\\"maxlen\\\":5", "\\\"maxlen\\\":-4294967291"},
	{"a real too large for a double", "\\\"momentum\\\":", "\\\"momentum\\\":1e999,\\\"x\\\":"},
	{"a mask that is not there", "\\\"mask\\\":[", "\\\"mask\\\":[\\\"names\\\","},
	{"a mask that is a number", "\\\"mask\\\":[", "\\\"mask\\\":[1,"},
	{"a mask that is no list", "\\\"mask\\\":[", "\\\"mask\\\":\\\"email\\\",\\\"x\\\":["},
	{"a pattern that is a number", "\\\"mask_pattern\\\":", "\\\"mask_pattern\\\":1,\\\"x\\\":"},
	{"a pattern that is none", "\\\"mask_pattern\\\":\\\"", "\\\"mask_pattern\\\":\\\"("},
	{"a pattern that is too long", "\\\"mask_pattern\\\":\\\"", "\\\"mask_pattern\\\":\\\"" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED},
	{"a rate that is not a number", "\\\"momentum\\\":", "\\\"momentum\\\":null,\\\"x\\\":"},

	/* tensors: type, shape and place must be those of the network */
	{"half precision", "\"dtype\":\"F32\"", "\"dtype\":\"F16\""},
	{"a type that is a number", "\"dtype\":\"F32\"", "\"dtype\":32"},
	{"no type", "\"dtype\":\"F32\",", ""},
	{"shape with one dimension more", "\"shape\":[12,2]", "\"shape\":[12,2,1]"},
	{"shape with one dimension less", "\"shape\":[12,2]", "\"shape\":[24]"},
	{"shape transposed", "\"shape\":[12,2]", "\"shape\":[2,12]"},
	{"shape negative", "\"shape\":[12,2]", "\"shape\":[-12,-2]"},
	{"shape whose product wraps", "\"shape\":[12,2]", "\"shape\":[4611686018427387904,4]"},
	{"shape of reals", "\"shape\":[12,2]", "\"shape\":[12.0,2]"},
	{"shape beyond 64 bits", "\"shape\":[12,2]", "\"shape\":[99999999999999999999,2]"},
	{"shape an object", "\"shape\":[12,2]", "\"shape\":{}"},
	{"offsets swapped", "\"data_offsets\":[0,96]", "\"data_offsets\":[96,0]"},
	{"offsets negative", "\"data_offsets\":[0,96]", "\"data_offsets\":[-96,0]"},
	{"offsets that leave a gap", "\"data_offsets\":[0,96]", "\"data_offsets\":[4,100]"},
	{"offsets of another tensor", "\"data_offsets\":[0,96]", "\"data_offsets\":[96,192]"},
	{"offsets beyond the end", "\"data_offsets\":[0,96]", "\"data_offsets\":[1000000,1000096]"},
	{"offsets at the end of the address space", "\"data_offsets\":[0,96]", "\"data_offsets\":[9223372036854775711,9223372036854775807]"},
	{"a negative end", "\"data_offsets\":[0,96]", "\"data_offsets\":[0,-96]"},
	{"one offset", "\"data_offsets\":[0,96]", "\"data_offsets\":[0]"},
	{"three offsets", "\"data_offsets\":[0,96]", "\"data_offsets\":[0,96,96]"},
	{"a tensor under another name", "\"embedding.weight\"", "\"embedding.weights\""},
	{"a tensor more", "\"embedding.weight\"", "\"more\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"embedding.weight\""},
	{"a tensor twice", "\"embedding.weight\"", "\"embedding.weight\":{},\"embedding.weight\""},
	{"a tensor that is a list", "\"labels.bytes\":{", "\"labels.bytes\":[],\"x\":{"},

	/* vocabulary and labels: counts come from shapes, so shapes may lie */
	{"one class", "\"shape\":[4]", "\"shape\":[2]"},
	{"no classes", "\"shape\":[4]", "\"shape\":[0]"},
	{"more classes than bytes", "\"shape\":[4]", "\"shape\":[2000000000]"},
	{"words beyond 32 bits", "\"shape\":[11]", "\"shape\":[4294967307]"},
	{"no offsets of words", "\"shape\":[11]", "\"shape\":[0]"},
	{"fewer words than rows of the embedding", "\"shape\":[11]", "\"shape\":[10]"},
};

#define LIES (sizeof lies / sizeof lies[0])

/* The same for a hybrid model: 26 n-grams, 3 classes. */
static const Lie wide_lies[] = {
	{"no factors", "\"fusion.scale\"", "\"fusion.scales\""},
	{"one factor", "\"fusion.scale\":{\"dtype\":\"F32\",\"shape\":[2]", "\"fusion.scale\":{\"dtype\":\"F32\",\"shape\":[1]"},
	{"factors in a matrix", "\"fusion.scale\":{\"dtype\":\"F32\",\"shape\":[2]", "\"fusion.scale\":{\"dtype\":\"F32\",\"shape\":[2,1]"},
	{"no n-grams", "\"wide.hashes\"", "\"wide.hash\""},
	{"n-grams without a shape", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[]"},
	{"as many n-grams as a half", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26.5]"},
	{"a negative number of n-grams", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[-26]"},
	{"one n-gram more", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[27]"},
	{"one n-gram less", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[25]"},
	{"no n-gram, but values", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[0]"},
	{"n-grams beyond the bytes", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[4000000000]"},
	{"n-grams whose bytes wrap", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[26]", "\"wide.hashes\":{\"dtype\":\"U32\",\"shape\":[4611686018427387904]"},
	{"hashes that are floats", "\"wide.hashes\":{\"dtype\":\"U32\"", "\"wide.hashes\":{\"dtype\":\"F32\""},
	{"one idf less", "\"wide.idf\":{\"dtype\":\"F32\",\"shape\":[26]", "\"wide.idf\":{\"dtype\":\"F32\",\"shape\":[25]"},
	{"no idf", "\"wide.idf\"", "\"wide.tf\""},
	{"a bias more than classes", "\"wide.bias\":{\"dtype\":\"F32\",\"shape\":[3]", "\"wide.bias\":{\"dtype\":\"F32\",\"shape\":[4]"},
	{"no bias", "\"wide.bias\"", "\"wide.offset\""},
	{"a kernel of single precision", "\"wide.kernel\":{\"dtype\":\"F16\"", "\"wide.kernel\":{\"dtype\":\"F32\""},
	{"a kernel of another type of half", "\"wide.kernel\":{\"dtype\":\"F16\"", "\"wide.kernel\":{\"dtype\":\"BF16\""},
	{"a kernel for other n-grams", "\"shape\":[26,3]", "\"shape\":[25,3]"},
	{"a kernel for other classes", "\"shape\":[26,3]", "\"shape\":[26,2]"},
	{"a kernel transposed", "\"shape\":[26,3]", "\"shape\":[3,26]"},
	{"a kernel of one dimension", "\"shape\":[26,3]", "\"shape\":[78]"},
	{"no kernel", "\"wide.kernel\"", "\"wide.kernels\""},
	{"tensors of n-grams in a bilstm model", "\\\"hybrid\\\"", "\\\"bilstm\\\""},
	{"tensors of a network in a linear model", "\\\"hybrid\\\"", "\\\"linear\\\""},
	{"a linear branch in Keras's stack", "\\\"hybrid\\\"", "\\\"lstm\\\""},
	{"a strength of 0", "\\\"wide_c\\\":10.0", "\\\"wide_c\\\":0.0"},
	{"characters or not is left open", "\\\"char_ngrams\\\":false", "\\\"char_ngrams\\\":-1"},
};

#define WIDE_LIES (sizeof wide_lies / sizeof wide_lies[0])

/* The same for a model whose embedding is bytes. */
static const Lie storage_lies[] = {
	{"bytes that are text", "\"dtype\":\"I8\"", "\"dtype\":\"U8\""},
	{"bytes that are floats", "\"dtype\":\"I8\"", "\"dtype\":\"F32\""},
	{"no scales", "\"embedding.scale\"", "\"embedding.scales\""},
	{"one scale less", "\"embedding.scale\":{\"dtype\":\"F32\",\"shape\":[12]", "\"embedding.scale\":{\"dtype\":\"F32\",\"shape\":[11]"},
	{"scales of another type", "\"embedding.scale\":{\"dtype\":\"F32\"", "\"embedding.scale\":{\"dtype\":\"F16\""},
	{"scales in a matrix", "\"embedding.scale\":{\"dtype\":\"F32\",\"shape\":[12]", "\"embedding.scale\":{\"dtype\":\"F32\",\"shape\":[12,1]"},
	{"bytes where halves are", "\\\"storage\\\":\\\"int8\\\"", "\\\"storage\\\":\\\"float16\\\""},
	{"bytes where floats are", "\\\"storage\\\":\\\"int8\\\"", "\\\"storage\\\":\\\"float32\\\""},
	{"a storage that is not there", "\\\"storage\\\":\\\"int8\\\"", "\\\"storage\\\":\\\"int4\\\""},
	{"a storage left open", "\\\"storage\\\":\\\"int8\\\"", "\\\"storage\\\":-1"},
	{"a precision that is not there", "\\\"precision\\\":\\\"int8\\\"", "\\\"precision\\\":\\\"int4\\\""},
	{"a precision left open", "\\\"precision\\\":\\\"int8\\\"", "\\\"precision\\\":-1"},
};

#define STORAGE_LIES (sizeof storage_lies / sizeof storage_lies[0])

/* Bytes with the lie told, from malloc; NULL if there is nothing to change. */
static unsigned char *
tell(const Lie *lie, size_t *result_size)
{
	size_t		header = (size_t) bytes[0] + 256 * (size_t) bytes[1];
	char	   *text = (char *) bytes + 8;
	size_t		begin = 0;
	size_t		end = header;
	size_t		to_length = strlen(lie->to);
	size_t		new_header;
	unsigned char *result;

	if (lie->from != NULL)
	{
		size_t		from_length = strlen(lie->from);

		while (begin + from_length <= header && memcmp(text + begin, lie->from, from_length) != 0)
			begin++;
		if (begin + from_length > header)
			return NULL;
		end = begin + from_length;
	}
	new_header = header - (end - begin) + to_length;
	*result_size = size - header + new_header;
	result = malloc(*result_size);
	for (int i = 0; i < 8; i++)
		result[i] = (unsigned char) (new_header >> (8 * i));
	memcpy(result + 8, text, begin);
	memcpy(result + 8 + begin, lie->to, to_length);
	memcpy(result + 8 + begin + to_length, text + end, size - 8 - end);
	return result;
}

static const Lie *lie_now;

/* Decode bytes that are odd but sound. */
static void
decode_odd(const unsigned char *odd, size_t length, const char *what)
{
	ClfModel   *model;
	ClfError	error;
	size_t		blocks = memory.blocks;

	CHECK(clf_model_decode(&memory.allocator, odd, length, &model, &error) == CLF_OK, "%s: %s", what, error.detail);
	CHECK(clf_model_classes(model) == 3, "%s: another model", what);
	clf_model_free(model);
	CHECK(memory.blocks == blocks, "%s: memory is kept", what);
}

/* What no writer writes, but a reader can live with. */
static void
odd_headers(void)
{
	static const Lie odd[] = {
		{"no info", "textclf.info", "textclf.infos"},
		{"info that is no text", "\"textclf.info\":", "\"textclf.info\":1,\"x\":"},
		{"a real as an integer", "\\\"dropout\\\":0.0", "\\\"dropout\\\":0"},
	};

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
	{
		ClfModel   *model = encoded_model();
		size_t		length;
		unsigned char *changed = tell(&odd[i], &length);

		CHECK(changed != NULL, "the header does not say %s", odd[i].from);
		decode_odd(changed, length, odd[i].name);
		free(changed);
		clf_model_free(model);
		free(bytes);
	}
}

/* The place of a tensor in the header: "[begin,end]", as long as *length. */
static char *
place_of(const char *name, size_t *length)
{
	char	   *place = strstr(strstr((char *) bytes + 8, name), "\"data_offsets\":[") + 15;

	*length = (size_t) (strchr(place, ']') - place);
	return place;
}

/* Tensors may lie in any order: two of one shape change places. */
static void
tensors_in_another_order(void)
{
	ClfModel   *model = encoded_model();
	size_t		length;
	size_t		other_length;
	char	   *place = place_of("lstm.0.forward.bias", &length);
	char	   *other = place_of("lstm.0.backward.bias", &other_length);
	char		kept[32];

	CHECK(length == other_length && length < sizeof kept, "places of %zu and %zu digits", length, other_length);
	memcpy(kept, place, length);
	memcpy(place, other, length);
	memcpy(other, kept, length);
	decode_odd(bytes, size, "order");
	clf_model_free(model);
	free(bytes);
}

/* Counts that their bytes would allow, but no limit does. */
static void
more_than_any_model(void)
{
	static const Lie many[] = {
		{"words", "\"shape\":[11]", "\"shape\":[5000002]"},
		{"classes", "\"shape\":[4]", "\"shape\":[100002]"},
	};

	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
	{
		ClfModel   *model = encoded_model();
		size_t		length;
		size_t		padded = 21000000;
		unsigned char *lying = tell(&many[i], &length);

		CHECK(lying != NULL && length < padded, "nothing to change");
		lying = realloc(lying, padded);
		memset(lying + length, 0, padded - length);
		decode_damaged(lying, padded, true, many[i].name, 0);
		free(lying);
		clf_model_free(model);
		free(bytes);
	}
}

/* A word or a label longer than any training makes one. */
static void
strings_too_long(void)
{
	for (int which = 0; which < 2; which++)
	{
		ClfModel   *model = encoded_model();
		ClfVocab   *vocab = which ? &model->labels : &model->words;
		size_t		limit = which ? CLF_MAX_LABEL_BYTES : CLF_MAX_TOKEN_BYTES;
		char	   *longest = malloc(limit + 1);
		uint32_t	index;
		ClfError	error;
		void	   *encoded;
		size_t		encoded_size;

		memset(longest, 'x', limit + 1);
		/* in place of the last string, so that no other count changes */
		vocab->count--;
		CHECK(clf_vocab_add(vocab, longest, limit + 1, &index, &error) == CLF_OK, "%s", error.message);
		CHECK(clf_model_encode(model, &memory.allocator, &encoded, &encoded_size, &error) == CLF_OK, "%s", error.message);
		decode_damaged(encoded, encoded_size, true, "long string", (size_t) which);
		memory.allocator.free(memory.allocator.context, encoded);
		free(longest);
		clf_model_free(model);
		free(bytes);
	}
}

static void
lying_header(void)
{
	ClfModel   *model = encoded_model();
	size_t		length;
	unsigned char *lying = tell(lie_now, &length);

	CHECK(lying != NULL, "the header does not say %s", lie_now->from);
	decode_damaged(lying, length, true, lie_now->name, 0);
	free(lying);
	clf_model_free(model);
	free(bytes);
}

/* The length before the header: each of these would read beyond the end. */
static void
lying_lengths(void)
{
	static const uint64_t lengths[] = {
		1048577, 1048576, UINT32_MAX, (uint64_t) UINT32_MAX + 1, INT64_MAX, UINT64_MAX,
		UINT64_MAX - 7, UINT64_MAX - 8, (uint64_t) 1 << 63
	};
	ClfModel   *model = encoded_model();

	for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++)
	{
		for (int i = 0; i < 8; i++)
			bytes[i] = (unsigned char) (lengths[k] >> (8 * i));
		decode_damaged(bytes, size, true, "length", k);
	}
	clf_model_free(model);
	free(bytes);
}

/* Find the begin of a tensor's data. */
static unsigned char *
data_of(const char *name)
{
	size_t		header = (size_t) bytes[0] + 256 * (size_t) bytes[1];
	char		key[64];

	snprintf(key, sizeof key, "\"%s\"", name);
	for (size_t i = 8; i + strlen(key) < header; i++)
		if (memcmp(bytes + i, key, strlen(key)) == 0)
		{
			char	   *at = strstr((char *) bytes + i, "\"data_offsets\":[") + 16;

			return bytes + 8 + header + strtoul(at, NULL, 10);
		}
	return NULL;
}

static void
put(unsigned char *at, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char) (word >> (8 * i));
}

/* A character that begins in one word and ends in the next. */
static void
character_cut(void)
{
	ClfModel   *model = encoded_model();
	uint32_t	last = --model->words.count;
	uint32_t	begin = model->words.offsets[last];
	uint32_t	index;
	ClfError	error;
	void	   *encoded;

	free(bytes);
	CHECK(clf_vocab_add(&model->words, "\xC3\xA9x", 3, &index, &error) == CLF_OK && index == last, "%s", error.message);
	CHECK(clf_model_encode(model, &memory.allocator, &encoded, &size, &error) == CLF_OK, "%s", error.message);
	bytes = malloc(size);
	memcpy(bytes, encoded, size);
	memory.allocator.free(memory.allocator.context, encoded);
	decode_damaged(bytes, size, false, "whole", 0);
	put(data_of("vocabulary.offsets") + 4 * last, begin + 1);
	decode_damaged(bytes, size, true, "cut", 0);
	clf_model_free(model);
	free(bytes);
}

/* Data that lie: offsets out of order, text that is none, numbers that are none; a hybrid model. */
static void
lying_data(void)
{
	static const struct
	{
		const char *tensor;
		int			word;
		uint32_t	value;
	}			data_lies[] = {
		{"fusion.scale", 0, 0x7FC00000u},
		{"fusion.scale", 1, 0x7F800000u},
		{"wide.hashes", 0, UINT32_MAX}, /* before a smaller one */
		{"wide.hashes", 18, 0},
		{"wide.idf", 0, 0x7FC00000u},
		{"wide.idf", 18, 0xFF800000u},
		{"wide.bias", 1, 0x7F800001u},
		{"wide.kernel", 0, 0x00007C00u},	/* infinity, of two halves the first */
		{"wide.kernel", 3, 0x7E000000u},	/* NaN, the second */
		{"wide.kernel", 27, 0xFC000000u},
		{"vocabulary.offsets", 0, 1},	/* a byte before the first word */
		{"vocabulary.offsets", 1, 0},	/* an empty word */
		{"vocabulary.offsets", 1, UINT32_MAX},	/* beyond the bytes */
		{"vocabulary.offsets", 2, 4},	/* goes back */
		{"vocabulary.offsets", 10, 1000000},	/* the end beyond the bytes */
		{"labels.offsets", 0, 3},
		{"labels.offsets", 3, 17},	/* a byte that belongs to no label */
		{"labels.offsets", 2, 0x80000000u},
		{"embedding.weight", 0, 0x7FC00000u},	/* NaN */
		{"embedding.weight", 23, 0x7F800000u},	/* infinity */
		{"dense.bias", 2, 0xFF800000u}, /* minus infinity */
		{"lstm.0.backward.kernel", 5, 0x7F800001u}, /* signalling NaN */
		{"vocabulary.bytes", 0, 0xFFFFFFFFu},	/* not UTF-8 */
		{"labels.bytes", 0, 0x80808080u},
	};

	for (size_t i = 0; i < sizeof data_lies / sizeof data_lies[0]; i++)
	{
		ClfModel   *model = encoded_model();
		unsigned char *at = data_of(data_lies[i].tensor);

		CHECK(at != NULL, "no tensor %s", data_lies[i].tensor);
		CHECK(model->wide.F == 26, "%zu n-grams", model->wide.F);
		put(at + 4 * data_lies[i].word, data_lies[i].value);
		decode_damaged(bytes, size, true, data_lies[i].tensor, i);
		clf_model_free(model);
		free(bytes);
	}
}

/* Scales that are none; of an embedding of bytes. */
static void
lying_scales(void)
{
	static const uint32_t scales[] = {
		0x7FC00000u, 0x7F800000u, 0xFF800000u, 0xBF800000u /* -1 */ , 0x7F7FFFFFu /* the largest float */ ,
		0x60AD78ECu				/* 1e20, more than sums of bytes can bear */
	};

	for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
		for (int row = 0; row < 12; row += 11)
		{
			ClfModel   *model = encoded_model();

			put(data_of("embedding.scale") + 4 * row, scales[i]);
			decode_damaged(bytes, size, true, "scale", i);
			clf_model_free(model);
			free(bytes);
		}
}

/* Weights beyond what sums of bytes can bear, and the largest of those within; in single precision all pass. */
static void
weights_too_large_for_bytes(void)
{
	static const struct
	{
		float		value;
		bool		sound;
	}			values[] = {{1e15f, true}, {-1e15f, true}, {1.001e15f, false}, {-3e38f, false}};
	static const char *const tensors[] = {
		"embedding.weight", "lstm.0.forward.kernel", "lstm.0.backward.recurrent", "lstm.0.backward.bias"
	};

	for (size_t i = 0; i < 4; i++)
		for (size_t t = 0; t < 4; t++)
			for (int precision = CLF_PRECISION_FLOAT32; precision <= CLF_PRECISION_INT8; precision++)
			{
				ClfModel   *model = encoded_model();
				void	   *with;
				ClfError	error;
				uint32_t	word;

				free(bytes);
				model->config.precision = precision;
				CHECK(clf_model_encode(model, &memory.allocator, &with, &size, &error) == CLF_OK, "%s", error.message);
				bytes = malloc(size);
				memcpy(bytes, with, size);
				memory.allocator.free(memory.allocator.context, with);
				memcpy(&word, &values[i].value, sizeof word);
				put(data_of(tensors[t]) + 4 * 3, word);
				if (precision == CLF_PRECISION_FLOAT32 || values[i].sound)
					decode_odd(bytes, size, tensors[t]);
				else
					decode_damaged(bytes, size, true, tensors[t], i);
				clf_model_free(model);
				free(bytes);
			}
}

/* What rounding does to a row: little, and nothing the second time. */
static void
rounded_rows(void)
{
	static const float magnitudes[] = {1e-42f, 1e-37f, 1e-30f, 1e-5f, 0.05f, 1.0f, 127.0f, 1e4f, 65600.0f, 1e30f};
	ClfConfig	config;
	ClfTensor	tensor = {.role = CLF_ROLE_EMBEDDING,.rows = 1,.columns = 33};
	ClfRng		rng;

	unit_config(&config);
	clf_rng_seed(&rng, 1, 0);
	for (int as = CLF_STORAGE_FLOAT32; as <= CLF_STORAGE_INT8; as++)
		for (size_t m = 0; m < sizeof magnitudes / sizeof magnitudes[0]; m++)
			for (int trial = 0; trial < 100; trial++)
			{
				float		row[33];
				float		rounded[33];
				float		again[33];
				float		scale;
				double		tolerance;

				for (int j = 0; j < 33; j++)
					row[j] = magnitudes[m] * (2 * clf_rng_uniform(&rng) - 1);
				memcpy(rounded, row, sizeof row);
				config.storage = as;
				clf_storage_round_row(&config, &tensor, rounded);
				memcpy(again, rounded, sizeof row);
				clf_storage_round_row(&config, &tensor, again);
				CHECK(memcmp(again, rounded, sizeof row) == 0, "rounding twice");
				scale = clf_row_scale(row, 33);
				tolerance = as == CLF_STORAGE_FLOAT32 ? 0 :
					as == CLF_STORAGE_INT8 ? 0.5001 * scale + 2e-33 : magnitudes[m] * 0x1p-11 + 0x1p-24;
				for (int j = 0; j < 33; j++)
					CHECK(fabs((double) rounded[j] - row[j]) <= tolerance ||
						  (as == CLF_STORAGE_FLOAT16 && fabsf(row[j]) > CLF_HALF_MAX && fabsf(rounded[j]) == CLF_HALF_MAX),
						  "%g becomes %g", row[j], rounded[j]);
			}
}

/* Recurrent weights are halves and bfloat16 at once, where floats are computed with. */
static void
rounded_recurrent_weights(void)
{
	static const float magnitudes[] = {1e-42f, 1e-6f, 6e-5f, 0.05f, 1.0f, 127.0f, 65600.0f, 1e30f};
	static const float edges[] = {65280, 65281, 65407, 65408, 65504, 65536, 3e38f, 0x1p-24f, 0x1p-25f, 0x1.01p-1f, 0x1.03p-1f};
	static const float rounded_edges[] = {65280, 65280, 65280, 65280, 65280, 65280, 65280, 0x1p-24f, 0, 0x1p-1f, 0x1.04p-1f};
	ClfConfig	config;
	ClfTensor	tensor = {.role = CLF_ROLE_RECURRENT,.rows = 1,.columns = 1};
	ClfRng		rng;

	unit_config(&config);
	clf_rng_seed(&rng, 1, 0);
	for (int as = CLF_STORAGE_FLOAT16; as <= CLF_STORAGE_INT8; as++)
	{
		config.storage = as;
		config.precision = CLF_PRECISION_FLOAT32;
		for (size_t e = 0; e < 2 * sizeof edges / sizeof edges[0]; e++)
		{
			float		sign = e % 2 ? -1 : 1;
			float		x = sign * edges[e / 2];

			clf_storage_round_row(&config, &tensor, &x);
			CHECK(x == sign * rounded_edges[e / 2], "%.9g becomes %.9g", edges[e / 2], x);
		}
		for (size_t m = 0; m < sizeof magnitudes / sizeof magnitudes[0]; m++)
			for (int trial = 0; trial < 1000; trial++)
			{
				float		x = magnitudes[m] * (2 * clf_rng_uniform(&rng) - 1);
				float		rounded = x;
				float		half = x;

				clf_storage_round_row(&config, &tensor, &rounded);
				CHECK(clf_all_bfloat16(&rounded, 1) && clf_float_from_half(clf_half_from_float(rounded)) == rounded,
					  "%.9g becomes %.9g", x, rounded);
				CHECK(fabsf(x) > 65280 ? fabsf(rounded) == 65280 : fabsf(rounded - x) <= fabsf(x) * 0x1.3p-8f + 0x1p-25f,
					  "%.9g becomes %.9g", x, rounded);
				config.precision = CLF_PRECISION_INT8;
				clf_storage_round_row(&config, &tensor, &half);
				CHECK(half == clf_float_from_half(clf_half_from_float(x)), "%.9g becomes %.9g with bytes", x, half);
				config.precision = CLF_PRECISION_FLOAT32;
			}
	}
}

/* Two n-grams with the same hash. */
static void
same_hash_twice(void)
{
	ClfModel   *model = encoded_model();
	unsigned char *hashes = data_of("wide.hashes");

	memcpy(hashes + 4, hashes, 4);
	decode_damaged(bytes, size, true, "hash", 1);
	clf_model_free(model);
	free(bytes);
}

/* A linear branch without n-grams is one that knows the bias alone. */
static void
no_ngrams(void)
{
	UnitMemory	own;
	ClfConfig	config;
	ClfModel   *model;
	ClfModel   *again;
	ClfScratch *scratch;
	ClfError	error;
	void	   *encoded;
	size_t		encoded_size;
	float		probability[3];

	unit_memory_init(&own);
	unit_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	model = unit_random_model(&own.allocator, &config, 3, 1);
	model->wide.F = 0;
	CHECK(clf_model_encode(model, &own.allocator, &encoded, &encoded_size, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_model_decode(&own.allocator, encoded, encoded_size, &again, &error) == CLF_OK, "%s: %s",
		  error.message, error.detail);
	CHECK(again->wide.F == 0 && clf_scratch_new(again, &own.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_predict(again, scratch, "apple bridge", 12, probability, &error) == CLF_OK, "%s", error.message);
	for (int k = 0; k < 2; k++)
		CHECK(fabs(log(probability[k] / probability[2]) -
				   model->scale[1] * (clf_wide_score_of(model->wide.bias[k]) -
									  clf_wide_score_of(model->wide.bias[2]))) < 1e-5, "class %d is not its bias", k);
	own.allocator.free(own.allocator.context, encoded);
	clf_scratch_free(scratch);
	clf_model_free(again);
	clf_model_free(model);
	CHECK(own.blocks == 0, "memory is kept");
}

/* Numbers so large that scores are not finite: no answer, rather than no number. */
static void
scores_beyond_numbers(void)
{
	for (architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
	{
		ClfModel   *model = encoded_model();
		ClfScratch *scratch;
		ClfError	error;
		float		probability[3];

		model->scale[0] = model->scale[1] = 3e38f;
		if (clf_has_deep(&model->config))
			for (int k = 0; k < 3; k++)
				model->packed.dense_bias[k] = k ? 3e38f : -3e38f;
		if (clf_has_wide(&model->config))
			for (int k = 0; k < 3; k++)
				model->wide.bias[k] = -3e38f;
		CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
		CHECK(clf_predict(model, scratch, "apple", 5, probability, &error) == CLF_ERR_CORRUPT &&
			  error.status == CLF_ERR_CORRUPT && error.message[0] != '\0', "%s: no error", unit_architecture(architecture));
		clf_scratch_free(scratch);
		clf_model_free(model);
		free(bytes);
		CHECK(memory.blocks == 0, "memory is kept");
	}
}

static void
same_label_twice(void)
{
	ClfModel   *model = encoded_model();
	unsigned char *labels = data_of("labels.bytes");

	labels[11] = '0';			/* class0, class1 -> class0, class0 */
	decode_damaged(bytes, size, true, "class1", 0);
	clf_model_free(model);
	free(bytes);
}

/* A header as long as it can be: start, item again and again, end; refused for what the detail says. */
static void
filled_header(const char *start, const char *item, const char *end, const char *detail)
{
	size_t		header = 1048576;
	char	   *filled = malloc(8 + header);
	size_t		length = 8 + strlen(start);
	ClfModel   *model;
	ClfError	error;

	for (int i = 0; i < 8; i++)
		filled[i] = (char) (header >> (8 * i));
	memcpy(filled + 8, start, strlen(start));
	for (int i = 0; length < 8 + header; i++)
		filled[length++] = item[(size_t) i % strlen(item)];
	memcpy(filled + length - strlen(end), end, strlen(end));
	unit_memory_init(&memory);
	decode_damaged(filled, 8 + header, true, item, 0);
	CHECK(clf_model_decode(&memory.allocator, filled, 8 + header, &model, &error) == CLF_ERR_CORRUPT &&
		  strstr(error.detail, detail) != NULL, "%s: %s", item, error.detail);
	free(filled);
}

/* Values by the hundred thousand are not even read. */
static void
too_many_values(void)
{
	filled_header("[", "0,", "0]", "more than 2000 values");
	filled_header("[", "[],", "0]", "more than 2000 values");
	filled_header("{\"\\\"\":", "{\"a\":", "", "more than 2000 values");
	filled_header("{\"__metadata__\":{\"textclf.format\":\"1\",\"textclf.icu_version\":\"72.1\","
				  "\"textclf.tokenizer_version\":\"2\",\"textclf.config\":\"[", "0,", "0]\"}}", "not an object of known options");
	/* a string is one value, however long */
	filled_header("{\"__metadata__\":{\"x\":\"", "0,", "\"}}", "The format is not 1");
}

/*
 * Words that ask for the same few slots under the hash of a training, which takes
 * long to number them: a decoder has another.
 */
static void
words_that_collide(void)
{
	enum {WORDS = 10000, SLOTS = 32768};
	UnitMemory	own;
	ClfConfig	config;
	ClfModel   *model;
	ClfModel   *again;
	ClfError	error;
	void	   *encoded;
	size_t		encoded_size;
	clock_t		begin;
	clock_t		slow;
	clock_t		quick;

	unit_memory_init(&own);
	unit_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	model = unit_random_model(&own.allocator, &config, 3, 1);
	begin = clock();
	for (uint32_t i = 0; model->words.count < WORDS; i++)
	{
		char		text[9];
		uint32_t	index;

		snprintf(text, sizeof text, "%08x", i);
		if ((clf_hash_bytes(text, 8, CLF_HASH_SEED) & (SLOTS - 1)) < 32)
			CHECK(clf_vocab_add(&model->words, text, 8, &index, &error) == CLF_OK, "%s", error.message);
	}
	slow = clock() - begin;
	clf_mem_free(&model->mem, model->word_rows);
	model->word_rows = clf_mem_alloc_zero(&model->mem, WORDS, sizeof *model->word_rows);
	CHECK(clf_model_encode(model, &own.allocator, &encoded, &encoded_size, &error) == CLF_OK, "%s", error.message);
	begin = clock();
	CHECK(clf_model_decode(&own.allocator, encoded, encoded_size, &again, &error) == CLF_OK, "%s: %s", error.message, error.detail);
	quick = clock() - begin;
	CHECK(quick < slow / 10, "decoding takes %ld ms, making %ld", (long) (quick * 1000 / CLOCKS_PER_SEC), (long) (slow * 1000 / CLOCKS_PER_SEC));
	own.allocator.free(own.allocator.context, encoded);
	clf_model_free(again);
	clf_model_free(model);
	CHECK(own.blocks == 0, "memory is kept");
}

/* JSON nested as deep as it can be does not exhaust the stack. */
static void
deep_header(void)
{
	size_t		header = 1048576;
	unsigned char *deep = malloc(8 + header);

	unit_memory_init(&memory);
	for (int i = 0; i < 8; i++)
		deep[i] = (unsigned char) (header >> (8 * i));
	memset(deep + 8, '[', header);
	decode_damaged(deep, 8 + header, true, "nested", 0);
	free(deep);
}

static void
longest_info(void)
{
	ClfModel   *model = encoded_model();
	size_t		length = 2000000;
	char	   *info = malloc(length);
	ClfError	error;
	void	   *result = NULL;
	size_t		result_size;

	memset(info, 'x', length);
	CHECK(clf_model_set_info(model, info, length, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_model_encode(model, &memory.allocator, &result, &result_size, &error) == CLF_ERR_LIMIT &&
		  result == NULL, "a header beyond its limit is written");
	clf_model_free(model);
	free(info);
	free(bytes);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* Run a test once for each architecture, and each storage of a network. */
static void
for_all_models(const char *what, void (*test) (void))
{
	static const char *const storages[] = {"float32", "float16", "int8"};

	for (architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
		for (storage = 0; storage < (architecture == CLF_ARCH_LINEAR ? 1 : 3); storage++)
		{
			char		name[64];

			snprintf(name, sizeof name, "%s, %s, %s", what, unit_architecture(architecture), storages[storage]);
			unit_run(name, test);
		}
	storage = CLF_STORAGE_FLOAT32;
}

static void
tell_lies(int of_architecture, const Lie *told, size_t count)
{
	architecture = of_architecture;
	for (size_t i = 0; i < count; i++)
	{
		char		name[128];

		lie_now = &told[i];
		snprintf(name, sizeof name, "lying header, %s, %s", unit_architecture(architecture), told[i].name);
		unit_run(name, lying_header);
	}
}

int
main(void)
{
	for_all_models("round_trip", round_trip);
	for_all_models("layout", layout);
	for_all_models("truncated_at_every_offset", truncated_at_every_offset);
	for_all_models("longer_than_it_should", longer_than_it_should);
	for_all_models("every_byte_flipped", every_byte_flipped);
	for_all_models("bits_flipped", bits_flipped);
	/* between them, these have every key and type of tensor that there is */
	architecture = CLF_ARCH_LSTM;
	storage = CLF_STORAGE_FLOAT16;
	RUN(every_bit_of_the_header);
	architecture = CLF_ARCH_HYBRID;
	storage = CLF_STORAGE_INT8;
	RUN(every_bit_of_the_header);
	storage = CLF_STORAGE_FLOAT32;
	tell_lies(CLF_ARCH_BILSTM, lies, LIES);
	tell_lies(CLF_ARCH_HYBRID, wide_lies, WIDE_LIES);
	storage = CLF_STORAGE_INT8;
	tell_lies(CLF_ARCH_BILSTM, storage_lies, STORAGE_LIES);
	RUN(lying_scales);
	storage = CLF_STORAGE_FLOAT32;
	RUN(weights_too_large_for_bytes);
	architecture = CLF_ARCH_HYBRID;
	RUN(rounded_rows);
	RUN(rounded_recurrent_weights);
	architecture = CLF_ARCH_BILSTM;
	RUN(odd_headers);
	RUN(tensors_in_another_order);
	RUN(more_than_any_model);
	RUN(strings_too_long);
	RUN(character_cut);
	architecture = CLF_ARCH_HYBRID;
	RUN(lying_lengths);
	RUN(lying_data);
	RUN(same_hash_twice);
	RUN(no_ngrams);
	RUN(same_label_twice);
	RUN(words_that_collide);
	RUN(deep_header);
	RUN(too_many_values);
	RUN(longest_info);
	RUN(scores_beyond_numbers);
	return UNIT_RESULT();
}

/*
 * dataset.c
 *	  The rows of a training.
 *
 * It must not know the network or the optimiser.
 */
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "error.h"
#include "hash.h"
#include "model.h"

#define RADIX_BITS 16
#define RADIX (1 << RADIX_BITS)
#define RADIX_PASSES (64 / RADIX_BITS)
#define CHUNK 1000				/* rows or words of one item of work */
#define NO_PART UINT32_MAX
#define MARK (UINT32_C(1) << 31)	/* in the store, of a token that is a mark; no dictionary is so large */

void
clf_dataset_init(ClfDataset *data, ClfMem *mem, const ClfHost *host,
				 ClfConfig *config)
{
	memset(data, 0, sizeof *data);
	data->mem = mem;
	data->host = host;
	data->config = config;
	clf_vocab_init(&data->tokens, mem, host->hash_seed);
	clf_vocab_init(&data->arrived_labels, mem, host->hash_seed);
	clf_vocab_init(&data->labels, mem, host->hash_seed);
	clf_vocab_init(&data->words, mem, host->hash_seed);
}

/* Release what only orders rows and counts tokens. */
static void
free_counts(ClfDataset *data)
{
	clf_mem_free(data->mem, data->keys);
	clf_mem_free(data->mem, data->keys_spare);
	clf_mem_free(data->mem, data->frequency);
	clf_mem_free(data->mem, data->first_seen);
	clf_mem_free(data->mem, data->rows_with);
	clf_mem_free(data->mem, data->training_with);
	clf_mem_free(data->mem, data->last_row);
	clf_mem_free(data->mem, data->held_out);
	data->keys = data->keys_spare = NULL;
	data->frequency = data->first_seen = NULL;
	data->rows_with = data->training_with = data->last_row = data->held_out = NULL;
}

void
clf_dataset_free(ClfDataset *data)
{
	clf_vocab_free(&data->tokens);
	clf_vocab_free(&data->arrived_labels);
	clf_vocab_free(&data->labels);
	clf_vocab_free(&data->words);
	clf_pattern_free(&data->pattern);
	clf_mem_free(data->mem, data->rows);
	clf_mem_free(data->mem, data->sequence);
	free_counts(data);
	clf_mem_free(data->mem, data->id_of);
	clf_mem_free(data->mem, data->word_rows);
	clf_mem_free(data->mem, data->class_rows);
	clf_mem_free(data->mem, data->validation);
}

/* ---- taking rows in ---- */

static ClfStatus
add_token(void *context, const ClfTokenSpan *span, ClfError *error)
{
	ClfDataset *data = context;
	uint32_t	token;
	ClfStatus	status = clf_vocab_add(&data->tokens, span->text, span->length, &token, error);

	if (status != CLF_OK)
		return status;
	data->sequence[data->sequence_length++] = span->mark ? token | MARK : token;
	data->sequence_marks += span->mark;
	return CLF_OK;
}

static void
set_longest(size_t *longest, size_t length)
{
	if (length > *longest)
		*longest = length;
}

ClfStatus
clf_dataset_add(ClfDataset *data, const char *text, size_t text_length,
				const char *label, size_t label_length, ClfError *error)
{
	ClfRow	   *row;
	uint32_t	label_index;
	ClfStatus	status;

	if (data->count >= UINT32_MAX)
		return clf_fail(error, CLF_ERR_LIMIT, "too many rows");
	if (label_length > CLF_MAX_LABEL_BYTES)
		return clf_fail(error, CLF_ERR_LIMIT, "a label is longer than %d bytes", CLF_MAX_LABEL_BYTES);
	if (data->sequence == NULL)
		data->sequence = clf_mem_alloc(data->mem, 2 * clf_encode_limit(data->config),
									   sizeof *data->sequence);
	if (data->sequence == NULL ||
		!clf_mem_grow(data->mem, (void **) &data->rows, &data->rows_capacity,
					  data->count + 1, sizeof *data->rows))
		return clf_fail_memory(error);

	status = clf_check_utf8(label, label_length, error);
	if (status != CLF_OK)
		return status;
	data->sequence_length = data->sequence_marks = 0;
	status = clf_encode(data->config, data->mem, &data->pattern, text, text_length, add_token, data, error);
	if (status == CLF_OK)
		status = clf_vocab_add(&data->arrived_labels, label, label_length, &label_index, error);
	if (status != CLF_OK)
		return status;
	if (data->sequence_length > 0 &&
		!data->host->store.append(data->host->store.context, data->sequence,
								  data->sequence_length * sizeof *data->sequence))
		return clf_fail(error, CLF_ERR_HOST, "could not store a row");

	row = &data->rows[data->count];
	row->hash = clf_hash_bytes(text, text_length,
							   clf_hash_bytes(label, label_length, CLF_HASH_SEED));
	row->offset = data->stored;
	row->count = (uint16_t) data->sequence_length;
	row->marks = (uint16_t) data->sequence_marks;
	row->label = label_index;
	row->ordinal = (uint32_t) data->count;
	data->stored += data->sequence_length * sizeof *data->sequence;
	data->count++;
	data->marked = data->marked || data->sequence_marks > 0;
	set_longest(&data->longest[0], data->sequence_length - data->sequence_marks);
	set_longest(&data->longest[1], data->sequence_length);
	return CLF_OK;
}

/* ---- sorting by 64-bit keys, a pass at a time ---- */

/* Have room for two lists of count keys. */
static ClfStatus
allocate_keys(ClfDataset *data, size_t count, ClfError *error)
{
	clf_mem_free(data->mem, data->keys);
	clf_mem_free(data->mem, data->keys_spare);
	data->keys = clf_mem_alloc(data->mem, count, sizeof *data->keys);
	data->keys_spare = clf_mem_alloc(data->mem, count, sizeof *data->keys_spare);
	data->keys_count = count;
	data->pass = 0;
	if (data->keys == NULL || data->keys_spare == NULL)
		return clf_fail_memory(error);
	return CLF_OK;
}

/* One stable pass of a radix sort over the keys, lowest digits first. */
static ClfStatus
sort_pass(ClfDataset *data, ClfError *error)
{
	int			shift = data->pass * RADIX_BITS;
	size_t	   *start = clf_mem_alloc_zero(data->mem, RADIX + 1, sizeof *start);
	ClfKey	   *swap = data->keys;

	if (start == NULL)
		return clf_fail_memory(error);
	for (size_t i = 0; i < data->keys_count; i++)
		start[(data->keys[i].key >> shift) % RADIX + 1]++;
	for (size_t digit = 0; digit < RADIX; digit++)
		start[digit + 1] += start[digit];
	for (size_t i = 0; i < data->keys_count; i++)
		data->keys_spare[start[(data->keys[i].key >> shift) % RADIX]++] = data->keys[i];
	clf_mem_free(data->mem, start);
	data->keys = data->keys_spare;
	data->keys_spare = swap;
	data->pass++;
	return CLF_OK;
}

/* ---- preparing ---- */

/* Order the rows by the hash of their content. */
static ClfStatus
sort_rows(ClfDataset *data, ClfError *error)
{
	ClfRow	   *ordered;
	ClfStatus	status;

	if (data->keys == NULL)
	{
		if (data->count == 0)
			return clf_fail(error, CLF_ERR_DATA, "there are no rows to train on");
		status = allocate_keys(data, data->count, error);
		for (size_t i = 0; status == CLF_OK && i < data->count; i++)
		{
			data->keys[i].key = data->rows[i].hash;
			data->keys[i].value = (uint32_t) i;
		}
		return status;
	}
	if (data->pass < RADIX_PASSES)
		return sort_pass(data, error);

	ordered = clf_mem_alloc(data->mem, data->count, sizeof *ordered);
	if (ordered == NULL)
		return clf_fail_memory(error);
	for (size_t i = 0; i < data->count; i++)
		ordered[i] = data->rows[data->keys[i].value];
	clf_mem_free(data->mem, data->rows);
	data->rows = ordered;
	data->rows_capacity = data->count;
	data->stage = CLF_PREPARE_SPLIT;
	return CLF_OK;
}

/* A label, to be sorted. */
typedef struct Label
{
	const char *text;
	size_t		length;
	uint32_t	arrived;
} Label;

static int
compare_labels(const void *a, const void *b)
{
	const Label *x = a;
	const Label *y = b;
	int			order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);

	return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Number the classes in the byte order of their labels, and count their rows. */
static ClfStatus
number_classes(ClfDataset *data, ClfError *error)
{
	uint32_t	C = data->arrived_labels.count;
	Label	   *sorted;
	uint32_t   *class_of;
	ClfStatus	status = CLF_OK;

	if (C < 2)
	{
		clf_fail(error, CLF_ERR_DATA, "there is only one class");
		return clf_detail(error, data->count == 1 ?
						  "There is only %zu row; a classifier needs rows of at least two labels." :
						  "All %zu rows have the same label; a classifier needs at least two.",
						  data->count);
	}
	if (C > CLF_MAX_CLASSES)
		return clf_fail(error, CLF_ERR_LIMIT, "there are more than %d different labels", CLF_MAX_CLASSES);

	sorted = clf_mem_alloc(data->mem, C, sizeof *sorted);
	class_of = clf_mem_alloc(data->mem, C, sizeof *class_of);
	data->class_rows = clf_mem_alloc_zero(data->mem, C, sizeof *data->class_rows);
	if (sorted == NULL || class_of == NULL || data->class_rows == NULL)
		status = clf_fail_memory(error);
	for (uint32_t i = 0; status == CLF_OK && i < C; i++)
	{
		sorted[i].text = clf_vocab_string(&data->arrived_labels, i, &sorted[i].length);
		sorted[i].arrived = i;
	}
	if (status == CLF_OK)
		qsort(sorted, C, sizeof *sorted, compare_labels);
	for (uint32_t i = 0; status == CLF_OK && i < C; i++)
		status = clf_vocab_add(&data->labels, sorted[i].text, sorted[i].length,
							   &class_of[sorted[i].arrived], error);
	for (size_t i = 0; status == CLF_OK && i < data->count; i++)
	{
		data->rows[i].label = class_of[data->rows[i].label];
		data->class_rows[data->rows[i].label]++;
	}
	clf_mem_free(data->mem, sorted);
	clf_mem_free(data->mem, class_of);
	return status;
}

/*
 * How many rows of each class are for validation: its share, rounded, but
 * never all of them.
 */
static void
set_quotas(const ClfDataset *data, int64_t *quota)
{
	for (uint32_t k = 0; k < data->labels.count; k++)
	{
		int64_t		rows = data->class_rows[k];

		quota[k] = (int64_t) ((double) rows * data->config->validation_split + 0.5);
		if (quota[k] >= rows)
			quota[k] = rows - 1;
	}
}

/* The part of this row, those of its class behind it having theirs; *last_left: validation rows left. */
static uint32_t
part_of(const ClfDataset *data, size_t row, const int64_t *quota, int64_t *dealt, int64_t *last_left)
{
	uint32_t	label = data->rows[row].label;

	if (data->config->validation_mode == CLF_VALIDATION_LAST)
		return (*last_left)-- > 0 ? 0 : NO_PART;
	return quota[label] > 0 ? (uint32_t) (dealt[label]++ / quota[label]) : NO_PART;
}

/* Deal the rows to parts, from the last on, and hold out the first part for validation. */
static ClfStatus
split_rows(ClfDataset *data, ClfError *error)
{
	int64_t    *quota = clf_mem_alloc(data->mem, data->labels.count, sizeof *quota);
	int64_t    *dealt = clf_mem_alloc_zero(data->mem, data->labels.count, sizeof *dealt);
	int64_t		last_left = (int64_t) ((double) data->count * data->config->validation_split);

	data->validation = clf_mem_alloc_zero(data->mem, data->count / 8 + 1, 1);
	if (quota == NULL || dealt == NULL || data->validation == NULL)
	{
		clf_mem_free(data->mem, quota);
		clf_mem_free(data->mem, dealt);
		return clf_fail_memory(error);
	}
	set_quotas(data, quota);
	for (size_t i = data->count; i-- > 0;)
	{
		ClfRow	   *row = &data->rows[i];

		row->part = part_of(data, i, quota, dealt, &last_left);
		if (row->part == 0)
			data->validation[row->ordinal / 8] |= (uint8_t) (1 << row->ordinal % 8);
	}
	clf_mem_free(data->mem, quota);
	clf_mem_free(data->mem, dealt);
	data->training_rows = data->count;
	return clf_dataset_hold_out(data, 0, error);
}

/* Does a row stand before another in the order of all? */
static bool
stands_before(const ClfRow *a, const ClfRow *b)
{
	return a->hash < b->hash || (a->hash == b->hash && a->ordinal < b->ordinal);
}

ClfStatus
clf_dataset_hold_out(ClfDataset *data, uint32_t part, ClfError *error)
{
	ClfRow	   *ordered = clf_mem_alloc(data->mem, data->count, sizeof *ordered);
	const ClfRow *next = data->rows;	/* of the training rows up to now ... */
	const ClfRow *end = data->rows + data->training_rows;
	const ClfRow *next_held = end;	/* ... and of those held out */
	const ClfRow *end_held = data->rows + data->count;
	size_t		kept = 0;
	size_t		held = 0;

	if (ordered == NULL)
		return clf_fail_memory(error);
	data->training_rows = data->count;
	for (size_t i = 0; i < data->count; i++)
		data->training_rows -= data->rows[i].part == part;
	while (next < end || next_held < end_held)
	{
		const ClfRow *row = next_held == end_held || (next < end && stands_before(next, next_held)) ?
			next++ : next_held++;

		if (row->part == part)
			ordered[data->training_rows + held++] = *row;
		else
			ordered[kept++] = *row;
	}
	clf_mem_free(data->mem, data->rows);
	data->rows = ordered;
	return CLF_OK;
}

/* Classes, the values that suit the rows, and the split. */
static ClfStatus
split(ClfDataset *data, ClfError *error)
{
	ClfStatus	status = number_classes(data, error);

	if (status != CLF_OK)
		return status;
	clf_config_after_rows(data->config, data->count, data->marked, data->longest);
	status = split_rows(data, error);
	if (status != CLF_OK)
		return status;
	data->frequency = clf_mem_alloc_zero(data->mem, data->tokens.count, sizeof(uint32_t));
	data->first_seen = clf_mem_alloc_zero(data->mem, data->tokens.count, sizeof(uint32_t));
	data->rows_with = clf_mem_alloc_zero(data->mem, data->tokens.count, sizeof(uint32_t));
	data->training_with = clf_mem_alloc_zero(data->mem, data->tokens.count, sizeof(uint32_t));
	data->last_row = clf_mem_alloc_zero(data->mem, data->tokens.count, sizeof(uint32_t));
	data->held_out = clf_mem_alloc_zero(data->mem, data->tokens.count, sizeof(uint32_t));
	data->id_of = clf_mem_alloc(data->mem, data->tokens.count, sizeof(uint32_t));
	if (!data->frequency || !data->first_seen || !data->rows_with || !data->training_with ||
		!data->last_row || !data->held_out || !data->id_of)
		return clf_fail_memory(error);
	data->position = 0;
	data->stage = CLF_PREPARE_COUNT;
	return CLF_OK;
}

/* How many tokens a row has, now that option capitals is decided. */
static size_t
tokens_of(const ClfDataset *data, const ClfRow *row)
{
	size_t		count = data->config->capitals ? row->count : (size_t) row->count - row->marks;
	size_t		limit = clf_encode_limit(data->config);

	return count < limit ? count : limit;
}

/* Fill sequence with the dictionary entries of a row. */
static ClfStatus
read_tokens(ClfDataset *data, const ClfRow *row, ClfError *error)
{
	size_t		kept = 0;

	if (row->count > 0 &&
		!data->host->store.read(data->host->store.context, row->offset, data->sequence,
								row->count * sizeof *data->sequence))
		return clf_fail(error, CLF_ERR_HOST, "could not read a row back");
	for (size_t t = 0; t < row->count; t++)
		if (data->config->capitals || !(data->sequence[t] & MARK))
			data->sequence[kept++] = data->sequence[t] & ~MARK;
	data->sequence_length = tokens_of(data, row);
	return CLF_OK;
}

/* Count a token of a row: the vocabulary is made of training rows alone. */
static void
count_token(ClfDataset *data, uint32_t token)
{
	uint32_t	row = (uint32_t) data->position + 1;
	bool		training = data->position < data->training_rows;

	if (!training)
		data->held_out[token]++;
	else if (data->frequency[token]++ == 0)
		data->first_seen[token] = data->seen++;
	if (data->last_row[token] != row)
	{
		data->rows_with[token]++;
		data->training_with[token] += training;
	}
	data->last_row[token] = row;
}

/* Count the tokens of some rows. */
static ClfStatus
count_tokens(ClfDataset *data, ClfError *error)
{
	size_t		end = data->position + CHUNK;

	if (end > data->count)
		end = data->count;
	for (; data->position < end; data->position++)
	{
		ClfStatus	status = read_tokens(data, &data->rows[data->position], error);

		if (status != CLF_OK)
			return status;
		for (size_t t = 0; t < data->sequence_length; t++)
			count_token(data, data->sequence[t]);
	}
	if (data->position == data->count)
		data->stage = CLF_PREPARE_RANK;
	return CLF_OK;
}

/* Is a token in the training rows so often, and in so many of them, that it may be learned? */
static bool
is_frequent(const ClfDataset *data, uint32_t token)
{
	return data->frequency[token] >= (uint32_t) data->config->min_count &&
		data->training_with[token] >= (uint32_t) data->config->min_rows;
}

/* Tokens that are frequent enough, to be sorted: the most frequent first, then the first seen. */
static ClfStatus
list_candidates(ClfDataset *data, ClfError *error)
{
	size_t		count = 0;
	ClfStatus	status = allocate_keys(data, data->tokens.count, error);

	for (uint32_t token = 0; status == CLF_OK && token < data->tokens.count; token++)
	{
		data->id_of[token] = CLF_ID_OOV;
		if (!is_frequent(data, token))
			continue;
		data->keys[count].key = (uint64_t) (UINT32_MAX - data->frequency[token]) << 32 |
			data->first_seen[token];
		data->keys[count++].value = token;
	}
	data->keys_count = count;
	return status;
}

static ClfStatus
rank_tokens(ClfDataset *data, ClfError *error)
{
	if (data->position == data->count)
	{
		data->position = SIZE_MAX;	/* the list is made once */
		return list_candidates(data, error);
	}
	if (data->pass < RADIX_PASSES)
		return sort_pass(data, error);
	if (data->keys_count > (size_t) data->config->num_words - CLF_FIRST_ID)
		data->keys_count = (size_t) data->config->num_words - CLF_FIRST_ID;
	data->word_rows = clf_mem_alloc(data->mem, data->keys_count, sizeof *data->word_rows);
	if (data->word_rows == NULL)
		return clf_fail_memory(error);
	data->position = 0;
	data->stage = CLF_PREPARE_WORDS;
	return CLF_OK;
}

/* What share of the validation rows' tokens has no id. */
static double
unknown_share(const ClfDataset *data)
{
	double		unknown = 0;
	double		all = 0;

	for (uint32_t token = 0; token < data->tokens.count; token++)
	{
		all += data->held_out[token];
		unknown += data->id_of[token] == CLF_ID_OOV ? data->held_out[token] : 0;
	}
	return unknown / all;		/* NaN if there are none */
}

/* Give ids to some of the ranked tokens. */
static ClfStatus
add_words(ClfDataset *data, ClfError *error)
{
	for (int i = 0; i < CHUNK && data->position < data->keys_count; i++, data->position++)
	{
		uint32_t	token = data->keys[data->position].value;
		size_t		length;
		const char *text = clf_vocab_string(&data->tokens, token, &length);
		uint32_t	index;
		ClfStatus	status = clf_vocab_add(&data->words, text, length, &index, error);

		if (status != CLF_OK)
			return status;
		data->id_of[token] = index + CLF_FIRST_ID;
		data->word_rows[index] = data->rows_with[token];
	}
	if (data->position < data->keys_count)
		return CLF_OK;
	data->unknown_tokens = unknown_share(data);
	free_counts(data);
	data->stage = CLF_PREPARE_DONE;
	return CLF_OK;
}

ClfStatus
clf_dataset_prepare(ClfDataset *data, ClfError *error)
{
	switch (data->stage)
	{
		case CLF_PREPARE_SORT:
			return sort_rows(data, error);
		case CLF_PREPARE_SPLIT:
			return split(data, error);
		case CLF_PREPARE_COUNT:
			return count_tokens(data, error);
		case CLF_PREPARE_RANK:
			return rank_tokens(data, error);
		case CLF_PREPARE_WORDS:
			return add_words(data, error);
		case CLF_PREPARE_DONE:
			break;
	}
	return CLF_OK;
}

/* ---- prepared rows ---- */

/* Tokens of a row that are looked at: maxlen was not known when it was added. */
static size_t
looked_at(const ClfDataset *data, const ClfRow *row)
{
	size_t		maxlen = (size_t) data->config->maxlen;
	size_t		count = tokens_of(data, row);

	return count < maxlen ? count : maxlen;
}

ClfStatus
clf_dataset_read_tokens(ClfDataset *data, size_t row, ClfError *error)
{
	return read_tokens(data, &data->rows[row], error);
}

void
clf_dataset_forget_tokens(ClfDataset *data)
{
	clf_vocab_free(&data->tokens);
}

size_t
clf_dataset_length(const ClfDataset *data, size_t row)
{
	size_t		count = looked_at(data, &data->rows[row]);

	if (data->config->architecture == CLF_ARCH_LSTM)
		return (size_t) data->config->maxlen;
	return count > 0 ? count : 1;
}

ClfStatus
clf_dataset_read(ClfDataset *data, size_t row, ClfError *error)
{
	ClfStatus	status = read_tokens(data, &data->rows[row], error);
	size_t		count = looked_at(data, &data->rows[row]);

	if (status != CLF_OK)
		return status;
	for (size_t t = 0; t < count; t++)
		data->sequence[t] = data->id_of[data->sequence[t]];
	data->sequence_length = clf_pad(data->config, data->sequence, count);
	return CLF_OK;
}

bool
clf_dataset_is_validation(const ClfDataset *data, uint64_t ordinal)
{
	return data->validation[ordinal / 8] >> ordinal % 8 & 1;
}

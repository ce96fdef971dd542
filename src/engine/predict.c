/*
 * predict.c
 *	  From a text and a model to probabilities, and to the tokens in between.
 */
#include <math.h>
#include <string.h>

#include "encode.h"
#include "error.h"
#include "forward.h"
#include "network.h"

#define BATCH_ROWS 96
#define BATCH_SCORES 262144		/* floats of scores that a batch may have per branch */

/* A text of a call. */
typedef struct Row
{
	size_t		start;			/* of its ids */
	size_t		count;
	float	   *z[CLF_BRANCHES];	/* [C] scores, NULL without the branch */
} Row;

struct ClfScratch
{
	ClfMem		mem;
	const ClfModel *model;
	const ClfKernels *kernels;
	ClfForward	forward;
	uint32_t   *ids;			/* of all texts, with a deep branch */
	size_t		ids_capacity;
	ClfGrams	grams;			/* with a linear branch, as the next */
	ClfWideScratch wide;
	Row		   *rows;			/* [rows_capacity] */
	size_t		rows_capacity;
	size_t	   *order;			/* [rows_capacity] rows, the longest first */
	float	   *z[CLF_BRANCHES];	/* [rows_capacity,C], NULL without the branch */
	ClfPattern *pattern;		/* of option mask_pattern, from the first text on */
	Row		   *row;			/* the one whose tokens are taken */

	/* clf_tokens only */
	ClfToken   *tokens;			/* [clf_encode_limit] */
	size_t		token_count;
	char	   *text;			/* their normal forms, one after the other */
	size_t		text_length;
	size_t		text_capacity;
};

int
clf_batch_limit(const ClfModel *model)
{
	size_t		limit = BATCH_SCORES / model->labels.count;

	return limit < 1 ? 1 : limit < BATCH_ROWS ? (int) limit : BATCH_ROWS;
}

/* Make room for so many texts at a time. */
static ClfStatus
reserve_rows(ClfScratch *scratch, size_t count, ClfError *error)
{
	ClfMem	   *mem = &scratch->mem;
	size_t		C = scratch->model->labels.count;

	if (count <= scratch->rows_capacity)
		return CLF_OK;
	clf_mem_free(mem, scratch->rows);
	clf_mem_free(mem, scratch->order);
	clf_mem_free(mem, scratch->z[0]);
	clf_mem_free(mem, scratch->z[1]);
	scratch->rows_capacity = 0;
	scratch->z[0] = scratch->z[1] = NULL;
	scratch->rows = clf_mem_alloc(mem, count, sizeof *scratch->rows);
	scratch->order = clf_mem_alloc(mem, count, sizeof *scratch->order);
	if (clf_has_deep(&scratch->model->config))
		scratch->z[0] = clf_mem_alloc(mem, count * C, sizeof(float));
	if (clf_has_wide(&scratch->model->config))
		scratch->z[1] = clf_mem_alloc(mem, count * C, sizeof(float));
	if (!scratch->rows || !scratch->order ||
		(clf_has_deep(&scratch->model->config) && !scratch->z[0]) ||
		(clf_has_wide(&scratch->model->config) && !scratch->z[1]))
		return clf_fail_memory(error);
	for (size_t i = 0; i < count; i++)
		for (int b = 0; b < CLF_BRANCHES; b++)
			scratch->rows[i].z[b] = scratch->z[b] ? scratch->z[b] + i * C : NULL;
	scratch->rows_capacity = count;
	return CLF_OK;
}

ClfStatus
clf_scratch_new(const ClfModel *model, const ClfAllocator *allocator,
				ClfScratch **scratch, ClfError *error)
{
	ClfMem		mem;
	ClfScratch *result;
	ClfStatus	status;

	clf_mem_init(&mem, allocator);
	result = clf_mem_alloc_zero(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	result->model = model;
	result->kernels = clf_kernels();
	clf_grams_init(&result->grams, &result->mem, model->config.char_ngrams);
	status = reserve_rows(result, 1, error);
	if (status == CLF_OK && clf_has_wide(&model->config))
		status = clf_wide_scratch_init(&result->wide, &result->mem, &model->wide, error);
	if (status != CLF_OK)
	{
		clf_scratch_free(result);
		return status;
	}
	*scratch = result;
	return CLF_OK;
}

size_t
clf_scratch_memory(const ClfScratch *scratch)
{
	return scratch->mem.used;
}

void
clf_scratch_free(ClfScratch *scratch)
{
	ClfMem		mem;

	if (scratch == NULL)
		return;
	clf_pattern_free(&scratch->pattern);
	clf_forward_free(&scratch->forward);
	clf_grams_free(&scratch->grams);
	clf_wide_scratch_free(&scratch->wide);
	clf_mem_free(&scratch->mem, scratch->rows);
	clf_mem_free(&scratch->mem, scratch->order);
	clf_mem_free(&scratch->mem, scratch->z[0]);
	clf_mem_free(&scratch->mem, scratch->z[1]);
	clf_mem_free(&scratch->mem, scratch->ids);
	clf_mem_free(&scratch->mem, scratch->tokens);
	clf_mem_free(&scratch->mem, scratch->text);
	mem = scratch->mem;			/* the struct holds its own accounting */
	clf_mem_free(&mem, scratch);
}

static uint32_t
id_of(const ClfModel *model, const ClfTokenSpan *span)
{
	int64_t		word = clf_vocab_find(&model->words, span->text, span->length);

	return word < 0 ? CLF_ID_OOV : (uint32_t) word + CLF_FIRST_ID;
}

static ClfStatus
take_token(void *context, const ClfTokenSpan *span, ClfError *error)
{
	ClfScratch *scratch = context;
	const ClfConfig *config = &scratch->model->config;
	Row		   *row = scratch->row;

	if (clf_has_deep(config) && row->count < (size_t) config->maxlen)
		scratch->ids[row->start + row->count++] = id_of(scratch->model, span);
	if (clf_has_wide(config) && !clf_grams_add(&scratch->grams, span->text, span->length))
		return clf_fail_memory(error);
	return CLF_OK;
}

/* Encode one text, whose ids begin at start, and score its n-grams. */
static ClfStatus
read_text(ClfScratch *scratch, Row *row, size_t start, const ClfText *text, ClfError *error)
{
	const ClfModel *model = scratch->model;
	ClfStatus	status;

	scratch->row = row;
	row->start = start;
	row->count = 0;
	clf_grams_start(&scratch->grams);
	if (clf_has_deep(&model->config) &&
		!clf_mem_grow(&scratch->mem, (void **) &scratch->ids, &scratch->ids_capacity,
					  start + (size_t) model->config.maxlen, sizeof *scratch->ids))
		return clf_fail_memory(error);
	status = clf_encode(&model->config, &scratch->mem, &scratch->pattern, text->bytes, text->length, take_token, scratch, error);
	if (status == CLF_OK && clf_has_deep(&model->config))
		row->count = clf_pad(&model->config, scratch->ids + start, row->count);
	if (status == CLF_OK && clf_has_wide(&model->config))
		status = clf_wide_score(&model->wide, &scratch->wide, scratch->kernels,
								&scratch->grams, row->z[1], error);
	return status;
}

/* Put the rows into the order of falling length, equals as they stand. */
static void
sort_rows(ClfScratch *scratch, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		size_t		place = i;

		for (; place > 0; place--)
		{
			size_t		before = scratch->order[place - 1];

			if (scratch->rows[before].count >= scratch->rows[i].count)
				break;
			scratch->order[place] = before;
		}
		scratch->order[place] = i;
	}
}

/* Scores of the network for rows begin to end of the order. */
static ClfStatus
score_rows(ClfScratch *scratch, size_t begin, size_t end, ClfError *error)
{
	ClfSequence sequences[CLF_FORWARD_ROWS];
	float	   *z[CLF_FORWARD_ROWS];

	for (size_t i = begin; i < end; i++)
	{
		const Row  *row = &scratch->rows[scratch->order[i]];

		sequences[i - begin].ids = scratch->ids + row->start;
		sequences[i - begin].length = row->count;
		z[i - begin] = row->z[0];
	}
	return clf_forward(&scratch->forward, end - begin, sequences, z, error);
}

ClfStatus
clf_predict_batch(const ClfModel *model, ClfScratch *scratch, const ClfText *texts,
				  int count, float *probability, ClfError *error)
{
	size_t		C = model->labels.count;
	size_t		rows = (size_t) count;
	size_t		start = 0;
	ClfStatus	status = reserve_rows(scratch, rows, error);

	for (size_t i = 0; status == CLF_OK && i < rows; i++)
	{
		status = read_text(scratch, &scratch->rows[i], start, &texts[i], error);
		start += scratch->rows[i].count;
	}
	/* a scratch that only gives tokens never needs it */
	if (status == CLF_OK && clf_has_deep(&model->config) && scratch->forward.mem == NULL)
		status = clf_forward_init(&scratch->forward, model, &model->packed, &scratch->mem,
								  scratch->kernels, error);
	if (status == CLF_OK && clf_has_deep(&model->config))
	{
		sort_rows(scratch, rows);
		for (size_t i = 0; status == CLF_OK && i < rows; i += CLF_FORWARD_ROWS)
			status = score_rows(scratch, i, i + CLF_FORWARD_ROWS < rows ? i + CLF_FORWARD_ROWS : rows,
								error);
	}
	if (status != CLF_OK)
		return status;
	for (size_t i = 0; i < rows; i++)
	{
		float	   *p = probability + i * C;

		clf_fuse(model->scale, (const float *const *) scratch->rows[i].z, C, p);
		if (!isfinite(clf_softmax(C, p, p)))
			return clf_fail(error, CLF_ERR_CORRUPT, "the model's scores of a text are not finite");
	}
	return CLF_OK;
}

ClfStatus
clf_predict(const ClfModel *model, ClfScratch *scratch, const char *text,
			size_t length, float *probability, ClfError *error)
{
	ClfText		one = {text, length};

	return clf_predict_batch(model, scratch, &one, 1, probability, error);
}

static ClfStatus
add_token(void *context, const ClfTokenSpan *span, ClfError *error)
{
	ClfScratch *scratch = context;
	ClfToken   *token;

	if (!clf_mem_grow(&scratch->mem, (void **) &scratch->text, &scratch->text_capacity,
					  scratch->text_length + span->length, 1))
		return clf_fail_memory(error);
	memcpy(scratch->text + scratch->text_length, span->text, span->length);
	scratch->text_length += span->length;

	token = &scratch->tokens[scratch->token_count++];
	token->start = span->start;
	token->end = span->end;
	token->length = span->length;
	token->id = (int32_t) id_of(scratch->model, span);
	return CLF_OK;
}

ClfStatus
clf_tokens(const ClfModel *model, ClfScratch *scratch, const char *text,
		   size_t length, const ClfToken **tokens, size_t *count, ClfError *error)
{
	ClfStatus	status;
	const char *form;

	if (scratch->tokens == NULL)
		scratch->tokens = clf_mem_alloc(&scratch->mem, clf_encode_limit(&model->config),
										sizeof *scratch->tokens);
	if (scratch->tokens == NULL)
		return clf_fail_memory(error);
	scratch->token_count = 0;
	scratch->text_length = 0;
	status = clf_encode(&model->config, &scratch->mem, &scratch->pattern, text, length, add_token, scratch, error);
	if (status != CLF_OK)
		return status;

	/* only now do the normal forms stay where they are */
	form = scratch->text;
	for (size_t i = 0; i < scratch->token_count; i++)
	{
		scratch->tokens[i].text = form;
		form += scratch->tokens[i].length;
	}
	*tokens = scratch->tokens;
	*count = scratch->token_count;
	return CLF_OK;
}

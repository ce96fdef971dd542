/*
 * predict.c
 *	  From a text and a model to probabilities, and to the tokens in between.
 */
#include <string.h>

#include "encode.h"
#include "error.h"
#include "forward.h"

struct ClfScratch
{
	ClfMem		mem;
	const ClfModel *model;
	ClfForward	forward;
	uint32_t   *ids;			/* [maxlen] */
	size_t		count;			/* of ids of the text at hand */

	/* clf_tokens only */
	ClfToken   *tokens;			/* [maxlen] */
	size_t		token_count;
	char	   *text;			/* their normal forms, one after the other */
	size_t		text_length;
	size_t		text_capacity;
};

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
	result->ids = clf_mem_alloc(&result->mem, (size_t) model->config.maxlen,
								sizeof *result->ids);
	status = result->ids == NULL ? clf_fail_memory(error) :
		clf_forward_init(&result->forward, model, &result->mem, clf_kernels(), error);
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
	clf_forward_free(&scratch->forward);
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
add_id(void *context, const ClfTokenSpan *span, ClfError *error)
{
	ClfScratch *scratch = context;

	(void) error;
	scratch->ids[scratch->count++] = id_of(scratch->model, span);
	return CLF_OK;
}

ClfStatus
clf_predict(const ClfModel *model, ClfScratch *scratch, const char *text,
			size_t length, float *probability, ClfError *error)
{
	ClfStatus	status;
	size_t		T;

	scratch->count = 0;
	status = clf_encode(&model->config, text, length, add_id, scratch, error);
	if (status != CLF_OK)
		return status;
	T = clf_pad(&model->config, scratch->ids, scratch->count);
	return clf_forward(&scratch->forward, scratch->ids, T, probability, error);
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
		scratch->tokens = clf_mem_alloc(&scratch->mem, (size_t) model->config.maxlen,
										sizeof *scratch->tokens);
	if (scratch->tokens == NULL)
		return clf_fail_memory(error);
	scratch->token_count = 0;
	scratch->text_length = 0;
	status = clf_encode(&model->config, text, length, add_token, scratch, error);
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

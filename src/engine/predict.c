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

struct ClfScratch
{
	ClfMem		mem;
	const ClfModel *model;
	const ClfKernels *kernels;
	ClfForward	forward;
	uint32_t   *ids;			/* [maxlen], with a deep branch */
	size_t		count;			/* of ids of the text at hand */
	ClfGrams	grams;			/* with a linear branch, as the next */
	ClfWideScratch wide;
	float	   *z[CLF_BRANCHES];	/* [C] scores, NULL without the branch */

	/* clf_tokens only */
	ClfToken   *tokens;			/* [clf_encode_limit] */
	size_t		token_count;
	char	   *text;			/* their normal forms, one after the other */
	size_t		text_length;
	size_t		text_capacity;
};

static ClfStatus
prepare_deep(ClfScratch *scratch, ClfError *error)
{
	const ClfModel *model = scratch->model;

	scratch->ids = clf_mem_alloc(&scratch->mem, (size_t) model->config.maxlen,
								 sizeof *scratch->ids);
	scratch->z[0] = clf_mem_alloc(&scratch->mem, model->labels.count, sizeof(float));
	if (scratch->ids == NULL || scratch->z[0] == NULL)
		return clf_fail_memory(error);
	return clf_forward_init(&scratch->forward, model, &scratch->mem, scratch->kernels, error);
}

static ClfStatus
prepare_wide(ClfScratch *scratch, ClfError *error)
{
	const ClfModel *model = scratch->model;

	clf_grams_init(&scratch->grams, &scratch->mem, model->config.char_ngrams);
	scratch->z[1] = clf_mem_alloc(&scratch->mem, model->labels.count, sizeof(float));
	if (scratch->z[1] == NULL)
		return clf_fail_memory(error);
	return clf_wide_scratch_init(&scratch->wide, &scratch->mem, &model->wide, error);
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
	status = clf_has_deep(&model->config) ? prepare_deep(result, error) : CLF_OK;
	if (status == CLF_OK && clf_has_wide(&model->config))
		status = prepare_wide(result, error);
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
	clf_grams_free(&scratch->grams);
	clf_wide_scratch_free(&scratch->wide);
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

	if (clf_has_deep(config) && scratch->count < (size_t) config->maxlen)
		scratch->ids[scratch->count++] = id_of(scratch->model, span);
	if (clf_has_wide(config) && !clf_grams_add(&scratch->grams, span->text, span->length))
		return clf_fail_memory(error);
	return CLF_OK;
}

ClfStatus
clf_predict(const ClfModel *model, ClfScratch *scratch, const char *text,
			size_t length, float *probability, ClfError *error)
{
	size_t		C = model->labels.count;
	ClfStatus	status;

	scratch->count = 0;
	clf_grams_start(&scratch->grams);
	status = clf_encode(&model->config, text, length, take_token, scratch, error);
	if (status == CLF_OK && clf_has_deep(&model->config))
		status = clf_forward(&scratch->forward, scratch->ids,
							 clf_pad(&model->config, scratch->ids, scratch->count),
							 scratch->z[0], error);
	if (status == CLF_OK && clf_has_wide(&model->config))
		status = clf_wide_score(&model->wide, &scratch->wide, scratch->kernels,
								&scratch->grams, scratch->z[1], error);
	if (status != CLF_OK)
		return status;
	clf_fuse(model->scale, (const float *const *) scratch->z, C, probability);
	if (!isfinite(clf_softmax(C, probability, probability)))
		return clf_fail(error, CLF_ERR_CORRUPT, "the model's scores of a text are not finite");
	return CLF_OK;
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

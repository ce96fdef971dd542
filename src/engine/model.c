/*
 * model.c
 *	  Making a model and looking at its parts.
 */
#include "model.h"

#include <string.h>

#include "error.h"
#include "hash.h"

ClfStatus
clf_model_new(const ClfAllocator *allocator, ClfModel **model, ClfError *error)
{
	ClfMem		mem;
	ClfModel   *result;

	clf_mem_init(&mem, allocator);
	result = clf_mem_alloc_zero(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	clf_vocab_init(&result->labels, &result->mem, CLF_HASH_SEED);
	clf_vocab_init(&result->words, &result->mem, CLF_HASH_SEED);
	*model = result;
	return CLF_OK;
}

ClfStatus
clf_model_allocate(ClfModel *model, ClfError *error)
{
	ClfStatus	status = clf_tensor_table(&model->config, clf_model_ids(model),
										  model->labels.count, &model->table,
										  error);

	if (status != CLF_OK)
		return status;
	model->weights = clf_mem_alloc_zero(&model->mem, model->table.floats,
										sizeof(float));
	model->word_rows = clf_mem_alloc_zero(&model->mem, model->words.count,
										  sizeof *model->word_rows);
	if (model->weights == NULL || model->word_rows == NULL)
		return clf_fail_memory(error);
	return CLF_OK;
}

ClfStatus
clf_model_prepare(ClfModel *model, ClfError *error)
{
	ClfStatus	status = clf_has_wide(&model->config) ?
		clf_wide_prepare(&model->wide, error) : CLF_OK;

	if (status != CLF_OK || !clf_has_deep(&model->config))
		return status;
	return clf_packed_init(&model->packed, model, clf_packed_form(model), &model->mem, error);
}

void
clf_model_free(ClfModel *model)
{
	ClfMem		mem;

	if (model == NULL)
		return;
	if (model->image == NULL)
	{
		clf_vocab_free(&model->labels);
		clf_vocab_free(&model->words);
		clf_mem_free(&model->mem, model->word_rows);
		clf_mem_free(&model->mem, model->weights);
		clf_packed_free(&model->packed);
		clf_wide_free(&model->wide);
		clf_mem_free(&model->mem, model->info);
	}
	mem = model->mem;			/* the struct holds its own accounting */
	clf_mem_free(&mem, model);
}

const ClfConfig *
clf_model_config(const ClfModel *model)
{
	return &model->config;
}

int
clf_model_classes(const ClfModel *model)
{
	return (int) model->labels.count;
}

int
clf_model_vocabulary(const ClfModel *model)
{
	return (int) clf_model_ids(model);
}

int64_t
clf_model_parameters(const ClfModel *model)
{
	return model->table.parameters + clf_wide_parameters(&model->wide);
}

size_t
clf_model_memory(const ClfModel *model)
{
	return model->mem.used;
}

const char *
clf_model_label(const ClfModel *model, int class_id, size_t *length)
{
	return clf_vocab_string(&model->labels, (uint32_t) class_id, length);
}

int
clf_model_class(const ClfModel *model, const char *label, size_t length)
{
	return (int) clf_vocab_find(&model->labels, label, length);
}

const char *
clf_model_token(const ClfModel *model, int id, size_t *length)
{
	if (id < CLF_FIRST_ID || (size_t) id >= clf_model_ids(model))
	{
		*length = 0;
		return NULL;
	}
	return clf_vocab_string(&model->words, (uint32_t) (id - CLF_FIRST_ID), length);
}

uint32_t
clf_model_token_rows(const ClfModel *model, int id)
{
	if (id < CLF_FIRST_ID || (size_t) id >= clf_model_ids(model))
		return 0;
	return model->word_rows[id - CLF_FIRST_ID];
}

const char *
clf_model_icu_version(const ClfModel *model)
{
	return model->icu_version;
}

const char *
clf_model_info(const ClfModel *model, size_t *length)
{
	*length = model->info_length;
	return model->info;
}

ClfStatus
clf_model_set_info(ClfModel *model, const char *info, size_t length,
				   ClfError *error)
{
	char	   *copy = clf_mem_alloc(&model->mem, length, 1);

	if (copy == NULL)
		return clf_fail_memory(error);
	if (length > 0)
		memcpy(copy, info, length);
	clf_mem_free(&model->mem, model->info);
	model->info = copy;
	model->info_length = length;
	return CLF_OK;
}

/*
 * fuzz.h
 *	  What the fuzz targets share: a counting allocator, a check, listing and explaining.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clf.h"

/* Stop the fuzzer, which keeps the input, unless the condition holds. */
#define FUZZ_CHECK(condition) ((condition) ? (void) 0 : __builtin_trap())

static size_t fuzz_blocks;

static void *
fuzz_alloc(void *context, size_t size)
{
	void	   *block = malloc(size);

	(void) context;
	fuzz_blocks += block != NULL;
	return block;
}

static void
fuzz_free(void *context, void *block)
{
	(void) context;
	fuzz_blocks--;
	free(block);
}

static const ClfAllocator fuzz_allocator = {.alloc = fuzz_alloc, .free = fuzz_free};

/*
 * Explain a text: finite weights, or a reason why not; true if there are some.
 */
static inline int
fuzz_explain(const ClfModel *model, const char *text, size_t length)
{
	ClfExplainer *explainer;
	ClfError	error;
	bool		done = false;
	ClfStatus	status = clf_explainer_new(model, &fuzz_allocator, NULL, text, length, -1, &explainer, &error);

	if (status != CLF_OK)
	{
		FUZZ_CHECK(status == CLF_ERR_ENCODING || status == CLF_ERR_CORRUPT || status == CLF_ERR_LIMIT);
		return 0;
	}
	while (!done && status == CLF_OK)
		status = clf_explainer_step(explainer, &done, &error);
	FUZZ_CHECK(status == CLF_OK || status == CLF_ERR_CORRUPT);
	if (status == CLF_OK)
	{
		const ClfExplanation *result = clf_explainer_result(explainer);

		FUZZ_CHECK(isfinite(result->log_odds) && isfinite(result->base));
		for (size_t i = 0; i < result->count; i++)
			FUZZ_CHECK(isfinite(result->weights[i]) && result->tokens[i].end <= length);
	}
	clf_explainer_free(explainer);
	return status == CLF_OK;
}

/* Read all that is shown of a model: every byte of it must be there. */
static inline void
fuzz_list(const ClfModel *model)
{
	size_t		length;
	uint64_t	sum = clf_model_memory(model) + (uint64_t) clf_model_parameters(model) +
		strlen(clf_model_icu_version(model));
	const char *info = clf_model_info(model, &length);

	for (size_t i = 0; i < length; i++)
		sum += (unsigned char) info[i];
	for (int k = 0; k < clf_model_classes(model); k++)
	{
		const char *label = clf_model_label(model, k, &length);

		sum += (uint64_t) clf_model_class(model, label, length);
	}
	for (int id = 0; id < clf_model_vocabulary(model); id++)
	{
		const char *token = clf_model_token(model, id, &length);

		for (size_t i = 0; token != NULL && i < length; i++)
			sum += (unsigned char) token[i];
		sum += clf_model_token_rows(model, id);
	}
	*(volatile uint64_t *) &sum;
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FUZZ_H */

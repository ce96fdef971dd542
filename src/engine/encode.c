/*
 * encode.c
 *	  Which tokens of a text a network reads.
 */
#include "encode.h"

#include <string.h>

#include "model.h"

size_t
clf_encode_limit(const ClfConfig *config)
{
	size_t		maxlen = (size_t) config->maxlen;

	return clf_has_wide(config) && maxlen < CLF_WIDE_TOKENS ? CLF_WIDE_TOKENS : maxlen;
}

/* How many tokens at the beginning of a text are not looked at. */
static ClfStatus
count_skipped(const ClfConfig *config, const char *text, size_t length,
			  size_t *skipped, ClfError *error)
{
	ClfTokenWalk walk;
	ClfTokenSpan span;
	size_t		count = 0;
	bool		more = true;

	*skipped = 0;
	if (config->architecture != CLF_ARCH_LSTM)
		return CLF_OK;
	clf_walk_start(&walk, config->tokenizer, text, length);
	while (more)
	{
		ClfStatus	status = clf_walk_next(&walk, &span, &more, error);

		if (status != CLF_OK)
			return status;
		count += more;
	}
	if (count > (size_t) config->maxlen)
		*skipped = count - (size_t) config->maxlen;
	return CLF_OK;
}

ClfStatus
clf_encode(const ClfConfig *config, const char *text, size_t length,
		   ClfTokenSink sink, void *context, ClfError *error)
{
	ClfTokenWalk walk;
	ClfTokenSpan span;
	size_t		skipped;
	ClfStatus	status = count_skipped(config, text, length, &skipped, error);

	if (status != CLF_OK)
		return status;
	clf_walk_start(&walk, config->tokenizer, text, length);
	for (size_t i = 0; i < skipped + clf_encode_limit(config); i++)
	{
		bool		more;

		status = clf_walk_next(&walk, &span, &more, error);
		if (status != CLF_OK || !more)
			return status;
		if (i < skipped)
			continue;
		status = sink(context, &span, error);
		if (status != CLF_OK)
			return status;
	}
	return CLF_OK;
}

size_t
clf_pad(const ClfConfig *config, uint32_t *ids, size_t count)
{
	size_t		T = (size_t) config->maxlen;

	if (config->architecture != CLF_ARCH_LSTM)
	{
		if (count == 0)
			ids[count++] = CLF_ID_PAD;
		return count;
	}
	memmove(ids + (T - count), ids, count * sizeof *ids);
	for (size_t t = 0; t < T - count; t++)
		ids[t] = CLF_ID_PAD;
	return T;
}

/*
 * encode.c
 *	  Which tokens of a text a network reads.
 */
#include "encode.h"

#include <string.h>

#include "error.h"
#include "model.h"

#define TOKENS 4096				/* between questions to the host */

size_t
clf_encode_limit(const ClfConfig *config)
{
	size_t		maxlen = (size_t) config->maxlen;

	return clf_has_wide(config) && maxlen < CLF_WIDE_TOKENS ? CLF_WIDE_TOKENS : maxlen;
}

/* A walk over a text's tokens, with what is masked. */
typedef struct Encoding
{
	ClfTokenWalk walk;
	ClfMask		mask;
} Encoding;

/* Begin; end_text must follow, whatever happens. */
static ClfStatus
start_text(Encoding *encoding, const ClfConfig *config, ClfMem *mem, ClfPattern **pattern,
		   const char *text, size_t length, ClfError *error)
{
	ClfStatus	status;

	clf_walk_start(&encoding->walk, config->tokenizer, text, length);
	encoding->walk.capitals = config->capitals != 0 && config->tokenizer == CLF_TOKENIZER_UNICODE;
	if (!clf_masks(config))
		return CLF_OK;
	status = clf_mask_start(&encoding->mask, config, mem, pattern, text, length, error);
	return status == CLF_OK ? clf_walk_mask(&encoding->walk, &encoding->mask, error) : status;
}

static void
end_text(Encoding *encoding, const ClfConfig *config)
{
	if (clf_masks(config))
		clf_mask_end(&encoding->mask);
}

/* The next token, of which there have been so many; see clf_walk_next. */
static ClfStatus
next_token(Encoding *encoding, size_t number, const ClfMem *mem, ClfTokenSpan *span,
		   bool *more, ClfError *error)
{
	if (number % TOKENS == 0 && clf_mem_stopped(mem))
		return clf_fail_stopped(error);
	return clf_walk_next(&encoding->walk, span, more, error);
}

/* How many tokens at the beginning of a text are not looked at. */
static ClfStatus
count_skipped(const ClfConfig *config, ClfMem *mem, ClfPattern **pattern, const char *text,
			  size_t length, size_t *skipped, ClfError *error)
{
	Encoding	encoding;
	ClfTokenSpan span;
	size_t		count = 0;
	bool		more = true;
	ClfStatus	status;

	*skipped = 0;
	if (config->architecture != CLF_ARCH_LSTM)
		return CLF_OK;
	status = start_text(&encoding, config, mem, pattern, text, length, error);
	while (status == CLF_OK && more)
	{
		status = next_token(&encoding, count, mem, &span, &more, error);
		count += status == CLF_OK && more;
	}
	end_text(&encoding, config);
	if (count > (size_t) config->maxlen)
		*skipped = count - (size_t) config->maxlen;
	return status;
}

ClfStatus
clf_encode(const ClfConfig *config, ClfMem *mem, ClfPattern **pattern,
		   const char *text, size_t length, ClfTokenSink sink, void *context, ClfError *error)
{
	Encoding	encoding;
	ClfTokenSpan span;
	size_t		skipped;
	bool		more = true;
	ClfStatus	status = count_skipped(config, mem, pattern, text, length, &skipped, error);

	if (status != CLF_OK)
		return status;
	status = start_text(&encoding, config, mem, pattern, text, length, error);
	for (size_t i = 0; status == CLF_OK && i < skipped + clf_encode_limit(config);)
	{
		status = next_token(&encoding, i, mem, &span, &more, error);
		if (status != CLF_OK || !more)
			break;
		if (i >= skipped)
			status = sink(context, &span, error);
		i += !(span.mark && config->capitals < 0);
	}
	end_text(&encoding, config);
	return status;
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

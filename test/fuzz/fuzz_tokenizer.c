/*
 * fuzz_tokenizer.c
 *	  libFuzzer on both tokenizers, with masks and without: spans in order, in bounds, between
 *	  characters; an error exactly where the text is not UTF-8.
 */
#include "fuzz.h"

#include "tokenizer.h"

static void
walk_text(ClfTokenizerKind kind, int32_t kinds, bool capitals, const char *text, size_t length)
{
	static ClfConfig config;
	ClfMask		mask;
	ClfTokenWalk walk;
	ClfTokenSpan span;
	ClfError	error;
	bool		more = true;
	size_t		end = 0;

	config.mask = kinds;
	clf_walk_start(&walk, kind, text, length);
	walk.capitals = capitals;
	FUZZ_CHECK(clf_mask_start(&mask, &config, NULL, NULL, text, length, &error) == CLF_OK);
	if (kinds != 0)
		FUZZ_CHECK(clf_walk_mask(&walk, &mask, &error) == CLF_OK);
	for (;;)
	{
		ClfStatus	status = clf_walk_next(&walk, &span, &more, &error);

		if (status != CLF_OK)
		{
			FUZZ_CHECK(status == CLF_ERR_ENCODING && error.detail[0] != '\0');
			return;
		}
		if (!more)
			return;
		FUZZ_CHECK(span.start >= end && span.start < span.end && span.end <= length);
		FUZZ_CHECK(span.length >= 1 && span.length <= CLF_MAX_TOKEN_BYTES);
		FUZZ_CHECK(((unsigned char) span.text[0] & 0xC0) != 0x80);
		FUZZ_CHECK(((unsigned char) text[span.start] & 0xC0) != 0x80);
		end = span.mark ? span.start : span.end;	/* a mark has the place of its word */
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int kind = CLF_TOKENIZER_UNICODE; kind <= CLF_TOKENIZER_KERAS; kind++)
	{
		walk_text((ClfTokenizerKind) kind, 0, false, (const char *) data, size);
		walk_text((ClfTokenizerKind) kind, 31, false, (const char *) data, size);
	}
	walk_text(CLF_TOKENIZER_UNICODE, 31, true, (const char *) data, size);
	return 0;
}

/*
 * fuzz_tokenizer.c
 *	  libFuzzer on both tokenizers: spans in order, in bounds, between
 *	  characters; an error exactly where the text is not UTF-8.
 */
#include "fuzz.h"

#include "tokenizer.h"

static void
walk_text(ClfTokenizerKind kind, const char *text, size_t length)
{
	ClfTokenWalk walk;
	ClfTokenSpan span;
	ClfError	error;
	bool		more = true;
	size_t		end = 0;

	clf_walk_start(&walk, kind, text, length);
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
		end = span.end;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	walk_text(CLF_TOKENIZER_UNICODE, (const char *) data, size);
	walk_text(CLF_TOKENIZER_KERAS, (const char *) data, size);
	return 0;
}

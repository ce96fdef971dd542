/*
 * fuzz_mask.c
 *	  libFuzzer on what is masked: any pattern on any text gives places in
 *	  order, in bounds, between characters, or a reason why not; the places are
 *	  those that ICU finds in the same text in UTF-16; nothing of them is left
 *	  in a token, nor changes those beside it.
 *
 * The first byte chooses kinds, the second how often the text is repeated, the
 * third after how many questions the host wants no more (0: never), the fourth
 * the tokenizer and whether the host drops its memory at once.  Then come the
 * pattern, a NUL, and the text.
 */
#include "fuzz.h"

#include <unicode/uregex.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "tokenizer.h"

#define CONTROLS 4
#define LONGEST 70000			/* bytes of a text that is repeated: more than 2^16 */
#define COMPARED 4096			/* bytes of a text that is compared with UTF-16 */
#define STEPS 20				/* of 10,000 states each, there */

typedef struct Places
{
	ClfMaskSpan *span;
	size_t		count;
	size_t		capacity;
} Places;

/* A host: its memory, what it is asked, what it does at its end. */
typedef struct Host
{
	unsigned	patience;		/* questions, 0: any number */
	unsigned	asked;
	void		(*callback) (void *argument);
	void	   *argument;
} Host;

static Places masked;			/* of the last text */
static Places again;
static Places kinds_alone;
static UChar wide[COMPARED];	/* the text in UTF-16 ... */
static size_t place_of_wide[COMPARED + 1];	/* ... and where its units are in UTF-8 */

static bool
is_stopped(void *context)
{
	Host	   *host = context;

	host->asked++;
	return host->patience != 0 && host->asked >= host->patience;
}

/* ClfAllocator.at_end: there is one pattern */
static bool
call_at_end(void *context, void (*callback) (void *argument), void *argument)
{
	Host	   *host = context;

	FUZZ_CHECK(host->callback == NULL);
	host->callback = callback;
	host->argument = argument;
	return true;
}

static void
add_place(Places *places, const ClfMaskSpan *span)
{
	if (places->count == places->capacity)
	{
		places->capacity = places->capacity * 2 + 64;
		places->span = realloc(places->span, places->capacity * sizeof *places->span);
	}
	places->span[places->count++] = *span;
}

static bool
is_border(const char *text, size_t length, size_t place)
{
	return place == length || ((unsigned char) text[place] & 0xC0) != 0x80;
}

/* The places of a text, which are checked. */
static ClfStatus
find_places(const ClfConfig *config, ClfMem *mem, ClfPattern **pattern, const char *text, size_t length,
			bool valid, Places *places)
{
	ClfMask		mask;
	ClfMaskSpan span;
	ClfError	error;
	ClfStatus	status = clf_mask_start(&mask, config, mem, pattern, text, length, &error);
	size_t		end = 0;

	places->count = 0;
	for (;;)
	{
		if (status == CLF_OK)
			status = clf_mask_next(&mask, &span, &error);
		if (status != CLF_OK)
		{
			FUZZ_CHECK(status == CLF_ERR_STOPPED || (status == CLF_ERR_LIMIT && error.detail[0] != '\0'));
			break;
		}
		FUZZ_CHECK(span.start >= end && span.start <= span.end && span.end <= length);
		if (span.start == length)
			break;
		FUZZ_CHECK(span.start < span.end);
		if (valid)
			FUZZ_CHECK(is_border(text, length, span.start) && is_border(text, length, span.end));
		end = span.end;
		add_place(places, &span);
	}
	clf_mask_end(&mask);
	return status;
}

static bool
same_places(const Places *a, const Places *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->span[i].start != b->span[i].start || a->span[i].end != b->span[i].end || a->span[i].name != b->span[i].name)
			return false;
	return true;
}

/* ---- a reference ---- */

/* UBool (*) (const void *, int32_t): it may take so long */
static UBool U_CALLCONV
count_steps(const void *context, int32_t steps)
{
	(void) context;
	return steps < STEPS;
}

static size_t
widen(const char *text, size_t length)
{
	const uint8_t *bytes = (const uint8_t *) text;
	size_t		units = 0;

	for (size_t i = 0; i < length;)
	{
		size_t		start = i;
		UChar32		c;

		U8_NEXT(bytes, i, length, c);
		place_of_wide[units] = start;
		if (c > 0xFFFF)
			place_of_wide[units + 1] = start;
		U16_APPEND_UNSAFE(wide, units, c);
	}
	place_of_wide[units] = length;
	return units;
}

/* Cover a text with what ICU finds of the pattern in UTF-16; false if that takes too long. */
static bool
cover_matches(const char *pattern, const char *text, size_t length, char *covered)
{
	UErrorCode	code = U_ZERO_ERROR;
	UText		source = UTEXT_INITIALIZER;
	size_t		units = widen(text, length);
	URegularExpression *compiled;

	utext_openUTF8(&source, pattern, -1, &code);
	compiled = uregex_openUText(&source, 0, NULL, &code);
	utext_close(&source);
	uregex_setMatchCallback(compiled, count_steps, NULL, &code);
	uregex_setText(compiled, wide, (int32_t) units, &code);
	FUZZ_CHECK(U_SUCCESS(code));
	while (uregex_findNext(compiled, &code) && U_SUCCESS(code))
	{
		size_t		start = place_of_wide[uregex_start(compiled, 0, &code)];
		size_t		end = place_of_wide[uregex_end(compiled, 0, &code)];

		memset(covered + start, 1, end - start);
	}
	uregex_close(compiled);
	return U_SUCCESS(code);
}

static void
cover_places(const Places *places, char *covered)
{
	for (size_t i = 0; i < places->count; i++)
		memset(covered + places->span[i].start, 1, places->span[i].end - places->span[i].start);
}

/* What is masked is what a kind or the pattern finds, each for itself. */
static void
compare(const ClfConfig *config, const char *text, size_t length)
{
	static char expected[COMPARED];
	static char covered[COMPARED];
	ClfConfig	kinds = *config;

	memset(expected, 0, length);
	memset(covered, 0, length);
	kinds.mask_pattern[0] = '\0';
	FUZZ_CHECK(find_places(&kinds, NULL, NULL, text, length, true, &kinds_alone) == CLF_OK);
	cover_places(&kinds_alone, expected);
	if (config->mask_pattern[0] != '\0' && !cover_matches(config->mask_pattern, text, length, expected))
		return;
	cover_places(&masked, covered);
	FUZZ_CHECK(memcmp(covered, expected, length) == 0);
}

/* ---- tokens ---- */

/* Tokens of [start, end) of a text without masks are the next of walk. */
static void
check_gap(const ClfConfig *config, ClfTokenWalk *walk, const char *text, size_t start, size_t end)
{
	ClfTokenWalk alone;
	ClfTokenSpan expected;
	ClfTokenSpan span;
	ClfError	error;
	bool		more = true;

	clf_walk_start(&alone, config->tokenizer, text + start, end - start);
	for (;;)
	{
		FUZZ_CHECK(clf_walk_next(&alone, &expected, &more, &error) == CLF_OK);
		if (!more)
			return;
		FUZZ_CHECK(clf_walk_next(walk, &span, &more, &error) == CLF_OK && more);
		FUZZ_CHECK(span.start == start + expected.start && span.end == start + expected.end);
		FUZZ_CHECK(span.length == expected.length && memcmp(span.text, expected.text, span.length) == 0);
		if ((config->mask & 1 << CLF_MASK_NUMBER) != 0)
			for (size_t i = 0; i < span.length; i++)
				FUZZ_CHECK(span.text[i] < '0' || span.text[i] > '9');
	}
}

/* Tokens are placeholders, and between them those of what is not masked. */
static void
check_tokens(const ClfConfig *config, ClfMem *mem, ClfPattern **pattern, const char *text, size_t length)
{
	ClfMask		mask;
	ClfTokenWalk walk;
	ClfTokenSpan span;
	ClfError	error;
	bool		more;
	size_t		end = 0;

	clf_walk_start(&walk, config->tokenizer, text, length);
	FUZZ_CHECK(clf_mask_start(&mask, config, mem, pattern, text, length, &error) == CLF_OK);
	FUZZ_CHECK(clf_walk_mask(&walk, &mask, &error) == CLF_OK);
	for (size_t i = 0; i < masked.count; i++)
	{
		const ClfMaskSpan *place = &masked.span[i];

		check_gap(config, &walk, text, end, place->start);
		FUZZ_CHECK(clf_walk_next(&walk, &span, &more, &error) == CLF_OK && more);
		FUZZ_CHECK(span.start == place->start && span.end == place->end);
		FUZZ_CHECK(span.length == strlen(place->name) && memcmp(span.text, place->name, span.length) == 0);
		end = place->end;
	}
	check_gap(config, &walk, text, end, length);
	FUZZ_CHECK(clf_walk_next(&walk, &span, &more, &error) == CLF_OK && !more);
	clf_mask_end(&mask);
}

/* ---- the target ---- */

/*
 * The text once or, if control says so, more often, or to the limit of bytes; of
 * exactly this size, so that what is read beyond its end is noticed.
 */
static char *
repeat(const uint8_t *data, size_t size, uint8_t control, size_t limit, size_t *length)
{
	size_t		times = control < 224 ? 1 : control < 255 ? control % 32 : limit;
	char	   *text;

	if (times > 1 && size * times > limit)
		times = limit / size;
	*length = size * times;
	text = malloc(*length);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * size, data, size);
	return text;
}

static void
mask_text(const ClfConfig *config, ClfAllocator *allocator, Host *host, const char *text, size_t length)
{
	ClfMem		mem;
	ClfPattern *pattern = NULL;
	ClfError	error;
	ClfStatus	status;
	bool		valid = clf_check_utf8(text, length, &error) == CLF_OK;

	clf_mem_init(&mem, allocator);
	status = find_places(config, &mem, &pattern, text, length, valid, &masked);
	FUZZ_CHECK((status == CLF_ERR_STOPPED) == (host->patience != 0 && host->asked >= host->patience));
	host->patience = host->asked = 0;
	/* what happened before leaves no trace in the pattern */
	if (status == CLF_ERR_STOPPED)
		status = find_places(config, &mem, &pattern, text, length, valid, &masked);
	if (status == CLF_OK)
	{
		FUZZ_CHECK(find_places(config, &mem, &pattern, text, length, valid, &again) == CLF_OK);
		FUZZ_CHECK(same_places(&masked, &again));
		if (valid)
			check_tokens(config, &mem, &pattern, text, length);
		if (valid && length <= COMPARED)
			compare(config, text, length);
	}
	clf_pattern_free(&pattern);
	if (host->callback != NULL)
	{
		host->callback(host->argument);
		clf_mem_free(&mem, host->argument);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static ClfConfig config;
	Host		host = {0};
	ClfAllocator allocator = fuzz_allocator;
	ClfError	error;
	const uint8_t *end;
	const uint8_t *pattern = data + CONTROLS;
	size_t		length;
	char	   *text;

	if (size < CONTROLS)
		return 0;
	end = memchr(pattern, 0, size - CONTROLS);
	if (end == NULL || end - pattern > CLF_MAX_PATTERN)
		return 0;
	config.mask = data[0] & 31;
	config.tokenizer = data[3] & 1;
	memcpy(config.mask_pattern, pattern, (size_t) (end - pattern) + 1);
	if (clf_config_check(&config, &error) != CLF_OK)
	{
		FUZZ_CHECK(error.status == CLF_ERR_DATA && error.detail[0] != '\0');
		return 0;
	}
	host.patience = data[2];
	allocator.context = &host;
	allocator.stopped = is_stopped;
	if (data[3] & 2)
		allocator.at_end = call_at_end;
	text = repeat(end + 1, (size_t) (data + size - end) - 1, data[1], config.mask == 0 ? LONGEST : COMPARED, &length);
	mask_text(&config, &allocator, &host, text, length);
	free(text);
	FUZZ_CHECK(fuzz_blocks == 0);
	return 0;
}

/*
 * mask.c
 *	  The places of a text that are masked.
 *
 * Two walks over the text that do not know of each other, one for kinds and one
 * for the pattern, whose places are merged: what either finds is masked whole.
 * Regular expressions are ICU's.  A pattern may come from anyone, so its steps
 * and its stack are bounded.  ICU's memory is not the host's: it is given back
 * with the pattern, at the latest when the host's goes (ClfAllocator.at_end).
 * It must not know tokens.
 */
#include "mask.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unicode/uregex.h>
#include <unicode/utext.h>

#include "error.h"
#include "sensitive.h"

#define PATTERN_NAME "<masked>"
#define PATTERN_STACK 16000000	/* bytes of saved states */
#define PATTERN_SECONDS 2		/* of the CPU, for what saves no states */
#ifndef PATTERN_STEPS			/* fuzz targets have less of everything */
#define PATTERN_STEPS 1000		/* of 10,000 states each that a pattern may save for a text */
#define PATTERN_TRIES 256		/* places, between looks at the clock */
#define PATTERN_CHUNKS 4096		/* of 32 characters that are read, likewise */
#define PLACES 4096				/* between questions to the host */
#define ITERATED 1000000		/* bytes of a text whose grapheme clusters or dictionary words count */
#endif

/* In the order of the bits of option mask. */
static const struct
{
	size_t		(*find) (const char *text, size_t length, size_t start, const ClfMem *mem);
	const char *name;
}			kinds[] = {
	{clf_sensitive_email, "<email>"},
	{clf_sensitive_url, "<url>"},
	{clf_sensitive_number, "<number>"},
	{clf_sensitive_card, "<card>"},
	{clf_sensitive_phone, "<phone>"},
};

/* The kinds by who may have a place first: the more a kind says, the earlier. */
static const int precedence[] = {CLF_MASK_URL, CLF_MASK_EMAIL, CLF_MASK_CARD, CLF_MASK_PHONE, CLF_MASK_NUMBER};

#define KINDS (sizeof kinds / sizeof kinds[0])

bool
clf_masks(const ClfConfig *config)
{
	return config->mask != 0 || config->mask_pattern[0] != '\0';
}

/* ---- the pattern ---- */

static URegularExpression *
open_pattern(const char *pattern, UParseError *place, UErrorCode *code)
{
	UText		text = UTEXT_INITIALIZER;
	URegularExpression *result;

	utext_openUTF8(&text, pattern, -1, code);
	result = uregex_openUText(&text, 0, place, code);
	utext_close(&text);
	return result;
}

static ClfStatus
fail_pattern(UErrorCode code, ClfError *error)
{
	if (code == U_MEMORY_ALLOCATION_ERROR)
		return clf_fail_memory(error);
	clf_fail(error, CLF_ERR_LIMIT, "the regular expression of option \"mask_pattern\" takes too long for a text");
	return clf_detail(error, "ICU says %s.", u_errorName(code));
}

struct ClfPattern
{
	UTextFuncs	functions;		/* with which ICU reads a text, as long as compiled is there */
	const UTextFuncs *plain;	/* those of ICU that they stand for */
	ClfMask    *mask;			/* of the text */
	ClfMem	   *mem;
	bool		lasting;		/* its memory may not go before all other does */
	bool		searches;		/* the text is being searched */
	bool		iterates;		/* compiled has an iterator over characters or words */
	URegularExpression *compiled;	/* NULL: not yet */
};

/* ClfAllocator.at_end: ICU's memory is not the host's. */
static void
close_pattern(void *argument)
{
	ClfPattern *pattern = argument;

	uregex_close(pattern->compiled);
	pattern->compiled = NULL;
}

void
clf_pattern_free(ClfPattern **pattern)
{
	if (*pattern == NULL)
		return;
	close_pattern(*pattern);
	if (!(*pattern)->lasting)
		clf_mem_free((*pattern)->mem, *pattern);
	*pattern = NULL;
}

/* Have a pattern, not yet compiled, in *pattern. */
static ClfStatus
new_pattern(ClfMem *mem, ClfPattern **pattern, ClfError *error)
{
	const ClfAllocator *allocator = &mem->allocator;
	ClfPattern *result = clf_mem_alloc_zero(mem, 1, sizeof *result);

	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	if (allocator->at_end != NULL)
	{
		if (!allocator->at_end(allocator->context, close_pattern, result))
		{
			clf_mem_free(mem, result);
			return clf_fail_memory(error);
		}
		result->lasting = true;
	}
	*pattern = result;
	return CLF_OK;
}

/* Make the pattern of a configuration ready for a text of so many bytes, if it is not. */
static ClfStatus
prepare_pattern(const ClfConfig *config, ClfMem *mem, size_t length, ClfPattern **pattern, ClfError *error)
{
	UErrorCode	code = U_ZERO_ERROR;
	ClfPattern *result;
	ClfStatus	status;

	if (*pattern == NULL)
	{
		status = new_pattern(mem, pattern, error);
		if (status != CLF_OK)
			return status;
	}
	result = *pattern;
	if (result->iterates && length > ITERATED)
		close_pattern(result);
	if (result->compiled != NULL)
		return CLF_OK;
	result->iterates = false;
	result->compiled = open_pattern(config->mask_pattern, NULL, &code);
	uregex_setTimeLimit(result->compiled, PATTERN_STEPS, &code);
	uregex_setStackLimit(result->compiled, PATTERN_STACK, &code);
	if (U_SUCCESS(code))
		return CLF_OK;
	close_pattern(result);
	return fail_pattern(code, error);
}

ClfStatus
clf_check_pattern(const char *pattern, ClfError *error)
{
	UParseError place = {0};
	UErrorCode	code = U_ZERO_ERROR;
	URegularExpression *compiled = open_pattern(pattern, &place, &code);

	uregex_close(compiled);
	if (U_SUCCESS(code))
		return CLF_OK;
	if (code == U_MEMORY_ALLOCATION_ERROR)
		return clf_fail_memory(error);
	clf_fail(error, CLF_ERR_DATA, "option \"mask_pattern\" is not a regular expression");
	return clf_detail(error, "ICU says %s in line %d, near character %d.", u_errorName(code),
					  place.line > 0 ? (int) place.line : 1, place.offset > 0 ? (int) place.offset : 1);
}

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

/*
 * May the search go on?  ICU counts the states that it saves, and nothing else: not
 * the places that it tries, nor the characters that it reads.
 */
static bool
may_go_on(ClfMask *mask)
{
	if (mask->begun == 0)
		mask->begun = cpu_seconds();
	if (cpu_seconds() - mask->begun >= PATTERN_SECONDS || clf_mem_stopped(mask->mem))
		mask->stopped = true;
	return !mask->stopped;
}

/* uregex_setFindProgressCallback: at each place */
static UBool U_CALLCONV
try_place(const void *context, int64_t place)
{
	ClfMask    *mask = (ClfMask *) (uintptr_t) context;

	(void) place;
	return !mask->stopped && (mask->tries++ % PATTERN_TRIES != 0 || may_go_on(mask));
}

/* uregex_setMatchCallback: after so many saved states */
static UBool U_CALLCONV
count_states(const void *context, int32_t steps)
{
	(void) steps;
	return may_go_on((ClfMask *) (uintptr_t) context);
}

static const UChar blank[] = {' '};

/*
 * UTextFuncs.access.  A loop over characters has no other way out than that these
 * end: of a search that may not go on, one blank is the rest of the text.
 */
static UBool U_CALLCONV
read_chunk(UText *text, int64_t index, UBool forward)
{
	const ClfPattern *pattern = (const ClfPattern *) text->pFuncs;
	ClfMask    *mask = pattern->mask;
	int64_t		length = (int64_t) mask->length;

	if (!mask->stopped && (mask->chunks++ % PATTERN_CHUNKS != 0 || may_go_on(mask)))
		return pattern->plain->access(text, index, forward);
	index = index < 0 ? 0 : index > length ? length : index;
	text->chunkContents = blank;
	text->chunkLength = 1;
	text->nativeIndexingLimit = 0;
	/* forwards all that follows, backwards one byte, which a loop went over before */
	text->chunkNativeStart = forward ? index : index - 1;
	text->chunkNativeLimit = forward ? length : index;
	text->chunkOffset = forward ? 0 : 1;
	if (text->chunkNativeStart >= 0 && text->chunkNativeStart < length)
		return true;
	text->chunkNativeStart = 0;
	text->chunkNativeLimit = length;
	text->chunkOffset = forward ? 1 : 0;
	return false;
}

/* UTextFuncs.mapOffsetToNative */
static int64_t U_CALLCONV
place_of(const UText *text)
{
	if (text->chunkContents != blank)
		return ((const ClfPattern *) text->pFuncs)->plain->mapOffsetToNative(text);
	return text->chunkOffset == 0 ? text->chunkNativeStart : text->chunkNativeLimit;
}

/* UTextFuncs.mapNativeIndexToUTF16 */
static int32_t U_CALLCONV
offset_of(const UText *text, int64_t place)
{
	if (text->chunkContents != blank)
		return ((const ClfPattern *) text->pFuncs)->plain->mapNativeIndexToUTF16(text, place);
	return place < text->chunkNativeLimit ? 0 : 1;
}

/*
 * UTextFuncs.clone: in a search, for an iterator, which \X and flag w need.  In scripts
 * that do not separate words it takes what is between two spaces at once, with a
 * dictionary, asks nobody meanwhile, and needs ten times the memory: not of long texts.
 */
static UText *U_CALLCONV
clone_text(UText *to, const UText *from, UBool deep, UErrorCode *code)
{
	ClfPattern *pattern = (ClfPattern *) (uintptr_t) from->pFuncs;

	if (pattern->searches)
	{
		pattern->iterates = true;
		if (pattern->mask->length > ITERATED)
			pattern->mask->stopped = true;
	}
	return pattern->plain->clone(to, from, deep, code);
}

/* Have the pattern search the text of a mask. */
static ClfStatus
start_pattern(ClfMask *mask, ClfPattern *pattern, ClfError *error)
{
	UErrorCode	code = U_ZERO_ERROR;
	UText	   *text = utext_openUTF8(NULL, mask->text, (int64_t) mask->length, &code);

	if (U_FAILURE(code))
		return fail_pattern(code, error);
	pattern->mask = mask;
	pattern->searches = false;
	pattern->plain = text->pFuncs;
	pattern->functions = *text->pFuncs;
	pattern->functions.clone = clone_text;
	pattern->functions.access = read_chunk;
	pattern->functions.mapOffsetToNative = place_of;
	pattern->functions.mapNativeIndexToUTF16 = offset_of;
	text->pFuncs = &pattern->functions;
	mask->pattern = pattern->compiled;
	mask->pattern_text = text;
	uregex_setFindProgressCallback(mask->pattern, try_place, mask, &code);
	uregex_setMatchCallback(mask->pattern, count_states, mask, &code);
	uregex_setUText(mask->pattern, text, &code);
	pattern->searches = true;
	return U_SUCCESS(code) ? CLF_OK : fail_pattern(code, error);
}

/* Bring the pattern's next match that is not empty into mask->matched. */
static ClfStatus
find_match(ClfMask *mask, ClfError *error)
{
	UErrorCode	code = U_ZERO_ERROR;

	mask->matched.start = mask->matched.end = mask->length;
	if (mask->pattern == NULL)
		return CLF_OK;
	while (uregex_findNext(mask->pattern, &code) && U_SUCCESS(code))
	{
		int64_t		start = uregex_start64(mask->pattern, 0, &code);
		int64_t		end = uregex_end64(mask->pattern, 0, &code);

		if (!try_place(mask, start))
			break;
		if (end <= start)
			continue;
		mask->matched.start = (size_t) start;
		mask->matched.end = (size_t) end;
		break;
	}
	if (mask->stopped && clf_mem_stopped(mask->mem))
		return clf_fail_stopped(error);
	if (mask->stopped)
		code = U_REGEX_STOPPED_BY_CALLER;
	return U_SUCCESS(code) ? CLF_OK : fail_pattern(code, error);
}

/* ---- kinds ---- */

/* The kind of what is at start, and its *end; -1 for nothing. */
static int
kind_at(const ClfMask *mask, size_t start, size_t *end)
{
	for (size_t i = 0; i < KINDS; i++)
	{
		int			kind = precedence[i];

		if ((mask->kinds & 1 << kind) == 0)
			continue;
		*end = kinds[kind].find(mask->text, mask->length, start, mask->mem);
		if (*end > start)
			return kind;
	}
	return -1;
}

/* Bring the next place of a kind into mask->found. */
static ClfStatus
find_kind(ClfMask *mask, ClfError *error)
{
	int			places = 0;

	mask->found.start = mask->found.end = mask->length;
	while (mask->kinds != 0 && mask->looked < mask->length)
	{
		size_t		start = mask->looked;
		size_t		end;
		int			kind = kind_at(mask, start, &end);

		if (kind >= 0 && end - start >= PLACES && clf_mem_stopped(mask->mem))
			return clf_fail_stopped(error);
		if (kind >= 0)
		{
			mask->found.start = start;
			mask->found.end = mask->looked = end;
			mask->found.name = kinds[kind].name;
			return CLF_OK;
		}
		if (++places % PLACES == 0 && clf_mem_stopped(mask->mem))
			return clf_fail_stopped(error);
		/* on to the next character */
		do
			mask->looked++;
		while (mask->looked < mask->length && ((unsigned char) mask->text[mask->looked] & 0xC0) == 0x80);
	}
	return CLF_OK;
}

/* ---- the walk ---- */

ClfStatus
clf_mask_start(ClfMask *mask, const ClfConfig *config, ClfMem *mem, ClfPattern **pattern,
			   const char *text, size_t length, ClfError *error)
{
	ClfStatus	status;

	memset(mask, 0, sizeof *mask);
	mask->mem = mem;
	mask->kinds = config->mask;
	mask->text = text;
	mask->length = length;
	mask->matched.name = PATTERN_NAME;
	if (config->mask_pattern[0] != '\0')
	{
		status = prepare_pattern(config, mem, length, pattern, error);
		if (status == CLF_OK)
			status = start_pattern(mask, *pattern, error);
		if (status != CLF_OK)
			return status;
	}
	status = find_kind(mask, error);
	return status == CLF_OK ? find_match(mask, error) : status;
}

void
clf_mask_end(ClfMask *mask)
{
	if (mask->pattern_text != NULL)
		utext_close(mask->pattern_text);
}

/* Cut off what the places before had of it. */
static void
clip(ClfMaskSpan *span, size_t done)
{
	if (span->start < done)
		span->start = done;
}

ClfStatus
clf_mask_next(ClfMask *mask, ClfMaskSpan *span, ClfError *error)
{
	ClfStatus	status = CLF_OK;

	while (status == CLF_OK && mask->found.end <= mask->done && mask->found.start < mask->length)
		status = find_kind(mask, error);
	while (status == CLF_OK && mask->matched.end <= mask->done && mask->matched.start < mask->length)
		status = find_match(mask, error);
	if (status != CLF_OK)
		return status;
	clip(&mask->found, mask->done);
	clip(&mask->matched, mask->done);
	*span = mask->matched.start < mask->found.start ? mask->matched : mask->found;
	mask->done = span->end;
	return CLF_OK;
}

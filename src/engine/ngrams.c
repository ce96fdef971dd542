/*
 * ngrams.c
 *	  Hashed n-grams of a text's tokens.
 *
 * It must not know which of them a model looks at.
 */
#include "ngrams.h"

#include <string.h>

#include "hash.h"

#define CHAR_SEED UINT64_C(0x452821E638D01377)	/* keeps characters apart from words */
#define SHAPE_SEED UINT64_C(0xC0AC29B7C97C50DD) /* and shapes of numbers from both */
#define SKIP_SEED UINT64_C(0xBE5466CF34E90C6C)	/* pairs that skip a word from those that do not */
#define OPENING_SEED UINT64_C(0x3F84D5B5B5470917)	/* and the first word from itself elsewhere */
#define SHAPE_BYTES 3			/* of the shortest number that has a shape */
#define LONG_NUMBER 5			/* bytes of one that is likely a code or a phone's */
#define LONGEST_CHARS 5

void
clf_grams_init(ClfGrams *grams, ClfMem *mem, bool chars)
{
	memset(grams, 0, sizeof *grams);
	grams->mem = mem;
	grams->chars = chars;
}

void
clf_grams_free(ClfGrams *grams)
{
	if (grams->mem != NULL)
		clf_mem_free(grams->mem, grams->hashes);
	memset(grams, 0, sizeof *grams);
}

void
clf_grams_start(ClfGrams *grams)
{
	grams->count = 0;
	memset(grams->previous, 0, sizeof grams->previous);
}

static void
push(ClfGrams *grams, uint64_t hash)
{
	uint32_t	folded = (uint32_t) (hash ^ hash >> 32);

	grams->hashes[grams->count++] = folded ? folded : 1;	/* 0 is no n-gram */
}

/* Length of the UTF-8 character that begins with this byte. */
static size_t
char_length(char first)
{
	unsigned char byte = (unsigned char) first;

	return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* Character n-grams of a word with a space on either side. */
static void
push_chars(ClfGrams *grams, const char *token, size_t length)
{
	char		padded[CLF_MAX_TOKEN_BYTES + 2];

	padded[0] = ' ';
	memcpy(padded + 1, token, length);
	padded[++length] = ' ';
	length++;
	for (size_t start = 0; start < length; start += char_length(padded[start]))
	{
		size_t		end = start + char_length(padded[start]);

		for (int n = 2; n <= LONGEST_CHARS && end < length; n++)
		{
			end += char_length(padded[end]);
			push(grams, clf_hash_bytes(padded + start, end - start, CHAR_SEED));
		}
	}
}

/*
 * What a number looks like: its digits as zeros.  A long one is known as such,
 * too, by the beginning of its shape.
 */
static void
push_shape(ClfGrams *grams, const char *token, size_t length)
{
	char		shape[CLF_MAX_TOKEN_BYTES];

	for (size_t i = 0; i < length; i++)
	{
		bool		digit = token[i] >= '0' && token[i] <= '9';

		if (!digit && token[i] != '.' && token[i] != ',')
			return;
		shape[i] = digit ? '0' : token[i];
	}
	push(grams, clf_hash_bytes(shape, length, SHAPE_SEED));
	if (length >= LONG_NUMBER)
		push(grams, clf_hash_bytes(shape, LONG_NUMBER, ~SHAPE_SEED));
}

/*
 * Pairs with a word of any kind between them, and the word that opens a text:
 * "what ... mean", "not ... good".  Characters of unsegmented scripts stand too
 * close for that.
 */
static void
push_far(ClfGrams *grams, ClfGramToken this)
{
	const ClfGramToken *previous = grams->previous;

	if (this.single)
		return;
	if (previous[0].hash == 0)
		push(grams, clf_hash_mix(OPENING_SEED, this.hash));
	else if (previous[1].hash != 0 && !previous[1].single)
	{
		push(grams, clf_hash_mix(previous[1].hash ^ SKIP_SEED, this.hash));
		grams->reach.skips = true;
	}
}

bool
clf_grams_add(ClfGrams *grams, const char *token, size_t length)
{
	ClfGramToken *previous = grams->previous;
	ClfGramToken this = {clf_hash_bytes(token, length, CLF_HASH_SEED),
		clf_is_single(token, length)};

	if (!clf_mem_grow(grams->mem, (void **) &grams->hashes, &grams->capacity,
					  grams->count + 5 + LONGEST_CHARS * (length + 2),
					  sizeof *grams->hashes))
		return false;
	push(grams, this.hash);
	grams->reach = (ClfReach) {.spans = 1};
	if (previous[0].hash != 0)
	{
		uint64_t	pair = clf_hash_mix(previous[0].hash, this.hash);

		push(grams, pair);
		grams->reach.spans = 2;
		if (this.single && previous[0].single && previous[1].hash != 0 && previous[1].single)
		{
			push(grams, clf_hash_mix(previous[1].hash, pair));
			grams->reach.spans = 3;
		}
	}
	push_far(grams, this);
	if (length >= SHAPE_BYTES && token[0] >= '0' && token[0] <= '9')
		push_shape(grams, token, length);
	/* nothing within a placeholder or a mark says more than the whole */
	if (grams->chars && !this.single && length > 1 && token[0] != '<')
		push_chars(grams, token, length);
	previous[1] = previous[0];
	previous[0] = this;
	return true;
}

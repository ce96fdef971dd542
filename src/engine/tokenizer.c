/*
 * tokenizer.c
 *	  From UTF-8 text to normalised tokens with their place in the text.
 *
 * 'unicode' follows the word boundaries of Unicode Standard Annex #29, with
 * two departures: characters of scripts that do not separate words (Han, Kana,
 * Hangul, Thai, Lao, Khmer, Burmese) are tokens of their own, with the marks
 * that belong to them, and so are symbols and punctuation, where a run of the
 * same one counts as one token.  Tokens are normalised by NFKC and case
 * folding.  'keras' is keras.preprocessing.text.Tokenizer with its default
 * filters.
 *
 * ICU gives the properties of characters and the normal forms.  Only its
 * functions without locale are called.  It must not know the vocabulary.
 */
#include "tokenizer.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>
#include <unicode/uversion.h>

#include "error.h"

#define MAX_FOLD 18				/* UTF-16 units that one character becomes at most */
#define MAX_CHARS (CLF_MAX_PIECE + 2)	/* of a piece: the limit falls between pairs */
#define WIDE_BUFFER (MAX_CHARS * MAX_FOLD)

typedef enum CharClass
{
	CLASS_SPACE,				/* separates, is never part of a token */
	CLASS_LETTER,
	CLASS_DIGIT,
	CLASS_JOINER,				/* like the underscore: part of a word */
	CLASS_EXTEND,				/* belongs to the character before it */
	CLASS_UNSEGMENTED,			/* a token of its own */
	CLASS_MID_LETTER,			/* part of a word between letters */
	CLASS_MID_NUMBER,			/* part of a number between digits */
	CLASS_MID_BOTH,				/* either */
	CLASS_FLAG,					/* regional indicators: two make a flag */
	CLASS_SYMBOL
} CharClass;

const char *
clf_icu_version(void)
{
	return U_ICU_VERSION;
}

void
clf_walk_start(ClfTokenWalk *walk, ClfTokenizerKind kind, const char *text,
			   size_t length)
{
	walk->kind = kind;
	walk->text = text;
	walk->length = length;
	walk->position = 0;
}

/*
 * The character at *position (less than the length), which is moved past it;
 * negative, with *position unchanged, if the bytes are not UTF-8.
 */
static UChar32
next_char(const ClfTokenWalk *walk, size_t *position)
{
	const uint8_t *bytes = (const uint8_t *) walk->text + *position;
	size_t		left = walk->length - *position;
	int32_t		length = left < U8_MAX_LENGTH ? (int32_t) left : U8_MAX_LENGTH;
	int32_t		i = 0;
	UChar32		c;

	U8_NEXT(bytes, i, length, c);
	if (c >= 0)
		*position += (size_t) i;
	return c;
}

static ClfStatus
fail_encoding(const ClfTokenWalk *walk, size_t position, ClfError *error)
{
	clf_fail(error, CLF_ERR_ENCODING, "text is not valid UTF-8");
	return clf_detail(error, "Byte %zu is 0x%02x.", position + 1,
					  (unsigned char) walk->text[position]);
}

ClfStatus
clf_check_utf8(const char *text, size_t length, ClfError *error)
{
	ClfTokenWalk walk;

	clf_walk_start(&walk, CLF_TOKENIZER_UNICODE, text, length);
	while (walk.position < length)
		if (next_char(&walk, &walk.position) < 0)
			return fail_encoding(&walk, walk.position, error);
	return CLF_OK;
}

/* ---- classes of characters ---- */

static bool
is_unsegmented(UChar32 c)
{
	UErrorCode	code = U_ZERO_ERROR;

	switch (uscript_getScript(c, &code))
	{
		case USCRIPT_HAN:
		case USCRIPT_HIRAGANA:
		case USCRIPT_KATAKANA:
		case USCRIPT_HANGUL:
		case USCRIPT_BOPOMOFO:
		case USCRIPT_THAI:
		case USCRIPT_LAO:
		case USCRIPT_KHMER:
		case USCRIPT_MYANMAR:
			return true;
		default:
			return false;
	}
}

static CharClass
class_of_ascii(UChar32 c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return CLASS_LETTER;
	if (c >= '0' && c <= '9')
		return CLASS_DIGIT;
	if (c <= ' ' || c == 0x7F)
		return CLASS_SPACE;
	switch (c)
	{
		case '_':
			return CLASS_JOINER;
		case ':':
			return CLASS_SYMBOL;	/* a letter's in Swedish only; "a:b" are two */
		case ',':
		case ';':
			return CLASS_MID_NUMBER;
		case '.':
		case '\'':
			return CLASS_MID_BOTH;
		default:
			return CLASS_SYMBOL;
	}
}

static CharClass
class_of(UChar32 c)
{
	if (c < 0x80)
		return class_of_ascii(c);

	switch (u_getIntPropertyValue(c, UCHAR_WORD_BREAK))
	{
		case U_WB_EXTEND:
		case U_WB_FORMAT:
		case U_WB_ZWJ:
			return CLASS_EXTEND;
		case U_WB_NUMERIC:
			return CLASS_DIGIT;
		case U_WB_EXTENDNUMLET:
			return CLASS_JOINER;
		case U_WB_MIDLETTER:
			return CLASS_MID_LETTER;
		case U_WB_MIDNUM:
			return CLASS_MID_NUMBER;
		case U_WB_MIDNUMLET:
			return CLASS_MID_BOTH;
		case U_WB_REGIONAL_INDICATOR:
			return CLASS_FLAG;
		case U_WB_ALETTER:
		case U_WB_HEBREW_LETTER:
			return is_unsegmented(c) ? CLASS_UNSEGMENTED : CLASS_LETTER;
		default:
			break;
	}
	if (u_isUWhiteSpace(c) || u_iscntrl(c))
		return CLASS_SPACE;
	if (is_unsegmented(c))
		return CLASS_UNSEGMENTED;
	return u_isalpha(c) ? CLASS_LETTER : CLASS_SYMBOL;
}

static bool
is_word(CharClass class)
{
	return class == CLASS_LETTER || class == CLASS_DIGIT || class == CLASS_JOINER;
}

bool
clf_is_single(const char *token, size_t length)
{
	ClfTokenWalk walk;
	UChar32		c;

	if (length == 0 || (unsigned char) token[0] < 0x80)
		return false;
	clf_walk_start(&walk, CLF_TOKENIZER_UNICODE, token, length);
	c = next_char(&walk, &walk.position);
	return c >= 0 && class_of(c) == CLASS_UNSEGMENTED;
}

/* May middle stand between these two inside a word? (UAX #29, WB6, 7, 11, 12) */
static bool
joins(CharClass before, CharClass middle, CharClass after)
{
	if (before == CLASS_LETTER && after == CLASS_LETTER)
		return middle == CLASS_MID_LETTER || middle == CLASS_MID_BOTH;
	if (before == CLASS_DIGIT && after == CLASS_DIGIT)
		return middle == CLASS_MID_NUMBER || middle == CLASS_MID_BOTH;
	return false;
}

/* ---- the extent of tokens ---- */

/* Move *position over the characters that belong to the one before them. */
static void
skip_extensions(const ClfTokenWalk *walk, size_t *position)
{
	for (int count = 0; count < CLF_MAX_PIECE && *position < walk->length; count++)
	{
		size_t		next = *position;
		UChar32		c = next_char(walk, &next);

		if (c < 0 || class_of(c) != CLASS_EXTEND)
			return;
		*position = next;
	}
}

/* Move *position, which is past a word's first character, to the word's end. */
static void
skip_word(const ClfTokenWalk *walk, CharClass first, size_t *position)
{
	CharClass	last = first;

	for (int count = 1; count < CLF_MAX_PIECE && *position < walk->length; count++)
	{
		size_t		next = *position;
		UChar32		c = next_char(walk, &next);
		CharClass	class = c < 0 ? CLASS_SPACE : class_of(c);

		if (is_word(class))
			last = class;
		else if (class != CLASS_EXTEND)
		{
			/* a character in the middle counts only with what follows it */
			if (next >= walk->length)
				return;
			c = next_char(walk, &next);
			if (c < 0 || !joins(last, class, class_of(c)))
				return;
			last = class_of(c);
			count++;
		}
		*position = next;
	}
}

/*
 * Move *position, which is past a symbol, over its modifiers, over symbols
 * joined to it (emoji sequences), and over repetitions of the same symbol.
 */
static void
skip_symbol(const ClfTokenWalk *walk, UChar32 symbol, size_t *position)
{
	for (int count = 1; count < CLF_MAX_PIECE && *position < walk->length; count++)
	{
		size_t		next = *position;
		UChar32		c = next_char(walk, &next);
		bool		joined = *position >= 3 &&
			memcmp(walk->text + *position - 3, "\xE2\x80\x8D", 3) == 0;

		if (c < 0 || !(c == symbol || class_of(c) == CLASS_EXTEND ||
					   u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER) ||
					   (joined && class_of(c) == CLASS_SYMBOL)))
			return;
		*position = next;
	}
}

/* Move *position, which is past a regional indicator, over its partner. */
static void
skip_flag(const ClfTokenWalk *walk, size_t *position)
{
	size_t		next = *position;
	UChar32		c = next < walk->length ? next_char(walk, &next) : -1;

	if (c >= 0 && class_of(c) == CLASS_FLAG)
		*position = next;
}

/* ---- normal forms ---- */

/* Shorten the length of UTF-8 bytes to at most limit, between characters. */
static size_t
cut_utf8(const char *bytes, size_t length, size_t limit)
{
	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char) bytes[limit] & 0xC0) == 0x80)
		limit--;
	return limit;
}

/* Fold ASCII into the buffer; false if the bytes are not all ASCII. */
static bool
fold_ascii(const char *bytes, size_t length, char *buffer)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if (c >= 0x80)
			return false;
		buffer[i] = (char) (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	return true;
}

/*
 * Write the normal form of a piece, of at most MAX_CHARS characters and
 * valid UTF-8, into buffer [CLF_MAX_TOKEN_BYTES]; returns its length, which is
 * 0 for a piece of nothing but ignorable characters.
 */
static size_t
normalise(ClfTokenizerKind kind, const char *bytes, size_t length, char *buffer)
{
	UChar		source[2 * MAX_CHARS];
	UChar		target[WIDE_BUFFER];
	char		narrow[3 * WIDE_BUFFER];
	int32_t		source_length;
	int32_t		target_length;
	int32_t		narrow_length;
	UErrorCode	code = U_ZERO_ERROR;

	if (length <= CLF_MAX_TOKEN_BYTES && fold_ascii(bytes, length, buffer))
		return length;
	u_strFromUTF8(source, 2 * MAX_CHARS, &source_length, bytes, (int32_t) length, &code);
	if (kind == CLF_TOKENIZER_UNICODE)
		target_length = unorm2_normalize(unorm2_getNFKCCasefoldInstance(&code),
										 source, source_length,
										 target, WIDE_BUFFER, &code);
	else
		target_length = u_strToLower(target, WIDE_BUFFER, source, source_length,
									 "", &code);
	u_strToUTF8(narrow, sizeof narrow, &narrow_length, target, target_length, &code);
	if (U_FAILURE(code))
		return 0;				/* not for valid text of this length */
	length = cut_utf8(narrow, (size_t) narrow_length, CLF_MAX_TOKEN_BYTES);
	memcpy(buffer, narrow, length);
	return length;
}

/* ---- the two tokenizers ---- */

/*
 * Find the next piece: *start and *end.  False at the end of the text; *valid
 * is false, with *start at the offending byte, where the text is not UTF-8.
 */
static bool
next_unicode_piece(ClfTokenWalk *walk, size_t *start, size_t *end, bool *valid)
{
	while (walk->position < walk->length)
	{
		UChar32		c;
		CharClass	class;

		*start = walk->position;
		c = next_char(walk, &walk->position);
		*valid = c >= 0;
		if (!*valid)
			return true;
		class = class_of(c);
		if (class == CLASS_SPACE)
			continue;
		if (is_word(class))
			skip_word(walk, class, &walk->position);
		else if (class == CLASS_UNSEGMENTED)
			skip_extensions(walk, &walk->position);
		else if (class == CLASS_FLAG)
			skip_flag(walk, &walk->position);
		else
			skip_symbol(walk, c, &walk->position);
		*end = walk->position;
		return true;
	}
	return false;
}

/* Keras's default filters, and the space it splits at. */
static bool
is_keras_separator(UChar32 c)
{
	return c == ' ' || c == '\t' || c == '\n' ||
		(c < 0x80 && c > ' ' && c != '\'' && class_of_ascii(c) != CLASS_LETTER &&
		 class_of_ascii(c) != CLASS_DIGIT && c != 0x7F);
}

/* The same for 'keras'; of a word beyond CLF_MAX_PIECE only the beginning counts. */
static bool
next_keras_piece(ClfTokenWalk *walk, size_t *start, size_t *end, bool *valid)
{
	int			count = 0;

	while (walk->position < walk->length)
	{
		size_t		before = walk->position;
		UChar32		c = next_char(walk, &walk->position);

		*valid = c >= 0;
		if (!*valid)
		{
			*start = before;
			return true;
		}
		if (is_keras_separator(c))
		{
			if (count > 0)
				return true;
			continue;
		}
		if (count == 0)
			*start = before;
		if (count < CLF_MAX_PIECE)
			*end = walk->position;
		count++;
	}
	return count > 0;
}

ClfStatus
clf_walk_next(ClfTokenWalk *walk, ClfTokenSpan *span, bool *more, ClfError *error)
{
	size_t		start = 0;
	size_t		end = 0;
	bool		valid = true;

	while (walk->kind == CLF_TOKENIZER_KERAS ?
		   next_keras_piece(walk, &start, &end, &valid) :
		   next_unicode_piece(walk, &start, &end, &valid))
	{
		size_t		length;

		if (!valid)
			return fail_encoding(walk, start, error);
		length = normalise(walk->kind, walk->text + start, end - start,
						   walk->buffer);
		if (length == 0)
			continue;
		span->start = start;
		span->end = end;
		span->text = walk->buffer;
		span->length = length;
		*more = true;
		return CLF_OK;
	}
	*more = false;
	return CLF_OK;
}

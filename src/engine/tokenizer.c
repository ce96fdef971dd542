/*
 * tokenizer.c
 *	  From UTF-8 text to normalised tokens with their place in the text.
 *
 * 'unicode' follows the word boundaries of Unicode Standard Annex #29, with
 * three departures: characters of scripts that do not separate words (Han,
 * Kana, Hangul, Thai, Lao, Khmer, Burmese, ...) are tokens of their own, with
 * what belongs to their syllable; so are symbols and punctuation, where a run
 * of the same one counts as one token; URLs and e-mail addresses are taken
 * apart.  Tokens are normalised by NFKC and case folding, and by what keeps
 * spellings of one word apart without need (see drop_variants); that a word begins
 * with a capital, or is all of capitals, may be kept as a token before it, a mark,
 * unless the word before has the same or there is none.  'keras' is
 * keras.preprocessing.text.Tokenizer with its default filters.  With both,
 * what is masked (mask.c) is a token of its own, and nothing reaches across it.
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
#include "recognise.h"

#define URL_TOKEN "<url>"		/* no text gives these: < and > are tokens of their own */
#define EMAIL_TOKEN "<email>"

static const char title_mark[] = "<title>";
static const char upper_mark[] = "<upper>";

#define KEYCAP 0x20E3
#define BLACK_FLAG "\xF0\x9F\x8F\xB4"

#define MAX_FOLD 18				/* UTF-16 units that one character becomes at most */
#define MAX_CHARS (CLF_MAX_PIECE + 2)	/* of a piece: the limit falls between pairs */
#define WIDE_BUFFER (MAX_CHARS * MAX_FOLD)

typedef enum CharClass
{
	CLASS_SPACE,				/* separates, is never part of a token */
	CLASS_LETTER,
	CLASS_HEBREW,				/* a letter that a double quote may join, too */
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
	walk->position = walk->begin = 0;
	walk->host_end = walk->words_end = walk->end = 0;
	walk->mask = NULL;
	walk->capitals = walk->begun = false;
	walk->run = NULL;
	walk->marked.length = 0;
	walk->text_length = length;
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
		case USCRIPT_TAI_LE:
		case USCRIPT_NEW_TAI_LUE:
		case USCRIPT_LANNA:
		case USCRIPT_TAI_VIET:
		case USCRIPT_JAVANESE:
		case USCRIPT_BALINESE:
		case USCRIPT_YI:
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

/* Tibetan's and Ethiopic's marks between syllables and words */
static bool
is_divider(UChar32 c)
{
	return c == 0x0F0B || c == 0x0F0C || c == 0x1361;
}

static CharClass
class_of(UChar32 c)
{
	if (c < 0x80)
		return class_of_ascii(c);
	if (is_divider(c))
		return CLASS_SPACE;

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
		case U_WB_KATAKANA:		/* long vowels are of no script */
			return CLASS_UNSEGMENTED;
		case U_WB_HEBREW_LETTER:
			return CLASS_HEBREW;
		case U_WB_ALETTER:
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
is_letter(CharClass class)
{
	return class == CLASS_LETTER || class == CLASS_HEBREW;
}

static bool
is_word(CharClass class)
{
	return is_letter(class) || class == CLASS_DIGIT || class == CLASS_JOINER;
}

bool
clf_is_single(const char *token, size_t length)
{
	ClfTokenWalk walk;
	UErrorCode	code = U_ZERO_ERROR;
	UChar32		c;

	if (length == 0 || (unsigned char) token[0] < 0x80)
		return false;
	clf_walk_start(&walk, CLF_TOKENIZER_UNICODE, token, length);
	c = next_char(&walk, &walk.position);
	return c >= 0 && (class_of(c) == CLASS_UNSEGMENTED ||
					  uscript_getScript(c, &code) == USCRIPT_TIBETAN);
}

/* May c stand between these two inside a word? (UAX #29, WB6, 7, 7b, 7c, 11, 12) */
static bool
joins(CharClass before, UChar32 c, CharClass middle, CharClass after)
{
	if (before == CLASS_HEBREW && after == CLASS_HEBREW && c == '"')
		return true;
	if (is_letter(before) && is_letter(after))
		return middle == CLASS_MID_LETTER || middle == CLASS_MID_BOTH;
	if (before == CLASS_DIGIT && after == CLASS_DIGIT)
		return middle == CLASS_MID_NUMBER || middle == CLASS_MID_BOTH;
	return false;
}

/* ---- the extent of tokens ---- */

/* Does c, which is no mark, belong to the character before it? */
static bool
ends_syllable(UChar32 before, UChar32 c)
{
	if (before >= 0x80 &&
		u_getIntPropertyValue(before, UCHAR_INDIC_SYLLABIC_CATEGORY) == U_INSC_INVISIBLE_STACKER)
		return class_of(c) == CLASS_UNSEGMENTED;	/* written below it */
	switch (u_getIntPropertyValue(c, UCHAR_GRAPHEME_CLUSTER_BREAK))
	{
		case U_GCB_SPACING_MARK:
		case U_GCB_V:			/* parts of a decomposed Hangul syllable */
		case U_GCB_T:
			return class_of(c) == CLASS_UNSEGMENTED;
		default:
			return false;
	}
}

/* Move *position, which is past first, over the characters that belong to it. */
static void
skip_syllable(const ClfTokenWalk *walk, UChar32 first, size_t *position)
{
	UChar32		last = first;

	for (int count = 0; count < CLF_MAX_PIECE && *position < walk->length; count++)
	{
		size_t		next = *position;
		UChar32		c = next_char(walk, &next);

		if (c < 0 || !(class_of(c) == CLASS_EXTEND || ends_syllable(last, c)))
			return;
		last = c;
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
		UChar32		after;

		if (is_word(class))
			last = class;
		else if (class != CLASS_EXTEND)
		{
			/* a character in the middle counts only with what follows it */
			if (next >= walk->length)
				return;
			after = next_char(walk, &next);
			if (after < 0 || !joins(last, c, class, class_of(after)))
				return;
			last = class_of(after);
			count++;
		}
		*position = next;
		if (c == KEYCAP)
			return;
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
 * Take away, in place, what keeps spellings of one word apart: marks of vowels
 * and the stretching of letters in Arabic, points in Hebrew, the dot that
 * Turkish capitals keep and the one that its small letters lack, the shapes of
 * apostrophes, and the digits of other scripts.  Returns the new length.
 */
static int32_t
drop_variants(UChar *text, int32_t length)
{
	int32_t		to = 0;

	for (int32_t i = 0; i < length; i++)
	{
		UChar		c = text[i];

		if (c == 0x0640 || (c >= 0x064B && c <= 0x0652) || c == 0x0670 ||
			(c >= 0x0591 && c <= 0x05C7 && u_charType(c) == U_NON_SPACING_MARK) ||
			(c == 0x0307 && to > 0 && text[to - 1] == 'i'))
			continue;
		if (c == 0x0131)
			c = 'i';
		else if (c == 0x2019 || c == 0x05F3)
			c = '\'';
		else if (c == 0x05F4)
			c = '"';
		else if (u_charType(c) == U_DECIMAL_DIGIT_NUMBER)
			c = (UChar) ('0' + u_charDigitValue(c));
		text[to++] = c;
	}
	return to;
}

/*
 * The normal form of 'unicode'.  Case folding leaves out what is not seen, but
 * in the flags of England, Scotland and Wales that is all that tells them apart.
 */
static int32_t
normalise_unicode(const char *bytes, size_t length, const UChar *source,
				  int32_t source_length, UChar *target, UErrorCode *code)
{
	bool		flag = length > strlen(BLACK_FLAG) &&
		memcmp(bytes, BLACK_FLAG, strlen(BLACK_FLAG)) == 0;
	int32_t		result = unorm2_normalize(flag ? unorm2_getNFKCInstance(code) :
										  unorm2_getNFKCCasefoldInstance(code),
										  source, source_length, target, WIDE_BUFFER, code);

	return U_FAILURE(*code) ? 0 : drop_variants(target, result);
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
		target_length = normalise_unicode(bytes, length, source, source_length, target, &code);
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

/* From here on, the walk is in the host and the path of an address. */
static void
enter_address(ClfTokenWalk *walk, const ClfAddress *address)
{
	walk->position = walk->begin + address->host;
	walk->host_end = walk->begin + address->host_end;
	walk->words_end = walk->begin + address->words_end;
	walk->end = walk->begin + address->end;
}

/*
 * Is the word that begins at start, and ends at the walk's position, the
 * beginning of an address?  Its name is then returned, its own token; what
 * comes next are the words of its host and path.
 */
static const char *
find_address(ClfTokenWalk *walk, size_t start)
{
	/* what is masked is none of its business */
	const char *text = walk->text + walk->begin;
	size_t		length = walk->length - walk->begin;
	size_t		next = walk->position - walk->begin;
	char		first;
	ClfAddress	address;

	start -= walk->begin;
	first = text[start] | 0x20;
	if ((first == 'h' || first == 'f' || first == 'w') && next - start >= 3 &&
		clf_find_url(text, length, start, &address))
	{
		enter_address(walk, &address);
		return URL_TOKEN;
	}
	if (next < length && memchr("@.+-%", text[next], 5) != NULL &&
		clf_find_email(text, length, start, &address))
	{
		enter_address(walk, &address);
		return EMAIL_TOKEN;
	}
	return NULL;
}

/*
 * Of an address, its host's words count and those of its path that are made of
 * letters; the rest is numbers of articles and of visitors.
 */
static bool
is_left_out(const ClfTokenWalk *walk, CharClass class, size_t start, size_t end)
{
	if (start >= walk->end)
		return false;
	if (!is_word(class))
		return class != CLASS_UNSEGMENTED;
	for (size_t i = start; start >= walk->host_end && i < end; i++)
		if (walk->text[i] >= '0' && walk->text[i] <= '9')
			return true;
	return false;
}

/* Move the walk, which is past a piece's first character, to the piece's end. */
static void
skip_piece(ClfTokenWalk *walk, UChar32 first, CharClass class)
{
	if (is_word(class))
		skip_word(walk, class, &walk->position);
	else if (class == CLASS_UNSEGMENTED)
		skip_syllable(walk, first, &walk->position);
	else if (class == CLASS_FLAG)
		skip_flag(walk, &walk->position);
	else
		skip_symbol(walk, first, &walk->position);
}

/*
 * Find the next piece: *start and *end, and its *name if it has one in place of
 * a normal form.  False at the end of the text; *valid is false, with *start at
 * the offending byte, where the text is not UTF-8.
 */
static bool
next_unicode_piece(ClfTokenWalk *walk, size_t *start, size_t *end,
				   const char **name, bool *valid)
{
	*name = NULL;
	while (walk->position < walk->length)
	{
		UChar32		c;
		CharClass	class;

		if (walk->position >= walk->words_end && walk->position < walk->end)
		{
			walk->position = walk->end;
			continue;
		}
		*start = walk->position;
		c = next_char(walk, &walk->position);
		*valid = c >= 0;
		if (!*valid)
			return true;
		class = class_of(c);
		if (class == CLASS_SPACE)
			continue;
		skip_piece(walk, c, class);
		*end = walk->position;
		if (is_left_out(walk, class, *start, *end))
			continue;
		if (is_word(class) && c < 0x80 && *start >= walk->end)
		{
			*name = find_address(walk, *start);
			*end = walk->position;
		}
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

/* Find the next masked place; the walk goes as far as there. */
static ClfStatus
approach_mask(ClfTokenWalk *walk, ClfError *error)
{
	ClfStatus	status = clf_mask_next(walk->mask, &walk->masked, error);

	if (status == CLF_OK)
		walk->length = walk->masked.start;
	return status;
}

ClfStatus
clf_walk_mask(ClfTokenWalk *walk, ClfMask *mask, ClfError *error)
{
	walk->mask = mask;
	return approach_mask(walk, error);
}

/* The walk is before a masked place: give its placeholder, and go past it. */
static ClfStatus
take_mask(ClfTokenWalk *walk, ClfTokenSpan *span, ClfError *error)
{
	walk->length = walk->masked.end;
	while (walk->position < walk->length)
		if (next_char(walk, &walk->position) < 0)
			return fail_encoding(walk, walk->position, error);
	span->start = walk->masked.start;
	span->end = walk->masked.end;
	span->text = walk->masked.name;
	span->length = strlen(walk->masked.name);
	span->mark = false;
	walk->run = NULL;
	walk->begin = walk->masked.end;
	return approach_mask(walk, error);
}

/* The mark of the word in [start, end) for its capitals, or NULL. */
static const char *
mark_of(const ClfTokenWalk *walk, size_t start, size_t end)
{
	size_t		position = start;
	int			letters = 0;

	if (!u_isUUppercase(next_char(walk, &position)))
		return NULL;
	for (position = start; position < end;)
	{
		UChar32		c = next_char(walk, &position);

		if (u_isULowercase(c))
			return title_mark;
		letters += u_isalpha(c);
	}
	return letters > 1 ? upper_mark : title_mark;
}

/*
 * Give the mark of a word in its place, if it has one that the word before does not
 * have; the word is the next token, then.  So a heading, and a text that is all
 * capitals, are read nearly as they are without.  That the first word of a text begins
 * with one says nothing of it.
 */
static void
give_mark(ClfTokenWalk *walk, ClfTokenSpan *span)
{
	const char *mark = mark_of(walk, span->start, span->end);
	const char *before = walk->run;

	walk->run = walk->begun || mark == upper_mark ? mark : NULL;
	if (mark == NULL || mark == before || !walk->begun)
		return;
	walk->marked = *span;
	span->text = mark;
	span->length = strlen(mark);
	span->mark = true;
}

/* The next token of what is not masked. */
static ClfStatus
next_token(ClfTokenWalk *walk, ClfTokenSpan *span, bool *more, ClfError *error)
{
	size_t		start = 0;
	size_t		end = 0;
	const char *name = NULL;
	bool		valid = true;

	while (walk->kind == CLF_TOKENIZER_KERAS ?
		   next_keras_piece(walk, &start, &end, &valid) :
		   next_unicode_piece(walk, &start, &end, &name, &valid))
	{
		size_t		length;

		if (!valid)
			return fail_encoding(walk, start, error);
		length = name != NULL ? strlen(name) :
			normalise(walk->kind, walk->text + start, end - start, walk->buffer);
		if (length == 0)
			continue;
		span->start = start;
		span->end = end;
		span->text = name != NULL ? name : walk->buffer;
		span->length = length;
		span->mark = false;
		*more = true;
		if (walk->capitals && name == NULL && start >= walk->end)
			give_mark(walk, span);
		else
			walk->run = NULL;
		return CLF_OK;
	}
	*more = false;
	return CLF_OK;
}

ClfStatus
clf_walk_next(ClfTokenWalk *walk, ClfTokenSpan *span, bool *more, ClfError *error)
{
	ClfStatus	status;

	if (walk->marked.length > 0)
	{
		*span = walk->marked;
		walk->marked.length = 0;
		*more = true;
		return CLF_OK;
	}
	status = next_token(walk, span, more, error);
	if (status == CLF_OK && !*more && walk->length != walk->text_length)
	{
		*more = true;
		status = take_mask(walk, span, error);
	}
	walk->begun = true;
	return status;
}

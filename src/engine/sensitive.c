/*
 * sensitive.c
 *	  Where e-mail addresses, URLs, payment cards, phone numbers and numbers
 *	  stand in a text.
 *
 * Texts are read character by character, with ICU's properties, for addresses
 * and digits are written in all scripts.  It must not know tokens or models.
 */
#include "sensitive.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include "tokenizer.h"

#define MAX_LOCAL 256			/* bytes of an e-mail address before the @ */
#define MAX_HOST 1024			/* bytes */
#define MAX_SCHEME 32
#define MAX_FORM 18				/* UTF-16 units that one character becomes at most */
#define STRIDE 65536			/* bytes, between questions to the host */

/* ---- characters ---- */

/* The character at *position, which is moved past it; -1 at the end or if it is not UTF-8. */
static UChar32
next_char(const char *text, size_t length, size_t *position)
{
	const uint8_t *bytes = (const uint8_t *) text + *position;
	size_t		left = length - *position;
	int32_t		i = 0;
	UChar32		c = -1;

	if (left > 0)
		U8_NEXT(bytes, i, left < U8_MAX_LENGTH ? (int32_t) left : U8_MAX_LENGTH, c);
	if (c >= 0)
		*position += (size_t) i;
	return c;
}

static UChar32
char_at(const char *text, size_t length, size_t position)
{
	return next_char(text, length, &position);
}

/* The character that ends at position, or -1. */
static UChar32
char_before(const char *text, size_t position)
{
	const uint8_t *bytes;
	int32_t		i = position < U8_MAX_LENGTH ? (int32_t) position : U8_MAX_LENGTH;
	UChar32		c;

	if (position == 0)
		return -1;
	bytes = (const uint8_t *) text + position - i;
	U8_PREV(bytes, 0, i, c);
	return c;
}

/* One of these ASCII characters? */
static bool
is_one_of(UChar32 c, const char *characters)
{
	return c > 0 && c < 0x80 && strchr(characters, (int) c) != NULL;
}

static bool
is_ascii_letter(UChar32 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A letter, a mark or a digit of any script? */
static bool
is_alnum(UChar32 c)
{
	if (c < 0x80)
		return is_ascii_letter(c) || (c >= '0' && c <= '9');
	return u_isalnum(c) || (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0;
}

/* A character of a script that does not separate words? */
static bool
is_single(UChar32 c)
{
	uint8_t		bytes[U8_MAX_LENGTH];
	int32_t		count = 0;

	if (c < 0x80)
		return false;
	U8_APPEND_UNSAFE(bytes, count, c);
	return clf_is_single((const char *) bytes, (size_t) count);
}

/*
 * Where words are not separated, an address has no end that could be seen, but
 * for a change of script: may c go on after before?
 */
static bool
goes_on(UChar32 before, UChar32 c)
{
	return !is_alnum(before) || !is_alnum(c) || is_single(before) == is_single(c);
}

/*
 * Does the host want no more?  It is asked once for so many bytes from *asked on,
 * which is moved to position then.
 */
static bool
is_unwanted(const ClfMem *mem, size_t *asked, size_t position)
{
	if (position - *asked < STRIDE)
		return false;
	*asked = position;
	return clf_mem_stopped(mem);
}

/* ---- addresses ---- */

/* May a character be in an e-mail address before the @? */
static bool
is_local(UChar32 c)
{
	return is_alnum(c) || is_one_of(c, "._%+-'&~!#$*");
}

/* The end of a host's name at start: letters, digits, hyphens and dots, at its end none of the latter. */
static size_t
host_end(const char *text, size_t length, size_t start)
{
	size_t		position = start;
	size_t		end = start;
	UChar32		before = -1;

	while (position - start < MAX_HOST)
	{
		UChar32		c = next_char(text, length, &position);

		if (!(is_alnum(c) || is_one_of(c, "-.")) || !goes_on(before, c))
			break;
		if (is_alnum(c))
			end = position;
		before = c;
	}
	return end;
}

/* Is the last label of a host's name one of a top-level domain: two characters or more, no number? */
static bool
has_domain(const char *text, size_t start, size_t end)
{
	size_t		dot = end;

	while (dot > start && text[dot - 1] != '.')
		dot--;
	return dot > start + 1 && end - dot >= 2 && !u_isdigit(char_at(text, end, dot));
}

size_t
clf_sensitive_email(const char *text, size_t length, size_t start, const ClfMem *mem)
{
	UChar32		before = char_before(text, start);
	size_t		position = start;
	UChar32		c = next_char(text, length, &position);
	size_t		end;

	(void) mem;
	if (!is_local(c) || (is_local(before) && goes_on(before, c)))
		return start;
	while (is_local(c) && position - start <= MAX_LOCAL)
	{
		before = c;
		c = next_char(text, length, &position);
		if (is_local(c) && !goes_on(before, c))
			return start;
	}
	if (c != '@')
		return start;
	end = host_end(text, length, position);
	return has_domain(text, position, end) ? end : start;
}

/* The end of what may be the rest of a URL. */
static size_t
url_end(const char *text, size_t length, size_t start, const ClfMem *mem)
{
	size_t		position = start;
	size_t		end = start;
	size_t		asked = start;
	UChar32		before = char_before(text, start);

	for (;;)
	{
		UChar32		c = next_char(text, length, &position);

		if (c < 0x80 ? !(is_alnum(c) || is_one_of(c, "-._~:/?#[]@!$&'()*+,;=%|\\^{}`")) :
			u_isUWhiteSpace(c) || u_ispunct(c) || u_iscntrl(c) || !goes_on(before, c))
			return end;
		if (is_unwanted(mem, &asked, position))
			return end;
		if (!is_one_of(c, ".,:;!?()[]'"))
			end = position;
		before = c;
	}
}

/* The end of "scheme://" at start, or start. */
static size_t
scheme_end(const char *text, size_t length, size_t start)
{
	size_t		end = start;

	while (end < length && end - start < MAX_SCHEME &&
		   (is_ascii_letter(text[end]) || is_one_of(text[end], "0123456789+.-")))
		end++;
	if (end == start || length - end < 3 || memcmp(text + end, "://", 3) != 0)
		return start;
	return end + 3;
}

size_t
clf_sensitive_url(const char *text, size_t length, size_t start, const ClfMem *mem)
{
	UChar32		before = char_before(text, start);
	UChar32		c = char_at(text, length, start);
	size_t		rest = start;
	size_t		end;

	if (!is_alnum(c) || is_one_of(before, "@.-_") || (is_alnum(before) && goes_on(before, c)))
		return start;
	if (is_ascii_letter(c))
		rest = scheme_end(text, length, start);
	if (rest > start)
	{
		end = url_end(text, length, rest, mem);
		return end > rest ? end : start;
	}
	rest = host_end(text, length, start);
	if (!has_domain(text, start, rest))
		return start;
	if (rest - start > 4 && (text[start] | 0x20) == 'w' && (text[start + 1] | 0x20) == 'w' &&
		(text[start + 2] | 0x20) == 'w' && text[start + 3] == '.')
		return url_end(text, length, rest, mem);
	return rest < length && text[rest] == '/' ? url_end(text, length, rest, mem) : start;
}

/* ---- groups of digits ---- */

#define MAX_DIGITS 20
#define MAX_GROUPS 10

/* Digits in groups, as cards and phone numbers are written. */
typedef struct Groups
{
	bool		plus;			/* a + in front */
	int			count;
	int			digits;			/* of all groups */
	char		digit[MAX_DIGITS];
	struct
	{
		char		separator;	/* before it: of space - . / ( ) one that is not a space, if any */
		int			begin;		/* of its digits */
		int			digits;
		size_t		end;		/* in the text */
	}			group[MAX_GROUPS];
} Groups;

/* A digit of any script as '0' to '9', and what separates groups as ASCII; else 0. */
static char
plain(UChar32 c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || is_one_of(c, " -./()+") ? (char) c : 0;
	if (u_charDigitValue(c) >= 0)
		return (char) ('0' + u_charDigitValue(c));
	if (c == 0xFF0B)
		return '+';
	if (c == 0xFF08 || c == 0xFF09)
		return c == 0xFF08 ? '(' : ')';
	if (c == 0xFF0E || c == 0xFF0F)
		return c == 0xFF0E ? '.' : '/';
	if (u_charType(c) == U_SPACE_SEPARATOR)
		return ' ';
	return u_charType(c) == U_DASH_PUNCTUATION || c == 0x2212 ? '-' : 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Read the separator at *position, which is moved to the digit after it: one of
 * space, hyphen, dot and slash, spaces on both sides of a hyphen, or parentheses
 * around a group.  Returns 0 if there is none.
 */
static char
read_separator(const char *text, size_t length, size_t *position)
{
	size_t		next = *position;
	char		sign = 0;

	for (int count = 0; count < 4; count++)
	{
		size_t		at = next;
		char		c = plain(next_char(text, length, &next));

		if (is_digit(c))
		{
			*position = at;
			return sign;
		}
		if (c == 0 || c == '+' || (c == '.' && sign != 0) || (sign == '.' && c != '(') ||
			(c == '/' && sign != 0) || (c == '-' && is_one_of(sign, "-/")))
			return 0;
		if (sign == 0 || c != ' ')
			sign = c;
	}
	return 0;
}

/* Read the groups of digits at start: all of them, or as many as there is room for. */
static void
read_groups(const char *text, size_t length, size_t start, Groups *groups)
{
	size_t		position = start;
	size_t		next = start;
	char		c = plain(next_char(text, length, &next));
	char		separator = 0;

	groups->plus = c == '+';
	groups->count = groups->digits = 0;
	if (c == '+')
		position = next;
	if (is_one_of(plain(char_at(text, length, position)), " ("))
		separator = read_separator(text, length, &position);
	while (groups->count < MAX_GROUPS)
	{
		int			begin = groups->digits;

		for (next = position; is_digit(c = plain(next_char(text, length, &next))); position = next)
		{
			if (groups->digits == MAX_DIGITS)
			{
				groups->digits = begin; /* only whole groups count */
				return;
			}
			groups->digit[groups->digits++] = c;
		}
		if (groups->digits == begin)
			return;
		groups->group[groups->count].separator = separator;
		groups->group[groups->count].begin = begin;
		groups->group[groups->count].digits = groups->digits - begin;
		groups->group[groups->count++].end = position;
		separator = read_separator(text, length, &position);
		if (separator == 0)
			return;
	}
}

/* How many digits the first groups have. */
static int
digits_of(const Groups *groups, int count)
{
	return groups->group[count - 1].begin + groups->group[count - 1].digits;
}

/* The number that a group's first digits, at most 4, are. */
static int
value_of(const Groups *groups, int group)
{
	int			value = 0;

	for (int i = 0; i < groups->group[group].digits && i < 4; i++)
		value = value * 10 + groups->digit[groups->group[group].begin + i] - '0';
	return value;
}

/* Luhn's algorithm */
static bool
is_checked(const char *digits, int count)
{
	int			sum = 0;

	for (int i = 0; i < count; i++)
	{
		int			digit = digits[count - 1 - i] - '0';

		if (i % 2 == 1)
			digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
		sum += digit;
	}
	return sum % 10 == 0;
}

/* Does a group of digits begin at start? */
static bool
begins(const char *text, size_t length, size_t start)
{
	return is_digit(plain(char_at(text, length, start))) &&
		!is_digit(plain(char_before(text, start)));
}

size_t
clf_sensitive_card(const char *text, size_t length, size_t start, const ClfMem *mem)
{
	Groups		groups;
	int			most = 0;		/* groups before one that cards do not have */

	(void) mem;
	if (!begins(text, length, start))
		return start;
	read_groups(text, length, start, &groups);
	while (most < groups.count && (most == 0 || is_one_of(groups.group[most].separator, " -")))
		most++;
	for (; most > 0; most--)
	{
		int			digits = digits_of(&groups, most);

		if (digits >= 13 && digits <= 19 && is_checked(groups.digit, digits))
			return groups.group[most - 1].end;
	}
	return start;
}

/* ---- phone numbers ---- */

static bool
is_day_and_month(int a, int b)
{
	return a >= 1 && b >= 1 && ((a <= 31 && b <= 12) || (a <= 12 && b <= 31));
}

/* Do the groups begin with a date: 31.12.2024, 2024-12-31? */
static bool
is_date(const Groups *groups)
{
	char		separator = groups->count < 3 ? 0 : groups->group[1].separator;
	int			last = groups->count < 3 ? 0 : groups->group[2].digits;

	if (!is_one_of(separator, "-./") || groups->group[2].separator != separator ||
		groups->group[1].digits > 2 || (groups->count > 3 && groups->group[3].separator == separator))
		return false;
	if (groups->group[0].digits == 4)
		return last <= 2 && is_day_and_month(value_of(groups, 1), value_of(groups, 2));
	return groups->group[0].digits <= 2 && (last == 2 || last == 4) &&
		is_day_and_month(value_of(groups, 0), value_of(groups, 1));
}

/* Are the groups two years, 1999-2001? */
static bool
is_years(const Groups *groups, int count)
{
	return count == 2 && groups->group[0].digits == 4 && groups->group[1].digits == 4 &&
		value_of(groups, 0) >= 1800 && value_of(groups, 0) < 2100 &&
		value_of(groups, 1) >= 1800 && value_of(groups, 1) < 2100;
}

/* Do all groups of digits but the first have three, as thousands do? */
static bool
is_thousands(const Groups *groups, int count)
{
	if (groups->group[0].digits > 3 || (groups->group[1].separator == ' ' && groups->group[0].digits == 3))
		return false;
	for (int i = 1; i < count; i++)
		if (groups->group[i].digits != 3 || !is_one_of(groups->group[i].separator, " ."))
			return false;
	return true;
}

/*
 * Are there dots that phone numbers do not have: beside other separators, a
 * single one, or those of an address of the Internet, 192.168.0.1?
 */
static bool
has_bad_dots(const Groups *groups, int count)
{
	int			dots = 0;
	int			others = 0;
	bool		brackets = false;
	bool		address = count == 4;

	for (int i = 0; i < count; i++)
	{
		char		separator = groups->group[i].separator;

		dots += separator == '.';
		others += is_one_of(separator, " -/");
		brackets |= is_one_of(separator, "()");
		address &= groups->group[i].digits <= 3 && value_of(groups, i) <= 255;
	}
	return dots > 0 && (others > 0 || (dots < 2 && !brackets) || address);
}

/* Are the first groups a phone number in a national form? */
static bool
is_national(const Groups *groups, int count)
{
	int			digits = digits_of(groups, count);
	bool		trunk = groups->digit[0] == '0';
	int			lonely = 0;		/* groups of one digit */

	if (digits < 7 || digits > 12 || memcmp(groups->digit, "000", 3) == 0)
		return false;
	if (count == 1)
		return trunk || digits >= 9;
	for (int i = 0; i < count; i++)
	{
		lonely += groups->group[i].digits == 1;
		if (!trunk && (groups->group[i].separator == '/' || (i < count - 1 && groups->group[i].digits > 5)))
			return false;
	}
	if (lonely > 2 || count > 6 || groups->group[count - 1].digits == 1)
		return false;
	if (trunk)
		return groups->group[0].digits > 1;
	return !is_years(groups, count) && !is_thousands(groups, count) && !has_bad_dots(groups, count);
}

/* May a phone number begin at start: no group that is joined to one before it? */
static bool
begins_phone(const char *text, size_t length, size_t start)
{
	UChar32		before = char_before(text, start);

	if (is_one_of(plain(char_at(text, length, start)), "+("))
		return !is_digit(plain(before));
	return begins(text, length, start) &&
		!(is_one_of(before, "-./,:") && is_digit(plain(char_before(text, start - 1))));
}

size_t
clf_sensitive_phone(const char *text, size_t length, size_t start, const ClfMem *mem)
{
	Groups		groups;
	bool		international;

	if (!begins_phone(text, length, start) || clf_sensitive_card(text, length, start, mem) > start)
		return start;
	read_groups(text, length, start, &groups);
	if (groups.count == 0 || is_date(&groups))
		return start;
	international = groups.plus ||
		(groups.digits > 2 && memcmp(groups.digit, "00", 2) == 0 && groups.digit[2] != '0');
	for (int count = groups.count; count > 0; count--)
	{
		int			digits = digits_of(&groups, count) - (groups.plus ? 0 : 2);

		/* what is joined by more than a space is one */
		if (count < groups.count && groups.group[count].separator != ' ')
			continue;
		if (international ? digits >= 7 && digits <= 15 : is_national(&groups, count))
			return groups.group[count - 1].end;
	}
	return start;
}

/* ---- numbers ---- */

#define NUMERALS (U_GC_ND_MASK | U_GC_NO_MASK)

/* Is a symbol written with numerals in normal form, as those of months and hours are? */
static bool
has_numerals(UChar32 c)
{
	UErrorCode	code = U_ZERO_ERROR;
	UChar		form[MAX_FORM];
	int32_t		length = unorm2_getRawDecomposition(unorm2_getNFKCInstance(&code), c, form, MAX_FORM, &code);

	for (int32_t i = 0; U_SUCCESS(code) && i < length; i++)
		if ((U_GET_GC_MASK(form[i]) & NUMERALS) != 0)
			return true;
	return false;
}

/* Is a character a number, or part of one? */
static bool
is_numeral(UChar32 c)
{
	uint32_t	category;

	if (c < 0x80)
		return c >= '0' && c <= '9';
	category = U_GET_GC_MASK(c);
	return (category & NUMERALS) != 0 || ((category & U_GC_SO_MASK) != 0 && has_numerals(c));
}

/* What stands between digits of one number. */
static bool
is_number_separator(UChar32 c)
{
	return is_one_of(c, ".,:'") || c == 0x066B || c == 0x066C || c == 0x00A0 || c == 0x202F || c == 0x2019;
}

size_t
clf_sensitive_number(const char *text, size_t length, size_t start, const ClfMem *mem)
{
	size_t		position = start;
	size_t		end = start;
	size_t		asked = start;

	while (!is_unwanted(mem, &asked, position) && is_numeral(next_char(text, length, &position)))
	{
		size_t		next = end = position;

		if (is_number_separator(next_char(text, length, &next)) &&
			is_numeral(char_at(text, length, next)))
			position = next;
	}
	return end;
}

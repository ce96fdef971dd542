/*
 * html.c
 *	  Text and numbers for a page of HTML.
 *
 * It must never know what the page is about.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "html.h"

#define REPLACEMENT	0xFFFD
#define CONTROL_PICTURES 0x2400 /* U+2401 shows U+0001, and so on */
#define DELETE_PICTURE 0x2421
#define UNKNOWN		"&#8211;"	/* a dash */

/* ---- text ------------------------------------------------------------- */

/* What stands for a character that must not be there itself. */
static uint32
presentable(uint32 character)
{
	if (character < 0x20)
		return CONTROL_PICTURES + character;
	if (character == 0x7F)
		return DELETE_PICTURE;
	if (character < 0xA0 && character > 0x7F)
		return REPLACEMENT;		/* browsers take these for Windows-1252 */
	if ((character >= 0x202A && character <= 0x202E) ||
		(character >= 0x2066 && character <= 0x2069))
		return REPLACEMENT;		/* turn the text around them */
	if ((character & 0xFFFE) == 0xFFFE)
		return REPLACEMENT;		/* no characters of XML */
	return character;
}

static void
append_character(StringInfo page, uint32 character)
{
	character = presentable(character);
	if (character > 0x7E || strchr("&<>\"'", (int) character) != NULL)
		appendStringInfo(page, "&#%u;", character);
	else
		appendStringInfoChar(page, (char) character);
}

/* The character that bytes begin with, and its length. */
static uint32
decode(const char *utf8, size_t length, int *taken)
{
	const unsigned char *bytes = (const unsigned char *) utf8;

	*taken = pg_utf_mblen(bytes);
	if (*taken <= length && pg_utf8_islegal(bytes, *taken))
		return utf8_to_unicode(bytes);
	*taken = 1;
	return REPLACEMENT;
}

/* Columns of a terminal that the character takes, at least 0. */
static int
columns_of(const char *utf8, uint32 character)
{
	if (character == REPLACEMENT)
		return 1;
	return Max(pg_encoding_dsplen(PG_UTF8, utf8), 0);
}

void
HtmlAppendText(StringInfo page, const char *utf8, size_t length, int columns)
{
	int			used = 0;
	int			room = page->len;	/* where one more column can follow */
	int			taken;

	for (size_t i = 0; i < length; i += taken)
	{
		uint32		character = decode(utf8 + i, length - i, &taken);
		int			width = columns_of(utf8 + i, character);

		if (used < columns)
			room = page->len;
		if (columns > 0 && used + width > columns)
		{
			page->len = room;
			appendStringInfoString(page, "&#8230;");
			return;
		}
		used += width;
		append_character(page, character);
	}
}

void
HtmlAppendString(StringInfo page, const char *string)
{
	int			length = strlen(string);
	const char *utf8 = string;

	/* nobody knows the encoding of bytes in an SQL_ASCII database */
	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		utf8 = pg_server_to_any(string, length, PG_UTF8);
	HtmlAppendText(page, utf8, strlen(utf8), 0);
}

/* ---- numbers ---------------------------------------------------------- */

void
HtmlAppendCount(StringInfo page, int64 count)
{
	char		digits[32];
	int			length = snprintf(digits, sizeof(digits), INT64_FORMAT, count);

	if (count < 0)
	{
		appendStringInfoString(page, UNKNOWN);
		return;
	}
	for (int i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			appendStringInfoChar(page, ',');
		appendStringInfoChar(page, digits[i]);
	}
}

void
HtmlAppendShare(StringInfo page, double share)
{
	if (isnan(share))
		appendStringInfoString(page, UNKNOWN);
	else
		appendStringInfo(page, "%.1f&#8239;%%", 100 * share);
}

void
HtmlAppendBytes(StringInfo page, int64 bytes)
{
	if (bytes < 0)
		appendStringInfoString(page, UNKNOWN);
	else
		appendStringInfoString(page, TextDatumGetCString(DirectFunctionCall1(pg_size_pretty,
																			 Int64GetDatum(bytes))));
}

void
HtmlAppendSeconds(StringInfo page, double seconds)
{
	if (!(seconds >= 0))
		appendStringInfoString(page, UNKNOWN);
	else if (seconds < 10)
		appendStringInfo(page, "%.1f s", seconds);
	else if (seconds < 120)
		appendStringInfo(page, "%.0f s", seconds);
	else if (seconds < 7200)
		appendStringInfo(page, "%.0f min", seconds / 60);
	else
		appendStringInfo(page, "%.1f h", seconds / 3600);
}

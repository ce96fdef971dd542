/*
 * recognise.c
 *	  Where URLs and e-mail addresses stand in a text, and of what parts they are.
 *
 * It must not know tokens or models.
 */
#include "recognise.h"

#include <string.h>

#define MAX_LOCAL 64			/* bytes of an e-mail address before the @ (RFC 5321) */
#define MAX_DOMAIN 255

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_letter(c) || is_digit(c);
}

/* Could a byte be part of a word, so that what begins after it is not whole? */
static bool
is_word_byte(char c)
{
	return is_alnum(c) || c == '_' || (unsigned char) c >= 0x80;
}

/* One of these characters?  NUL is none of them. */
static bool
is_one_of(char c, const char *characters)
{
	return c != '\0' && strchr(characters, c) != NULL;
}

/* Does the text go on with prefix, of lower-case letters and punctuation? */
static bool
starts_with(const char *text, size_t length, size_t start, const char *prefix)
{
	size_t		count = strlen(prefix);

	if (length - start < count)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((is_letter(text[start + i]) ? text[start + i] | 0x20 : text[start + i]) != prefix[i])
			return false;
	return true;
}

/* ---- addresses ---- */

/* The end of a run of letters, digits, hyphens and dots, without dots at its end. */
static size_t
host_end(const char *text, size_t length, size_t start)
{
	size_t		limit = length - start > MAX_DOMAIN ? start + MAX_DOMAIN : length;
	size_t		end = start;

	while (end < limit && (is_alnum(text[end]) || text[end] == '-' || text[end] == '.'))
		end++;
	while (end > start && !is_alnum(text[end - 1]))
		end--;
	return end;
}

/* The end of what may be the rest of a URL. */
static size_t
url_end(const char *text, size_t length, size_t start)
{
	size_t		limit = length - start > CLF_MAX_URL ? start + CLF_MAX_URL : length;
	size_t		end = start;

	while (end < limit && (is_alnum(text[end]) || is_one_of(text[end], "-._~:/?#[]@!$&()*+,;=%")))
		end++;
	while (end > start && is_one_of(text[end - 1], ".,:;!?()[]"))
		end--;
	return end;
}

bool
clf_find_url(const char *text, size_t length, size_t start, ClfAddress *url)
{
	static const char *const prefixes[] = {"https://", "http://", "ftp://", "www."};

	if (start > 0 && is_word_byte(text[start - 1]))
		return false;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (starts_with(text, length, start, prefixes[i]))
		{
			url->host = start + strlen(prefixes[i]);
			url->host_end = host_end(text, length, url->host);
			if (url->host_end == url->host)
				return false;
			if (i < 3 && starts_with(text, url->host_end, url->host, "www.") &&
				url->host_end > url->host + 4)
				url->host += 4;
			url->end = url_end(text, length, url->host_end);
			url->words_end = url->host_end;
			while (url->words_end < url->end && !is_one_of(text[url->words_end], "?#"))
				url->words_end++;
			return true;
		}
	return false;
}

static bool
is_local(char c)
{
	return is_alnum(c) || is_one_of(c, "._%+-");
}

bool
clf_find_email(const char *text, size_t length, size_t start, ClfAddress *email)
{
	size_t		at = start;
	size_t		dot;

	if (start > 0 && (is_local(text[start - 1]) || is_word_byte(text[start - 1])))
		return false;
	while (at < length && at - start <= MAX_LOCAL && is_local(text[at]))
		at++;
	if (at == start || at == length || text[at] != '@')
		return false;
	email->host = at + 1;
	email->host_end = email->words_end = email->end = host_end(text, length, email->host);
	for (dot = email->end; dot > email->host && text[dot - 1] != '.'; dot--)
		if (!is_letter(text[dot - 1]))
			return false;
	return dot > email->host + 1 && email->end - dot >= 2;
}

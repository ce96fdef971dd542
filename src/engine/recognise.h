/*
 * recognise.h
 *	  Where URLs, e-mail addresses, numbers, payment cards and phone numbers
 *	  stand in a text.
 *
 * Every function looks at one place, reads a bounded number of bytes after it,
 * takes nothing but ASCII for what it looks for, and allocates nothing.
 */
#ifndef CLF_RECOGNISE_H
#define CLF_RECOGNISE_H

#include <stdbool.h>
#include <stddef.h>

#define CLF_MAX_URL 2048		/* bytes of a URL that are looked at */
#define CLF_MAX_NUMBER 64		/* bytes of a number, card or phone number */

/* Bytes [start, end) of a text, in parts. */
typedef struct ClfAddress
{
	size_t		host;			/* where the host begins */
	size_t		host_end;
	size_t		words_end;		/* of a URL's path; the query does not count */
	size_t		end;
} ClfAddress;

/*
 * Is there a URL at start: http://, https://, ftp:// or www. and a host?
 * Punctuation that ends a sentence is not part of it.
 */
extern bool clf_find_url(const char *text, size_t length, size_t start, ClfAddress *url);

/* An e-mail address at start, of which the byte before start is no part? */
extern bool clf_find_email(const char *text, size_t length, size_t start, ClfAddress *email);

/* The number at start, with its separators: "1,000.50"; returns its end, or start. */
extern size_t clf_find_number(const char *text, size_t length, size_t start);

/*
 * A payment card's number at start: 13 to 19 digits in groups, with Luhn's
 * check digit.  Returns its end, or start.
 */
extern size_t clf_find_card(const char *text, size_t length, size_t start);

/*
 * A phone number at start: 7 to 15 digits that begin with + or 0, or are
 * grouped by spaces, hyphens, dots or parentheses.  Returns its end, or start.
 */
extern size_t clf_find_phone(const char *text, size_t length, size_t start);

#endif							/* CLF_RECOGNISE_H */

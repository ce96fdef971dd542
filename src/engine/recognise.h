/*
 * recognise.h
 *	  Where URLs and e-mail addresses stand in a text, and of what parts they are.
 *
 * Every function looks at one place, reads a bounded number of bytes after it,
 * takes nothing but ASCII for what it looks for, and allocates nothing.
 */
#ifndef CLF_RECOGNISE_H
#define CLF_RECOGNISE_H

#include <stdbool.h>
#include <stddef.h>

#define CLF_MAX_URL 2048		/* bytes of a URL that are looked at */

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

#endif							/* CLF_RECOGNISE_H */

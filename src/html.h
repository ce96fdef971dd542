/*
 * html.h
 *	  Text and numbers for a page of HTML.
 *
 * What is written is ASCII: other characters become references, so that a page
 * is the same in every encoding that a client may ask for.  It is well-formed
 * XML, too.
 */
#ifndef TEXTCLF_HTML_H
#define TEXTCLF_HTML_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * Append text in UTF-8, of at most so many columns of a terminal (0: all of
 * it), so that it stands for itself in content and in quoted attributes
 * and changes nothing around it: controls, those of the direction of writing
 * as well, and bytes that are not UTF-8 become signs that stand for them.
 */
extern void HtmlAppendText(StringInfo page, const char *utf8, size_t length, int columns);

/* The same for all of a string in the server encoding. */
extern void HtmlAppendString(StringInfo page, const char *string);

/* 53827 as "53,827"; a negative one is unknown and becomes a dash. */
extern void HtmlAppendCount(StringInfo page, int64 count);

/* 0.9193 as "91.9 %"; NaN is unknown and becomes a dash. */
extern void HtmlAppendShare(StringInfo page, double share);

/* Bytes as pg_size_pretty gives them, seconds as "77 s" or "2.5 h"; negative or NaN: unknown. */
extern void HtmlAppendBytes(StringInfo page, int64 bytes);
extern void HtmlAppendSeconds(StringInfo page, double seconds);

#endif							/* TEXTCLF_HTML_H */

/*
 * sensitive.h
 *	  Where e-mail addresses, URLs, payment cards, phone numbers and numbers
 *	  stand in a text, to be masked.
 *
 * Wider than what recognise.c takes apart: in every script, and rather a
 * little too much than a part of it left.  Every function looks at one place,
 * takes the whole text with its length, and returns the end of what is there,
 * or start.  What is not UTF-8 is part of nothing.  URLs and numbers are of any
 * length: where the host of mem (NULL: none) wants no more, they end before.
 */
#ifndef CLF_SENSITIVE_H
#define CLF_SENSITIVE_H

#include <stddef.h>

#include "mem.h"

/* An e-mail address; before start is none of its characters. */
extern size_t clf_sensitive_email(const char *text, size_t length, size_t start, const ClfMem *mem);

/* A URL with a scheme or "www.", or a host's name with a path. */
extern size_t clf_sensitive_url(const char *text, size_t length, size_t start, const ClfMem *mem);

/* 13 to 19 digits, in groups or not, of which the last one is Luhn's check digit. */
extern size_t clf_sensitive_card(const char *text, size_t length, size_t start, const ClfMem *mem);

/*
 * A phone number: international with + or 00, or one of the usual national
 * forms; no date, year, thousands or address of the Internet.
 */
extern size_t clf_sensitive_phone(const char *text, size_t length, size_t start, const ClfMem *mem);

/* Digits and other characters that are numbers, with the separators between them. */
extern size_t clf_sensitive_number(const char *text, size_t length, size_t start, const ClfMem *mem);

#endif							/* CLF_SENSITIVE_H */

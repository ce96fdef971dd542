/*
 * mask.h
 *	  The places of a text that are masked: each becomes one placeholder token
 *	  before anything is counted.
 *
 * What is masked are the kinds of option mask, wherever sensitive.c finds
 * them, and what the regular expression of option mask_pattern matches.
 */
#ifndef CLF_MASK_H
#define CLF_MASK_H

#include "clf.h"
#include "mem.h"

/* A pattern made ready, which takes ICU a while; NULL: not yet. */
typedef struct ClfPattern ClfPattern;

struct URegularExpression;
struct UText;

typedef struct ClfMaskSpan
{
	size_t		start;			/* bytes [start, end) of the text */
	size_t		end;
	const char *name;			/* placeholder, in no other token: "<email>" */
} ClfMaskSpan;

/* A walk over the masked places of one text, which must stay in place. */
typedef struct ClfMask
{
	const ClfMem *mem;			/* whose host may want no more; NULL: none */
	int32_t		kinds;
	const char *text;
	size_t		length;
	size_t		looked;			/* bytes that were looked at for kinds */
	size_t		done;			/* end of the last place */
	ClfMaskSpan found;			/* the next one of a kind; start is length if there is none */
	ClfMaskSpan matched;		/* the next one of the pattern, likewise */
	struct URegularExpression *pattern; /* NULL: none; belongs to a ClfPattern */
	struct UText *pattern_text;
	unsigned	tries;			/* of the pattern */
	unsigned	chunks;			/* of the text that the pattern has read */
	double		begun;			/* CPU time when the pattern was first tried, 0: not yet */
	bool		stopped;		/* the pattern took too long, or the host wants no more */
} ClfMask;

/* Does a configuration mask anything? */
extern bool clf_masks(const ClfConfig *config);

extern void clf_pattern_free(ClfPattern **pattern);

/*
 * Begin a text; clf_mask_end must follow, whatever happens.  *pattern is made
 * ready from mem if it is NULL, and is for one text at a time.  CLF_ERR_LIMIT if
 * the pattern takes too long, CLF_ERR_STOPPED if the host of mem wants no more,
 * here and below.
 */
extern ClfStatus clf_mask_start(ClfMask *mask, const ClfConfig *config, ClfMem *mem,
								ClfPattern **pattern, const char *text, size_t length,
								ClfError *error);
extern void clf_mask_end(ClfMask *mask);

/* The next place, after the last one; at the end of the text an empty one. */
extern ClfStatus clf_mask_next(ClfMask *mask, ClfMaskSpan *span, ClfError *error);

/* CLF_ERR_DATA, with the place of what is wrong, unless pattern is a regular expression. */
extern ClfStatus clf_check_pattern(const char *pattern, ClfError *error);

#endif							/* CLF_MASK_H */

/*
 * tokenizer.h
 *	  From UTF-8 text to normalised tokens with their place in the text.
 *
 * One code path serves training and prediction.  What a tokenizer does depends
 * on its kind and the ICU version only, never on locale or collation.
 */
#ifndef CLF_TOKENIZER_H
#define CLF_TOKENIZER_H

#include "clf.h"
#include "mask.h"
#include "mem.h"

#define CLF_TOKENIZER_VERSION 2 /* raise when the same text gives other tokens */
#define CLF_MAX_TOKEN_BYTES 256 /* normalised; the rest of a longer one is cut off */
#define CLF_MAX_PIECE 64		/* characters of a word; a longer one is several tokens */

typedef struct ClfTokenSpan
{
	size_t		start;			/* bytes [start, end) of the text */
	size_t		end;
	const char *text;			/* normalised, not NUL-terminated */
	size_t		length;			/* 1..CLF_MAX_TOKEN_BYTES */
	bool		mark;			/* says how the next token, of the same place, is written */
} ClfTokenSpan;

/*
 * A walk over the tokens of one text.  text must stay in place; the text of a
 * span is valid until the next call on the same walk.  The struct holds its
 * own buffer, so a walk allocates nothing.
 */
typedef struct ClfTokenWalk
{
	ClfTokenizerKind kind;
	const char *text;
	size_t		length;			/* up to the next masked place */
	size_t		begin;			/* end of the last masked place */
	size_t		position;		/* bytes of text consumed */
	size_t		host_end;		/* of the address that the walk is in */
	size_t		words_end;		/* of it, where what follows does not count */
	size_t		end;			/* of the whole of it */
	ClfMask    *mask;			/* NULL: nothing is masked */
	ClfMaskSpan masked;			/* the next place, up to which the walk goes */
	size_t		text_length;
	bool		capitals;		/* of 'unicode': mark words with capitals; false at first */
	bool		begun;			/* there was a token */
	const char *run;			/* the mark of the last one, given or not; NULL: none */
	ClfTokenSpan marked;		/* the token whose mark has just been given, or of length 0 */
	char		buffer[CLF_MAX_TOKEN_BYTES];
} ClfTokenWalk;

/* Is a token a character of a script that does not separate words? */
extern bool clf_is_single(const char *token, size_t length);

/* CLF_ERR_ENCODING if the text is not valid UTF-8. */
extern ClfStatus clf_check_utf8(const char *text, size_t length,
								ClfError *error);

extern void clf_walk_start(ClfTokenWalk *walk, ClfTokenizerKind kind,
						   const char *text, size_t length);

/*
 * Put placeholders into the walk, which has just begun, for the places of mask,
 * which has begun the same text.
 */
extern ClfStatus clf_walk_mask(ClfTokenWalk *walk, ClfMask *mask, ClfError *error);

/* The next token; *more is false, and *span untouched, when there is none. */
extern ClfStatus clf_walk_next(ClfTokenWalk *walk, ClfTokenSpan *span,
							   bool *more, ClfError *error);

#endif							/* CLF_TOKENIZER_H */

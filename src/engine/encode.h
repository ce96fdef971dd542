/*
 * encode.h
 *	  From a text to the sequence of tokens that a network reads.
 *
 * The one code path for training and prediction: which tokens of a text are
 * looked at, and how a sequence is padded.
 */
#ifndef CLF_ENCODE_H
#define CLF_ENCODE_H

#include "clf.h"
#include "tokenizer.h"

/* Takes one token; what it returns ends the walk unless it is CLF_OK. */
typedef ClfStatus (*ClfTokenSink) (void *context, const ClfTokenSpan *span,
								   ClfError *error);

/*
 * How many tokens of a text are looked at: maxlen by a network,
 * CLF_WIDE_TOKENS by the linear branch, whichever is more.  While option capitals
 * is open, each may have a mark on top.
 */
extern size_t clf_encode_limit(const ClfConfig *config);

/*
 * Give the tokens of a text that are looked at to sink, in order: of more than
 * the limit the first ones, or the last ones with architecture lstm, as
 * Keras's pad_sequences does.  *pattern: see clf_mask_start.
 */
extern ClfStatus clf_encode(const ClfConfig *config, ClfMem *mem, ClfPattern **pattern,
							const char *text, size_t length, ClfTokenSink sink, void *context,
							ClfError *error);

/*
 * Turn count ids (at most maxlen) into the sequence the network reads, in
 * place in ids [maxlen]; returns its length.  Architecture lstm reads maxlen
 * ids, padding first; the other reads a text without tokens as one padding.
 */
extern size_t clf_pad(const ClfConfig *config, uint32_t *ids, size_t count);

#endif							/* CLF_ENCODE_H */

/*
 * vocab.h
 *	  A growing set of byte strings numbered 0, 1, 2 ... in order of arrival:
 *	  the dictionary of a training, the vocabulary and the labels of a model.
 *
 * Strings stand one behind the other in one block, offsets[i] to offsets[i+1],
 * which is also how a model file holds them.
 */
#ifndef CLF_VOCAB_H
#define CLF_VOCAB_H

#include "clf.h"
#include "mem.h"

typedef struct ClfVocab
{
	ClfMem	   *mem;
	char	   *bytes;			/* all strings */
	size_t		bytes_capacity;
	uint32_t   *offsets;		/* [count + 1] */
	size_t		offsets_capacity;
	uint32_t	count;
	uint32_t   *slots;			/* hash table: index + 1, or 0; [slot_count] */
	uint32_t	slot_count;		/* a power of two, or 0 */
	uint64_t	seed;			/* of the hash; numbers do not depend on it */
} ClfVocab;

extern void clf_vocab_init(ClfVocab *vocab, ClfMem *mem, uint64_t seed);
extern void clf_vocab_free(ClfVocab *vocab);

/*
 * Hash otherwise from now on; while there are no strings.  text: all strings that
 * will be added, UTF-8.  Whoever chooses strings that ask for the same slots
 * chooses another hash by that.
 */
extern void clf_vocab_seed(ClfVocab *vocab, const char *text, size_t length);

/* Index of the string, or -1. */
extern int64_t clf_vocab_find(const ClfVocab *vocab, const char *string,
							  size_t length);

/*
 * Index of the string, added if it is new.  CLF_ERR_LIMIT beyond 2^30
 * strings or 4 GiB - 1 of them.
 */
extern ClfStatus clf_vocab_add(ClfVocab *vocab, const char *string,
							   size_t length, uint32_t *index,
							   ClfError *error);

/* The string of an index, not NUL-terminated. */
extern const char *clf_vocab_string(const ClfVocab *vocab, uint32_t index,
									size_t *length);

#endif							/* CLF_VOCAB_H */

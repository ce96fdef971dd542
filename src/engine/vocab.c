/*
 * vocab.c
 *	  A growing set of byte strings, numbered in order of arrival.
 *
 * Open addressing with linear probing over a table at most half full.
 */
#include "vocab.h"

#include <string.h>

#include "error.h"
#include "hash.h"

#define FIRST_SLOTS 64
#define MAX_STRINGS (UINT32_C(1) << 30)	/* with twice as many slots */

void
clf_vocab_init(ClfVocab *vocab, ClfMem *mem, uint64_t seed)
{
	memset(vocab, 0, sizeof *vocab);
	vocab->mem = mem;
	vocab->seed = seed;
}

void
clf_vocab_seed(ClfVocab *vocab, const char *text, size_t length)
{
	vocab->seed = clf_hash_bytes(text, length, CLF_HASH_SEED);
}

void
clf_vocab_free(ClfVocab *vocab)
{
	clf_mem_free(vocab->mem, vocab->bytes);
	clf_mem_free(vocab->mem, vocab->offsets);
	clf_mem_free(vocab->mem, vocab->slots);
	clf_vocab_init(vocab, vocab->mem, vocab->seed);
}

const char *
clf_vocab_string(const ClfVocab *vocab, uint32_t index, size_t *length)
{
	*length = vocab->offsets[index + 1] - vocab->offsets[index];
	return vocab->bytes + vocab->offsets[index];
}

static uint32_t
first_slot(const ClfVocab *vocab, const char *string, size_t length)
{
	return (uint32_t) clf_hash_bytes(string, length, vocab->seed) &
		(vocab->slot_count - 1);
}

/* The slot that holds the string, or the empty one where it belongs. */
static uint32_t
find_slot(const ClfVocab *vocab, const char *string, size_t length)
{
	uint32_t	slot = first_slot(vocab, string, length);

	while (vocab->slots[slot] != 0)
	{
		size_t		other_length;
		const char *other = clf_vocab_string(vocab, vocab->slots[slot] - 1,
											 &other_length);

		if (other_length == length && memcmp(other, string, length) == 0)
			break;
		slot = (slot + 1) & (vocab->slot_count - 1);
	}
	return slot;
}

int64_t
clf_vocab_find(const ClfVocab *vocab, const char *string, size_t length)
{
	if (vocab->slot_count == 0)
		return -1;
	return (int64_t) vocab->slots[find_slot(vocab, string, length)] - 1;
}

/* Make the hash table twice as large. */
static bool
grow_slots(ClfVocab *vocab)
{
	uint32_t	count = vocab->slot_count ? vocab->slot_count * 2 : FIRST_SLOTS;
	uint32_t   *slots = clf_mem_alloc_zero(vocab->mem, count, sizeof *slots);

	if (slots == NULL)
		return false;
	clf_mem_free(vocab->mem, vocab->slots);
	vocab->slots = slots;
	vocab->slot_count = count;
	for (uint32_t i = 0; i < vocab->count; i++)
	{
		size_t		length;
		const char *string = clf_vocab_string(vocab, i, &length);

		slots[find_slot(vocab, string, length)] = i + 1;
	}
	return true;
}

ClfStatus
clf_vocab_add(ClfVocab *vocab, const char *string, size_t length,
			  uint32_t *index, ClfError *error)
{
	int64_t		known = clf_vocab_find(vocab, string, length);
	size_t		end = vocab->count ? vocab->offsets[vocab->count] : 0;

	if (known >= 0)
	{
		*index = (uint32_t) known;
		return CLF_OK;
	}
	if (vocab->count >= MAX_STRINGS || length > UINT32_MAX - end)
		return clf_fail(error, CLF_ERR_LIMIT, "too many distinct strings");
	/* one byte more, so that even an empty string has an address */
	if (!clf_mem_grow(vocab->mem, (void **) &vocab->bytes, &vocab->bytes_capacity,
					  end + length + 1, 1) ||
		!clf_mem_grow(vocab->mem, (void **) &vocab->offsets,
					  &vocab->offsets_capacity, (size_t) vocab->count + 2,
					  sizeof *vocab->offsets) ||
		(vocab->count >= vocab->slot_count / 2 && !grow_slots(vocab)))
		return clf_fail_memory(error);

	if (length > 0)
		memcpy(vocab->bytes + end, string, length);
	vocab->offsets[vocab->count] = (uint32_t) end;
	vocab->offsets[vocab->count + 1] = (uint32_t) (end + length);
	vocab->slots[find_slot(vocab, string, length)] = vocab->count + 1;
	*index = vocab->count++;
	return CLF_OK;
}

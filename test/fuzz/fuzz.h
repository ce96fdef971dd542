/*
 * fuzz.h
 *	  What the fuzz targets share: a counting allocator, a check, changes to bytes.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clf.h"

/* Stop the fuzzer, which keeps the input, unless the condition holds. */
#define FUZZ_CHECK(condition) ((condition) ? (void) 0 : __builtin_trap())

static size_t fuzz_blocks;

static void *
fuzz_alloc(void *context, size_t size)
{
	void	   *block = malloc(size);

	(void) context;
	fuzz_blocks += block != NULL;
	return block;
}

static void
fuzz_free(void *context, void *block)
{
	(void) context;
	fuzz_blocks--;
	free(block);
}

static const ClfAllocator fuzz_allocator = {.alloc = fuzz_alloc, .free = fuzz_free};

/*
 * Change bytes as data says.  Each four bytes of it are a change: a place, as a
 * number of 16 bits from the start or, if the third byte is odd, before the
 * end; and what is to stand there.
 */
static inline void
fuzz_change(char *bytes, size_t size, const uint8_t *data, size_t count)
{
	for (size_t i = 0; i + 4 <= count; i += 4)
	{
		size_t		place = (data[i] | (size_t) data[i + 1] << 8) % size;

		bytes[data[i + 2] & 1 ? size - 1 - place : place] = (char) data[i + 3];
	}
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FUZZ_H */

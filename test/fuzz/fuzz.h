/*
 * fuzz.h
 *	  What the fuzz targets share: a counting allocator and a check.
 */
#ifndef FUZZ_H
#define FUZZ_H

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

static const ClfAllocator fuzz_allocator = {fuzz_alloc, fuzz_free, NULL};

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FUZZ_H */

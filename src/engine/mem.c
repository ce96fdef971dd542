/*
 * mem.c
 *	  Checked, aligned and counted allocation from the host's allocator.
 *
 * It must not know what the memory is for.
 */
#include "mem.h"

#include <string.h>

/* Stands right before every block. */
typedef struct Header
{
	void	   *origin;			/* what the host's allocator gave */
	size_t		size;			/* what was asked of it */
} Header;

#define OVERHEAD (sizeof(Header) + CLF_ALIGNMENT)
#define CLEARED ((size_t) 1 << 24)	/* bytes between two questions to the host */

void
clf_mem_init(ClfMem *mem, const ClfAllocator *allocator)
{
	mem->allocator = *allocator;
	mem->used = 0;
}

void *
clf_mem_alloc(ClfMem *mem, size_t count, size_t size)
{
	size_t		bytes;
	char	   *origin;
	char	   *block;
	Header	   *header;

	if (!clf_size_mul(count, size, &bytes) ||
		!clf_size_add(bytes, OVERHEAD, &bytes) || bytes > PTRDIFF_MAX)
		return NULL;
	origin = mem->allocator.alloc(mem->allocator.context, bytes);
	if (origin == NULL)
		return NULL;
	block = origin + sizeof(Header);
	block += (CLF_ALIGNMENT - (uintptr_t) block % CLF_ALIGNMENT) % CLF_ALIGNMENT;
	header = (Header *) block - 1;
	header->origin = origin;
	header->size = bytes;
	mem->used += bytes;
	return block;
}

void *
clf_mem_alloc_zero(ClfMem *mem, size_t count, size_t size)
{
	char	   *block = clf_mem_alloc(mem, count, size);
	size_t		bytes = count * size;

	for (size_t done = 0; block != NULL && done < bytes; done += CLEARED)
	{
		if (done > 0 && clf_mem_stopped(mem))
		{
			clf_mem_free(mem, block);
			return NULL;
		}
		memset(block + done, 0, bytes - done < CLEARED ? bytes - done : CLEARED);
	}
	return block;
}

bool
clf_mem_grow(ClfMem *mem, void **pointer, size_t *capacity, size_t needed,
			 size_t size)
{
	size_t		larger = *capacity < SIZE_MAX / 2 ? *capacity * 2 : SIZE_MAX;
	void	   *block;

	if (needed <= *capacity)
		return true;
	if (larger < needed)
		larger = needed;
	block = clf_mem_alloc(mem, larger, size);
	if (block == NULL)
		return false;
	if (*pointer != NULL)
		memcpy(block, *pointer, *capacity * size);
	clf_mem_free(mem, *pointer);
	*pointer = block;
	*capacity = larger;
	return true;
}

void
clf_mem_free(ClfMem *mem, void *pointer)
{
	Header	   *header;

	if (pointer == NULL)
		return;
	header = (Header *) pointer - 1;
	mem->used -= header->size;
	mem->allocator.free(mem->allocator.context, header->origin);
}

bool
clf_mem_stopped(const ClfMem *mem)
{
	return mem != NULL && mem->allocator.stopped != NULL &&
		mem->allocator.stopped(mem->allocator.context);
}

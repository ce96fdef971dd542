/*
 * mem.h
 *	  The engine's only way to memory: the host's allocator, with every size
 *	  computed by checked arithmetic and every block counted.
 */
#ifndef CLF_MEM_H
#define CLF_MEM_H

#include "clf.h"

#define CLF_ALIGNMENT 64		/* of every block: a cache line, a zmm register */

typedef struct ClfMem
{
	ClfAllocator allocator;
	size_t		used;			/* bytes held now, overhead included */
} ClfMem;

extern void clf_mem_init(ClfMem *mem, const ClfAllocator *allocator);

/* count * size bytes, aligned to CLF_ALIGNMENT, or NULL; 0 bytes is 1 byte. */
extern void *clf_mem_alloc(ClfMem *mem, size_t count, size_t size);

/* The same, cleared; NULL also if the host wants no more in the course of that. */
extern void *clf_mem_alloc_zero(ClfMem *mem, size_t count, size_t size);

/*
 * Grow *pointer (NULL at first) of *capacity elements to at least needed ones,
 * at least doubling.  On failure returns false and leaves both as they were.
 */
extern bool clf_mem_grow(ClfMem *mem, void **pointer, size_t *capacity,
						 size_t needed, size_t size);

/* Release what the functions above gave; NULL is allowed. */
extern void clf_mem_free(ClfMem *mem, void *pointer);

/* a * b and a + b; false on overflow */
static inline bool
clf_size_mul(size_t a, size_t b, size_t *result)
{
	return !__builtin_mul_overflow(a, b, result);
}

static inline bool
clf_size_add(size_t a, size_t b, size_t *result)
{
	return !__builtin_add_overflow(a, b, result);
}

/* Does the host want no more?  mem may be NULL. */
extern bool clf_mem_stopped(const ClfMem *mem);

#endif							/* CLF_MEM_H */

/*
 * row_store.c
 *	  Append-only bytes with random access: in memory up to a limit, the rest
 *	  in a temporary file.
 *
 * A training keeps its encoded rows here and reads them in another order every
 * epoch.  The store must never know what the bytes mean.
 *
 * The bytes are one sequence.  Its beginning lies in blocks of equal size; when
 * these have reached the limit everything that follows goes to a BufFile, which
 * the server places into temp_tablespaces and counts against temp_file_limit.
 */
#include "postgres.h"

#include <limits.h>

#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "row_store.h"

#define BLOCK_SIZE	(256 * 1024)

struct RowStore
{
	MemoryContext context;
	ResourceOwner owner;		/* of the file */
	bool		outlives_transaction;
	char	  **blocks;
	int			nblocks;
	int			max_blocks;		/* how many the memory limit allows */
	int			blocks_allocated;	/* length of the array blocks */
	uint64		memory_size;	/* bytes in the blocks */
	BufFile    *file;			/* NULL until the blocks are full */
	uint64		file_size;
	bool		file_at_end;	/* is the file positioned for appending? */
};

RowStore *
RowStoreCreate(Size memory_limit, bool outlives_transaction)
{
	RowStore   *store = palloc0(sizeof(RowStore));

	store->context = CurrentMemoryContext;
	store->owner = CurrentResourceOwner;
	store->outlives_transaction = outlives_transaction;
	store->max_blocks = Min(memory_limit / BLOCK_SIZE, INT_MAX / 2);
	return store;
}

/* The block that the next byte goes to, or NULL if it has to go to the file. */
static char *
block_to_fill(RowStore *store)
{
	if (store->memory_size < (uint64) store->nblocks * BLOCK_SIZE)
		return store->blocks[store->nblocks - 1];
	if (store->nblocks >= store->max_blocks)
		return NULL;

	if (store->nblocks >= store->blocks_allocated)
	{
		int			allocate = Max(16, store->blocks_allocated * 2);

		if (store->blocks == NULL)
			store->blocks = MemoryContextAlloc(store->context,
											   allocate * sizeof(char *));
		else
			store->blocks = repalloc_huge(store->blocks,
										  allocate * sizeof(char *));
		store->blocks_allocated = allocate;
	}
	store->blocks[store->nblocks] = MemoryContextAlloc(store->context, BLOCK_SIZE);
	return store->blocks[store->nblocks++];
}

/* Set the file's position to offset, counted from its beginning. */
static void
seek_file(RowStore *store, uint64 offset)
{
	/* BufFileSeek itself finds the segment of an offset beyond the first. */
	if (BufFileSeek(store->file, 0, (off_t) offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file of training rows")));
}

/* Begin the file; the server keeps both context and owner in it. */
static void
create_file(RowStore *store)
{
	MemoryContext old_context = MemoryContextSwitchTo(store->context);
	ResourceOwner old_owner = CurrentResourceOwner;

	CurrentResourceOwner = store->owner;
	store->file = BufFileCreateTemp(store->outlives_transaction);
	store->file_at_end = true;
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old_context);
}

static void
append_to_file(RowStore *store, const void *bytes, Size size)
{
	if (store->file == NULL)
		create_file(store);
	if (!store->file_at_end)
		seek_file(store, store->file_size);
	store->file_at_end = true;
	CompatBufFileWrite(store->file, bytes, size);
	store->file_size += size;
}

void
RowStoreAppend(RowStore *store, const void *bytes, Size size)
{
	const char *from = bytes;

	while (size > 0)
	{
		char	   *block = block_to_fill(store);
		Size		used = store->memory_size % BLOCK_SIZE;
		Size		part = Min(size, BLOCK_SIZE - used);

		if (block == NULL)
		{
			append_to_file(store, from, size);
			return;
		}
		memcpy(block + used, from, part);
		store->memory_size += part;
		from += part;
		size -= part;
	}
}

void
RowStoreRead(RowStore *store, uint64 offset, void *bytes, Size size)
{
	char	   *to = bytes;

	if (offset + size > store->memory_size + store->file_size)
		elog(ERROR, "read beyond the end of the training rows");

	while (size > 0 && offset < store->memory_size)
	{
		Size		start = offset % BLOCK_SIZE;
		Size		part = Min(size, BLOCK_SIZE - start);

		part = Min(part, store->memory_size - offset);
		memcpy(to, store->blocks[offset / BLOCK_SIZE] + start, part);
		to += part;
		offset += part;
		size -= part;
	}
	if (size > 0)
	{
		store->file_at_end = false;
		seek_file(store, offset - store->memory_size);
		if (BufFileRead(store->file, to, size) != size)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read from temporary file of training rows")));
	}
}

void
RowStoreFree(RowStore *store)
{
	if (store->file != NULL)
		BufFileClose(store->file);
	for (int i = 0; i < store->nblocks; i++)
		pfree(store->blocks[i]);
	if (store->blocks != NULL)
		pfree(store->blocks);
	pfree(store);
}

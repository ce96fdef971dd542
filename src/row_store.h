/*
 * row_store.h
 *	  Append-only bytes with random access: in memory up to a limit, the rest
 *	  in a temporary file.
 */
#ifndef TEXTCLF_ROW_STORE_H
#define TEXTCLF_ROW_STORE_H

#include "postgres.h"

typedef struct RowStore RowStore;

/*
 * Make an empty store in CurrentMemoryContext.  Its file, if it comes to one,
 * is removed by the end of the transaction if an error does not leave the time
 * for RowStoreFree; or, if it outlives transactions, by the end of the process.
 * CurrentResourceOwner must live as long as the store.
 */
extern RowStore *RowStoreCreate(Size memory_limit, bool outlives_transaction);

/* Append size bytes.  Errors: no memory, no disk space, temp_file_limit. */
extern void RowStoreAppend(RowStore *store, const void *bytes, Size size);

/* Copy size bytes from offset on; they must have been appended. */
extern void RowStoreRead(RowStore *store, uint64 offset, void *bytes, Size size);

extern void RowStoreFree(RowStore *store);

#endif							/* TEXTCLF_ROW_STORE_H */

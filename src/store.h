/*
 * store.h
 *	  Fixed queries on the extension's own tables, run as their owner.
 */
#ifndef TEXTCLF_STORE_H
#define TEXTCLF_STORE_H

#include "postgres.h"

#include "executor/spi.h"

#define STORE_MAX_ARGUMENTS 12

/* The only way to compare in a query: the caller's search_path has no say. */
#define STORE_EQ " OPERATOR(pg_catalog.=) "

/* A query; static, for its plan is kept in it. */
typedef struct StoreQuery
{
	const char *text;			/* %1$s: the extension's schema, quoted */
	Oid			arguments[STORE_MAX_ARGUMENTS]; /* ends with InvalidOid */
	SPIPlanPtr	plan;			/* NULL until its first use */
	struct StoreQuery *next;	/* of those that have a plan */
} StoreQuery;

/* With which eyes a query looks at the tables. */
typedef enum StoreView
{
	STORE_ACTIVE,				/* reads what the calling statement sees */
	STORE_LATEST,				/* reads what is committed now */
	STORE_CHANGE,				/* reads that too, and writes */
	STORE_ADD					/* reads nothing, and writes what it is given */
} StoreView;

/* What StoreEnd restores. */
typedef struct StoreSession
{
	Oid			user;
	int			security_context;
	MemoryContext caller;		/* context for results */
} StoreSession;

/*
 * Become the owner of the tables, for the fixed queries only, and connect SPI.
 * If an error comes in between, the end of the (sub)transaction restores the
 * user.
 */
extern void StoreBegin(StoreSession *session);
extern void StoreEnd(const StoreSession *session);

/*
 * Run a query between StoreBegin and StoreEnd; its rows are in SPI_tuptable.
 * nulls is as SPI_execute_plan wants it, or NULL.  Returns the number of rows.
 */
extern uint64 StoreRun(StoreQuery *query, StoreView view, Datum *arguments,
					   const char *nulls);

/* A column, from 1, of the first row. */
extern Datum StoreColumn(int column, bool *isnull);

/* Does the extension exist, as this transaction sees it? */
extern bool StoreExists(void);

/*
 * Changes with what may have changed the extension, as far as invalidation
 * messages were read; costs nothing and needs no transaction.
 */
extern uint64 StoreChanges(void);

/* OID of the extension; changes if it is dropped and created again. */
extern Oid	StoreExtension(void);

/* OID of the table of models. */
extern Oid	StoreModelTable(void);

#endif							/* TEXTCLF_STORE_H */

/*
 * refresh.c
 *	  SQL: CALL textclf_refresh(), which classifies anew, in committed chunks,
 *	  the rows that another version of the model has labelled, or none.
 *
 * The table is walked through by ranges of its pages, each looked at once a
 * pass, so that the whole is linear in its size whatever the rows become.  The
 * rows of a range are locked as they are read: what is classified is what the
 * row holds when it is updated, and waits for those who are changing it.
 *
 * Each range has a snapshot of its own, so a pass does not see rows that others
 * move behind it meanwhile.  Whether any are left is asked of one snapshot.
 *
 * Everything goes through SPI as the caller.  No name is left to the
 * search_path: a procedure that pins it could not commit.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "arguments.h"
#include "compat.h"
#include "guc.h"
#include "model_cache.h"
#include "row_source.h"

PG_FUNCTION_INFO_V1(textclf_refresh);

#define MAX_PASSES		3		/* through the table, for rows that others change or move meanwhile */
#define RANGES_A_CHUNK	8		/* at least, where there are that many pages */
#define MAX_PAGES		128		/* of a range, whose rows are in memory together */
#define MAX_RANGES		1000	/* without a commit, where there is nothing to do */

/* A refresh under way; lies in memory that survives commits, as what it points to. */
typedef struct Refresh
{
	Oid			target;
	const char *text_column;
	const char *label_column;
	const char *version_column;
	text	   *reference;		/* of the model */
	int64		chunk_rows;
	MemoryContext row_context;

	/* of the transaction */
	SPIPlanPtr	select;
	SPIPlanPtr	update;
	int64		chunk;			/* rows refreshed */
	int			ranges;			/* looked at */

	/* of the whole */
	int64		refreshed;
	int32		version;		/* of the model, the last one used */
} Refresh;

/* ---- arguments -------------------------------------------------------- */

static void
check_target(const Refresh *refresh)
{
	Oid			version_type;
	char		kind = get_rel_relkind(refresh->target);

	RowSourceName(refresh->target); /* an error if there is no such relation */
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", get_rel_name(refresh->target))));
	RowSourceCheckText(refresh->target, refresh->text_column);
	RowSourceColumnType(refresh->target, refresh->label_column);
	version_type = RowSourceColumnType(refresh->target, refresh->version_column);
	if (version_type != INT2OID && version_type != INT4OID && version_type != INT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("version column \"%s\" is of type %s",
						refresh->version_column, format_type_be(version_type)),
				 errdetail("It must be of an integer type.")));
	if (strcmp(refresh->text_column, refresh->label_column) == 0 ||
		strcmp(refresh->text_column, refresh->version_column) == 0 ||
		strcmp(refresh->label_column, refresh->version_column) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("text_column, label_column and version_column must be different columns")));
}

/* May this call commit? */
static bool
may_commit(FunctionCallInfo fcinfo)
{
	return fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic;
}

static void
read_arguments(FunctionCallInfo fcinfo, Refresh *refresh)
{
	static const char *const names[] = {
		"target", "text_column", "label_column", "version_column", "model", "chunk_rows"
	};

	for (int i = 0; i < lengthof(names); i++)
		RequireArgument(fcinfo, i, names[i]);
	refresh->target = PG_GETARG_OID(0);
	refresh->text_column = pstrdup(NameStr(*PG_GETARG_NAME(1)));
	refresh->label_column = pstrdup(NameStr(*PG_GETARG_NAME(2)));
	refresh->version_column = pstrdup(NameStr(*PG_GETARG_NAME(3)));
	refresh->reference = PG_GETARG_TEXT_P_COPY(4);
	refresh->chunk_rows = PG_GETARG_INT32(5);

	PreventCommandIfReadOnly("textclf_refresh()");
	refresh->version = ModelCacheLookup(refresh->reference)->version;	/* may it be used? */
	if (!may_commit(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("textclf_refresh cannot run inside a transaction block"),
				 errdetail("It commits after each chunk of rows."),
				 errhint("Call it by itself, not between BEGIN and COMMIT and not in a function.")));
	if (refresh->chunk_rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("chunk_rows must be at least 1")));
	check_target(refresh);
}

/* ---- transactions ----------------------------------------------------- */

static SPIPlanPtr
prepare(const char *query, int arguments, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(query, arguments, types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/* FROM and WHERE: the rows t of the target that are not at the version that the argument is. */
static char *
rows_to_refresh(const Refresh *refresh, const char *argument)
{
	const char *doc = quote_identifier(refresh->text_column);
	const char *version = quote_identifier(refresh->version_column);

	return psprintf("FROM %s AS t "
					"WHERE (t.%s IS NULL OR t.%s OPERATOR(pg_catalog.<>) %s) "
					"AND (t.%s IS NOT NULL OR t.%s IS NOT NULL)",
					RowSourceName(refresh->target), version, version, argument, doc, version);
}

/*
 * Plan the statements anew for each transaction, for the table may have been
 * renamed or altered since the one before.  The type of labels is written as one
 * of no certain length: "character" alone would cut them to one.
 */
static void
begin_chunk(Refresh *refresh)
{
	Oid			label_type = RowSourceColumnType(refresh->target, refresh->label_column);

	refresh->select =
		prepare(psprintf("SELECT t.tableoid, t.ctid, t.%s::pg_catalog.text %s "
						 "AND t.ctid OPERATOR(pg_catalog.>=) $2 AND t.ctid OPERATOR(pg_catalog.<) $3 "
						 "FOR NO KEY UPDATE OF t",
						 quote_identifier(refresh->text_column), rows_to_refresh(refresh, "$1")),
				3, (Oid[]) {INT4OID, TIDOID, TIDOID});
	refresh->update =
		prepare(psprintf("UPDATE %s AS t SET %s = CAST($3 AS %s), %s = $4 "
						 "WHERE t.tableoid OPERATOR(pg_catalog.=) $1 AND t.ctid OPERATOR(pg_catalog.=) $2",
						 RowSourceName(refresh->target), quote_identifier(refresh->label_column),
						 format_type_extended(label_type, -1,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
						 quote_identifier(refresh->version_column)),
				4, (Oid[]) {OIDOID, TIDOID, TEXTOID, INT4OID});
	refresh->chunk = 0;
	refresh->ranges = 0;
}

/* Commit; done is the share of the pass that lies behind. */
static void
end_chunk(Refresh *refresh, double done)
{
	SPI_freeplan(refresh->select);
	SPI_freeplan(refresh->update);
	refresh->refreshed += refresh->chunk;
	if (textclf_progress && refresh->chunk > 0)
		ereport(NOTICE,
				(errmsg("refreshed %lld rows, %.0f %% of \"%s\" looked at",
						(long long) refresh->refreshed, 100 * done,
						get_rel_name(refresh->target))));
	SPI_commit();
}

/* ---- rows ------------------------------------------------------------- */

/* Classify a text and set the row to what comes of it; no text, no label. */
static void
refresh_row(Refresh *refresh, Datum table, Datum tid, text *doc)
{
	Datum		arguments[] = {table, tid, (Datum) 0, (Datum) 0};
	char		nulls[] = "  nn";

	if (doc != NULL)
	{
		CachedModel *cached = ModelCacheLookup(refresh->reference);	/* triggers may have used others */
		int			best = CachedModelPredict(cached, doc);
		size_t		length;
		const char *label = clf_model_label(cached->model, best, &length);

		arguments[2] = PointerGetDatum(EngineTextToServer(label, length));
		arguments[3] = Int32GetDatum(cached->version);
		nulls[2] = nulls[3] = ' ';
	}
	if (SPI_execute_plan(refresh->update, arguments, nulls, false, 0) < 0)
		elog(ERROR, "could not update a row: %s", SPI_result_code_string(SPI_result));
	refresh->chunk += SPI_processed;
}

/* Refresh the rows of a range of pages. */
static void
refresh_range(Refresh *refresh, BlockNumber begin, BlockNumber end)
{
	ItemPointerData first;
	ItemPointerData last;
	Datum		arguments[3];
	SPITupleTable *rows;
	uint64		count;

	/* One version for the range, and one moment at which texts are fetched. */
	PushActiveSnapshot(GetTransactionSnapshot());
	refresh->version = ModelCacheLookup(refresh->reference)->version;
	ItemPointerSet(&first, begin, 0);
	ItemPointerSet(&last, end, 0);
	arguments[0] = Int32GetDatum(refresh->version);
	arguments[1] = PointerGetDatum(&first);
	arguments[2] = PointerGetDatum(&last);
	if (SPI_execute_plan(refresh->select, arguments, NULL, false, 0) < 0)
		elog(ERROR, "could not read rows: %s", SPI_result_code_string(SPI_result));
	rows = SPI_tuptable;
	count = SPI_processed;
	refresh->ranges++;
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		Datum		table = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
		Datum		tid = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
		Datum		doc = SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull);
		MemoryContext old = MemoryContextSwitchTo(refresh->row_context);

		CHECK_FOR_INTERRUPTS();
		refresh_row(refresh, table, tid, isnull ? NULL : DatumGetTextPP(doc));
		MemoryContextSwitchTo(old);
		MemoryContextReset(refresh->row_context);
	}
	SPI_freetuptable(rows);
	PopActiveSnapshot();
}

/* Pages of the largest of the tables that the target consists of. */
static BlockNumber
count_pages(Oid target)
{
	List	   *tables = find_all_inheritors(target, AccessShareLock, NULL);
	BlockNumber pages = 0;
	ListCell   *cell;

	foreach(cell, tables)
	{
		Relation	relation = relation_open(lfirst_oid(cell), NoLock);

		if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot refresh foreign table \"%s\"",
							RelationGetRelationName(relation))));
		if (RELKIND_HAS_STORAGE(relation->rd_rel->relkind))
			pages = Max(pages, RelationGetNumberOfBlocks(relation));
		relation_close(relation, NoLock);
	}
	return pages;
}

/* Look once at every page that the target has now. */
static void
run_pass(Refresh *refresh)
{
	BlockNumber pages;
	BlockNumber step = Min(MAX_PAGES, Max(1, refresh->chunk_rows / (RANGES_A_CHUNK * MaxHeapTuplesPerPage)));
	BlockNumber end;

	begin_chunk(refresh);
	pages = count_pages(refresh->target);
	for (BlockNumber begin = 0; begin < pages; begin = end)
	{
		end = pages - begin > step ? begin + step : pages;
		refresh_range(refresh, begin, end);
		if (end == pages || refresh->ranges == MAX_RANGES ||
			refresh->chunk + (int64) step * MaxHeapTuplesPerPage > refresh->chunk_rows)
		{
			end_chunk(refresh, (double) end / pages);
			begin_chunk(refresh);
		}
	}
	end_chunk(refresh, 1);
}

/* Is any row, as one snapshot sees them all, not at the version that the same one sees? */
static bool
any_left(Refresh *refresh)
{
	SPIPlanPtr	plan;
	bool		result;

	PushActiveSnapshot(GetTransactionSnapshot());
	refresh->version = ModelCacheLookup(refresh->reference)->version;
	plan = prepare(psprintf("SELECT %s LIMIT 1", rows_to_refresh(refresh, "$1")),
				   1, (Oid[]) {INT4OID});
	if (SPI_execute_plan(plan, (Datum[]) {Int32GetDatum(refresh->version)}, NULL, true, 0) < 0)
		elog(ERROR, "could not read rows: %s", SPI_result_code_string(SPI_result));
	result = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	SPI_freeplan(plan);
	PopActiveSnapshot();
	return result;
}

/*
 * CALL textclf_refresh(target regclass, text_column name, label_column name,
 *						version_column name, model text,
 *						chunk_rows int DEFAULT 10000)
 *
 *	target			a table, partitioned or not, that the caller may update
 *	text_column		of a string type; where it is NULL, so are the next two
 *	label_column	of any type that a label can be cast to
 *	version_column	of an integer type: the version that gave the label
 *	model			with or without a version
 *	chunk_rows		commit after about so many rows; pages are not divided
 *
 * Rows that have the model's version already are not touched, so that it can be
 * called again after an interruption and goes on where it was.  Rows that
 * others change or move meanwhile are looked for again, in two more passes at
 * most: unless a warning says otherwise, there was a moment at which none was left.
 */
Datum
textclf_refresh(PG_FUNCTION_ARGS)
{
	Refresh		refresh = {0};
	int			passes = 0;
	bool		left;

	/* not so in a subtransaction, whose abort would free the memory of SPI twice */
	if (SPI_connect_ext(may_commit(fcinfo) ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_arguments(fcinfo, &refresh);
	refresh.row_context = AllocSetContextCreate(CurrentMemoryContext,
												"textclf refreshed row",
												ALLOCSET_DEFAULT_SIZES);
	do
	{
		run_pass(&refresh);
		left = any_left(&refresh);
	}
	while (left && ++passes < MAX_PASSES);

	if (textclf_progress)
		ereport(NOTICE,
				(errmsg("\"%s\" is at version %d of the model: %lld rows refreshed",
						get_rel_name(refresh.target), refresh.version,
						(long long) refresh.refreshed)));
	if (left)
		ereport(WARNING,
				(errmsg("there may be rows that version %d has not labelled", refresh.version),
				 errdetail("Others, or triggers, keep changing them."),
				 errhint("Call textclf_refresh again.")));
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_VOID();
}

/*
 * row_source.c
 *	  Rows to train on or to judge by: text and label, read as the caller.
 *
 * Everything that decides who may read what (privileges on table and columns,
 * row security, views) is left to the executor: the rows come through SPI from
 * an ordinary query.  This file must never know what becomes of the rows.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "row_source.h"

struct RowSource
{
	Portal		portal;
	MemoryContext row_context;	/* the row that was given last */
};

/*
 * Quote only what has to be: the name is remembered with models and jobs, and
 * how this session wants to see names is nothing to that.
 */
static char *
qualified_name(const char *schema, const char *name)
{
	int			level = NewGUCNestLevel();
	char	   *quoted;

	(void) set_config_option("quote_all_identifiers", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	quoted = quote_qualified_identifier(schema, name);
	AtEOXact_GUC(true, level);
	return quoted;
}

char *
RowSourceName(Oid relation)
{
	char	   *name;

	LockRelationOid(relation, AccessShareLock);
	name = get_rel_name(relation);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));
	return qualified_name(get_namespace_name(get_rel_namespace(relation)), name);
}

/* Can rows be selected from a relation of this kind? */
static void
check_relation(Oid relation)
{
	switch (get_rel_relkind(relation))
	{
		case RELKIND_RELATION:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_PARTITIONED_TABLE:
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot read texts from relation \"%s\"", get_rel_name(relation)),
			 errdetail("It is not a table, view, materialized view or foreign table.")));
}

Oid
RowSourceColumnType(Oid relation, const char *column)
{
	AttrNumber	number = get_attnum(relation, column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						column, get_rel_name(relation))));
	return getBaseType(get_atttype(relation, number));
}

/* Is it text, varchar, char, citext, ...? */
static bool
is_string_type(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

void
RowSourceCheckText(Oid relation, const char *column)
{
	Oid			type = RowSourceColumnType(relation, column);

	if (!is_string_type(type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("text column \"%s\" is of type %s", column,
						format_type_be(type)),
				 errdetail("It must be of a string type."),
				 errhint("A view can convert it to text.")));
}

static void
check_label_column(Oid relation, const char *column)
{
	Oid			type = RowSourceColumnType(relation, column);

	if (is_string_type(type) || type_is_enum(type) || type == BOOLOID ||
		type == INT2OID || type == INT4OID || type == INT8OID)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("label column \"%s\" is of type %s", column,
					format_type_be(type)),
			 errdetail("It must be of a string, enum, integer or boolean type."),
			 errhint("A view can convert it to text.")));
}

/* Have rows of the relation a place that the caller may see? */
static bool
has_places(Oid relation)
{
	char		kind = get_rel_relkind(relation);

	return (kind == RELKIND_RELATION || kind == RELKIND_MATVIEW ||
			kind == RELKIND_PARTITIONED_TABLE) &&
		pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* Open a cursor over a column as text and another expression. */
static RowSource *
open_cursor(Oid relation, const char *text_column, const char *second)
{
	RowSource  *source = palloc0(sizeof(RowSource));
	char	   *query = psprintf("SELECT s.%s::pg_catalog.text, %s FROM %s AS s",
								 quote_identifier(text_column), second,
								 RowSourceName(relation));
	SPIPlanPtr	plan;

	source->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"textclf source row",
												ALLOCSET_DEFAULT_SIZES);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare_cursor(query, 0, NULL, CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s",
			 SPI_result_code_string(SPI_result));
	EnsurePortalSnapshotExists();	/* a procedure may have just committed */
	source->portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	return source;
}

/*
 * Labels as text.  Of an enum, as it shows itself: a cast to text is a function of
 * whoever owns the type.
 */
static char *
label_expression(Oid relation, const char *column)
{
	Oid			type = RowSourceColumnType(relation, column);
	const char *quoted = quote_identifier(column);

	if (!type_is_enum(type))
		return psprintf("s.%s::pg_catalog.text", quoted);
	return psprintf("pg_catalog.textin(pg_catalog.enum_out(CAST(s.%s AS %s)))",
					quoted, format_type_be_qualified(type));
}

RowSource *
RowSourceOpen(Oid relation, const char *text_column, const char *label_column)
{
	RowSourceName(relation);	/* an error if there is no such relation */
	check_relation(relation);
	RowSourceCheckText(relation, text_column);
	check_label_column(relation, label_column);
	return open_cursor(relation, text_column, label_expression(relation, label_column));
}

RowSource *
RowSourceOpenTexts(Oid relation, const char *text_column)
{
	RowSourceName(relation);	/* an error if there is no such relation */
	check_relation(relation);
	RowSourceCheckText(relation, text_column);
	return open_cursor(relation, text_column,
					   has_places(relation) ? "s.ctid" : "NULL::pg_catalog.tid");
}

RowSource *
RowSourceOpenVectors(Oid relation)
{
	RowSourceName(relation);	/* an error if there is no such relation */
	check_relation(relation);
	RowSourceCheckText(relation, "word");
	RowSourceColumnType(relation, "vector");
	return open_cursor(relation, "word", "s.vector::pg_catalog.float4[]");
}

/* A column of a row as a detoasted text, or NULL. */
static text *
get_text(HeapTuple row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : DatumGetTextPP(value);
}

/*
 * The next row, or NULL at the end; what was made of the last one is gone.  One
 * at a time, for a view may make texts of any size.
 */
static HeapTuple
next_row(RowSource *source)
{
	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(source->row_context);
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
	SPI_cursor_fetch(source->portal, true, 1);
	return SPI_processed > 0 ? SPI_tuptable->vals[0] : NULL;
}

bool
RowSourceNext(RowSource *source, text **doc, text **label)
{
	HeapTuple	row = next_row(source);
	MemoryContext old;

	if (row == NULL)
		return false;
	old = MemoryContextSwitchTo(source->row_context);
	*doc = get_text(row, 1);
	*label = get_text(row, 2);
	MemoryContextSwitchTo(old);
	return true;
}

bool
RowSourceNextVector(RowSource *source, text **word, ArrayType **vector)
{
	HeapTuple	row = next_row(source);
	MemoryContext old;
	Datum		value;
	bool		isnull;

	if (row == NULL)
		return false;
	old = MemoryContextSwitchTo(source->row_context);
	*word = get_text(row, 1);
	value = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
	*vector = isnull ? NULL : DatumGetArrayTypeP(value);
	MemoryContextSwitchTo(old);
	return true;
}

bool
RowSourceNextText(RowSource *source, text **doc, ItemPointer tid)
{
	HeapTuple	row = next_row(source);
	MemoryContext old;
	Datum		place;
	bool		isnull;

	if (row == NULL)
		return false;
	old = MemoryContextSwitchTo(source->row_context);
	*doc = get_text(row, 1);
	MemoryContextSwitchTo(old);
	place = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
	if (isnull)
		ItemPointerSetInvalid(tid);
	else
		*tid = *(ItemPointer) DatumGetPointer(place);
	return true;
}

void
RowSourceClose(RowSource *source)
{
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
	SPI_cursor_close(source->portal);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	MemoryContextDelete(source->row_context);
	pfree(source);
}

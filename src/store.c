/*
 * store.c
 *	  Fixed queries on the extension's own tables, run as their owner.
 *
 * Nobody but the extension's owner can read the tables.  The queries run under
 * that role, with every name and operator qualified; who may do what is decided
 * by those who ask.  This file knows where the tables are, and must never know
 * what is in them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "store.h"

#define EXTENSION_NAME "textclf"
#define MODEL_TABLE "textclf_model"

/* ---- where the tables are --------------------------------------------- */

/*
 * The extension can be dropped, created again elsewhere and given to another
 * owner, in one session.  All of that, and a renamed schema, sends one of the
 * two invalidation messages that are counted; what was read while one came is
 * read again at the next use.
 */
static uint64 invalidations = 1;

static struct
{
	uint64		as_of;			/* invalidations before it was read; 0: never */
	Oid			extension;
	Oid			table;			/* textclf_model, which stands for all; invalid while it is looked for */
	char	   *schema;			/* quoted; in TopMemoryContext */
} place;

static StoreQuery *prepared = NULL; /* those with a plan, for place.schema */

static void
relation_changed(Datum argument, Oid relation)
{
	if (relation == InvalidOid || place.table == InvalidOid || relation == place.table)
		invalidations++;
}

static void
schema_changed(Datum argument, int cache, uint32 hash)
{
	invalidations++;
}

/* Read OID and schema of the extension from the catalog. */
static void
find_extension(Oid *extension, Oid *schema)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(EXTENSION_NAME));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist", EXTENSION_NAME)));
	*extension = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
	*schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/*
 * The table of models in the schema of the extension, and that schema's name.
 * The extension may be replaced by another while this looks.
 */
static Oid
find_table(Oid *extension, char **schema_name)
{
	Oid			before = InvalidOid;
	Oid			schema;

	for (;;)
	{
		Oid			table;

		find_extension(extension, &schema);
		table = get_relname_relid(MODEL_TABLE, schema);
		*schema_name = get_namespace_name(schema);
		if (OidIsValid(table) && *schema_name != NULL)
			return table;
		if (*extension == before)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("extension \"%s\" has lost its table \"%s\"",
							EXTENSION_NAME, MODEL_TABLE)));
		before = *extension;
	}
}

/* Owner of a table that is locked. */
static Oid
table_owner(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Forget the plans, which have the name of another schema in them. */
static void
drop_plans(void)
{
	while (prepared != NULL)
	{
		StoreQuery *query = prepared;

		prepared = query->next;
		SPI_freeplan(query->plan);
		query->plan = NULL;
	}
}

/* Read place, unless it is up to date.  It can change until its table is locked. */
static void
find_place(void)
{
	static bool registered = false;
	uint64		now = invalidations;
	Oid			extension;
	Oid			table;
	char	   *schema_name;

	if (place.as_of == now)
		return;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
		registered = true;
	}

	place.table = InvalidOid;
	table = find_table(&extension, &schema_name);
	if (place.schema == NULL || extension != place.extension ||
		strcmp(place.schema, quote_identifier(schema_name)) != 0)
	{
		drop_plans();
		if (place.schema != NULL)
			pfree(place.schema);
		place.schema = NULL;
		place.schema = MemoryContextStrdup(TopMemoryContext,
										   quote_identifier(schema_name));
	}
	place.extension = extension;
	place.table = table;
	place.as_of = now;
}

/* Likewise, so that it does not change before the transaction ends. */
static void
lock_place(void)
{
	for (;;)
	{
		Oid			table;

		find_place();
		table = place.table;
		LockRelationOid(table, AccessShareLock);
		find_place();			/* the lock may have been waited for */
		if (place.table == table)
			return;
		UnlockRelationOid(table, AccessShareLock);
	}
}

bool
StoreExists(void)
{
	return OidIsValid(get_extension_oid(EXTENSION_NAME, true));
}

uint64
StoreChanges(void)
{
	return invalidations;
}

Oid
StoreExtension(void)
{
	find_place();
	return place.extension;
}

Oid
StoreModelTable(void)
{
	find_place();
	return place.table;
}

/* ---- running queries -------------------------------------------------- */

void
StoreBegin(StoreSession *session)
{
	session->caller = CurrentMemoryContext;
	lock_place();
	GetUserIdAndSecContext(&session->user, &session->security_context);
	SetUserIdAndSecContext(table_owner(place.table),
						   session->security_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
StoreEnd(const StoreSession *session)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	SetUserIdAndSecContext(session->user, session->security_context);
}

/* The plan of a query, prepared at its first use. */
static SPIPlanPtr
get_plan(StoreQuery *query)
{
	int			arguments = 0;
	SPIPlanPtr	plan;

	if (query->plan != NULL)
		return query->plan;
	while (arguments < STORE_MAX_ARGUMENTS && OidIsValid(query->arguments[arguments]))
		arguments++;
	plan = SPI_prepare(psprintf(query->text, place.schema), arguments,
					   query->arguments);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	query->plan = plan;
	query->next = prepared;
	prepared = query;
	return plan;
}

/* ParamFetchHook */
static ParamExternData *
fetch_argument(ParamListInfo arguments, int number, bool speculative,
			   ParamExternData *workspace)
{
	return &arguments->params[number - 1];
}

/*
 * Arguments that are nobody's but the executor's.  A model is not copied into a
 * plan as a constant, and auto_explain, which would log it, knows it neither
 * from the plan nor from the list: BuildParamLogString leaves lists with a
 * hook alone.
 */
static ParamListInfo
make_arguments(const StoreQuery *query, const Datum *values, const char *nulls)
{
	int			count = SPI_getargcount(query->plan);
	ParamListInfo arguments = makeParamList(count);

	arguments->paramFetch = fetch_argument;
	for (int i = 0; i < count; i++)
		arguments->params[i] = (ParamExternData)
	{
		.value = values[i],
			.isnull = nulls != NULL && nulls[i] == 'n',
			.ptype = query->arguments[i]
	};
	return arguments;
}

/* Run a plan; SPI's result. */
static int
execute(SPIPlanPtr plan, StoreView view, Datum *arguments, const char *nulls,
		const SPIExecuteOptions *options)
{
	if (view == STORE_CHANGE && IsolationUsesXactSnapshot())
		/* the other would look with the transaction's own */
		return SPI_execute_snapshot(plan, arguments, nulls, GetActiveSnapshot(),
									InvalidSnapshot, false, true, 0);
	return SPI_execute_plan_extended(plan, options);
}

/*
 * Run a plan that writes.  Whoever has the right TRIGGER on a table, as GRANT ALL gives it, may have
 * attached a function to it, which would act as the tables' owner here.  So only triggers
 * fire that fire always, as those of the extension: to say so of one is the owner's right.  To SET
 * this would throw away every plan of the session.
 */
static int
execute_guarded(SPIPlanPtr plan, StoreView view, Datum *arguments, const char *nulls,
				const SPIExecuteOptions *options)
{
	int			role = SessionReplicationRole;
	volatile int result = 0;

	SessionReplicationRole = SESSION_REPLICATION_ROLE_REPLICA;
	PG_TRY();
	{
		result = execute(plan, view, arguments, nulls, options);
	}
	PG_FINALLY();
	{
		SessionReplicationRole = role;
	}
	PG_END_TRY();
	return result;
}

uint64
StoreRun(StoreQuery *query, StoreView view, Datum *arguments, const char *nulls)
{
	SPIPlanPtr	plan = get_plan(query);
	SPIExecuteOptions options = {.read_only = view == STORE_ACTIVE || view == STORE_LATEST};
	bool		latest = view == STORE_LATEST || view == STORE_CHANGE;
	int			result;

	options.params = make_arguments(query, arguments, nulls);
	if (latest)
		PushActiveSnapshot(GetLatestSnapshot());
	else
		EnsurePortalSnapshotExists();	/* a procedure may have just committed */
	result = options.read_only ? execute(plan, view, arguments, nulls, &options) :
		execute_guarded(plan, view, arguments, nulls, &options);
	if (latest)
		PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "query on the tables of textclf failed: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

Datum
StoreColumn(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
						 column, isnull);
}

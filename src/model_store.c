/*
 * model_store.c
 *	  The models in the database: names, versions, owners, grants, bytes.
 *
 * This is the only file that knows the tables of models.  It must never know
 * what model bytes mean.
 *
 * The fixed queries below run as the owner of the tables (store.c); who may do
 * what is decided here, by ModelStoreCheckUse and ModelStoreCheckOwner, for the
 * role that called.
 *
 * Readers see what their snapshot sees.  Changes take a lock on the model's
 * name and then look with the latest snapshot: a training that ran for an hour
 * in a REPEATABLE READ transaction must not number its version by what was
 * committed an hour ago.  Trainings and deployments only insert rows.
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "compat.h"
#include "model_image.h"
#include "model_store.h"
#include "store.h"

/* ---- the queries ------------------------------------------------------ */

typedef enum QueryId
{
	QUERY_RESOLVE,
	QUERY_FETCH,
	QUERY_FETCH_INFO,
	QUERY_FETCH_FACTS,
	QUERY_LIST,
	QUERY_GONE,
	QUERY_OWNER,
	QUERY_DEPLOYED,
	QUERY_HAS_VERSION,
	QUERY_NEXT_VERSION,
	QUERY_CREATE,
	QUERY_ADD,
	QUERY_DEPLOY,
	QUERY_TRIM,
	QUERY_DROP_VERSION,
	QUERY_DROP_PERMISSIONS,
	QUERY_DROP_DEPLOYMENTS,
	QUERY_DROP_VERSIONS,
	QUERY_DROP_MODEL,
	QUERY_RENAME_PERMISSIONS,
	QUERY_RENAME_DEPLOYMENTS,
	QUERY_RENAME_VERSIONS,
	QUERY_RENAME_MODEL,
	QUERY_SET_OWNER,
	QUERY_GRANT,
	QUERY_REVOKE,
	QUERY_COUNT
} QueryId;

#define EQ STORE_EQ

static StoreQuery queries[QUERY_COUNT] = {
	/* model, version or NULL: version and digest are NULL if there is none */
	[QUERY_RESOLVE] = {
		"SELECT v.version, v.digest, m.owner::pg_catalog.oid, "
		"  ARRAY(SELECT p.role::pg_catalog.oid FROM %1$s.textclf_permission AS p "
		"        WHERE p.model" EQ "m.name) "
		"FROM %1$s.textclf_model AS m "
		"LEFT JOIN %1$s.textclf_version AS v ON v.model" EQ "m.name "
		"  AND v.version" EQ "COALESCE($2, "
		"    (SELECT d.version FROM %1$s.textclf_deployment AS d "
		"     WHERE d.model" EQ "m.name ORDER BY d.number DESC LIMIT 1)) "
		"WHERE m.name" EQ "$1",
	{TEXTOID, INT4OID}},
	[QUERY_FETCH] = {
		"SELECT v.bytes, v.xmin FROM %1$s.textclf_version AS v "
		"WHERE v.model" EQ "$1 AND v.version" EQ "$2",
	{TEXTOID, INT4OID}},
	[QUERY_FETCH_INFO] = {
		"SELECT v.info FROM %1$s.textclf_version AS v "
		"WHERE v.model" EQ "$1 AND v.version" EQ "$2",
	{TEXTOID, INT4OID}},
	/* model, version */
	[QUERY_FETCH_FACTS] = {
		"SELECT v.created, pg_catalog.octet_length(v.bytes)::pg_catalog.int8, "
		"  COALESCE(v.version" EQ
		"    (SELECT d.version FROM %1$s.textclf_deployment AS d "
		"     WHERE d.model" EQ "v.model ORDER BY d.number DESC LIMIT 1), false) "
		"FROM %1$s.textclf_version AS v "
		"WHERE v.model" EQ "$1 AND v.version" EQ "$2",
	{TEXTOID, INT4OID}},
	[QUERY_LIST] = {
		"SELECT v.model, v.version FROM %1$s.textclf_version AS v ORDER BY 1, 2",
	{InvalidOid}},
	[QUERY_GONE] = {
		"SELECT g.digest FROM pg_catalog.unnest($1) AS g (digest) "
		"WHERE NOT EXISTS (SELECT FROM %1$s.textclf_version AS v "
		"                  WHERE v.digest" EQ "g.digest)",
	{BYTEAARRAYOID}},
	[QUERY_OWNER] = {
		"SELECT m.owner::pg_catalog.oid FROM %1$s.textclf_model AS m "
		"WHERE m.name" EQ "$1",
	{TEXTOID}},
	[QUERY_DEPLOYED] = {
		"SELECT d.version FROM %1$s.textclf_deployment AS d "
		"WHERE d.model" EQ "$1 ORDER BY d.number DESC LIMIT 1",
	{TEXTOID}},
	[QUERY_HAS_VERSION] = {
		"SELECT v.version FROM %1$s.textclf_version AS v "
		"WHERE v.model" EQ "$1 AND v.version" EQ "$2",
	{TEXTOID, INT4OID}},
	/* A number that was ever deployed is not given again, even if dropped. */
	[QUERY_NEXT_VERSION] = {
		"SELECT GREATEST("
		"  (SELECT pg_catalog.max(v.version) FROM %1$s.textclf_version AS v "
		"   WHERE v.model" EQ "$1), "
		"  (SELECT pg_catalog.max(d.version) FROM %1$s.textclf_deployment AS d "
		"   WHERE d.model" EQ "$1), 0) OPERATOR(pg_catalog.+) 1",
	{TEXTOID}},
	[QUERY_CREATE] = {
		"INSERT INTO %1$s.textclf_model (name, owner) VALUES ($1, $2)",
	{TEXTOID, OIDOID}},
	[QUERY_ADD] = {
		"INSERT INTO %1$s.textclf_version (model, version, digest, info, bytes) "
		"VALUES ($1, $2, $3, $4::pg_catalog.jsonb, $5)",
	{TEXTOID, INT4OID, BYTEAOID, TEXTOID, BYTEAOID}},
	[QUERY_DEPLOY] = {
		"INSERT INTO %1$s.textclf_deployment (model, number, version) "
		"SELECT $1, COALESCE(pg_catalog.max(d.number), 0) OPERATOR(pg_catalog.+) 1, $2 "
		"FROM %1$s.textclf_deployment AS d WHERE d.model" EQ "$1",
	{TEXTOID, INT4OID}},
	/* model, deployed version, how many to keep */
	[QUERY_TRIM] = {
		"DELETE FROM %1$s.textclf_version AS v "
		"WHERE v.model" EQ "$1 AND v.version OPERATOR(pg_catalog.<>) $2 "
		"AND v.version OPERATOR(pg_catalog.<) "
		"  (SELECT pg_catalog.min(k.version) FROM "
		"    (SELECT n.version FROM %1$s.textclf_version AS n "
		"     WHERE n.model" EQ "$1 ORDER BY n.version DESC LIMIT $3) AS k) RETURNING v.digest",
	{TEXTOID, INT4OID, INT4OID}},
	[QUERY_DROP_VERSION] = {
		"DELETE FROM %1$s.textclf_version AS v "
		"WHERE v.model" EQ "$1 AND v.version" EQ "$2 RETURNING v.digest",
	{TEXTOID, INT4OID}},
	[QUERY_DROP_PERMISSIONS] = {
		"DELETE FROM %1$s.textclf_permission AS p WHERE p.model" EQ "$1",
	{TEXTOID}},
	[QUERY_DROP_DEPLOYMENTS] = {
		"DELETE FROM %1$s.textclf_deployment AS d WHERE d.model" EQ "$1",
	{TEXTOID}},
	[QUERY_DROP_VERSIONS] = {
		"DELETE FROM %1$s.textclf_version AS v WHERE v.model" EQ "$1 RETURNING v.digest",
	{TEXTOID}},
	[QUERY_DROP_MODEL] = {
		"DELETE FROM %1$s.textclf_model AS m WHERE m.name" EQ "$1",
	{TEXTOID}},
	[QUERY_RENAME_PERMISSIONS] = {
		"UPDATE %1$s.textclf_permission AS p SET model = $2 WHERE p.model" EQ "$1",
	{TEXTOID, TEXTOID}},
	[QUERY_RENAME_DEPLOYMENTS] = {
		"UPDATE %1$s.textclf_deployment AS d SET model = $2 WHERE d.model" EQ "$1",
	{TEXTOID, TEXTOID}},
	[QUERY_RENAME_VERSIONS] = {
		"UPDATE %1$s.textclf_version AS v SET model = $2 WHERE v.model" EQ "$1",
	{TEXTOID, TEXTOID}},
	[QUERY_RENAME_MODEL] = {
		"UPDATE %1$s.textclf_model AS m SET name = $2 WHERE m.name" EQ "$1",
	{TEXTOID, TEXTOID}},
	[QUERY_SET_OWNER] = {
		"UPDATE %1$s.textclf_model AS m SET owner = $2 WHERE m.name" EQ "$1",
	{TEXTOID, OIDOID}},
	[QUERY_GRANT] = {
		"INSERT INTO %1$s.textclf_permission (model, role) VALUES ($1, $2) "
		"ON CONFLICT DO NOTHING",
	{TEXTOID, OIDOID}},
	[QUERY_REVOKE] = {
		"DELETE FROM %1$s.textclf_permission AS p "
		"WHERE p.model" EQ "$1 AND p.role" EQ "$2",
	{TEXTOID, OIDOID}}
};

/* ---- running queries -------------------------------------------------- */

static uint64
run_query(QueryId id, StoreView view, Datum *arguments, const char *nulls)
{
	return StoreRun(&queries[id], view, arguments, nulls);
}

/* Run a single query that changes the tables. */
static void
change(QueryId id, Datum first, Datum second)
{
	StoreSession session;
	Datum		arguments[] = {first, second};

	StoreBegin(&session);
	run_query(id, STORE_CHANGE, arguments, NULL);
	StoreEnd(&session);
}

/* The digest in the first column of a row of the last query, or NULL. */
static const uint8 *
digest_of_row(uint64 row)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull);
	bytea	   *digest = isnull ? NULL : DatumGetByteaPP(value);

	if (digest == NULL || VARSIZE_ANY_EXHDR(digest) != MODEL_DIGEST_SIZE)
		return NULL;
	return (const uint8 *) VARDATA_ANY(digest);
}

/* Run a query that deletes versions and returns their digests. */
static void
delete_versions(QueryId id, Datum *arguments)
{
	StoreSession session;
	uint64		count;

	StoreBegin(&session);
	count = run_query(id, STORE_CHANGE, arguments, NULL);
	for (uint64 i = 0; i < count; i++)
	{
		const uint8 *digest = digest_of_row(i);

		if (digest != NULL)
			ModelImageForget(digest);
	}
	StoreEnd(&session);
}

/*
 * Run a single query that reads one number with the latest snapshot.  False if
 * it gives no row.
 */
static bool
read_number(QueryId id, Datum first, Datum second, Datum *number)
{
	StoreSession session;
	Datum		arguments[] = {first, second};
	bool		found;
	bool		isnull = true;

	StoreBegin(&session);
	found = run_query(id, STORE_LATEST, arguments, NULL) > 0;
	if (found)
		*number = StoreColumn(1, &isnull);	/* int4 or oid: by value */
	StoreEnd(&session);
	return found && !isnull;
}

/* ---- names ------------------------------------------------------------ */

void
ModelNameCheck(const char *name)
{
	if (name[0] == '\0' || strlen(name) > MODEL_NAME_MAX ||
		strchr(name, '@') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid model name \"%s\"", ArgumentBeginning(name)),
				 errdetail("A model name has 1 to %d bytes and no \"@\", which separates a name from a version.",
						   MODEL_NAME_MAX)));
}

void
ModelNameParse(const char *reference, char **name, int32 *version)
{
	const char *at = strchr(reference, '@');
	int64		number = 0;
	const char *digit;

	*version = VERSION_DEPLOYED;
	if (at == NULL)
	{
		*name = pstrdup(reference);
		ModelNameCheck(*name);
		return;
	}
	*name = pnstrdup(reference, at - reference);
	ModelNameCheck(*name);

	for (digit = at + 1; isdigit((unsigned char) *digit) && number <= INT_MAX; digit++)
		number = number * 10 + (*digit - '0');
	if (*digit != '\0' || at[1] == '0' || number == 0 || number > INT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid model version in \"%s\"", ArgumentBeginning(reference)),
				 errdetail("What follows \"@\" must be a positive integer.")));
	*version = (int32) number;
}

static void
report_no_model(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", name),
			 errhint("The view textclf_models lists the models that you may use.")));
}

static void
report_no_version(const char *name, int32 version)
{
	if (version == VERSION_DEPLOYED)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no deployed version", name),
				 errhint("Use textclf_deploy to choose one, or name a version as in \"%s@1\".", name)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %d", name, version),
			 errhint("The view textclf_models lists the versions that you may use.")));
}

/* ---- reading ---------------------------------------------------------- */

/* Copy the OIDs of an oid[] datum into context. */
static void
copy_grantees(Datum array, MemoryContext context, ModelVersion *result)
{
	ArrayType  *oids = DatumGetArrayTypeP(array);
	int			count = ArrayGetNItems(ARR_NDIM(oids), ARR_DIMS(oids));

	result->grantee_count = count;
	result->grantees = NULL;
	if (count == 0)
		return;
	result->grantees = MemoryContextAlloc(context, count * sizeof(Oid));
	memcpy(result->grantees, ARR_DATA_PTR(oids), count * sizeof(Oid));
}

void
ModelStoreResolve(const char *reference, MemoryContext context,
				  ModelVersion *result)
{
	StoreSession session;
	char	   *name;
	int32		version;
	Datum		arguments[2];
	char		nulls[] = "  ";
	bytea	   *digest;
	Datum		value;
	bool		isnull;

	ModelNameParse(reference, &name, &version);
	arguments[0] = CStringGetTextDatum(name);
	arguments[1] = Int32GetDatum(version);
	if (version == VERSION_DEPLOYED)
		nulls[1] = 'n';

	StoreBegin(&session);
	if (run_query(QUERY_RESOLVE, STORE_ACTIVE, arguments, nulls) == 0)
		report_no_model(name);
	result->owner = DatumGetObjectId(StoreColumn(3, &isnull));
	copy_grantees(StoreColumn(4, &isnull), context, result);
	value = StoreColumn(1, &isnull);
	if (isnull)
	{
		SetUserIdAndSecContext(session.user, session.security_context);
		ModelStoreCheckUse(&(ModelVersion)
						   {
							   .name = name, .owner = result->owner,
							   .grantee_count = result->grantee_count,
							   .grantees = result->grantees
						   });
		report_no_version(name, version);
	}
	result->version = DatumGetInt32(value);
	digest = DatumGetByteaPP(StoreColumn(2, &isnull));
	if (VARSIZE_ANY_EXHDR(digest) != MODEL_DIGEST_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("version %d of model \"%s\" is damaged",
						result->version, name),
				 errdetail("Its digest has the wrong length.")));
	memcpy(result->digest, VARDATA_ANY(digest), MODEL_DIGEST_SIZE);
	result->name = MemoryContextStrdup(context, name);
	StoreEnd(&session);
}

bool
ModelStoreMayUse(const ModelVersion *version)
{
	Oid			user = GetUserId();

	if (has_privs_of_role(user, version->owner))
		return true;
	for (int i = 0; i < version->grantee_count; i++)
		if (!OidIsValid(version->grantees[i]) ||
			has_privs_of_role(user, version->grantees[i]))
			return true;
	return false;
}

void
ModelStoreCheckUse(const ModelVersion *version)
{
	if (!ModelStoreMayUse(version))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model \"%s\"", version->name)));
}

List *
ModelStoreList(void)
{
	StoreSession session;
	List	   *result = NIL;
	uint64		count;

	StoreBegin(&session);
	count = run_query(QUERY_LIST, STORE_ACTIVE, NULL, NULL);
	for (uint64 i = 0; i < count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		MemoryContext old = MemoryContextSwitchTo(session.caller);

		result = lappend(result, psprintf("%s@%s",
										  SPI_getvalue(row, SPI_tuptable->tupdesc, 1),
										  SPI_getvalue(row, SPI_tuptable->tupdesc, 2)));
		MemoryContextSwitchTo(old);
	}
	StoreEnd(&session);
	return result;
}

List *
ModelStoreGone(List *digests)
{
	StoreSession session;
	Datum	   *elements = palloc(list_length(digests) * sizeof(Datum));
	List	   *gone = NIL;
	int			count = 0;
	ListCell   *cell;
	Datum		argument;
	uint64		rows;

	foreach(cell, digests)
	{
		bytea	   *digest = palloc(VARHDRSZ + MODEL_DIGEST_SIZE);

		SET_VARSIZE(digest, VARHDRSZ + MODEL_DIGEST_SIZE);
		memcpy(VARDATA(digest), lfirst(cell), MODEL_DIGEST_SIZE);
		elements[count++] = PointerGetDatum(digest);
	}
	argument = PointerGetDatum(construct_array(elements, count, BYTEAOID, -1, false, TYPALIGN_INT));

	StoreBegin(&session);
	rows = run_query(QUERY_GONE, STORE_LATEST, &argument, NULL);
	for (uint64 i = 0; i < rows; i++)
	{
		uint8	   *copy = MemoryContextAlloc(session.caller, MODEL_DIGEST_SIZE);
		MemoryContext old = MemoryContextSwitchTo(session.caller);

		gone = lappend(gone, memcpy(copy, digest_of_row(i), MODEL_DIGEST_SIZE));
		MemoryContextSwitchTo(old);
	}
	StoreEnd(&session);
	return gone;
}

void
ModelStoreCheckOwner(const char *name, Oid owner)
{
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of model \"%s\"", name)));
}

/* error_context callback: what the server's own error, of damaged TOAST say, is about */
static void
add_version_context(void *argument)
{
	const ModelVersion *version = argument;

	errcontext("reading version %d of model \"%s\"", version->version, version->name);
}

/*
 * A column of a resolved version, copied into CurrentMemoryContext.  If
 * committed is not NULL, the query's second column is the row's xmin.
 */
static Datum
fetch(QueryId id, const ModelVersion *version, bool *committed)
{
	ErrorContextCallback context = {
		error_context_stack, add_version_context, unconstify(ModelVersion *, version)
	};
	StoreSession session;
	Datum		arguments[] = {
		CStringGetTextDatum(version->name), Int32GetDatum(version->version)
	};
	MemoryContext old;
	Datum		value;
	bool		isnull;

	error_context_stack = &context;
	StoreBegin(&session);
	if (run_query(id, STORE_ACTIVE, arguments, NULL) == 0)
		report_no_version(version->name, version->version);
	value = StoreColumn(1, &isnull);
	old = MemoryContextSwitchTo(session.caller);
	value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	MemoryContextSwitchTo(old);
	if (committed != NULL)
		*committed = !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(StoreColumn(2, &isnull)));
	StoreEnd(&session);
	error_context_stack = context.previous;
	return value;
}

bytea *
ModelStoreFetch(const ModelVersion *version, bool *committed)
{
	return DatumGetByteaP(fetch(QUERY_FETCH, version, committed));
}

Jsonb *
ModelStoreFetchInfo(const ModelVersion *version)
{
	return DatumGetJsonbP(fetch(QUERY_FETCH_INFO, version, NULL));
}

void
ModelStoreFetchFacts(const ModelVersion *version, ModelFacts *facts)
{
	StoreSession session;
	Datum		arguments[] = {
		CStringGetTextDatum(version->name), Int32GetDatum(version->version)
	};
	bool		isnull;

	StoreBegin(&session);
	if (run_query(QUERY_FETCH_FACTS, STORE_ACTIVE, arguments, NULL) == 0)
		report_no_version(version->name, version->version);
	facts->created = DatumGetTimestampTz(StoreColumn(1, &isnull));
	facts->bytes = DatumGetInt64(StoreColumn(2, &isnull));
	facts->deployed = DatumGetBool(StoreColumn(3, &isnull));
	StoreEnd(&session);
}

/* ---- changing --------------------------------------------------------- */

bool
ModelStoreMayChange(const char *name, bool missing_ok)
{
	Datum		owner;

	ModelNameCheck(name);
	if (read_number(QUERY_OWNER, CStringGetTextDatum(name), (Datum) 0, &owner))
	{
		ModelStoreCheckOwner(name, DatumGetObjectId(owner));
		return true;
	}
	if (!missing_ok)
		report_no_model(name);
	return false;
}

/* The number by which a name is locked; names that share one wait for each other. */
static uint32
lock_number(const char *name)
{
	return hash_bytes((const unsigned char *) name, strlen(name));
}

static void
lock_number_exclusively(uint32 number)
{
	LockDatabaseObject(StoreModelTable(), number, 0, ShareUpdateExclusiveLock);
}

bool
ModelStoreLock(const char *name, bool missing_ok)
{
	/* First without the lock: who may not change a model must not block it. */
	ModelStoreMayChange(name, missing_ok);
	lock_number_exclusively(lock_number(name));
	return ModelStoreMayChange(name, missing_ok);
}

void
ModelStoreLockBoth(const char *name, const char *other)
{
	uint32		first = lock_number(name);
	uint32		second = lock_number(other);

	lock_number_exclusively(Min(first, second));
	lock_number_exclusively(Max(first, second));
}

int32
ModelStoreDeployed(const char *name)
{
	Datum		version;

	if (!read_number(QUERY_DEPLOYED, CStringGetTextDatum(name), (Datum) 0, &version))
		return VERSION_DEPLOYED;
	return DatumGetInt32(version);
}

bool
ModelStoreHasVersion(const char *name, int32 version)
{
	Datum		found;

	return read_number(QUERY_HAS_VERSION, CStringGetTextDatum(name),
					   Int32GetDatum(version), &found);
}

void
ModelStoreCreate(const char *name)
{
	change(QUERY_CREATE, CStringGetTextDatum(name), ObjectIdGetDatum(GetUserId()));
}

int32
ModelStoreAdd(const char *name, const NewVersion *content)
{
	StoreSession session;
	bytea	   *digest = palloc(VARHDRSZ + MODEL_DIGEST_SIZE);
	Datum		number;
	Datum		arguments[5];

	SET_VARSIZE(digest, VARHDRSZ + MODEL_DIGEST_SIZE);
	memcpy(VARDATA(digest), content->digest, MODEL_DIGEST_SIZE);
	if (!read_number(QUERY_NEXT_VERSION, CStringGetTextDatum(name), (Datum) 0, &number))
		elog(ERROR, "no number for the next version of model \"%s\"", name);

	arguments[0] = CStringGetTextDatum(name);
	arguments[1] = number;
	arguments[2] = PointerGetDatum(digest);
	arguments[3] = CStringGetTextDatum(content->info);
	arguments[4] = PointerGetDatum(content->bytes);
	StoreBegin(&session);
	run_query(QUERY_ADD, STORE_ADD, arguments, NULL);
	StoreEnd(&session);
	return DatumGetInt32(number);
}

void
ModelStoreDeploy(const char *name, int32 version)
{
	if (!ModelStoreHasVersion(name, version))
		report_no_version(name, version);
	change(QUERY_DEPLOY, CStringGetTextDatum(name), Int32GetDatum(version));
}

void
ModelStoreTrim(const char *name, int32 keep)
{
	Datum		arguments[] = {
		CStringGetTextDatum(name),
		Int32GetDatum(ModelStoreDeployed(name)),
		Int32GetDatum(keep)
	};

	delete_versions(QUERY_TRIM, arguments);
}

void
ModelStoreDropVersion(const char *name, int32 version)
{
	if (!ModelStoreHasVersion(name, version))
		report_no_version(name, version);
	if (ModelStoreDeployed(name) == version)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("version %d of model \"%s\" is deployed", version, name),
				 errhint("Deploy another version first, or drop the whole model.")));
	delete_versions(QUERY_DROP_VERSION, (Datum[])
					{
						CStringGetTextDatum(name), Int32GetDatum(version)
					});
}

void
ModelStoreDrop(const char *name)
{
	Datum		argument = CStringGetTextDatum(name);

	change(QUERY_DROP_PERMISSIONS, argument, (Datum) 0);
	change(QUERY_DROP_DEPLOYMENTS, argument, (Datum) 0);
	delete_versions(QUERY_DROP_VERSIONS, &argument);
	change(QUERY_DROP_MODEL, argument, (Datum) 0);
}

void
ModelStoreRename(const char *name, const char *new_name)
{
	Datum		owner;

	if (read_number(QUERY_OWNER, CStringGetTextDatum(new_name), (Datum) 0, &owner))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("model \"%s\" already exists", new_name)));
	for (QueryId id = QUERY_RENAME_PERMISSIONS; id <= QUERY_RENAME_MODEL; id++)
		change(id, CStringGetTextDatum(name), CStringGetTextDatum(new_name));
}

void
ModelStoreSetOwner(const char *name, Oid owner)
{
	change(QUERY_SET_OWNER, CStringGetTextDatum(name), ObjectIdGetDatum(owner));
}

void
ModelStoreGrant(const char *name, Oid role)
{
	change(QUERY_GRANT, CStringGetTextDatum(name), ObjectIdGetDatum(role));
}

void
ModelStoreRevoke(const char *name, Oid role)
{
	change(QUERY_REVOKE, CStringGetTextDatum(name), ObjectIdGetDatum(role));
}

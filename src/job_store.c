/*
 * job_store.c
 *	  Background trainings in the database: what was asked for, what came of it.
 *
 * This is the only file that knows the table of jobs.  A row is written in the
 * transaction that asks for the job, so that COMMIT, ROLLBACK and savepoints
 * mean what they always mean; it is written again when the job gets its worker
 * and when it ends.  What a worker does in between is not here, but in its
 * segment (job_segment.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "job_store.h"
#include "store.h"

#define EQ STORE_EQ

/* What is asked for, whatever becomes of it. */
#define DIGEST \
	"pg_catalog.sha256(pg_catalog.convert_to(" \
	"  ROW(j.role, j.source, j.source_name, j.text_column, " \
	"      j.label_column, j.model, j.options, j.settings)::pg_catalog.text, " \
	"  pg_catalog.getdatabaseencoding()))"

/* The order is that of Column. */
#define COLUMNS \
	"j.id, j.role, j.source, j.source_name, j.text_column, " \
	"j.label_column, j.model, j.options, j.settings, " DIGEST ", j.requested, j.segment, j.state, " \
	"j.started, j.epoch, j.epochs, j.loss, j.finished, j.version, j.deployed, " \
	"j.error, j.warning, j.notices"

typedef enum Column
{
	COLUMN_ID = 1,
	COLUMN_ROLE,
	COLUMN_SOURCE,
	COLUMN_SOURCE_NAME,
	COLUMN_TEXT_COLUMN,
	COLUMN_LABEL_COLUMN,
	COLUMN_MODEL,
	COLUMN_OPTIONS,
	COLUMN_SETTINGS,
	COLUMN_DIGEST,
	COLUMN_REQUESTED,
	COLUMN_SEGMENT,
	COLUMN_STATE,
	COLUMN_STARTED,
	COLUMN_EPOCH,
	COLUMN_EPOCHS,
	COLUMN_LOSS,
	COLUMN_FINISHED,
	COLUMN_VERSION,
	COLUMN_DEPLOYED,
	COLUMN_ERROR,
	COLUMN_WARNING,
	COLUMN_NOTICES
} Column;

/* What the column state holds; NULL as long as there is no outcome. */
static const char *const state_names[] = {
	[JOB_DONE] = "done",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled"
};

/*
 * Only what the session itself has set is kept: everything else reaches the
 * worker as it reaches any session of the role.
 */
static StoreQuery add_query = {
	"INSERT INTO %1$s.textclf_job AS j "
	"  (role, source, source_name, text_column, label_column, model, options, settings) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, "
	"  (SELECT COALESCE(pg_catalog.jsonb_object_agg(s.name, s.setting), '{}'::pg_catalog.jsonb) "
	"   FROM pg_catalog.pg_settings AS s "
	"   WHERE pg_catalog.starts_with(s.name, 'textclf.') "
	"     AND (s.source" EQ "'session' OR s.source" EQ "'client'))) "
	"ON CONFLICT (id) DO NOTHING RETURNING j.id, " DIGEST,
	{OIDOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID}
};

/*
 * Set the sequence to the last of the ids that follow one another from where it is.
 * What comes after that is free.
 */
static StoreQuery skip_query = {
	"SELECT pg_catalog.setval(s.tableoid, "
	"  (SELECT j.id FROM %1$s.textclf_job AS j "
	"   WHERE j.id OPERATOR(pg_catalog.>=) s.last_value AND NOT EXISTS "
	"     (SELECT FROM %1$s.textclf_job AS n WHERE n.id" EQ
	"        CASE WHEN j.id OPERATOR(pg_catalog.<) 9223372036854775807 THEN j.id OPERATOR(pg_catalog.+) 1 END) "
	"   ORDER BY j.id LIMIT 1)) "
	"FROM %1$s.textclf_job_id_seq AS s",
	{InvalidOid}
};

static StoreQuery get_query = {
	"SELECT " COLUMNS " FROM %1$s.textclf_job AS j WHERE j.id" EQ "$1",
	{INT8OID}
};

static StoreQuery list_query = {
	"SELECT " COLUMNS " FROM %1$s.textclf_job AS j "
	"WHERE j.state IS NULL OR NOT $1 ORDER BY j.id",
	{BOOLOID}
};

static StoreQuery launch_query = {
	"UPDATE %1$s.textclf_job AS j SET segment = $2 "
	"WHERE j.id" EQ "$1 AND j.segment IS NULL AND j.state IS NULL",
	{INT8OID, INT8OID}
};

static StoreQuery finish_query = {
	"UPDATE %1$s.textclf_job AS j SET state = $3, started = $4, epoch = $5, epochs = $6, "
	"  loss = $7, version = $8, deployed = $9, error = $10, warning = $11, notices = $12, "
	"  finished = pg_catalog.clock_timestamp() "
	"WHERE j.id" EQ "$1 AND COALESCE(j.segment, 0)" EQ "$2 AND j.state IS NULL",
	{INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT4OID, INT4OID, FLOAT8OID, INT4OID, BOOLOID,
	TEXTOID, TEXTOID, TEXTOID}
};

static StoreQuery trim_query = {
	"DELETE FROM %1$s.textclf_job AS j "
	"WHERE j.finished OPERATOR(pg_catalog.<) "
	"  (pg_catalog.now() OPERATOR(pg_catalog.-) '30 days'::pg_catalog.interval)",
	{InvalidOid}
};

/* Run a query that changes the table; returns the number of rows. */
static uint64
change(StoreQuery *query, Datum *arguments, const char *nulls)
{
	StoreSession session;
	uint64		rows;

	StoreBegin(&session);
	rows = StoreRun(query, STORE_CHANGE, arguments, nulls);
	StoreEnd(&session);
	return rows;
}

/* ---- reading ---------------------------------------------------------- */

/* A column of a row; what is NULL reads as 0. */
static Datum
get_value(HeapTuple row, Column column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* Likewise, text as a string, or NULL. */
static char *
get_string(HeapTuple row, Column column)
{
	Datum		value = get_value(row, column);

	return value != (Datum) 0 ? TextDatumGetCString(value) : NULL;
}

static JobState
read_state(const char *name)
{
	if (name != NULL)
		for (JobState state = JOB_DONE; state <= JOB_CANCELLED; state++)
			if (strcmp(name, state_names[state]) == 0)
				return state;
	return JOB_UNFINISHED;
}

static void
read_digest(Datum value, uint8 *digest)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != JOB_DIGEST_SIZE)
		elog(ERROR, "unexpected size of a digest");
	memcpy(digest, VARDATA_ANY(bytes), JOB_DIGEST_SIZE);
}

/* Make a Job of a row, in CurrentMemoryContext. */
static Job *
read_job(HeapTuple row)
{
	Job		   *job = palloc0(sizeof(Job));
	JobProgress *progress = &job->progress;
	Datum		value;

	job->id = DatumGetInt64(get_value(row, COLUMN_ID));
	job->role = DatumGetObjectId(get_value(row, COLUMN_ROLE));
	job->source = DatumGetObjectId(get_value(row, COLUMN_SOURCE));
	job->source_name = get_string(row, COLUMN_SOURCE_NAME);
	job->text_column = get_string(row, COLUMN_TEXT_COLUMN);
	job->label_column = get_string(row, COLUMN_LABEL_COLUMN);
	job->model = get_string(row, COLUMN_MODEL);
	value = get_value(row, COLUMN_OPTIONS);
	if (value != (Datum) 0)
		job->options = DatumGetJsonbPCopy(value);
	job->settings = DatumGetJsonbPCopy(get_value(row, COLUMN_SETTINGS));
	read_digest(get_value(row, COLUMN_DIGEST), job->digest);
	job->requested = DatumGetTimestampTz(get_value(row, COLUMN_REQUESTED));
	job->segment = (dsm_handle) DatumGetInt64(get_value(row, COLUMN_SEGMENT));

	progress->started = DatumGetTimestampTz(get_value(row, COLUMN_STARTED));
	progress->epoch = DatumGetInt32(get_value(row, COLUMN_EPOCH));
	progress->epochs = DatumGetInt32(get_value(row, COLUMN_EPOCHS));
	value = get_value(row, COLUMN_LOSS);
	progress->loss = progress->epoch > 0 ? DatumGetFloat8(value) : get_float8_nan();
	progress->rows_per_second = progress->seconds_left = get_float8_nan();

	job->finished = DatumGetTimestampTz(get_value(row, COLUMN_FINISHED));
	job->outcome.state = read_state(get_string(row, COLUMN_STATE));
	job->outcome.version = DatumGetInt32(get_value(row, COLUMN_VERSION));
	job->outcome.deployed = DatumGetBool(get_value(row, COLUMN_DEPLOYED));
	job->outcome.error = get_string(row, COLUMN_ERROR);
	job->outcome.warning = get_string(row, COLUMN_WARNING);
	job->outcome.notices = get_string(row, COLUMN_NOTICES);
	return job;
}

/* Run a query that gives jobs. */
static List *
read_jobs(StoreQuery *query, Datum argument)
{
	StoreSession session;
	List	   *jobs = NIL;
	MemoryContext old;
	uint64		count;

	StoreBegin(&session);
	count = StoreRun(query, STORE_LATEST, &argument, NULL);
	old = MemoryContextSwitchTo(session.caller);
	for (uint64 i = 0; i < count; i++)
		jobs = lappend(jobs, read_job(SPI_tuptable->vals[i]));
	MemoryContextSwitchTo(old);
	StoreEnd(&session);
	return jobs;
}

Job *
JobStoreGet(int64 id)
{
	List	   *jobs = read_jobs(&get_query, Int64GetDatum(id));

	return jobs != NIL ? linitial(jobs) : NULL;
}

List *
JobStoreList(bool unfinished)
{
	return read_jobs(&list_query, BoolGetDatum(unfinished));
}

/* ---- changing --------------------------------------------------------- */

void
JobStoreAdd(Job *job)
{
	StoreSession session;
	Datum		arguments[] = {
		ObjectIdGetDatum(GetUserId()),
		ObjectIdGetDatum(job->source),
		CStringGetTextDatum(job->source_name),
		CStringGetTextDatum(job->text_column),
		CStringGetTextDatum(job->label_column),
		CStringGetTextDatum(job->model),
		PointerGetDatum(job->options)
	};
	const char *nulls = job->options != NULL ? NULL : "      n";
	bool		isnull;

	StoreBegin(&session);
	/* whoever may write to all tables may set the sequence back: what is taken is passed over */
	while (StoreRun(&add_query, STORE_CHANGE, arguments, nulls) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		StoreRun(&skip_query, STORE_CHANGE, NULL, NULL);
	}
	job->role = session.user;
	job->id = DatumGetInt64(StoreColumn(1, &isnull));
	read_digest(StoreColumn(2, &isnull), job->digest);
	StoreEnd(&session);
}

bool
JobStoreLaunch(int64 id, dsm_handle segment)
{
	Datum		arguments[] = {Int64GetDatum(id), Int64GetDatum((int64) segment)};

	return change(&launch_query, arguments, NULL) > 0;
}

bool
JobStoreFinish(const Job *job, const JobProgress *progress,
			   const JobOutcome *outcome)
{
	bool		done = outcome->state == JOB_DONE;
	Datum		arguments[] = {
		Int64GetDatum(job->id),
		Int64GetDatum((int64) job->segment),
		CStringGetTextDatum(state_names[outcome->state]),
		TimestampTzGetDatum(progress->started),
		Int32GetDatum(progress->epoch),
		Int32GetDatum(progress->epochs),
		Float8GetDatum(progress->loss),
		Int32GetDatum(outcome->version),
		BoolGetDatum(outcome->deployed),
		outcome->error != NULL ? CStringGetTextDatum(outcome->error) : (Datum) 0,
		outcome->warning != NULL ? CStringGetTextDatum(outcome->warning) : (Datum) 0,
		outcome->notices != NULL ? CStringGetTextDatum(outcome->notices) : (Datum) 0
	};
	char		nulls[] = "            ";

	if (progress->started == 0)
		nulls[3] = 'n';
	if (progress->epoch == 0)
		nulls[4] = nulls[5] = nulls[6] = 'n';
	if (!done)
		nulls[7] = nulls[8] = 'n';
	if (outcome->error == NULL)
		nulls[9] = 'n';
	if (outcome->warning == NULL)
		nulls[10] = 'n';
	if (outcome->notices == NULL)
		nulls[11] = 'n';
	return change(&finish_query, arguments, nulls) > 0;
}

void
JobStoreTrim(void)
{
	change(&trim_query, NULL, NULL);
}

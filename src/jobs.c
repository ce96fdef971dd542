/*
 * jobs.c
 *	  SQL: textclf_train_background, textclf_cancel, textclf_job_entries.
 *
 * A job is a row, written in the transaction that asks for it.  Shortly before
 * COMMIT every job of the transaction gets its worker, which connects, says
 * that it is there and waits for the transaction to end.  So a COMMIT either
 * fails, with the reason, or leaves jobs that are being worked on: there is no
 * queue that somebody would have to look after.
 *
 * To own the table, which may be given to another than a superuser, is not the
 * right to act as any role.  So the row is not believed: what it must still say
 * at the end is remembered outside of the table, and goes to the worker past it.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "figure.h"
#include "jobs.h"
#include "row_source.h"
#include "store.h"
#include "training.h"

PG_FUNCTION_INFO_V1(textclf_train_background);
PG_FUNCTION_INFO_V1(textclf_cancel);
PG_FUNCTION_INFO_V1(textclf_job_entries);

#define START_SECONDS	30		/* in which a worker must have connected */

typedef struct Request
{
	Oid			extension;		/* whose job it is; a new one gives the same ids */
	JobTicket	ticket;
} Request;

/* What this transaction asked for, rolled back requests as well. */
static List *requested = NIL;	/* of Request *, in TopTransactionContext */

/* ---- starting workers ------------------------------------------------- */

static void
report_no_start(int64 job, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not start the worker of background training %lld", (long long) job),
			 errdetail_internal("%s", detail),
			 errhint("The server's log may tell why. Its role must be able to connect to the database.")));
}

/* Wait until the worker says that it is there. */
static void
wait_for_worker(int64 job, const JobSegment *segment, BackgroundWorkerHandle *worker)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   START_SECONDS * 1000);

	for (;;)
	{
		pid_t		pid;
		BgwHandleStatus status = GetBackgroundWorkerPid(worker, &pid);

		if (JobSegmentHasWorker(segment))
			return;
		if (status == BGWH_STOPPED || status == BGWH_POSTMASTER_DIED)
			report_no_start(job, _("It ended before it had connected."));
		if (GetCurrentTimestamp() >= deadline)
		{
			TerminateBackgroundWorker(worker);
			report_no_start(job, _("It did not connect in time."));
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 100, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Ask the postmaster for a worker. */
static BackgroundWorkerHandle *
register_worker(int64 job, dsm_handle segment)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	snprintf(worker.bgw_name, BGW_MAXLEN, "textclf job %lld", (long long) job);
	snprintf(worker.bgw_type, BGW_MAXLEN, "textclf job");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "textclf");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "textclf_job_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = UInt32GetDatum(segment);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no worker process is free for background training %lld",
						(long long) job),
				 errhint("Try again when another background training has ended, or increase max_worker_processes.")));
	return handle;
}

/* The job that is asked for, or NULL if it was rolled back, dropped or cancelled. */
static Job *
find_job(const Request *request)
{
	Job		   *job;

	if (request->extension != StoreExtension())
		return NULL;
	job = JobStoreGet(request->ticket.job);
	return job != NULL && job->outcome.state == JOB_UNFINISHED ? job : NULL;
}

/* Give a job its worker, unless there is no such job any more, or it has one. */
static void
launch(Request *request)
{
	JobTicket  *ticket = &request->ticket;
	Job		   *job = find_job(request);
	JobSegment *segment;
	dsm_handle	handle;

	if (job == NULL || job->segment != DSM_HANDLE_INVALID)
		return;
	ticket->requester = GetTopTransactionId();
	segment = JobSegmentCreate(ticket);
	handle = JobSegmentHandle(segment);
	JobStoreLaunch(ticket->job, handle);
	wait_for_worker(ticket->job, segment, register_worker(ticket->job, handle));
	JobSegmentDetach(segment);
}

/*
 * Before COMMIT.  The transaction may have dropped the extension, and the jobs
 * with it.
 */
static void
launch_requested(void)
{
	ListCell   *cell;

	if (requested == NIL || !StoreExists())
		return;
	foreach(cell, requested)
		launch(lfirst(cell));
}

/* Before PREPARE TRANSACTION: nobody could tell when that is committed. */
static void
refuse_prepare(void)
{
	ListCell   *cell;

	if (requested == NIL || !StoreExists())
		return;
	foreach(cell, requested)
		if (find_job(lfirst(cell)) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has asked for a background training")));
}

static void
transaction_event(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			launch_requested();
			break;
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			requested = NIL;
			break;
		default:
			break;				/* of a parallel worker, which asks for nothing */
	}
}

/* Have the job looked at when the transaction is about to end. */
static void
remember_request(const Job *job)
{
	static bool registered = false;
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Request    *request = palloc0(sizeof(Request));

	request->extension = StoreExtension();
	request->ticket.job = job->id;
	request->ticket.database = MyDatabaseId;
	request->ticket.role = job->role;
	memcpy(request->ticket.digest, job->digest, JOB_DIGEST_SIZE);
	requested = lappend(requested, request);
	MemoryContextSwitchTo(old);
	if (!registered)
		RegisterXactCallback(transaction_event, NULL);
	registered = true;
}

/* ---- asking for a job ------------------------------------------------- */

/* May sessions of a role exist? */
static bool
can_log_in(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	return result;
}

/* Raise an error unless a worker of the current role can connect. */
static void
check_role(void)
{
	Oid			role = GetUserId();
	AclResult	connect;

	if (!can_log_in(role))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("role \"%s\" is not permitted to log in",
						GetUserNameFromId(role, false)),
				 errdetail("A background training connects to the database as the role that asks for it."),
				 errhint("Ask for it as a role with the LOGIN attribute, or use textclf_train.")));
	connect = CompatDatabaseAclCheck(MyDatabaseId, role, ACL_CONNECT);
	if (connect != ACLCHECK_OK)
		aclcheck_error(connect, OBJECT_DATABASE, get_database_name(MyDatabaseId));
}

/* Raise an error if another session cannot see a relation. */
static void
refuse_temporary(Oid relation)
{
	if (get_rel_persistence(relation) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot train in the background on temporary relation \"%s\"",
						get_rel_name(relation)),
				 errhint("Another session cannot read it. Use textclf_train.")));
}

/* Raise an error unless another session can read what is asked for as this one can. */
static void
check_source(const TrainRequest *request)
{
	refuse_temporary(request->source);
	/* a cursor is opened only by who may read */
	if (OidIsValid(request->embeddings))
	{
		refuse_temporary(request->embeddings);
		RowSourceClose(RowSourceOpenVectors(request->embeddings));
	}
	RowSourceClose(RowSourceOpen(request->source, request->text_column,
								 request->label_column));
}

/*
 * textclf_train_background(source regclass, text_column name,
 *							label_column name, model text DEFAULT NULL,
 *							options jsonb DEFAULT '{}')
 *
 * The arguments of textclf_train, checked likewise.  Returns the id of a job
 * that starts at COMMIT.
 */
Datum
textclf_train_background(PG_FUNCTION_ARGS)
{
	TrainRequest request;
	Job			job = {0};

	PreventCommandIfReadOnly("textclf_train_background()");
	TrainRequestFromArguments(fcinfo, &request);
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot ask for a background training within a security-restricted operation")));
	check_source(&request);
	check_role();

	job.source = request.source;
	job.source_name = request.source_name;
	job.text_column = request.text_column;
	job.label_column = request.label_column;
	job.model = request.model;
	job.options = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	if (OidIsValid(request.embeddings))
		job.options = OptionsReplace(job.options, "embeddings", request.embeddings_name);
	JobStoreAdd(&job);
	remember_request(&job);
	PG_RETURN_INT64(job.id);
}

/* ---- looking at jobs -------------------------------------------------- */

bool
JobLook(Job *job, JobWorker *worker)
{
	Job		   *now;

	if (job->outcome.state != JOB_UNFINISHED || job->segment == DSM_HANDLE_INVALID ||
		RecoveryInProgress())
		return false;
	if (JobSegmentRead(job->segment, job->id, worker))
		return true;

	/* It has stored its result before it left, if it has one. */
	now = JobStoreGet(job->id);
	if (now != NULL)
		*job = *now;
	if (job->outcome.state == JOB_UNFINISHED)
	{
		job->outcome.state = JOB_FAILED;
		job->outcome.error = psprintf("%s: %s", unpack_sql_state(ERRCODE_OPERATOR_INTERVENTION),
									  _("the worker ended before the job did; the server was stopped or crashed, or the worker was terminated"));
	}
	return false;
}

static const char *const state_names[] = {
	[JOB_DONE] = "done",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled"
};

static const char *const phase_names[] = {
	[JOB_READING] = "reading",
	[JOB_PREPARING] = "preparing",
	[JOB_TRAINING] = "training",
	[JOB_PUBLISHING] = "publishing"
};

/* A row under construction. */
typedef struct Row
{
	Datum		values[20];
	bool		nulls[20];
	int			count;
} Row;

static void
put(Row *row, Datum value, bool isnull)
{
	row->values[row->count] = isnull ? (Datum) 0 : value;
	row->nulls[row->count++] = isnull;
}

static void
put_text(Row *row, const char *text)
{
	put(row, text != NULL ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

static void
put_figure(Row *row, double value)
{
	bool		isnull;
	Datum		figure = FigureDatum(value, &isnull);

	put(row, figure, isnull);
}

/*
 * Texts may quote rows, which are nothing for those who only watch: of an
 * error they read the SQLSTATE that it begins with.
 */
static void
put_messages(Row *row, const JobOutcome *outcome, bool is_own)
{
	if (is_own || outcome->error == NULL)
		put_text(row, outcome->error);
	else
		put_text(row, pnstrdup(outcome->error, strcspn(outcome->error, ":")));
	put_text(row, is_own ? outcome->warning : NULL);
	put_text(row, is_own ? outcome->notices : NULL);
}

/* What the view textclf_jobs shows, in its order. */
static void
make_row(Row *row, const Job *job, bool running, const JobWorker *worker)
{
	const JobProgress *progress = running ? &worker->progress : &job->progress;
	bool		begun = running && worker->phase != JOB_WAITING;
	bool		learning = progress->epoch > 0; /* from then on there are figures */
	bool		done = job->outcome.state == JOB_DONE;

	memset(row, 0, sizeof(*row));
	put(row, Int64GetDatum(job->id), false);
	put_text(row, job->model);
	put_text(row, job->source_name);
	put(row, ObjectIdGetDatum(job->role), false);
	if (job->outcome.state != JOB_UNFINISHED)
		put_text(row, state_names[job->outcome.state]);
	else
		put_text(row, begun || RecoveryInProgress() ? "running" : "queued");
	put_text(row, begun ? phase_names[worker->phase] : NULL);
	put(row, Int32GetDatum(worker->pid), !running);
	put(row, Int32GetDatum(progress->epoch), !learning);
	put(row, Int32GetDatum(progress->epochs), !learning);
	put_figure(row, learning ? progress->loss : NAN);
	put_figure(row, learning ? progress->rows_per_second : NAN);
	put_figure(row, learning ? progress->seconds_left : NAN);
	put(row, TimestampTzGetDatum(job->requested), false);
	put(row, TimestampTzGetDatum(progress->started), progress->started == 0);
	put(row, TimestampTzGetDatum(job->finished), job->finished == 0);
	put(row, Int32GetDatum(job->outcome.version), !done);
	put(row, BoolGetDatum(job->outcome.deployed), !done);
	put_messages(row, &job->outcome, has_privs_of_role(GetUserId(), job->role));
}

/* textclf_job_entries(): the jobs that the current user may see. */
Datum
textclf_job_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, JobStoreList(false))
	{
		Job		   *job = lfirst(cell);
		JobWorker	worker = {0};
		bool		running;
		Row			row;

		CHECK_FOR_INTERRUPTS();
		if (!sees_all && !has_privs_of_role(GetUserId(), job->role))
			continue;
		running = JobLook(job, &worker);
		make_row(&row, job, running, &worker);
		tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
	}
	return (Datum) 0;
}

/* ---- cancelling ------------------------------------------------------- */

/*
 * textclf_cancel(job bigint): stop a job.  Returns whether there was something
 * to stop.
 */
Datum
textclf_cancel(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	Job		   *job = JobStoreGet(id);
	JobWorker	worker;

	if (job == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job %lld does not exist", (long long) id),
				 errhint("The view textclf_jobs lists your jobs.")));
	if (!has_privs_of_role(GetUserId(), job->role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to cancel job %lld", (long long) id),
				 errdetail("Its role, the members of that role and superusers may cancel it.")));

	if (JobLook(job, &worker))
		PG_RETURN_DATUM(DirectFunctionCall1(pg_cancel_backend, Int32GetDatum(worker.pid)));
	if (job->outcome.state == JOB_UNFINISHED && job->segment == DSM_HANDLE_INVALID)
	{
		JobOutcome	outcome = {JOB_CANCELLED};

		/* of this transaction: no worker will be asked for */
		PG_RETURN_BOOL(JobStoreFinish(job, &job->progress, &outcome));
	}
	PG_RETURN_BOOL(false);
}

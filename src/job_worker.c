/*
 * job_worker.c
 *	  The process that does a background training, and nothing else.
 *
 * It connects as the role that asked for the job and waits until that
 * transaction has ended.  Rows are read in one transaction and the version is
 * published in another; in between there is none, so that an hour of training
 * holds back neither VACUUM nor anybody's lock.  That the job is done and that
 * its version exists is one COMMIT.
 *
 * An error ends the job, not the process; its text goes into the job's row,
 * where its role can read it, and not into the server's log, for it may quote
 * the rows.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "jobs.h"
#include "remarks.h"
#include "store.h"
#include "training.h"

#define LOOK_MS		2000		/* between looks whether the extension is still there */

/* The job of this process. */
typedef struct JobRun
{
	JobSegment *segment;
	Job		   *job;			/* its row; NULL until it was read */
	MemoryContext context;		/* for what outlives transactions; so does owner */
	ResourceOwner owner;
	JobProgress progress;
	const TrainRequest *request;
	StringInfo	remarks;		/* NULL: nothing to remark on yet */
	TimestampTz looked;			/* at changes of the extension */
	uint64		changes;		/* StoreChanges() when the job was known to be there */
} JobRun;

/* ---- transactions ----------------------------------------------------- */

static void
begin_transaction(JobRun *run)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(run->context);
}

/* Back to what outlives transactions. */
static void
leave_transaction(JobRun *run)
{
	MemoryContextSwitchTo(run->context);
	CurrentResourceOwner = run->owner;
}

static void
commit_transaction(JobRun *run)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	leave_transaction(run);
}

/* ---- telling ---------------------------------------------------------- */

/* Tell sessions that look at textclf_jobs or pg_stat_activity. */
static void
enter_phase(JobRun *run, JobPhase phase, const char *activity)
{
	char	   *text = psprintf("textclf job %lld: %s", (long long) run->job->id, activity);

	JobSegmentTell(run->segment, phase, &run->progress);
	pgstat_report_activity(STATE_RUNNING, text);
	pfree(text);
}

/* ---- the job ---------------------------------------------------------- */

/*
 * Wait until the transaction that asked for the job has ended.  Its locks are
 * released after the commit can be seen.
 */
static void
wait_for_requester(JobRun *run)
{
	begin_transaction(run);
	PopActiveSnapshot();		/* a wait must not hold one */
	XactLockTableWait(JobSegmentTicket(run->segment)->requester, NULL, NULL, XLTW_None);
	CommitTransactionCommand();
	leave_transaction(run);
}

/* Enter into the rows of jobs whose workers are gone that they have failed. */
static void
settle_lost_jobs(void)
{
	ListCell   *cell;

	foreach(cell, JobStoreList(true))
	{
		Job		   *job = lfirst(cell);
		JobWorker	worker;

		if (!JobLook(job, &worker) && job->outcome.state != JOB_UNFINISHED)
			JobStoreFinish(job, &job->progress, &job->outcome);
	}
}

/*
 * The row of this process's job, or NULL.  It must name the segment: the id of
 * a job that was rolled back may belong to another by now.
 */
static Job *
get_job(const JobRun *run)
{
	Job		   *job = JobStoreGet(JobSegmentTicket(run->segment)->job);

	return job != NULL && job->segment == JobSegmentHandle(run->segment) ? job : NULL;
}

/*
 * Leave if the extension has been dropped, and the job with it: nobody could see or
 * stop this process any more.  A transaction without a snapshot reads invalidation
 * messages; only if these say so is there another that looks.
 */
static void
look_for_job(JobRun *run)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		exists;

	if (!TimestampDifferenceExceeds(run->looked, now, LOOK_MS))
		return;
	run->looked = now;
	StartTransactionCommand();
	CommitTransactionCommand();
	leave_transaction(run);
	if (StoreChanges() == run->changes)
		return;

	begin_transaction(run);
	MemoryContextSwitchTo(TopTransactionContext);
	run->changes = StoreChanges();
	exists = StoreExists() && get_job(run) != NULL;
	commit_transaction(run);
	if (!exists)
	{
		ereport(LOG,
				(errmsg("textclf job %lld ends, as its extension was dropped",
						(long long) run->job->id)));
		proc_exit(0);
	}
}

/*
 * Raise an error unless the row still says what was asked for.  Who may write it
 * could make this process, which acts as another role, do anything.
 */
static void
check_unchanged(const JobRun *run)
{
	if (memcmp(run->job->digest, JobSegmentTicket(run->segment)->digest, JOB_DIGEST_SIZE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the row of job %lld was changed after it had been asked for",
						(long long) run->job->id)));
}

/*
 * Take over what the session that asked for the job had set, whoever it had been when
 * it did.  It was allowed to, and nobody has changed the row since (check_unchanged).
 */
static void
apply_settings(Jsonb *settings)
{
	JsonbIterator *iterator = JsonbIteratorInit(&settings->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && value.type == jbvString)
			SetConfigOption(name, pnstrdup(value.val.string.val, value.val.string.len),
							PGC_SUSET, PGC_S_SESSION);
	}
}

/*
 * Read the job's row.  False if there is no such job: it was rolled back, or
 * cancelled in the transaction that asked for it.
 */
static bool
take_job(JobRun *run)
{
	begin_transaction(run);
	run->job = get_job(run);
	if (run->job != NULL && run->job->outcome.state == JOB_UNFINISHED)
	{
		check_unchanged(run);
		settle_lost_jobs();
		JobStoreTrim();
		apply_settings(run->job->settings);
	}
	run->changes = StoreChanges();
	commit_transaction(run);
	return run->job != NULL && run->job->outcome.state == JOB_UNFINISHED;
}

/* Check everything anew: sources, rights and roles may have gone meanwhile. */
static void
check_request(JobRun *run, TrainRequest *request)
{
	Job		   *job = run->job;

	begin_transaction(run);
	(void) GetUserNameFromId(job->role, false);
	if (get_rel_name(job->source) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist any more", job->source_name)));
	TrainRequestInit(request, job->source, job->text_column, job->label_column,
					 job->model, job->options);
	commit_transaction(run);
}

/* TrainReporter */
static void
report_progress(void *context, const Training *training, const TrainProgress *told)
{
	JobRun	   *run = context;
	JobProgress *progress = &run->progress;
	bool		preparing = told->engine.phase == CLF_PHASE_PREPARE;

	if (run->remarks == NULL && !preparing)
	{
		run->remarks = makeStringInfo();
		RemarkOrigin(run->remarks, run->request, training);
	}
	if (told->epochs_done > 0)
	{
		progress->epoch = (int32) ceil(told->epochs_done);
		progress->epochs = told->engine.epochs;
		progress->loss = told->figures.loss;
		progress->rows_per_second = told->rows_per_second;
		progress->seconds_left = told->seconds_left;
	}
	JobSegmentTell(run->segment, preparing ? JOB_PREPARING : JOB_TRAINING, progress);
	look_for_job(run);
}

/* Store the version and that the job is done, or neither. */
static void
publish(JobRun *run, Training *training)
{
	TrainResult result;
	JobOutcome	outcome = {JOB_DONE};

	begin_transaction(run);
	(void) GetUserNameFromId(run->job->role, false);
	TrainingPublish(training, &result);
	outcome.version = result.version;
	outcome.deployed = result.deployed;
	outcome.warning = TrainingFewRows(training);
	RemarkSubset(run->remarks, training);
	RemarkWorse(run->remarks, run->request, &result);
	if (run->remarks->len > 0)
		outcome.notices = run->remarks->data;
	run->progress.epoch = result.summary.epochs;
	if (!JobStoreFinish(run->job, &run->progress, &outcome))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("textclf job %lld does not exist any more",
						(long long) run->job->id)));
	commit_transaction(run);
}

static void
train(JobRun *run)
{
	TrainRequest request;
	Training   *training;

	check_request(run, &request);
	run->request = &request;
	training = TrainingBegin(&request, true);

	run->progress.started = GetCurrentTimestamp();
	enter_phase(run, JOB_READING, "reading rows");
	begin_transaction(run);
	TrainingReadRows(training);
	commit_transaction(run);

	enter_phase(run, JOB_PREPARING, "training");
	TrainingLearn(training, report_progress, run);

	enter_phase(run, JOB_PUBLISHING, "publishing");
	publish(run, training);
	TrainingEnd(training);
}

/* ---- when it fails ---------------------------------------------------- */

/* What is kept of an error. */
static char *
format_error(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
	if (error->detail != NULL)
		appendStringInfo(&text, "\n%s", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&text, "\n%s", error->hint);
	return text.data;
}

/* Enter into the job's row what has just been caught. */
static void
record_failure(JobRun *run)
{
	JobOutcome	outcome = {JOB_FAILED};
	ErrorData  *error;

	HOLD_CANCEL_INTERRUPTS();	/* a second cancel changes nothing */
	MemoryContextSwitchTo(run->context);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	leave_transaction(run);

	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		outcome.state = JOB_CANCELLED;
	else
		ereport(LOG,
				(errmsg("textclf job %lld failed with SQLSTATE %s",
						(long long) JobSegmentTicket(run->segment)->job,
						unpack_sql_state(error->sqlerrcode)),
				 errhint("The view textclf_jobs shows the error.")));
	outcome.error = format_error(error);
	begin_transaction(run);
	if (run->job == NULL)
		run->job = get_job(run);
	if (run->job != NULL)
		JobStoreFinish(run->job, &run->progress, &outcome);
	commit_transaction(run);
	RESUME_CANCEL_INTERRUPTS();
}

static void
run_job(JobRun *run)
{
	PG_TRY();
	{
		wait_for_requester(run);
		if (take_job(run))
			train(run);
	}
	PG_CATCH();
	{
		record_failure(run);
	}
	PG_END_TRY();
}

/* ---- the process ------------------------------------------------------ */

/*
 * Connect to the job's database as its role.  What is set for sessions of the
 * role must not make another role of it, nor decide whether a model can be stored
 * and an error told.
 */
static void
connect_as_role(const JobTicket *ticket)
{
	static const char *const settings[][2] = {
		{"role", "none"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"lock_timeout", "0"},
		{"transaction_timeout", "0"},	/* since PostgreSQL 17 */
		{"exit_on_error", "off"}
	};

	BackgroundWorkerInitializeConnectionByOid(ticket->database, ticket->role, 0);
	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name,
					PGC_USERSET, PGC_S_SESSION);
}

void
textclf_job_main(Datum argument)
{
	JobRun		run = {0};

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	run.context = AllocSetContextCreate(TopMemoryContext, "textclf job",
										ALLOCSET_DEFAULT_SIZES);
	run.owner = ResourceOwnerCreate(NULL, "textclf job");
	run.progress.loss = run.progress.rows_per_second = run.progress.seconds_left = NAN;
	leave_transaction(&run);
	run.segment = JobSegmentAttach(DatumGetUInt32(argument));
	if (run.segment == NULL)
		return;					/* who asked for the job is gone */

	connect_as_role(JobSegmentTicket(run.segment));
	leave_transaction(&run);
	JobSegmentEnter(run.segment);
	run_job(&run);
}

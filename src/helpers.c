/*
 * helpers.c
 *	  The processes that compute for a training.
 *
 * A helper is a dynamic background worker.  It has no transaction and no
 * snapshot: it computes on a segment of dynamic shared memory, and nothing
 * else.  The segment belongs to the training's resource owner, so that it goes
 * with the training however that ends; its last act is to tell the helpers,
 * who leave it at once.  This file must never know what is computed.
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "blas.h"
#include "engine_glue.h"
#include "guc.h"
#include "helpers.h"

#define WAIT_MS			100		/* the longest sleep of a training */
#define IDLE_MS			10000	/* and of a helper */
#define LEAVE_MS		2000	/* in which helpers end that have heard of it */
#define CLEAR_BYTES		((Size) 16 * 1024 * 1024)	/* at most, between looks for interrupts */

/* What a helper has come to; changed by itself alone. */
typedef enum HelperStage
{
	HELPER_ABSENT,				/* not there yet */
	HELPER_WORKING,
	HELPER_LEFT					/* and has left nothing undone */
} HelperStage;

/* The start of the segment; what the engine shares follows it. */
typedef struct HelperControl
{
	Oid			database;
	Oid			role;
	pid_t		leader_pid;
	PGPROC	   *leader;
	pg_atomic_uint32 stopped;	/* the training is over */
	Size		size;			/* of what the engine shares */
	char		blas_library[MAXPGPATH];
	char		core_type[64];	/* of the training's OpenBLAS; empty: none */
	PGPROC	   *procs[MAX_HELPERS]; /* valid once the stage is not ABSENT */
	pg_atomic_uint32 stages[MAX_HELPERS];	/* HelperStage */
} HelperControl;

#define CONTROL_SIZE	TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(HelperControl))

struct Helpers
{
	MemoryContext context;
	bool		outlive_transaction;
	int			most;			/* that may be started */
	dsm_segment *segment;		/* NULL: none */
	int			started;
	BackgroundWorkerHandle *handles[MAX_HELPERS];
};

PGDLLEXPORT void textclf_helper_main(Datum main_arg);

static HelperControl *
control_of(dsm_segment *segment)
{
	return dsm_segment_address(segment);
}

static void *
block_of(dsm_segment *segment)
{
	return (char *) dsm_segment_address(segment) + CONTROL_SIZE;
}

/* ---- the training's side ---------------------------------------------- */

/* The default of option workers. */
static int
suitable_workers(void)
{
	long		cores = sysconf(_SC_NPROCESSORS_ONLN);

	return Min(max_parallel_maintenance_workers, Max(cores - 1, 0));
}

Helpers *
HelpersCreate(int32 workers, bool outlive_transaction)
{
	Helpers    *helpers = palloc0(sizeof(Helpers));

	helpers->context = CurrentMemoryContext;
	helpers->outlive_transaction = outlive_transaction;
	helpers->most = Min(workers < 0 ? suitable_workers() : workers, MAX_HELPERS);
	return helpers;
}

/*
 * Wake the helpers for what has just been written.  Either they see it when
 * they have said that they work, or this sees that they do.
 */
static void
wake_helpers(HelperControl *control)
{
	pg_memory_barrier();
	for (int i = 0; i < MAX_HELPERS; i++)
		if (pg_atomic_read_u32(&control->stages[i]) == HELPER_WORKING)
		{
			pg_read_barrier();
			SetLatch(&control->procs[i]->procLatch);
		}
}

/* Before the training's own mapping of the segment goes: the end of all work. */
static void
stop_helpers(dsm_segment *segment, Datum unused)
{
	HelperControl *control = control_of(segment);

	pg_atomic_write_u32(&control->stopped, 1);
	wake_helpers(control);
}

static void
fill_control(HelperControl *control, size_t size)
{
	const BlasState *blas = BlasLoad();

	control->database = MyDatabaseId;
	control->role = GetAuthenticatedUserId();
	control->leader_pid = MyProcPid;
	control->leader = MyProc;
	control->size = size;
	strlcpy(control->blas_library, textclf_blas_library, sizeof(control->blas_library));
	if (blas->sgemm != NULL)
		strlcpy(control->core_type, blas->core_type, sizeof(control->core_type));
	pg_atomic_init_u32(&control->stopped, 0);
	for (int i = 0; i < MAX_HELPERS; i++)
		pg_atomic_init_u32(&control->stages[i], HELPER_ABSENT);
}

/*
 * Make a segment that belongs to this process, or return NULL where there is
 * no room for one (in a small /dev/shm, say).  Failing leaves something behind,
 * which goes with a resource owner of its own.
 */
static dsm_segment *
create_segment(Size size)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner caller = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(caller, "textclf helpers");
	dsm_segment *volatile segment = NULL;

	CurrentResourceOwner = owner;
	PG_TRY();
	{
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
		if (segment != NULL)
			dsm_pin_mapping(segment);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	CurrentResourceOwner = caller;
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(owner);
	return segment;
}

/*
 * Clear a segment: one made of min_dynamic_shared_memory is not zeros.  False
 * if this process is asked to stop in the course of it.
 */
static bool
clear_segment(dsm_segment *segment, Size size)
{
	char	   *address = dsm_segment_address(segment);

	for (Size done = 0; done < size; done += CLEAR_BYTES)
	{
		if (EngineStopped())
			return false;
		memset(address + done, 0, Min(size - done, CLEAR_BYTES));
	}
	return true;
}

/* ClfTeamHost.share: without a segment, the training does without helpers. */
static void *
share(void *context, size_t size, int count)
{
	Helpers    *helpers = context;
	dsm_segment *segment;

	if (size > SIZE_MAX - CONTROL_SIZE)
		return NULL;
	segment = create_segment(CONTROL_SIZE + size);
	if (segment == NULL)
		return NULL;
	if (!helpers->outlive_transaction)
		dsm_unpin_mapping(segment);
	if (!clear_segment(segment, CONTROL_SIZE + size))
	{
		dsm_detach(segment);
		return NULL;
	}
	fill_control(control_of(segment), size);
	on_dsm_detach(segment, stop_helpers, (Datum) 0);
	helpers->segment = segment;
	helpers->most = Min(helpers->most, count);
	return block_of(segment);
}

/* ClfTeamHost.start */
static void
start(void *context)
{
	Helpers    *helpers = context;
	MemoryContext caller = MemoryContextSwitchTo(helpers->context);
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,	/* a standby cross-validates */
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "textclf",
		.bgw_function_name = "textclf_helper_main",
		.bgw_type = "textclf helper",
		.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(helpers->segment)),
		.bgw_notify_pid = MyProcPid,
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "textclf helper for PID %d", MyProcPid);
	for (int i = 0; i < helpers->most; i++)
	{
		memcpy(worker.bgw_extra, &i, sizeof(i));
		if (!RegisterDynamicBackgroundWorker(&worker, &helpers->handles[i]))
			break;				/* max_worker_processes are running */
		helpers->started++;
	}
	MemoryContextSwitchTo(caller);
}

/* ClfTeamHost.wake */
static void
wake(void *context)
{
	Helpers    *helpers = context;

	wake_helpers(control_of(helpers->segment));
}

/* ClfTeamHost.unshare */
static void
unshare(void *context)
{
	Helpers    *helpers = context;

	dsm_detach(helpers->segment);	/* calls stop_helpers */
	helpers->segment = NULL;
}

ClfTeamHost
HelpersTeam(Helpers *helpers)
{
	ClfTeamHost team = {
		.helpers = helpers->most,
		.share = share,
		.start = start,
		.wake = wake,
		.unshare = unshare,
		.context = helpers,
	};

	return team;
}

/* Raise an error if a helper's process has ended in the midst of its work. */
static void
check_helpers(Helpers *helpers)
{
	HelperControl *control;
	pid_t		pid;

	if (helpers->segment == NULL)
		return;
	control = control_of(helpers->segment);
	for (int i = 0; i < helpers->started; i++)
		if (pg_atomic_read_u32(&control->stages[i]) == HELPER_WORKING &&
			GetBackgroundWorkerPid(helpers->handles[i], &pid) == BGWH_STOPPED &&
			pg_atomic_read_u32(&control->stages[i]) == HELPER_WORKING)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a helper process of the training has ended unexpectedly"),
					 errhint("Train again, or without helpers: option workers = 0.")));
}

void
HelpersWait(Helpers *helpers)
{
	if (WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  WAIT_MS, PG_WAIT_EXTENSION) & WL_TIMEOUT)
		check_helpers(helpers);
	ResetLatch(MyLatch);
}

/*
 * Let the helpers end, so that the next training finds processes free.  But do
 * not wait for one for long: a process that begins waits for locks on catalogs,
 * and of this transaction nobody could tell that it is a deadlock.  Such a helper
 * sees for itself, when it goes on, that there is nothing left to do.
 */
void
HelpersFree(Helpers *helpers)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAVE_MS);
	pid_t		pid;

	for (int i = 0; i < helpers->started; i++)
		while (GetBackgroundWorkerPid(helpers->handles[i], &pid) != BGWH_STOPPED &&
			   GetCurrentTimestamp() < deadline)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 WAIT_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	pfree(helpers);
}

/* ---- the helper's side ------------------------------------------------ */

/* Can this process compute the very numbers that the training computes? */
static bool
has_same_blas(const HelperControl *control)
{
	const BlasState *blas;

	SetConfigOption("textclf.blas_library", control->blas_library, PGC_SUSET, PGC_S_OVERRIDE);
	blas = BlasLoad();
	return strcmp(blas->sgemm != NULL ? blas->core_type : "", control->core_type) == 0;
}

/* Compute until the training is over, or this process is told to end. */
static void
work(HelperControl *control, ClfHelper *helper)
{
	ClfHelperState state = CLF_HELPER_IDLE;

	while (pg_atomic_read_u32(&control->stopped) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		/* work that was taken is finished first: the training waits for it */
		if (ShutdownRequestPending && state != CLF_HELPER_BUSY)
			break;
		state = clf_helper_step(helper);
		if (state == CLF_HELPER_AWAITED)
			SetLatch(&control->leader->procLatch);
		if (state == CLF_HELPER_IDLE)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 IDLE_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
	}
}

/* SIG_IGN is no handler as PostgreSQL 19 declares one. */
static void
ignore_signal(SIGNAL_ARGS)
{
}

/*
 * The entry point of a helper.  It connects to the training's database as the
 * training's user so that both may see it in pg_stat_activity, and end it; the
 * connection's own transaction is over before anything is computed.
 */
void
textclf_helper_main(Datum main_arg)
{
	dsm_segment *segment;
	HelperControl *control;
	ClfHost		host = {.sgemm = NULL};
	ClfHelper  *helper;
	ClfError	error;
	char		activity[64];
	int			number;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGINT, ignore_signal);
	BackgroundWorkerUnblockSignals();

	memcpy(&number, MyBgworkerEntry->bgw_extra, sizeof(number));
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL || pg_atomic_read_u32(&control_of(segment)->stopped) != 0)
		proc_exit(0);			/* the training is over */
	control = control_of(segment);
	BackgroundWorkerInitializeConnectionByOid(control->database, control->role, 0);
	snprintf(activity, sizeof(activity), "training for PID %d", (int) control->leader_pid);
	pgstat_report_activity(STATE_RUNNING, activity);

	if (!has_same_blas(control))
		proc_exit(0);
	host.allocator = EngineAllocator(TopMemoryContext);
	host.sgemm = BlasLoad()->sgemm;
	EngineCheck(clf_helper_new(&host, block_of(segment), control->size, &helper, &error),
				&error);
	control->procs[number] = MyProc;
	pg_write_barrier();
	pg_atomic_write_u32(&control->stages[number], HELPER_WORKING);
	pg_memory_barrier();		/* before what wake_helpers tells is read */

	work(control, helper);
	pg_atomic_write_u32(&control->stages[number], HELPER_LEFT);
	proc_exit(0);
}

/*
 * job_segment.c
 *	  What a job's worker tells while it works: a few bytes of shared memory.
 *
 * The segment exists as long as its worker does, so it answers two questions:
 * how far the job is, and whether anybody still works on it.  After a crash, a
 * restart, or on another server there is no segment.  Its handle is a random
 * number that the job's row holds; what is found under it is believed only if
 * it says that it belongs to that job of this database.
 *
 * Nothing has to be loaded when the server starts, and no transaction is
 * needed to tell progress.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/spin.h"

#include "compat.h"
#include "job_segment.h"

#define SEGMENT_MAGIC	0x7463666a	/* "tcfj" */

/* The shared part. */
typedef struct Shared
{
	uint32		magic;
	JobTicket	ticket;
	PGPROC	   *requester;		/* whose latch the worker sets */
	slock_t		mutex;			/* guards what follows */
	JobWorker	worker;			/* pid 0: none yet, or it has ended */
} Shared;

struct JobSegment
{
	dsm_segment *dsm;
	Shared	   *shared;
};

static JobSegment *
make_segment(dsm_segment *dsm)
{
	JobSegment *segment = palloc(sizeof(JobSegment));

	segment->dsm = dsm;
	segment->shared = dsm_segment_address(dsm);
	return segment;
}

JobSegment *
JobSegmentCreate(const JobTicket *ticket)
{
	JobSegment *segment = make_segment(dsm_create(sizeof(Shared), 0));
	Shared	   *shared = segment->shared;

	memset(shared, 0, sizeof(*shared));
	shared->ticket = *ticket;
	shared->requester = MyProc;
	SpinLockInit(&shared->mutex);
	shared->worker.phase = JOB_WAITING;
	shared->magic = SEGMENT_MAGIC;
	return segment;
}

dsm_handle
JobSegmentHandle(const JobSegment *segment)
{
	return dsm_segment_handle(segment->dsm);
}

void
JobSegmentDetach(JobSegment *segment)
{
	dsm_detach(segment->dsm);
	pfree(segment);
}

/* A copy of what the worker tells. */
static JobWorker
read_worker(Shared *shared)
{
	JobWorker	worker;

	SpinLockAcquire(&shared->mutex);
	worker = shared->worker;
	SpinLockRelease(&shared->mutex);
	return worker;
}

bool
JobSegmentHasWorker(const JobSegment *segment)
{
	return read_worker(segment->shared).pid != 0;
}

JobSegment *
JobSegmentAttach(dsm_handle handle)
{
	dsm_segment *dsm = dsm_attach(handle);

	if (dsm == NULL)
		return NULL;
	dsm_pin_mapping(dsm);
	return make_segment(dsm);
}

const JobTicket *
JobSegmentTicket(const JobSegment *segment)
{
	return &segment->shared->ticket;
}

/* The process ends: on_dsm_detach_callback. */
static void
leave(dsm_segment *dsm, Datum argument)
{
	Shared	   *shared = (Shared *) DatumGetPointer(argument);

	SpinLockAcquire(&shared->mutex);
	shared->worker.pid = 0;
	SpinLockRelease(&shared->mutex);
}

void
JobSegmentEnter(JobSegment *segment)
{
	Shared	   *shared = segment->shared;

	on_dsm_detach(segment->dsm, leave, PointerGetDatum(shared));
	SpinLockAcquire(&shared->mutex);
	shared->worker.pid = MyProcPid;
	SpinLockRelease(&shared->mutex);
	SetLatch(&shared->requester->procLatch);
}

void
JobSegmentTell(JobSegment *segment, JobPhase phase, const JobProgress *progress)
{
	Shared	   *shared = segment->shared;

	SpinLockAcquire(&shared->mutex);
	shared->worker.phase = phase;
	if (progress != NULL)
		shared->worker.progress = *progress;
	SpinLockRelease(&shared->mutex);
}

/* Is it really the segment of that job? */
static bool
belongs_to(dsm_segment *dsm, int64 job)
{
	const Shared *shared = dsm_segment_address(dsm);

	return dsm_segment_map_length(dsm) >= sizeof(Shared) &&
		shared->magic == SEGMENT_MAGIC &&
		shared->ticket.database == MyDatabaseId &&
		shared->ticket.job == job;
}

bool
JobSegmentRead(dsm_handle handle, int64 job, JobWorker *worker)
{
	dsm_segment *dsm;
	bool		attached_here = false;
	bool		found;

	if (handle == DSM_HANDLE_INVALID)
		return false;
	dsm = dsm_find_mapping(handle); /* a worker that asks for itself */
	if (dsm == NULL)
	{
		dsm = dsm_attach(handle);
		attached_here = dsm != NULL;
	}
	if (dsm == NULL)
		return false;
	found = belongs_to(dsm, job);
	if (found)
		*worker = read_worker(dsm_segment_address(dsm));
	if (attached_here)
		dsm_detach(dsm);
	return found && worker->pid != 0;
}

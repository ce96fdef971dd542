/*
 * job_segment.h
 *	  What a job's worker tells while it works: a few bytes of shared memory.
 */
#ifndef TEXTCLF_JOB_SEGMENT_H
#define TEXTCLF_JOB_SEGMENT_H

#include "postgres.h"

#include "storage/dsm.h"

#include "job_store.h"

/* What a worker is busy with. */
typedef enum JobPhase
{
	JOB_WAITING,				/* for the COMMIT of who asked for the job */
	JOB_READING,
	JOB_PREPARING,
	JOB_TRAINING,
	JOB_PUBLISHING
} JobPhase;

/*
 * What a worker must know before it can read the job's row, and by what it
 * knows that the row is still the one that was asked for.
 */
typedef struct JobTicket
{
	int64		job;
	Oid			database;
	Oid			role;
	uint8		digest[JOB_DIGEST_SIZE];	/* as in Job */
	TransactionId requester;	/* the transaction that asks for the job */
} JobTicket;

/* A worker as others see it. */
typedef struct JobWorker
{
	int			pid;
	JobPhase	phase;
	JobProgress progress;
} JobWorker;

/* A segment to which this process is attached. */
typedef struct JobSegment JobSegment;

/*
 * Make the segment of a job.  It lives as long as a process is attached to it:
 * that of the requester, then that of the worker.
 */
extern JobSegment *JobSegmentCreate(const JobTicket *ticket);
extern dsm_handle JobSegmentHandle(const JobSegment *segment);
extern void JobSegmentDetach(JobSegment *segment);

/* Has the worker called JobSegmentEnter? */
extern bool JobSegmentHasWorker(const JobSegment *segment);

/* ---- the worker's side ------------------------------------------------ */

/* Attach, until the process ends.  NULL: the requester has gone. */
extern JobSegment *JobSegmentAttach(dsm_handle handle);
extern const JobTicket *JobSegmentTicket(const JobSegment *segment);

/*
 * Tell that this process is the job's worker, which holds until it ends, and
 * wake the requester.
 */
extern void JobSegmentEnter(JobSegment *segment);

/* Tell what it is doing; progress NULL: as before. */
extern void JobSegmentTell(JobSegment *segment, JobPhase phase,
						   const JobProgress *progress);

/* ---- everyone else's side --------------------------------------------- */

/* What the worker of a job tells.  False: it has none, or no longer. */
extern bool JobSegmentRead(dsm_handle handle, int64 job, JobWorker *worker);

#endif							/* TEXTCLF_JOB_SEGMENT_H */

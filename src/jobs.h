/*
 * jobs.h
 *	  What the two sides of a background training share.
 */
#ifndef TEXTCLF_JOBS_H
#define TEXTCLF_JOBS_H

#include "postgres.h"

#include "job_segment.h"
#include "job_store.h"

/*
 * Look whether a job that has no outcome is being worked on.  If so, fill
 * *worker and return true.  If not, it may have ended in the meantime: *job
 * becomes what is known of it now.  One whose worker has ended without a
 * result has failed: *job says so, although its row does not.
 */
extern bool JobLook(Job *job, JobWorker *worker);

/* Entry point of the workers; argument: the handle of the job's segment. */
extern PGDLLEXPORT void textclf_job_main(Datum argument);

#endif							/* TEXTCLF_JOBS_H */

/*
 * job_store.h
 *	  Background trainings in the database: what was asked for, what came of it.
 */
#ifndef TEXTCLF_JOB_STORE_H
#define TEXTCLF_JOB_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/dsm.h"
#include "utils/jsonb.h"

#define JOB_DIGEST_SIZE 32		/* bytes of a SHA-256 */

/* What came of a job. */
typedef enum JobState
{
	JOB_UNFINISHED,				/* its worker says more, if it has one */
	JOB_DONE,
	JOB_FAILED,
	JOB_CANCELLED
} JobState;

/* How far a job got; also what is told of one under way. */
typedef struct JobProgress
{
	TimestampTz started;		/* 0: not yet */
	int32		epoch;			/* under way or the last one; 0: none yet */
	int32		epochs;			/* planned */
	double		loss;			/* mean of the epoch, NaN: none yet */
	double		rows_per_second;	/* NaN: not known, as the next one */
	double		seconds_left;
} JobProgress;

/* How it ended. */
typedef struct JobOutcome
{
	JobState	state;
	int32		version;		/* of a job that is done */
	bool		deployed;
	char	   *error;			/* of one that failed, else NULL */
	char	   *warning;		/* about the model of one that is done, or NULL */
	char	   *notices;		/* remarks on its training, or NULL */
} JobOutcome;

/* A row.  Who may see it is decided by those who ask. */
typedef struct Job
{
	int64		id;
	Oid			role;			/* whose training it is */
	Oid			source;
	char	   *source_name;	/* qualified and quoted, when it was asked for */
	char	   *text_column;
	char	   *label_column;
	char	   *model;
	Jsonb	   *options;		/* NULL: none */
	Jsonb	   *settings;		/* of textclf, which its session had changed */
	uint8		digest[JOB_DIGEST_SIZE];	/* of everything up to here but id */
	TimestampTz requested;
	dsm_handle	segment;		/* of its worker; DSM_HANDLE_INVALID before COMMIT */
	JobProgress progress;		/* as far as it was stored */
	TimestampTz finished;
	JobOutcome	outcome;
} Job;

/*
 * These see what is committed when they are called, and what the transaction
 * itself has done; what they change takes effect at COMMIT.
 */

/*
 * Add a job of the current user, with the session's own settings of textclf,
 * and fill in its id, role and digest; segment and what comes of it are not
 * looked at.
 */
extern void JobStoreAdd(Job *job);

/* The job of this id in CurrentMemoryContext, or NULL. */
extern Job *JobStoreGet(int64 id);

/* Every job, or those without an outcome: a list of Job in CurrentMemoryContext. */
extern List *JobStoreList(bool unfinished);

/* Enter the segment of a job that has none yet.  False: there is no such job. */
extern bool JobStoreLaunch(int64 id, dsm_handle segment);

/*
 * Enter what came of a job that has no outcome yet.  False: there is no such
 * job; the segment tells it from one of the same number in an extension that
 * was created anew.
 */
extern bool JobStoreFinish(const Job *job, const JobProgress *progress,
						   const JobOutcome *outcome);

/* Forget jobs that ended more than 30 days ago. */
extern void JobStoreTrim(void);

#endif							/* TEXTCLF_JOB_STORE_H */

/*
 * training.h
 *	  The course of a training: a request is checked, rows are read, the engine
 *	  learns, a version is published.
 *
 * textclf_train goes through it in one transaction, a background job in two
 * with none between them.
 */
#ifndef TEXTCLF_TRAINING_H
#define TEXTCLF_TRAINING_H

#include "postgres.h"

#include "fmgr.h"

#include "options.h"

#define TRAIN_FEW_ROWS	100		/* below it the figures of a model mean little */
#define TRAIN_FEW_CLASS_ROWS 5	/* likewise, of its rarest label */

/* What is asked for, checked. */
typedef struct TrainRequest
{
	Oid			source;
	char	   *source_name;	/* qualified and quoted */
	char	   *text_column;
	char	   *label_column;
	char	   *model;
	TrainOptions options;
	ClfModel   *start;			/* of option warm_start, or NULL; the training frees it */
	char	   *start_version;	/* its full reference, or NULL */
	Oid			embeddings;		/* of the option of that name, or invalid */
	char	   *embeddings_name;	/* qualified and quoted, or NULL */
} TrainRequest;

/* How far the engine is. */
typedef struct TrainProgress
{
	ClfProgress engine;
	double		elapsed;		/* seconds since the training began */
	double		seconds;		/* since the network learns */
	ClfEpoch	figures;		/* of the epoch that ended, else of the one under way */
	double		epochs_done;	/* with the part of the current one */
	double		rows_per_second;	/* 0: not known yet, as the next one */
	double		seconds_left;	/* if no epoch is spared */
} TrainProgress;

/* A training under way. */
typedef struct Training Training;

/* Where the network's weights begin; known in any phase after CLF_PHASE_PREPARE. */
extern ClfOrigin TrainingOrigin(const Training *training);

/* Called after every step of the engine, about every 15 ms. */
typedef void (*TrainReporter) (void *context, const Training *training,
							   const TrainProgress *progress);

/* What came out. */
typedef struct TrainResult
{
	ClfSummary	summary;		/* what it points to ends with the training */
	int64		skipped;		/* rows without text or label */
	double		seconds;
	int32		version;
	bool		deployed;

	/* of deploy = if_better */
	bool		worse;			/* than the deployed version, or not known to be better */
	double		new_f1;			/* macro F1 on the validation rows, NaN: not known */
	double		deployed_f1;
} TrainResult;

/*
 * Read the arguments (source, text_column, label_column, model, options) that
 * textclf_train and textclf_train_background share, and check them and the
 * caller's right to change the model.
 */
extern void TrainRequestFromArguments(FunctionCallInfo fcinfo,
									  TrainRequest *request);

/*
 * Make a request of its parts; the strings must live as long as it does.
 * model may be NULL.  options NULL: none.  The same checks.  What it holds itself
 * lies in CurrentMemoryContext.
 */
extern void TrainRequestInit(TrainRequest *request, Oid source,
							 char *text_column, char *label_column,
							 char *model, Jsonb *options);

/* The options alone, with what they name. */
extern void TrainRequestOptions(TrainRequest *request, Jsonb *options);

/*
 * Begin.  What it takes lies in CurrentMemoryContext, which with the request
 * must live until TrainingEnd.  outlives_transaction: the transaction in which
 * the rows are read may end before the training does; what it keeps in
 * temporary files then goes with CurrentResourceOwner, the caller's own.
 */
extern Training *TrainingBegin(const TrainRequest *request,
							   bool outlives_transaction);

/* Read the rows as the current user, under the active snapshot. */
extern void TrainingReadRows(Training *training);

/* Or give it rows, one by one. */
extern void TrainingAddRow(Training *training, text *doc, text *label);

/*
 * After the rows: read what the network's weights are to begin with, likewise
 * as the current user.
 */
extern void TrainingReadStart(Training *training);

/*
 * Let the engine learn to its end.  Needs no transaction; answers interrupts.
 * reporter may be NULL.
 */
extern void TrainingLearn(Training *training, TrainReporter reporter,
						  void *context);

/* The model, once it has learned; and what the engine says of it. */
extern const ClfModel *TrainingModel(const Training *training);

/* How long reading and learning took. */
extern double TrainingSeconds(const Training *training);

extern const ClfSummary *TrainingSummary(const Training *training);

/*
 * If the rows were so few that the figures mean little: a sentence that says
 * how few, in CurrentMemoryContext; else NULL.
 */
extern char *TrainingFewRows(const Training *training);

/* Store the model as a new version, which takes effect at COMMIT. */
extern void TrainingPublish(Training *training, TrainResult *result);

extern void TrainingEnd(Training *training);

#endif							/* TEXTCLF_TRAINING_H */

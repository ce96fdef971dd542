/*
 * train.c
 *	  SQL: textclf_train.  A training in the caller's transaction, its progress
 *	  told in NOTICEs.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"
#include "figure.h"
#include "guc.h"
#include "remarks.h"
#include "training.h"

PG_FUNCTION_INFO_V1(textclf_train);

#define NOTICE_SECONDS	5.0		/* between reports within an epoch */

/* The middle of a progress report: figures that may not be there are left out. */
static char *
format_figures(const ClfEpoch *epoch)
{
	StringInfoData figures;

	initStringInfo(&figures);
	appendStringInfo(&figures, "loss %.3f, accuracy %.3f", epoch->loss, epoch->accuracy);
	if (!isnan(epoch->val_loss))
		appendStringInfo(&figures, ", val_loss %.3f, val_accuracy %.3f",
						 epoch->val_loss, epoch->val_accuracy);
	return figures.data;
}

/* What was told last. */
typedef struct Told
{
	const TrainRequest *request;
	bool		origin;			/* where the weights begin, if that is to be told */
	double		seconds;		/* when progress was told */
	double		linear;			/* the same of the linear branch; 0: not yet begun */
} Told;

/*
 * TrainReporter: tell of the epoch that has ended, or every few seconds of the
 * one under way.  context: a Told.
 */
static void
report_progress(void *context, const Training *training, const TrainProgress *progress)
{
	const ClfProgress *engine = &progress->engine;
	Told	   *told = context;

	if (!told->origin && engine->phase != CLF_PHASE_PREPARE)
	{
		RemarkOrigin(NULL, told->request, training);
		told->origin = true;
	}

	if (engine->linear && told->linear == 0)
		told->linear = progress->elapsed;
	if (engine->linear && progress->elapsed - told->linear >= NOTICE_SECONDS)
	{
		told->linear = progress->elapsed;
		ereport(NOTICE,
				(errmsg("fitting n-grams: %.0f s since the training began", progress->elapsed)));
	}
	if (!engine->epoch_ended &&
		(engine->phase != CLF_PHASE_TRAIN || engine->rows_done == 0 ||
		 progress->seconds - told->seconds < NOTICE_SECONDS))
		return;
	told->seconds = progress->seconds;
	ereport(NOTICE,
			(errmsg("epoch %.0f/%d: %s, %.0f rows/s, %.0f s left",
					ceil(progress->epochs_done), engine->epochs,
					format_figures(&progress->figures),
					progress->rows_per_second, progress->seconds_left)));
}

/* Tell how good the model is and, if it has two branches, each of them. */
static void
report_accuracy(const ClfSummary *summary)
{
	if (isnan(summary->accuracy))
		return;
	if (isnan(summary->deep_accuracy) || isnan(summary->wide_accuracy))
		ereport(NOTICE,
				(errmsg("validation accuracy: %.3f", summary->accuracy)));
	else
		ereport(NOTICE,
				(errmsg("validation accuracy: network %.3f, n-grams %.3f, together %.3f",
						summary->deep_accuracy, summary->wide_accuracy,
						summary->accuracy)));
}

/* Warn if the rows are so few that the figures mean little. */
static void
warn_of_few_rows(const Training *training, const char *model)
{
	char	   *detail = TrainingFewRows(training);

	if (detail == NULL)
		return;
	ereport(WARNING,
			(errmsg("model \"%s\" has learned from few rows", model),
			 errdetail_internal("%s", detail),
			 errhint("Its figures say little until it has seen at least %d rows, and %d of every label.",
					 TRAIN_FEW_ROWS, TRAIN_FEW_CLASS_ROWS)));
}

/* From rows to a stored version. */
static void
train(const TrainRequest *request, TrainResult *result)
{
	Training   *training = TrainingBegin(request, false);
	Told		told = {request};

	TrainingReadRows(training);
	TrainingLearn(training, textclf_progress ? report_progress : NULL, &told);
	if (textclf_progress)
	{
		report_accuracy(TrainingSummary(training));
		RemarkSubset(NULL, training);
	}
	warn_of_few_rows(training, request->model);
	TrainingPublish(training, result);
	RemarkWorse(NULL, request, result);
	TrainingEnd(training);
}

/*
 * textclf_train(source regclass, text_column name, label_column name,
 *				 model text DEFAULT NULL, options jsonb DEFAULT '{}')
 *
 *	source			table, view, ... that the caller may SELECT from
 *	text_column		of a string type; rows where it is NULL are skipped
 *	label_column	text, enum, integer or boolean; likewise
 *	model			whose new version this becomes; default: name of source
 *	options			see options.c
 *
 * Returns one row with what came of it.
 */
Datum
textclf_train(PG_FUNCTION_ARGS)
{
	TrainRequest request;
	TrainResult result;
	TupleDesc	descriptor;
	Datum		values[12];
	bool		nulls[12] = {false};

	PreventCommandIfReadOnly("textclf_train()");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	TrainRequestFromArguments(fcinfo, &request);
	train(&request, &result);

	values[0] = CStringGetTextDatum(request.model);
	values[1] = Int32GetDatum(result.version);
	values[2] = BoolGetDatum(result.deployed);
	values[3] = Int64GetDatum(result.summary.rows);
	values[4] = Int64GetDatum(result.skipped);
	values[5] = Int32GetDatum(result.summary.classes);
	values[6] = Int32GetDatum(result.summary.epochs);
	values[7] = FigureDatum(result.summary.accuracy, &nulls[7]);
	values[8] = FigureDatum(result.summary.macro_f1, &nulls[8]);
	values[9] = FigureDatum(result.summary.deep_accuracy, &nulls[9]);
	values[10] = FigureDatum(result.summary.wide_accuracy, &nulls[10]);
	values[11] = FigureDatum(result.seconds, &nulls[11]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor),
													  values, nulls)));
}

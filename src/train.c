/*
 * train.c
 *	  SQL: textclf_train.  Arguments and privileges in, rows through the engine,
 *	  a version out.
 *
 * The engine does the learning in steps of about 20 ms.  Between two of them no
 * frame of it is on the stack, so a cancel can be answered there, and progress
 * is told.  This file must never know what a weight is.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "engine_glue.h"
#include "guc.h"
#include "model_cache.h"
#include "model_info.h"
#include "model_store.h"
#include "options.h"
#include "publish.h"
#include "row_source.h"
#include "validation.h"
#include "version.h"

PG_FUNCTION_INFO_V1(textclf_train);

#define NOTICE_SECONDS	5.0		/* between reports within an epoch */
#define FEW_ROWS		100		/* below it a WARNING says not to trust the model */
#define FEW_CLASS_ROWS	5

/* What was asked for. */
typedef struct TrainRequest
{
	Oid			source;
	char	   *text_column;
	char	   *label_column;
	char	   *model;
	TrainOptions options;
} TrainRequest;

/* A training under way. */
typedef struct TrainJob
{
	const TrainRequest *request;
	EngineHost *host;
	ClfTrainer *trainer;
	KeptRows   *kept;			/* for deploy = if_better, else NULL */
	int64		rows;
	int64		skipped;
	double		started;		/* clock of the host */
	double		learning_started;
	double		reported;		/* time of the last NOTICE */
} TrainJob;

/* What came out. */
typedef struct TrainResult
{
	ClfModel   *model;
	ClfSummary	summary;
	double		seconds;
	int32		version;
	bool		deployed;
} TrainResult;

/* Time on the clock that the engine sees too. */
static double
clock_seconds(const TrainJob *job)
{
	const ClfHost *clf = EngineHostClf(job->host);

	return clf->seconds(clf->clock_context);
}

/* ---- arguments -------------------------------------------------------- */

/* A column name argument; NULL is an error. */
static char *
get_column_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	return pstrdup(NameStr(*PG_GETARG_NAME(argument)));
}

static void
read_request(FunctionCallInfo fcinfo, TrainRequest *request)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", "source")));
	request->source = PG_GETARG_OID(0);
	request->text_column = get_column_argument(fcinfo, 1, "text_column");
	request->label_column = get_column_argument(fcinfo, 2, "label_column");

	if (!PG_ARGISNULL(3))
		request->model = text_to_cstring(PG_GETARG_TEXT_PP(3));
	else
	{
		RowSourceName(request->source); /* an error if there is no such relation */
		request->model = get_rel_name(request->source);
	}
	ModelNameCheck(request->model);

	OptionsParse(PG_ARGISNULL(4) ?
				 DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))) :
				 PG_GETARG_JSONB_P(4),
				 &request->options);
	if (request->options.deploy == DEPLOY_IF_BETTER &&
		request->options.config.validation_split == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"deploy\" cannot be \"if_better\" when \"validation_split\" is 0"),
				 errdetail("There are no rows on which to compare.")));
	if (request->options.deploy == DEPLOY_IF_BETTER)
	{
		/* who has learned from the validation rows cannot be judged by them */
		if (request->options.config.refit == 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"deploy\" cannot be \"if_better\" when \"refit\" is true"),
					 errdetail("The new version would be judged by rows that it has learned from.")));
		request->options.config.refit = 0;
	}
}

/* ---- rows ------------------------------------------------------------- */

static void
add_row(TrainJob *job, text *doc, text *label)
{
	EngineText	doc_utf8 = EngineTextInit(VARDATA_ANY(doc), VARSIZE_ANY_EXHDR(doc));
	EngineText	label_utf8 = EngineTextInit(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
	ClfError	error;

	EngineHostCheck(job->host,
					clf_trainer_add(job->trainer,
									doc_utf8.bytes, doc_utf8.length,
									label_utf8.bytes, label_utf8.length,
									&error),
					&error);
	EngineTextFree(&doc_utf8);
	EngineTextFree(&label_utf8);
	if (job->kept != NULL)
		KeptRowsAdd(job->kept, doc, label);
}

/* Give the trainer every row whose text and label are not NULL. */
static void
add_rows(TrainJob *job)
{
	RowSource  *source = RowSourceOpen(job->request->source,
									   job->request->text_column,
									   job->request->label_column);
	text	   *doc;
	text	   *label;

	while (RowSourceNext(source, &doc, &label))
	{
		if (doc == NULL || label == NULL)
		{
			job->skipped++;
			continue;
		}
		add_row(job, doc, label);
		job->rows++;
	}
	RowSourceClose(source);
}

/* ---- learning --------------------------------------------------------- */

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

/*
 * Tell of the epoch that has ended, or every few seconds of the one under way:
 * figures, speed, and how long it will take if no epoch is spared.
 */
static void
report_progress(TrainJob *job, const ClfProgress *progress)
{
	double		time = clock_seconds(job);
	double		elapsed = time - job->learning_started;
	int			epoch = progress->epoch;
	double		done;			/* epochs, with the part of the current one */
	ClfEpoch	figures;

	if (progress->epoch_ended)
	{
		if (progress->phase == CLF_PHASE_TRAIN)
			epoch--;			/* the next one is under way */
		done = epoch;
		figures = progress->last_epoch;
	}
	else
	{
		if (progress->phase != CLF_PHASE_TRAIN || progress->rows_done == 0 ||
			time - job->reported < NOTICE_SECONDS)
			return;
		done = epoch - 1 + (double) progress->rows_done / progress->rows;
		figures.loss = progress->loss;
		figures.accuracy = progress->accuracy;
		figures.val_loss = figures.val_accuracy = NAN;
	}
	job->reported = time;
	ereport(NOTICE,
			(errmsg("epoch %d/%d: %s, %.0f rows/s, %.0f s left",
					epoch, progress->epochs, format_figures(&figures),
					done * progress->rows / elapsed,
					(progress->epochs - done) * elapsed / done)));
}

/*
 * Refuse a model that could not be stored, before its network is trained.  A
 * weight takes 4 bytes in the network and 2 in the linear branch; how many are
 * in which is not told, so this is the least that they take.  What they take in
 * fact is checked when the model is encoded.
 */
static void
check_model_size(const TrainJob *job)
{
	int32		architecture = job->request->options.config.architecture;
	bool		has_wide = architecture == CLF_ARCH_HYBRID ||
		architecture == CLF_ARCH_LINEAR;
	Size		bytes = clf_trainer_parameters(job->trainer) *
		(has_wide ? sizeof(uint16) : sizeof(float));

	if (bytes > GucKilobytes(textclf_max_model_size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model would be too large"),
				 errdetail("Its weights would take at least %zu kB; textclf.max_model_size is %d kB.",
						   bytes / 1024 + 1, textclf_max_model_size),
				 errhint("Ask for a smaller model with the options num_words, embedding_dim or units, or raise textclf.max_model_size.")));
}

/* Run the trainer to its end. */
static void
learn(TrainJob *job)
{
	ClfProgress progress = {CLF_PHASE_PREPARE};
	bool		sized = false;
	ClfError	error;

	while (progress.phase != CLF_PHASE_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (progress.phase == CLF_PHASE_PREPARE)
			job->learning_started = job->reported = clock_seconds(job);
		EngineHostCheck(job->host,
						clf_trainer_step(job->trainer, &progress, &error),
						&error);
		if (!sized && progress.phase != CLF_PHASE_PREPARE)
		{
			check_model_size(job);
			sized = true;
		}
		if (textclf_progress && progress.phase != CLF_PHASE_PREPARE)
			report_progress(job, &progress);
	}
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
warn_of_few_rows(const TrainRequest *request, const TrainResult *result)
{
	int			rarest = 0;
	size_t		length;
	const char *label;

	for (int i = 1; i < result->summary.classes; i++)
		if (result->summary.class_rows[i] < result->summary.class_rows[rarest])
			rarest = i;
	if (result->summary.rows >= FEW_ROWS &&
		result->summary.class_rows[rarest] >= FEW_CLASS_ROWS)
		return;
	label = clf_model_label(result->model, rarest, &length);
	ereport(WARNING,
			(errmsg("model \"%s\" has learned from few rows", request->model),
			 errdetail("There are %lld rows; the rarest label, \"%s\", has %lld.",
					   (long long) result->summary.rows,
					   text_to_cstring(EngineTextToServer(label, length)),
					   (long long) result->summary.class_rows[rarest]),
			 errhint("Its figures say little until it has seen at least %d rows, and %d of every label.",
					 FEW_ROWS, FEW_CLASS_ROWS)));
}

/* ---- publishing ------------------------------------------------------- */

/* What is remembered of the training. */
static void
describe_training(const TrainJob *job, const TrainResult *result, ModelInfo *info)
{
	const ClfSummary *summary = &result->summary;

	ModelInfoInit(info);
	info->textclf_version = pstrdup(TEXTCLF_VERSION);
	info->source = RowSourceName(job->request->source);
	info->text_column = job->request->text_column;
	info->label_column = job->request->label_column;
	info->rows = summary->rows;
	info->skipped = job->skipped;
	info->training_rows = summary->training_rows;
	info->validation_rows = summary->validation_rows;
	info->epochs = summary->epochs;
	info->best_epoch = summary->best_epoch;
	info->accuracy = summary->accuracy;
	info->macro_f1 = summary->macro_f1;
	info->deep_accuracy = summary->deep_accuracy;
	info->wide_accuracy = summary->wide_accuracy;
	info->calibration_error = summary->calibration_error;
	info->seconds = result->seconds;
	info->history = unconstify(ClfEpoch *, summary->history);
	info->history_length = summary->epochs;
	info->class_count = summary->classes;
	info->class_rows = palloc(summary->classes * sizeof(int64));
	for (int i = 0; i < summary->classes; i++)
		info->class_rows[i] = summary->class_rows[i];
}

/* The bytes to store, with what is remembered inside and beside them. */
static void
make_content(const TrainJob *job, const TrainResult *result, NewVersion *content)
{
	ModelInfo	info;
	char	   *json;
	EngineText	utf8;
	ClfError	error;

	describe_training(job, result, &info);
	json = ModelInfoToJson(&info, NULL);
	utf8 = EngineTextInit(json, strlen(json));
	EngineCheck(clf_model_set_info(result->model, utf8.bytes, utf8.length, &error),
				&error);
	EngineTextFree(&utf8);
	content->info = ModelInfoToJson(&info, result->model);
	content->bytes = EngineEncode(result->model, content->digest);
}

/*
 * Macro F1 of the deployed version: on the rows that this training held back
 * or, if it has learned from such rows itself, on those that its own training
 * judged it by before it did.
 */
static double
deployed_macro_f1(const TrainJob *job, const ClfModel *trained, const ClfModel *deployed)
{
	ModelInfo	info;

	if (!clf_model_config(deployed)->refit)
		return KeptRowsMacroF1(job->kept, job->trainer, trained, deployed);
	ModelInfoFromModel(deployed, &info);
	return info.macro_f1;
}

/*
 * Is the new version at least as good as the one that is deployed now, on the
 * rows that were held back?
 */
static bool
is_better(const TrainJob *job, const ClfModel *model)
{
	const char *name = job->request->model;
	double		deployed_f1;
	double		new_f1;
	bool		better;

	new_f1 = KeptRowsMacroF1(job->kept, job->trainer, model, model);
	PushActiveSnapshot(GetLatestSnapshot());
	deployed_f1 = deployed_macro_f1(job, model,
									ModelCacheLookup(cstring_to_text(name))->model);
	PopActiveSnapshot();

	better = new_f1 >= deployed_f1; /* not if there was nothing to compare */
	if (!better)
		ereport(NOTICE,
				(errmsg("the new version of model \"%s\" is not deployed", name),
				 errdetail("On validation rows its macro F1 is %.3f; the deployed version has %.3f.",
						   new_f1, deployed_f1)));
	return better;
}

/* Under the model's lock: does the new version become the deployed one? */
static bool
decide_deployment(const TrainJob *job, const ClfModel *model)
{
	switch (job->request->options.deploy)
	{
		case DEPLOY_NEVER:
			return false;
		case DEPLOY_IF_BETTER:
			return ModelStoreDeployed(job->request->model) == VERSION_DEPLOYED ||
				is_better(job, model);
		default:
			return true;
	}
}

static void
publish(const TrainJob *job, TrainResult *result)
{
	NewVersion	content;
	bool		exists;

	make_content(job, result, &content);
	exists = ModelStoreLock(job->request->model, true);
	result->deployed = decide_deployment(job, result->model);
	result->version = PublishVersion(job->request->model, exists, &content,
									 result->deployed);
	pfree(content.bytes);
}

/* ---- the function ----------------------------------------------------- */

/* From rows to a stored version. */
static void
train(const TrainRequest *request, TrainResult *result, int64 *skipped)
{
	TrainJob	job = {request};
	ClfError	error;

	job.host = EngineHostCreate();
	job.started = clock_seconds(&job);
	if (request->options.deploy == DEPLOY_IF_BETTER)
		job.kept = KeptRowsCreate();
	EngineHostCheck(job.host,
					clf_trainer_new(&request->options.config,
									EngineHostClf(job.host), &job.trainer, &error),
					&error);
	add_rows(&job);
	learn(&job);
	EngineHostCheck(job.host,
					clf_trainer_finish(job.trainer, &result->model,
									   &result->summary, &error),
					&error);
	result->seconds = clock_seconds(&job) - job.started;
	*skipped = job.skipped;
	if (textclf_progress)
		report_accuracy(&result->summary);
	warn_of_few_rows(request, result);
	publish(&job, result);

	if (job.kept != NULL)
		KeptRowsFree(job.kept);
	clf_model_free(result->model);
	clf_trainer_free(job.trainer);
	EngineHostFree(job.host);
}

/* A figure that is NULL in SQL when there is none. */
static Datum
figure(double value, bool *isnull)
{
	*isnull = isnan(value);
	return Float8GetDatum(value);
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
	int64		skipped;

	PreventCommandIfReadOnly("textclf_train()");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	read_request(fcinfo, &request);
	ModelStoreMayChange(request.model, true);	/* before an hour is spent */
	train(&request, &result, &skipped);

	values[0] = CStringGetTextDatum(request.model);
	values[1] = Int32GetDatum(result.version);
	values[2] = BoolGetDatum(result.deployed);
	values[3] = Int64GetDatum(result.summary.rows);
	values[4] = Int64GetDatum(skipped);
	values[5] = Int32GetDatum(result.summary.classes);
	values[6] = Int32GetDatum(result.summary.epochs);
	values[7] = figure(result.summary.accuracy, &nulls[7]);
	values[8] = figure(result.summary.macro_f1, &nulls[8]);
	values[9] = figure(result.summary.deep_accuracy, &nulls[9]);
	values[10] = figure(result.summary.wide_accuracy, &nulls[10]);
	values[11] = Float8GetDatum(result.seconds);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor),
													  values, nulls)));
}

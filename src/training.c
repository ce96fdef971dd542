/*
 * training.c
 *	  The course of a training: a request is checked, rows are read, the engine
 *	  learns, a version is published.
 *
 * The engine does the learning in steps of about 20 ms.  Between two of them no
 * frame of it is on the stack, so a cancel can be answered there, and progress
 * is told.  Reading and publishing need a transaction, learning needs none.
 * This file must never know what a weight is, nor who waits for the training.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/pmsignal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "arguments.h"
#include "compat.h"
#include "engine_glue.h"
#include "guc.h"
#include "model_cache.h"
#include "model_info.h"
#include "model_store.h"
#include "publish.h"
#include "row_source.h"
#include "training.h"
#include "validation.h"
#include "version.h"

struct Training
{
	const TrainRequest *request;
	EngineHost *host;
	ClfTrainer *trainer;
	KeptRows   *kept;			/* for deploy = if_better, else NULL */
	ClfModel   *start;			/* until the weights have begun; NULL: none */
	ClfModel   *model;			/* NULL until it has learned */
	ClfSummary	summary;
	int64		skipped;
	double		started;		/* clock of the host */
	double		learning_started;
	double		seconds;		/* that reading and learning took */
	TrainProgress progress;
};

/* Time on the clock that the engine sees too. */
static double
clock_seconds(const Training *training)
{
	const ClfHost *clf = EngineHostClf(training->host);

	return clf->seconds(clf->clock_context);
}

/* ---- the request ------------------------------------------------------ */

/* Whoever has learned from the validation rows cannot be judged by them. */
static void
check_deployment(TrainOptions *options)
{
	if (options->deploy != DEPLOY_IF_BETTER)
		return;
	if (options->config.validation_split == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"deploy\" cannot be \"if_better\" when \"validation_split\" is 0"),
				 errdetail("There are no rows on which to compare.")));
	if (options->config.refit == 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"deploy\" cannot be \"if_better\" when \"refit\" is true"),
				 errdetail("The new version would be judged by rows that it has learned from.")));
	options->config.refit = 0;
}

void
TrainRequestOptions(TrainRequest *request, Jsonb *options)
{
	TrainOptions *result = &request->options;
	ClfConfig	base;
	ClfError	error;

	OptionsParse(options, NULL, result);
	request->start = NULL;
	request->start_version = NULL;
	if (result->warm_start != NULL)
	{
		/* once more, for the form of the network is that of the model by default */
		request->start = ModelCacheDecode(cstring_to_text(result->warm_start), CurrentMemoryContext,
										  &request->start_version);
		clf_config_init(&base);
		clf_config_like(&base, clf_model_config(request->start));
		OptionsParse(options, &base, result);
		EngineCheck(clf_config_check_like(&result->config, clf_model_config(request->start), &error),
					&error);
	}
	request->embeddings = InvalidOid;
	request->embeddings_name = NULL;
	if (result->embeddings != NULL)
	{
		request->embeddings = DatumGetObjectId(DirectFunctionCall1(regclassin, CStringGetDatum(result->embeddings)));
		request->embeddings_name = RowSourceName(request->embeddings);
		if (result->config.architecture == CLF_ARCH_LINEAR)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"embeddings\" cannot be used with architecture \"linear\""),
					 errdetail("It has no network that could use word vectors.")));
	}
}

/* Raise an error if a name that the model will remember is not UTF-8, as it may be in SQL_ASCII. */
static void
check_name(const char *name)
{
	EngineText	utf8;

	if (name == NULL)
		return;
	utf8 = EngineTextInit(name, strlen(name));
	EngineTextFree(&utf8);
}

void
TrainRequestInit(TrainRequest *request, Oid source, char *text_column,
				 char *label_column, char *model, Jsonb *options)
{
	request->source = source;
	request->source_name = RowSourceName(source);
	request->text_column = text_column;
	request->label_column = label_column;
	request->model = model != NULL ? model : get_rel_name(source);
	ModelNameCheck(request->model);

	if (options == NULL)
		options = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	TrainRequestOptions(request, options);
	check_deployment(&request->options);

	/* before an hour is spent */
	check_name(request->source_name);
	check_name(text_column);
	check_name(label_column);
	check_name(request->start_version);
	check_name(request->embeddings_name);
	ModelStoreMayChange(request->model, true);
}

void
TrainRequestFromArguments(FunctionCallInfo fcinfo, TrainRequest *request)
{
	char	   *model;

	RequireArgument(fcinfo, 0, "source");
	RequireArgument(fcinfo, 1, "text_column");
	RequireArgument(fcinfo, 2, "label_column");
	model = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (model != NULL && model[0] == '{')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model name \"%s\" looks like options", ArgumentBeginning(model)),
				 errhint("Options come after the model: write options => '{...}'.")));
	TrainRequestInit(request, PG_GETARG_OID(0),
					 pstrdup(NameStr(*PG_GETARG_NAME(1))),
					 pstrdup(NameStr(*PG_GETARG_NAME(2))),
					 model,
					 PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4));
}

/* ---- begin and end ---------------------------------------------------- */

Training *
TrainingBegin(const TrainRequest *request, bool outlives_transaction)
{
	Training   *training = palloc0(sizeof(Training));
	ClfError	error;

	training->request = request;
	training->start = request->start;
	training->host = EngineHostCreate(request->options.workers, outlives_transaction);
	training->started = clock_seconds(training);
	if (request->options.deploy == DEPLOY_IF_BETTER)
		training->kept = KeptRowsCreate(outlives_transaction);
	EngineHostCheck(training->host,
					clf_trainer_new(&request->options.config,
									EngineHostClf(training->host),
									&training->trainer, &error),
					&error);
	return training;
}

void
TrainingEnd(Training *training)
{
	if (training->kept != NULL)
		KeptRowsFree(training->kept);
	if (training->model != NULL)
		clf_model_free(training->model);
	clf_trainer_free(training->trainer);
	EngineHostFree(training->host);
	pfree(training);
}

/* ---- rows ------------------------------------------------------------- */

void
TrainingAddRow(Training *training, text *doc, text *label)
{
	EngineText	doc_utf8 = EngineTextInit(VARDATA_ANY(doc), VARSIZE_ANY_EXHDR(doc));
	EngineText	label_utf8 = EngineTextInit(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
	ClfError	error;

	EngineHostCheck(training->host,
					clf_trainer_add(training->trainer,
									doc_utf8.bytes, doc_utf8.length,
									label_utf8.bytes, label_utf8.length,
									&error),
					&error);
	EngineTextFree(&doc_utf8);
	EngineTextFree(&label_utf8);
	if (training->kept != NULL)
		KeptRowsAdd(training->kept, doc, label);
}

void
TrainingReadRows(Training *training)
{
	const TrainRequest *request = training->request;
	RowSource  *source = RowSourceOpen(request->source, request->text_column,
									   request->label_column);
	int64		rows = 0;
	text	   *doc;
	text	   *label;

	for (; RowSourceNext(source, &doc, &label); rows++)
	{
		if (doc != NULL && label != NULL)
			TrainingAddRow(training, doc, label);
		else
			training->skipped++;
	}
	RowSourceClose(source);
	if (rows > 0 && rows == training->skipped)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no rows to train on"),
				 errdetail("All %lld rows lack a text or a label.", (long long) rows)));
	TrainingReadStart(training);
}

/* Error context: which word it is about. */
static void
name_word(void *argument)
{
	const text *word = *(text **) argument;

	if (word != NULL)
		errcontext("vector of word \"%s\"", ArgumentBeginning(text_to_cstring(word)));
}

/* Raise an error unless it is a list of numbers. */
static void
check_vector(const text *word, ArrayType *vector)
{
	if (word == NULL || vector == NULL || ARR_HASNULL(vector))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("words, their vectors and the numbers of these must not be null")));
	if (ARR_NDIM(vector) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("word vector has more than one array dimension")));
}

/* Stream the table of word vectors past the engine, which keeps those of words in the rows. */
static void
read_vectors(Training *training)
{
	RowSource  *source = RowSourceOpenVectors(training->request->embeddings);
	text	   *word = NULL;
	ArrayType  *vector;
	ErrorContextCallback callback = {error_context_stack, name_word, &word};

	error_context_stack = &callback;
	while (RowSourceNextVector(source, &word, &vector))
	{
		EngineText	utf8;
		ClfError	error;

		check_vector(word, vector);
		utf8 = EngineTextInit(VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
		EngineHostCheck(training->host,
						clf_trainer_add_vector(training->trainer, utf8.bytes, utf8.length,
											   (const float *) ARR_DATA_PTR(vector),
											   ArrayGetNItems(ARR_NDIM(vector), ARR_DIMS(vector)),
											   &error),
						&error);
		EngineTextFree(&utf8);
		word = NULL;			/* gone with the next row */
	}
	error_context_stack = callback.previous;
	RowSourceClose(source);
}

void
TrainingReadStart(Training *training)
{
	const TrainRequest *request = training->request;
	ClfError	error;

	if (training->start != NULL)
		EngineHostCheck(training->host,
						clf_trainer_warm_start(training->trainer, training->start, &error),
						&error);
	if (OidIsValid(request->embeddings))
		read_vectors(training);
	if (!request->options.train_embeddings)
		clf_trainer_keep_vectors(training->trainer);
}

/* ---- learning --------------------------------------------------------- */

/*
 * The least bytes that a weight takes in a model of these options: of which kind
 * how many are is not told, nor yet what an open storage comes to.
 */
static Size
least_weight_bytes(const ClfConfig *config)
{
	if (config->architecture == CLF_ARCH_LINEAR || config->storage == CLF_STORAGE_FLOAT16)
		return sizeof(uint16);
	if (config->storage != CLF_STORAGE_FLOAT32)
		return sizeof(int8);
	return config->architecture == CLF_ARCH_HYBRID ? sizeof(uint16) : sizeof(float);
}

/*
 * Refuse a model that could not be stored, before its network is trained.  What
 * its weights take in fact is checked when the model is encoded.
 */
static void
check_model_size(const Training *training)
{
	Size		bytes = clf_trainer_parameters(training->trainer) *
		least_weight_bytes(&training->request->options.config);

	if (bytes > GucKilobytes(textclf_max_model_size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model would be too large"),
				 errdetail("Its weights would take at least %zu kB; textclf.max_model_size is %d kB.",
						   bytes / 1024 + 1, textclf_max_model_size),
				 errhint("Ask for a smaller model with the options num_words, embedding_dim or units, or raise textclf.max_model_size.")));
}

/* Bring the figures up to what the engine has just told. */
static void
update_progress(Training *training)
{
	TrainProgress *progress = &training->progress;
	const ClfProgress *engine = &progress->engine;
	double		epochs_done;

	progress->elapsed = clock_seconds(training) - training->started;
	progress->seconds = clock_seconds(training) - training->learning_started;
	if (engine->epoch_ended)
	{
		/* if there is a next one, the number is of that */
		epochs_done = engine->epoch - (engine->phase == CLF_PHASE_TRAIN ? 1 : 0);
		progress->figures = engine->last_epoch;
	}
	else if (engine->phase == CLF_PHASE_TRAIN && engine->rows_done > 0)
	{
		epochs_done = engine->epoch - 1 + (double) engine->rows_done / engine->rows;
		progress->figures.loss = engine->loss;
		progress->figures.accuracy = engine->accuracy;
		progress->figures.val_loss = progress->figures.val_accuracy = NAN;
	}
	else
		return;
	progress->epochs_done = epochs_done;
	progress->rows_per_second = epochs_done * engine->rows / progress->seconds;
	progress->seconds_left = (engine->epochs - epochs_done) * progress->seconds / epochs_done;
}

void
TrainingLearn(Training *training, TrainReporter reporter, void *context)
{
	ClfProgress *engine = &training->progress.engine;
	bool		sized = false;
	ClfError	error;

	engine->phase = CLF_PHASE_PREPARE;
	while (engine->phase != CLF_PHASE_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		/* whoever is left when the server dies keeps it from starting again */
		if (IsUnderPostmaster && !PostmasterIsAlive())
			ereport(FATAL,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("terminating training due to unexpected postmaster exit")));
		if (engine->phase == CLF_PHASE_PREPARE)
			training->learning_started = clock_seconds(training);
		EngineHostCheck(training->host,
						clf_trainer_step(training->trainer, engine, &error),
						&error);
		if (!sized && engine->phase != CLF_PHASE_PREPARE)
		{
			check_model_size(training);
			sized = true;
			if (training->start != NULL)
				clf_model_free(training->start);
			training->start = NULL;
		}
		update_progress(training);
		if (reporter != NULL)
			reporter(context, training, &training->progress);
		if (engine->waiting)
			EngineHostWait(training->host);
	}
	EngineHostCheck(training->host,
					clf_trainer_finish(training->trainer, &training->model,
									   &training->summary, &error),
					&error);
	training->seconds = clock_seconds(training) - training->started;
}

ClfOrigin
TrainingOrigin(const Training *training)
{
	return clf_trainer_origin(training->trainer);
}

const ClfModel *
TrainingModel(const Training *training)
{
	return training->model;
}

double
TrainingSeconds(const Training *training)
{
	return training->seconds;
}

const ClfSummary *
TrainingSummary(const Training *training)
{
	return &training->summary;
}

char *
TrainingFewRows(const Training *training)
{
	const ClfSummary *summary = &training->summary;
	int			rarest = 0;
	size_t		length;
	const char *label;

	for (int i = 1; i < summary->classes; i++)
		if (summary->class_rows[i] < summary->class_rows[rarest])
			rarest = i;
	if (summary->rows >= TRAIN_FEW_ROWS &&
		summary->class_rows[rarest] >= TRAIN_FEW_CLASS_ROWS)
		return NULL;
	label = clf_model_label(training->model, rarest, &length);
	return psprintf(_("There are %lld rows; the rarest label, \"%s\", has %lld."),
					(long long) summary->rows,
					ArgumentBeginning(text_to_cstring(EngineTextToServer(label, length))),
					(long long) summary->class_rows[rarest]);
}

/* ---- publishing ------------------------------------------------------- */

/* What is remembered of the training. */
static void
describe_training(const Training *training, ModelInfo *info)
{
	const ClfSummary *summary = &training->summary;

	ModelInfoInit(info);
	info->textclf_version = pstrdup(TEXTCLF_VERSION);
	info->source = training->request->source_name;
	info->text_column = training->request->text_column;
	info->label_column = training->request->label_column;
	info->warm_start = training->request->start_version;
	info->embeddings = training->request->embeddings_name;
	info->rows = summary->rows;
	info->skipped = training->skipped;
	info->training_rows = summary->training_rows;
	info->validation_rows = summary->validation_rows;
	info->epochs = summary->epochs;
	info->best_epoch = summary->best_epoch;
	info->accuracy = summary->accuracy;
	info->macro_f1 = summary->macro_f1;
	info->deep_accuracy = summary->deep_accuracy;
	info->wide_accuracy = summary->wide_accuracy;
	info->calibration_error = summary->calibration_error;
	info->unknown_tokens = summary->unknown_tokens;
	info->seconds = training->seconds;
	info->history = unconstify(ClfEpoch *, summary->history);
	info->history_length = summary->epochs;
	info->cell_count = (int) Min(summary->cell_count, INFO_MAX_CELLS);
	info->cells = summary->cells;
	info->bins = summary->bins;
	info->class_count = summary->classes;
	info->class_rows = palloc(summary->classes * sizeof(int64));
	for (int i = 0; i < summary->classes; i++)
		info->class_rows[i] = summary->class_rows[i];
}

/* The bytes to store, with what is remembered inside and beside them. */
static void
make_content(const Training *training, NewVersion *content)
{
	ModelInfo	info;
	char	   *json;
	EngineText	utf8;
	ClfError	error;

	describe_training(training, &info);
	json = ModelInfoToJson(&info, NULL);
	utf8 = EngineTextInit(json, strlen(json));
	EngineCheck(clf_model_set_info(training->model, utf8.bytes, utf8.length, &error),
				&error);
	EngineTextFree(&utf8);
	content->info = ModelInfoToJson(&info, training->model);
	content->bytes = EngineEncode(training->model, content->digest);
}

/*
 * Macro F1 of the deployed version: on the rows that this training held back
 * or, if it has learned from such rows itself, on those that its own training
 * judged it by before it did.
 */
static double
deployed_macro_f1(const Training *training, const ClfModel *deployed)
{
	ModelInfo	info;

	if (!clf_model_config(deployed)->refit)
		return KeptRowsMacroF1(training->kept, training->trainer, training->model,
							   deployed);
	ModelInfoFromModel(deployed, &info);
	return info.macro_f1;
}

/*
 * Is the new version worse than the one that is deployed now, on the rows that
 * were held back?
 */
static bool
is_worse(const Training *training, TrainResult *result)
{
	const char *name = training->request->model;

	result->new_f1 = KeptRowsMacroF1(training->kept, training->trainer, training->model,
									 training->model);
	PushActiveSnapshot(GetLatestSnapshot());
	result->deployed_f1 = deployed_macro_f1(training,
											ModelCacheLookup(cstring_to_text(name))->model);
	PopActiveSnapshot();
	/* so it is taken to be if there is nothing to compare */
	return !(result->new_f1 >= result->deployed_f1);
}

/* Under the model's lock: does the new version become the deployed one? */
static bool
decide_deployment(const Training *training, TrainResult *result)
{
	switch (training->request->options.deploy)
	{
		case DEPLOY_NEVER:
			return false;
		case DEPLOY_IF_BETTER:
			result->worse = ModelStoreDeployed(training->request->model) != VERSION_DEPLOYED &&
				is_worse(training, result);
			return !result->worse;
		default:
			return true;
	}
}

void
TrainingPublish(Training *training, TrainResult *result)
{
	const char *name = training->request->model;
	NewVersion	content;
	bool		exists;

	memset(result, 0, sizeof(*result));
	make_content(training, &content);
	exists = ModelStoreLock(name, true);
	result->deployed = decide_deployment(training, result);
	result->version = PublishVersion(name, exists, &content, result->deployed);
	result->summary = training->summary;
	result->skipped = training->skipped;
	result->seconds = training->seconds;
	pfree(content.bytes);
}

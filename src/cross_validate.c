/*
 * cross_validate.c
 *	  SQL: textclf_cross_validate: how good are models that are trained so on
 *	  such rows?
 *
 * The source is read once.  Its rows are sorted by label and by a hash of the
 * text, on disk where they exceed work_mem; every folds-th of this order is one
 * fold, so that each has its share of every label, wherever the rows stood in
 * the source.  Nothing is published.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/tuplestore.h"

#include "arguments.h"
#include "compat.h"
#include "figure.h"
#include "guc.h"
#include "judgement.h"
#include "row_source.h"
#include "training.h"

PG_FUNCTION_INFO_V1(textclf_cross_validate);

#define MAX_FOLDS	100

/* The rows, in the order that the folds are dealt in. */
typedef struct Deck
{
	Tuplesortstate *sort;
	TupleDesc	descriptor;		/* (label text, hash int8, doc text) */
	TupleTableSlot *slot;
	int64		count;
	int64		next;			/* position of the next row */
} Deck;

/* What a fold came to, and what folds came to together. */
enum
{
	ACCURACY, MACRO_F1, WEIGHTED_F1, SECONDS, FIGURES
};

typedef struct FoldResult
{
	int64		rows;
	double		figures[FIGURES];
} FoldResult;

/* ---- rows ------------------------------------------------------------- */

static void
init_deck(Deck *deck)
{
	/* without the text as a key, rows of one hash would stand as they came */
	AttrNumber	keys[] = {1, 2, 3};
	Oid			operators[] = {TextLessOperator, Int8LessOperator, TextLessOperator};
	Oid			collations[] = {C_COLLATION_OID, InvalidOid, C_COLLATION_OID};
	bool		nulls_first[] = {false, false, false};

	deck->descriptor = CreateTemplateTupleDesc(3);
	TupleDescInitEntry(deck->descriptor, 1, "label", TEXTOID, -1, 0);
	TupleDescInitEntry(deck->descriptor, 2, "hash", INT8OID, -1, 0);
	TupleDescInitEntry(deck->descriptor, 3, "doc", TEXTOID, -1, 0);
	TupleDescFinalize(deck->descriptor);
	deck->slot = MakeSingleTupleTableSlot(deck->descriptor, &TTSOpsMinimalTuple);
	deck->sort = tuplesort_begin_heap(deck->descriptor, lengthof(keys), keys,
									  operators, collations, nulls_first,
									  work_mem, NULL, TUPLESORT_RANDOMACCESS);
	deck->count = 0;
	deck->next = 0;
}

static void
free_deck(Deck *deck)
{
	ExecDropSingleTupleTableSlot(deck->slot);
	tuplesort_end(deck->sort);
	FreeTupleDesc(deck->descriptor);
}

/* Read every row that has text and label, as the caller. */
static void
fill_deck(Deck *deck, const TrainRequest *request)
{
	RowSource  *source = RowSourceOpen(request->source, request->text_column,
									   request->label_column);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(deck->descriptor, &TTSOpsVirtual);
	text	   *doc;
	text	   *label;

	while (RowSourceNext(source, &doc, &label))
	{
		if (doc == NULL || label == NULL)
			continue;
		ExecClearTuple(slot);
		memset(slot->tts_isnull, false, 3 * sizeof(bool));
		slot->tts_values[0] = PointerGetDatum(label);
		slot->tts_values[1] = Int64GetDatum((int64) hash_bytes_extended((const unsigned char *) VARDATA_ANY(doc),
																		VARSIZE_ANY_EXHDR(doc),
																		request->options.config.seed));
		slot->tts_values[2] = PointerGetDatum(doc);
		ExecStoreVirtualTuple(slot);
		tuplesort_puttupleslot(deck->sort, slot);
		deck->count++;
	}
	ExecDropSingleTupleTableSlot(slot);
	RowSourceClose(source);
	tuplesort_performsort(deck->sort);
}

/* Go to the first row. */
static void
rewind_deck(Deck *deck)
{
	tuplesort_rescan(deck->sort);
	deck->next = 0;
}

/*
 * Give the next row that is in the fold, or, unless inside, that is not; false at
 * the end.  The
 * texts are valid until the next call.
 */
static bool
next_row(Deck *deck, int folds, int fold, bool inside, text **doc, text **label)
{
	while (tuplesort_gettupleslot(deck->sort, true, false, deck->slot, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		if ((deck->next++ % folds == fold) != inside)
			continue;
		slot_getallattrs(deck->slot);
		*label = DatumGetTextPP(deck->slot->tts_values[0]);
		*doc = DatumGetTextPP(deck->slot->tts_values[2]);
		return true;
	}
	return false;
}

/* Warn if a label has fewer rows than there are folds. */
static void
check_labels(Deck *deck, int folds)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf labels", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *rarest = NULL;
	text	   *current = NULL;
	int64		rows = 0;
	int64		least = folds;
	text	   *doc;
	text	   *label;
	bool		more;

	rewind_deck(deck);
	do
	{
		more = next_row(deck, 1, 0, true, &doc, &label);
		if (more && current != NULL &&
			VARSIZE_ANY_EXHDR(label) == VARSIZE_ANY_EXHDR(current) &&
			memcmp(VARDATA_ANY(label), VARDATA_ANY(current), VARSIZE_ANY_EXHDR(label)) == 0)
		{
			rows++;
			continue;
		}
		if (current != NULL && rows < least)
		{
			least = rows;
			rarest = ArgumentBeginning(text_to_cstring(current));
		}
		if (current != NULL)
			pfree(current);
		if (more)
			current = cstring_to_text_with_len(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
		rows = 1;
	} while (more);
	MemoryContextSwitchTo(old);
	if (rarest != NULL)
		ereport(WARNING,
				(errmsg("label \"%s\" has fewer rows than there are folds", rarest),
				 errdetail("It is on %lld of the rows, so that some folds have none of it.",
						   (long long) least)));
	MemoryContextDelete(context);
}

/* ---- folds ------------------------------------------------------------ */

/* Let the model answer for the rows of the fold. */
static void
judge_fold(Deck *deck, int folds, int fold, const ClfModel *model,
		   FoldResult *result)
{
	Judgement  *judgement = JudgementCreate(model);
	JudgementFigures figures;
	ClfAllocator allocator = EngineAllocator(CurrentMemoryContext);
	float	   *probability = palloc(clf_model_classes(model) * sizeof(float));
	ClfScratch *scratch;
	ClfError	error;
	text	   *doc;
	text	   *label;

	EngineCheck(clf_scratch_new(model, &allocator, &scratch, &error), &error);
	rewind_deck(deck);
	while (next_row(deck, folds, fold, true, &doc, &label))
	{
		int			predicted;

		EnginePredict(model, scratch, &doc, 1, probability);
		predicted = clf_best(probability, clf_model_classes(model));
		JudgementAdd(judgement, model, label, predicted, probability[predicted]);
	}
	JudgementSum(judgement, &figures);
	result->rows = figures.whole.rows;
	result->figures[ACCURACY] = figures.whole.accuracy;
	result->figures[MACRO_F1] = figures.whole.macro.f1;
	result->figures[WEIGHTED_F1] = figures.whole.weighted.f1;
	clf_scratch_free(scratch);
	JudgementFree(judgement);
}

/* Train on all rows but those of the fold, and judge by those. */
static void
run_fold(Deck *deck, const TrainRequest *request, int folds, int fold,
		 FoldResult *result)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf fold", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Training   *training = TrainingBegin(request, false);
	text	   *doc;
	text	   *label;

	rewind_deck(deck);
	while (next_row(deck, folds, fold, false, &doc, &label))
		TrainingAddRow(training, doc, label);
	TrainingReadStart(training);
	TrainingLearn(training, NULL, NULL);
	result->figures[SECONDS] = TrainingSeconds(training);
	judge_fold(deck, folds, fold, TrainingModel(training), result);
	TrainingEnd(training);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	if (textclf_progress)
		ereport(NOTICE,
				(errmsg("fold %d/%d: accuracy %.3f, macro F1 %.3f, %.1f s", fold + 1, folds,
						result->figures[ACCURACY], result->figures[MACRO_F1],
						result->figures[SECONDS])));
}

/* ---- the function ----------------------------------------------------- */

/* Add a row of the result; rows negative: NULL. */
static void
put_result(ReturnSetInfo *result, const char *name, int64 rows, const double *figures)
{
	Datum		values[2 + FIGURES];
	bool		nulls[2 + FIGURES] = {false};

	values[0] = CStringGetTextDatum(name);
	values[1] = Int64GetDatum(rows);
	nulls[1] = rows < 0;
	for (int i = 0; i < FIGURES; i++)
		values[2 + i] = FigureDatum(figures[i], &nulls[2 + i]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Add the mean over the folds, and the standard deviation of the sample. */
static void
put_summary(ReturnSetInfo *result, const FoldResult *results, int folds)
{
	double		mean[FIGURES] = {0};
	double		deviation[FIGURES] = {0};

	for (int i = 0; i < FIGURES; i++)
	{
		for (int fold = 0; fold < folds; fold++)
			mean[i] += results[fold].figures[i] / folds;
		for (int fold = 0; fold < folds; fold++)
		{
			double		distance = results[fold].figures[i] - mean[i];

			deviation[i] += distance * distance / (folds - 1);
		}
		deviation[i] = sqrt(deviation[i]);
	}
	put_result(result, "mean", -1, mean);
	put_result(result, "sd", -1, deviation);
}

/* The arguments that textclf_train has, too. */
static void
read_request(FunctionCallInfo fcinfo, TrainRequest *request)
{
	memset(request, 0, sizeof(*request));
	RequireArgument(fcinfo, 0, "source");
	RequireArgument(fcinfo, 1, "text_column");
	RequireArgument(fcinfo, 2, "label_column");
	RequireArgument(fcinfo, 4, "options");
	request->source = PG_GETARG_OID(0);
	request->source_name = RowSourceName(request->source);
	request->text_column = NameStr(*PG_GETARG_NAME(1));
	request->label_column = NameStr(*PG_GETARG_NAME(2));
	TrainRequestOptions(request, PG_GETARG_JSONB_P(4));
	if (request->start != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"warm_start\" cannot be used in cross-validation"),
				 errdetail("The model may have learned from the rows that it would be judged by.")));
	request->options.deploy = DEPLOY_NEVER;
}

/*
 * textclf_cross_validate(source regclass, text_column name, label_column name,
 *						  folds int DEFAULT 5, options jsonb DEFAULT '{}')
 *
 *	source, text_column, label_column, options	as for textclf_train; deploy
 *			means nothing here, and seed also deals the folds
 *	folds	from 2 to 100
 *
 * A row for each fold, then "mean" and "sd".
 */
Datum
textclf_cross_validate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TrainRequest request;
	FoldResult *results;
	Deck		deck;
	int			folds;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(3) || PG_GETARG_INT32(3) < 2 || PG_GETARG_INT32(3) > MAX_FOLDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folds must be from 2 to %d", MAX_FOLDS)));
	folds = PG_GETARG_INT32(3);
	read_request(fcinfo, &request);

	init_deck(&deck);
	fill_deck(&deck, &request);
	if (deck.count < folds)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are fewer rows than folds"),
				 errdetail("Of the rows, %lld have text and label.", (long long) deck.count)));
	check_labels(&deck, folds);
	results = palloc(folds * sizeof(FoldResult));
	for (int fold = 0; fold < folds; fold++)
	{
		run_fold(&deck, &request, folds, fold, &results[fold]);
		put_result(result, psprintf("%d", fold + 1), results[fold].rows,
				   results[fold].figures);
	}
	put_summary(result, results, folds);
	free_deck(&deck);
	return (Datum) 0;
}

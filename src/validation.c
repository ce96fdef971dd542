/*
 * validation.c
 *	  Rows of a training kept to judge models on: who is better?
 *
 * For deploy = if_better versions answer for the same rows, which they have not
 * learned from in their own training, and are measured by the same function.  This file must never know where a model came from.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "validation.h"

struct KeptRows
{
	Tuplestorestate *store;
	TupleDesc	descriptor;		/* (doc text, label text) */
};

/* What a class was, and what it was taken for. */
typedef struct ClassScore
{
	int64		actual;
	int64		predicted;
	int64		right;
} ClassScore;

/* A model at work on the rows. */
typedef struct Judge
{
	const ClfModel *trained;	/* whose classes count */
	const ClfModel *judged;
	ClfScratch *scratch;
	float	   *probability;
	ClassScore *scores;			/* of each class of trained */
} Judge;

KeptRows *
KeptRowsCreate(bool outlives_transaction)
{
	KeptRows   *rows = palloc(sizeof(KeptRows));

	rows->descriptor = CreateTemplateTupleDesc(2);
	TupleDescInitBuiltinEntry(rows->descriptor, 1, "doc", TEXTOID, -1, 0);
	TupleDescInitBuiltinEntry(rows->descriptor, 2, "label", TEXTOID, -1, 0);
	rows->store = tuplestore_begin_heap(true, outlives_transaction, work_mem);
	return rows;
}

void
KeptRowsAdd(KeptRows *rows, text *doc, text *label)
{
	Datum		values[] = {PointerGetDatum(doc), PointerGetDatum(label)};
	bool		nulls[] = {false, false};

	tuplestore_putvalues(rows->store, rows->descriptor, values, nulls);
}

void
KeptRowsFree(KeptRows *rows)
{
	tuplestore_end(rows->store);
	FreeTupleDesc(rows->descriptor);
	pfree(rows);
}

/* Class of a label, or -1. */
static int
class_of(const ClfModel *model, text *label)
{
	EngineText	utf8 = EngineTextInit(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
	int			class_id = clf_model_class(model, utf8.bytes, utf8.length);

	EngineTextFree(&utf8);
	return class_id;
}

/* Let the model answer for a row and count the answer. */
static void
judge_row(Judge *judge, text *doc, text *label)
{
	int			actual = class_of(judge->trained, label);
	int			predicted;
	size_t		length;
	const char *name;

	EnginePredict(judge->judged, judge->scratch, doc, judge->probability);
	name = clf_model_label(judge->judged,
						   clf_best(judge->probability,
									clf_model_classes(judge->judged)),
						   &length);
	predicted = clf_model_class(judge->trained, name, length);

	if (actual >= 0)
		judge->scores[actual].actual++;
	if (predicted >= 0)
		judge->scores[predicted].predicted++;
	if (actual >= 0 && actual == predicted)
		judge->scores[actual].right++;
}

/* Mean F1 of the classes that occur, or NaN if none does. */
static double
macro_f1(const ClassScore *scores, int classes)
{
	double		sum = 0;
	int			count = 0;

	for (int i = 0; i < classes; i++)
	{
		int64		occurrences = scores[i].actual + scores[i].predicted;

		if (occurrences == 0)
			continue;
		sum += 2.0 * scores[i].right / occurrences;
		count++;
	}
	return count > 0 ? sum / count : get_float8_nan();
}

/* Let the model answer for every validation row. */
static void
judge_rows(Judge *judge, KeptRows *rows, const ClfTrainer *trainer)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->descriptor,
													&TTSOpsMinimalTuple);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "textclf validation row",
													  ALLOCSET_DEFAULT_SIZES);
	uint64		ordinal = 0;

	tuplestore_rescan(rows->store);
	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (!clf_trainer_is_validation(trainer, ordinal++))
			continue;
		slot_getallattrs(slot);
		old = MemoryContextSwitchTo(row_context);
		judge_row(judge, DatumGetTextPP(slot->tts_values[0]),
				  DatumGetTextPP(slot->tts_values[1]));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row_context);
}

double
KeptRowsMacroF1(KeptRows *rows, const ClfTrainer *trainer,
				const ClfModel *trained, const ClfModel *judged)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf validation",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ClfAllocator allocator = EngineAllocator(context);
	int			classes = clf_model_classes(trained);
	Judge		judge = {trained, judged};
	ClfError	error;
	double		f1;

	EngineCheck(clf_scratch_new(judged, &allocator, &judge.scratch, &error), &error);
	judge.probability = palloc(clf_model_classes(judged) * sizeof(float));
	judge.scores = palloc0(classes * sizeof(ClassScore));
	judge_rows(&judge, rows, trainer);
	f1 = macro_f1(judge.scores, classes);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return f1;
}

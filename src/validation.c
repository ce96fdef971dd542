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
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "validation.h"

struct KeptRows
{
	Tuplestorestate *store;
	TupleDesc	descriptor;		/* (doc text, label text) */
};

/* A model at work on the rows. */
typedef struct Judge
{
	const ClfModel *trained;	/* whose classes count */
	const ClfModel *judged;
	ClfScratch *scratch;
	float	   *probability;
	ClfTally   *tally;			/* in classes of trained, whose number is any other */
} Judge;

KeptRows *
KeptRowsCreate(bool outlives_transaction)
{
	KeptRows   *rows = palloc(sizeof(KeptRows));

	rows->descriptor = CreateTemplateTupleDesc(2);
	TupleDescInitBuiltinEntry(rows->descriptor, 1, "doc", TEXTOID, -1, 0);
	TupleDescInitBuiltinEntry(rows->descriptor, 2, "label", TEXTOID, -1, 0);
	TupleDescFinalize(rows->descriptor);
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

/* Class of a label as the tally counts it. */
static int
class_of(const ClfModel *model, const char *label, Size length)
{
	int			class_id = clf_model_class(model, label, length);

	return class_id >= 0 ? class_id : clf_model_classes(model);
}

/* Let the model answer for a row and count the answer. */
static void
judge_row(Judge *judge, text *doc, text *label)
{
	EngineText	utf8 = EngineTextInit(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
	int			actual = class_of(judge->trained, utf8.bytes, utf8.length);
	int			best;
	size_t		length;
	const char *name;
	ClfError	error;

	EnginePredict(judge->judged, judge->scratch, &doc, 1, judge->probability);
	best = clf_best(judge->probability, clf_model_classes(judge->judged));
	name = clf_model_label(judge->judged, best, &length);
	EngineCheck(clf_tally_add(judge->tally, actual,
							  class_of(judge->trained, name, length),
							  judge->probability[best], &error), &error);
	EngineTextFree(&utf8);
}

/* Mean F1 of the classes that occur or are predicted, or NaN if none is. */
static double
macro_f1(const Judge *judge)
{
	int			classes = clf_model_classes(judge->trained);
	ClfClassScore *scores = palloc(classes * sizeof(ClfClassScore));
	size_t		count;
	const ClfCell *cells = clf_tally_cells(judge->tally, &count);
	ClfScore	whole;

	clf_score(cells, count, classes, scores, &whole);
	return whole.macro.f1;
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
	Judge		judge = {trained, judged};
	ClfError	error;
	double		f1;

	EngineCheck(clf_scratch_new(judged, &allocator, &judge.scratch, &error), &error);
	judge.probability = palloc(clf_model_classes(judged) * sizeof(float));
	EngineCheck(clf_tally_new(&allocator, &judge.tally, &error), &error);
	judge_rows(&judge, rows, trainer);
	f1 = macro_f1(&judge);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return f1;
}

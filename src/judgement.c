/*
 * judgement.c
 *	  Answers of a model beside the labels that rows have, and what they come
 *	  to.
 *
 * Memory goes with the labels and the pairs of them that occur, not with the
 * rows.  This file must never know what its figures are shown as.
 */
#include "postgres.h"

#include <stdlib.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "compat.h"
#include "judgement.h"
#include "model_cache.h"

/* A label as UTF-8, not NUL-terminated. */
typedef struct Label
{
	const char *bytes;
	Size		length;
} Label;

/* An entry of the table of labels that the model does not have. */
typedef struct NewLabel
{
	Label		label;
	int			number;
	uint32		hash;
	char		status;
} NewLabel;

static inline uint32
hash_label(Label label)
{
	return hash_bytes((const unsigned char *) label.bytes, (int) label.length);
}

static inline bool
same_label(Label a, Label b)
{
	return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

#define SH_PREFIX labels
#define SH_ELEMENT_TYPE NewLabel
#define SH_KEY_TYPE Label
#define SH_KEY label
#define SH_HASH_KEY(table, key) hash_label(key)
#define SH_EQUAL(table, a, b) same_label(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, element) (element)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct Judgement
{
	MemoryContext context;
	ClfTally   *tally;
	Label	   *labels;			/* by number */
	int			count;
	int			capacity;
	labels_hash *others;		/* labels that the model does not have */
	const ClfCell *remembered;	/* instead of the tally's */
	size_t		remembered_count;
	int		   *order;			/* [count] numbers by the labels' bytes: see JudgementSum */
};

/* ---- labels ----------------------------------------------------------- */

/* Give a label, which is copied, the next number. */
static Label
append_label(Judgement *judgement, const char *bytes, Size length)
{
	char	   *copy = MemoryContextAlloc(judgement->context, length + 1);
	Label		label = {copy, length};

	memcpy(copy, bytes, length);
	if (judgement->count == judgement->capacity)
	{
		judgement->capacity *= 2;
		judgement->labels = repalloc(judgement->labels,
									 judgement->capacity * sizeof(Label));
	}
	judgement->labels[judgement->count++] = label;
	return label;
}

/* Number of a label that the model does not have. */
static int
number_other(Judgement *judgement, Label label)
{
	NewLabel   *entry = labels_lookup(judgement->others, label);
	bool		found;

	if (entry != NULL)
		return entry->number;
	if (label.length > CLF_MAX_LABEL_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a label is longer than %d bytes", CLF_MAX_LABEL_BYTES),
				 errhint("Is the label column the right one?")));
	if (judgement->count >= CLF_MAX_CLASSES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are more than %d labels", CLF_MAX_CLASSES),
				 errhint("Is the label column the right one?")));
	label = append_label(judgement, label.bytes, label.length);
	entry = labels_insert(judgement->others, label, &found);
	entry->number = judgement->count - 1;
	return entry->number;
}

/* Number of the label of a row. */
static int
number_label(Judgement *judgement, const ClfModel *model, text *label)
{
	EngineText	utf8 = EngineTextInit(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
	Label		key = {utf8.bytes, utf8.length};
	int			number = clf_model_class(model, utf8.bytes, utf8.length);

	if (number < 0)
		number = number_other(judgement, key);
	EngineTextFree(&utf8);
	return number;
}

/* ---- counting --------------------------------------------------------- */

Judgement *
JudgementCreate(const ClfModel *model)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf judgement",
												  ALLOCSET_DEFAULT_SIZES);
	Judgement  *judgement = MemoryContextAllocZero(context, sizeof(Judgement));
	ClfAllocator allocator = EngineAllocator(context);
	ClfError	error;

	judgement->context = context;
	judgement->capacity = clf_model_classes(model);
	judgement->labels = MemoryContextAlloc(context, judgement->capacity * sizeof(Label));
	judgement->others = labels_create(context, 16, NULL);
	for (int i = 0; i < clf_model_classes(model); i++)
	{
		size_t		length;
		const char *label = clf_model_label(model, i, &length);

		append_label(judgement, label, length);
	}
	EngineCheck(clf_tally_new(&allocator, &judgement->tally, &error), &error);
	return judgement;
}

void
JudgementAdd(Judgement *judgement, const ClfModel *model, text *label,
			 int predicted, double probability)
{
	int			actual = number_label(judgement, model, label);
	ClfError	error;

	EngineCheck(clf_tally_add(judgement->tally, actual, predicted, probability, &error),
				&error);
}

void
JudgementAddSource(Judgement *judgement, text *reference, RowSource *source)
{
	text	   *doc;
	text	   *label;

	while (RowSourceNext(source, &doc, &label))
	{
		CachedModel *cached;
		int			predicted;

		if (doc == NULL || label == NULL)
			continue;
		/* reading a row may have run code of the user: look up anew */
		cached = ModelCacheLookup(reference);
		predicted = CachedModelPredict(cached, doc);
		JudgementAdd(judgement, cached->model, label, predicted,
					 cached->probability[predicted]);
	}
}

Judgement *
JudgementOfTraining(const ClfModel *model, const ModelInfo *info)
{
	Judgement  *judgement;

	if (info->cell_count == 0 || info->cell_classes > clf_model_classes(model))
		return NULL;
	judgement = JudgementCreate(model);
	judgement->remembered = info->cells;
	judgement->remembered_count = info->cell_count;
	return judgement;
}

/* ---- results ---------------------------------------------------------- */

/* qsort_arg comparator of label numbers: by the labels' bytes */
static int
compare_labels(const void *a, const void *b, void *argument)
{
	const Label *labels = argument;
	Label		first = labels[*(const int *) a];
	Label		second = labels[*(const int *) b];
	int			result = memcmp(first.bytes, second.bytes, Min(first.length, second.length));

	if (result != 0)
		return result;
	return (first.length > second.length) - (first.length < second.length);
}

/* Copy the cells, with the places of the labels in order as their numbers. */
static ClfCell *
order_cells(const Judgement *judgement, const ClfCell *cells, size_t count)
{
	ClfCell    *ordered = palloc_extended(Max(count, 1) * sizeof(ClfCell), MCXT_ALLOC_HUGE);
	int		   *place = palloc(judgement->count * sizeof(int));

	for (int i = 0; i < judgement->count; i++)
		place[judgement->order[i]] = i;
	for (size_t i = 0; i < count; i++)
	{
		ordered[i].actual = place[cells[i].actual];
		ordered[i].predicted = place[cells[i].predicted];
		ordered[i].rows = cells[i].rows;
	}
	pfree(place);
	qsort(ordered, count, sizeof(ClfCell), clf_compare_cells);
	return ordered;
}

void
JudgementSum(Judgement *judgement, JudgementFigures *figures)
{
	MemoryContext old = MemoryContextSwitchTo(judgement->context);
	const ClfCell *cells = judgement->remembered;
	size_t		cell_count = judgement->remembered_count;
	ClfClassScore *scores = palloc(judgement->count * sizeof(ClfClassScore));

	if (cells == NULL)
		cells = clf_tally_cells(judgement->tally, &cell_count);
	judgement->order = palloc(judgement->count * sizeof(int));
	for (int i = 0; i < judgement->count; i++)
		judgement->order[i] = i;
	qsort_arg(judgement->order, judgement->count, sizeof(int), compare_labels,
			  judgement->labels);

	figures->labels = judgement->count;
	figures->cells = order_cells(judgement, cells, cell_count);
	figures->cell_count = cell_count;
	figures->scores = scores;
	clf_score(figures->cells, cell_count, judgement->count, scores, &figures->whole);
	MemoryContextSwitchTo(old);
}

text *
JudgementLabel(const Judgement *judgement, int place)
{
	const Label *label = &judgement->labels[judgement->order[place]];

	return EngineTextToServer(label->bytes, label->length);
}

void
JudgementFree(Judgement *judgement)
{
	MemoryContextDelete(judgement->context);
}

/*
 * review.c
 *	  SQL: textclf_review_queue, the rows that a person should look at first.
 *
 * One pass over the source and memory for k rows, however many there are.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "arguments.h"
#include "compat.h"
#include "model_cache.h"
#include "row_source.h"

PG_FUNCTION_INFO_V1(textclf_review_queue);

/* A row that may be among those of the answer. */
typedef struct Candidate
{
	float		margin;			/* between the best and the second class */
	float		probability;	/* of the best */
	int			class_id;
	uint64		ordinal;		/* the earlier of equals comes first */
	ItemPointerData tid;
	text	   *doc;
} Candidate;

/* A heap, the surest at the top, whose children come after it. */
typedef struct Queue
{
	MemoryContext context;
	Candidate  *rows;
	int64		count;
	int64		capacity;		/* of rows so far */
	int64		limit;			/* k */
} Queue;

/* Is a surer than b, or as sure and later? */
static bool
is_surer(const Candidate *a, const Candidate *b)
{
	return a->margin > b->margin ||
		(a->margin == b->margin && a->ordinal > b->ordinal);
}

/* Put a row into the place of the heap where it belongs, from place upwards. */
static void
sift_up(Queue *queue, int64 place, Candidate row)
{
	while (place > 0 && is_surer(&row, &queue->rows[(place - 1) / 2]))
	{
		queue->rows[place] = queue->rows[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	queue->rows[place] = row;
}

/* The same from the top down. */
static void
sift_down(Queue *queue, Candidate row)
{
	int64		place = 0;
	int64		child;

	while ((child = 2 * place + 1) < queue->count)
	{
		if (child + 1 < queue->count &&
			is_surer(&queue->rows[child + 1], &queue->rows[child]))
			child++;
		if (!is_surer(&queue->rows[child], &row))
			break;
		queue->rows[place] = queue->rows[child];
		place = child;
	}
	queue->rows[place] = row;
}

/* Take in a row if it is less sure than the surest so far. */
static void
offer(Queue *queue, Candidate row)
{
	bool		full = queue->count == queue->limit;
	MemoryContext old;

	if (full && !is_surer(&queue->rows[0], &row))
		return;
	old = MemoryContextSwitchTo(queue->context);
	row.doc = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(row.doc));
	if (!full && queue->count == queue->capacity)
	{
		queue->capacity = Max(64, 2 * queue->capacity);
		queue->rows = queue->rows == NULL ?
			palloc(queue->capacity * sizeof(Candidate)) :
			repalloc_huge(queue->rows, queue->capacity * sizeof(Candidate));
	}
	MemoryContextSwitchTo(old);
	if (full)
	{
		pfree(queue->rows[0].doc);
		sift_down(queue, row);
	}
	else
		sift_up(queue, queue->count++, row);
}

/* What the model says of a text. */
static Candidate
judge(text *reference, text *doc)
{
	CachedModel *cached = ModelCacheLookup(reference);	/* the source may have used others */
	int			best = CachedModelPredict(cached, doc);
	float		second = 0;
	Candidate	row = {.class_id = best,.probability = cached->probability[best],.doc = doc};

	for (int i = 0; i < cached->classes; i++)
		if (i != best)
			second = Max(second, cached->probability[i]);
	row.margin = row.probability - second;
	return row;
}

/* qsort comparator: least sure first */
static int
compare_rows(const void *a, const void *b)
{
	return is_surer(a, b) ? 1 : -1;
}

/* The answer, least sure first. */
static void
put_rows(ReturnSetInfo *result, Queue *queue, text *reference)
{
	CachedModel *cached = ModelCacheLookup(reference);

	qsort(queue->rows, queue->count, sizeof(Candidate), compare_rows);
	for (int64 i = 0; i < queue->count; i++)
	{
		Candidate  *row = &queue->rows[i];
		size_t		length;
		const char *label = clf_model_label(cached->model, row->class_id, &length);
		Datum		values[] = {
			PointerGetDatum(&row->tid),
			PointerGetDatum(row->doc),
			PointerGetDatum(EngineTextToServer(label, length)),
			Float4GetDatum(row->probability),
			Float4GetDatum(row->margin)
		};
		bool		nulls[5] = {!ItemPointerIsValid(&row->tid)};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * textclf_review_queue(model text, source regclass, text_column name,
 *						k int DEFAULT 20)
 *
 * The k rows of the source of whose label the model is least sure: those with
 * the smallest margin between the probabilities of its two best labels.  Rows
 * whose text is NULL are passed over.
 */
Datum
textclf_review_queue(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Queue		queue = {0};
	RowSource  *source;
	uint64		ordinal = 0;
	text	   *reference;
	text	   *doc;
	ItemPointerData tid;

	RequireArgument(fcinfo, 0, "model");
	RequireArgument(fcinfo, 1, "source");
	RequireArgument(fcinfo, 2, "text_column");
	RequireArgument(fcinfo, 3, "k");
	InitMaterializedSRF(fcinfo, 0);
	reference = PG_GETARG_TEXT_PP(0);
	queue.limit = PG_GETARG_INT32(3);
	if (queue.limit < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1")));
	queue.context = AllocSetContextCreate(CurrentMemoryContext, "textclf review queue",
										  ALLOCSET_DEFAULT_SIZES);

	ModelCacheLookup(reference);	/* who may not use it reads no row */
	source = RowSourceOpenTexts(PG_GETARG_OID(1), NameStr(*PG_GETARG_NAME(2)));
	while (RowSourceNextText(source, &doc, &tid))
	{
		Candidate	row;

		if (doc == NULL)
			continue;
		row = judge(reference, doc);
		row.ordinal = ordinal++;
		row.tid = tid;
		offer(&queue, row);
	}
	RowSourceClose(source);
	put_rows(result, &queue, reference);
	MemoryContextDelete(queue.context);
	return (Datum) 0;
}

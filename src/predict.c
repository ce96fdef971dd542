/*
 * predict.c
 *	  SQL: textclf_predict, textclf_probability, textclf_predict_proba.
 *
 * Each takes its arguments apart, asks the cache for the model, lets the
 * engine predict, and puts the answer together.  Nothing is kept between
 * calls but what the cache keeps.
 */
#include "postgres.h"

#include <limits.h>
#include <stdlib.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "model_cache.h"

/* Texts that are predicted between two looks for interrupts, in bytes. */
#define BATCH_BYTES (32 * 1024)

PG_FUNCTION_INFO_V1(textclf_predict);
PG_FUNCTION_INFO_V1(textclf_predict_array);
PG_FUNCTION_INFO_V1(textclf_probability);
PG_FUNCTION_INFO_V1(textclf_predict_proba);

/* Label of a class as a text datum. */
static Datum
label_datum(const CachedModel *cached, int class_id)
{
	size_t		length;
	const char *label = clf_model_label(cached->model, class_id, &length);

	return PointerGetDatum(EngineTextToServer(label, length));
}

/* textclf_predict(model text, doc text): the most probable label. */
Datum
textclf_predict(PG_FUNCTION_ARGS)
{
	text	   *reference = PG_GETARG_TEXT_PP(0);
	text	   *doc = PG_GETARG_TEXT_PP(1);
	CachedModel *cached = ModelCacheLookup(reference);
	int			best = CachedModelPredict(cached, doc);

	PG_FREE_IF_COPY(doc, 1);
	PG_RETURN_DATUM(label_datum(cached, best));
}

/*
 * textclf_predict(model text, docs text[]): the most probable label of each
 * element, in an array of the same dimensions.  NULL elements stay NULL.
 */
Datum
textclf_predict_array(PG_FUNCTION_ARGS)
{
	text	   *reference = PG_GETARG_TEXT_PP(0);
	ArrayType  *docs = PG_GETARG_ARRAYTYPE_P(1);
	CachedModel *cached = ModelCacheLookup(reference);
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			limit = clf_batch_limit(cached->model);
	text	  **batch = palloc(limit * sizeof(text *));
	int		   *places = palloc(limit * sizeof(int));
	Size		bytes = 0;
	int			n = 0;

	deconstruct_array(docs, TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	if (count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));

	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
		{
			places[n] = i;
			batch[n] = DatumGetTextPP(values[i]);
			bytes += VARSIZE_ANY_EXHDR(batch[n]);
			n++;
		}
		if (n == 0 || (n < limit && bytes < BATCH_BYTES && i < count - 1))
			continue;
		CHECK_FOR_INTERRUPTS();
		CachedModelPredictBatch(cached, batch, n);
		for (int k = 0; k < n; k++)
			values[places[k]] =
				label_datum(cached, clf_best(cached->probability + k * cached->classes,
											 cached->classes));
		n = 0;
		bytes = 0;
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, ARR_NDIM(docs),
											 ARR_DIMS(docs), ARR_LBOUND(docs),
											 TEXTOID, -1, false, TYPALIGN_INT));
}

/* textclf_probability(model text, doc text, label text): from 0 to 1. */
Datum
textclf_probability(PG_FUNCTION_ARGS)
{
	text	   *reference = PG_GETARG_TEXT_PP(0);
	text	   *doc = PG_GETARG_TEXT_PP(1);
	text	   *label = PG_GETARG_TEXT_PP(2);
	CachedModel *cached = ModelCacheLookup(reference);
	int			class_id = CachedModelClass(cached, label);

	CachedModelPredict(cached, doc);
	PG_FREE_IF_COPY(doc, 1);
	PG_RETURN_FLOAT4(cached->probability[class_id]);
}

/* A class and its probability, for sorting. */
typedef struct RankedClass
{
	float		probability;
	int			class_id;
} RankedClass;

/* qsort comparator: best first, the lower class first among equals */
static int
compare_ranked(const void *a, const void *b)
{
	const RankedClass *first = a;
	const RankedClass *second = b;

	if (first->probability != second->probability)
		return first->probability > second->probability ? -1 : 1;
	return first->class_id - second->class_id;
}

/* The classes of the last prediction, best first. */
static RankedClass *
rank_classes(const CachedModel *cached)
{
	RankedClass *ranked = palloc(cached->classes * sizeof(RankedClass));

	for (int i = 0; i < cached->classes; i++)
	{
		ranked[i].class_id = i;
		ranked[i].probability = cached->probability[i];
	}
	qsort(ranked, cached->classes, sizeof(RankedClass), compare_ranked);
	return ranked;
}

/*
 * textclf_predict_proba(model text, doc text, top_k int DEFAULT NULL): the
 * labels with their probabilities, best first; only the first top_k if given.
 * No row if model or doc is NULL.
 */
Datum
textclf_predict_proba(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			top_k = PG_ARGISNULL(2) ? INT_MAX : PG_GETARG_INT32(2);
	text	   *reference;
	text	   *doc;
	CachedModel *cached;
	RankedClass *ranked;

	InitMaterializedSRF(fcinfo, 0);
	if (top_k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("top_k must be at least 1")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;

	reference = PG_GETARG_TEXT_PP(0);
	doc = PG_GETARG_TEXT_PP(1);
	cached = ModelCacheLookup(reference);
	CachedModelPredict(cached, doc);
	PG_FREE_IF_COPY(doc, 1);
	ranked = rank_classes(cached);
	for (int i = 0; i < Min(top_k, cached->classes); i++)
	{
		Datum		values[] = {
			label_datum(cached, ranked[i].class_id),
			Float4GetDatum(ranked[i].probability)
		};
		bool		nulls[] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	pfree(ranked);
	return (Datum) 0;
}

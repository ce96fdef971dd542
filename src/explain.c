/*
 * explain.c
 *	  SQL: textclf_explain, what each token of a text says for a label.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "blas.h"
#include "compat.h"
#include "model_cache.h"

PG_FUNCTION_INFO_V1(textclf_explain);

/*
 * Characters, as substr() counts them in this database, of bytes [*from, to) of
 * a text in UTF-8; moves *from.
 */
static int
count_characters(const EngineText *utf8, size_t *from, size_t to)
{
	text	   *part = EngineTextToServer(utf8->bytes + *from, to - *from);
	int			count = pg_mbstrlen_with_len(VARDATA_ANY(part), VARSIZE_ANY_EXHDR(part));

	pfree(part);
	*from = to;
	return count;
}

/* Run an explainer to its end. */
static const ClfExplanation *
explain(ClfExplainer *explainer)
{
	bool		done = false;
	ClfError	error;

	while (!done)
	{
		CHECK_FOR_INTERRUPTS();
		EngineCheck(clf_explainer_step(explainer, &done, &error), &error);
	}
	return clf_explainer_result(explainer);
}

/* What belongs to no token: a row of its weight alone. */
static void
put_rest(ReturnSetInfo *result, double rest)
{
	Datum		values[5] = {[4] = Float8GetDatum(rest)};
	bool		nulls[5] = {true, true, true, true, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* A row for each token, and one for the rest, if there is any. */
static void
put_rows(ReturnSetInfo *result, const EngineText *utf8,
		 const ClfExplanation *explanation)
{
	size_t		byte = 0;		/* where a token starts: two may have one place */
	int			offset = 0;		/* the same in characters */

	for (size_t i = 0; i < explanation->count; i++)
	{
		const ClfToken *token = &explanation->tokens[i];
		size_t		end;
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = Int32GetDatum((int32) (i + 1));
		values[1] = PointerGetDatum(EngineTextShow(token->text, token->length));
		offset += count_characters(utf8, &byte, token->start);
		values[2] = Int32GetDatum(offset);
		end = byte;
		values[3] = Int32GetDatum(offset + count_characters(utf8, &end, token->end));
		values[4] = Float8GetDatum(explanation->weights[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	if (explanation->rest != 0)
		put_rest(result, explanation->rest);
}

/*
 * textclf_explain(model text, doc text, label text DEFAULT NULL): a row for each
 * token that the model looks at, with its place in the text and its weight for
 * the label, by default the predicted one.  See clf.h for what the weights add
 * up to, and for what is the rest, a row with a weight and nothing else.
 * Offsets count characters from 0; the end is behind the last one.  No row if
 * model or doc is NULL.
 */
Datum
textclf_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context;
	ClfAllocator allocator;
	CachedModel *cached;
	EngineText	utf8;
	text	   *doc;
	int			class_id;
	ClfExplainer *explainer;
	ClfSgemm	sgemm = BlasLoad()->sgemm;
	ClfError	error;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;

	doc = PG_GETARG_TEXT_PP(1);
	utf8 = EngineTextInit(VARDATA_ANY(doc), VARSIZE_ANY_EXHDR(doc));
	cached = ModelCacheLookup(PG_GETARG_TEXT_PP(0));
	class_id = PG_ARGISNULL(2) ? -1 : CachedModelClass(cached, PG_GETARG_TEXT_PP(2));
	context = AllocSetContextCreate(CurrentMemoryContext, "textclf explanation",
									ALLOCSET_DEFAULT_SIZES);
	allocator = EngineAllocator(context);
	EngineCheck(clf_explainer_new(cached->model, &allocator, sgemm, utf8.bytes,
								  utf8.length, class_id, &explainer, &error),
				&error);
	put_rows(result, &utf8, explain(explainer));
	MemoryContextDelete(context);
	EngineTextFree(&utf8);
	return (Datum) 0;
}

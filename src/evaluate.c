/*
 * evaluate.c
 *	  SQL: textclf_evaluate and textclf_confusion_matrix: how good is a model,
 *	  on the caller's rows or on those that its training held back?
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "arguments.h"
#include "compat.h"
#include "figure.h"
#include "judgement.h"
#include "model_cache.h"
#include "model_store.h"
#include "row_source.h"

PG_FUNCTION_INFO_V1(textclf_evaluate);
PG_FUNCTION_INFO_V1(textclf_confusion_matrix);

/* ---- judging ---------------------------------------------------------- */

/* Judge by the rows of a source that the caller may read. */
static Judgement *
judge_by_source(text *reference, Oid relation, Name text_column, Name label_column)
{
	Judgement  *judgement = JudgementCreate(ModelCacheLookup(reference)->model);
	RowSource  *source = RowSourceOpen(relation, NameStr(*text_column),
									   NameStr(*label_column));

	JudgementAddSource(judgement, reference, source);
	RowSourceClose(source);
	return judgement;
}

/* Give what the training found out. */
static Judgement *
judge_by_training(text *reference)
{
	ModelVersion version;
	ModelInfo  *info = palloc(sizeof(ModelInfo));
	Judgement  *judgement;

	ModelStoreResolve(text_to_cstring(reference), CurrentMemoryContext, &version);
	ModelStoreCheckUse(&version);
	ModelInfoFromJsonb(ModelStoreFetchInfo(&version), info);
	judgement = JudgementOfTraining(ModelCacheLookup(reference)->model, info);
	if (judgement == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known how version %d of model \"%s\" did on validation rows",
						version.version, version.name),
				 errdetail("Its training held back no rows, or it was not trained here."),
				 errhint("Name a source, a text column and a label column to judge it by.")));
	return judgement;
}

/* The four arguments of both functions. */
static Judgement *
judge(FunctionCallInfo fcinfo)
{
	bool		has_source = !PG_ARGISNULL(1);

	RequireArgument(fcinfo, 0, "model");
	for (int i = 2; i <= 3; i++)
		if (PG_ARGISNULL(i) == has_source)
			ereport(ERROR,
					(errcode(has_source ? ERRCODE_NULL_VALUE_NOT_ALLOWED :
							 ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("source, text_column and label_column must be given together or not at all")));
	if (has_source)
		return judge_by_source(PG_GETARG_TEXT_PP(0), PG_GETARG_OID(1),
							   PG_GETARG_NAME(2), PG_GETARG_NAME(3));
	return judge_by_training(PG_GETARG_TEXT_PP(0));
}

/* ---- showing ---------------------------------------------------------- */

/* Add a row of textclf_evaluate; a figure that is NaN is NULL. */
static void
put_figures(ReturnSetInfo *result, text *label, double precision, double recall,
			double f1, int64 support)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = PointerGetDatum(label);
	values[1] = FigureDatum(precision, &nulls[1]);
	values[2] = FigureDatum(recall, &nulls[2]);
	values[3] = FigureDatum(f1, &nulls[3]);
	values[4] = Int64GetDatum(support);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_average(ReturnSetInfo *result, const char *name, const ClfAverage *average,
			int64 rows)
{
	put_figures(result, cstring_to_text(name), average->precision,
				average->recall, average->f1, rows);
}

/*
 * textclf_evaluate(model text, source regclass DEFAULT NULL,
 *					text_column name DEFAULT NULL, label_column name DEFAULT NULL)
 *
 * A row for every label that a row has or was given, in byte order; then
 * accuracy, "macro avg" and "weighted avg", as scikit-learn's
 * classification_report has them.  Rows whose text or label is NULL do not
 * count.
 */
Datum
textclf_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Judgement  *judgement;
	JudgementFigures figures;
	const ClfScore *whole = &figures.whole;

	InitMaterializedSRF(fcinfo, 0);
	judgement = judge(fcinfo);
	JudgementSum(judgement, &figures);
	for (int i = 0; i < figures.labels; i++)
	{
		const ClfClassScore *score = &figures.scores[i];

		if (score->support + score->predicted > 0)
			put_figures(result, JudgementLabel(judgement, i), score->precision,
						score->recall, score->f1, score->support);
	}
	put_figures(result, cstring_to_text("accuracy"), NAN, NAN, whole->accuracy,
				whole->rows);
	put_average(result, "macro avg", &whole->macro, whole->rows);
	put_average(result, "weighted avg", &whole->weighted, whole->rows);
	JudgementFree(judgement);
	return (Datum) 0;
}

/*
 * textclf_confusion_matrix(model text, source regclass DEFAULT NULL,
 *					text_column name DEFAULT NULL, label_column name DEFAULT NULL)
 *
 * How many rows of one label were taken for which, without the zeros.
 */
Datum
textclf_confusion_matrix(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Judgement  *judgement;
	JudgementFigures figures;

	InitMaterializedSRF(fcinfo, 0);
	judgement = judge(fcinfo);
	JudgementSum(judgement, &figures);
	for (size_t i = 0; i < figures.cell_count; i++)
	{
		const ClfCell *cell = &figures.cells[i];
		Datum		values[] = {
			PointerGetDatum(JudgementLabel(judgement, cell->actual)),
			PointerGetDatum(JudgementLabel(judgement, cell->predicted)),
			Int64GetDatum(cell->rows)
		};
		bool		nulls[] = {false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[0]));
		pfree(DatumGetPointer(values[1]));
	}
	JudgementFree(judgement);
	return (Datum) 0;
}

/*
 * drift.c
 *	  SQL: textclf_drift, how far today's rows are from those that a model
 *	  learned from.
 *
 * The training has kept figures of its validation rows, which the model had not
 * seen, as it sees none of today's; the same figures are taken of the source.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "arguments.h"
#include "compat.h"
#include "figure.h"
#include "model_cache.h"
#include "model_info.h"
#include "model_store.h"
#include "row_source.h"

PG_FUNCTION_INFO_V1(textclf_drift);

/*
 * From where on a figure is to be watched, and has drifted: what the distance is
 * over two standard deviations of what chance alone would give with so many rows.
 */
typedef struct Limits
{
	double		watch;
	double		drifted;
} Limits;

static const Limits unknown_limits = {0.05, 0.15};	/* more of the tokens */
static const Limits confidence_limits = {0.05, 0.10};	/* less mean probability */
static const Limits label_limits = {0.05, 0.10};	/* more or less of the rows */
static const Limits psi_limits = {0.10, 0.25};	/* population stability index, as is usual */

/* Figures of some rows. */
typedef struct Figures
{
	int64		rows;
	double		unknown_tokens; /* share of the tokens, or NaN */
	double		confidence;		/* mean probability of the label, or NaN */
	double		variance;		/* of that probability */
	int64	   *labels;			/* [classes] rows that were given each label */
} Figures;

/* ---- figures ---------------------------------------------------------- */

/* What the training has kept; rows is 0 if that is nothing. */
static void
figures_of_training(text *reference, int classes, Figures *figures)
{
	ModelVersion version;
	ModelInfo	info;
	double		probability = 0;
	int64		rows = 0;

	ModelStoreResolve(text_to_cstring(reference), CurrentMemoryContext, &version);
	ModelInfoFromJsonb(ModelStoreFetchInfo(&version), &info);
	memset(figures, 0, sizeof(*figures));
	figures->labels = palloc0(classes * sizeof(int64));
	figures->unknown_tokens = info.unknown_tokens;
	for (int i = 0; i < info.cell_count; i++)
	{
		const ClfCell *cell = &info.cells[i];

		if (cell->predicted >= classes)
			continue;			/* imported: it may be said of another model */
		figures->labels[cell->predicted] += cell->rows;
		figures->rows += cell->rows;
	}
	for (int i = 0; info.bins != NULL && i < CLF_BINS; i++)
	{
		probability += info.bins[i].probability;
		rows += info.bins[i].rows;
	}
	figures->confidence = rows > 0 ? probability / rows : get_float8_nan();
}

/* Count the tokens of a text, and those that the model does not know. */
static void
count_tokens(CachedModel *cached, text *doc, int64 *all, int64 *unknown)
{
	EngineText	utf8 = EngineTextInit(VARDATA_ANY(doc), VARSIZE_ANY_EXHDR(doc));
	const ClfToken *tokens;
	size_t		count;
	ClfError	error;

	EngineCheck(clf_tokens(cached->model, cached->scratch, utf8.bytes,
						   utf8.length, &tokens, &count, &error), &error);
	*all += count;
	for (size_t i = 0; i < count; i++)
		*unknown += tokens[i].id <= 1;
	EngineTextFree(&utf8);
}

/* What the model makes of the rows of a source. */
static void
figures_of_source(text *reference, RowSource *source, int classes, Figures *figures)
{
	int64		all = 0;
	int64		unknown = 0;
	double		sum = 0;
	double		squares = 0;
	text	   *doc;
	ItemPointerData tid;

	memset(figures, 0, sizeof(*figures));
	figures->labels = palloc0(classes * sizeof(int64));
	while (RowSourceNextText(source, &doc, &tid))
	{
		CachedModel *cached;
		int			best;

		if (doc == NULL)
			continue;
		cached = ModelCacheLookup(reference);	/* the source may have used others */
		best = CachedModelPredict(cached, doc);
		figures->rows++;
		figures->labels[best]++;
		sum += cached->probability[best];
		squares += cached->probability[best] * cached->probability[best];
		count_tokens(cached, doc, &all, &unknown);
	}
	figures->unknown_tokens = all > 0 ? (double) unknown / all : get_float8_nan();
	figures->confidence = figures->rows > 0 ? sum / figures->rows : get_float8_nan();
	figures->variance = figures->rows > 0 ?
		Max(0, squares / figures->rows - figures->confidence * figures->confidence) : 0;
}

/* ---- distances -------------------------------------------------------- */

/* Two samples of so many rows: the variance of the difference of their means. */
static double
sampling(const Figures *training, const Figures *today)
{
	return 1.0 / training->rows + 1.0 / today->rows;
}

/* Share of a label, never 0: half a row is added to each. */
static double
smooth_share(const Figures *figures, int label, int classes)
{
	return (figures->labels[label] + 0.5) / (figures->rows + 0.5 * classes);
}

/* Population stability index: the sum over labels of (q - p) ln(q / p). */
static double
stability_index(const Figures *training, const Figures *today, int classes)
{
	double		sum = 0;

	for (int i = 0; i < classes; i++)
	{
		double		p = smooth_share(training, i, classes);
		double		q = smooth_share(today, i, classes);

		sum += (q - p) * log(q / p);
	}
	return sum;
}

/* ---- the answer ------------------------------------------------------- */

/* Add a row; a number that is NaN is NULL, and then there is no verdict. */
static void
put_row(ReturnSetInfo *result, const char *measure, text *label, double training,
		double today, double distance, double chance, const Limits *limits)
{
	double		excess = distance - chance;
	const char *verdict = excess < limits->watch ? "ok" :
		excess < limits->drifted ? "watch" : "drifted";
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = CStringGetTextDatum(measure);
	values[1] = PointerGetDatum(label);
	nulls[1] = label == NULL;
	values[2] = FigureDatum(training, &nulls[2]);
	values[3] = FigureDatum(today, &nulls[3]);
	values[4] = FigureDatum(distance, &nulls[4]);
	values[5] = CStringGetTextDatum(verdict);
	nulls[5] = isnan(excess);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The share of a label among rows, or NaN without rows. */
static double
share(const Figures *figures, int label)
{
	return figures->rows > 0 ? (double) figures->labels[label] / figures->rows : get_float8_nan();
}

static void
put_labels(ReturnSetInfo *result, text *reference, const Figures *training,
		   const Figures *today, int classes, bool known)
{
	CachedModel *cached = ModelCacheLookup(reference);
	double		sample = known ? sampling(training, today) : 0;

	for (int i = 0; i < classes; i++)
	{
		size_t		length;
		const char *label = clf_model_label(cached->model, i, &length);
		double		p = share(training, i);
		double		q = share(today, i);

		put_row(result, "label", EngineTextToServer(label, length), p, q, fabs(q - p),
				2 * sqrt(p * (1 - p) * sample), &label_limits);
	}
}

static void
put_figures(ReturnSetInfo *result, text *reference, const Figures *training,
			const Figures *today, int classes)
{
	bool		known = training->rows > 0 && today->rows > 0;
	double		nan = get_float8_nan();
	double		sample = known ? sampling(training, today) : nan;
	double		p = training->unknown_tokens;

	put_row(result, "unknown tokens", NULL, p, today->unknown_tokens,
			today->unknown_tokens - p, 2 * sqrt(p * (1 - p) * sample), &unknown_limits);
	put_row(result, "confidence", NULL, training->confidence, today->confidence,
			training->confidence - today->confidence,
			2 * sqrt(today->variance * sample), &confidence_limits);
	put_row(result, "labels", NULL, known ? 0 : nan,
			known ? stability_index(training, today, classes) : nan,
			known ? stability_index(training, today, classes) : nan,
			sample * ((classes - 1) + 2 * sqrt(2.0 * (classes - 1))), &psi_limits);
	put_labels(result, reference, training, today, classes, known);
}

/*
 * textclf_drift(model text, source regclass, text_column name)
 *
 * Rows (measure, label, training, today, distance, verdict):
 *
 *	unknown tokens	their share among all tokens
 *	confidence		mean probability of the predicted label; less is worse
 *	labels			how far their shares are from the training's, as a whole
 *					(population stability index)
 *	label			the share of each
 *
 * "training" is of the rows that the training held back; NULL, and no verdict,
 * if there were none.  Rows whose text is NULL do not count.
 */
Datum
textclf_drift(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RowSource  *source;
	Figures		training;
	Figures		today;
	text	   *reference;
	int			classes;

	RequireArgument(fcinfo, 0, "model");
	RequireArgument(fcinfo, 1, "source");
	RequireArgument(fcinfo, 2, "text_column");
	InitMaterializedSRF(fcinfo, 0);
	reference = PG_GETARG_TEXT_PP(0);
	classes = ModelCacheLookup(reference)->classes; /* who may not use it learns nothing */
	figures_of_training(reference, classes, &training);
	source = RowSourceOpenTexts(PG_GETARG_OID(1), NameStr(*PG_GETARG_NAME(2)));
	figures_of_source(reference, source, classes, &today);
	put_figures(result, reference, &training, &today, classes);
	RowSourceClose(source);
	return (Datum) 0;
}

/*
 * inspect.c
 *	  SQL: textclf_history, textclf_tokens, textclf_cache_entries and
 *	  textclf_build_info, which show what there is and change nothing.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "blas.h"
#include "compat.h"
#include "figure.h"
#include "guc.h"
#include "model_cache.h"
#include "model_info.h"
#include "model_store.h"
#include "version.h"

PG_FUNCTION_INFO_V1(textclf_history);
PG_FUNCTION_INFO_V1(textclf_tokens);
PG_FUNCTION_INFO_V1(textclf_cache_entries);
PG_FUNCTION_INFO_V1(textclf_build_info);

/* ---- history ---------------------------------------------------------- */

#define CURVE_EPOCHS	40		/* epochs up to its own that a row's curve shows */
#define CURVE_LEVELS	8

/*
 * What to draw curves with, from low to high.  Of the encodings of a server only
 * UTF8 has the blocks, and a client that has others could not read the rows.
 */
static const char *const *
curve_marks(void)
{
	static const char *const blocks[CURVE_LEVELS] = {
		"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
		"\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88"
	};
	static const char *const ascii[CURVE_LEVELS] = {
		"_", ".", "-", "~", "=", "+", "*", "#"
	};

	/* the setting, for a parallel worker has it but does not follow it */
	if (GetDatabaseEncoding() == PG_UTF8 &&
		pg_char_to_encoding(GetConfigOption("client_encoding", false, false)) == PG_UTF8)
		return blocks;
	return ascii;
}

/*
 * The validation losses up to an epoch as a sparkline, between the least and
 * the greatest of all epochs; NULL if it has none.
 */
static Datum
curve(const ModelInfo *info, int last, const char *const *marks, bool *isnull)
{
	double		low = INFINITY;
	double		high = -INFINITY;
	StringInfoData line;

	*isnull = isnan(info->history[last].val_loss);
	if (*isnull)
		return (Datum) 0;
	for (int i = 0; i < info->history_length; i++)
	{
		double		loss = info->history[i].val_loss;

		low = fmin(low, loss);	/* neither takes a NaN */
		high = fmax(high, loss);
	}
	initStringInfo(&line);
	for (int i = Max(0, last - CURVE_EPOCHS + 1); i <= last; i++)
	{
		double		loss = info->history[i].val_loss;
		double		height = high > low ? (loss - low) / (high - low) : 0;

		if (isnan(loss))
			appendStringInfoChar(&line, ' ');
		else
			appendStringInfoString(&line, marks[(int) rint(height * (CURVE_LEVELS - 1))]);
	}
	return PointerGetDatum(cstring_to_text_with_len(line.data, line.len));
}

/* textclf_history(model text): a row for each epoch of the training. */
Datum
textclf_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *const *marks = curve_marks();
	ModelVersion version;
	ModelInfo	info;

	InitMaterializedSRF(fcinfo, 0);
	ModelStoreResolve(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					  CurrentMemoryContext, &version);
	ModelStoreCheckUse(&version);
	ModelInfoFromJsonb(ModelStoreFetchInfo(&version), &info);
	for (int i = 0; i < info.history_length; i++)
	{
		const ClfEpoch *epoch = &info.history[i];
		Datum		values[7];
		bool		nulls[7] = {false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = FigureDatum(epoch->loss, &nulls[1]);
		values[2] = FigureDatum(epoch->accuracy, &nulls[2]);
		values[3] = FigureDatum(epoch->val_loss, &nulls[3]);
		values[4] = FigureDatum(epoch->val_accuracy, &nulls[4]);
		values[5] = FigureDatum(epoch->seconds, &nulls[5]);
		values[6] = curve(&info, i, marks, &nulls[6]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- tokens ----------------------------------------------------------- */

/* textclf_tokens(model text, doc text): the text as the model reads it. */
Datum
textclf_tokens(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *reference = PG_GETARG_TEXT_PP(0);
	text	   *doc = PG_GETARG_TEXT_PP(1);
	EngineText	utf8 = EngineTextInit(VARDATA_ANY(doc), VARSIZE_ANY_EXHDR(doc));
	CachedModel *cached;
	const ClfToken *tokens;
	size_t		count;
	ClfError	error;

	InitMaterializedSRF(fcinfo, 0);
	cached = ModelCacheLookup(reference);
	EngineCheck(clf_tokens(cached->model, cached->scratch,
						   utf8.bytes, utf8.length, &tokens, &count, &error),
				&error);
	for (size_t i = 0; i < count; i++)
	{
		Datum		values[] = {
			Int32GetDatum((int32) (i + 1)),
			PointerGetDatum(EngineTextShow(tokens[i].text, tokens[i].length)),
			Int32GetDatum(tokens[i].id),
			BoolGetDatum(tokens[i].id > 1)
		};
		bool		nulls[4] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	EngineTextFree(&utf8);
	return (Datum) 0;
}

/* ---- cache ------------------------------------------------------------ */

/* textclf_cache_entries(): the models that this session keeps in memory. */
Datum
textclf_cache_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	dlist_iter	iterator;

	InitMaterializedSRF(fcinfo, 0);
	dlist_foreach(iterator, ModelCacheList())
	{
		const CachedModel *cached = dlist_container(CachedModel, node, iterator.cur);
		Datum		values[] = {
			CStringGetTextDatum(cached->name),
			Int32GetDatum(cached->version),
			Int64GetDatum((int64) CachedModelSize(cached)),
			Int64GetDatum((int64) CachedModelPrivateSize(cached)),
			BoolGetDatum(cached->mapped > 0),
			Int64GetDatum(cached->hits),
			TimestampTzGetDatum(cached->loaded),
			TimestampTzGetDatum(cached->last_used)
		};
		bool		nulls[8] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- build ------------------------------------------------------------ */

/* Name of the CPU as Linux tells it, or NULL. */
static char *
cpu_name(void)
{
	FILE	   *file = AllocateFile("/proc/cpuinfo", "r");
	char		line[512];
	char	   *name = NULL;

	if (file == NULL)
		return NULL;
	while (name == NULL && fgets(line, sizeof(line), file) != NULL)
	{
		char	   *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		name = pstrdup(colon + 1 + strspn(colon + 1, " \t"));
	}
	FreeFile(file);
	return name;
}

/* Add a row (name, value); value may be NULL. */
static void
put_property(ReturnSetInfo *result, const char *name, const char *value)
{
	Datum		values[2];
	bool		nulls[2] = {false, value == NULL};

	values[0] = CStringGetTextDatum(name);
	values[1] = value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * textclf_build_info(): what this library runs on.  It loads OpenBLAS as a
 * training would, to tell what a training will find.
 */
Datum
textclf_build_info(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const BlasState *blas = BlasLoad();

	InitMaterializedSRF(fcinfo, 0);
	put_property(result, "textclf", TEXTCLF_VERSION);
	put_property(result, "postgresql", PG_VERSION);
	put_property(result, "cpu", cpu_name());
	put_property(result, "kernels", clf_kernels_name());
	put_property(result, "blas", blas->sgemm != NULL ? textclf_blas_library : NULL);
	put_property(result, "blas_core_type", blas->sgemm != NULL ? blas->core_type : NULL);
	put_property(result, "blas_failure", blas->failure[0] != '\0' ? blas->failure : NULL);
	put_property(result, "icu", clf_icu_version());
	return (Datum) 0;
}

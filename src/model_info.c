/*
 * model_info.c
 *	  What is remembered of a model's training: the JSON that stands in the
 *	  models table and travels in the model bytes.
 *
 * One table of fields drives both directions.  The text inside model bytes
 * may have been written by anyone, so reading it never trusts a type, and what
 * is stored is always written anew from the struct: the view over the table
 * can rely on it.  Numbers are written so that they read back as they were,
 * whatever extra_float_digits the session has set.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/resowner.h"

#include "engine_glue.h"
#include "model_info.h"
#include "options.h"

/* 2^53: beyond it a double, and so JSON elsewhere, is not exact */
#define MAX_EXACT	INT64CONST(9007199254740992)

typedef enum FieldType
{
	FIELD_TEXT,					/* char * */
	FIELD_COUNT,				/* int64 */
	FIELD_REAL					/* double */
} FieldType;

typedef struct Field
{
	const char *name;
	FieldType	type;
	size_t		offset;
} Field;

#define FIELD(name, type, structure) {#name, type, offsetof(structure, name)}

static const Field info_fields[] = {
	FIELD(textclf_version, FIELD_TEXT, ModelInfo),
	FIELD(source, FIELD_TEXT, ModelInfo),
	FIELD(text_column, FIELD_TEXT, ModelInfo),
	FIELD(label_column, FIELD_TEXT, ModelInfo),
	FIELD(warm_start, FIELD_TEXT, ModelInfo),
	FIELD(embeddings, FIELD_TEXT, ModelInfo),
	FIELD(rows, FIELD_COUNT, ModelInfo),
	FIELD(skipped, FIELD_COUNT, ModelInfo),
	FIELD(training_rows, FIELD_COUNT, ModelInfo),
	FIELD(validation_rows, FIELD_COUNT, ModelInfo),
	FIELD(epochs, FIELD_COUNT, ModelInfo),
	FIELD(best_epoch, FIELD_COUNT, ModelInfo),
	FIELD(accuracy, FIELD_REAL, ModelInfo),
	FIELD(macro_f1, FIELD_REAL, ModelInfo),
	FIELD(deep_accuracy, FIELD_REAL, ModelInfo),
	FIELD(wide_accuracy, FIELD_REAL, ModelInfo),
	FIELD(calibration_error, FIELD_REAL, ModelInfo),
	FIELD(unknown_tokens, FIELD_REAL, ModelInfo),
	FIELD(seconds, FIELD_REAL, ModelInfo)
};

static const Field epoch_fields[] = {
	FIELD(loss, FIELD_REAL, ClfEpoch),
	FIELD(accuracy, FIELD_REAL, ClfEpoch),
	FIELD(val_loss, FIELD_REAL, ClfEpoch),
	FIELD(val_accuracy, FIELD_REAL, ClfEpoch),
	FIELD(seconds, FIELD_REAL, ClfEpoch)
};

/* Set the fields of a struct to unknown. */
static void
init_fields(const Field *fields, int count, void *structure)
{
	for (int i = 0; i < count; i++)
	{
		void	   *field = (char *) structure + fields[i].offset;

		switch (fields[i].type)
		{
			case FIELD_TEXT:
				*(char **) field = NULL;
				break;
			case FIELD_COUNT:
				*(int64 *) field = INFO_COUNT_UNKNOWN;
				break;
			case FIELD_REAL:
				*(double *) field = get_float8_nan();
				break;
		}
	}
}

void
ModelInfoInit(ModelInfo *info)
{
	memset(info, 0, sizeof(*info));
	init_fields(info_fields, lengthof(info_fields), info);
}

/* ---- writing ---------------------------------------------------------- */

/* Append `"name": value` for each field, separated by commas. */
static void
append_fields(StringInfo json, const Field *fields, int count,
			  const void *structure)
{
	for (int i = 0; i < count; i++)
	{
		const void *field = (const char *) structure + fields[i].offset;
		const char *string = NULL;

		appendStringInfo(json, "%s\"%s\": ", i > 0 ? ", " : "", fields[i].name);
		switch (fields[i].type)
		{
			case FIELD_TEXT:
				string = *(char *const *) field;
				if (string != NULL)
					escape_json(json, string);
				break;
			case FIELD_COUNT:
				if (*(const int64 *) field >= 0)
					string = psprintf(INT64_FORMAT, *(const int64 *) field);
				if (string != NULL)
					appendStringInfoString(json, string);
				break;
			case FIELD_REAL:
				if (isfinite(*(const double *) field))
					string = double_to_shortest_decimal(*(const double *) field);
				if (string != NULL)
					appendStringInfoString(json, string);
				break;
		}
		if (string == NULL)
			appendStringInfoString(json, "null");
	}
}

/* Append what the model itself tells. */
static void
append_model(StringInfo json, const ClfModel *model)
{
	appendStringInfoString(json, ", \"options\": ");
	OptionsAppendJson(json, clf_model_config(model));
	appendStringInfo(json, ", \"parameters\": " INT64_FORMAT
					 ", \"vocabulary\": %d, \"classes\": %d",
					 clf_model_parameters(model), clf_model_vocabulary(model),
					 clf_model_classes(model));
	appendStringInfoString(json, ", \"icu_version\": ");
	escape_json(json, clf_model_icu_version(model));
}

/* Append the rows of each class, or null. */
static void
append_class_rows(StringInfo json, const ModelInfo *info)
{
	appendStringInfoString(json, ", \"class_rows\": ");
	if (info->class_rows == NULL)
	{
		appendStringInfoString(json, "null");
		return;
	}
	for (int i = 0; i < info->class_count; i++)
		appendStringInfo(json, "%s" INT64_FORMAT, i > 0 ? ", " : "[",
						 info->class_rows[i]);
	appendStringInfoChar(json, ']');
}

/* Append the figures of the epochs. */
static void
append_history(StringInfo json, const ModelInfo *info)
{
	appendStringInfoString(json, ", \"history\": [");
	for (int i = 0; i < Min(info->history_length, INFO_MAX_HISTORY); i++)
	{
		appendStringInfoString(json, i > 0 ? ", {" : "{");
		append_fields(json, epoch_fields, lengthof(epoch_fields),
					  &info->history[i]);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

/*
 * Append how the model was judged: the confusion matrix as a flat array of
 * (actual, predicted, rows), the reliability table as one of (rows, right,
 * mean probability).
 */
static void
append_judgement(StringInfo json, const ModelInfo *info)
{
	if (info->cell_count == 0)
		return;
	appendStringInfoString(json, ", \"confusion\": ");
	for (int i = 0; i < info->cell_count; i++)
		appendStringInfo(json, "%s%d,%d," INT64_FORMAT, i > 0 ? "," : "[",
						 info->cells[i].actual, info->cells[i].predicted,
						 info->cells[i].rows);
	appendStringInfoChar(json, ']');
	if (info->bins == NULL)
		return;
	appendStringInfoString(json, ", \"reliability\": ");
	for (int i = 0; i < CLF_BINS; i++)
	{
		const ClfBin *bin = &info->bins[i];

		appendStringInfo(json, "%s" INT64_FORMAT "," INT64_FORMAT ",%s",
						 i > 0 ? "," : "[", bin->rows, bin->right,
						 double_to_shortest_decimal(bin->rows > 0 ? bin->probability / bin->rows : 0));
	}
	appendStringInfoChar(json, ']');
}

char *
ModelInfoToJson(const ModelInfo *info, const ClfModel *model)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_fields(&json, info_fields, lengthof(info_fields), info);
	if (model != NULL)
		append_model(&json, model);
	append_class_rows(&json, info);
	append_judgement(&json, info);
	append_history(&json, info);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* ---- reading ---------------------------------------------------------- */

/* The value of a key of an object, or NULL. */
static JsonbValue *
get_key(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), NULL);
}

/* A value as an array or object of the given kind, or NULL. */
static JsonbContainer *
as_container(const JsonbValue *value, uint32 kind)
{
	if (value == NULL || value->type != jbvBinary ||
		(value->val.binary.data->header & kind) == 0)
		return NULL;
	return value->val.binary.data;
}

static bool
as_real(const JsonbValue *value, double *real)
{
	double		number;

	if (value == NULL || value->type != jbvNumeric)
		return false;
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	if (!isfinite(number))
		return false;
	*real = number;
	return true;
}

static bool
as_count(const JsonbValue *value, int64 *count)
{
	double		number;

	if (!as_real(value, &number) || number < 0 ||
		number > MAX_EXACT || number != rint(number))
		return false;
	*count = (int64) number;
	return true;
}

/* Read the fields of a struct from an object. */
static void
read_fields(JsonbContainer *object, const Field *fields, int count,
			void *structure)
{
	for (int i = 0; i < count; i++)
	{
		void	   *field = (char *) structure + fields[i].offset;
		JsonbValue *value = get_key(object, fields[i].name);

		switch (fields[i].type)
		{
			case FIELD_TEXT:
				if (value != NULL && value->type == jbvString)
					*(char **) field = pnstrdup(value->val.string.val,
												value->val.string.len);
				break;
			case FIELD_COUNT:
				(void) as_count(value, field);
				break;
			case FIELD_REAL:
				(void) as_real(value, field);
				break;
		}
	}
}

static void
read_history(JsonbContainer *array, ModelInfo *info)
{
	int			length = JsonContainerSize(array);

	if (length == 0 || length > INFO_MAX_HISTORY)
		return;
	info->history = palloc(length * sizeof(ClfEpoch));
	info->history_length = length;
	for (int i = 0; i < length; i++)
	{
		JsonbContainer *epoch = as_container(getIthJsonbValueFromContainer(array, i),
											 JB_FOBJECT);

		init_fields(epoch_fields, lengthof(epoch_fields), &info->history[i]);
		if (epoch != NULL)
			read_fields(epoch, epoch_fields, lengthof(epoch_fields),
						&info->history[i]);
	}
}

static void
read_class_rows(JsonbContainer *array, ModelInfo *info)
{
	int			count = JsonContainerSize(array);
	int64	   *rows;

	if (count == 0 || count > MaxAllocSize / sizeof(int64))
		return;
	rows = palloc(count * sizeof(int64));
	for (int i = 0; i < count; i++)
		if (!as_count(getIthJsonbValueFromContainer(array, i), &rows[i]))
			return;
	info->class_rows = rows;
	info->class_count = count;
}

/* An element of an array as a count. */
static bool
count_at(JsonbContainer *array, int index, int64 *count)
{
	return as_count(getIthJsonbValueFromContainer(array, index), count);
}

/* Read a confusion matrix, unless it is not in order. */
static void
read_cells(JsonbContainer *array, ModelInfo *info)
{
	int			count = JsonContainerSize(array) / 3;
	ClfCell    *cells;
	int			classes = 0;
	int64		total = 0;

	if (count == 0 || count > INFO_MAX_CELLS || JsonContainerSize(array) % 3 != 0)
		return;
	cells = palloc(count * sizeof(ClfCell));
	for (int i = 0; i < count; i++)
	{
		int64		actual;
		int64		predicted;

		if (!count_at(array, 3 * i, &actual) || actual >= PG_INT32_MAX ||
			!count_at(array, 3 * i + 1, &predicted) || predicted >= PG_INT32_MAX ||
			!count_at(array, 3 * i + 2, &cells[i].rows) || cells[i].rows == 0 ||
			(i > 0 && (actual < cells[i - 1].actual ||
					   (actual == cells[i - 1].actual && predicted <= cells[i - 1].predicted))))
			return;
		cells[i].actual = (int32) actual;
		cells[i].predicted = (int32) predicted;
		classes = Max(classes, Max(cells[i].actual, cells[i].predicted) + 1);
		total += cells[i].rows;
		if (total > MAX_EXACT)
			return;
	}
	info->cells = cells;
	info->cell_count = count;
	info->cell_classes = classes;
}

static void
read_bins(JsonbContainer *array, ModelInfo *info)
{
	ClfBin	   *bins;

	if (JsonContainerSize(array) != 3 * CLF_BINS)
		return;
	bins = palloc(CLF_BINS * sizeof(ClfBin));
	for (int i = 0; i < CLF_BINS; i++)
	{
		double		mean;

		if (!count_at(array, 3 * i, &bins[i].rows) ||
			!count_at(array, 3 * i + 1, &bins[i].right) ||
			bins[i].right > bins[i].rows || bins[i].rows > MAX_EXACT / CLF_BINS ||
			!as_real(getIthJsonbValueFromContainer(array, 3 * i + 2), &mean) ||
			mean < 0 || mean > 1)
			return;
		bins[i].probability = mean * bins[i].rows;
	}
	info->bins = bins;
}

void
ModelInfoFromJsonb(Jsonb *json, ModelInfo *info)
{
	JsonbContainer *array;

	ModelInfoInit(info);
	if (!JB_ROOT_IS_OBJECT(json))
		return;
	read_fields(&json->root, info_fields, lengthof(info_fields), info);
	array = as_container(get_key(&json->root, "history"), JB_FARRAY);
	if (array != NULL)
		read_history(array, info);
	array = as_container(get_key(&json->root, "class_rows"), JB_FARRAY);
	if (array != NULL)
		read_class_rows(array, info);
	array = as_container(get_key(&json->root, "confusion"), JB_FARRAY);
	if (array != NULL)
		read_cells(array, info);
	array = as_container(get_key(&json->root, "reliability"), JB_FARRAY);
	if (array != NULL && info->cell_count > 0)
		read_bins(array, info);
}

void
ModelInfoFromModel(const ClfModel *model, ModelInfo *info)
{
	size_t		length;
	const char *utf8 = clf_model_info(model, &length);
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	ModelInfoInit(info);
	if (utf8 == NULL || length == 0 || length > MaxAllocSize / 4)
		return;

	/* Not JSON, or not in the characters of this database: a subtransaction. */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		char	   *string = text_to_cstring(EngineTextToServer(utf8, length));
		Datum		json = DirectFunctionCall1(jsonb_in, CStringGetDatum(string));

		ModelInfoFromJsonb(DatumGetJsonbP(json), info);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		ModelInfoInit(info);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && !EngineIsAboutModel(error))
		ReThrowError(error);

	if (info->class_count != clf_model_classes(model))
		info->class_rows = NULL;
	if (info->cell_classes > clf_model_classes(model))
	{
		info->cell_count = 0;
		info->bins = NULL;
	}
}

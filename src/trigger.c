/*
 * trigger.c
 *	  SQL: textclf_classify(), the trigger that fills a label column.
 *
 * It predicts through the same cache and the same engine call as a SELECT, so
 * that both give the same answer, bit for bit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "model_cache.h"

PG_FUNCTION_INFO_V1(textclf_classify);

#define MIN_ARGUMENTS 3
#define MAX_ARGUMENTS 6

/* What the trigger sets in a row. */
typedef struct Assignment
{
	int			column;
	Datum		value;
	bool		isnull;
} Assignment;

/* The arguments of CREATE TRIGGER; a column that is not wanted is 0. */
typedef struct ClassifyArguments
{
	char	   *model;
	int			text_column;
	int			label_column;
	int			probability_column;
	int			version_column;
	float		min_probability;	/* below it the label is NULL */
} ClassifyArguments;

/* error_context_stack callback: name the trigger and its model */
static void
add_context(void *argument)
{
	const TriggerData *data = argument;

	errcontext("trigger \"%s\" on table \"%s\", classifying with model \"%s\"",
			   data->tg_trigger->tgname,
			   RelationGetRelationName(data->tg_relation),
			   data->tg_trigger->tgnargs > 0 ? data->tg_trigger->tgargs[0] : "");
}

static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("textclf_classify can only be called as a trigger")));
	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!(TRIGGER_FIRED_BY_INSERT(data->tg_event) ||
		  TRIGGER_FIRED_BY_UPDATE(data->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired BEFORE INSERT OR UPDATE, FOR EACH ROW",
						data->tg_trigger->tgname)));
}

/*
 * The number of a column that an argument names.  Not a generated one: that is
 * computed when BEFORE triggers are done, from what they leave.
 */
static int
find_column(const TriggerData *data, const char *name)
{
	TupleDesc	descriptor = RelationGetDescr(data->tg_relation);
	int			column = SPI_fnumber(descriptor, name);

	if (column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, RelationGetRelationName(data->tg_relation))));
	if (TupleDescAttr(descriptor, column - 1)->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("trigger \"%s\" cannot use generated column \"%s\"",
						data->tg_trigger->tgname, name),
				 errdetail("It is computed after the trigger has been fired.")));
	return column;
}

/* The same for an argument that may be missing or an empty string. */
static int
find_optional_column(const TriggerData *data, int argument)
{
	if (argument >= data->tg_trigger->tgnargs ||
		data->tg_trigger->tgargs[argument][0] == '\0')
		return 0;
	return find_column(data, data->tg_trigger->tgargs[argument]);
}

/* The text must not be overwritten, nor one answer by another. */
static void
check_different(const TriggerData *data, const ClassifyArguments *arguments)
{
	int			columns[] = {
		arguments->text_column, arguments->label_column,
		arguments->probability_column, arguments->version_column
	};

	for (int i = 0; i < lengthof(columns); i++)
		for (int k = 0; k < i; k++)
			if (columns[i] > 0 && columns[i] == columns[k])
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						 errmsg("trigger \"%s\" names column \"%s\" twice",
								data->tg_trigger->tgname,
								SPI_fname(RelationGetDescr(data->tg_relation), columns[i]))));
}

static void
read_arguments(const TriggerData *data, ClassifyArguments *arguments)
{
	const Trigger *trigger = data->tg_trigger;
	TupleDesc	descriptor = RelationGetDescr(data->tg_relation);
	Oid			text_type;
	char		category;
	bool		preferred;

	if (trigger->tgnargs < MIN_ARGUMENTS || trigger->tgnargs > MAX_ARGUMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("textclf_classify needs %d to %d arguments",
						MIN_ARGUMENTS, MAX_ARGUMENTS),
				 errhint("The arguments are model, text column, label column, and optionally probability column, version column, minimum probability.")));

	arguments->model = trigger->tgargs[0];
	arguments->text_column = find_column(data, trigger->tgargs[1]);
	arguments->label_column = find_column(data, trigger->tgargs[2]);
	arguments->probability_column = find_optional_column(data, 3);
	arguments->version_column = find_optional_column(data, 4);
	check_different(data, arguments);
	arguments->min_probability = 0;
	if (trigger->tgnargs > 5)
		arguments->min_probability =
			DatumGetFloat4(DirectFunctionCall1(float4in,
											   CStringGetDatum(trigger->tgargs[5])));
	if (!(arguments->min_probability >= 0 && arguments->min_probability <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("minimum probability must be from 0 to 1")));

	text_type = getBaseType(SPI_gettypeid(descriptor, arguments->text_column));
	get_type_category_preferred(text_type, &category, &preferred);
	if (category != TYPCATEGORY_STRING)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" must hold text", trigger->tgargs[1])));
}

/* Text of a column of a string type: as it is stored, or through its output. */
static text *
column_text(Oid type, Datum value)
{
	Oid			output;
	bool		is_varlena;

	type = getBaseType(type);
	if (type == TEXTOID || type == VARCHAROID)
		return DatumGetTextPP(value);
	if (type == BPCHAROID)		/* the cast to text takes the padding off */
		return DatumGetTextPP(DirectFunctionCall1(rtrim1, value));
	getTypeOutputInfo(type, &output, &is_varlena);
	return cstring_to_text(OidOutputFunctionCall(output, value));
}

/*
 * A string as a value of a column's type, whatever that is.  NULL is a value,
 * too, which a domain may refuse.
 */
static Datum
value_for_column(TupleDesc descriptor, int column, char *string)
{
	Oid			type = SPI_gettypeid(descriptor, column);
	Oid			input;
	Oid			parameter;

	getTypeInputInfo(type, &input, &parameter);
	return OidInputFunctionCall(input, string, parameter,
								TupleDescAttr(descriptor, column - 1)->atttypmod);
}

/*
 * A probability as a value of a column's type; a double holds it exactly.  How
 * many digits the session wants to see is nothing to what is stored.
 */
static Datum
probability_for_column(TupleDesc descriptor, int column, float probability)
{
	bool		is_double = getBaseType(SPI_gettypeid(descriptor, column)) == FLOAT8OID;

	return value_for_column(descriptor, column,
							is_double ? double_to_shortest_decimal(probability)
							: float_to_shortest_decimal(probability));
}

/* Label, probability and version of a text, as the row is to hold them. */
static void
classify(const ClassifyArguments *arguments, TupleDesc descriptor, text *doc,
		 Assignment *label, Assignment *probability, Assignment *version)
{
	CachedModel *cached = ModelCacheLookup(cstring_to_text(arguments->model));
	int			best = CachedModelPredict(cached, doc);
	float		best_probability = cached->probability[best];
	int32		used_version = cached->version;
	size_t		length;
	const char *utf8 = clf_model_label(cached->model, best, &length);
	char	   *name = text_to_cstring(EngineTextToServer(utf8, length));

	/* From here on input functions run: the cached model is not looked at. */
	if (best_probability >= arguments->min_probability)
	{
		label->value = value_for_column(descriptor, label->column, name);
		label->isnull = false;
	}
	if (probability->column > 0)
	{
		probability->value = probability_for_column(descriptor,
													probability->column,
													best_probability);
		probability->isnull = false;
	}
	if (version->column > 0)
	{
		version->value = value_for_column(descriptor, version->column,
										  psprintf("%d", used_version));
		version->isnull = false;
	}
}

/* A copy of a row with some columns set; raises an error if one cannot be NULL. */
static HeapTuple
assign(HeapTuple row, TupleDesc descriptor, const Assignment *assignments,
	   int count)
{
	int			columns[3];
	Datum		values[3];
	bool		nulls[3];
	int			used = 0;

	for (int i = 0; i < count; i++)
	{
		if (assignments[i].column == 0)
			continue;
		if (assignments[i].isnull)
			(void) value_for_column(descriptor, assignments[i].column, NULL);
		columns[used] = assignments[i].column;
		values[used] = assignments[i].value;
		nulls[used] = assignments[i].isnull;
		used++;
	}
	return heap_modify_tuple_by_cols(row, descriptor, used, columns, values, nulls);
}

/*
 * textclf_classify(): BEFORE INSERT OR UPDATE row trigger with the arguments
 *
 *	model				which model predicts
 *	text_column			what it reads; NULL gives NULL in all columns below
 *	label_column		what it sets, of any type whose input takes the label
 *	probability_column	optional: probability of that label
 *	version_column		optional: version of the model that predicted
 *	min_probability		optional: if the label is less probable it becomes NULL
 *
 * An optional column is left out with an empty string.
 */
Datum
textclf_classify(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	ErrorContextCallback context;
	ClassifyArguments arguments;
	TupleDesc	descriptor;
	HeapTuple	row;
	Datum		doc;
	bool		isnull;

	check_call(fcinfo);
	context.callback = add_context;
	context.arg = data;
	context.previous = error_context_stack;
	error_context_stack = &context;

	read_arguments(data, &arguments);
	descriptor = RelationGetDescr(data->tg_relation);
	row = TRIGGER_FIRED_BY_INSERT(data->tg_event) ? data->tg_trigtuple
		: data->tg_newtuple;
	doc = heap_getattr(row, arguments.text_column, descriptor, &isnull);

	{
		Assignment	assignments[] = {
			{arguments.label_column, (Datum) 0, true},
			{arguments.probability_column, (Datum) 0, true},
			{arguments.version_column, (Datum) 0, true}
		};

		if (!isnull)
			classify(&arguments, descriptor,
					 column_text(SPI_gettypeid(descriptor, arguments.text_column), doc),
					 &assignments[0], &assignments[1], &assignments[2]);
		row = assign(row, descriptor, assignments, lengthof(assignments));
	}

	error_context_stack = context.previous;
	return PointerGetDatum(row);
}

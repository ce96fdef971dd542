/*
 * options.c
 *	  The options of a training, as SQL gives them: a jsonb object.
 *
 * Names, types and ranges are data: the engine's table (clf_options) and the
 * table of what concerns only the database, below.  This file must never name
 * an option of the engine.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "arguments.h"
#include "engine_glue.h"
#include "helpers.h"
#include "options.h"

static const char *const deploy_names[] = {"always", "if_better", "never", NULL};

static const ClfOption database_options[] = {
	{
		"deploy", CLF_OPTION_ENUM, offsetof(TrainOptions, deploy),
		DEPLOY_ALWAYS, DEPLOY_NEVER, DEPLOY_ALWAYS, deploy_names,
		"whether the new version is deployed"
	},
	{
		"workers", CLF_OPTION_INT, offsetof(TrainOptions, workers),
		0, MAX_HELPERS, -1, NULL,
		"processes that help to train; the model does not depend on it"
	},
	{
		"train_embeddings", CLF_OPTION_BOOL, offsetof(TrainOptions, train_embeddings),
		false, true, true, NULL,
		"whether the training changes the vectors of option embeddings"
	}
};

/* Options that name something of the database; NULL by default. */
typedef struct NameOption
{
	const char *name;
	size_t		offset;			/* of a char * in TrainOptions */
} NameOption;

static const NameOption name_options[] = {
	{"warm_start", offsetof(TrainOptions, warm_start)},
	{"embeddings", offsetof(TrainOptions, embeddings)}
};

/* Both tables as one sequence; offsets become relative to TrainOptions. */
typedef struct OptionTable
{
	const ClfOption *options;
	int			count;
	size_t		base;			/* of the struct that offsets count from */
} OptionTable;

#define TABLE_COUNT 2

static void
get_tables(OptionTable *tables)
{
	tables[0].options = clf_options(&tables[0].count);
	tables[0].base = offsetof(TrainOptions, config);
	tables[1].options = database_options;
	tables[1].count = lengthof(database_options);
	tables[1].base = 0;
}

/* Find the option called key; *field is its place in *result. */
static const ClfOption *
find_option(const char *key, TrainOptions *result, void **field)
{
	OptionTable tables[TABLE_COUNT];

	get_tables(tables);
	for (int t = 0; t < TABLE_COUNT; t++)
		for (int i = 0; i < tables[t].count; i++)
		{
			const ClfOption *option = &tables[t].options[i];

			if (strcmp(option->name, key) == 0)
			{
				*field = (char *) result + tables[t].base + option->offset;
				return option;
			}
		}
	return NULL;
}

/* HINT that lists every option */
static int
hint_options(void)
{
	OptionTable tables[TABLE_COUNT];
	StringInfoData names;

	initStringInfo(&names);
	get_tables(tables);
	for (int t = 0; t < TABLE_COUNT; t++)
		for (int i = 0; i < tables[t].count; i++)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 tables[t].options[i].name);
	for (int i = 0; i < lengthof(name_options); i++)
		appendStringInfo(&names, ", %s", name_options[i].name);
	return errhint("The options are %s.", names.data);
}

/* DETAIL that says what an option may be */
static int
detail_range(const ClfOption *option)
{
	StringInfoData names;

	switch (option->type)
	{
		case CLF_OPTION_BOOL:
			return errdetail("It must be true or false.");
		case CLF_OPTION_INT:
			return errdetail("It must be an integer from %.0f to %.0f.",
							 option->minimum, option->maximum);
		case CLF_OPTION_REAL:
			return errdetail("It must be a number from %g to %g.",
							 option->minimum, option->maximum);
		case CLF_OPTION_STRING:
			return errdetail("It must be a string of at most %.0f bytes of UTF-8.",
							 option->maximum);
		case CLF_OPTION_ENUM:
		case CLF_OPTION_SET:
			break;
	}
	initStringInfo(&names);
	for (int i = 0; option->names[i] != NULL; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "", option->names[i]);
	if (option->type == CLF_OPTION_SET)
		return errdetail("It must be an array of some of %s, or one of them; true for all.", names.data);
	return errdetail("It must be one of %s.", names.data);
}

/* Number of a name in an enumeration, or -1. */
static int
find_name(const ClfOption *option, const char *name, int length)
{
	for (int i = 0; option->names[i] != NULL; i++)
		if (strlen(option->names[i]) == length &&
			memcmp(option->names[i], name, length) == 0)
			return i;
	return -1;
}

/*
 * A set of names as its bits: an array of them, one alone, or a boolean for all
 * or none.  Negative if it is not one.
 */
static double
value_as_set(const ClfOption *option, const JsonbValue *value)
{
	JsonbIterator *iterator;
	JsonbValue	element;
	JsonbIteratorToken token;
	int32		set = 0;

	if (value->type == jbvBool)
		return value->val.boolean ? option->maximum : 0;
	if (value->type == jbvString)
	{
		int			name = find_name(option, value->val.string.val, value->val.string.len);

		return name < 0 ? -1 : 1 << name;
	}
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return -1;
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		int			name;

		if (token != WJB_ELEM)
			continue;
		name = element.type != jbvString ? -1 :
			find_name(option, element.val.string.val, element.val.string.len);
		if (name < 0)
			return -1;
		set |= 1 << name;
	}
	return set;
}

/*
 * A jsonb value as the number that the option's field would hold; of a string,
 * which goes into *string as UTF-8, its length.  False if it is of another
 * type.  The range is not looked at.
 */
static bool
value_as_number(const ClfOption *option, const JsonbValue *value, double *number,
				EngineText *string)
{
	switch (option->type)
	{
		case CLF_OPTION_SET:
			*number = value_as_set(option, value);
			return true;
		case CLF_OPTION_STRING:
			if (value->type != jbvString)
				return false;
			*string = EngineTextInit(value->val.string.val, value->val.string.len);
			*number = string->length;
			return true;
		case CLF_OPTION_BOOL:
			if (value->type != jbvBool)
				return false;
			*number = value->val.boolean ? 1 : 0;
			return true;
		case CLF_OPTION_ENUM:
			if (value->type != jbvString)
				return false;
			*number = find_name(option, value->val.string.val,
								value->val.string.len);
			return *number >= 0;
		case CLF_OPTION_INT:
		case CLF_OPTION_REAL:
			if (value->type != jbvNumeric)
				return false;
			*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
														 NumericGetDatum(value->val.numeric)));
			return option->type == CLF_OPTION_REAL || *number == rint(*number);
	}
	return false;
}

/* Set an option that is a name; false if there is none of that key. */
static bool
set_name_option(const char *key, const JsonbValue *value, TrainOptions *result)
{
	for (int i = 0; i < lengthof(name_options); i++)
	{
		if (strcmp(name_options[i].name, key) != 0)
			continue;
		if (value->type == jbvString)
			*(char **) ((char *) result + name_options[i].offset) =
				pnstrdup(value->val.string.val, value->val.string.len);
		else if (value->type != jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for option \"%s\"", key),
					 errdetail("It must be a string."),
					 hint_options()));
		return true;
	}
	return false;
}

static void
set_option(const char *key, const JsonbValue *value, TrainOptions *result)
{
	void	   *field = NULL;
	const ClfOption *option = find_option(key, result, &field);
	double		number;
	EngineText	string = {"", 0, NULL};

	if (set_name_option(key, value, result))
		return;
	if (option == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized option \"%s\"", ArgumentBeginning(key)),
				 hint_options()));
	if (value->type == jbvNull)
		return;					/* keeps its default */
	if (!value_as_number(option, value, &number, &string) ||
		!(number >= option->minimum && number <= option->maximum))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\"", key),
				 detail_range(option),
				 hint_options()));

	if (option->type == CLF_OPTION_STRING)
	{
		memcpy(field, string.bytes, string.length);
		((char *) field)[string.length] = '\0';
	}
	else if (option->type == CLF_OPTION_REAL)
		*(double *) field = number;
	else
		*(int32 *) field = (int32) number;
}

void
OptionsParse(Jsonb *options, const ClfConfig *base, TrainOptions *result)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;
	ClfError	error;

	memset(result, 0, sizeof(*result));
	if (base != NULL)
		result->config = *base;
	else
		clf_config_init(&result->config);
	for (int i = 0; i < lengthof(database_options); i++)
		*(int32 *) ((char *) result + database_options[i].offset) =
			(int32) database_options[i].initial;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));

	iterator = JsonbIteratorInit(&options->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			set_option(key, &value, result);
	}
	EngineCheck(clf_config_check(&result->config, &error), &error);
}

/* Append a set as an array of names. */
static void
append_set(StringInfo json, const ClfOption *option, int32 set)
{
	const char *separator = "";

	appendStringInfoChar(json, '[');
	for (int i = 0; option->names[i] != NULL; i++)
		if (set & 1 << i)
		{
			appendStringInfoString(json, separator);
			escape_json(json, option->names[i]);
			separator = ", ";
		}
	appendStringInfoChar(json, ']');
}

Jsonb *
OptionsReplace(Jsonb *options, const char *key, const char *value)
{
	Datum		path = CStringGetTextDatum(key);
	StringInfoData json;

	initStringInfo(&json);
	escape_json(&json, value);
	return DatumGetJsonbP(DirectFunctionCall4(jsonb_set, JsonbPGetDatum(options),
											  PointerGetDatum(construct_array(&path, 1, TEXTOID, -1, false, TYPALIGN_INT)),
											  DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)),
											  BoolGetDatum(false)));
}

void
OptionsAppendJson(StringInfo json, const ClfConfig *config)
{
	int			count;
	const ClfOption *options = clf_options(&count);

	appendStringInfoChar(json, '{');
	for (int i = 0; i < count; i++)
	{
		const char *field = (const char *) config + options[i].offset;
		int32		integer = options[i].type == CLF_OPTION_STRING ? 0 : *(const int32 *) field;

		appendStringInfo(json, "%s\"%s\": ", i > 0 ? ", " : "", options[i].name);
		switch (options[i].type)
		{
			case CLF_OPTION_BOOL:
				appendStringInfoString(json, integer != 0 ? "true" : "false");
				break;
			case CLF_OPTION_INT:
				appendStringInfo(json, "%d", integer);
				break;
			case CLF_OPTION_REAL:
				appendStringInfoString(json,
									   double_to_shortest_decimal(*(const double *) field));
				break;
			case CLF_OPTION_ENUM:
				escape_json(json, options[i].names[integer]);
				break;
			case CLF_OPTION_SET:
				append_set(json, &options[i], integer);
				break;
			case CLF_OPTION_STRING:
				escape_json(json, text_to_cstring(EngineTextShow(field, strlen(field))));
				break;
		}
	}
	appendStringInfoChar(json, '}');
}

/*
 * report.c
 *	  SQL: textclf_report, a page about a version of a model.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "model_cache.h"
#include "model_store.h"
#include "report_page.h"

PG_FUNCTION_INFO_V1(textclf_report);

/* What an object holds under a key, if that is an object; or NULL. */
static const JsonbContainer *
get_object(Jsonb *json, const char *key)
{
	JsonbValue *value = JB_ROOT_IS_OBJECT(json) ?
		getKeyJsonValueFromContainer(&json->root, key, strlen(key), NULL) : NULL;

	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return NULL;
	return value->val.binary.data;
}

/*
 * textclf_report(model text): a page of HTML that tells what the version
 * learned from, how that went, and how good it is by the rows that its training
 * held back.  It reads nothing but what is stored with the model.
 */
Datum
textclf_report(PG_FUNCTION_ARGS)
{
	text	   *reference = PG_GETARG_TEXT_PP(0);
	ModelVersion version;
	ModelFacts	facts;
	ModelInfo	info;
	Jsonb	   *json;
	Report		report;
	StringInfoData page;

	ModelStoreResolve(text_to_cstring(reference), CurrentMemoryContext, &version);
	ModelStoreCheckUse(&version);
	ModelStoreFetchFacts(&version, &facts);
	json = ModelStoreFetchInfo(&version);
	ModelInfoFromJsonb(json, &info);

	report.name = version.name;
	report.version = version.version;
	report.deployed = facts.deployed;
	report.owner = GetUserNameFromId(version.owner, true);
	report.created = facts.created;
	report.bytes = facts.bytes;
	report.info = &info;
	report.options = get_object(json, "options");
	report.model = ModelCacheLookup(reference)->model;
	initStringInfo(&page);
	ReportPageAppend(&page, &report);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(page.data, page.len));
}

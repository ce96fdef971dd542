/*
 * audit.c
 *	  SQL: textclf_audit and textclf_verify, what a model remembers of the texts
 *	  it learned from, and whether the stored models are whole.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "guard.h"
#include "model_store.h"

PG_FUNCTION_INFO_V1(textclf_audit);
PG_FUNCTION_INFO_V1(textclf_verify);

/* Bytes of a version, checked, and the model in them; both in CurrentMemoryContext. */
static ClfModel *
load(const ModelVersion *version)
{
	bytea	   *bytes = ModelStoreFetch(version, NULL);

	EngineVerify(version->name, version->version, bytes, version->digest);
	return EngineDecode(CurrentMemoryContext, ENGINE_BYTES_STORED,
						version->name, version->version,
						VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ);
}

/* ---- audit ------------------------------------------------------------ */

/*
 * textclf_audit(model text): the tokens that the model holds, the most frequent
 * first, and in how many rows of the training each was; NULL if that is not
 * known.  It is the vocabulary, so the rights of the owner are needed.
 */
Datum
textclf_audit(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "textclf audit",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ModelVersion version;
	ClfModel   *model;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(context);
	ModelStoreResolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), context, &version);
	ModelStoreCheckOwner(version.name, version.owner);
	model = load(&version);
	for (int id = 0; id < clf_model_vocabulary(model); id++)
	{
		size_t		length;
		const char *token = clf_model_token(model, id, &length);
		uint32		rows = clf_model_token_rows(model, id);
		text	   *shown;
		Datum		values[2];
		bool		nulls[] = {false, rows == 0};

		CHECK_FOR_INTERRUPTS();
		if (token == NULL)
			continue;			/* padding, and what is not known */
		shown = EngineTextShow(token, length);
		values[0] = PointerGetDatum(shown);
		values[1] = Int64GetDatum(rows);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(shown);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* ---- verify ----------------------------------------------------------- */

/*
 * What is wrong with a version, or NULL; what the answer points to lies in
 * CurrentMemoryContext.  *version has its grantees counted if it was there to be
 * seen; the bytes are looked at if the caller may use them.
 */
static char *
find_problem(const char *reference, ModelVersion *version)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	/* Damage is an error, of the server itself if it struck the table. */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		ModelStoreResolve(reference, context, version);
		if (ModelStoreMayUse(version))
			load(version);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return NULL;
	if (!EngineIsAboutModel(error))
		ReThrowError(error);
	return error->detail == NULL ? error->message :
		psprintf("%s: %s", error->message, error->detail);
}

/* Check a version and add its row, if the caller may see it. */
static void
verify_version(ReturnSetInfo *result, const char *reference)
{
	ModelVersion version = {.grantee_count = -1};
	char	   *problem = find_problem(reference, &version);
	char	   *name;
	int32		number;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (version.grantee_count < 0 || !ModelStoreMayUse(&version))
		return;
	ModelNameParse(reference, &name, &number);
	values[0] = CStringGetTextDatum(name);
	values[1] = Int32GetDatum(number);
	values[2] = BoolGetDatum(problem == NULL);
	nulls[3] = problem == NULL;
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(problem);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * textclf_verify(): a row for each version of the models that the caller may
 * use, and what is wrong with it: bytes that cannot be read, or do not have the
 * digest that was stored with them, or are no model.  Goes on after damage.  A warning if
 * the tables are not guarded as they were made to be.
 */
Datum
textclf_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "textclf verify",
												  ALLOCSET_DEFAULT_SIZES);
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	GuardVerify();
	foreach(cell, ModelStoreList())
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		verify_version(result, lfirst(cell));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return (Datum) 0;
}

/*
 * transfer.c
 *	  SQL: textclf_export and textclf_import, a model as one file.
 *
 * The bytes are those of the models table, a safetensors file.  What comes in
 * is hostile until the engine's decoder has accepted it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"
#include "model_info.h"
#include "model_store.h"
#include "publish.h"

PG_FUNCTION_INFO_V1(textclf_export);
PG_FUNCTION_INFO_V1(textclf_import);

/*
 * textclf_export(model text): the bytes of a version.  They contain the
 * vocabulary, so the rights of the owner are needed.
 */
Datum
textclf_export(PG_FUNCTION_ARGS)
{
	ModelVersion version;
	bytea	   *bytes;

	ModelStoreResolve(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					  CurrentMemoryContext, &version);
	ModelStoreCheckOwner(version.name, version.owner);
	bytes = ModelStoreFetch(&version, NULL);
	EngineVerify(version.name, version.version, bytes, version.digest);
	PG_RETURN_BYTEA_P(bytes);
}

/*
 * Raise an error if a label is not a text in this database: better now than in
 * the middle of somebody's INSERT.
 */
static void
check_labels(const ClfModel *model)
{
	for (int i = 0; i < clf_model_classes(model); i++)
	{
		size_t		length;
		const char *label = clf_model_label(model, i, &length);

		CHECK_FOR_INTERRUPTS();
		pfree(EngineTextToServer(label, length));
	}
}

/* Decode bytes from the user and make of them what is stored. */
static void
read_content(const char *name, bytea *bytes, NewVersion *content)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf import",
												  ALLOCSET_DEFAULT_SIZES);
	Size		size = VARSIZE(bytes) - VARHDRSZ;
	ClfModel   *model;
	ModelInfo	info;

	EngineCheckSize(size);

	/* The decoder first: it says what is wrong, a digest only that something is. */
	model = EngineDecode(context, ENGINE_BYTES_FOREIGN, name, 0,
						 VARDATA(bytes), size);
	if (!EngineDigest(VARDATA(bytes), size, content->digest))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("model is damaged"),
				 errdetail("Its bytes do not have the SHA-256 that stands in them.")));
	check_labels(model);
	content->bytes = bytes;
	ModelInfoFromModel(model, &info);
	content->info = ModelInfoToJson(&info, model);
	clf_model_free(model);
	MemoryContextDelete(context);
}

/*
 * textclf_import(model text, bytes bytea): store what textclf_export gave as a
 * new version and return its number.  The first version of a model is
 * deployed; a later one waits for textclf_deploy.
 */
Datum
textclf_import(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	NewVersion	content;
	bool		exists;
	bool		deploy;

	PreventCommandIfReadOnly("textclf_import()");
	ModelStoreMayChange(name, true);
	read_content(name, PG_GETARG_BYTEA_P(1), &content);
	exists = ModelStoreLock(name, true);
	deploy = ModelStoreDeployed(name) == VERSION_DEPLOYED;
	PG_RETURN_INT32(PublishVersion(name, exists, &content, deploy));
}

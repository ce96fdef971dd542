/*
 * model_store.h
 *	  The models in the database: names, versions, owners, grants, bytes.
 */
#ifndef TEXTCLF_MODEL_STORE_H
#define TEXTCLF_MODEL_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "engine_glue.h"

#define MODEL_NAME_MAX	255		/* bytes */
#define VERSION_DEPLOYED	0	/* stands for the deployed version in a request */

/* A version as a snapshot sees it, with who may use it. */
typedef struct ModelVersion
{
	char	   *name;
	int32		version;
	uint8		digest[MODEL_DIGEST_SIZE];
	Oid			owner;
	int			grantee_count;
	Oid		   *grantees;		/* InvalidOid among them: everyone */
} ModelVersion;

/* What is to become a new version. */
typedef struct NewVersion
{
	bytea	   *bytes;
	uint8		digest[MODEL_DIGEST_SIZE];
	char	   *info;			/* JSON text */
} NewVersion;

/* ---- names ------------------------------------------------------------ */

/*
 * Take `name` or `name@3` apart.  *name is palloc'd, *version is
 * VERSION_DEPLOYED for the first form.
 */
extern void ModelNameParse(const char *reference, char **name, int32 *version);

/* Raise an error unless a model may be called so; '@' cannot be part of a name. */
extern void ModelNameCheck(const char *name);

/* ---- reading, as the active snapshot sees it -------------------------- */

/*
 * Find the version that a reference means.  What *result points to lies in
 * context.  An error if there is no such model or version, or none deployed.
 * Looks at no privilege and reads no model bytes.
 */
extern void ModelStoreResolve(const char *reference, MemoryContext context,
							  ModelVersion *result);

/* Raise 42501 unless the current user may use, or has the rights of the owner. */
extern void ModelStoreCheckUse(const ModelVersion *version);
extern void ModelStoreCheckOwner(const char *name, Oid owner);

/* May the current user? */
extern bool ModelStoreMayUse(const ModelVersion *version);

/*
 * References (`name@3`) to all versions there are, ordered, in
 * CurrentMemoryContext; whoever may use them.
 */
extern List *ModelStoreList(void);

/*
 * The bytes of a resolved version.  *committed, unless NULL, is false if it is
 * this transaction that added them.
 */
extern bytea *ModelStoreFetch(const ModelVersion *version, bool *committed);

/*
 * Those of some digests (uint8 *) that no version has any more, as the latest
 * snapshot sees it, in CurrentMemoryContext.
 */
extern List *ModelStoreGone(List *digests);

/* What is remembered of its training. */
extern Jsonb *ModelStoreFetchInfo(const ModelVersion *version);

/* What else is known of it. */
typedef struct ModelFacts
{
	TimestampTz created;
	int64		bytes;			/* of the model */
	bool		deployed;		/* does the name alone mean it? */
} ModelFacts;

extern void ModelStoreFetchFacts(const ModelVersion *version, ModelFacts *facts);

/* ---- changing --------------------------------------------------------- */

/*
 * These see what is committed when they are called, whatever the isolation
 * level, and what they do takes effect at COMMIT.  Except for the first two
 * the caller holds the model's lock.
 */

/*
 * Raise an error unless the current user may change the model of this name or,
 * if missing_ok, create it.  Returns whether it exists.  Takes no lock.
 */
extern bool ModelStoreMayChange(const char *name, bool missing_ok);

/* The same, and lock the model against other changes until the transaction ends. */
extern bool ModelStoreLock(const char *name, bool missing_ok);

/* Lock two models, in an order that cannot deadlock.  Looks at no privilege. */
extern void ModelStoreLockBoth(const char *name, const char *other);

/* Number of the deployed version, or 0. */
extern int32 ModelStoreDeployed(const char *name);

extern bool ModelStoreHasVersion(const char *name, int32 version);

/* Create a model that the current user owns. */
extern void ModelStoreCreate(const char *name);

/* Add a version and return its number. */
extern int32 ModelStoreAdd(const char *name, const NewVersion *content);

extern void ModelStoreDeploy(const char *name, int32 version);

/* Drop the oldest versions so that keep are left; the deployed one stays. */
extern void ModelStoreTrim(const char *name, int32 keep);

extern void ModelStoreDropVersion(const char *name, int32 version);
extern void ModelStoreDrop(const char *name);
extern void ModelStoreRename(const char *name, const char *new_name);
extern void ModelStoreSetOwner(const char *name, Oid owner);

/* role InvalidOid: everyone.  Granting twice, or revoking what is not granted, does nothing. */
extern void ModelStoreGrant(const char *name, Oid role);
extern void ModelStoreRevoke(const char *name, Oid role);

#endif							/* TEXTCLF_MODEL_STORE_H */

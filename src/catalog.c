/*
 * catalog.c
 *	  SQL: textclf_deploy, _drop, _rename, _set_owner, _grant, _revoke.
 *
 * Each checks its arguments, takes the model's lock, which also checks that
 * the caller may change it, and asks the store.  What they do takes effect at
 * COMMIT.  All of them are STRICT.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "compat.h"
#include "model_store.h"

PG_FUNCTION_INFO_V1(textclf_deploy);
PG_FUNCTION_INFO_V1(textclf_drop);
PG_FUNCTION_INFO_V1(textclf_rename);
PG_FUNCTION_INFO_V1(textclf_set_owner);
PG_FUNCTION_INFO_V1(textclf_grant);
PG_FUNCTION_INFO_V1(textclf_revoke);

/* A role argument must exist; that of InvalidOid ('-') is for everyone. */
static void
check_role(Oid role)
{
	if (OidIsValid(role))
		(void) GetUserNameFromId(role, false);
}

/* textclf_deploy(model text, version int): use this version from now on. */
Datum
textclf_deploy(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int32		version = PG_GETARG_INT32(1);

	PreventCommandIfReadOnly("textclf_deploy()");
	if (version <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be positive")));
	ModelStoreLock(name, false);
	ModelStoreDeploy(name, version);
	PG_RETURN_VOID();
}

/* textclf_drop(model text): a whole model, or with `name@3` one version. */
Datum
textclf_drop(PG_FUNCTION_ARGS)
{
	char	   *name;
	int32		version;

	PreventCommandIfReadOnly("textclf_drop()");
	ModelNameParse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &name, &version);
	ModelStoreLock(name, false);
	if (version == VERSION_DEPLOYED)
		ModelStoreDrop(name);
	else
		ModelStoreDropVersion(name, version);
	PG_RETURN_VOID();
}

/* textclf_rename(model text, new_name text) */
Datum
textclf_rename(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *new_name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	PreventCommandIfReadOnly("textclf_rename()");
	ModelNameCheck(new_name);
	ModelStoreMayChange(name, false);
	ModelStoreLockBoth(name, new_name);
	ModelStoreMayChange(name, false);
	ModelStoreRename(name, new_name);
	PG_RETURN_VOID();
}

/*
 * textclf_set_owner(model text, owner regrole): as with ALTER ... OWNER TO, the
 * caller must be able to become the new owner.
 */
Datum
textclf_set_owner(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			owner = PG_GETARG_OID(1);

	PreventCommandIfReadOnly("textclf_set_owner()");
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a model must have an owner")));
	check_role(owner);
	ModelStoreLock(name, false);
	CompatCheckSetRole(GetUserId(), owner);
	ModelStoreSetOwner(name, owner);
	PG_RETURN_VOID();
}

/* textclf_grant(model text, role regrole): may use it; '-' is everyone. */
Datum
textclf_grant(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			role = PG_GETARG_OID(1);

	PreventCommandIfReadOnly("textclf_grant()");
	check_role(role);
	ModelStoreLock(name, false);
	ModelStoreGrant(name, role);
	PG_RETURN_VOID();
}

/* textclf_revoke(model text, role regrole): the reverse; of any role, even a dropped one. */
Datum
textclf_revoke(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PreventCommandIfReadOnly("textclf_revoke()");
	ModelStoreLock(name, false);
	ModelStoreRevoke(name, PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

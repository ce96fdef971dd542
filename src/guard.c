/*
 * guard.c
 *	  SQL: textclf_guard, textclf_leave_out: the triggers of the extension's own tables.
 *
 * Rights over the data of every table, such as pg_write_all_data has, are not
 * those to own models or to act for other roles.  So rows are written with the
 * rights of the table's owner only, as store.c does, or not at all; grants on the
 * tables, default privileges and subscriptions of other roles change nothing
 * about that.
 *
 * A subscription may bring rows that mean nothing on another server: these are
 * left out.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "guard.h"
#include "store.h"

PG_FUNCTION_INFO_V1(textclf_guard);
PG_FUNCTION_INFO_V1(textclf_leave_out);

/* What fired it; an error unless that is a change that is about to be made, of a row or by TRUNCATE. */
static TriggerData *
get_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!(TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("a function of the tables of textclf must be a trigger before changes of rows")));
	return trigger;
}

static Datum
let_pass(const TriggerData *trigger)
{
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}

/* textclf_guard(): an error unless the current role has the rights of the table's owner */
Datum
textclf_guard(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = get_trigger(fcinfo);

	if (!has_privs_of_role(GetUserId(), trigger->tg_relation->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s",
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("Only its owner may write to it."),
				 errhint("Models are changed by the functions of textclf.")));
	return let_pass(trigger);
}

/*
 * textclf_leave_out(): a change that a subscription brings is not made.  What a trigger
 * in its process does through our functions is made: store.c, and nobody else, writes in this
 * security context.
 */
Datum
textclf_leave_out(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = get_trigger(fcinfo);

	return IsLogicalWorker() && !InNoForceRLSOperation() ? PointerGetDatum(NULL) : let_pass(trigger);
}

/* The extension: what makes its triggers on its tables fire always, where one does not, or NULL. */
static StoreQuery lost_query = {
	"SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %%s ENABLE ALWAYS TRIGGER %%I;', "
	"  t.tgrelid::pg_catalog.regclass, t.tgname), ' ' ORDER BY t.tgrelid, t.tgname) "
	"FROM pg_catalog.pg_trigger AS t "
	"JOIN pg_catalog.pg_depend AS r ON r.classid" STORE_EQ "'pg_catalog.pg_class'::pg_catalog.regclass "
	"  AND r.objid" STORE_EQ "t.tgrelid "
	"JOIN pg_catalog.pg_depend AS f ON f.classid" STORE_EQ "'pg_catalog.pg_proc'::pg_catalog.regclass "
	"  AND f.objid" STORE_EQ "t.tgfoid AND f.refclassid" STORE_EQ "r.refclassid AND f.refobjid" STORE_EQ "r.refobjid "
	"WHERE r.refclassid" STORE_EQ "'pg_catalog.pg_extension'::pg_catalog.regclass "
	"  AND r.refobjid" STORE_EQ "$1 AND t.tgenabled OPERATOR(pg_catalog.<>) 'A'",
	{OIDOID}
};

void
GuardVerify(void)
{
	Datum		argument = ObjectIdGetDatum(StoreExtension());
	StoreSession session;
	Datum		commands;
	bool		isnull;

	StoreBegin(&session);
	StoreRun(&lost_query, STORE_LATEST, &argument, NULL);
	commands = StoreColumn(1, &isnull);
	if (!isnull)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("triggers that guard the tables of textclf do not fire always"),
				 errdetail("A restore of data with --disable-triggers leaves them so; then a subscription may bring what it must not."),
				 errhint("As the owner of the tables: %s", TextDatumGetCString(commands))));
	StoreEnd(&session);
}

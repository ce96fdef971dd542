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

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(textclf_guard);
PG_FUNCTION_INFO_V1(textclf_leave_out);

/* What fired it; an error unless that is a change of a row that is about to be made. */
static TriggerData *
get_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
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

/* textclf_leave_out(): a change that a subscription brings is not made */
Datum
textclf_leave_out(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = get_trigger(fcinfo);

	return IsLogicalWorker() ? PointerGetDatum(NULL) : let_pass(trigger);
}

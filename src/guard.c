/*
 * guard.c
 *	  SQL: textclf_guard, textclf_leave_out: the triggers of the extension's own tables,
 *	  and whether these, and rights on the tables, are as they must be.
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
 * in its process does through our functions is made: nobody writes in this security context but
 * store.c, and foreign keys that the tables' owner has added.
 */
Datum
textclf_leave_out(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = get_trigger(fcinfo);

	return IsLogicalWorker() && !InNoForceRLSOperation() ? PointerGetDatum(NULL) : let_pass(trigger);
}

/* ---- verify ----------------------------------------------------------- */

/* Both take the extension and give statements, or NULL if there is nothing to mend. */

#define OF_EXTENSION \
	"JOIN pg_catalog.pg_depend AS d ON d.classid" STORE_EQ "'pg_catalog.pg_class'::pg_catalog.regclass " \
	"  AND d.objid" STORE_EQ "c.oid AND d.deptype" STORE_EQ "'e' " \
	"  AND d.refclassid" STORE_EQ "'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid" STORE_EQ "$1 "

/* Triggers by functions of the extension that do not fire always. */
static StoreQuery lost_query = {
	"SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %%s ENABLE ALWAYS TRIGGER %%I;', "
	"  c.oid::pg_catalog.regclass, t.tgname), ' ' ORDER BY c.oid, t.tgname) "
	"FROM pg_catalog.pg_class AS c " OF_EXTENSION
	"JOIN pg_catalog.pg_trigger AS t ON t.tgrelid" STORE_EQ "c.oid "
	"JOIN pg_catalog.pg_depend AS f ON f.classid" STORE_EQ "'pg_catalog.pg_proc'::pg_catalog.regclass "
	"  AND f.objid" STORE_EQ "t.tgfoid AND f.refclassid" STORE_EQ "d.refclassid AND f.refobjid" STORE_EQ "$1 "
	"WHERE t.tgenabled OPERATOR(pg_catalog.<>) 'A'",
	{OIDOID}
};

/* Rights on tables, or columns of them, through which others run code as their owner. */
static StoreQuery granted_query = {
	"SELECT pg_catalog.string_agg(pg_catalog.format('REVOKE TRIGGER, REFERENCES ON %%s FROM %%s;', "
	"  g.relation, g.grantee), ' ') "
	"FROM (SELECT DISTINCT c.oid::pg_catalog.regclass AS relation, "
	"    CASE WHEN a.grantee" STORE_EQ "0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END AS grantee "
	"  FROM pg_catalog.pg_class AS c " OF_EXTENSION
	"  CROSS JOIN LATERAL (SELECT e.grantee, e.privilege_type FROM pg_catalog.aclexplode(c.relacl) AS e "
	"    UNION ALL SELECT e.grantee, e.privilege_type FROM pg_catalog.pg_attribute AS t "
	"      CROSS JOIN pg_catalog.aclexplode(t.attacl) AS e WHERE t.attrelid" STORE_EQ "c.oid) AS a "
	"  WHERE c.relkind" STORE_EQ "'r' AND a.grantee OPERATOR(pg_catalog.<>) c.relowner "
	"    AND (a.privilege_type" STORE_EQ "'TRIGGER' OR a.privilege_type" STORE_EQ "'REFERENCES') "
	"  ORDER BY 1, 2) AS g",
	{OIDOID}
};

/* Run one of them; what it gives is in CurrentMemoryContext. */
static char *
find_statements(StoreQuery *query)
{
	Datum		argument = ObjectIdGetDatum(StoreExtension());
	StoreSession session;
	char	   *statements = NULL;
	Datum		value;
	bool		isnull;

	StoreBegin(&session);
	StoreRun(query, STORE_LATEST, &argument, NULL);
	value = StoreColumn(1, &isnull);
	if (!isnull)
		statements = MemoryContextStrdup(session.caller, TextDatumGetCString(value));
	StoreEnd(&session);
	return statements;
}

void
GuardVerify(void)
{
	char	   *statements = find_statements(&lost_query);

	if (statements != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("triggers that guard the tables of textclf do not fire always"),
				 errdetail("A restore of data with --disable-triggers leaves them so; then a subscription may bring what it must not."),
				 errhint("As the owner of the tables: %s", statements)));
	statements = find_statements(&granted_query);
	if (statements != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("others than their owner have rights on the tables of textclf"),
				 errdetail("PostgreSQL lets who may refer to a table, or attach triggers to it, run functions as its owner."),
				 errhint("As the owner of the tables: %s", statements)));
}

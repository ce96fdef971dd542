/*
 * role_type.c
 *	  SQL: the type textclf_role, a role by its name, wherever it goes.
 *
 * It is regrole but for what leaves the server, in dumps, to subscribers, in
 * text or in the binary format.  There a role is its name.  One that was dropped
 * has but a number, which may be that of anybody elsewhere: read again, it is
 * nobody.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(textclf_role_in);
PG_FUNCTION_INFO_V1(textclf_role_recv);
PG_FUNCTION_INFO_V1(textclf_role_send);

/* Of no role: this number is that of a database in every cluster, and textclf_leave_out asks for it. */
#define NOBODY ((Oid) 1)

static Oid
read_role(const char *string)
{
	if (string[0] != '\0' && strspn(string, "0123456789") == strlen(string))
		return NOBODY;
	return DatumGetObjectId(DirectFunctionCall1(regrolein, CStringGetDatum(string)));
}

/* textclf_role_in(cstring): as regrolein, but for numbers.  The output is regroleout. */
Datum
textclf_role_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(read_role(PG_GETARG_CSTRING(0)));
}

/* textclf_role_recv(internal): as textclf_role_in */
Datum
textclf_role_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length;
	char	   *string = pq_getmsgtext(message, message->len - message->cursor, &length);

	PG_RETURN_OID(read_role(string));
}

/* textclf_role_send(textclf_role): as regroleout */
Datum
textclf_role_send(PG_FUNCTION_ARGS)
{
	char	   *string = DatumGetCString(DirectFunctionCall1(regroleout, PG_GETARG_DATUM(0)));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, string, strlen(string));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

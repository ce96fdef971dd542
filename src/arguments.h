/*
 * arguments.h
 *	  Arguments of SQL functions: checking and showing them.
 */
#ifndef TEXTCLF_ARGUMENTS_H
#define TEXTCLF_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"

#define ARGUMENT_SHOWN_BYTES	64

/* Raise an error if an argument is NULL; for functions that are not STRICT, as some have defaults. */
static inline void
RequireArgument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/*
 * The beginning of a string, for messages: whoever confuses the arguments has
 * given a text for a name, and it does not belong in the log.
 */
static inline char *
ArgumentBeginning(const char *string)
{
	int			length = pg_mbcliplen(string, strnlen(string, ARGUMENT_SHOWN_BYTES + 1),
									  ARGUMENT_SHOWN_BYTES);

	return psprintf("%.*s%s", length, string, string[length] != '\0' ? "..." : "");
}

#endif							/* TEXTCLF_ARGUMENTS_H */

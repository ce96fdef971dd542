/*
 * arguments.h
 *	  Arguments of SQL functions that are not STRICT, for some have defaults.
 */
#ifndef TEXTCLF_ARGUMENTS_H
#define TEXTCLF_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* Raise an error if an argument is NULL. */
static inline void
RequireArgument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

#endif							/* TEXTCLF_ARGUMENTS_H */

/*
 * textclf.c
 *	  Entry point of the library: what the server calls when it loads it.
 *
 * Nothing else belongs here.  Every SQL function lives in the file that is
 * named after its verb.
 */
#include "postgres.h"

#include "fmgr.h"

#include "guc.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	GucInit();
}

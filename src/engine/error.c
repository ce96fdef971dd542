/*
 * error.c
 *	  How the engine reports failure.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ClfStatus
clf_fail(ClfError *error, ClfStatus status, const char *format,...)
{
	va_list		arguments;

	memset(error, 0, sizeof *error);
	error->status = status;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	return status;
}

ClfStatus
clf_detail(ClfError *error, const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(error->detail, sizeof error->detail, format, arguments);
	va_end(arguments);
	return error->status;
}

ClfStatus
clf_fail_memory(ClfError *error)
{
	return clf_fail(error, CLF_ERR_MEMORY, "out of memory");
}

ClfStatus
clf_fail_stopped(ClfError *error)
{
	return clf_fail(error, CLF_ERR_STOPPED, "stopped in the course of a text");
}

/*
 * report_page.h
 *	  The page of textclf_report.
 */
#ifndef TEXTCLF_REPORT_PAGE_H
#define TEXTCLF_REPORT_PAGE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "engine/clf.h"
#include "model_info.h"

/* What a page tells of; strings are in the server encoding. */
typedef struct Report
{
	const char *name;
	int32		version;
	bool		deployed;
	const char *owner;			/* NULL: a role that is gone */
	TimestampTz created;
	int64		bytes;			/* in the database */
	const ModelInfo *info;		/* what is remembered of the training */
	const JsonbContainer *options;	/* it was trained with, or NULL */
	const ClfModel *model;		/* its labels */
} Report;

/*
 * Append a page of HTML that needs nothing else and runs nothing.  Every value
 * is escaped; characters outside ASCII are references (html.h).
 */
extern void ReportPageAppend(StringInfo page, const Report *report);

#endif							/* TEXTCLF_REPORT_PAGE_H */

/*
 * report_chart.h
 *	  The drawings of textclf_report, as SVG inside HTML.
 *
 * A drawing has a title and a description for those who do not see it; the
 * page has the same figures as a table.  Its units are the pixels of a phone.
 */
#ifndef TEXTCLF_REPORT_CHART_H
#define TEXTCLF_REPORT_CHART_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "engine/clf.h"

/* A curve of training and one of validation over epochs; either may have gaps (NaN). */
typedef struct CurveChart
{
	const char *id;				/* of the drawing within the page */
	const char *title;
	bool		shares;			/* are these shares of 1? */
	int			count;			/* epochs */
	const double *training;		/* [count] */
	const double *validation;	/* [count] */
	int			kept;			/* epoch whose weights were kept, from 1; 0: unknown */
} CurveChart;

extern void ChartCurves(StringInfo page, const CurveChart *chart);

/* A label in UTF-8; bytes NULL: all the labels that have no place of their own. */
typedef struct ChartLabel
{
	const char *bytes;
	size_t		length;
} ChartLabel;

/* How many rows of one label were taken for which. */
typedef struct HeatMap
{
	int			count;			/* labels shown */
	const ChartLabel *labels;	/* [count] */
	const int64 *rows;			/* [count,count] actual by predicted */
} HeatMap;

extern void ChartHeatMap(StringInfo page, const HeatMap *map);

/* Append a label as it is written on the page, of at most so many columns. */
extern void ChartAppendLabel(StringInfo page, const ChartLabel *label, int columns);

/* How certain the model was, and how often it was right. */
extern void ChartReliability(StringInfo page, const ClfBin bins[CLF_BINS]);

/* A bar for a share of 1, for people who see the number beside it. */
extern void ChartBar(StringInfo page, double share, const char *css_class);

#endif							/* TEXTCLF_REPORT_CHART_H */

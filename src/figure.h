/*
 * figure.h
 *	  Figures as SQL results show them.
 */
#ifndef TEXTCLF_FIGURE_H
#define TEXTCLF_FIGURE_H

#include "postgres.h"

#include <math.h>

/*
 * A figure to six significant digits, which psql shows without a tail of others;
 * NULL if there is none (NaN).
 */
static inline Datum
FigureDatum(double value, bool *isnull)
{
	char		digits[32];

	*isnull = isnan(value);
	if (!isfinite(value))
		return Float8GetDatum(value);
	snprintf(digits, sizeof(digits), "%.6g", value);
	return Float8GetDatum(strtod(digits, NULL));
}

#endif							/* TEXTCLF_FIGURE_H */

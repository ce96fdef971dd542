/*
 * report_chart.c
 *	  The drawings of textclf_report, as SVG inside HTML.
 *
 * Colours are in the style sheet (report_style.h), by class.  This file must
 * never know where the figures come from.
 */
#include "postgres.h"

#include <math.h>

#include "html.h"
#include "report_chart.h"

#define WIDTH		340			/* of a drawing that need not be wider */

/* Where something is drawn, in units of the drawing; y grows downwards. */
typedef struct Area
{
	double		left;
	double		top;
	double		right;
	double		bottom;
} Area;

/* ---- frame ------------------------------------------------------------ */

/* Begin a drawing.  The description follows, then end_description(). */
static void
begin(StringInfo page, const char *id, const char *title, int width, int height)
{
	appendStringInfo(page,
					 "<svg class=\"chart\" id=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
					 "aria-labelledby=\"%s-title %s-desc\" style=\"min-width:%dpx;max-width:%dpx\">\n"
					 "<title id=\"%s-title\">%s</title>\n<desc id=\"%s-desc\">",
					 id, width, height, id, id, width > WIDTH ? width * 7 / 8 : 0,
					 width * 4 / 3, id, title, id);
}

static void
end_description(StringInfo page)
{
	appendStringInfoString(page, "</desc>\n");
}

static void
end(StringInfo page)
{
	appendStringInfoString(page, "</svg>\n");
}

static void
line(StringInfo page, const char *css_class, double x1, double y1, double x2, double y2)
{
	appendStringInfo(page, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
					 css_class, x1, y1, x2, y2);
}

/* Words of ours; anchor: start, middle or end. */
static void
words(StringInfo page, const char *anchor, double x, double y, const char *string)
{
	appendStringInfo(page, "<text text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>",
					 anchor, x, y, string);
}

/* ---- axes ------------------------------------------------------------- */

/* A range of numbers between two ends of a drawing. */
typedef struct Scale
{
	double		low;
	double		high;
	double		from;			/* where low is drawn */
	double		to;
	double		step;			/* between marks, at multiples of it */
} Scale;

/* 1, 2 or 5 times a power of ten, so that a range has at most so many steps. */
static double
round_step(double range, int steps)
{
	double		power = pow(10, floor(log10(range / steps)));
	double		factor = range / steps / power;

	return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}

/* A scale for low to high, widened to whole steps. */
static Scale
make_scale(double low, double high, int steps, double from, double to)
{
	Scale		scale;

	if (!(high - low > 1e-9 * fmax(fabs(low), fabs(high))))
	{
		/* one value: some room on both sides */
		double		room = fmax(fabs(high) / 10, 1e-3);

		low -= room;
		high += room;
	}
	scale.step = round_step(high - low, steps);
	scale.low = floor(low / scale.step + 1e-6) * scale.step;
	scale.high = ceil(high / scale.step - 1e-6) * scale.step;
	scale.from = from;
	scale.to = to;
	return scale;
}

static double
place(const Scale *scale, double value)
{
	return scale->from +
		(value - scale->low) / (scale->high - scale->low) * (scale->to - scale->from);
}

/* Horizontal lines with their numbers at the left of an area. */
static void
draw_rows(StringInfo page, const Scale *scale, const Area *area, bool shares)
{
	int			marks = (int) rint((scale->high - scale->low) / scale->step);
	double		shown_step = shares ? 100 * scale->step : scale->step;
	int			decimals = Max(0, (int) -floor(log10(shown_step) + 1e-9));

	for (int i = 0; i <= marks; i++)
	{
		double		value = scale->low + i * scale->step;
		double		y = place(scale, value);

		line(page, "grid", area->left, y, area->right, y);
		words(page, "end", area->left - 5, y + 4,
			  psprintf("%.*f%s", decimals, shares ? 100 * value : value,
					   shares ? "&#8239;%" : ""));
	}
}

/* ---- learning curves -------------------------------------------------- */

#define MARKED_EPOCHS	40		/* a curve of no more has a mark for each */

/* Say where a curve begins, ends and is best. */
static void
describe_curve(StringInfo page, const char *name, const CurveChart *chart,
			   const double *values)
{
	int			first = -1;
	int			last = -1;

	for (int i = 0; i < chart->count; i++)
	{
		if (isnan(values[i]))
			continue;
		if (first < 0)
			first = i;
		last = i;
	}
	if (first < 0)
		return;
	appendStringInfo(page, "%s: %.3f in epoch %d, %.3f in epoch %d. ",
					 name, values[first], first + 1, values[last], last + 1);
}

/* Draw a curve as a line, with a mark for each epoch if there are few. */
static void
draw_curve(StringInfo page, const char *name, const char *css_class,
		   const CurveChart *chart, const double *values, const Scale *x, const Scale *y)
{
	bool		joined = false;

	if (chart->count > 1)
	{
		appendStringInfo(page, "<path class=\"%s\" d=\"", css_class);
		for (int i = 0; i < chart->count; i++)
		{
			if (!isnan(values[i]))
				appendStringInfo(page, "%c%.1f %.1f", joined ? 'L' : 'M',
								 place(x, i + 1), place(y, values[i]));
			joined = !isnan(values[i]);
		}
		appendStringInfoString(page, "\"/>\n");
	}
	for (int i = 0; i < chart->count && chart->count <= MARKED_EPOCHS; i++)
		if (!isnan(values[i]))
			appendStringInfo(page, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\">"
							 "<title>%s, epoch %d: %.4f</title></circle>\n",
							 css_class, place(x, i + 1), place(y, values[i]),
							 name, i + 1, values[i]);
}

/* The least and the greatest of the values, if there is one. */
static void
extend(const double *values, int count, double *low, double *high)
{
	for (int i = 0; i < count; i++)
	{
		*low = fmin(*low, values[i]);	/* neither takes a NaN */
		*high = fmax(*high, values[i]);
	}
}

void
ChartCurves(StringInfo page, const CurveChart *chart)
{
	const int	height = 220;
	Area		area = {46, 32, WIDTH - 10, height - 36};
	double		low = INFINITY;
	double		high = -INFINITY;
	double		low_validation = INFINITY;
	double		high_validation = -INFINITY;
	int			epoch_step = Max(1, (int) ceil(chart->count / 8.0));
	Scale		x = {1, chart->count, area.left + 8, area.right - 8, 1};
	Scale		y;

	extend(chart->training, chart->count, &low, &high);
	extend(chart->validation, chart->count, &low_validation, &high_validation);
	low = fmin(low, low_validation);
	high = fmax(high, high_validation);
	if (!isfinite(low) || !isfinite(high))
		return;
	y = make_scale(low, high, 4, area.bottom, area.top);
	if (chart->count == 1)
	{
		x.low = 0;
		x.high = 2;
	}

	begin(page, chart->id, chart->title, WIDTH, height);
	describe_curve(page, "Training", chart, chart->training);
	describe_curve(page, "Held out", chart, chart->validation);
	end_description(page);

	draw_rows(page, &y, &area, chart->shares);
	for (int epoch = 1; epoch <= chart->count; epoch++)
		if (epoch == 1 || (epoch % epoch_step == 0))
			words(page, "middle", place(&x, epoch), area.bottom + 16, psprintf("%d", epoch));
	words(page, "middle", (area.left + area.right) / 2, height - 4, "epoch");
	if (chart->kept >= 1 && chart->kept <= chart->count)
	{
		double		at = place(&x, chart->kept);

		line(page, "kept", at, area.top - 4, at, area.bottom);
		words(page, chart->kept > chart->count / 2.0 ? "end" : "start",
			  chart->kept > chart->count / 2.0 ? at + 8 : at - 8, area.top - 20,
			  "kept");
		appendStringInfo(page, "<path class=\"arrow\" d=\"M%.1f %.1fl4 -7h-8z\"/>\n",
						 at, area.top - 5);
	}
	draw_curve(page, "training", "training", chart, chart->training, &x, &y);
	if (isfinite(low_validation))
		draw_curve(page, "held out", "validation", chart, chart->validation, &x, &y);
	end(page);
}

/* ---- confusion matrix ------------------------------------------------- */

#define HEAT_LEVELS	8			/* classes "d0" to "d7" and "e0" to "e7" of the style sheet */
#define LABEL_COLUMNS 14		/* of a label beside the matrix */
#define DARK_LEVEL	5			/* from here on, numbers have the other colour */

void
ChartAppendLabel(StringInfo page, const ChartLabel *label, int columns)
{
	if (label->bytes == NULL)
		appendStringInfoString(page, "others");
	else if (label->length == 0)
		appendStringInfoString(page, "&#8709;");
	else
		HtmlAppendText(page, label->bytes, label->length, columns);
}

/* A label beside or above the cells. */
static void
draw_label(StringInfo page, const char *position, const ChartLabel *label)
{
	appendStringInfo(page, "<text class=\"%s\" %s><title>",
					 label->bytes == NULL ? "others" : "label", position);
	ChartAppendLabel(page, label, 120);
	appendStringInfoString(page, "</title>");
	ChartAppendLabel(page, label, LABEL_COLUMNS);
	appendStringInfoString(page, "</text>\n");
}

/* A cell: its colour tells what share of the rows of its label it has. */
static void
draw_cell(StringInfo page, const HeatMap *map, int actual, int predicted,
		  int64 support, double x, double y, double size)
{
	int64		rows = map->rows[actual * map->count + predicted];
	double		share = (double) rows / support;
	bool		right = actual == predicted;
	bool		mixed = right && map->labels[actual].bytes == NULL;
	/* mistakes are few: let the few be seen */
	int			level = Min((int) ((right ? share : sqrt(share)) * HEAT_LEVELS),
							HEAT_LEVELS - 1);
	const char *colour = mixed ? "mixed" : psprintf("%c%d", right ? 'd' : 'e', level);
	char	   *digits = psprintf(INT64_FORMAT, rows);
	double		font = Min(13, (size - 4) / (0.6 * strlen(digits)));

	appendStringInfo(page, "<g><title>");
	ChartAppendLabel(page, &map->labels[actual], 60);
	appendStringInfoString(page, right && !mixed ? ", found: " : " taken for ");
	if (!right || mixed)
	{
		ChartAppendLabel(page, &map->labels[predicted], 60);
		appendStringInfoString(page, ": ");
	}
	HtmlAppendCount(page, rows);
	appendStringInfoString(page, " of ");
	HtmlAppendCount(page, support);
	appendStringInfoString(page, ", ");
	HtmlAppendShare(page, share);
	appendStringInfo(page, "</title><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\"/>"
					 "<text class=\"%s\" text-anchor=\"middle\" style=\"font-size:%.1fpx\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n",
					 colour, x + 1, y + 1, size - 2, size - 2,
					 level >= DARK_LEVEL && !mixed ? "on-dark" : "on-light", font,
					 x + size / 2, y + size / 2 + font * 0.36, digits);
}

void
ChartHeatMap(StringInfo page, const HeatMap *map)
{
	const double left = 112;	/* room for LABEL_COLUMNS */
	const double top = 98;
	const double slant = 74;	/* that the last label above needs at the right */
	double		size = Min(60, Max(29, (WIDTH - left - slant) / map->count));
	double		side = size * map->count;

	begin(page, "confusion", "Confusion matrix", (int) ceil(left + side + slant),
		  (int) ceil(top + side + 4));
	appendStringInfo(page, "A row for each of %d labels that texts have, a column for each "
					 "that they were given. The table below has the numbers.", map->count);
	end_description(page);
	words(page, "end", left - 8, top - 22, "label");
	words(page, "end", left - 8, top - 8, "taken for &#8599;");
	appendStringInfo(page, "<rect class=\"ground\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"3\"/>\n",
					 left, top, side, side);
	for (int i = 0; i < map->count; i++)
	{
		const ChartLabel *label = &map->labels[i];
		double		middle = (i + 0.5) * size;
		int64		support = 0;

		draw_label(page, psprintf("text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\"",
								  left - 8, top + middle + 4), label);
		draw_label(page, psprintf("transform=\"translate(%.1f %.1f) rotate(-45)\"",
								  left + middle + 4, top - 6), label);
		for (int j = 0; j < map->count; j++)
			support += map->rows[i * map->count + j];
		for (int j = 0; j < map->count; j++)
			if (map->rows[i * map->count + j] > 0)
				draw_cell(page, map, i, j, support, left + j * size, top + i * size, size);
	}
	end(page);
}

/* ---- reliability ------------------------------------------------------ */

void
ChartReliability(StringInfo page, const ClfBin bins[CLF_BINS])
{
	const int	height = 330;
	const double strip = 44;	/* height of the histogram */
	Area		area = {46, 10, WIDTH - 22, height - 54 - strip};
	Scale		x = {0, 1, area.left, area.right, 0.2};
	Scale		y = {0, 1, area.bottom, area.top, 0.2};
	double		base = height - 36; /* of the histogram */
	int64		total = 0;
	int64		most = 0;

	for (int i = 0; i < CLF_BINS; i++)
	{
		total += bins[i].rows;
		most = Max(most, bins[i].rows);
	}
	if (total == 0)
		return;

	begin(page, "reliability", "Reliability diagram", WIDTH, height);
	appendStringInfo(page, "For answers of about the same probability, the share of them that is right. "
					 "Expected calibration error: %.3f. The table below has the numbers.",
					 clf_calibration_error(bins));
	end_description(page);
	draw_rows(page, &y, &area, true);
	for (int i = 0; i <= 5; i++)
		words(page, "middle", place(&x, i / 5.0), base + 16, psprintf("%d&#8239;%%", 20 * i));
	words(page, "middle", (area.left + area.right) / 2, height - 4,
		  "probability that the model gave");
	line(page, "diagonal", area.left, area.bottom, area.right, area.top);
	line(page, "axis", area.left, base, area.right, base);
	for (int i = 0; i < CLF_BINS; i++)
	{
		const ClfBin *bin = &bins[i];
		double		width = (area.right - area.left) / CLF_BINS;
		double		tall = strip * bin->rows / most;
		double		mean;
		double		right;

		if (bin->rows == 0)
			continue;
		mean = bin->probability / bin->rows;
		right = (double) bin->right / bin->rows;
		line(page, "gap", place(&x, mean), place(&y, mean), place(&x, mean), place(&y, right));
		appendStringInfo(page, "<g><title>" INT64_FORMAT " answers of mean probability %.3f: %.3f are right</title>"
						 "<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>"
						 "<rect class=\"answers\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/></g>\n",
						 bin->rows, mean, right, place(&x, mean), place(&y, right),
						 3 + 6 * sqrt((double) bin->rows / total),
						 area.left + i * width + 1, base - Max(tall, 1), width - 2, Max(tall, 1));
	}
	end(page);
}

/* ---- bars ------------------------------------------------------------- */

void
ChartBar(StringInfo page, double share, const char *css_class)
{
	appendStringInfo(page, "<svg class=\"bar\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
					 "<rect class=\"track\" width=\"100\" height=\"6\"/>"
					 "<rect class=\"%s\" width=\"%.1f\" height=\"6\"/></svg>",
					 css_class, 100 * share);
}

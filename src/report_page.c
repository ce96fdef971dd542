/*
 * report_page.c
 *	  The page of textclf_report: sections, sentences and tables.
 *
 * It must never know where a model is kept.  A figure that is not known is a
 * dash, a section that has nothing to show says why or is left out.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "html.h"
#include "report_chart.h"
#include "report_page.h"
#include "report_style.h"
#include "version.h"

#define MATRIX_LABELS	24		/* a confusion matrix of more shows those that are mistaken most */
#define BESIDE_LABELS	9		/* one of more takes the whole width */
#define PAIRS			12		/* most confused pairs */
#define ALL_LABELS		40		/* so many are listed in order, more the weakest first ... */
#define FIRST_LABELS	20		/* ... so many of them at once ... */
#define MOST_LABELS		1000	/* ... and so many in all */
#define LABEL_COLUMNS	120		/* of a label in a table */

/* What the answers for the held-out rows come to, by class of the model. */
typedef struct Figures
{
	int			classes;
	const ClfCell *cells;
	int			cell_count;		/* 0: nothing is known */
	ClfClassScore *scores;		/* [classes] */
	ClfScore	whole;
} Figures;

/* ---- parts of every section ------------------------------------------- */

static void
begin_section(StringInfo page, const char *id, const char *css_class, const char *heading)
{
	appendStringInfo(page, "<section id=\"%s\" class=\"%s\" aria-labelledby=\"%s-heading\">\n"
					 "<h2 id=\"%s-heading\">%s</h2>\n", id, css_class, id, id, heading);
}

static void
end_section(StringInfo page)
{
	appendStringInfoString(page, "</section>\n");
}

/* The label of a class, apart from the text around it in its direction. */
static void
append_label(StringInfo page, const ClfModel *model, int class_id)
{
	ChartLabel	label;

	label.bytes = clf_model_label(model, class_id, &label.length);
	appendStringInfoString(page, "<bdi>");
	ChartAppendLabel(page, &label, LABEL_COLUMNS);
	appendStringInfoString(page, "</bdi>");
}

/* A statement that tells more about this version: function('name@3'arguments). */
static void
append_statement(StringInfo page, const Report *report, const char *function,
				 const char *arguments)
{
	char	   *reference = psprintf("%s@%d", report->name, report->version);

	appendStringInfo(page, "<code>SELECT * FROM %s(", function);
	HtmlAppendString(page, quote_literal_cstr(reference));
	appendStringInfo(page, "%s)</code>", arguments);
}

/* A term and what it stands for; nothing if that is not known. */
static void
append_fact(StringInfo page, const char *term, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfoString(page, "<dt>");
	HtmlAppendString(page, term);
	appendStringInfoString(page, "</dt><dd><bdi>");
	HtmlAppendString(page, value);
	appendStringInfoString(page, "</bdi></dd>\n");
}

static void
append_count_fact(StringInfo page, const char *term, int64 count, const char *unit)
{
	if (count < 0)
		return;
	appendStringInfo(page, "<dt>%s</dt><dd>", term);
	HtmlAppendCount(page, count);
	appendStringInfo(page, "%s</dd>\n", unit);
}

/* ---- judging ---------------------------------------------------------- */

static void
sum_up(const Report *report, Figures *figures)
{
	const ModelInfo *info = report->info;

	figures->classes = clf_model_classes(report->model);
	figures->cells = info->cells;
	figures->cell_count = info->cell_classes <= figures->classes ? info->cell_count : 0;
	figures->scores = palloc(figures->classes * sizeof(ClfClassScore));
	clf_score(figures->cells, figures->cell_count, figures->classes, figures->scores,
			  &figures->whole);
}

/* Does a class occur among the held-out rows or their answers? */
static bool
occurs(const Figures *figures, int class_id)
{
	return figures->scores[class_id].support + figures->scores[class_id].predicted > 0;
}

/* Rows of a class that were taken for another, and of others that were taken for it. */
static int64
mistakes(const Figures *figures, int class_id)
{
	const ClfClassScore *score = &figures->scores[class_id];

	return score->support + score->predicted - 2 * score->right;
}

/* ---- head and key figures --------------------------------------------- */

static void
append_reference(StringInfo page, const Report *report)
{
	HtmlAppendString(page, report->name);
	appendStringInfo(page, "@%d", report->version);
}

static void
append_head(StringInfo page, const Report *report)
{
	appendStringInfoString(page,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
						   "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
						   "<title>");
	append_reference(page, report);
	appendStringInfo(page, " &#183; textclf report</title>\n<style>\n%s</style>\n</head>\n<body>\n",
					 report_style);
}

/* A date and time of the session's time zone, to the minute. */
static char *
show_time(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset;
	const char *zone = NULL;

	if (TIMESTAMP_NOT_FINITE(time) ||
		timestamp2tm(time, &offset, &tm, &fraction, &zone, NULL) != 0)
		return NULL;
	return psprintf("%04d-%02d-%02d %02d:%02d%s%s", tm.tm_year, tm.tm_mon, tm.tm_mday,
					tm.tm_hour, tm.tm_min, zone != NULL ? " " : "", zone != NULL ? zone : "");
}

static void
append_header(StringInfo page, const Report *report)
{
	char	   *time = show_time(report->created);

	appendStringInfoString(page, "<header>\n<h1><bdi>");
	append_reference(page, report);
	appendStringInfo(page, "</bdi></h1>\n<p class=\"soft\">Version %d of a text classifier, %s",
					 report->version,
					 report->deployed ? "the deployed one" : "not the deployed one");
	if (time != NULL)
	{
		appendStringInfoString(page, ". Stored ");
		HtmlAppendString(page, time);
	}
	appendStringInfoString(page, ".</p>\n</header>\n");
}

/* Begin one of the key figures; what it means follows. */
static void
begin_tile(StringInfo page, bool first)
{
	appendStringInfo(page, "<li%s><b>", first ? " class=\"first\"" : "");
}

static void
end_tile(StringInfo page, const char *meaning)
{
	appendStringInfo(page, "</b><span>%s</span></li>\n", meaning);
}

static void
append_share_tile(StringInfo page, double share, const char *meaning)
{
	begin_tile(page, false);
	HtmlAppendShare(page, share);
	end_tile(page, meaning);
}

/* Between what shares the true one lies, as far as so many rows can tell (Wilson 1927). */
static void
append_interval(StringInfo page, double share, double rows)
{
	const double z = 1.96;
	double		middle = (share + z * z / (2 * rows)) / (1 + z * z / rows);
	double		half = z * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) /
		(1 + z * z / rows);

	HtmlAppendShare(page, fmax(middle - half, 0));
	appendStringInfoString(page, " and ");
	HtmlAppendShare(page, fmin(middle + half, 1));
}

/* How good it is, in a few numbers. */
static void
append_key_figures(StringInfo page, const Report *report, const Figures *figures)
{
	const ModelInfo *info = report->info;
	const ClfScore *whole = &figures->whole;
	int			largest = 0;

	begin_section(page, "figures", "whole", "How good it is");
	if (figures->cell_count == 0)
	{
		appendStringInfoString(page, "<p>It is not known");
		appendStringInfoString(page, info->validation_rows == 0 ?
							   ": the training held back no rows to judge it by" : "");
		appendStringInfoString(page, ". Judge it by rows of yours: ");
		append_statement(page, report, "textclf_evaluate",
						 ", '<i>table</i>', '<i>text column</i>', '<i>label column</i>'");
		appendStringInfoString(page, "</p>\n");
		end_section(page);
		return;
	}
	for (int i = 1; i < figures->classes; i++)
		if (figures->scores[i].support > figures->scores[largest].support)
			largest = i;
	appendStringInfoString(page, "<p>Judged by ");
	HtmlAppendCount(page, whole->rows);
	appendStringInfoString(page, " rows that the training held back. On further rows like these, the accuracy is between ");
	append_interval(page, whole->accuracy, whole->rows);
	appendStringInfoString(page, " (95&#8239;% confidence). Always answering &#8220;");
	append_label(page, report->model, largest);
	appendStringInfoString(page, "&#8221; would be right for ");
	HtmlAppendShare(page, (double) figures->scores[largest].support / whole->rows);
	appendStringInfoString(page, ".</p>\n<ul class=\"tiles\">\n");
	begin_tile(page, true);
	HtmlAppendShare(page, whole->accuracy);
	end_tile(page, "accuracy");
	append_share_tile(page, whole->macro.f1, "macro F1, the mean over labels");
	append_share_tile(page, info->calibration_error, "expected calibration error");
	if (!isnan(info->deep_accuracy) && !isnan(info->wide_accuracy))
	{
		append_share_tile(page, info->deep_accuracy, "accuracy of the network alone");
		append_share_tile(page, info->wide_accuracy, "accuracy of the n&#8209;grams alone");
	}
	if (!isnan(info->unknown_tokens))
		append_share_tile(page, info->unknown_tokens, "of the tokens are unknown to it");
	appendStringInfoString(page, "</ul>\n");
	end_section(page);
}

/* ---- what was trained on what ----------------------------------------- */

/* An option's value as a person would write it, or NULL. */
static char *
show_value(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvBinary:
			return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		default:
			return NULL;
	}
}

static void
append_option(StringInfo page, const char *name, const JsonbValue *value)
{
	char	   *shown = value != NULL ? show_value(value) : NULL;

	if (shown == NULL)
		return;
	appendStringInfoString(page, "<div>");
	append_fact(page, name, shown);
	appendStringInfoString(page, "</div>\n");
}

static bool
is_engine_option(const char *name)
{
	int			count;
	const ClfOption *options = clf_options(&count);

	for (int i = 0; i < count; i++)
		if (strcmp(options[i].name, name) == 0)
			return true;
	return false;
}

/* The options: those of the engine in the order of its table, then others. */
static void
append_options(StringInfo page, const Report *report)
{
	JsonbContainer *object = unconstify(JsonbContainer *, report->options);
	int			count;
	const ClfOption *options = clf_options(&count);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	if (object == NULL)
		return;
	appendStringInfoString(page, "<details><summary>Options, defaults resolved</summary>\n<dl class=\"options\">\n");
	for (int i = 0; i < count; i++)
		append_option(page, options[i].name,
					  getKeyJsonValueFromContainer(object, options[i].name,
												   strlen(options[i].name), NULL));
	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && !is_engine_option(name))
			append_option(page, name, &value);
	}
	appendStringInfoString(page, "</dl></details>\n");
}

static void
append_training(StringInfo page, const Report *report)
{
	const ModelInfo *info = report->info;
	const ClfModel *model = report->model;

	begin_section(page, "training", "", "What was trained on what");
	appendStringInfoString(page, "<dl>\n");
	append_fact(page, "Source", info->source);
	append_fact(page, "Texts", info->text_column);
	append_fact(page, "Labels", info->label_column);
	append_count_fact(page, "Rows", info->rows, "");
	append_count_fact(page, "learned from", info->training_rows, "");
	append_count_fact(page, "held back", info->validation_rows, "");
	if (info->skipped > 0)
		append_count_fact(page, "skipped", info->skipped, ", without text or label");
	append_fact(page, "Began with", info->warm_start);
	append_fact(page, "Word vectors", info->embeddings);
	append_count_fact(page, "Different labels", clf_model_classes(model), "");
	appendStringInfoString(page, "</dl>\n");
	append_options(page, report);
	end_section(page);
}

static void
append_size(StringInfo page, const Report *report)
{
	const ModelInfo *info = report->info;
	const ClfModel *model = report->model;

	begin_section(page, "size", "", "Sizes and times");
	appendStringInfoString(page, "<dl>\n<dt>In the database</dt><dd>");
	HtmlAppendBytes(page, report->bytes);
	appendStringInfoString(page, "</dd>\n<dt>In a session that uses it</dt><dd>");
	HtmlAppendBytes(page, clf_model_memory(model));
	appendStringInfoString(page, "</dd>\n");
	append_count_fact(page, "Weights", clf_model_parameters(model), "");
	append_count_fact(page, "Vocabulary", clf_model_vocabulary(model), " tokens");
	if (!isnan(info->seconds))
	{
		appendStringInfoString(page, "<dt>Training took</dt><dd>");
		HtmlAppendSeconds(page, info->seconds);
		appendStringInfoString(page, "</dd>\n");
	}
	if (info->epochs > 0)
		append_count_fact(page, "Epochs", info->epochs,
						  info->best_epoch > 0 ?
						  psprintf(", kept: " INT64_FORMAT, info->best_epoch) : "");
	append_fact(page, "Trained by", info->textclf_version != NULL ?
				psprintf("textclf %s, ICU %s", info->textclf_version,
						 clf_model_icu_version(model)) : NULL);
	append_fact(page, "Owner", report->owner);
	appendStringInfoString(page, "</dl>\n");
	end_section(page);
}

/* ---- learning curves -------------------------------------------------- */

/* A figure of every epoch. */
static double *
gather(const ModelInfo *info, size_t offset)
{
	double	   *values = palloc(info->history_length * sizeof(double));

	for (int i = 0; i < info->history_length; i++)
		values[i] = *(const double *) ((const char *) &info->history[i] + offset);
	return values;
}

static void
append_curves(StringInfo page, const ModelInfo *info, const char *id, const char *title,
			  bool shares, size_t training, size_t validation)
{
	CurveChart	chart = {
		id, title, shares, info->history_length, gather(info, training),
		gather(info, validation), Max(info->best_epoch, 0)
	};

	appendStringInfo(page, "<figure><figcaption>%s</figcaption>\n", title);
	ChartCurves(page, &chart);
	appendStringInfoString(page, "</figure>\n");
}

/* A cell with a number, or a dash. */
static void
append_number(StringInfo page, double number)
{
	if (isnan(number))
		appendStringInfoString(page, "<td>&#8211;</td>");
	else
		appendStringInfo(page, "<td>%.4f</td>", number);
}

static void
append_history_table(StringInfo page, const ModelInfo *info)
{
	appendStringInfoString(page, "<details><summary>The epochs as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Epochs\">"
						   "<table class=\"plain\"><thead><tr><th scope=\"col\" class=\"left\">Epoch</th><th scope=\"col\">Loss</th><th scope=\"col\">Held out</th>"
						   "<th scope=\"col\">Accuracy</th><th scope=\"col\">Held out</th><th scope=\"col\">Seconds</th></tr></thead>\n<tbody>\n");
	for (int i = 0; i < info->history_length; i++)
	{
		const ClfEpoch *epoch = &info->history[i];

		appendStringInfo(page, "<tr><th scope=\"row\">%d</th>", i + 1);
		append_number(page, epoch->loss);
		append_number(page, epoch->val_loss);
		append_number(page, epoch->accuracy);
		append_number(page, epoch->val_accuracy);
		if (isnan(epoch->seconds))
			append_number(page, epoch->seconds);
		else
			appendStringInfo(page, "<td>%.2f</td>", epoch->seconds);
		appendStringInfoString(page, "</tr>\n");
	}
	appendStringInfoString(page, "</tbody></table></div></details>\n");
}

static void
append_history(StringInfo page, const Report *report, const Figures *figures)
{
	const ModelInfo *info = report->info;
	bool		judged = figures->cell_count > 0;

	begin_section(page, "curves", judged && figures->classes <= BESIDE_LABELS ? "" : "whole",
				  "How the network learned");
	if (info->history_length == 0)
	{
		appendStringInfo(page, "<p>%s</p>\n",
						 clf_model_config(report->model)->architecture == CLF_ARCH_LINEAR ?
						 "There is no network: the linear model is solved, not learned in epochs." :
						 "Nothing is remembered of its epochs.");
		end_section(page);
		return;
	}
	appendStringInfo(page, "<p class=\"key\"><i class=\"training\"></i>rows it learns from%s</p>\n<div class=\"charts\">\n",
					 judged ? " <i></i>rows held back" : "");
	append_curves(page, info, "loss", "Loss by epoch", false,
				  offsetof(ClfEpoch, loss), offsetof(ClfEpoch, val_loss));
	append_curves(page, info, "accuracy", "Accuracy by epoch", true,
				  offsetof(ClfEpoch, accuracy), offsetof(ClfEpoch, val_accuracy));
	appendStringInfoString(page, "</div>\n");
	append_history_table(page, info);
	end_section(page);
}

/* ---- confusion -------------------------------------------------------- */

/* What is sorted: a number, and by what. */
typedef struct Ranked
{
	int			number;
	double		rank;
} Ranked;

/* qsort comparator: greatest rank first, then by number */
static int
compare_ranked(const void *a, const void *b)
{
	const Ranked *first = a;
	const Ranked *second = b;

	if (first->rank != second->rank)
		return first->rank > second->rank ? -1 : 1;
	return (first->number > second->number) - (first->number < second->number);
}

/*
 * Choose the classes that a matrix shows: place[class] is where, in their order.
 * Returns how many; the others, if any, are at the last place.
 */
static int
choose_classes(const Figures *figures, int *place, bool *has_others)
{
	Ranked	   *ranked = palloc(figures->classes * sizeof(Ranked));
	int			shown = 0;

	*has_others = figures->classes > MATRIX_LABELS;
	for (int i = 0; i < figures->classes; i++)
	{
		ranked[i].number = i;
		ranked[i].rank = occurs(figures, i) ? mistakes(figures, i) : -1;
		place[i] = -1;
	}
	qsort(ranked, figures->classes, sizeof(Ranked), compare_ranked);
	for (int i = 0; i < Min(figures->classes, MATRIX_LABELS - (*has_others ? 1 : 0)); i++)
		if (!*has_others || ranked[i].rank >= 0)
			place[ranked[i].number] = 0;
	for (int i = 0; i < figures->classes; i++)
		if (place[i] == 0)
			place[i] = shown++;
	for (int i = 0; i < figures->classes; i++)
		if (place[i] < 0)
			place[i] = shown;
	return shown + (*has_others ? 1 : 0);
}

/* The matrix as a table, for those who do not see colours. */
static void
append_matrix_table(StringInfo page, const HeatMap *map)
{
	appendStringInfoString(page, "<details><summary>The matrix as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Confusion matrix\">"
						   "<table class=\"plain\"><thead><tr><th scope=\"col\" class=\"left\">Label \\ taken for</th>");
	for (int i = 0; i < map->count; i++)
	{
		appendStringInfoString(page, "<th scope=\"col\"><bdi>");
		ChartAppendLabel(page, &map->labels[i], 30);
		appendStringInfoString(page, "</bdi></th>");
	}
	appendStringInfoString(page, "</tr></thead>\n<tbody>\n");
	for (int i = 0; i < map->count; i++)
	{
		appendStringInfoString(page, "<tr><th scope=\"row\"><bdi>");
		ChartAppendLabel(page, &map->labels[i], 30);
		appendStringInfoString(page, "</bdi></th>");
		for (int j = 0; j < map->count; j++)
		{
			appendStringInfoString(page, "<td>");
			HtmlAppendCount(page, map->rows[i * map->count + j]);
			appendStringInfoString(page, "</td>");
		}
		appendStringInfoString(page, "</tr>\n");
	}
	appendStringInfoString(page, "</tbody></table></div></details>\n");
}

static void
append_matrix(StringInfo page, const Report *report, const Figures *figures)
{
	int		   *place = palloc(figures->classes * sizeof(int));
	bool		has_others;
	int			count = choose_classes(figures, place, &has_others);
	ChartLabel *labels = palloc0(count * sizeof(ChartLabel));
	int64	   *rows = palloc0(count * count * sizeof(int64));
	HeatMap		map = {count, labels, rows};

	for (int i = 0; i < figures->classes; i++)
		if (place[i] < count - (has_others ? 1 : 0))
			labels[place[i]].bytes = clf_model_label(report->model, i,
													 &labels[place[i]].length);
	for (int i = 0; i < figures->cell_count; i++)
	{
		const ClfCell *cell = &figures->cells[i];

		rows[place[cell->actual] * count + place[cell->predicted]] += cell->rows;
	}
	begin_section(page, "matrix", count > BESIDE_LABELS ? "whole" : "", "What was taken for what");
	appendStringInfoString(page, "<p class=\"soft\">A row for each label, a column for what its texts were taken for; the darker or brighter, the larger its share of the row.");
	if (has_others)
		appendStringInfo(page, " Of %d labels, the %d that are mistaken most.",
						 figures->classes, count - 1);
	appendStringInfoString(page, "</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Heat map\">\n");
	ChartHeatMap(page, &map);
	appendStringInfoString(page, "</div>\n");
	append_matrix_table(page, &map);
	end_section(page);
}

static void
append_pairs(StringInfo page, const Report *report, const Figures *figures)
{
	Ranked	   *ranked = palloc(figures->cell_count * sizeof(Ranked));
	int			count = 0;

	for (int i = 0; i < figures->cell_count; i++)
		if (figures->cells[i].actual != figures->cells[i].predicted)
		{
			ranked[count].number = i;
			ranked[count++].rank = figures->cells[i].rows;
		}
	qsort(ranked, count, sizeof(Ranked), compare_ranked);

	begin_section(page, "pairs", "", "Most confused pairs");
	if (count == 0)
	{
		appendStringInfoString(page, "<p>None: every held-out row got its label.</p>\n");
		end_section(page);
		return;
	}
	appendStringInfoString(page, "<table><thead><tr><th scope=\"col\" class=\"left\">Label</th><th scope=\"col\" class=\"left\">taken for</th>"
						   "<th scope=\"col\">rows</th><th scope=\"col\">of the label</th></tr></thead>\n<tbody>\n");
	for (int i = 0; i < Min(count, PAIRS); i++)
	{
		const ClfCell *cell = &figures->cells[ranked[i].number];
		double		share = (double) cell->rows / figures->scores[cell->actual].support;

		appendStringInfoString(page, "<tr><th scope=\"row\">");
		append_label(page, report->model, cell->actual);
		appendStringInfoString(page, "</th><td class=\"left\">");
		append_label(page, report->model, cell->predicted);
		appendStringInfoString(page, "</td><td>");
		HtmlAppendCount(page, cell->rows);
		appendStringInfoString(page, "</td><td>");
		HtmlAppendShare(page, share);
		ChartBar(page, share, "fill-wrong");
		appendStringInfoString(page, "</td></tr>\n");
	}
	appendStringInfoString(page, "</tbody></table>\n");
	if (count > PAIRS)
	{
		appendStringInfo(page, "<p class=\"soft\">Of %d pairs. All of them: ", count);
		append_statement(page, report, "textclf_confusion_matrix", "");
		appendStringInfoString(page, "</p>\n");
	}
	end_section(page);
}

/* ---- labels ----------------------------------------------------------- */

/* A share with its bar. */
static void
append_bar(StringInfo page, double share)
{
	appendStringInfoString(page, "<td>");
	HtmlAppendShare(page, share);
	ChartBar(page, share, "fill");
	appendStringInfoString(page, "</td>");
}

/* A table of some labels: a line for each of ranked[from, to). */
static void
append_label_table(StringInfo page, const Report *report, const Figures *figures,
				   const Ranked *ranked, int from, int to)
{
	const ModelInfo *info = report->info;
	bool		judged = figures->cell_count > 0;
	bool		counted = info->class_rows != NULL && info->class_count == figures->classes;

	appendStringInfo(page, "<div class=\"scroll\"><table><thead><tr><th scope=\"col\" class=\"left\">Label</th>%s%s</tr></thead>\n<tbody>\n",
					 judged ? "<th scope=\"col\">Precision</th><th scope=\"col\">Recall</th><th scope=\"col\">F1</th><th scope=\"col\">Held out</th>" : "",
					 counted ? (judged ? "<th scope=\"col\" class=\"extra\">All rows</th>" : "<th scope=\"col\">Rows</th>") : "");
	for (int i = from; i < to; i++)
	{
		int			class_id = ranked[i].number;
		const ClfClassScore *score = &figures->scores[class_id];

		appendStringInfoString(page, "<tr><th scope=\"row\">");
		append_label(page, report->model, class_id);
		appendStringInfoString(page, "</th>");
		if (judged && occurs(figures, class_id))
		{
			append_bar(page, score->precision);
			append_bar(page, score->recall);
			append_bar(page, score->f1);
		}
		else if (judged)
			appendStringInfoString(page, "<td>&#8211;</td><td>&#8211;</td><td>&#8211;</td>");
		if (judged)
		{
			appendStringInfoString(page, "<td>");
			HtmlAppendCount(page, score->support);
			appendStringInfoString(page, "</td>");
		}
		if (counted)
		{
			appendStringInfoString(page, judged ? "<td class=\"extra\">" : "<td>");
			HtmlAppendCount(page, info->class_rows[class_id]);
			appendStringInfoString(page, "</td>");
		}
		appendStringInfoString(page, "</tr>\n");
	}
	appendStringInfoString(page, "</tbody></table></div>\n");
}

static void
append_labels(StringInfo page, const Report *report, const Figures *figures)
{
	int			classes = figures->classes;
	int			first = classes > ALL_LABELS ? FIRST_LABELS : classes;
	int			all = Min(classes, MOST_LABELS);
	Ranked	   *ranked = palloc(classes * sizeof(Ranked));

	for (int i = 0; i < classes; i++)
	{
		ranked[i].number = i;
		ranked[i].rank = classes <= ALL_LABELS ? 0 :
			occurs(figures, i) ? 1 - figures->scores[i].f1 : -1;
	}
	qsort(ranked, classes, sizeof(Ranked), compare_ranked);

	begin_section(page, "labels", "whole", "Label by label");
	if (first < classes && figures->cell_count > 0)
		appendStringInfo(page, "<p class=\"soft\">Of %d labels, those of lowest F1 first.</p>\n",
						 classes);
	append_label_table(page, report, figures, ranked, 0, first);
	if (first < all)
	{
		appendStringInfo(page, "<details><summary>%d more labels</summary>\n", all - first);
		append_label_table(page, report, figures, ranked, first, all);
		if (all < classes && figures->cell_count > 0)
		{
			appendStringInfoString(page, "<p>All of them: ");
			append_statement(page, report, "textclf_evaluate", "");
			appendStringInfoString(page, "</p>\n");
		}
		appendStringInfoString(page, "</details>\n");
	}
	end_section(page);
}

/* ---- reliability ------------------------------------------------------ */

static void
append_reliability(StringInfo page, const ModelInfo *info)
{
	begin_section(page, "certainty", "", "Do probabilities mean what they say?");
	appendStringInfoString(page, "<p class=\"soft\">A point for answers of about the same probability: on the broken line, as many are right as the model expected; "
						   "above it, more. Below the points, how many answers there are.</p>\n"
						   "<p class=\"key\"><i class=\"wrong\"></i>distance; its mean over all answers is the expected calibration error, ");
	HtmlAppendShare(page, clf_calibration_error(info->bins));
	appendStringInfoString(page, "</p>\n");
	ChartReliability(page, info->bins);
	appendStringInfoString(page, "<details><summary>The points as a table</summary>\n<table class=\"plain\"><thead><tr><th scope=\"col\" class=\"left\">Mean probability</th>"
						   "<th scope=\"col\">right</th><th scope=\"col\">answers</th></tr></thead>\n<tbody>\n");
	for (int i = 0; i < CLF_BINS; i++)
	{
		const ClfBin *bin = &info->bins[i];

		if (bin->rows == 0)
			continue;
		appendStringInfoString(page, "<tr><th scope=\"row\">");
		HtmlAppendShare(page, bin->probability / bin->rows);
		appendStringInfoString(page, "</th><td>");
		HtmlAppendShare(page, (double) bin->right / bin->rows);
		appendStringInfoString(page, "</td><td>");
		HtmlAppendCount(page, bin->rows);
		appendStringInfoString(page, "</td></tr>\n");
	}
	appendStringInfoString(page, "</tbody></table></details>\n");
	end_section(page);
}

/* ---- the page --------------------------------------------------------- */

void
ReportPageAppend(StringInfo page, const Report *report)
{
	Figures		figures;

	sum_up(report, &figures);
	append_head(page, report);
	append_header(page, report);
	appendStringInfoString(page, "<main>\n");
	append_key_figures(page, report, &figures);
	append_training(page, report);
	append_size(page, report);
	if (figures.cell_count > 0)
	{
		append_matrix(page, report, &figures);
		append_pairs(page, report, &figures);
	}
	append_labels(page, report, &figures);
	if (figures.cell_count > 0 && report->info->bins != NULL)
		append_reliability(page, report->info);
	append_history(page, report, &figures);
	appendStringInfo(page, "</main>\n<footer><p>Made by textclf %s from what is stored with the model. "
					 "Nothing on this page comes from anywhere else, and nothing runs.</p></footer>\n"
					 "</body>\n</html>\n", TEXTCLF_VERSION);
}

/*
 * course_wide.c
 *	  The course of the linear branch's training: settings are tried, the branch
 *	  is fitted, scores validation rows, and learns from them at last.
 */
#include <math.h>

#include "trainer.h"

#define SCORED_ROWS 100			/* of one item of work */

/*
 * Where the rows are few and the options leave them open, the validation rows
 * choose the settings of the linear branch: first with or without character
 * n-grams, at the middle one of the costs; then the larger cost and, if that is
 * better, the largest, if not, the smaller one.  The regression for another cost begins
 * where the last one ended.  Where further parts of the rows are held out, every
 * fit is done once for each, and all scored rows choose together; a regression
 * then begins from nothing.
 */
#define MIDDLE_COST 10
#define LARGER_COST 30
#define LARGEST_COST 100
#define SMALLER_COST 3

#define SEARCH_PASSES 20		/* of a regression, at most, that follows another */

/* Is there room in the work of the search for the fit ahead?  Only the first does not ask. */
static bool
is_affordable(const ClfTrainer *trainer)
{
	return trainer->search.work + trainer->parts * clf_widefit_work_ahead(&trainer->fit) <=
		trainer->search.most_work;
}

static bool
is_searching(const ClfTrainer *trainer)
{
	return trainer->config.char_ngrams < 0 || trainer->config.wide_c < 0;
}

/* Fit the branch to so many rows, from the first, with these settings. */
static void
start_fit_to(ClfTrainer *trainer, size_t rows, bool char_ngrams, double cost)
{
	size_t		used;
	size_t		limit = trainer->host.memory_limit;

	clf_widefit_free(&trainer->fit);
	used = trainer->mem.used;
	clf_widefit_init(&trainer->fit, &trainer->mem, trainer->kernels, &trainer->data,
					 rows, trainer->class_weight, char_ngrams, (float) cost,
					 limit > used ? limit - used : 0);
	trainer->stage = STAGE_WIDE;
}

/* Try these settings: fit the branch to the training rows, the validation rows held out. */
static ClfStatus
start_fit(ClfTrainer *trainer, bool char_ngrams, double cost, ClfError *error)
{
	ClfStatus	status = clf_trainer_hold_out(trainer, 0, error);

	if (status == CLF_OK)
		start_fit_to(trainer, trainer->data.training_rows, char_ngrams, cost);
	return status;
}

/* The same settings, with the next part of the rows held out. */
static ClfStatus
fit_next_part(ClfTrainer *trainer, ClfError *error)
{
	int			max_passes = trainer->fit.max_passes;
	ClfStatus	status = clf_trainer_hold_out(trainer, trainer->part + 1, error);

	if (status == CLF_OK)
		start_fit_to(trainer, trainer->data.training_rows, trainer->fit.grams.chars, trainer->fit.cost);
	trainer->fit.max_passes = max_passes;
	return status;
}

void
clf_course_wide_start(ClfTrainer *trainer)
{
	const ClfConfig *config = &trainer->config;

	trainer->search.best_loss = INFINITY;
	trainer->search.step = config->char_ngrams < 0 ? CLF_SEARCH_WORDS : CLF_SEARCH_MIDDLE;
	start_fit_to(trainer, trainer->data.training_rows, config->char_ngrams > 0,
				 config->wide_c > 0 ? config->wide_c : MIDDLE_COST);
}

/* The linear branch is done, and with it the dictionary. */
static void
finish_wide(ClfTrainer *trainer)
{
	clf_widefit_forget_rows(&trainer->fit);
	clf_dataset_forget_tokens(&trainer->data);
	trainer->stage = clf_has_deep(&trainer->config) ? STAGE_ALLOCATE : STAGE_FUSE;
}

/* The fit at another cost. */
static ClfStatus
try_cost(ClfTrainer *trainer, ClfSearchStep step, double cost, ClfError *error)
{
	trainer->search.step = step;
	if (trainer->parts > 1)
		return start_fit(trainer, trainer->search.char_ngrams, cost, error);
	trainer->stage = STAGE_WIDE;
	return clf_widefit_restart(&trainer->fit, trainer->data.training_rows, (float) cost, error);
}

/*
 * The settings are decided: learn from all rows, or bring back the best fit.
 * Where rows are few, those of the validation have many an n-gram that the
 * others do not have often enough: all are counted and selected anew.
 */
static ClfStatus
end_search(ClfTrainer *trainer, ClfError *error)
{
	ClfConfig  *config = &trainer->config;
	size_t		rows = config->refit ? trainer->data.count : trainer->data.training_rows;
	ClfStatus	status = clf_trainer_hold_out(trainer, 0, error);

	if (status != CLF_OK)
		return status;
	config->char_ngrams = trainer->search.char_ngrams;
	if (config->wide_c < 0)		/* what was asked for is not as short as a float */
		config->wide_c = trainer->search.cost;
	trainer->stage = STAGE_WIDE_REFIT;
	trainer->fit.max_passes = CLF_LOGISTIC_PASSES;
	if (!config->refit && trainer->fit.cost == (float) config->wide_c)
	{
		finish_wide(trainer);
		return CLF_OK;
	}
	if (rows > trainer->data.training_rows && rows < CLF_FEW_ROWS)
	{
		start_fit_to(trainer, rows, config->char_ngrams > 0, config->wide_c);
		trainer->stage = STAGE_WIDE_REFIT;
		return CLF_OK;
	}
	return clf_widefit_restart(&trainer->fit, rows, (float) config->wide_c, error);
}

/* The next settings after those of the step at hand. */
static ClfStatus
next_settings(ClfTrainer *trainer, ClfError *error)
{
	ClfSearch  *search = &trainer->search;
	bool		cost_open = trainer->config.wide_c < 0;
	ClfStatus	status;

	switch (search->step)
	{
		case CLF_SEARCH_WORDS:
			search->step = CLF_SEARCH_CHARS;
			status = start_fit(trainer, true, search->cost, error);
			trainer->fit.max_passes = SEARCH_PASSES;
			return status;
		case CLF_SEARCH_CHARS:
			search->step = CLF_SEARCH_MIDDLE;
			/* unless they all begin from nothing, the next ones follow the fit at the middle cost */
			if (search->char_ngrams || trainer->parts > 1)
				return next_settings(trainer, error);
			return start_fit(trainer, false, search->cost, error);
		case CLF_SEARCH_MIDDLE:
			trainer->fit.max_passes = SEARCH_PASSES;
			if (cost_open && is_affordable(trainer))
				return try_cost(trainer, CLF_SEARCH_LARGER, LARGER_COST, error);
			break;
		case CLF_SEARCH_LARGER:
			if (is_affordable(trainer))
				return try_cost(trainer, CLF_SEARCH_LAST,
								search->cost == LARGER_COST ? LARGEST_COST : SMALLER_COST, error);
			break;
		case CLF_SEARCH_LAST:
			break;
	}
	return end_search(trainer, error);
}

static ClfStatus
fit_wide(ClfTrainer *trainer, ClfError *error)
{
	ClfWideFit *fit = &trainer->fit;
	ClfWideStage before = fit->stage;
	ClfStatus	status = clf_widefit_advance(fit, error);

	if (status != CLF_OK)
		return status;
	if (before == CLF_WIDE_SELECT && trainer->search.step == CLF_SEARCH_CHARS &&
		trainer->part == 0 && !is_affordable(trainer))
		return next_settings(trainer, error);
	if (fit->stage == CLF_WIDE_FINISHED)
	{
		trainer->search.work += fit->work;
		fit->work = 0;
		trainer->position = 0;
		trainer->stage = STAGE_WIDE_SCORES;
	}
	return clf_trainer_check_budget(trainer, 0, error);
}

/* The held-out rows are scored with the settings at hand: are these the best so far? */
static ClfStatus
judge_settings(ClfTrainer *trainer, ClfError *error)
{
	ClfSearch  *search = &trainer->search;
	double		loss = is_searching(trainer) ? clf_judge_wide_loss(trainer) : 0;

	if (!(loss >= search->best_loss))	/* so that not even a NaN leaves nothing */
	{
		float	   *scores = trainer->wide_scores;

		trainer->wide_scores = trainer->best_wide_scores;
		trainer->best_wide_scores = scores;
		search->best_loss = loss;
		search->char_ngrams = trainer->fit.grams.chars;
		search->cost = trainer->fit.cost;
	}
	return is_searching(trainer) ? next_settings(trainer, error) : end_search(trainer, error);
}

/* Score some of the rows that are held out. */
static ClfStatus
score_wide(ClfTrainer *trainer, ClfError *error)
{
	ClfWideFit *fit = &trainer->fit;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		rows = trainer->parts > 1 ? clf_trainer_validation_rows(trainer) : trainer->scored;
	ClfStatus	status = CLF_OK;

	for (int i = 0; i < SCORED_ROWS && trainer->position < rows && status == CLF_OK; i++)
	{
		status = clf_widefit_grams(fit, trainer->data.training_rows + trainer->position, error);
		if (status == CLF_OK)
			status = clf_wide_score(&fit->wide, &fit->scratch, trainer->kernels, &fit->grams,
									trainer->wide_scores + (trainer->part_begin + trainer->position++) * C,
									error);
	}
	if (status != CLF_OK || trainer->position < rows)
		return status;
	return trainer->part + 1 < trainer->parts ? fit_next_part(trainer, error) :
		judge_settings(trainer, error);
}

/* Learn from the validation rows, too, now that they have served. */
static ClfStatus
refit_wide(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status = clf_widefit_advance(&trainer->fit, error);

	if (status == CLF_OK && trainer->fit.stage == CLF_WIDE_FINISHED)
		finish_wide(trainer);
	return status == CLF_OK ? clf_trainer_check_budget(trainer, 0, error) : status;
}

ClfStatus
clf_course_wide_advance(ClfTrainer *trainer, ClfError *error)
{
	switch (trainer->stage)
	{
		case STAGE_WIDE:
			return fit_wide(trainer, error);
		case STAGE_WIDE_SCORES:
			return score_wide(trainer, error);
		case STAGE_WIDE_REFIT:
			return refit_wide(trainer, error);
		default:
			return CLF_OK;
	}
}

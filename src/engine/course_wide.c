/*
 * course_wide.c
 *	  The course of the linear branch's training: settings are tried, the branch
 *	  is fitted, scores validation rows, and learns from them at last.
 */
#include "trainer.h"

#define SCORED_ROWS 100			/* of one item of work */

/*
 * Settings of the linear branch among which the validation rows choose, where
 * the rows are few and the options leave them open.
 */
static const struct
{
	int32_t		char_ngrams;
	double		wide_c;
}			candidates[] = {{1, 10}, {0, 10}, {1, 30}, {1, 3}, {0, 30}, {0, 3}};

#define CANDIDATES ((int) (sizeof(candidates) / sizeof(candidates[0])))

/* Is there something to choose, and does the candidate differ from those before? */
static bool
is_candidate(const ClfTrainer *trainer, int candidate)
{
	const ClfConfig *config = &trainer->config;

	for (int other = 0; other < candidate; other++)
		if ((config->char_ngrams >= 0 || candidates[other].char_ngrams == candidates[candidate].char_ngrams) &&
			(config->wide_c > 0 || candidates[other].wide_c == candidates[candidate].wide_c))
			return false;
	return true;
}

void
clf_course_wide_start(ClfTrainer *trainer)
{
	const ClfConfig *config = &trainer->config;
	size_t		used = trainer->mem.used;
	size_t		limit = trainer->host.memory_limit;

	clf_widefit_free(&trainer->fit);
	clf_widefit_init(&trainer->fit, &trainer->mem, trainer->kernels, &trainer->data,
					 trainer->class_weight,
					 config->char_ngrams >= 0 ? config->char_ngrams :
					 candidates[trainer->candidate].char_ngrams,
					 (float) (config->wide_c > 0 ? config->wide_c :
							  candidates[trainer->candidate].wide_c),
					 limit > used ? limit - used : 0);
	trainer->stage = STAGE_WIDE;
}

static ClfStatus
fit_wide(ClfTrainer *trainer, ClfError *error)
{
	ClfWideFit *fit = &trainer->fit;
	ClfStatus	status = clf_widefit_advance(fit, error);

	if (status == CLF_OK && fit->stage == CLF_WIDE_FINISHED)
	{
		trainer->position = 0;
		trainer->stage = STAGE_WIDE_SCORES;
		status = clf_wide_scratch_init(&fit->scratch, &trainer->mem, &fit->wide, error);
	}
	return status == CLF_OK ? clf_trainer_check_budget(trainer, 0, error) : status;
}

/* The linear branch is done, and with it the dictionary. */
static void
finish_wide(ClfTrainer *trainer)
{
	clf_dataset_forget_tokens(&trainer->data);
	trainer->stage = clf_has_deep(&trainer->config) ? STAGE_ALLOCATE : STAGE_FUSE;
}

/*
 * After a candidate: the next one or, after the last, the best one again;
 * then the settings are decided and the branch is fitted to all rows.
 */
static ClfStatus
next_candidate(ClfTrainer *trainer, ClfError *error)
{
	ClfConfig  *config = &trainer->config;
	bool		open = config->char_ngrams < 0 || config->wide_c < 0;
	double		loss = open ? clf_judge_wide_loss(trainer) : 0;

	if (open && (trainer->candidate == 0 || loss < trainer->candidate_loss))
	{
		trainer->best_candidate = trainer->candidate;
		trainer->candidate_loss = loss;
	}
	while (open && ++trainer->candidate < CANDIDATES)
		if (is_candidate(trainer, trainer->candidate))
		{
			clf_course_wide_start(trainer);
			return CLF_OK;
		}
	if (open)
	{
		if (config->char_ngrams < 0)
			config->char_ngrams = candidates[trainer->best_candidate].char_ngrams;
		if (config->wide_c < 0)
			config->wide_c = candidates[trainer->best_candidate].wide_c;
		clf_course_wide_start(trainer);
		return CLF_OK;
	}
	if (!config->refit)
	{
		finish_wide(trainer);
		return CLF_OK;
	}
	trainer->stage = STAGE_WIDE_REFIT;
	return clf_widefit_restart(&trainer->fit, trainer->data.count, error);
}

/* Score some validation rows. */
static ClfStatus
score_wide(ClfTrainer *trainer, ClfError *error)
{
	ClfWideFit *fit = &trainer->fit;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	ClfStatus	status = CLF_OK;

	for (int i = 0; i < SCORED_ROWS && trainer->position < trainer->scored && status == CLF_OK; i++)
	{
		status = clf_widefit_grams(fit, trainer->data.training_rows + trainer->position, error);
		if (status == CLF_OK)
			status = clf_wide_score(&fit->wide, &fit->scratch, trainer->kernels, &fit->grams,
									trainer->wide_scores + trainer->position++ * C, error);
	}
	if (status != CLF_OK || trainer->position < trainer->scored)
		return status;
	clf_wide_scratch_free(&fit->scratch);
	return next_candidate(trainer, error);
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

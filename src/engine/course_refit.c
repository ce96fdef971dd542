/*
 * course_refit.c
 *	  The course of a training after the network's weights were chosen and
 *	  judged: where rows are few, it learns again from the same first weights, and
 *	  from other rows.
 *
 * Where validation rows are few, it does so without each further part of the
 * rows that is held out in its turn (see choose_parts in trainer.c), and what
 * it says of that part is for the fusion.  At last it learns from all rows
 * (option refit).
 *
 * It does so for as many epochs as were best, on the same course of the
 * learning rate.  The validation rows have decided on all else: the figures of
 * the training remain those from before.  If the time is up or it diverges, the
 * weights that were judged remain, too.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

#define LEAST_ROWS 1000			/* in cross-validation, fewer gained nothing by learning from all */

bool
clf_course_refits(const ClfTrainer *trainer)
{
	const ClfConfig *config = &trainer->config;

	return config->refit && config->architecture == CLF_ARCH_HYBRID &&
		clf_trainer_validation_rows(trainer) > 0 &&
		trainer->data.count >= LEAST_ROWS && trainer->data.count < CLF_FEW_ROWS;
}

int
clf_course_refit_times(const ClfTrainer *trainer)
{
	return trainer->parts - 1 + (clf_course_refits(trainer) ? 1 : 0);
}

void
clf_course_refit_keep(ClfTrainer *trainer)
{
	if (trainer->first != NULL)
		memcpy(trainer->first, clf_team_weights(&trainer->team), trainer->table.floats * sizeof(float));
}

void
clf_course_refit_start(ClfTrainer *trainer)
{
	trainer->stage = trainer->first != NULL && !trainer->out_of_time ? STAGE_REFIT : STAGE_FUSE;
}

/* Does it learn, this time, without a part of the rows? */
static bool
is_without_part(const ClfTrainer *trainer)
{
	return trainer->refits < trainer->parts;
}

/* Plans for the rows of this time; no part is held out any more at the last. */
static ClfStatus
plan_rows(ClfTrainer *trainer, ClfError *error)
{
	int			part = is_without_part(trainer) ? trainer->refits : 0;
	size_t		batch_size = (size_t) trainer->config.batch_size;
	size_t		scored_at_once = trainer->validating.batch_size;
	ClfStatus	status = clf_trainer_hold_out(trainer, part, error);

	clf_plan_free(&trainer->validating);
	clf_plan_free(&trainer->training);
	if (status != CLF_OK || part == 0)
		return status != CLF_OK ? status :
			clf_plan_init(&trainer->training, &trainer->mem, 0, trainer->data.count, batch_size, error);
	status = clf_plan_init(&trainer->training, &trainer->mem, 0, trainer->data.training_rows,
						   batch_size, error);
	if (status == CLF_OK)
		status = clf_plan_init(&trainer->validating, &trainer->mem, trainer->data.training_rows,
							   clf_trainer_validation_rows(trainer), scored_at_once, error);
	return status;
}

/* Begin again. */
static ClfStatus
begin(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status;

	trainer->refitting = true;
	trainer->refits++;
	memcpy(clf_team_weights(&trainer->team), trainer->first, trainer->table.floats * sizeof(float));
	if (trainer->row_sum.learned != NULL)
		memset(trainer->row_sum.learned, 0, clf_trainer_vocabulary(trainer) * sizeof(bool));
	clf_optimizer_free(&trainer->optimizer);
	status = clf_optimizer_init(&trainer->optimizer, &trainer->mem, &trainer->config, &trainer->table,
								trainer->kernels, error);
	if (status == CLF_OK)
		status = plan_rows(trainer, error);
	clf_course_seed_epochs(trainer);
	trainer->stage = STAGE_EPOCH;
	return status;
}

/*
 * Words that only the part held out has are as unknown to the network as those
 * that only validation rows have, which are not in the vocabulary.
 */
static void
forget_unlearned_words(ClfTrainer *trainer)
{
	const ClfTensor *tensor = &trainer->table.tensors[trainer->table.embedding];
	size_t		E = tensor->columns;
	float	   *values = clf_team_evaluated(&trainer->team) + tensor->offset;

	for (uint32_t id = CLF_FIRST_ID; id < clf_trainer_vocabulary(trainer); id++)
		if (!trainer->row_sum.learned[id] && clf_course_is_random(trainer, id))
			memcpy(values + id * E, values + CLF_ID_OOV * E, E * sizeof(float));
}

ClfStatus
clf_course_refit_end_epoch(ClfTrainer *trainer, ClfError *error)
{
	const ClfFigures *figures = &trainer->figures;

	trainer->refit_epochs++;
	trainer->epoch_ended = true;
	trainer->refit_epoch = (ClfEpoch) {
		.loss = figures->loss / (double) figures->rows,
		.accuracy = (double) figures->correct / (double) figures->rows,
		.val_loss = NAN,
		.val_accuracy = NAN,
		.seconds = clf_trainer_now(trainer) - trainer->epoch_start
	};
	if (trainer->out_of_time)
		return clf_course_refit_abandon(trainer, error);
	if (trainer->refit_epochs < trainer->refits * trainer->best_epoch)
	{
		trainer->stage = STAGE_EPOCH;
		return CLF_OK;
	}
	clf_optimizer_evaluated(&trainer->optimizer, clf_team_weights(&trainer->team),
							clf_team_evaluated(&trainer->team));
	if (is_without_part(trainer))
	{
		forget_unlearned_words(trainer);
		clf_course_validate(trainer, STAGE_PART_SCORED);
	}
	else
		clf_course_round(trainer);
	return CLF_OK;
}

/* Keep the scores of the part that was held out, and go on. */
static ClfStatus
keep_part_scores(ClfTrainer *trainer, ClfError *error)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		rows = clf_trainer_validation_rows(trainer);
	size_t		place = trainer->part_begin * C;

	if (!isfinite(trainer->figures.loss))
		return clf_course_refit_abandon(trainer, error);
	memcpy(trainer->best_scores + place, trainer->deep_scores + place, rows * C * sizeof(float));
	trainer->fused_rows += rows;
	if (trainer->refits < clf_course_refit_times(trainer))
	{
		trainer->stage = STAGE_REFIT;
		return CLF_OK;
	}
	trainer->stage = STAGE_FUSE;
	return clf_trainer_hold_out(trainer, 0, error);
}

ClfStatus
clf_course_refit_advance(ClfTrainer *trainer, ClfError *error)
{
	return trainer->stage == STAGE_REFIT ? begin(trainer, error) : keep_part_scores(trainer, error);
}

void
clf_course_refit_take(ClfTrainer *trainer)
{
	const float *weights = clf_team_evaluated(&trainer->team);

	if (clf_weights_in_range(&trainer->config, weights, trainer->table.floats))
		memcpy(trainer->best, weights, trainer->table.floats * sizeof(float));
	trainer->stage = STAGE_FUSE;
}

ClfStatus
clf_course_refit_abandon(ClfTrainer *trainer, ClfError *error)
{
	trainer->stage = STAGE_FUSE;
	return clf_trainer_hold_out(trainer, 0, error);
}

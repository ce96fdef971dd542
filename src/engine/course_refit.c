/*
 * course_refit.c
 *	  The course of a training after the network's weights were chosen and
 *	  judged: where rows are few, it learns once more from the same first weights,
 *	  and from the validation rows as well (option refit).
 *
 * It does so for as many epochs as were best, on the same course of the
 * learning rate.  The validation rows have decided on all else, and judge
 * nothing here: the figures of the training remain those from before.  If the
 * time is up or the refit diverges, the weights that were judged remain, too.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

#define LEAST_ROWS 1000			/* in cross-validation, fewer gained nothing by it */

bool
clf_course_refits(const ClfTrainer *trainer)
{
	const ClfConfig *config = &trainer->config;

	return config->refit && config->architecture == CLF_ARCH_HYBRID &&
		clf_trainer_validation_rows(trainer) > 0 &&
		trainer->data.count >= LEAST_ROWS && trainer->data.count < CLF_FEW_ROWS;
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

ClfStatus
clf_course_refit_advance(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status;

	trainer->refitting = true;
	memcpy(clf_team_weights(&trainer->team), trainer->first, trainer->table.floats * sizeof(float));
	clf_optimizer_free(&trainer->optimizer);
	status = clf_optimizer_init(&trainer->optimizer, &trainer->mem, &trainer->config, &trainer->table,
								trainer->kernels, error);
	if (status != CLF_OK)
		return status;
	clf_plan_free(&trainer->validating);
	clf_plan_free(&trainer->training);
	status = clf_plan_init(&trainer->training, &trainer->mem, 0, trainer->data.count,
						   (size_t) trainer->config.batch_size, error);
	clf_course_seed_epochs(trainer);
	trainer->stage = STAGE_EPOCH;
	return status;
}

void
clf_course_refit_end_epoch(ClfTrainer *trainer)
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
		clf_course_refit_abandon(trainer);
	else if (trainer->refit_epochs < trainer->best_epoch)
		trainer->stage = STAGE_EPOCH;
	else
	{
		clf_optimizer_evaluated(&trainer->optimizer, clf_team_weights(&trainer->team),
								clf_team_evaluated(&trainer->team));
		clf_course_round(trainer);
	}
}

void
clf_course_refit_take(ClfTrainer *trainer)
{
	const float *weights = clf_team_evaluated(&trainer->team);

	if (clf_weights_in_range(&trainer->config, weights, trainer->table.floats))
		memcpy(trainer->best, weights, trainer->table.floats * sizeof(float));
	trainer->stage = STAGE_FUSE;
}

void
clf_course_refit_abandon(ClfTrainer *trainer)
{
	trainer->stage = STAGE_FUSE;
}

/*
 * judge.c
 *	  What a training came to: how much each branch counts, and the figures of
 *	  the model on its validation rows.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

double
clf_judge_wide_loss(ClfTrainer *trainer)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	ClfScores	scores = {trainer->scored, C, {NULL, trainer->wide_scores},
	trainer->scored_classes};
	double		loss = 0;

	clf_fusion_fit(&scores, trainer->fused, trainer->scale);
	for (size_t i = 0; i < scores.rows; i++)
	{
		const float *z[CLF_BRANCHES] = {NULL, trainer->wide_scores + i * C};

		clf_fuse(trainer->scale, z, C, trainer->fused);
		loss -= trainer->fused[scores.classes[i]];
		loss += clf_softmax(C, trainer->fused, trainer->fused);
	}
	return loss;
}

/* Share of the judged rows that a branch alone gets right; NaN without rows. */
static double
branch_accuracy(const ClfTrainer *trainer, const float *scores)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		correct = 0;

	if (scores == NULL)
		return NAN;
	for (size_t i = 0; i < trainer->judged; i++)
		correct += clf_best(scores + i * C, (int) C) == trainer->scored_classes[i];
	return (double) correct / (double) trainer->judged;
}

/* Accuracy, macro F1 and calibration error of the fused model on the judged rows. */
static ClfStatus
judge_fused(ClfTrainer *trainer, const ClfScores *scores, ClfError *error)
{
	size_t		C = scores->C;
	const ClfCell *cells;
	size_t		count;
	ClfScore	whole;

	for (size_t i = 0; i < scores->rows; i++)
	{
		const float *z[CLF_BRANCHES];
		int			said;
		ClfStatus	status;

		for (int b = 0; b < CLF_BRANCHES; b++)
			z[b] = scores->z[b] ? scores->z[b] + i * C : NULL;
		clf_fuse(trainer->scale, z, C, trainer->fused);
		(void) clf_softmax(C, trainer->fused, trainer->fused);
		said = clf_best(trainer->fused, (int) C);
		status = clf_tally_add(&trainer->tally, scores->classes[i], said,
							   trainer->fused[said], error);
		if (status != CLF_OK)
			return status;
	}
	cells = clf_tally_cells(&trainer->tally, &count);
	clf_score(cells, count, (int) C, trainer->class_scores, &whole);
	trainer->accuracy = whole.accuracy;
	trainer->macro_f1 = whole.macro.f1;
	trainer->calibration_error = clf_calibration_error(trainer->tally.bins);
	return CLF_OK;
}

/* The figures are of the validation rows alone.  The textbook stack stays as it was trained. */
ClfStatus
clf_judge(ClfTrainer *trainer, ClfError *error)
{
	ClfScores	scores = {trainer->fused_rows, (size_t) clf_trainer_classes(trainer),
	{trainer->best_scores, trainer->best_wide_scores}, trainer->scored_classes};

	if (trainer->config.architecture == CLF_ARCH_LSTM)
		scores.rows = 0;
	clf_fusion_fit(&scores, trainer->fused, trainer->scale);
	trainer->stage = STAGE_DONE;
	if (trainer->judged == 0)
		return CLF_OK;
	scores.rows = trainer->judged;
	trainer->deep_accuracy = branch_accuracy(trainer, trainer->best_scores);
	trainer->wide_accuracy = branch_accuracy(trainer, trainer->best_wide_scores);
	return judge_fused(trainer, &scores, error);
}

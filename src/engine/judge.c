/*
 * judge.c
 *	  What a training came to: how much each branch counts, and the figures of
 *	  the model on its validation rows.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

#define BINS 15					/* of the calibration error */

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

/* Count that a row of one class was called another, or the same. */
static void
count_answer(ClfTrainer *trainer, int is, int said)
{
	int			C = clf_trainer_classes(trainer);

	trainer->confusion[is]++;
	trainer->confusion[C + said]++;
	trainer->confusion[2 * C + is] += is == said;
}

/* Mean of the classes' F1; one that is neither there nor called does not count. */
static double
macro_f1(const int64_t *confusion, int C)
{
	double		sum = 0;
	int			counted = 0;

	for (int k = 0; k < C; k++)
	{
		int64_t		total = confusion[k] + confusion[C + k];

		if (total == 0)
			continue;
		sum += 2.0 * (double) confusion[2 * C + k] / (double) total;
		counted++;
	}
	return counted ? sum / counted : NAN;
}

/* Share of the scored rows that a branch alone gets right; NaN without rows. */
static double
branch_accuracy(const ClfTrainer *trainer, const float *scores)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		correct = 0;

	if (scores == NULL)
		return NAN;
	for (size_t i = 0; i < trainer->scored; i++)
		correct += clf_best(scores + i * C, (int) C) == trainer->scored_classes[i];
	return (double) correct / (double) trainer->scored;
}

/*
 * Accuracy, macro F1 and expected calibration error (the mean over bins of
 * probability of |accuracy - mean probability|, by rows; Naeini et al. 2015) of
 * the fused model on the scored rows.
 */
static void
judge_fused(ClfTrainer *trainer, const ClfScores *scores)
{
	size_t		C = scores->C;
	double		certainty[BINS] = {0};
	double		correct[BINS] = {0};
	double		right = 0;
	double		error = 0;

	memset(trainer->confusion, 0, 3 * C * sizeof *trainer->confusion);
	for (size_t i = 0; i < scores->rows; i++)
	{
		const float *z[CLF_BRANCHES];
		int			said;
		int			bin;

		for (int b = 0; b < CLF_BRANCHES; b++)
			z[b] = scores->z[b] ? scores->z[b] + i * C : NULL;
		clf_fuse(trainer->scale, z, C, trainer->fused);
		(void) clf_softmax(C, trainer->fused, trainer->fused);
		said = clf_best(trainer->fused, (int) C);
		bin = (int) (trainer->fused[said] * BINS);
		bin = bin < BINS ? bin : BINS - 1;
		certainty[bin] += trainer->fused[said];
		correct[bin] += said == scores->classes[i];
		count_answer(trainer, scores->classes[i], said);
	}
	for (int bin = 0; bin < BINS; bin++)
	{
		right += correct[bin];
		error += fabs(correct[bin] - certainty[bin]);
	}
	trainer->accuracy = right / (double) scores->rows;
	trainer->macro_f1 = macro_f1(trainer->confusion, (int) C);
	trainer->calibration_error = error / (double) scores->rows;
}

/* The textbook stack stays as it was trained. */
void
clf_judge(ClfTrainer *trainer)
{
	ClfScores	scores = {trainer->scored, (size_t) clf_trainer_classes(trainer),
	{trainer->best_scores, trainer->wide_scores}, trainer->scored_classes};

	if (trainer->config.architecture == CLF_ARCH_LSTM)
		scores.rows = 0;
	clf_fusion_fit(&scores, trainer->fused, trainer->scale);
	if (trainer->scored > 0)
	{
		scores.rows = trainer->scored;
		trainer->deep_accuracy = branch_accuracy(trainer, trainer->best_scores);
		trainer->wide_accuracy = branch_accuracy(trainer, trainer->wide_scores);
		judge_fused(trainer, &scores);
	}
	trainer->stage = STAGE_DONE;
}

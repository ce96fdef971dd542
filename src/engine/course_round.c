/*
 * course_round.c
 *	  The course of a training after the last epoch: the best weights rounded to
 *	  what the model file holds of them (option storage) and computed with as
 *	  prediction will (option precision).
 *
 * What is left open is tried from the smallest on, and taken if the validation
 * rows are classified nearly as well as by the weights as they were trained.
 * The scores of what is taken are those that the fusion is fitted on.
 */
#include <string.h>

#include "error.h"
#include "storage.h"
#include "trainer.h"

#define MAY_COST 0.001			/* of the validation accuracy, both together */
#define PASS_SCORES 262144		/* floats of scores that a pass on bytes may have */

/* ---- the network on bytes ---- */

/* Most rows of a pass. */
static size_t
pass_rows(const ClfTrainer *trainer)
{
	size_t		rows = PASS_SCORES / (size_t) clf_trainer_classes(trainer);

	return rows < 1 ? 1 : rows < CLF_FORWARD_ROWS ? rows : CLF_FORWARD_ROWS;
}

bool
clf_course_round_memory(const ClfTrainer *trainer, size_t tokens, size_t *size)
{
	const ClfConfig *config = &trainer->config;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	ClfPacked	packed = {.form = CLF_PACKED_BYTES};
	ClfPackedForm form = config->precision == CLF_PRECISION_INT8 ? CLF_PACKED_BYTES : CLF_PACKED_FLOATS;
	size_t		model;
	size_t		trial;

	if (!clf_size_mul(trainer->table.floats, sizeof(float), &model) ||
		!clf_packed_size(config, C, form, size) ||
		!clf_size_add(model, *size, &model) ||
		!clf_packed_size(config, C, CLF_PACKED_BYTES, &trial))
		return false;
	clf_packed_dimensions(&packed, config, C);
	trial += clf_forward_memory(config, &packed, clf_trainer_vocabulary(trainer), tokens) +
		tokens * sizeof(uint32_t) + pass_rows(trainer) * C * sizeof(float);
	*size = config->precision == CLF_PRECISION_FLOAT32 || model > trial ? model : trial;
	return true;
}

void
clf_course_round_free(ClfTrainer *trainer)
{
	ClfTrial   *trial = &trainer->trial;

	clf_forward_free(&trial->forward);
	clf_packed_free(&trial->packed);
	clf_mem_free(&trainer->mem, trial->ids);
	clf_mem_free(&trainer->mem, trial->scores);
	memset(trial, 0, sizeof *trial);
}

/* Pack the evaluated weights as bytes, and begin a pass over the validation rows. */
static ClfStatus
start_bytes(ClfTrainer *trainer, ClfError *error)
{
	ClfTrial   *trial = &trainer->trial;
	ClfModel   *view = &trial->view;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	ClfStatus	status;

	view->config = trainer->config;
	view->table = trainer->table;
	view->weights = clf_team_evaluated(&trainer->team);
	view->words.count = trainer->data.words.count;
	view->labels.count = trainer->data.labels.count;
	trial->max_tokens = trainer->team.member.block->max_tokens;
	trial->ids = clf_mem_alloc(&trainer->mem, trial->max_tokens, sizeof *trial->ids);
	trial->scores = clf_mem_alloc(&trainer->mem, pass_rows(trainer) * C, sizeof(float));
	if (trial->ids == NULL || trial->scores == NULL)
		return clf_fail_memory(error);
	if ((status = clf_packed_init(&trial->packed, view, CLF_PACKED_BYTES, &trainer->mem, error)) != CLF_OK ||
		(status = clf_forward_init(&trial->forward, view, &trial->packed, &trainer->mem,
								   trainer->kernels, error)) != CLF_OK ||
		(status = clf_forward_reserve(&trial->forward, (size_t) trainer->config.maxlen,
									  trial->max_tokens, error)) != CLF_OK)
		return status;
	memset(&trainer->figures, 0, sizeof trainer->figures);
	trainer->position = 0;
	clf_plan_start(&trainer->validating, NULL);
	trainer->stage = STAGE_BYTES_PLAN;
	return CLF_OK;
}

/* Begin a pass over the next rows of the plan, each no longer than the one before. */
static ClfStatus
start_pass(ClfTrainer *trainer, ClfError *error)
{
	ClfTrial   *trial = &trainer->trial;
	ClfDataset *data = &trainer->data;
	size_t		left = clf_trainer_validation_rows(trainer) - trainer->position;
	size_t		limit = pass_rows(trainer) < left ? pass_rows(trainer) : left;
	size_t		tokens = 0;
	size_t		n;

	for (n = 0; n < limit; n++)
	{
		size_t		row = clf_plan_row(&trainer->validating, trainer->position + n);
		size_t		length = clf_dataset_length(data, row);
		ClfStatus	status;

		if (length > trial->max_tokens - tokens ||
			(n > 0 && length > trial->sequences[n - 1].length))
			break;
		status = clf_dataset_read(data, row, error);
		if (status != CLF_OK)
			return status;
		memcpy(trial->ids + tokens, data->sequence, length * sizeof *trial->ids);
		trial->sequences[n] = (ClfSequence) {trial->ids + tokens, length};
		tokens += length;
	}
	trainer->stage = STAGE_BYTES_PASS;
	return clf_forward_start(&trial->forward, n, trial->sequences, error);
}

/* Do an item of the pass; note the scores at its end. */
static void
advance_pass(ClfTrainer *trainer)
{
	ClfTrial   *trial = &trainer->trial;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	float	   *z[CLF_FORWARD_ROWS];

	for (size_t i = 0; i < CLF_FORWARD_ROWS; i++)
		z[i] = trial->scores + (i < pass_rows(trainer) ? i * C : 0);
	if (!clf_forward_advance(&trial->forward, z))
		return;
	for (size_t i = 0; i < trial->forward.rows; i++)
	{
		size_t		position = trainer->position++;
		size_t		row = clf_plan_row(&trainer->validating, position);
		int32_t		class_id = (int32_t) trainer->data.rows[row].label;

		clf_course_keep_scores(trainer, position, z[i]);
		trainer->figures.correct += clf_best(z[i], (int) C) == class_id;
		trainer->figures.loss -= z[i][class_id];
		trainer->figures.loss += clf_softmax(C, z[i], z[i]);
		trainer->figures.rows++;
	}
	trainer->stage = STAGE_BYTES;
	if (trainer->position == clf_trainer_validation_rows(trainer))
	{
		clf_course_round_free(trainer);
		trainer->stage = STAGE_JUDGE_ROUNDED;
	}
}

/* ---- what is tried, and what is taken ---- */

void
clf_course_round(ClfTrainer *trainer)
{
	trainer->tensor = 0;
	trainer->tensor_row = 0;
	trainer->stage = trainer->config.storage == CLF_STORAGE_FLOAT32 ? STAGE_ROUNDED : STAGE_ROUND;
}

/* Round the best weights for the storage at hand. */
static void
start_storage(ClfTrainer *trainer)
{
	memcpy(clf_team_evaluated(&trainer->team), trainer->best, trainer->table.floats * sizeof(float));
	clf_course_round(trainer);
}

void
clf_course_round_start(ClfTrainer *trainer)
{
	bool		known = clf_trainer_validation_rows(trainer) > 0;

	trainer->storage_open = trainer->config.storage < 0;
	trainer->precision_open = trainer->config.precision < 0;
	if (trainer->storage_open)
		trainer->config.storage = known ? CLF_STORAGE_INT8 : CLF_STORAGE_FLOAT32;
	if (trainer->precision_open && !known)
		trainer->config.precision = CLF_PRECISION_FLOAT32;
	start_storage(trainer);
}

/* Round one row. */
static void
round_row(ClfTrainer *trainer)
{
	const ClfTensor *tensor = &trainer->table.tensors[trainer->tensor];

	clf_storage_round_row(&trainer->config, tensor, clf_team_evaluated(&trainer->team) + tensor->offset +
						  trainer->tensor_row * tensor->columns);
	if (++trainer->tensor_row < tensor->rows)
		return;
	trainer->tensor_row = 0;
	if (++trainer->tensor == trainer->table.count)
		trainer->stage = STAGE_ROUNDED;
}

/* The evaluated weights are those of the model. */
static void
take_evaluated(ClfTrainer *trainer)
{
	memcpy(trainer->best, clf_team_evaluated(&trainer->team), trainer->table.floats * sizeof(float));
	clf_course_refit_start(trainer);
}

/* Judge the evaluated weights in single precision; as they were trained they were judged. */
static void
try_floats(ClfTrainer *trainer)
{
	if (trainer->config.storage == CLF_STORAGE_FLOAT32)
		take_evaluated(trainer);
	else
		clf_course_validate(trainer, STAGE_JUDGE_ROUNDED);
}

/* Turn to single precision, which rounds in a way of its own. */
static void
start_floats(ClfTrainer *trainer)
{
	trainer->config.precision = CLF_PRECISION_FLOAT32;
	start_storage(trainer);
}

/* The weights are rounded: on bytes first, unless that is not wanted or cannot be. */
static ClfStatus
try_rounded(ClfTrainer *trainer, ClfError *error)
{
	ClfConfig  *config = &trainer->config;
	bool		known = clf_trainer_validation_rows(trainer) > 0;

	if (config->precision == CLF_PRECISION_FLOAT32)
	{
		try_floats(trainer);
		return CLF_OK;
	}
	config->precision = CLF_PRECISION_INT8;
	if (!clf_weights_in_range(config, clf_team_evaluated(&trainer->team), trainer->table.floats))
	{
		if (!trainer->precision_open)
			return clf_trainer_diverged(trainer, error);
		start_floats(trainer);
		return CLF_OK;
	}
	if (known)
		return start_bytes(trainer, error);
	take_evaluated(trainer);
	return CLF_OK;
}

/* Take what was judged if it costs next to nothing, else try what comes next. */
static void
judge(ClfTrainer *trainer)
{
	const ClfEpoch *best = &trainer->history[trainer->best_epoch - 1];
	ClfConfig  *config = &trainer->config;
	double		accuracy = (double) trainer->figures.correct / (double) trainer->figures.rows;
	bool		costs = best->val_accuracy - accuracy > MAY_COST;

	if (costs && trainer->precision_open && config->precision == CLF_PRECISION_INT8)
		start_floats(trainer);
	else if (costs && trainer->storage_open && config->storage > CLF_STORAGE_FLOAT32)
	{
		config->storage--;
		if (trainer->precision_open)
			config->precision = -1;
		start_storage(trainer);
	}
	else
	{
		take_evaluated(trainer);
		clf_course_swap_scores(trainer);
	}
}

ClfStatus
clf_course_round_advance(ClfTrainer *trainer, ClfError *error)
{
	switch (trainer->stage)
	{
		case STAGE_ROUND:
			round_row(trainer);
			return CLF_OK;
		case STAGE_ROUNDED:
			if (!trainer->refitting)
				return try_rounded(trainer, error);
			clf_course_refit_take(trainer);
			return CLF_OK;
		case STAGE_BYTES_PLAN:
			if (clf_plan_advance(&trainer->validating, &trainer->data))
				trainer->stage = STAGE_BYTES;
			return CLF_OK;
		case STAGE_BYTES:
			return start_pass(trainer, error);
		case STAGE_BYTES_PASS:
			advance_pass(trainer);
			return CLF_OK;
		case STAGE_JUDGE_ROUNDED:
			judge(trainer);
			return CLF_OK;
		default:
			break;
	}
	return CLF_OK;
}

/*
 * trainer.c
 *	  The course of a training: preparing, then the two branches, and the model
 *	  that comes of it.
 *
 * All work is cut into items; clf_trainer_step does as many as fit into a
 * short time.  The order of all arithmetic is fixed by the rows and the
 * configuration, so the same seed gives the same model.
 */
#include "trainer.h"

#include <math.h>
#include <string.h>

#include "error.h"
#include "tokenizer.h"

#define STEP_SECONDS 0.015
#define MAX_SCORES 2000000		/* of held-out rows, that the fusion is fitted on */
#define ENOUGH_SCORED 500		/* rows: in cross-validation, more gained next to nothing */
#define MAX_PARTS 12			/* at the default tenth these are all rows, but for odd ones of a class */
#define MAX_TOKENS 400000		/* of all rows, times the parts that are held out beside the validation rows */

/* ---- life ---- */

ClfStatus
clf_trainer_new(const ClfConfig *config, const ClfHost *host,
				ClfTrainer **trainer, ClfError *error)
{
	ClfMem		mem;
	ClfTrainer *result;
	ClfStatus	status;

	if (!clf_config_valid(config, true))
		return clf_fail(error, CLF_ERR_LIMIT, "an option is out of its range");
	status = clf_config_check(config, error);
	if (status != CLF_OK)
		return status;
	clf_mem_init(&mem, &host->allocator);
	result = clf_mem_alloc_zero(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	result->host = *host;
	result->config = *config;
	clf_config_before_rows(&result->config);
	result->kernels = clf_kernels();
	result->search.most_work = CLF_SEARCH_WORK;
	clf_tally_init(&result->tally, &result->mem);
	clf_dataset_init(&result->data, &result->mem, &result->host, &result->config);
	*trainer = result;
	return CLF_OK;
}

void
clf_trainer_free(ClfTrainer *trainer)
{
	ClfMem		mem;

	if (trainer == NULL)
		return;
	clf_widefit_free(&trainer->fit);
	clf_course_start_free(trainer);
	clf_course_deep_free(trainer);
	clf_dataset_free(&trainer->data);
	clf_mem_free(&trainer->mem, trainer->scored_classes);
	clf_mem_free(&trainer->mem, trainer->deep_scores);
	clf_mem_free(&trainer->mem, trainer->best_scores);
	clf_mem_free(&trainer->mem, trainer->wide_scores);
	clf_mem_free(&trainer->mem, trainer->best_wide_scores);
	clf_mem_free(&trainer->mem, trainer->fused);
	clf_mem_free(&trainer->mem, trainer->class_weight);
	clf_mem_free(&trainer->mem, trainer->even_weight);
	clf_mem_free(&trainer->mem, trainer->class_scores);
	clf_tally_reset(&trainer->tally);
	clf_mem_free(&trainer->mem, trainer->history);
	mem = trainer->mem;			/* the struct holds its own accounting */
	clf_mem_free(&mem, trainer);
}

ClfStatus
clf_trainer_check_budget(const ClfTrainer *trainer, size_t more, ClfError *error)
{
	size_t		needed;

	if (!clf_size_add(trainer->mem.used, more, &needed) ||
		!clf_size_add(needed, trainer->start.model ? clf_model_memory(trainer->start.model) : 0, &needed))
		needed = SIZE_MAX;
	if (needed <= trainer->host.memory_limit)
		return CLF_OK;
	clf_fail(error, CLF_ERR_BUDGET, "the training needs more memory than it may use");
	error->bytes_needed = needed;
	return CLF_ERR_BUDGET;
}

ClfStatus
clf_trainer_diverged(const ClfTrainer *trainer, ClfError *error)
{
	clf_fail(error, CLF_ERR_DIVERGED, "the training diverged in epoch %d", trainer->epochs + 1);
	return clf_detail(error, "The loss or its gradient is no longer a finite number.");
}

ClfStatus
clf_trainer_add(ClfTrainer *trainer, const char *text, size_t text_length,
				const char *label, size_t label_length, ClfError *error)
{
	ClfStatus	status = clf_dataset_add(&trainer->data, text, text_length,
										 label, label_length, error);

	return status == CLF_OK ? clf_trainer_check_budget(trainer, 0, error) : status;
}

/* ---- preparing ---- */

/* row_weight of every class: 1, or rows / (classes * rows of the class) */
static void
set_class_weights(ClfTrainer *trainer)
{
	int			C = clf_trainer_classes(trainer);

	for (int k = 0; k < C; k++)
	{
		trainer->even_weight[k] = 1.0f;
		trainer->class_weight[k] = trainer->config.class_weight == CLF_CLASS_WEIGHT_NONE ?
			1.0f : (float) ((double) trainer->data.count / ((double) C * (double) trainer->data.class_rows[k]));
	}
}

/* How many rows a part has. */
static size_t
part_rows(const ClfDataset *data, uint32_t part)
{
	size_t		rows = 0;

	for (size_t i = 0; i < data->count; i++)
		rows += data->rows[i].part == part;
	return rows;
}

/*
 * Which rows the branches are scored on.  Where validation rows are few, what
 * they say of settings, factors and temperature is as chance has it: then
 * further parts of the rows are held out in their turn, as long as that does not
 * take long.
 */
static void
choose_parts(ClfTrainer *trainer)
{
	const ClfDataset *data = &trainer->data;
	const ClfConfig *config = &trainer->config;
	size_t		most = MAX_SCORES / (size_t) clf_trainer_classes(trainer);
	size_t		tokens = data->stored / sizeof *data->sequence;

	trainer->judged = clf_trainer_validation_rows(trainer) < most ? clf_trainer_validation_rows(trainer) : most;
	trainer->scored = trainer->judged;
	trainer->parts = 1;
	while (config->refit && clf_has_wide(config) && trainer->judged > 0 &&
		   trainer->scored < ENOUGH_SCORED && trainer->parts < MAX_PARTS && (size_t) trainer->parts * tokens <= MAX_TOKENS)
	{
		size_t		rows = part_rows(data, (uint32_t) trainer->parts);

		if (rows == 0 || rows > most - trainer->scored)
			break;
		trainer->scored += rows;
		trainer->parts++;
	}
	trainer->fused_rows = clf_has_deep(config) ? trainer->judged : trainer->scored;
}

static void
set_scored_classes(ClfTrainer *trainer)
{
	const ClfDataset *data = &trainer->data;
	size_t		place = 0;

	for (int part = 0; part < trainer->parts; part++)
		for (size_t i = 0; i < data->count && place < trainer->scored; i++)
			if (data->rows[i].part == (uint32_t) part)
				trainer->scored_classes[place++] = (int32_t) data->rows[i].label;
}

ClfStatus
clf_trainer_hold_out(ClfTrainer *trainer, int part, ClfError *error)
{
	if (part == trainer->part)
		return CLF_OK;
	trainer->part_begin = part == 0 ? 0 : trainer->part_begin + clf_trainer_validation_rows(trainer);
	trainer->part = part;
	return clf_dataset_hold_out(&trainer->data, (uint32_t) part, error);
}

/* What both branches need: weights of classes, and room for scores to compare. */
static ClfStatus
prepare_classes(ClfTrainer *trainer, ClfError *error)
{
	ClfMem	   *mem = &trainer->mem;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	bool		deep = clf_has_deep(&trainer->config);
	bool		wide = clf_has_wide(&trainer->config);
	ClfStatus	status;

	choose_parts(trainer);
	trainer->class_weight = clf_mem_alloc(mem, C, sizeof(float));
	trainer->even_weight = clf_mem_alloc(mem, C, sizeof(float));
	trainer->fused = clf_mem_alloc(mem, C, sizeof(float));
	trainer->class_scores = clf_mem_alloc(mem, C, sizeof *trainer->class_scores);
	trainer->scored_classes = clf_mem_alloc(mem, trainer->scored, sizeof(int32_t));
	if (deep)
	{
		trainer->deep_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
		trainer->best_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
	}
	if (wide)
	{
		trainer->wide_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
		trainer->best_wide_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
	}
	if (!trainer->class_weight || !trainer->even_weight || !trainer->fused ||
		!trainer->class_scores || !trainer->scored_classes ||
		(deep && (!trainer->deep_scores || !trainer->best_scores)) ||
		(wide && (!trainer->wide_scores || !trainer->best_wide_scores)))
		return clf_fail_memory(error);
	/* there are no more cells than answers or, with few classes, pairs of them */
	status = clf_tally_reserve(&trainer->tally, trainer->judged < C * C ? trainer->judged : C * C, error);
	if (status == CLF_OK)
		status = clf_course_start_prepare(trainer, error);
	if (status != CLF_OK)
		return status;

	set_class_weights(trainer);
	set_scored_classes(trainer);
	trainer->best_loss = INFINITY;
	trainer->accuracy = trainer->macro_f1 = NAN;
	trainer->deep_accuracy = trainer->wide_accuracy = trainer->calibration_error = NAN;
	trainer->training_start = clf_trainer_now(trainer);
	if (wide)
		clf_course_wide_start(trainer);
	else
	{
		clf_dataset_forget_tokens(&trainer->data);
		trainer->stage = STAGE_ALLOCATE;
	}
	return clf_trainer_check_budget(trainer, 0, error);
}

/* ---- steps ---- */

/* Do one item of work. */
static ClfStatus
advance(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status = CLF_OK;

	switch (trainer->stage)
	{
		case STAGE_ROWS:
			status = clf_dataset_prepare(&trainer->data, error);
			if (status == CLF_OK)
				status = clf_trainer_check_budget(trainer, 0, error);
			if (trainer->data.stage == CLF_PREPARE_DONE)
				trainer->stage = STAGE_CLASSES;
			return status;
		case STAGE_CLASSES:
			return prepare_classes(trainer, error);
		case STAGE_WIDE:
		case STAGE_WIDE_SCORES:
		case STAGE_WIDE_REFIT:
			return clf_course_wide_advance(trainer, error);
		case STAGE_VECTORS:
		case STAGE_INITIALISE:
			return clf_course_start_advance(trainer, error);
		case STAGE_REFIT:
		case STAGE_PART_SCORED:
			return clf_course_refit_advance(trainer, error);
		case STAGE_FUSE:
			clf_team_free(&trainer->team);
			return clf_judge(trainer, error);
		case STAGE_DONE:
			return CLF_OK;
		default:
			return clf_course_deep_advance(trainer, error);
	}
}

static ClfPhase
phase_of(ClfTrainerStage stage)
{
	if (stage < STAGE_EPOCH)
		return CLF_PHASE_PREPARE;
	if (stage < STAGE_VALIDATE)
		return CLF_PHASE_TRAIN;
	return stage < STAGE_DONE ? CLF_PHASE_VALIDATE : CLF_PHASE_DONE;
}

static bool
epochs_ended(const ClfTrainer *trainer)
{
	return trainer->stage >= STAGE_ROUND || trainer->after_validation == STAGE_JUDGE_ROUNDED;
}

static void
report(const ClfTrainer *trainer, ClfProgress *progress)
{
	double		rows = (double) trainer->figures.rows;

	memset(progress, 0, sizeof *progress);
	progress->phase = phase_of(trainer->stage);
	progress->epochs = trainer->config.epochs;
	progress->epoch = trainer->epochs + (epochs_ended(trainer) ? 0 : 1);
	progress->rows = (int64_t) trainer->data.training_rows;
	progress->rows_done = trainer->figures.rows;
	progress->loss = rows > 0 ? trainer->figures.loss / rows : NAN;
	progress->accuracy = rows > 0 ? (double) trainer->figures.correct / rows : NAN;
	progress->epoch_ended = trainer->epoch_ended;
	progress->linear = trainer->stage >= STAGE_WIDE && trainer->stage <= STAGE_WIDE_REFIT;
	progress->waiting = trainer->waiting;
	if (trainer->epochs > 0)
		progress->last_epoch = trainer->history[trainer->epochs - 1];
	if (trainer->refitting)
	{
		progress->epochs = trainer->epochs + clf_course_refit_times(trainer) * trainer->best_epoch;
		progress->epoch = trainer->epochs + trainer->refit_epochs + (trainer->stage <= STAGE_VALIDATE ? 1 : 0);
		progress->rows = (int64_t) trainer->training.count;
		if (trainer->refit_epochs > 0)
			progress->last_epoch = trainer->refit_epoch;
	}
}

ClfStatus
clf_trainer_step(ClfTrainer *trainer, ClfProgress *progress, ClfError *error)
{
	unsigned int fpu = clf_fpu_enter();
	double		start = clf_trainer_now(trainer);
	ClfStatus	status;

	trainer->epoch_ended = false;
	trainer->waiting = false;
	do
		status = advance(trainer, error);
	while (status == CLF_OK && trainer->stage != STAGE_DONE && !trainer->epoch_ended &&
		   !trainer->waiting && clf_trainer_now(trainer) - start < STEP_SECONDS);
	clf_fpu_leave(fpu);
	if (status == CLF_OK)
		report(trainer, progress);
	return status;
}

int64_t
clf_trainer_parameters(const ClfTrainer *trainer)
{
	return trainer->table.parameters + clf_wide_parameters(&trainer->fit.wide);
}

bool
clf_trainer_is_validation(const ClfTrainer *trainer, uint64_t ordinal)
{
	return clf_dataset_is_validation(&trainer->data, ordinal);
}

/* ---- the model ---- */

/* Give the words and labels of the training to the model. */
static ClfStatus
copy_strings(const ClfVocab *from, ClfVocab *to, ClfError *error)
{
	for (uint32_t i = 0; i < from->count; i++)
	{
		size_t		length;
		const char *string = clf_vocab_string(from, i, &length);
		uint32_t	index;
		ClfStatus	status = clf_vocab_add(to, string, length, &index, error);

		if (status != CLF_OK)
			return status;
	}
	return CLF_OK;
}

/* Give the linear branch to the model. */
static ClfStatus
copy_wide(const ClfWide *from, ClfWide *to, ClfMem *mem, ClfError *error)
{
	ClfStatus	status = clf_wide_allocate(to, mem, from->F, from->C, error);

	if (status != CLF_OK)
		return status;
	memcpy(to->hashes, from->hashes, from->F * sizeof *to->hashes);
	memcpy(to->idf, from->idf, from->F * sizeof *to->idf);
	memcpy(to->kernel, from->kernel, from->F * from->C * sizeof *to->kernel);
	memcpy(to->bias, from->bias, from->C * sizeof *to->bias);
	return CLF_OK;
}

static ClfStatus
fill_model(ClfTrainer *trainer, ClfModel *model, ClfError *error)
{
	ClfStatus	status;

	model->config = trainer->config;
	model->tokenizer_version = CLF_TOKENIZER_VERSION;
	strncpy(model->icu_version, clf_icu_version(), sizeof model->icu_version - 1);
	if ((status = copy_strings(&trainer->data.words, &model->words, error)) != CLF_OK ||
		(status = copy_strings(&trainer->data.labels, &model->labels, error)) != CLF_OK ||
		(status = clf_model_allocate(model, error)) != CLF_OK)
		return status;
	memcpy(model->word_rows, trainer->data.word_rows,
		   model->words.count * sizeof *model->word_rows);
	if (clf_has_deep(&model->config))
		memcpy(model->weights, trainer->best, trainer->table.floats * sizeof(float));
	memcpy(model->scale, trainer->scale, sizeof model->scale);
	if (clf_has_wide(&model->config) &&
		(status = copy_wide(&trainer->fit.wide, &model->wide, &model->mem, error)) != CLF_OK)
		return status;
	if (!clf_weights_in_range(&model->config, model->weights, trainer->table.floats))
		return clf_trainer_diverged(trainer, error);
	return clf_model_prepare(model, error);
}

static void
summarise(ClfTrainer *trainer, ClfSummary *summary)
{
	memset(summary, 0, sizeof *summary);
	summary->rows = (int64_t) trainer->data.count;
	summary->training_rows = (int64_t) trainer->data.training_rows;
	summary->validation_rows = (int64_t) clf_trainer_validation_rows(trainer);
	summary->classes = clf_trainer_classes(trainer);
	summary->vocabulary = (int) clf_trainer_vocabulary(trainer);
	summary->parameters = clf_trainer_parameters(trainer);
	summary->epochs = trainer->epochs;
	summary->best_epoch = trainer->best_epoch;
	summary->out_of_time = trainer->out_of_time;
	summary->accuracy = trainer->accuracy;
	summary->macro_f1 = trainer->macro_f1;
	summary->deep_accuracy = trainer->deep_accuracy;
	summary->wide_accuracy = trainer->wide_accuracy;
	summary->wide_rows = (int64_t) trainer->fit.learned;
	summary->wide_rows_wanted = (int64_t) trainer->fit.rows;
	summary->unknown_tokens = trainer->data.unknown_tokens;
	summary->calibration_error = trainer->calibration_error;
	summary->cells = clf_tally_cells(&trainer->tally, &summary->cell_count);
	summary->bins = clf_tally_bins(&trainer->tally);
	summary->history = trainer->history;
	summary->class_rows = trainer->data.class_rows;
}

ClfStatus
clf_trainer_finish(ClfTrainer *trainer, ClfModel **model, ClfSummary *summary,
				   ClfError *error)
{
	ClfModel   *result;
	ClfStatus	status = clf_model_new(&trainer->host.allocator, &result, error);

	if (status != CLF_OK)
		return status;
	status = fill_model(trainer, result, error);
	if (status != CLF_OK)
	{
		clf_model_free(result);
		return status;
	}
	summarise(trainer, summary);
	*model = result;
	return CLF_OK;
}

/*
 * course_deep.c
 *	  The course of the network's training: memory and initial weights, epochs of
 *	  updates, validation after each, and when to stop.
 */
#include <math.h>
#include <string.h>

#include "error.h"
#include "storage.h"
#include "trainer.h"

#define SHARD_TOKENS 4096		/* unless a single row has more */
#define SHARD_ROWS 1024
#define STORAGE_MAY_COST 0.001	/* of the validation accuracy */

/* Streams of random numbers. */
#define STREAM_WEIGHTS 0
#define STREAM_ORDER 1
#define STREAM_DROPOUT 2

/* ---- the network: memory and initial weights ---- */

/* The most tokens and rows of a shard. */
static void
shard_limits(const ClfTrainer *trainer, size_t *tokens, size_t *rows)
{
	size_t		maxlen = (size_t) trainer->config.maxlen;
	size_t		batch = (size_t) trainer->config.batch_size;

	*rows = batch < SHARD_ROWS ? batch : SHARD_ROWS;
	*tokens = *rows * maxlen < SHARD_TOKENS ? *rows * maxlen : SHARD_TOKENS;
	if (*tokens < maxlen)
		*tokens = maxlen;
}

/* What the training will take on top of what it holds; SIZE_MAX if too much. */
static size_t
estimate(const ClfTrainer *trainer)
{
	size_t		tokens;
	size_t		rows;
	size_t		blocks;
	size_t		packed;			/* of the finished model */
	size_t		sums;
	size_t		total;
	size_t		E = (size_t) trainer->config.embedding_dim;
	size_t		distinct = (size_t) trainer->config.batch_size * (size_t) trainer->config.maxlen;

	shard_limits(trainer, &tokens, &rows);
	if (distinct > clf_trainer_vocabulary(trainer))
		distinct = clf_trainer_vocabulary(trainer);
	/* weights, evaluated, best and the finished model; the dense gradient */
	if (!clf_size_mul(trainer->table.floats, 5 * sizeof(float), &blocks) ||
		!clf_packed_size(&trainer->config, (size_t) clf_trainer_classes(trainer), false, &packed) ||
		!clf_size_add(blocks, packed, &blocks) ||
		!clf_size_mul(distinct, 2 * E * sizeof(float), &sums) ||
		!clf_size_add(blocks, sums, &total) ||
		!clf_size_add(total, clf_optimizer_memory(&trainer->config, &trainer->table), &total) ||
		!clf_size_add(total, clf_network_memory(&trainer->config, &trainer->table,
												tokens, rows, true), &total) ||
		!clf_size_add(total, clf_sharder_memory(tokens, rows, clf_trainer_vocabulary(trainer)), &total) ||
		!clf_size_add(total, trainer->data.count * (sizeof(uint64_t) + sizeof(uint32_t)), &total))
		return SIZE_MAX;
	return total;
}

static ClfStatus
allocate(ClfTrainer *trainer, ClfError *error)
{
	ClfMem	   *mem = &trainer->mem;
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		tokens;
	size_t		rows;
	ClfStatus	status;

	status = clf_tensor_table(&trainer->config, clf_trainer_vocabulary(trainer), C, &trainer->table, error);
	if (status == CLF_OK)
		status = clf_trainer_check_budget(trainer, estimate(trainer), error);
	if (status != CLF_OK)
		return status;

	trainer->weights = clf_mem_alloc_zero(mem, trainer->table.floats, sizeof(float));
	trainer->evaluated = clf_mem_alloc(mem, trainer->table.floats, sizeof(float));
	trainer->best = clf_mem_alloc(mem, trainer->table.floats, sizeof(float));
	trainer->dense_gradient = clf_mem_alloc_zero(mem, clf_dense_floats(&trainer->table), sizeof(float));
	trainer->row_sum.place = clf_mem_alloc_zero(mem, clf_trainer_vocabulary(trainer), sizeof(uint32_t));
	if (!trainer->weights || !trainer->evaluated || !trainer->best ||
		!trainer->dense_gradient || !trainer->row_sum.place)
		return clf_fail_memory(error);

	shard_limits(trainer, &tokens, &rows);
	if ((status = clf_network_init(&trainer->network, mem, &trainer->config, &trainer->table,
								   trainer->kernels, trainer->host.sgemm, tokens, rows,
								   true, error)) != CLF_OK ||
		(status = clf_optimizer_init(&trainer->optimizer, mem, &trainer->config, &trainer->table,
									 trainer->kernels, error)) != CLF_OK ||
		(status = clf_sharder_init(&trainer->sharder, mem, tokens, rows,
								   clf_trainer_vocabulary(trainer), error)) != CLF_OK ||
		(status = clf_plan_init(&trainer->training, mem, 0, trainer->data.training_rows,
								(size_t) trainer->config.batch_size, error)) != CLF_OK ||
		(status = clf_plan_init(&trainer->validating, mem, trainer->data.training_rows,
								clf_trainer_validation_rows(trainer), rows, error)) != CLF_OK)
		return status;

	clf_rng_seed(&trainer->weights_rng, (uint64_t) trainer->config.seed, STREAM_WEIGHTS);
	clf_rng_seed(&trainer->order_rng, (uint64_t) trainer->config.seed, STREAM_ORDER);
	clf_rng_seed(&trainer->dropout_rng, (uint64_t) trainer->config.seed, STREAM_DROPOUT);
	trainer->stage = STAGE_INITIALISE;
	return CLF_OK;
}

/* Set one row of the weights. */
static void
initialise(ClfTrainer *trainer)
{
	const ClfTensor *tensor = &trainer->table.tensors[trainer->tensor];

	clf_tensor_init_row(tensor, trainer->tensor_row, trainer->weights + tensor->offset,
						&trainer->weights_rng);
	if (++trainer->tensor_row < tensor->rows)
		return;
	trainer->tensor_row = 0;
	if (++trainer->tensor == trainer->table.count)
		trainer->stage = STAGE_EPOCH;
}

void
clf_course_deep_free(ClfTrainer *trainer)
{
	clf_network_free(&trainer->network);
	clf_optimizer_free(&trainer->optimizer);
	clf_sharder_free(&trainer->sharder);
	clf_plan_free(&trainer->training);
	clf_plan_free(&trainer->validating);
	clf_mem_free(&trainer->mem, trainer->weights);
	clf_mem_free(&trainer->mem, trainer->evaluated);
	clf_mem_free(&trainer->mem, trainer->best);
	clf_mem_free(&trainer->mem, trainer->dense_gradient);
	clf_mem_free(&trainer->mem, trainer->row_sum.place);
	clf_mem_free(&trainer->mem, trainer->row_sum.rows);
	clf_mem_free(&trainer->mem, trainer->row_sum.values);
}

/* ---- an epoch of updates ---- */

static void
add_figures(ClfFigures *figures, const ClfNetwork *network)
{
	figures->loss += network->loss;
	figures->correct += network->correct;
	figures->rows += network->shard->rows;
}

static void
start_epoch(ClfTrainer *trainer)
{
	memset(&trainer->figures, 0, sizeof trainer->figures);
	trainer->epoch_start = clf_trainer_now(trainer);
	clf_plan_start(&trainer->training, &trainer->order_rng);
	trainer->stage = STAGE_PLAN;
}

static void
start_batch(ClfTrainer *trainer, size_t batch)
{
	trainer->batch = batch;
	clf_plan_batch(&trainer->training, batch, &trainer->batch_begin, &trainer->batch_end);
	trainer->position = trainer->batch_begin;
	memset(trainer->dense_gradient, 0, clf_dense_floats(&trainer->table) * sizeof(float));
	trainer->stage = STAGE_SHARD;
}

static ClfStatus
start_shard(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status = clf_sharder_fill(&trainer->sharder, &trainer->data, &trainer->training,
										  &trainer->position, trainer->batch_end,
										  trainer->class_weight, &trainer->dropout_rng, error);

	if (status != CLF_OK)
		return status;
	trainer->shard_gradient.dense = trainer->dense_gradient;
	clf_network_start(&trainer->network, trainer->weights, &trainer->sharder.shard,
					  &trainer->shard_gradient,
					  1.0f / (float) (trainer->batch_end - trainer->batch_begin),
					  &trainer->dropout_rng);
	trainer->stage = STAGE_PASS;
	return CLF_OK;
}

/* Add the embedding gradients of a shard to those of the batch. */
static ClfStatus
sum_rows(ClfTrainer *trainer, ClfError *error)
{
	ClfRowSum  *sum = &trainer->row_sum;
	const ClfGradient *shard = &trainer->shard_gradient;
	size_t		E = (size_t) trainer->config.embedding_dim;

	if (!clf_mem_grow(&trainer->mem, (void **) &sum->rows, &sum->rows_capacity,
					  (size_t) sum->count + shard->nrows, sizeof *sum->rows) ||
		!clf_mem_grow(&trainer->mem, (void **) &sum->values, &sum->values_capacity,
					  ((size_t) sum->count + shard->nrows) * E, sizeof *sum->values))
		return clf_fail_memory(error);
	for (uint32_t i = 0; i < shard->nrows; i++)
	{
		uint32_t   *place = &sum->place[shard->rows[i]];

		if (*place == 0)
		{
			sum->rows[sum->count++] = shard->rows[i];
			*place = sum->count;
			memset(sum->values + (*place - 1) * E, 0, E * sizeof(float));
		}
		trainer->kernels->axpy(E, 1.0f, shard->values + i * E, sum->values + (*place - 1) * E);
	}
	return CLF_OK;
}

static ClfStatus
finish_shard(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status = sum_rows(trainer, error);

	add_figures(&trainer->figures, &trainer->network);
	trainer->stage = trainer->position < trainer->batch_end ? STAGE_SHARD : STAGE_UPDATE;
	return status;
}

static bool
time_is_up(ClfTrainer *trainer)
{
	if (trainer->config.max_seconds > 0 &&
		clf_trainer_now(trainer) - trainer->training_start > trainer->config.max_seconds)
		trainer->out_of_time = true;
	return trainer->out_of_time;
}

static ClfStatus
update(ClfTrainer *trainer, ClfError *error)
{
	ClfRowSum  *sum = &trainer->row_sum;
	ClfGradient gradient = {trainer->dense_gradient, sum->count, sum->rows, sum->values};
	uint64_t	total = (uint64_t) trainer->training.batches * (uint64_t) trainer->config.epochs;

	if (!isfinite(clf_gradient_clip(&trainer->optimizer, &gradient, trainer->config.clip_norm)) ||
		!isfinite(trainer->figures.loss))
		return clf_trainer_diverged(trainer, error);
	clf_optimizer_step(&trainer->optimizer, trainer->weights, &gradient,
					   clf_learning_rate(&trainer->config, trainer->optimizer.step, total));
	for (uint32_t i = 0; i < sum->count; i++)
		sum->place[sum->rows[i]] = 0;
	sum->count = 0;

	if (trainer->batch + 1 < trainer->training.batches && !time_is_up(trainer))
		start_batch(trainer, trainer->batch + 1);
	else
		trainer->stage = STAGE_VALIDATE;
	return CLF_OK;
}

/* ---- validation ---- */

/* Begin a pass over the validation rows, of the evaluated weights. */
static void
validate(ClfTrainer *trainer, ClfTrainerStage next)
{
	memset(&trainer->figures, 0, sizeof trainer->figures);
	trainer->position = 0;
	trainer->after_validation = next;
	trainer->stage = next;
	if (clf_trainer_validation_rows(trainer) > 0)
	{
		clf_plan_start(&trainer->validating, NULL);
		trainer->stage = STAGE_VALIDATION_PLAN;
	}
}

/* Begin the epoch's entry in the history, and the validation. */
static ClfStatus
start_validation(ClfTrainer *trainer, ClfError *error)
{
	ClfEpoch   *epoch;

	if (!clf_mem_grow(&trainer->mem, (void **) &trainer->history, &trainer->history_capacity,
					  (size_t) trainer->epochs + 1, sizeof *trainer->history))
		return clf_fail_memory(error);
	epoch = &trainer->history[trainer->epochs];
	epoch->loss = trainer->figures.loss / (double) trainer->figures.rows;
	epoch->accuracy = (double) trainer->figures.correct / (double) trainer->figures.rows;
	epoch->val_loss = NAN;
	epoch->val_accuracy = NAN;

	clf_optimizer_evaluated(&trainer->optimizer, trainer->weights, trainer->evaluated);
	validate(trainer, STAGE_JUDGE);
	return CLF_OK;
}

static ClfStatus
start_validation_shard(ClfTrainer *trainer, ClfError *error)
{
	ClfPlan    *plan = &trainer->validating;
	size_t		begin;
	size_t		end;
	ClfStatus	status;

	clf_plan_batch(plan, trainer->position / plan->batch_size, &begin, &end);
	status = clf_sharder_fill(&trainer->sharder, &trainer->data, plan, &trainer->position,
							  end, trainer->even_weight, NULL, error);
	if (status != CLF_OK)
		return status;
	clf_network_start(&trainer->network, trainer->evaluated, &trainer->sharder.shard,
					  NULL, 0.0f, NULL);
	trainer->shard_begin = trainer->position - (size_t) trainer->sharder.shard.rows;
	trainer->stage = STAGE_VALIDATION_PASS;
	return CLF_OK;
}

/* Keep the network's scores of a row of the shard for the fusion. */
static void
keep_scores(ClfTrainer *trainer, int row)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		place = clf_plan_row(&trainer->validating, trainer->shard_begin + (size_t) row) -
		trainer->data.training_rows;

	if (place < trainer->scored)
		memcpy(trainer->deep_scores + place * C, trainer->network.d_logits + (size_t) row * C,
			   C * sizeof(float));
}

static void
finish_validation_shard(ClfTrainer *trainer)
{
	for (int row = 0; row < trainer->sharder.shard.rows; row++)
		keep_scores(trainer, row);
	add_figures(&trainer->figures, &trainer->network);
	trainer->stage = trainer->position < clf_trainer_validation_rows(trainer) ?
		STAGE_VALIDATION_SHARD : trainer->after_validation;
}

/* The scores of the last validation become those of the model. */
static void
swap_scores(ClfTrainer *trainer)
{
	float	   *scores = trainer->deep_scores;

	trainer->deep_scores = trainer->best_scores;
	trainer->best_scores = scores;
}

/* ---- the weights as the model file holds them ---- */

/* Begin to round the best weights for the storage at hand. */
static void
start_rounding(ClfTrainer *trainer)
{
	memcpy(trainer->evaluated, trainer->best, trainer->table.floats * sizeof(float));
	trainer->tensor = 0;
	trainer->tensor_row = 0;
	trainer->stage = trainer->config.storage == CLF_STORAGE_FLOAT32 ? STAGE_FUSE : STAGE_ROUND;
}

/* After the last epoch: the storage that was asked for or, first, the smallest. */
static void
start_storage(ClfTrainer *trainer)
{
	trainer->storage_open = trainer->config.storage < 0;
	if (trainer->storage_open)
		trainer->config.storage = clf_trainer_validation_rows(trainer) > 0 ?
			CLF_STORAGE_INT8 : CLF_STORAGE_FLOAT32;
	start_rounding(trainer);
}

/* Round one row. */
static void
round_row(ClfTrainer *trainer)
{
	const ClfTensor *tensor = &trainer->table.tensors[trainer->tensor];

	clf_storage_round_row(&trainer->config, tensor, trainer->evaluated + tensor->offset +
						  trainer->tensor_row * tensor->columns);
	if (++trainer->tensor_row < tensor->rows)
		return;
	trainer->tensor_row = 0;
	if (++trainer->tensor == trainer->table.count)
		validate(trainer, STAGE_JUDGE_ROUNDED);
}

/* Take the rounded weights if they cost next to nothing, else try the next storage. */
static void
judge_rounded(ClfTrainer *trainer)
{
	const ClfEpoch *best = &trainer->history[trainer->best_epoch - 1];
	double		accuracy = (double) trainer->figures.correct / (double) trainer->figures.rows;

	if (trainer->storage_open && best->val_accuracy - accuracy > STORAGE_MAY_COST)
	{
		trainer->config.storage--;
		start_rounding(trainer);
		return;
	}
	memcpy(trainer->best, trainer->evaluated, trainer->table.floats * sizeof(float));
	swap_scores(trainer);
	trainer->stage = STAGE_FUSE;
}

/* ---- the end of an epoch ---- */

/* Is the epoch that just ended better than all before?  Without validation, always. */
static bool
is_best(const ClfTrainer *trainer, const ClfEpoch *epoch)
{
	return clf_trainer_validation_rows(trainer) == 0 || epoch->val_loss < trainer->best_loss;
}

/* Complete the epoch's figures, keep its weights if they are the best, go on or stop. */
static ClfStatus
end_epoch(ClfTrainer *trainer, ClfError *error)
{
	ClfEpoch   *epoch = &trainer->history[trainer->epochs];
	int			patience = trainer->config.early_stopping;

	if (trainer->figures.rows > 0)
	{
		epoch->val_loss = trainer->figures.loss / (double) trainer->figures.rows;
		epoch->val_accuracy = (double) trainer->figures.correct / (double) trainer->figures.rows;
		if (!isfinite(epoch->val_loss))
			return clf_trainer_diverged(trainer, error);
	}
	epoch->seconds = clf_trainer_now(trainer) - trainer->epoch_start;
	trainer->epochs++;
	trainer->epoch_ended = true;
	if (is_best(trainer, epoch))
	{
		trainer->best_epoch = trainer->epochs;
		trainer->best_loss = epoch->val_loss;
		memcpy(trainer->best, trainer->evaluated, trainer->table.floats * sizeof(float));
		swap_scores(trainer);
	}
	if (trainer->epochs == trainer->config.epochs || trainer->out_of_time ||
		(patience > 0 && trainer->epochs - trainer->best_epoch >= patience))
		start_storage(trainer);
	else
		trainer->stage = STAGE_EPOCH;
	return CLF_OK;
}

/* ---- stages ---- */

ClfStatus
clf_course_deep_advance(ClfTrainer *trainer, ClfError *error)
{
	ClfStatus	status = CLF_OK;

	switch (trainer->stage)
	{
		case STAGE_ALLOCATE:
			return allocate(trainer, error);
		case STAGE_INITIALISE:
			initialise(trainer);
			return CLF_OK;
		case STAGE_EPOCH:
			start_epoch(trainer);
			return CLF_OK;
		case STAGE_PLAN:
			if (clf_plan_advance(&trainer->training, &trainer->data))
				start_batch(trainer, 0);
			return CLF_OK;
		case STAGE_SHARD:
			return start_shard(trainer, error);
		case STAGE_PASS:
			if (clf_network_advance(&trainer->network))
				status = finish_shard(trainer, error);
			return status;
		case STAGE_UPDATE:
			return update(trainer, error);
		case STAGE_VALIDATE:
			return start_validation(trainer, error);
		case STAGE_VALIDATION_PLAN:
			if (clf_plan_advance(&trainer->validating, &trainer->data))
				trainer->stage = STAGE_VALIDATION_SHARD;
			return CLF_OK;
		case STAGE_VALIDATION_SHARD:
			return start_validation_shard(trainer, error);
		case STAGE_VALIDATION_PASS:
			if (clf_network_advance(&trainer->network))
				finish_validation_shard(trainer);
			return CLF_OK;
		case STAGE_JUDGE:
			return end_epoch(trainer, error);
		case STAGE_ROUND:
			round_row(trainer);
			return CLF_OK;
		case STAGE_JUDGE_ROUNDED:
			judge_rounded(trainer);
			return CLF_OK;
		default:
			break;
	}
	return CLF_OK;
}

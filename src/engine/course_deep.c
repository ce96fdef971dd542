/*
 * course_deep.c
 *	  The course of the network's training: memory, epochs of updates, validation
 *	  after each, and when to stop.  What comes after the last epoch is in
 *	  course_round.c.
 */
#include <math.h>
#include <string.h>

#include "error.h"
#include "trainer.h"

#define SHARD_TOKENS 4096		/* unless a single row has more */
#define SHARD_ROWS 1024
#define PERTURBATION 0.2f		/* in cross-validation, 0.1 to 0.3 were about as good */

/* Streams of random numbers. */
#define STREAM_WEIGHTS 0
#define STREAM_ORDER 1
#define STREAM_DROPOUT 2		/* and the numbers that follow: one for every shard */

/* ---- the network: memory ---- */

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
estimate(const ClfTrainer *trainer, int helpers)
{
	size_t		tokens;
	size_t		rows;
	size_t		blocks;
	size_t		last;			/* what comes after the last epoch */
	size_t		sums;
	size_t		total;
	size_t		E = (size_t) trainer->config.embedding_dim;
	size_t		distinct = (size_t) trainer->config.batch_size * (size_t) trainer->config.maxlen;

	shard_limits(trainer, &tokens, &rows);
	if (distinct > clf_trainer_vocabulary(trainer))
		distinct = clf_trainer_vocabulary(trainer);
	/* best, the dense gradient and the first weights */
	if (!clf_size_mul(trainer->table.floats, (clf_course_refit_times(trainer) > 0 ? 3 : 2) * sizeof(float), &blocks) ||
		!clf_course_round_memory(trainer, tokens, &last) ||
		!clf_size_add(blocks, last, &blocks) ||
		!clf_size_mul(distinct, 2 * E * sizeof(float), &sums) ||
		!clf_size_add(blocks, sums, &total) ||
		!clf_size_add(total, clf_optimizer_memory(&trainer->config, &trainer->table), &total) ||
		!clf_size_add(total, clf_team_memory(&trainer->config, &trainer->table,
											 tokens, rows, helpers), &total) ||
		!clf_size_add(total, clf_sharder_memory(tokens, clf_trainer_vocabulary(trainer)), &total) ||
		!clf_size_add(total, trainer->data.count * (sizeof(uint64_t) + sizeof(uint32_t)), &total) ||
		!clf_size_add(total, clf_trainer_vocabulary(trainer) * sizeof *trainer->row_sum.learned, &total))
		return SIZE_MAX;
	return total;
}

/* How many helpers there is memory for. */
static int
affordable_helpers(const ClfTrainer *trainer)
{
	int			helpers = trainer->host.team.helpers;
	ClfError	unused;

	while (helpers > 0 &&
		   clf_trainer_check_budget(trainer, estimate(trainer, helpers), &unused) != CLF_OK)
		helpers--;
	return helpers;
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
		status = clf_trainer_check_budget(trainer, estimate(trainer, 0), error);
	if (status != CLF_OK)
		return status;

	trainer->best = clf_mem_alloc(mem, trainer->table.floats, sizeof(float));
	if (clf_course_refit_times(trainer) > 0)
		trainer->first = clf_mem_alloc(mem, trainer->table.floats, sizeof(float));
	trainer->dense_gradient = clf_mem_alloc_zero(mem, clf_dense_floats(&trainer->table), sizeof(float));
	trainer->row_sum.place = clf_mem_alloc_zero(mem, clf_trainer_vocabulary(trainer), sizeof(uint32_t));
	if (trainer->parts > 1)
		trainer->row_sum.learned = clf_mem_alloc_zero(mem, clf_trainer_vocabulary(trainer), sizeof(bool));
	if (!trainer->best || (clf_course_refit_times(trainer) > 0 && !trainer->first) ||
		!trainer->dense_gradient || !trainer->row_sum.place ||
		(trainer->parts > 1 && !trainer->row_sum.learned))
		return clf_fail_memory(error);

	shard_limits(trainer, &tokens, &rows);
	if ((status = clf_team_init(&trainer->team, mem, &trainer->host, &trainer->config,
								&trainer->table, tokens, rows, affordable_helpers(trainer),
								error)) != CLF_OK ||
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
	clf_course_seed_epochs(trainer);
	trainer->stage = STAGE_VECTORS;
	return CLF_OK;
}

void
clf_course_deep_free(ClfTrainer *trainer)
{
	clf_course_round_free(trainer);
	clf_team_free(&trainer->team);
	clf_optimizer_free(&trainer->optimizer);
	clf_sharder_free(&trainer->sharder);
	clf_plan_free(&trainer->training);
	clf_plan_free(&trainer->validating);
	clf_mem_free(&trainer->mem, trainer->best);
	clf_mem_free(&trainer->mem, trainer->first);
	clf_mem_free(&trainer->mem, trainer->dense_gradient);
	clf_mem_free(&trainer->mem, trainer->row_sum.place);
	clf_mem_free(&trainer->mem, trainer->row_sum.learned);
	clf_mem_free(&trainer->mem, trainer->row_sum.rows);
	clf_mem_free(&trainer->mem, trainer->row_sum.values);
}

/* ---- an epoch of updates ---- */

void
clf_course_seed_epochs(ClfTrainer *trainer)
{
	clf_rng_seed(&trainer->order_rng, (uint64_t) trainer->config.seed, STREAM_ORDER);
	trainer->shards = 0;
}

static void
add_figures(ClfFigures *figures, const ClfSlot *slot)
{
	figures->loss += slot->loss;
	figures->correct += slot->correct;
	figures->rows += slot->rows;
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
	trainer->shard_tokens = clf_plan_shard_tokens(&trainer->training, &trainer->data,
												  trainer->batch_begin, trainer->batch_end,
												  trainer->team.member.block->max_tokens);
	trainer->filled = 0;
	trainer->stage = STAGE_SHARD;
}

/* Fill the next slot of the round with rows of a plan. */
static ClfStatus
fill_slot(ClfTrainer *trainer, const ClfPlan *plan, size_t end, size_t tokens,
		  const float *class_weight, ClfRng *rng, ClfError *error)
{
	ClfTeam    *team = &trainer->team;
	ClfShard	shard = clf_team_shard(team, trainer->filled);
	ClfStatus	status;

	if (trainer->filled == 0)
		trainer->round_begin = trainer->position;
	status = clf_sharder_fill(&trainer->sharder, &trainer->data, plan, &trainer->position,
							  end, tokens, class_weight, rng, &shard, error);
	if (status == CLF_OK)
		clf_team_keep(team, trainer->filled++, &shard);
	return status;
}

/*
 * How far embeddings are moved against the network, see clf_network_start.
 * Where rows are few, that is worth the second way through each shard; by
 * itself, the network learns as it is told.
 */
static float
perturbation(const ClfTrainer *trainer)
{
	return trainer->config.architecture == CLF_ARCH_HYBRID && trainer->data.count < CLF_FEW_ROWS ?
		PERTURBATION : 0.0f;
}

/* Prepare a shard of the batch; when all slots or rows are used, compute them. */
static ClfStatus
start_shard(ClfTrainer *trainer, ClfError *error)
{
	ClfTeam    *team = &trainer->team;
	ClfRng	   *rng = &clf_team_slot(team, trainer->filled)->rng;
	ClfStatus	status;

	clf_rng_seed(rng, (uint64_t) trainer->config.seed, STREAM_DROPOUT + trainer->shards++);
	status = fill_slot(trainer, &trainer->training, trainer->batch_end, trainer->shard_tokens,
					   trainer->class_weight, rng, error);
	if (status == CLF_OK &&
		(trainer->filled == team->slots || trainer->position == trainer->batch_end))
	{
		clf_team_start(team, trainer->filled, true,
					   1.0f / (float) (trainer->batch_end - trainer->batch_begin),
					   perturbation(trainer));
		trainer->collected = 0;
		trainer->stage = STAGE_PASS;
	}
	return status;
}

/*
 * Do an item of the round under way, or wait for those who do the last ones.
 * True when the next slot, in their order, can be collected.
 */
static bool
compute(ClfTrainer *trainer)
{
	ClfTeam    *team = &trainer->team;

	if (clf_team_done(team, trainer->collected))
		return true;
	if (!clf_team_advance(team))
		trainer->waiting = clf_team_wait(team, trainer->collected);
	return false;
}

/* Add the embedding gradients of a shard to those of the batch. */
static ClfStatus
sum_rows(ClfTrainer *trainer, size_t index, ClfError *error)
{
	ClfRowSum  *sum = &trainer->row_sum;
	ClfShard	shard = clf_team_shard(&trainer->team, index);
	const float *values = clf_team_values(&trainer->team, index);
	size_t		E = (size_t) trainer->config.embedding_dim;

	if (!clf_mem_grow(&trainer->mem, (void **) &sum->rows, &sum->rows_capacity,
					  (size_t) sum->count + (size_t) shard.unique, sizeof *sum->rows) ||
		!clf_mem_grow(&trainer->mem, (void **) &sum->values, &sum->values_capacity,
					  ((size_t) sum->count + (size_t) shard.unique) * E, sizeof *sum->values))
		return clf_fail_memory(error);
	for (int i = 0; i < shard.unique; i++)
	{
		uint32_t   *place = &sum->place[shard.ids[i]];

		if (clf_course_keeps(trainer, shard.ids[i]))
			continue;
		if (*place == 0)
		{
			if (sum->learned != NULL)
				sum->learned[shard.ids[i]] = true;
			sum->rows[sum->count++] = shard.ids[i];
			*place = sum->count;
			memcpy(sum->values + (*place - 1) * E, values + i * E, E * sizeof(float));
		}
		else
			trainer->kernels->axpy(E, 1.0f, values + i * E, sum->values + (*place - 1) * E);
	}
	return CLF_OK;
}

/* Add the gradients of a shard to those of the batch. */
static ClfStatus
collect(ClfTrainer *trainer, ClfError *error)
{
	size_t		index = trainer->collected++;
	const float *dense = clf_team_dense(&trainer->team, index);
	size_t		count = clf_dense_floats(&trainer->table);
	ClfStatus	status = sum_rows(trainer, index, error);

	if (index == 0 && trainer->round_begin == trainer->batch_begin)
		memcpy(trainer->dense_gradient, dense, count * sizeof(float));
	else
		trainer->kernels->axpy(count, 1.0f, dense, trainer->dense_gradient);
	add_figures(&trainer->figures, clf_team_slot(&trainer->team, index));
	if (trainer->collected == trainer->filled)
	{
		trainer->filled = 0;
		trainer->stage = trainer->position < trainer->batch_end ? STAGE_SHARD : STAGE_UPDATE;
	}
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
	{
		return trainer->refitting ? clf_course_refit_abandon(trainer, error) :
			clf_trainer_diverged(trainer, error);
	}
	clf_optimizer_step(&trainer->optimizer, clf_team_weights(&trainer->team), &gradient,
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

void
clf_course_validate(ClfTrainer *trainer, ClfTrainerStage next)
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

	clf_optimizer_evaluated(&trainer->optimizer, clf_team_weights(&trainer->team),
							clf_team_evaluated(&trainer->team));
	clf_course_validate(trainer, STAGE_JUDGE);
	return CLF_OK;
}

/* Prepare a shard of validation rows; when all slots or rows are used, score them. */
static ClfStatus
start_validation_shard(ClfTrainer *trainer, ClfError *error)
{
	ClfTeam    *team = &trainer->team;
	ClfPlan    *plan = &trainer->validating;
	size_t		begin;
	size_t		end;
	ClfStatus	status;

	clf_plan_batch(plan, trainer->position / plan->batch_size, &begin, &end);
	status = fill_slot(trainer, plan, end, SIZE_MAX, trainer->even_weight, NULL, error);
	if (status == CLF_OK && (trainer->filled == team->slots ||
							 trainer->position == clf_trainer_validation_rows(trainer)))
	{
		clf_team_start(team, trainer->filled, false, 0.0f, 0.0f);
		trainer->collected = 0;
		trainer->stage = STAGE_VALIDATION_PASS;
	}
	return status;
}

void
clf_course_keep_scores(ClfTrainer *trainer, size_t position, const float *logits)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		place = clf_plan_row(&trainer->validating, position) - trainer->data.training_rows +
		trainer->part_begin;

	if (place < trainer->scored)
		memcpy(trainer->deep_scores + place * C, logits, C * sizeof(float));
}

static void
collect_scores(ClfTrainer *trainer)
{
	size_t		C = (size_t) clf_trainer_classes(trainer);
	size_t		index = trainer->collected++;
	const ClfSlot *slot = clf_team_slot(&trainer->team, index);
	const float *logits = clf_team_logits(&trainer->team, index);

	for (int row = 0; row < slot->rows; row++)
		clf_course_keep_scores(trainer, trainer->round_begin++, logits + (size_t) row * C);
	add_figures(&trainer->figures, slot);
	if (trainer->collected == trainer->filled)
	{
		trainer->filled = 0;
		trainer->stage = trainer->position < clf_trainer_validation_rows(trainer) ?
			STAGE_VALIDATION_SHARD : trainer->after_validation;
	}
}

void
clf_course_swap_scores(ClfTrainer *trainer)
{
	float	   *scores = trainer->deep_scores;

	trainer->deep_scores = trainer->best_scores;
	trainer->best_scores = scores;
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
		memcpy(trainer->best, clf_team_evaluated(&trainer->team), trainer->table.floats * sizeof(float));
		clf_course_swap_scores(trainer);
	}
	if (trainer->epochs == trainer->config.epochs || trainer->out_of_time ||
		(patience > 0 && trainer->epochs - trainer->best_epoch >= patience))
		clf_course_round_start(trainer);
	else
		trainer->stage = STAGE_EPOCH;
	return CLF_OK;
}

/* ---- stages ---- */

ClfStatus
clf_course_deep_advance(ClfTrainer *trainer, ClfError *error)
{
	switch (trainer->stage)
	{
		case STAGE_ALLOCATE:
			return allocate(trainer, error);
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
			return compute(trainer) ? collect(trainer, error) : CLF_OK;
		case STAGE_UPDATE:
			return update(trainer, error);
		case STAGE_VALIDATE:
			return trainer->refitting ? clf_course_refit_end_epoch(trainer, error) :
				start_validation(trainer, error);
		case STAGE_VALIDATION_PLAN:
			if (clf_plan_advance(&trainer->validating, &trainer->data))
				trainer->stage = STAGE_VALIDATION_SHARD;
			return CLF_OK;
		case STAGE_VALIDATION_SHARD:
			return start_validation_shard(trainer, error);
		case STAGE_VALIDATION_PASS:
			if (compute(trainer))
				collect_scores(trainer);
			return CLF_OK;
		case STAGE_JUDGE:
			return end_epoch(trainer, error);
		default:
			return clf_course_round_advance(trainer, error);
	}
}

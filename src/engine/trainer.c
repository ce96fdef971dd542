/*
 * trainer.c
 *	  The course of a training: preparing, epochs of updates and validation,
 *	  stopping, and the model that comes of it.
 *
 * All work is cut into items; clf_trainer_step does as many as fit into a
 * short time.  The order of all arithmetic is fixed by the rows and the
 * configuration, so the same seed gives the same model.
 */
#include <math.h>
#include <string.h>

#include "batch.h"
#include "dataset.h"
#include "error.h"
#include "forward.h"
#include "fusion.h"
#include "model.h"
#include "network.h"
#include "optim.h"
#include "tokenizer.h"
#include "widefit.h"

#define STEP_SECONDS 0.015
#define SHARD_TOKENS 4096		/* unless a single row has more */
#define SHARD_ROWS 1024
#define MAX_SCORES 2000000		/* of validation rows, that the fusion is fitted on */
#define SCORED_ROWS 100			/* of one item of work */
#define BINS 15					/* of the calibration error */

/* Streams of random numbers. */
#define STREAM_WEIGHTS 0
#define STREAM_ORDER 1
#define STREAM_DROPOUT 2

typedef enum Stage
{
	STAGE_ROWS,					/* the dataset prepares */
	STAGE_CLASSES,
	STAGE_WIDE,					/* the linear branch is fitted */
	STAGE_WIDE_SCORES,			/* and its scores of validation rows kept */
	STAGE_WIDE_REFIT,			/* on all rows, as it goes into the model */
	STAGE_ALLOCATE,
	STAGE_INITIALISE,			/* weights, row by row */
	STAGE_EPOCH,
	STAGE_PLAN,
	STAGE_SHARD,
	STAGE_PASS,
	STAGE_UPDATE,
	STAGE_VALIDATE,
	STAGE_VALIDATION_PLAN,
	STAGE_VALIDATION_SHARD,
	STAGE_VALIDATION_PASS,
	STAGE_JUDGE,
	STAGE_FUSE,
	STAGE_DONE
} Stage;

/* Sums over rows seen, of an epoch or of a validation. */
typedef struct Figures
{
	double		loss;
	int64_t		correct;
	int64_t		rows;
} Figures;

/* The embedding gradients of a batch, summed over its shards. */
typedef struct RowSum
{
	uint32_t   *place;			/* [V] place of a row + 1, or 0 */
	uint32_t   *rows;
	size_t		rows_capacity;
	float	   *values;			/* [count,E] */
	size_t		values_capacity;
	uint32_t	count;
} RowSum;

struct ClfTrainer
{
	ClfMem		mem;
	ClfHost		host;
	ClfConfig	config;
	const ClfKernels *kernels;
	ClfDataset	data;
	Stage		stage;

	/* from STAGE_CLASSES on */
	float	   *class_weight;	/* [C] of the training */
	float	   *even_weight;	/* [C] ones, of the validation */
	int64_t    *confusion;		/* [3,C] rows that are, are called, are both */
	ClfWideFit	fit;
	int			candidate;		/* settings that fit tries */
	int			best_candidate;
	double		candidate_loss; /* of the best one so far */
	size_t		scored;			/* validation rows that the fusion is fitted on */
	int32_t    *scored_classes; /* [scored] */
	float	   *deep_scores;	/* [scored,C] of the epoch at hand */
	float	   *best_scores;	/* [scored,C] of the best epoch */
	float	   *wide_scores;	/* [scored,C] */
	float	   *fused;			/* [C] of one row */
	float		scale[CLF_BRANCHES];

	/* from STAGE_ALLOCATE on */
	ClfTensorTable table;
	float	   *weights;		/* being trained; a block, as the next two */
	float	   *evaluated;		/* what validation looks at */
	float	   *best;			/* those of the best epoch */
	float	   *dense_gradient;
	RowSum		row_sum;
	ClfNetwork	network;
	ClfOptimizer optimizer;
	ClfSharder	sharder;
	ClfPlan		training;
	ClfPlan		validating;
	ClfGradient shard_gradient;
	ClfRng		order_rng;
	ClfRng		dropout_rng;
	ClfRng		weights_rng;

	/* where it is */
	int			tensor;			/* STAGE_INITIALISE: next row to set */
	size_t		tensor_row;
	size_t		batch;
	size_t		position;		/* rows of the plan's order used up */
	size_t		shard_begin;	/* of the validation's order */
	size_t		batch_begin;
	size_t		batch_end;
	Figures		figures;
	double		epoch_start;	/* clock */
	double		training_start;
	bool		epoch_ended;

	/* results */
	ClfEpoch   *history;
	size_t		history_capacity;
	int			epochs;			/* run */
	int			best_epoch;
	double		best_loss;
	double		accuracy;
	double		macro_f1;
	double		deep_accuracy;
	double		wide_accuracy;
	double		calibration_error;
	bool		out_of_time;
};

/* ---- life ---- */

ClfStatus
clf_trainer_new(const ClfConfig *config, const ClfHost *host,
				ClfTrainer **trainer, ClfError *error)
{
	ClfMem		mem;
	ClfTrainer *result;

	if (!clf_config_valid(config, true))
		return clf_fail(error, CLF_ERR_LIMIT, "an option is out of its range");
	clf_mem_init(&mem, &host->allocator);
	result = clf_mem_alloc_zero(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	result->host = *host;
	result->config = *config;
	clf_config_before_rows(&result->config);
	result->kernels = clf_kernels();
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
	clf_dataset_free(&trainer->data);
	clf_mem_free(&trainer->mem, trainer->scored_classes);
	clf_mem_free(&trainer->mem, trainer->deep_scores);
	clf_mem_free(&trainer->mem, trainer->best_scores);
	clf_mem_free(&trainer->mem, trainer->wide_scores);
	clf_mem_free(&trainer->mem, trainer->fused);
	clf_network_free(&trainer->network);
	clf_optimizer_free(&trainer->optimizer);
	clf_sharder_free(&trainer->sharder);
	clf_plan_free(&trainer->training);
	clf_plan_free(&trainer->validating);
	clf_mem_free(&trainer->mem, trainer->weights);
	clf_mem_free(&trainer->mem, trainer->evaluated);
	clf_mem_free(&trainer->mem, trainer->best);
	clf_mem_free(&trainer->mem, trainer->class_weight);
	clf_mem_free(&trainer->mem, trainer->even_weight);
	clf_mem_free(&trainer->mem, trainer->confusion);
	clf_mem_free(&trainer->mem, trainer->dense_gradient);
	clf_mem_free(&trainer->mem, trainer->row_sum.place);
	clf_mem_free(&trainer->mem, trainer->row_sum.rows);
	clf_mem_free(&trainer->mem, trainer->row_sum.values);
	clf_mem_free(&trainer->mem, trainer->history);
	mem = trainer->mem;			/* the struct holds its own accounting */
	clf_mem_free(&mem, trainer);
}

/* Fail if the training holds, or with more bytes would hold, over its limit. */
static ClfStatus
check_budget(const ClfTrainer *trainer, size_t more, ClfError *error)
{
	size_t		needed;

	if (!clf_size_add(trainer->mem.used, more, &needed))
		needed = SIZE_MAX;
	if (needed <= trainer->host.memory_limit)
		return CLF_OK;
	clf_fail(error, CLF_ERR_BUDGET, "the training needs more memory than it may use");
	error->bytes_needed = needed;
	return CLF_ERR_BUDGET;
}

ClfStatus
clf_trainer_add(ClfTrainer *trainer, const char *text, size_t text_length,
				const char *label, size_t label_length, ClfError *error)
{
	ClfStatus	status = clf_dataset_add(&trainer->data, text, text_length,
										 label, label_length, error);

	return status == CLF_OK ? check_budget(trainer, 0, error) : status;
}

/* ---- preparing ---- */

static double
now(const ClfTrainer *trainer)
{
	return trainer->host.seconds(trainer->host.clock_context);
}

static int
classes_of(const ClfTrainer *trainer)
{
	return (int) trainer->data.labels.count;
}

static size_t
vocabulary_of(const ClfTrainer *trainer)
{
	return (size_t) trainer->data.words.count + CLF_FIRST_ID;
}

static size_t
validation_rows(const ClfTrainer *trainer)
{
	return trainer->data.count - trainer->data.training_rows;
}

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
	if (distinct > vocabulary_of(trainer))
		distinct = vocabulary_of(trainer);
	/* weights, evaluated, best and the finished model; the dense gradient */
	if (!clf_size_mul(trainer->table.floats, 5 * sizeof(float), &blocks) ||
		!clf_packed_floats(&trainer->config, &packed) ||
		!clf_size_add(blocks, packed * sizeof(float), &blocks) ||
		!clf_size_mul(distinct, 2 * E * sizeof(float), &sums) ||
		!clf_size_add(blocks, sums, &total) ||
		!clf_size_add(total, clf_optimizer_memory(&trainer->config, &trainer->table), &total) ||
		!clf_size_add(total, clf_network_memory(&trainer->config, &trainer->table,
												tokens, rows, true), &total) ||
		!clf_size_add(total, clf_sharder_memory(tokens, rows, vocabulary_of(trainer)), &total) ||
		!clf_size_add(total, trainer->data.count * (sizeof(uint64_t) + sizeof(uint32_t)), &total))
		return SIZE_MAX;
	return total;
}

/* row_weight of every class: 1, or rows / (classes * rows of the class) */
static void
set_class_weights(ClfTrainer *trainer)
{
	int			C = classes_of(trainer);

	for (int k = 0; k < C; k++)
	{
		trainer->even_weight[k] = 1.0f;
		trainer->class_weight[k] = trainer->config.class_weight == CLF_CLASS_WEIGHT_NONE ?
			1.0f : (float) ((double) trainer->data.count / ((double) C * (double) trainer->data.class_rows[k]));
	}
}

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

/* Begin the fit of the candidate at hand. */
static void
start_wide(ClfTrainer *trainer)
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

/* What both branches need: weights of classes, and room for scores to compare. */
static ClfStatus
prepare_classes(ClfTrainer *trainer, ClfError *error)
{
	ClfMem	   *mem = &trainer->mem;
	size_t		C = (size_t) classes_of(trainer);
	bool		deep = clf_has_deep(&trainer->config);
	bool		wide = clf_has_wide(&trainer->config);

	trainer->scored = validation_rows(trainer) < MAX_SCORES / C ?
		validation_rows(trainer) : MAX_SCORES / C;
	trainer->class_weight = clf_mem_alloc(mem, C, sizeof(float));
	trainer->even_weight = clf_mem_alloc(mem, C, sizeof(float));
	trainer->fused = clf_mem_alloc(mem, C, sizeof(float));
	trainer->confusion = clf_mem_alloc(mem, 3 * C, sizeof *trainer->confusion);
	trainer->scored_classes = clf_mem_alloc(mem, trainer->scored, sizeof(int32_t));
	if (deep)
	{
		trainer->deep_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
		trainer->best_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
	}
	if (wide)
		trainer->wide_scores = clf_mem_alloc_zero(mem, trainer->scored, C * sizeof(float));
	if (!trainer->class_weight || !trainer->even_weight || !trainer->fused ||
		!trainer->confusion || !trainer->scored_classes ||
		(deep && (!trainer->deep_scores || !trainer->best_scores)) ||
		(wide && !trainer->wide_scores))
		return clf_fail_memory(error);

	set_class_weights(trainer);
	for (size_t i = 0; i < trainer->scored; i++)
		trainer->scored_classes[i] =
			(int32_t) trainer->data.rows[trainer->data.training_rows + i].label;
	trainer->best_loss = INFINITY;
	trainer->accuracy = trainer->macro_f1 = NAN;
	trainer->deep_accuracy = trainer->wide_accuracy = trainer->calibration_error = NAN;
	trainer->training_start = now(trainer);
	if (wide)
		start_wide(trainer);
	else
	{
		clf_dataset_forget_tokens(&trainer->data);
		trainer->stage = STAGE_ALLOCATE;
	}
	return check_budget(trainer, 0, error);
}

/* ---- the linear branch ---- */

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
	return status == CLF_OK ? check_budget(trainer, 0, error) : status;
}

/* The linear branch is done, and with it the dictionary. */
static void
finish_wide(ClfTrainer *trainer)
{
	clf_dataset_forget_tokens(&trainer->data);
	trainer->stage = clf_has_deep(&trainer->config) ? STAGE_ALLOCATE : STAGE_FUSE;
}

/* Log-loss of the linear branch alone on the scored rows, calibrated. */
static double
wide_loss(ClfTrainer *trainer)
{
	size_t		C = (size_t) classes_of(trainer);
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

/*
 * After a candidate: the next one or, after the last, the best one again;
 * then the settings are decided and the branch is fitted to all rows.
 */
static ClfStatus
next_candidate(ClfTrainer *trainer, ClfError *error)
{
	ClfConfig  *config = &trainer->config;
	bool		open = config->char_ngrams < 0 || config->wide_c < 0;
	double		loss = open ? wide_loss(trainer) : 0;

	if (open && (trainer->candidate == 0 || loss < trainer->candidate_loss))
	{
		trainer->best_candidate = trainer->candidate;
		trainer->candidate_loss = loss;
	}
	while (open && ++trainer->candidate < CANDIDATES)
		if (is_candidate(trainer, trainer->candidate))
		{
			start_wide(trainer);
			return CLF_OK;
		}
	if (open)
	{
		if (config->char_ngrams < 0)
			config->char_ngrams = candidates[trainer->best_candidate].char_ngrams;
		if (config->wide_c < 0)
			config->wide_c = candidates[trainer->best_candidate].wide_c;
		start_wide(trainer);
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
	size_t		C = (size_t) classes_of(trainer);
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
	return status == CLF_OK ? check_budget(trainer, 0, error) : status;
}

/* ---- the network: memory and initial weights ---- */

static ClfStatus
allocate(ClfTrainer *trainer, ClfError *error)
{
	ClfMem	   *mem = &trainer->mem;
	size_t		C = (size_t) classes_of(trainer);
	size_t		tokens;
	size_t		rows;
	ClfStatus	status;

	status = clf_tensor_table(&trainer->config, vocabulary_of(trainer), C, &trainer->table, error);
	if (status == CLF_OK)
		status = check_budget(trainer, estimate(trainer), error);
	if (status != CLF_OK)
		return status;

	trainer->weights = clf_mem_alloc_zero(mem, trainer->table.floats, sizeof(float));
	trainer->evaluated = clf_mem_alloc(mem, trainer->table.floats, sizeof(float));
	trainer->best = clf_mem_alloc(mem, trainer->table.floats, sizeof(float));
	trainer->dense_gradient = clf_mem_alloc_zero(mem, clf_dense_floats(&trainer->table), sizeof(float));
	trainer->row_sum.place = clf_mem_alloc_zero(mem, vocabulary_of(trainer), sizeof(uint32_t));
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
								   vocabulary_of(trainer), error)) != CLF_OK ||
		(status = clf_plan_init(&trainer->training, mem, 0, trainer->data.training_rows,
								(size_t) trainer->config.batch_size, error)) != CLF_OK ||
		(status = clf_plan_init(&trainer->validating, mem, trainer->data.training_rows,
								validation_rows(trainer), rows, error)) != CLF_OK)
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

/* ---- an epoch of updates ---- */

static void
add_figures(Figures *figures, const ClfNetwork *network)
{
	figures->loss += network->loss;
	figures->correct += network->correct;
	figures->rows += network->shard->rows;
}

static void
start_epoch(ClfTrainer *trainer)
{
	memset(&trainer->figures, 0, sizeof trainer->figures);
	trainer->epoch_start = now(trainer);
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
	RowSum	   *sum = &trainer->row_sum;
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

static ClfStatus
fail_diverged(ClfTrainer *trainer, ClfError *error)
{
	clf_fail(error, CLF_ERR_DIVERGED, "the training diverged in epoch %d", trainer->epochs + 1);
	return clf_detail(error, "The loss or its gradient is no longer a finite number.");
}

static bool
time_is_up(ClfTrainer *trainer)
{
	if (trainer->config.max_seconds > 0 &&
		now(trainer) - trainer->training_start > trainer->config.max_seconds)
		trainer->out_of_time = true;
	return trainer->out_of_time;
}

static ClfStatus
update(ClfTrainer *trainer, ClfError *error)
{
	RowSum	   *sum = &trainer->row_sum;
	ClfGradient gradient = {trainer->dense_gradient, sum->count, sum->rows, sum->values};
	uint64_t	total = (uint64_t) trainer->training.batches * (uint64_t) trainer->config.epochs;

	if (!isfinite(clf_gradient_clip(&trainer->optimizer, &gradient, trainer->config.clip_norm)) ||
		!isfinite(trainer->figures.loss))
		return fail_diverged(trainer, error);
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

/* ---- validation and the end of an epoch ---- */

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

	memset(&trainer->figures, 0, sizeof trainer->figures);
	clf_optimizer_evaluated(&trainer->optimizer, trainer->weights, trainer->evaluated);
	trainer->position = 0;
	trainer->stage = STAGE_JUDGE;
	if (validation_rows(trainer) > 0)
	{
		clf_plan_start(&trainer->validating, NULL);
		trainer->stage = STAGE_VALIDATION_PLAN;
	}
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
	size_t		C = (size_t) classes_of(trainer);
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
	trainer->stage = trainer->position < validation_rows(trainer) ?
		STAGE_VALIDATION_SHARD : STAGE_JUDGE;
}

/* Count that a row of one class was called another, or the same. */
static void
count_answer(ClfTrainer *trainer, int is, int said)
{
	int			C = classes_of(trainer);

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

/* Is the epoch that just ended better than all before?  Without validation, always. */
static bool
is_best(const ClfTrainer *trainer, const ClfEpoch *epoch)
{
	return validation_rows(trainer) == 0 || epoch->val_loss < trainer->best_loss;
}

/* The scores of the epoch at hand become those of the best epoch. */
static void
swap_scores(ClfTrainer *trainer)
{
	float	   *scores = trainer->deep_scores;

	trainer->deep_scores = trainer->best_scores;
	trainer->best_scores = scores;
}

/* Complete the epoch's figures, keep its weights if they are the best, go on or stop. */
static ClfStatus
judge(ClfTrainer *trainer, ClfError *error)
{
	ClfEpoch   *epoch = &trainer->history[trainer->epochs];
	int			patience = trainer->config.early_stopping;

	if (trainer->figures.rows > 0)
	{
		epoch->val_loss = trainer->figures.loss / (double) trainer->figures.rows;
		epoch->val_accuracy = (double) trainer->figures.correct / (double) trainer->figures.rows;
		if (!isfinite(epoch->val_loss))
			return fail_diverged(trainer, error);
	}
	epoch->seconds = now(trainer) - trainer->epoch_start;
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
		trainer->stage = STAGE_FUSE;
	else
		trainer->stage = STAGE_EPOCH;
	return CLF_OK;
}

/* ---- fusion ---- */

/* Share of the scored rows that a branch alone gets right; NaN without rows. */
static double
branch_accuracy(const ClfTrainer *trainer, const float *scores)
{
	size_t		C = (size_t) classes_of(trainer);
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

/* Fit what each branch counts.  The textbook stack stays as it was trained. */
static void
fuse(ClfTrainer *trainer)
{
	ClfScores	scores = {trainer->scored, (size_t) classes_of(trainer),
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
				status = check_budget(trainer, 0, error);
			if (trainer->data.stage == CLF_PREPARE_DONE)
				trainer->stage = STAGE_CLASSES;
			return status;
		case STAGE_CLASSES:
			return prepare_classes(trainer, error);
		case STAGE_WIDE:
			return fit_wide(trainer, error);
		case STAGE_WIDE_SCORES:
			return score_wide(trainer, error);
		case STAGE_WIDE_REFIT:
			return refit_wide(trainer, error);
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
			return judge(trainer, error);
		case STAGE_FUSE:
			fuse(trainer);
			return CLF_OK;
		case STAGE_DONE:
			break;
	}
	return CLF_OK;
}

static ClfPhase
phase_of(Stage stage)
{
	if (stage < STAGE_EPOCH)
		return CLF_PHASE_PREPARE;
	if (stage < STAGE_VALIDATE)
		return CLF_PHASE_TRAIN;
	return stage < STAGE_DONE ? CLF_PHASE_VALIDATE : CLF_PHASE_DONE;
}

static void
report(const ClfTrainer *trainer, ClfProgress *progress)
{
	double		rows = (double) trainer->figures.rows;

	memset(progress, 0, sizeof *progress);
	progress->phase = phase_of(trainer->stage);
	progress->epochs = trainer->config.epochs;
	progress->epoch = trainer->epochs + (trainer->stage < STAGE_FUSE ? 1 : 0);
	progress->rows = (int64_t) trainer->data.training_rows;
	progress->rows_done = trainer->figures.rows;
	progress->loss = rows > 0 ? trainer->figures.loss / rows : NAN;
	progress->accuracy = rows > 0 ? (double) trainer->figures.correct / rows : NAN;
	progress->epoch_ended = trainer->epoch_ended;
	if (trainer->epochs > 0)
		progress->last_epoch = trainer->history[trainer->epochs - 1];
}

ClfStatus
clf_trainer_step(ClfTrainer *trainer, ClfProgress *progress, ClfError *error)
{
	unsigned int fpu = clf_fpu_enter();
	double		start = now(trainer);
	ClfStatus	status;

	trainer->epoch_ended = false;
	do
		status = advance(trainer, error);
	while (status == CLF_OK && trainer->stage != STAGE_DONE && !trainer->epoch_ended &&
		   now(trainer) - start < STEP_SECONDS);
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
	if (clf_has_deep(&model->config))
		memcpy(model->weights, trainer->best, trainer->table.floats * sizeof(float));
	memcpy(model->scale, trainer->scale, sizeof model->scale);
	if (clf_has_wide(&model->config) &&
		(status = copy_wide(&trainer->fit.wide, &model->wide, &model->mem, error)) != CLF_OK)
		return status;
	for (size_t i = 0; i < trainer->table.floats; i++)
		if (!isfinite(model->weights[i]))
			return fail_diverged(trainer, error);
	return clf_model_prepare(model, error);
}

static void
summarise(const ClfTrainer *trainer, ClfSummary *summary)
{
	memset(summary, 0, sizeof *summary);
	summary->rows = (int64_t) trainer->data.count;
	summary->training_rows = (int64_t) trainer->data.training_rows;
	summary->validation_rows = (int64_t) validation_rows(trainer);
	summary->classes = classes_of(trainer);
	summary->vocabulary = (int) vocabulary_of(trainer);
	summary->parameters = clf_trainer_parameters(trainer);
	summary->epochs = trainer->epochs;
	summary->best_epoch = trainer->best_epoch;
	summary->out_of_time = trainer->out_of_time;
	summary->accuracy = trainer->accuracy;
	summary->macro_f1 = trainer->macro_f1;
	summary->deep_accuracy = trainer->deep_accuracy;
	summary->wide_accuracy = trainer->wide_accuracy;
	summary->calibration_error = trainer->calibration_error;
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

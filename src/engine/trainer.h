/*
 * trainer.h
 *	  A training under way, as the files that are its parts see it.
 *
 * trainer.c prepares and gives every item of work to the part it belongs to:
 * course_wide.c (the linear branch), course_start.c (the network's first
 * weights), course_deep.c (its epochs), course_round.c (its weights as they are
 * kept and read), course_refit.c (the network on other rows) and judge.c (what
 * came out of both branches).  Each part sets the stage that comes next.
 */
#ifndef CLF_TRAINER_H
#define CLF_TRAINER_H

#include "batch.h"
#include "dataset.h"
#include "forward.h"
#include "fusion.h"
#include "model.h"
#include "network.h"
#include "optim.h"
#include "tally.h"
#include "team.h"
#include "widefit.h"

typedef enum ClfTrainerStage
{
	STAGE_ROWS,					/* the dataset prepares */
	STAGE_CLASSES,
	STAGE_WIDE,					/* the linear branch is fitted */
	STAGE_WIDE_SCORES,			/* and its scores of validation rows kept */
	STAGE_WIDE_REFIT,			/* on all rows, as it goes into the model */
	STAGE_ALLOCATE,
	STAGE_VECTORS,				/* vectors of words, word by word */
	STAGE_INITIALISE,			/* all other weights, row by row */
	STAGE_EPOCH,
	STAGE_PLAN,
	STAGE_SHARD,				/* a shard is prepared for the team */
	STAGE_PASS,					/* a round of shards is computed and collected */
	STAGE_UPDATE,
	STAGE_VALIDATE,
	STAGE_VALIDATION_PLAN,
	STAGE_VALIDATION_SHARD,
	STAGE_VALIDATION_PASS,
	STAGE_JUDGE,
	STAGE_ROUND,				/* the best weights, row by row, as the file can hold them */
	STAGE_ROUNDED,
	STAGE_BYTES_PLAN,			/* a validation as prediction computes it on bytes */
	STAGE_BYTES,
	STAGE_BYTES_PASS,
	STAGE_JUDGE_ROUNDED,
	STAGE_REFIT,				/* the network begins again, with other rows */
	STAGE_PART_SCORED,			/* a part of the rows that it has not learned from is scored */
	STAGE_FUSE,
	STAGE_DONE
} ClfTrainerStage;

/* Sums over rows seen, of an epoch or of a validation. */
typedef struct ClfFigures
{
	double		loss;
	int64_t		correct;
	int64_t		rows;
} ClfFigures;

/* The embedding gradients of a batch, summed over its shards. */
typedef struct ClfRowSum
{
	uint32_t   *place;			/* [V] place of a row + 1, or 0 */
	bool	   *learned;		/* [V] in any batch since the network began again; NULL: nobody asks */
	uint32_t   *rows;
	size_t		rows_capacity;
	float	   *values;			/* [count,E] */
	size_t		values_capacity;
	uint32_t	count;
} ClfRowSum;

/* Weights that the network starts from, other than random ones. */
typedef struct ClfStart
{
	const ClfModel *model;		/* the host's; NULL: none */
	bool		keeps_vectors;

	/* by entry of the dictionary, until the vocabulary is known; NULL: no vectors */
	uint64_t   *found;			/* [tokens] place of its vector in the store, or CLF_NOWHERE */
	uint64_t   *spelling;		/* [tokens] of the word that it came with: the lowest counts */
	uint32_t	tokens;

	/* then */
	uint64_t   *places;			/* [V] by id; NULL: no vectors */
	int64_t    *classes;		/* [C] those of the labels in the model, or -1; NULL: no model */
	double		squares;		/* of the numbers in the vectors that were read */
	double		numbers;		/* how many these are */
	ClfOrigin	origin;
} ClfStart;

#define CLF_NOWHERE UINT64_MAX

/* The network as prediction reads it, on its way through the validation rows. */
typedef struct ClfTrial
{
	ClfModel	view;			/* of the network alone: its weights are borrowed, it has no strings */
	ClfPacked	packed;
	ClfForward	forward;
	size_t		max_tokens;		/* of a pass */
	uint32_t   *ids;			/* [max_tokens] */
	ClfSequence sequences[CLF_FORWARD_ROWS];
	float	   *scores;			/* [CLF_FORWARD_ROWS,C] */
} ClfTrial;

#define CLF_SEARCH_WORK 3e10	/* multiply-adds: some seconds */

/* Which settings of the linear branch are tried, see course_wide.c. */
typedef enum ClfSearchStep
{
	CLF_SEARCH_WORDS,			/* without character n-grams */
	CLF_SEARCH_CHARS,			/* with them */
	CLF_SEARCH_MIDDLE,			/* the better of these */
	CLF_SEARCH_LARGER,			/* at a larger cost */
	CLF_SEARCH_LAST				/* at the largest or the smaller one */
} ClfSearchStep;

typedef struct ClfSearch
{
	ClfSearchStep step;
	double		work;			/* multiply-adds up to now, about */
	double		most_work;		/* of which it may need so many */
	double		best_loss;
	bool		char_ngrams;	/* of the best settings so far */
	double		cost;
} ClfSearch;

struct ClfTrainer
{
	ClfMem		mem;
	ClfHost		host;
	ClfConfig	config;
	const ClfKernels *kernels;
	ClfDataset	data;
	ClfTrainerStage stage;

	/* from STAGE_CLASSES on */
	float	   *class_weight;	/* [C] of the training */
	float	   *even_weight;	/* [C] ones, of the validation */
	ClfClassScore *class_scores;	/* [C] */
	ClfTally	tally;			/* of the fused model's answers for the scored rows */
	ClfWideFit	fit;
	ClfSearch	search;
	int			parts;			/* of the rows, held out in turn; 1: none but the validation rows */
	int			part;			/* that is held out */
	size_t		part_begin;		/* the first scored row of it */
	size_t		scored;			/* rows that are held out in turn, part by part, as many as scores are kept of */
	size_t		judged;			/* of these, from the first: validation rows */
	size_t		fused_rows;		/* of these, from the first: with the scores of both branches */
	int32_t    *scored_classes; /* [scored] */
	float	   *deep_scores;	/* [scored,C] of the last validation */
	float	   *best_scores;	/* [scored,C] of the best weights */
	float	   *wide_scores;	/* [scored,C] of the last fit */
	float	   *best_wide_scores;	/* [scored,C] of the best settings */
	float	   *fused;			/* [C] of one row */
	float		scale[CLF_BRANCHES];

	ClfStart	start;

	/* from STAGE_ALLOCATE on */
	ClfTensorTable table;
	ClfTeam		team;			/* holds the weights */
	float	   *best;			/* those of the best epoch, a block */
	float	   *first;			/* those it began with, a block; NULL: it never begins again */
	float	   *dense_gradient;
	ClfRowSum	row_sum;
	ClfOptimizer optimizer;
	ClfSharder	sharder;
	ClfPlan		training;
	ClfPlan		validating;
	ClfRng		order_rng;
	ClfRng		weights_rng;

	/* where it is */
	int			tensor;			/* STAGE_INITIALISE, STAGE_ROUND: next row */
	size_t		tensor_row;
	size_t		batch;
	size_t		position;		/* rows of the plan's order used up */
	ClfTrainerStage after_validation;	/* STAGE_JUDGE or STAGE_JUDGE_ROUNDED */
	bool		storage_open;	/* option storage: the smallest that does */
	bool		precision_open; /* option precision: bytes if they do */
	ClfTrial	trial;
	size_t		batch_begin;
	size_t		batch_end;
	size_t		shard_tokens;	/* of the batch's shards */
	uint64_t	shards;			/* of the training, up to now */
	size_t		filled;			/* slots of the round ... */
	size_t		collected;		/* ... and those added to the sums */
	size_t		round_begin;	/* position of the first row in the round */
	bool		waiting;		/* for a helper */
	ClfFigures	figures;
	double		epoch_start;	/* clock */
	double		training_start;
	bool		epoch_ended;
	bool		refitting;		/* the network, on other rows ... */
	int			refits;			/* ... for this time ... */
	int			refit_epochs;	/* ... and so many epochs of that are over in all, */
	ClfEpoch	refit_epoch;	/* the last of them this */

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

/* ---- trainer.c ---- */

static inline double
clf_trainer_now(const ClfTrainer *trainer)
{
	return trainer->host.seconds(trainer->host.clock_context);
}

static inline int
clf_trainer_classes(const ClfTrainer *trainer)
{
	return (int) trainer->data.labels.count;
}

static inline size_t
clf_trainer_vocabulary(const ClfTrainer *trainer)
{
	return (size_t) trainer->data.words.count + CLF_FIRST_ID;
}

static inline size_t
clf_trainer_validation_rows(const ClfTrainer *trainer)
{
	return trainer->data.count - trainer->data.training_rows;
}

/* Fail if the training holds, or with more bytes would hold, over its limit. */
extern ClfStatus clf_trainer_check_budget(const ClfTrainer *trainer, size_t more,
										  ClfError *error);

/* Hold out a part of the rows: the next one, or the first. */
extern ClfStatus clf_trainer_hold_out(ClfTrainer *trainer, int part, ClfError *error);

/* Fail, because a number is not finite any more. */
extern ClfStatus clf_trainer_diverged(const ClfTrainer *trainer, ClfError *error);

/* ---- course_wide.c: stages from STAGE_WIDE on ---- */

/* Begin with the first fit. */
extern void clf_course_wide_start(ClfTrainer *trainer);
extern ClfStatus clf_course_wide_advance(ClfTrainer *trainer, ClfError *error);

/* ---- course_start.c: STAGE_VECTORS, STAGE_INITIALISE ---- */

/* Once the vocabulary is known, before the dictionary is forgotten. */
extern ClfStatus clf_course_start_prepare(ClfTrainer *trainer, ClfError *error);
extern ClfStatus clf_course_start_advance(ClfTrainer *trainer, ClfError *error);

/* Release what it took. */
extern void clf_course_start_free(ClfTrainer *trainer);

/* Does the training leave this row of the embedding as it is? */
static inline bool
clf_course_keeps(const ClfTrainer *trainer, uint32_t id)
{
	return trainer->start.keeps_vectors && trainer->start.places != NULL &&
		trainer->start.places[id] != CLF_NOWHERE;
}

/* Does this row of the embedding begin with random numbers? */
static inline bool
clf_course_is_random(const ClfTrainer *trainer, uint32_t id)
{
	return trainer->start.classes == NULL &&
		(trainer->start.places == NULL || trainer->start.places[id] == CLF_NOWHERE);
}

/* ---- course_deep.c: stages from STAGE_ALLOCATE on ---- */

/* Draw the order of rows and what is dropped from the beginning of their streams. */
extern void clf_course_seed_epochs(ClfTrainer *trainer);
extern ClfStatus clf_course_deep_advance(ClfTrainer *trainer, ClfError *error);

/* Release what the stages of the network took. */
extern void clf_course_deep_free(ClfTrainer *trainer);

/*
 * Begin a pass of the team's evaluated weights over the validation rows, which
 * comes to figures and deep_scores; next is the stage after it.
 */
extern void clf_course_validate(ClfTrainer *trainer, ClfTrainerStage next);

/* Keep the network's scores [C] of a row, given by its place in the plan, for the fusion. */
extern void clf_course_keep_scores(ClfTrainer *trainer, size_t position, const float *logits);

/* The scores of the last validation become those of the model. */
extern void clf_course_swap_scores(ClfTrainer *trainer);

/* ---- course_round.c: stages from STAGE_ROUND on ---- */

/* After the last epoch: decide on storage and precision. */
extern void clf_course_round_start(ClfTrainer *trainer);

/* Round the evaluated weights for the storage at hand; next is STAGE_ROUNDED. */
extern void clf_course_round(ClfTrainer *trainer);
extern ClfStatus clf_course_round_advance(ClfTrainer *trainer, ClfError *error);
extern void clf_course_round_free(ClfTrainer *trainer);

/*
 * What these stages and, after them, the finished network take at most, with so
 * many tokens in a pass; false if that does not fit into memory.
 */
extern bool clf_course_round_memory(const ClfTrainer *trainer, size_t tokens, size_t *size);

/* ---- course_refit.c: STAGE_REFIT, STAGE_PART_SCORED ---- */

/* Once the rows are known: will the network learn from all of them at last? */
extern bool clf_course_refits(const ClfTrainer *trainer);

/* How often will the network begin again, on whatever rows? */
extern int	clf_course_refit_times(const ClfTrainer *trainer);

/* The first weights are set: keep them. */
extern void clf_course_refit_keep(ClfTrainer *trainer);

/* The model's weights are decided as far as the validation rows can: begin again or go on. */
extern void clf_course_refit_start(ClfTrainer *trainer);
extern ClfStatus clf_course_refit_advance(ClfTrainer *trainer, ClfError *error);

/* An epoch after a new beginning has ended. */
extern ClfStatus clf_course_refit_end_epoch(ClfTrainer *trainer, ClfError *error);

/* The weights that were learned from all rows are rounded: take them. */
extern void clf_course_refit_take(ClfTrainer *trainer);

/* It came to nothing: the model keeps the weights that were judged. */
extern ClfStatus clf_course_refit_abandon(ClfTrainer *trainer, ClfError *error);

/* ---- judge.c: STAGE_FUSE ---- */

/* Log-loss of the linear branch alone on the scored rows, calibrated. */
extern double clf_judge_wide_loss(ClfTrainer *trainer);

/* Fit what each branch counts and judge the whole by the scored rows. */
extern ClfStatus clf_judge(ClfTrainer *trainer, ClfError *error);

#endif							/* CLF_TRAINER_H */

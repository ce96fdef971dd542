/*
 * batch.h
 *	  Which rows make a batch, and a batch cut into shards the network can hold.
 *
 * Rows of an epoch are shuffled, then sorted by length within windows of some
 * batches, so that a shard's rows are of similar length; then the batches of
 * the epoch are shuffled.
 */
#ifndef CLF_BATCH_H
#define CLF_BATCH_H

#include "dataset.h"
#include "network.h"
#include "rng.h"

/* Rows first..first + count - 1 of a dataset, as an epoch goes through them. */
typedef struct ClfPlan
{
	ClfMem	   *mem;
	size_t		first;
	size_t		count;
	size_t		batch_size;
	size_t		batches;
	uint64_t   *order;			/* [count] sort key and row, see batch.c */
	uint32_t   *batch_order;	/* [batches] */
	size_t		sorted;			/* rows of order in complete windows */
} ClfPlan;

extern ClfStatus clf_plan_init(ClfPlan *plan, ClfMem *mem, size_t first,
							   size_t count, size_t batch_size, ClfError *error);
extern void clf_plan_free(ClfPlan *plan);

/* Begin an epoch; rng NULL leaves rows and batches in the order of length. */
extern void clf_plan_start(ClfPlan *plan, ClfRng *rng);

/* Sort one window; true when the epoch's order is complete. */
extern bool clf_plan_advance(ClfPlan *plan, const ClfDataset *data);

/* Rows of the batch that comes as number index: *begin to *end of the order. */
extern void clf_plan_batch(const ClfPlan *plan, size_t index,
						   size_t *begin, size_t *end);

/* The row of the dataset at a position of the order. */
extern size_t clf_plan_row(const ClfPlan *plan, size_t position);

/*
 * How many tokens each shard of these positions of the order should have: a
 * batch is cut into shards of equal size, few enough to be large and many
 * enough to be computed side by side.  This depends on the rows alone.
 */
extern size_t clf_plan_shard_tokens(const ClfPlan *plan, const ClfDataset *data,
									size_t begin, size_t end, size_t max_tokens);

/* Makes shards; holds what that takes. */
typedef struct ClfSharder
{
	ClfMem	   *mem;
	size_t		max_tokens;
	size_t		max_rows;
	uint32_t   *sequences;		/* [max_tokens] ids, row by row */
	uint32_t   *slot_of;		/* [V] slot of an id in the shard + 1, or 0 */
} ClfSharder;

extern size_t clf_sharder_memory(size_t max_tokens, size_t vocabulary);
extern ClfStatus clf_sharder_init(ClfSharder *sharder, ClfMem *mem,
								  size_t max_tokens, size_t max_rows,
								  size_t vocabulary, ClfError *error);
extern void clf_sharder_free(ClfSharder *sharder);

/*
 * Fill a shard, whose arrays have room for max_tokens and max_rows, with rows
 * of the plan's order from *position on until it has so many tokens or is
 * full: at least one row, and none from end on, the end of a batch (rows are
 * sorted by length within a batch); moves *position past them.  class_weight
 * [C] gives the rows' weights; rng draws the word dropout, NULL means none.
 */
extern ClfStatus clf_sharder_fill(ClfSharder *sharder, ClfDataset *data,
								  const ClfPlan *plan, size_t *position,
								  size_t end, size_t tokens,
								  const float *class_weight, ClfRng *rng,
								  ClfShard *shard, ClfError *error);

#endif							/* CLF_BATCH_H */

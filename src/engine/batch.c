/*
 * batch.c
 *	  Batches and shards.
 *
 * It must not know what is done with a shard.
 */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "model.h"

#define WINDOW 50				/* batches that are sorted by length together */

/* An element of the order: rows sort by length, the longest first. */
#define ORDER_KEY(length, row) ((uint64_t) (UINT32_MAX - (length)) << 32 | (row))
#define ORDER_ROW(element) ((uint32_t) (element))

/* ---- the plan of an epoch ---- */

ClfStatus
clf_plan_init(ClfPlan *plan, ClfMem *mem, size_t first, size_t count,
			  size_t batch_size, ClfError *error)
{
	plan->mem = mem;
	plan->first = first;
	plan->count = count;
	plan->batch_size = batch_size;
	plan->batches = (count + batch_size - 1) / batch_size;
	plan->sorted = 0;
	plan->order = clf_mem_alloc(mem, count, sizeof *plan->order);
	plan->batch_order = clf_mem_alloc(mem, plan->batches, sizeof *plan->batch_order);
	if (plan->order == NULL || plan->batch_order == NULL)
		return clf_fail_memory(error);
	return CLF_OK;
}

void
clf_plan_free(ClfPlan *plan)
{
	if (plan->mem == NULL)
		return;
	clf_mem_free(plan->mem, plan->order);
	clf_mem_free(plan->mem, plan->batch_order);
	memset(plan, 0, sizeof *plan);
}

void
clf_plan_start(ClfPlan *plan, ClfRng *rng)
{
	for (size_t i = 0; i < plan->count; i++)
		plan->order[i] = plan->first + i;
	for (size_t i = 0; i < plan->batches; i++)
		plan->batch_order[i] = (uint32_t) i;
	plan->sorted = 0;
	if (rng == NULL)
		return;
	for (size_t i = plan->count; i > 1; i--)
	{
		size_t		j = clf_rng_below(rng, i);
		uint64_t	swap = plan->order[i - 1];

		plan->order[i - 1] = plan->order[j];
		plan->order[j] = swap;
	}
	clf_rng_shuffle(rng, plan->batch_order, plan->batches);
}

static int
compare_keys(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

bool
clf_plan_advance(ClfPlan *plan, const ClfDataset *data)
{
	size_t		window = plan->batch_size * WINDOW;
	size_t		left = plan->count - plan->sorted;
	uint64_t   *order = plan->order + plan->sorted;

	if (left < window)
		window = left;
	for (size_t i = 0; i < window; i++)
		order[i] = ORDER_KEY(clf_dataset_length(data, ORDER_ROW(order[i])), ORDER_ROW(order[i]));
	qsort(order, window, sizeof *order, compare_keys);
	plan->sorted += window;
	return plan->sorted == plan->count;
}

void
clf_plan_batch(const ClfPlan *plan, size_t index, size_t *begin, size_t *end)
{
	*begin = plan->batch_order[index] * plan->batch_size;
	*end = *begin + plan->batch_size;
	if (*end > plan->count)
		*end = plan->count;
}

size_t
clf_plan_row(const ClfPlan *plan, size_t position)
{
	return ORDER_ROW(plan->order[position]);
}

/* ---- shards ---- */

#define LEAST_SHARD_ROWS 16		/* fewer make slow products */
#define LEAST_SHARD_TOKENS 256
#define MOST_SHARDS 8			/* unless the rows do not fit into so many */

size_t
clf_plan_shard_tokens(const ClfPlan *plan, const ClfDataset *data,
					  size_t begin, size_t end, size_t max_tokens)
{
	size_t		tokens = 0;
	size_t		shards = (end - begin) / LEAST_SHARD_ROWS;

	for (size_t i = begin; i < end; i++)
		tokens += clf_dataset_length(data, ORDER_ROW(plan->order[i]));
	if (shards > tokens / LEAST_SHARD_TOKENS)
		shards = tokens / LEAST_SHARD_TOKENS;
	if (shards > MOST_SHARDS)
		shards = MOST_SHARDS;
	if (shards < tokens / max_tokens + 1)
		shards = tokens / max_tokens + 1;
	return tokens / shards + 1;
}

size_t
clf_sharder_memory(size_t max_tokens, size_t vocabulary)
{
	return (max_tokens + vocabulary) * sizeof(uint32_t);
}

ClfStatus
clf_sharder_init(ClfSharder *sharder, ClfMem *mem, size_t max_tokens,
				 size_t max_rows, size_t vocabulary, ClfError *error)
{
	memset(sharder, 0, sizeof *sharder);
	sharder->mem = mem;
	sharder->max_tokens = max_tokens;
	sharder->max_rows = max_rows;
	sharder->sequences = clf_mem_alloc(mem, max_tokens, sizeof *sharder->sequences);
	sharder->slot_of = clf_mem_alloc_zero(mem, vocabulary, sizeof *sharder->slot_of);
	if (!sharder->sequences || !sharder->slot_of)
		return clf_fail_memory(error);
	return CLF_OK;
}

void
clf_sharder_free(ClfSharder *sharder)
{
	if (sharder->mem == NULL)
		return;
	clf_mem_free(sharder->mem, sharder->sequences);
	clf_mem_free(sharder->mem, sharder->slot_of);
	memset(sharder, 0, sizeof *sharder);
}

/* Read rows into sequences until the shard is full; moves *position past them. */
static ClfStatus
take_rows(ClfSharder *sharder, ClfDataset *data, const ClfPlan *plan,
		  size_t *position, size_t end, size_t tokens, const float *class_weight,
		  ClfShard *shard, ClfError *error)
{
	shard->rows = 0;
	shard->tokens = 0;
	for (; *position < end && (size_t) shard->rows < sharder->max_rows &&
		 (size_t) shard->tokens < tokens; (*position)++)
	{
		uint32_t	row = ORDER_ROW(plan->order[*position]);
		size_t		length = clf_dataset_length(data, row);
		ClfStatus	status;

		if (length > sharder->max_tokens - (size_t) shard->tokens)
			break;
		status = clf_dataset_read(data, row, error);
		if (status != CLF_OK)
			return status;
		memcpy(sharder->sequences + shard->tokens, data->sequence, length * sizeof *data->sequence);
		shard->length[shard->rows] = (int) length;
		shard->classes[shard->rows] = (int32_t) data->rows[row].label;
		shard->row_weight[shard->rows] = class_weight[data->rows[row].label];
		shard->tokens += (int) length;
		shard->rows++;
	}
	return CLF_OK;
}

/* Where the steps of the shard begin and how many rows they have. */
static void
lay_out_steps(ClfShard *shard)
{
	int			active = shard->rows;

	shard->steps = shard->length[0];	/* the longest is the first */
	shard->offset[0] = 0;
	for (int t = 0; t < shard->steps; t++)
	{
		while (shard->length[active - 1] <= t)
			active--;
		shard->active[t] = active;
		shard->offset[t + 1] = shard->offset[t] + active;
	}
}

/* The number of an id in the shard, a new one if it is new. */
static uint32_t
slot_of_id(ClfSharder *sharder, ClfShard *shard, uint32_t id)
{
	uint32_t   *slot = &sharder->slot_of[id];

	if (*slot == 0)
	{
		shard->ids[shard->unique++] = id;
		*slot = (uint32_t) shard->unique;
	}
	return *slot;
}

/*
 * Number the distinct ids and put every token's number into its place.  With
 * word dropout, some words are read as unknown throughout the shard, so that
 * the network does not lean on single words and learns what to make of
 * unknown ones.
 */
static void
number_tokens(ClfSharder *sharder, ClfShard *shard, double word_dropout, ClfRng *rng)
{
	const uint32_t *sequence = sharder->sequences;

	shard->unique = 0;
	for (int row = 0; row < shard->rows; row++)
	{
		for (int t = 0; t < shard->length[row]; t++)
		{
			uint32_t	id = sequence[t];

			if (sharder->slot_of[id] == 0 && id >= CLF_FIRST_ID && rng != NULL &&
				word_dropout > 0 && clf_rng_uniform(rng) < word_dropout)
				sharder->slot_of[id] = slot_of_id(sharder, shard, CLF_ID_OOV);
			shard->slot[shard->offset[t] + row] = slot_of_id(sharder, shard, id) - 1;
		}
		sequence += shard->length[row];
	}
	for (int i = 0; i < shard->tokens; i++)
		sharder->slot_of[sharder->sequences[i]] = 0;
	sharder->slot_of[CLF_ID_OOV] = 0;
}

ClfStatus
clf_sharder_fill(ClfSharder *sharder, ClfDataset *data, const ClfPlan *plan,
				 size_t *position, size_t end, size_t tokens,
				 const float *class_weight, ClfRng *rng, ClfShard *shard,
				 ClfError *error)
{
	ClfStatus	status = take_rows(sharder, data, plan, position, end, tokens,
								   class_weight, shard, error);

	if (status != CLF_OK)
		return status;
	lay_out_steps(shard);
	number_tokens(sharder, shard, data->config->word_dropout, rng);
	return CLF_OK;
}

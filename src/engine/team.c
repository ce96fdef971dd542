/*
 * team.c
 *	  The shards of a batch, computed by a training and its helpers.
 *
 * It must not know where shards come from or what becomes of gradients.
 */
#include "team.h"

#include <string.h>

#include "error.h"

#define SLOTS_PER_MEMBER 4		/* so that nobody is idle while others finish */
#define MAX_SLOTS 64
#define SPINS 2000				/* looks at a slot before the leader sleeps */

#define STRUCTS_SIZE (sizeof(ClfTeamBlock) + sizeof(ClfSlot))

#define CLAIM(round, filled, taken) \
	((uint64_t) (round) << 32 | (uint64_t) (filled) << 16 | (uint64_t) (taken))

/* ---- the layout of a block ---- */

/* Append count elements of size bytes at *end; false on overflow. */
static bool
append(size_t *end, size_t *place, size_t count, size_t size)
{
	size_t		bytes;

	*place = *end;
	return clf_size_mul(count, size, &bytes) &&
		clf_size_add(*end, bytes, end) &&
		clf_size_add(*end, (CLF_ALIGNMENT - *end % CLF_ALIGNMENT) % CLF_ALIGNMENT, end);
}

/* Lay out a block for shards of N tokens and R rows at most; false on overflow. */
static bool
lay_out(ClfTeamLayout *layout, const ClfTensorTable *table, size_t N, size_t R, size_t slots)
{
	size_t		E = table->tensors[table->embedding].columns;
	size_t		C = table->tensors[table->dense_kernel].columns;
	size_t		slot = 0;
	size_t		end = 0;
	size_t		start;

	return append(&slot, &start, 1, sizeof(ClfSlot)) &&
		append(&slot, &layout->active, N, sizeof(int)) &&
		append(&slot, &layout->offset, N + 1, sizeof(int)) &&
		append(&slot, &layout->length, R, sizeof(int)) &&
		append(&slot, &layout->ids, N, sizeof(uint32_t)) &&
		append(&slot, &layout->slot, N, sizeof(uint32_t)) &&
		append(&slot, &layout->classes, R, sizeof(int32_t)) &&
		append(&slot, &layout->row_weight, R, sizeof(float)) &&
		append(&slot, &layout->dense, clf_dense_floats(table), sizeof(float)) &&
		append(&slot, &layout->values, N, E * sizeof(float)) &&
		append(&slot, &layout->logits, R, C * sizeof(float)) &&
		append(&end, &start, 1, sizeof(ClfTeamBlock)) &&
		append(&end, &layout->weights, table->floats, sizeof(float)) &&
		append(&end, &layout->evaluated, table->floats, sizeof(float)) &&
		append(&end, &layout->slots, slots, slot) &&
		(layout->slot_size = slot, layout->size = end, true);
}

/* How many slots suit so many helpers. */
static size_t
slots_for(int helpers)
{
	size_t		slots = (size_t) (helpers + 1) * SLOTS_PER_MEMBER;

	return helpers == 0 ? 1 : slots < MAX_SLOTS ? slots : MAX_SLOTS;
}

size_t
clf_team_memory(const ClfConfig *config, const ClfTensorTable *table,
				size_t max_tokens, size_t max_rows, int helpers)
{
	ClfTeamLayout layout;
	size_t		buffers = clf_network_memory(config, table, max_tokens, max_rows, true);
	size_t		total;

	if (buffers == SIZE_MAX ||
		!lay_out(&layout, table, max_tokens, max_rows, slots_for(helpers)) ||
		!clf_size_mul(buffers, (size_t) helpers + 1, &total) ||
		!clf_size_add(total, layout.size, &total))
		return SIZE_MAX;
	return total;
}

/* ---- members ---- */

static char *
slot_bytes(const ClfMember *member, size_t index)
{
	return (char *) member->block + member->layout.slots + index * member->layout.slot_size;
}

static ClfSlot *
slot_of(const ClfMember *member, size_t index)
{
	return (ClfSlot *) slot_bytes(member, index);
}

/* A slot's shard as pointers of this process. */
static ClfShard
shard_of(const ClfMember *member, size_t index)
{
	const ClfTeamLayout *layout = &member->layout;
	const ClfSlot *slot = slot_of(member, index);
	char	   *bytes = slot_bytes(member, index);

	return (ClfShard) {
		.rows = slot->rows,
		.steps = slot->steps,
		.tokens = slot->tokens,
		.unique = slot->unique,
		.active = (int *) (bytes + layout->active),
		.offset = (int *) (bytes + layout->offset),
		.length = (int *) (bytes + layout->length),
		.ids = (uint32_t *) (bytes + layout->ids),
		.slot = (uint32_t *) (bytes + layout->slot),
		.classes = (int32_t *) (bytes + layout->classes),
		.row_weight = (float *) (bytes + layout->row_weight),
	};
}

static float *
floats_of(const ClfMember *member, size_t index, size_t place)
{
	return (float *) (slot_bytes(member, index) + place);
}

/* Join the team of a block whose start is filled in and checked. */
static ClfStatus
join(ClfMember *member, ClfMem *mem, ClfTeamBlock *block, ClfSgemm sgemm,
	 ClfError *error)
{
	ClfStatus	status;

	memset(member, 0, sizeof *member);
	member->block = block;
	member->slot = -1;
	status = clf_tensor_table(&block->config, block->vocabulary, block->classes,
							  &member->table, error);
	if (status != CLF_OK)
		return status;
	if (!lay_out(&member->layout, &member->table, block->max_tokens, block->max_rows, block->slots))
		return clf_fail_memory(error);
	member->mem = mem;
	return clf_network_init(&member->network, mem, &block->config, &member->table,
							clf_kernels(), sgemm, block->max_tokens, block->max_rows,
							true, error);
}

/* Take the next slot of the round under way; false if there is none. */
static bool
take_slot(ClfMember *member)
{
	uint64_t	claim = atomic_load(&member->block->claim);

	do
	{
		if ((claim & 0xFFFF) >= (claim >> 16 & 0xFFFF))
			return false;
	} while (!atomic_compare_exchange_weak(&member->block->claim, &claim, claim + 1));
	member->slot = (int) (claim & 0xFFFF);
	member->round = (unsigned int) (claim >> 32);
	return true;
}

static void
start_slot(ClfMember *member)
{
	const ClfTeamBlock *block = member->block;
	const ClfTeamLayout *layout = &member->layout;
	size_t		index = (size_t) member->slot;
	const char *weights = (const char *) block +
		(block->backward ? layout->weights : layout->evaluated);

	member->shard = shard_of(member, index);
	member->gradient.dense = floats_of(member, index, layout->dense);
	if (member->loaded != member->round)
		clf_network_load(&member->network, (const float *) weights);
	member->loaded = member->round;
	clf_network_start(&member->network, &member->shard,
					  block->backward ? &member->gradient : NULL, block->scale, block->perturbation,
					  block->backward ? &slot_of(member, index)->rng : NULL);
}

/* Leave the results of the shard at hand in its slot, and tell. */
static void
finish_slot(ClfMember *member)
{
	const ClfTeamLayout *layout = &member->layout;
	size_t		index = (size_t) member->slot;
	ClfSlot    *slot = slot_of(member, index);
	size_t		E = (size_t) member->block->config.embedding_dim;

	slot->loss = member->network.loss;
	slot->correct = member->network.correct;
	if (member->block->backward)
		memcpy(floats_of(member, index, layout->values), member->gradient.values,
			   (size_t) slot->unique * E * sizeof(float));
	else
		memcpy(floats_of(member, index, layout->logits), member->network.d_logits,
			   (size_t) slot->rows * member->block->classes * sizeof(float));
	member->slot = -1;
	atomic_store(&slot->done, member->round);
}

/* Do one item of work; false if there is none to do. */
static bool
advance(ClfMember *member)
{
	if (member->slot < 0)
	{
		if (!take_slot(member))
			return false;
		start_slot(member);
	}
	if (clf_network_advance(&member->network))
		finish_slot(member);
	return true;
}

/* ---- the leader ---- */

/* The block, from the host if there can be helpers. */
static ClfTeamBlock *
allocate_block(ClfTeam *team, size_t size, int helpers)
{
	const ClfTeamHost *host = &team->host->team;
	ClfTeamBlock *block = NULL;

	if (helpers > 0)
		block = host->share(host->context, size, helpers);
	team->shared = block != NULL;
	if (block != NULL)
		team->member.mem->used += size;
	else
		block = clf_mem_alloc_zero(team->member.mem, size, 1);
	return block;
}

ClfStatus
clf_team_init(ClfTeam *team, ClfMem *mem, const ClfHost *host,
			  const ClfConfig *config, const ClfTensorTable *table,
			  size_t max_tokens, size_t max_rows, int helpers, ClfError *error)
{
	ClfTeamLayout layout;
	ClfTeamBlock *block;
	ClfStatus	status;

	memset(team, 0, sizeof *team);
	team->host = host;
	team->member.mem = mem;
	team->slots = slots_for(helpers);
	if (!lay_out(&layout, table, max_tokens, max_rows, team->slots))
		return clf_fail_memory(error);
	block = allocate_block(team, layout.size, helpers);
	if (block == NULL)
		return clf_fail_memory(error);
	block->size = layout.size;
	block->config = *config;
	block->vocabulary = table->tensors[table->embedding].rows;
	block->classes = table->tensors[table->dense_kernel].columns;
	block->max_tokens = max_tokens;
	block->max_rows = max_rows;
	block->slots = team->slots;
	block->structs_size = STRUCTS_SIZE;
	status = join(&team->member, mem, block, host->sgemm, error);
	if (status == CLF_OK && team->shared)
		host->team.start(host->team.context);
	return status;
}

void
clf_team_free(ClfTeam *team)
{
	ClfTeamBlock *block = team->member.block;

	clf_network_free(&team->member.network);
	if (block == NULL)
		return;
	if (team->shared)
	{
		team->member.mem->used -= block->size;
		team->host->team.unshare(team->host->team.context);
	}
	else
		clf_mem_free(team->member.mem, block);
	memset(team, 0, sizeof *team);
}

float *
clf_team_weights(const ClfTeam *team)
{
	return (float *) ((char *) team->member.block + team->member.layout.weights);
}

float *
clf_team_evaluated(const ClfTeam *team)
{
	return (float *) ((char *) team->member.block + team->member.layout.evaluated);
}

ClfSlot *
clf_team_slot(const ClfTeam *team, size_t index)
{
	return slot_of(&team->member, index);
}

ClfShard
clf_team_shard(const ClfTeam *team, size_t index)
{
	return shard_of(&team->member, index);
}

void
clf_team_keep(ClfTeam *team, size_t index, const ClfShard *shard)
{
	ClfSlot    *slot = slot_of(&team->member, index);

	slot->rows = shard->rows;
	slot->steps = shard->steps;
	slot->tokens = shard->tokens;
	slot->unique = shard->unique;
}

void
clf_team_start(ClfTeam *team, size_t count, bool backward, float scale, float perturbation)
{
	ClfTeamBlock *block = team->member.block;

	block->backward = backward;
	block->scale = scale;
	block->perturbation = perturbation;
	team->round++;
	atomic_store(&block->claim, CLAIM(team->round, count, 0));
	if (team->shared && count > 1)
		team->host->team.wake(team->host->team.context);
}

bool
clf_team_advance(ClfTeam *team)
{
	return advance(&team->member);
}

bool
clf_team_done(const ClfTeam *team, size_t index)
{
	return atomic_load(&slot_of(&team->member, index)->done) == team->round;
}

bool
clf_team_wait(ClfTeam *team, size_t index)
{
	for (int i = 0; i < SPINS; i++)
	{
		if (clf_team_done(team, index))
			return false;
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
	atomic_store(&team->member.block->waiting, 1);
	return !clf_team_done(team, index);
}

const float *
clf_team_dense(const ClfTeam *team, size_t index)
{
	return floats_of(&team->member, index, team->member.layout.dense);
}

const float *
clf_team_values(const ClfTeam *team, size_t index)
{
	return floats_of(&team->member, index, team->member.layout.values);
}

const float *
clf_team_logits(const ClfTeam *team, size_t index)
{
	return floats_of(&team->member, index, team->member.layout.logits);
}

/* ---- helpers ---- */

struct ClfHelper
{
	ClfMem		mem;
	ClfMember	member;
};

ClfStatus
clf_helper_new(const ClfHost *host, void *block, size_t size,
			   ClfHelper **helper, ClfError *error)
{
	ClfTeamBlock *start = block;
	ClfMem		mem;
	ClfHelper  *result;
	ClfStatus	status;

	if (size < sizeof *start || start->structs_size != STRUCTS_SIZE || start->size > size)
		return clf_fail(error, CLF_ERR_HOST, "the shared memory is of another version of the library");
	clf_mem_init(&mem, &host->allocator);
	result = clf_mem_alloc_zero(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	status = join(&result->member, &result->mem, start, host->sgemm, error);
	if (status != CLF_OK)
	{
		clf_helper_free(result);
		return status;
	}
	*helper = result;
	return CLF_OK;
}

ClfHelperState
clf_helper_step(ClfHelper *helper)
{
	ClfMember  *member = &helper->member;
	unsigned int fpu = clf_fpu_enter();
	bool		worked = advance(member);

	clf_fpu_leave(fpu);
	if (!worked)
		return CLF_HELPER_IDLE;
	if (member->slot >= 0)
		return CLF_HELPER_BUSY;
	return atomic_exchange(&member->block->waiting, 0) ? CLF_HELPER_AWAITED : CLF_HELPER_FREE;
}

void
clf_helper_free(ClfHelper *helper)
{
	ClfMem		mem;

	if (helper == NULL)
		return;
	clf_network_free(&helper->member.network);
	mem = helper->mem;			/* the struct holds its own accounting */
	clf_mem_free(&mem, helper);
}

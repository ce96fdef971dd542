/*
 * team.h
 *	  The shards of a batch, computed by a training and its helpers.
 *
 * All that a shard's computation reads and writes lies in one block without
 * pointers, so that processes that see it at different addresses can work on
 * it.  The leader fills slots with shards and opens a round; every member,
 * the leader included, takes slots, computes and marks them done; the leader
 * collects them in their order.  So no result depends on who computed it.
 *
 * Letters as in network.h; N and R stand for the most tokens and rows of a
 * shard, P for the floats of a dense gradient.
 */
#ifndef CLF_TEAM_H
#define CLF_TEAM_H

#include <stdatomic.h>

#include "clf.h"
#include "network.h"

/* The part of a shard's slot that is not an array. */
typedef struct ClfSlot
{
	atomic_uint done;			/* the round in which it was computed last */
	int			rows;			/* sizes of the shard */
	int			steps;
	int			tokens;
	int			unique;
	ClfRng		rng;			/* of its dropout */
	double		loss;			/* results, see ClfNetwork */
	int			correct;
} ClfSlot;

/* Where things are, in bytes from the start of the block or of a slot. */
typedef struct ClfTeamLayout
{
	size_t		weights;		/* a block of ClfTensorTable, as the next */
	size_t		evaluated;
	size_t		slots;
	size_t		slot_size;
	size_t		active;			/* within a slot: the arrays of its shard */
	size_t		offset;
	size_t		length;
	size_t		ids;
	size_t		slot;
	size_t		classes;
	size_t		row_weight;
	size_t		dense;			/* results: [P] */
	size_t		values;			/* [U,E] */
	size_t		logits;			/* [R,C], of a pass without gradient */
	size_t		size;			/* of the block */
} ClfTeamLayout;

/* The start of the block. */
typedef struct ClfTeamBlock
{
	uint64_t	structs_size;	/* STRUCTS_SIZE, if it is the same library */
	uint64_t	size;			/* of the block */
	ClfConfig	config;
	uint64_t	vocabulary;
	uint64_t	classes;
	uint64_t	max_tokens;
	uint64_t	max_rows;
	uint64_t	slots;
	int32_t		backward;		/* of the round: gradients at weights, or scores at evaluated */
	float		scale;			/* of the loss in gradients */
	float		perturbation;	/* see clf_network_start */
	_Atomic uint64_t claim;		/* round << 32 | slots filled << 16 | slots taken */
	atomic_uint waiting;		/* the leader waits for a slot to be done */
} ClfTeamBlock;

/* One process that computes. */
typedef struct ClfMember
{
	ClfMem	   *mem;
	ClfTeamBlock *block;
	ClfTeamLayout layout;
	ClfTensorTable table;
	ClfNetwork	network;
	ClfGradient gradient;
	ClfShard	shard;			/* at hand */
	int			slot;			/* of the shard at hand, or -1 */
	unsigned int round;
	unsigned int loaded;		/* the round whose weights the network has */
} ClfMember;

/* What the leader holds. */
typedef struct ClfTeam
{
	ClfMember	member;
	const ClfHost *host;
	bool		shared;			/* the block is the host's, not from mem */
	unsigned int round;
	size_t		slots;
} ClfTeam;

/*
 * Bytes that a team takes with this many helpers: the block and every member's
 * buffers; SIZE_MAX if too many.
 */
extern size_t clf_team_memory(const ClfConfig *config, const ClfTensorTable *table,
							  size_t max_tokens, size_t max_rows, int helpers);

/* config is valid and fully set; the block's weights are zeros. */
extern ClfStatus clf_team_init(ClfTeam *team, ClfMem *mem, const ClfHost *host,
							   const ClfConfig *config, const ClfTensorTable *table,
							   size_t max_tokens, size_t max_rows, int helpers,
							   ClfError *error);
extern void clf_team_free(ClfTeam *team);

/* The weights that gradients are computed at, and those that rows are scored with. */
extern float *clf_team_weights(const ClfTeam *team);
extern float *clf_team_evaluated(const ClfTeam *team);

/* Slot number index, and its shard's arrays, to be filled between two rounds. */
extern ClfSlot *clf_team_slot(const ClfTeam *team, size_t index);
extern ClfShard clf_team_shard(const ClfTeam *team, size_t index);

/* Keep the sizes of a shard that was filled. */
extern void clf_team_keep(ClfTeam *team, size_t index, const ClfShard *shard);

/* Open a round on the first count slots; with gradients, scale and perturbation as in clf_network_start. */
extern void clf_team_start(ClfTeam *team, size_t count, bool backward, float scale, float perturbation);

/*
 * Do one item of work; false if there is none to do, for all slots are taken.
 */
extern bool clf_team_advance(ClfTeam *team);

/* Is a slot of the round computed? */
extern bool clf_team_done(const ClfTeam *team, size_t index);

/*
 * Ask to be woken when a slot is done; false if this one is by now, so that
 * there is nothing to wait for.
 */
extern bool clf_team_wait(ClfTeam *team, size_t index);

/* Results of a slot that is done. */
extern const float *clf_team_dense(const ClfTeam *team, size_t index);
extern const float *clf_team_values(const ClfTeam *team, size_t index);
extern const float *clf_team_logits(const ClfTeam *team, size_t index);

#endif							/* CLF_TEAM_H */

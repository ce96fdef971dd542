/*
 * test_team.c
 *	  A training with helpers makes the model that it makes without them,
 *	  whoever computes what, and however helpers come and go.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "rng.h"
#include "team.h"
#include "unit.h"

#define MOST_HELPERS 8
#define ROWS 700

/* Helpers in threads, or in turns with the training. */
typedef struct Crew
{
	UnitHost	host;
	int			rows;
	void	   *block;
	size_t		size;
	int			shared;			/* helpers that the block was asked for */
	int			woken;
	bool		refuses;		/* share gives nothing */
	bool		threaded;
	bool		leaves;			/* helpers leave in mid-training */
	bool		starves;		/* a helper is refused each allocation once */
	atomic_bool over;
	pthread_t	threads[MOST_HELPERS];
	UnitMemory	memory[MOST_HELPERS];	/* of the threads */
	atomic_int	number;			/* of the next thread */
	ClfHelper  *helpers[MOST_HELPERS];
	ClfRng		rng;
	int			steps;
	bool		failed;
} Crew;

static void *
share(void *context, size_t size, int helpers)
{
	Crew	   *crew = context;

	crew->shared = helpers;
	if (crew->refuses)
		return NULL;
	crew->size = size;
	crew->block = aligned_alloc(CLF_ALIGNMENT, (size + CLF_ALIGNMENT - 1) / CLF_ALIGNMENT * CLF_ALIGNMENT);
	memset(crew->block, 0, size);
	return crew->block;
}

static ClfHelper *
new_helper(Crew *crew, const ClfAllocator *allocator)
{
	ClfHost		host = {.allocator = *allocator};
	ClfHelper  *helper;
	ClfError	error;

	if (clf_helper_new(&host, crew->block, crew->size, &helper, &error) == CLF_OK)
		return helper;
	crew->failed = true;
	return NULL;
}

/* A helper that is refused its allocation 1, 2, ... keeps nothing, until it is refused none. */
static ClfHelper *
new_starving_helper(Crew *crew)
{
	UnitMemory *memory = &crew->host.memory;
	ClfHost		host = {.allocator = memory->allocator};
	ClfHelper  *helper;
	ClfStatus	status = CLF_ERR_MEMORY;

	for (size_t n = 1; status != CLF_OK; n++)
	{
		size_t		before = memory->blocks;
		ClfError	error;

		memory->fail_at = memory->calls + n;
		status = clf_helper_new(&host, crew->block, crew->size, &helper, &error);
		memory->fail_at = 0;
		if (status != CLF_OK && (status != CLF_ERR_MEMORY || memory->blocks != before))
		{
			crew->failed = true;
			return NULL;
		}
		crew->steps++;
	}
	return helper;
}

static void *
run_thread(void *context)
{
	Crew	   *crew = context;
	UnitMemory *memory = &crew->memory[atomic_fetch_add(&crew->number, 1)];
	ClfHelper  *helper;

	unit_memory_init(memory);
	helper = new_helper(crew, &memory->allocator);
	while (helper != NULL && !atomic_load(&crew->over))
		if (clf_helper_step(helper) == CLF_HELPER_IDLE)
			sched_yield();
	clf_helper_free(helper);
	return NULL;
}

static void
start(void *context)
{
	Crew	   *crew = context;

	for (int i = 0; i < crew->shared; i++)
		if (crew->threaded)
			crew->failed |= pthread_create(&crew->threads[i], NULL, run_thread, crew) != 0;
		else if (crew->starves)
			crew->helpers[i] = new_starving_helper(crew);
		else
			crew->helpers[i] = new_helper(crew, &crew->host.memory.allocator);
}

static void
wake(void *context)
{
	((Crew *) context)->woken++;
}

static void
unshare(void *context)
{
	Crew	   *crew = context;

	atomic_store(&crew->over, true);
	for (int i = 0; i < crew->shared; i++)
		if (crew->threaded)
			pthread_join(crew->threads[i], NULL);
		else
			clf_helper_free(crew->helpers[i]);
	free(crew->block);
	crew->block = NULL;
}

/* Helpers that take turns with the training do some items of work each. */
static void
take_turns(Crew *crew)
{
	for (int i = 0; i < crew->shared; i++)
	{
		size_t		items = clf_rng_below(&crew->rng, 40);
		ClfHelperState state = CLF_HELPER_FREE;

		if (crew->block == NULL || crew->helpers[i] == NULL)
			continue;
		while (state != CLF_HELPER_IDLE && items-- > 0)
			state = clf_helper_step(crew->helpers[i]);
		/* it may leave where it is not in the midst of a shard */
		if (crew->leaves && state != CLF_HELPER_BUSY && ++crew->steps > 20)
		{
			clf_helper_free(crew->helpers[i]);
			crew->helpers[i] = NULL;
		}
	}
}

static void
crew_init(Crew *crew, int helpers)
{
	memset(crew, 0, sizeof *crew);
	crew->rows = ROWS;
	unit_host_init(&crew->host);
	crew->host.clock_step = 0.001;	/* steps end after a few items */
	clf_rng_seed(&crew->rng, (uint64_t) helpers, 0);
	crew->host.host.team = (ClfTeamHost) {helpers, share, start, wake, unshare, crew};
}

/* Train, encode; the bytes are from malloc.  NULL on failure. */
static void *
train(Crew *crew, const ClfConfig *config, size_t *size)
{
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfModel   *model;
	ClfError	error;
	ClfStatus	status = clf_trainer_new(config, &crew->host.host, &trainer, &error);
	void	   *bytes = NULL;
	void	   *copy = NULL;

	for (int i = 0; i < crew->rows && status == CLF_OK; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 4, text, label);
		status = clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error);
	}
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
	{
		status = clf_trainer_step(trainer, &progress, &error);
		if (!crew->threaded && crew->block != NULL)
			take_turns(crew);
	}
	if (status == CLF_OK)
		status = clf_trainer_finish(trainer, &model, &summary, &error);
	if (status == CLF_OK)
	{
		status = clf_model_encode(model, &crew->host.memory.allocator, &bytes, size, &error);
		clf_model_free(model);
	}
	if (status == CLF_OK)
	{
		copy = malloc(*size);
		memcpy(copy, bytes, *size);
		crew->host.memory.allocator.free(crew->host.memory.allocator.context, bytes);
	}
	else
		unit_fail(__FILE__, __LINE__, "%s", error.message);
	clf_trainer_free(trainer);
	unit_host_free(&crew->host);
	return copy;
}

static void
team_config(ClfConfig *config)
{
	unit_quick_config(config);
	config->batch_size = 128;
	config->epochs = 3;
	config->dropout = 0.3;
	config->word_dropout = 0.1;
	config->clip_norm = 1;
	config->weight_average = 0.9;
}

/* The model of crew is the one that a training alone makes. */
static void
check_same(Crew *crew, const ClfConfig *config)
{
	Crew		alone;
	size_t		size;
	size_t		expected_size;
	void	   *expected;
	void	   *bytes;

	crew_init(&alone, 0);
	alone.rows = crew->rows;
	expected = train(&alone, config, &expected_size);
	bytes = train(crew, config, &size);
	CHECK(expected != NULL && bytes != NULL, "a training failed");
	CHECK(!crew->failed, "a helper failed");
	CHECK(size == expected_size && memcmp(bytes, expected, size) == 0,
		  "the model differs from that of a training alone");
	free(expected);
	free(bytes);
}

static void
helpers_in_turns_change_nothing(void)
{
	ClfConfig	config;

	team_config(&config);
	for (int helpers = 1; helpers <= 5; helpers += 2)
	{
		Crew		crew;

		crew_init(&crew, helpers);
		check_same(&crew, &config);
		CHECK(crew.shared == helpers, "%d helpers were asked for in place of %d", crew.shared, helpers);
		CHECK(crew.woken > 0, "nobody was woken");
		CHECK(crew.host.memory.blocks == 0, "%zu blocks are left", crew.host.memory.blocks);
	}
}

static void
helpers_in_threads_change_nothing(void)
{
	ClfConfig	config;

	team_config(&config);
	config.pooling = CLF_POOLING_MEAN;
	for (int helpers = 1; helpers <= 2; helpers++)
	{
		Crew		crew;

		config.architecture = helpers == 1 ? CLF_ARCH_HYBRID : CLF_ARCH_BILSTM;
		crew_init(&crew, helpers);
		crew.threaded = true;
		check_same(&crew, &config);
	}
}

/* Where rows are few, the network learns from all of them in the end, and helpers help with that, too. */
static void
helpers_of_a_refit_change_nothing(void)
{
	ClfConfig	config;
	Crew		crew;
	int			woken[2];

	team_config(&config);
	config.architecture = CLF_ARCH_HYBRID;
	for (int refit = 0; refit <= 1; refit++)
	{
		config.refit = refit;
		crew_init(&crew, 2);
		crew.rows = 1300;
		check_same(&crew, &config);
		woken[refit] = crew.woken;
	}
	CHECK(woken[1] > woken[0] + woken[0] / 2, "helpers were woken %d times, and %d without a refit", woken[1], woken[0]);
	crew_init(&crew, 2);
	crew.rows = 1300;
	crew.threaded = true;
	check_same(&crew, &config);
	crew_init(&crew, 2);
	crew.rows = 1300;
	crew.leaves = true;
	check_same(&crew, &config);
}

/* The network begins again, for each part of the rows that is held out. */
static void
helpers_know_all_parts(void)
{
	for (int threaded = 0; threaded <= 1; threaded++)
	{
		ClfConfig	config;
		Crew		crew;

		team_config(&config);
		config.architecture = CLF_ARCH_HYBRID;
		config.epochs = 2;
		crew_init(&crew, 2);
		crew.threaded = threaded;
		check_same(&crew, &config);
	}
}

static void
helpers_may_leave(void)
{
	ClfConfig	config;
	Crew		crew;

	team_config(&config);
	crew_init(&crew, 2);
	crew.leaves = true;
	check_same(&crew, &config);
	CHECK(crew.helpers[0] == NULL && crew.helpers[1] == NULL, "nobody left");
}

static void
helper_without_memory(void)
{
	ClfConfig	config;
	Crew		crew;

	team_config(&config);
	config.epochs = 1;
	crew_init(&crew, 1);
	crew.starves = true;
	check_same(&crew, &config);
	CHECK(crew.steps > 5, "%d allocations were refused", crew.steps);
}

static void
no_shared_memory_no_helpers(void)
{
	ClfConfig	config;
	Crew		crew;

	team_config(&config);
	crew_init(&crew, 3);
	crew.refuses = true;
	check_same(&crew, &config);
	CHECK(crew.woken == 0, "somebody was woken");
}

/* What a training says it needs that is given too little. */
static size_t
bytes_needed(const ClfConfig *config)
{
	UnitHost	host;
	ClfModel   *model;
	ClfError	error = {.bytes_needed = 0};

	unit_host_init(&host);
	host.host.memory_limit = 1 << 20;
	(void) unit_train(&host, config, ROWS, 0, 1, 4, &model, NULL, &error);
	unit_host_free(&host);
	return error.bytes_needed;
}

/* Helpers take memory of their own; where there is none, the training goes on alone. */
static void
little_memory_fewer_helpers(void)
{
	ClfConfig	config;
	Crew		crew;
	size_t		alone;

	team_config(&config);
	config.units = 64;
	config.epochs = 1;
	alone = bytes_needed(&config);
	CHECK(alone > 0, "the training was not refused");
	crew_init(&crew, 8);
	crew.host.host.memory_limit = alone;
	check_same(&crew, &config);
	CHECK(crew.shared == 0, "%d helpers", crew.shared);
	crew_init(&crew, 8);
	crew.host.host.memory_limit = 4 * alone;
	check_same(&crew, &config);
	CHECK(crew.shared > 0 && crew.shared < 8, "%d helpers", crew.shared);
}

/* What another version of the library shared is refused. */
static void
foreign_blocks_are_refused(void)
{
	ClfTeamBlock block;
	UnitHost	host;
	ClfHelper  *helper;
	ClfError	error;

	unit_host_init(&host);
	memset(&block, 0, sizeof block);
	CHECK(clf_helper_new(&host.host, &block, sizeof block, &helper, &error) == CLF_ERR_HOST,
		  "a block of zeros is taken");
	CHECK(clf_helper_new(&host.host, &block, 8, &helper, &error) == CLF_ERR_HOST,
		  "a short block is taken");
	CHECK(host.memory.blocks == 0, "%zu blocks are left", host.memory.blocks);
	unit_host_free(&host);
}

int
main(void)
{
	RUN(helpers_in_turns_change_nothing);
	RUN(helpers_in_threads_change_nothing);
	RUN(helpers_of_a_refit_change_nothing);
	RUN(helpers_know_all_parts);
	RUN(helpers_may_leave);
	RUN(helper_without_memory);
	RUN(no_shared_memory_no_helpers);
	RUN(little_memory_fewer_helpers);
	RUN(foreign_blocks_are_refused);
	return UNIT_RESULT();
}

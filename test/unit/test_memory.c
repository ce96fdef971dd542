/*
 * test_memory.c
 *	  Every allocation refused once: each call succeeds or says that memory is
 *	  short, keeps nothing, and the next call gives what it always gives.
 */
#include "unit.h"

#include "hash.h"

static uint64_t answer;			/* hash of what an action that succeeded gave */

static void
answer_with(const void *data, size_t length)
{
	answer = clf_hash_bytes(data, length, 0);
}

/* The answer is a model: its bytes, made with other memory. */
static void
answer_with_model(const ClfModel *model)
{
	UnitMemory	own;
	void	   *encoded;
	size_t		encoded_size;
	ClfError	error;

	unit_memory_init(&own);
	CHECK(clf_model_encode(model, &own.allocator, &encoded, &encoded_size, &error) == CLF_OK, "%s", error.message);
	answer_with(encoded, encoded_size);
	own.allocator.free(own.allocator.context, encoded);
}

/*
 * Run action with allocation 1, 2, ... refused until none is.  After every
 * so-many-th refusal it runs with all memory.
 */
static void
refuse_each(UnitMemory *memory, ClfStatus (*action) (ClfError *error), size_t every)
{
	size_t		blocks = memory->blocks;
	size_t		bytes = memory->bytes;
	ClfError	none;
	uint64_t	right;

	CHECK(action(&none) == CLF_OK, "fails with all memory: %s", none.message);
	right = answer;

	for (size_t n = 1;; n++)
	{
		ClfError	error;
		ClfStatus	status;
		bool		refused;

		memset(&error, 0, sizeof error);
		memory->calls = 0;
		memory->fail_at = n;
		status = action(&error);
		refused = memory->calls >= n;
		memory->fail_at = 0;
		CHECK(memory->blocks == blocks && memory->bytes == bytes,
			  "allocation %zu refused: %zu blocks are kept", n, memory->blocks - blocks);
		if (!refused)
		{
			CHECK(status == CLF_OK && answer == right, "fails with all memory: %s", error.message);
			CHECK(n > 1, "allocates nothing");
			return;
		}
		CHECK(status == CLF_OK || (status == CLF_ERR_MEMORY && error.status == status),
			  "allocation %zu refused: status %d, %s", n, status, error.message);
		CHECK(status != CLF_OK || answer == right, "allocation %zu refused: another answer", n);
		if (n % every == 0)
			CHECK(action(&error) == CLF_OK && answer == right, "allocation %zu refused: the next call is wrong", n);
	}
}

static UnitMemory memory;
static ClfConfig config;
static ClfModel *model;
static void *bytes;
static size_t size;

static ClfStatus
decode(ClfError *error)
{
	ClfModel   *decoded;
	ClfStatus	status = clf_model_decode(&memory.allocator, bytes, size, &decoded, error);

	if (status != CLF_OK)
		return status;
	answer_with_model(decoded);
	clf_model_free(decoded);
	return status;
}

static ClfStatus
encode(ClfError *error)
{
	void	   *encoded;
	size_t		encoded_size;
	ClfStatus	status = clf_model_encode(model, &memory.allocator, &encoded, &encoded_size, error);

	if (status != CLF_OK)
		return status;
	answer_with(encoded, encoded_size);
	memory.allocator.free(memory.allocator.context, encoded);
	return status;
}

static char image_bytes[1 << 20] __attribute__((aligned(64)));
static size_t image_size;

static bool
append_to_image(void *context, const void *part, size_t part_size)
{
	if (part_size > sizeof image_bytes - image_size)
		return false;
	memcpy(image_bytes + image_size, part, part_size);
	image_size += part_size;
	return true;
}

static ClfStatus
image(ClfError *error)
{
	ClfModel   *attached;
	ClfStatus	status;

	image_size = 0;
	status = clf_image_write(model, &memory.allocator, SIZE_MAX, append_to_image, NULL, error);
	if (status == CLF_OK)
		status = clf_image_attach(&memory.allocator, image_bytes, image_size, &attached, error);
	if (status != CLF_OK)
		return status;
	answer_with_model(attached);
	clf_model_free(attached);
	return status;
}

static ClfStatus
predict(ClfError *error)
{
	ClfScratch *scratch;
	float		probability[4];
	const ClfToken *tokens;
	size_t		count;
	ClfStatus	status = clf_scratch_new(model, &memory.allocator, &scratch, error);

	if (status != CLF_OK)
		return status;
	status = clf_predict(model, scratch, "apple and common1", 17, probability, error);
	if (status == CLF_OK)
		status = clf_tokens(model, scratch, "apple and common1", 17, &tokens, &count, error);
	answer_with(probability, sizeof probability);
	clf_scratch_free(scratch);
	return status;
}

/*
 * Texts that are longer than those before make buffers grow; the scratch for
 * which there was no memory answers when there is some.
 */
static ClfStatus
predict_batch(ClfError *error)
{
	static const char text[] = "apple and common1, bridge bridge \xE4\xB8\xAD\xE4\xB8\xAD";
	char		longer[40 * sizeof text + 1];
	ClfText		texts[] = {{text, sizeof text - 1}, {longer, 0}, {text, 5}, {NULL, 0}};
	float		probability[4 * 4];
	ClfScratch *scratch;
	ClfStatus	status = clf_scratch_new(model, &memory.allocator, &scratch, error);

	for (int i = 0; i < 40; i++)
		texts[1].length += (size_t) sprintf(longer + texts[1].length, "%s ", text);
	if (status != CLF_OK)
		return status;
	status = clf_predict_batch(model, scratch, texts, 4, probability, error);
	if (status == CLF_ERR_MEMORY)
	{
		memory.fail_at = 0;
		status = clf_predict_batch(model, scratch, texts, 4, probability, error);
	}
	answer_with(probability, sizeof probability);
	clf_scratch_free(scratch);
	return status;
}

static ClfStatus
explain(ClfError *error)
{
	static const char text[] = "apple and common1 bridge";
	ClfExplainer *explainer;
	bool		done = false;
	ClfStatus	status = clf_explainer_new(model, &memory.allocator, NULL, text, sizeof text - 1, -1,
										   &explainer, error);

	if (status != CLF_OK)
		return status;
	while (status == CLF_OK && !done)
		status = clf_explainer_step(explainer, &done, error);
	if (status == CLF_OK)
		answer_with(clf_explainer_result(explainer)->weights,
					clf_explainer_result(explainer)->count * sizeof(double));
	clf_explainer_free(explainer);
	return status;
}

static ClfStatus
tally(ClfError *error)
{
	ClfTally   *answers;
	size_t		count;
	const ClfCell *cells;
	ClfStatus	status = clf_tally_new(&memory.allocator, &answers, error);

	if (status != CLF_OK)
		return status;
	for (int i = 0; i < 5000 && status == CLF_OK; i++)
		status = clf_tally_add(answers, i % 700, i % 11, 0.5, error);
	cells = clf_tally_cells(answers, &count);
	answer_with(cells, count * sizeof *cells);
	clf_tally_free(answers);
	return status;
}

/* A host whose memory is the one that refuses. */
static UnitHost host;

static ClfStatus
train(ClfError *error)
{
	ClfModel   *trained;
	ClfStatus	status = unit_train(&host, &config, 40, 0, 1, 3, &trained, NULL, error);

	if (status != CLF_OK)
		return status;
	answer_with_model(trained);
	clf_model_free(trained);
	return status;
}

/* The same from a model's weights and a word's vector. */
static ClfStatus
train_from_model(ClfError *error)
{
	static const float vector[64] = {1, 2, 3};
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfModel   *trained;
	ClfStatus	status = clf_trainer_new(&config, &host.host, &trainer, error);

	if (status != CLF_OK)
		return status;
	host.store.size = 0;
	for (int i = 0; i < 40 && status == CLF_OK; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 3, text, label);
		status = clf_trainer_add(trainer, text, strlen(text), label, strlen(label), error);
	}
	if (status == CLF_OK)
		status = clf_trainer_warm_start(trainer, model, error);
	if (status == CLF_OK)
		status = clf_trainer_add_vector(trainer, "common1", 7, vector, (size_t) config.embedding_dim, error);
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
		status = clf_trainer_step(trainer, &progress, error);
	if (status == CLF_OK)
		status = clf_trainer_finish(trainer, &trained, &summary, error);
	clf_trainer_free(trainer);
	if (status != CLF_OK)
		return status;
	answer_with_model(trained);
	clf_model_free(trained);
	return status;
}

static int	architecture;

static void
model_calls(void)
{
	ClfError	error;

	unit_memory_init(&memory);
	unit_config(&config);
	config.architecture = architecture;
	config.char_ngrams = 1;
	config.embedding_dim = 3;
	config.bidirectional = 1;
	config.layers = 2;
	config.mask = 1 << CLF_MASK_NUMBER;
	strcpy(config.mask_pattern, "b\\w+e");	/* ICU's own memory, which is not refused */
	model = unit_random_model(&memory.allocator, &config, 4, 1);
	CHECK(clf_model_set_info(model, "{}", 2, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_model_encode(model, &memory.allocator, &bytes, &size, &error) == CLF_OK, "%s", error.message);
	refuse_each(&memory, decode, 1);
	refuse_each(&memory, encode, 1);
	refuse_each(&memory, image, 1);
	refuse_each(&memory, predict, 1);
	refuse_each(&memory, predict_batch, 1);
	refuse_each(&memory, explain, 1);
	memory.allocator.free(memory.allocator.context, bytes);
	clf_model_free(model);
	CHECK(memory.blocks == 0, "memory is kept");
}

static void
counting(void)
{
	unit_memory_init(&memory);
	refuse_each(&memory, tally, 1);
	CHECK(memory.blocks == 0, "memory is kept");
}

static void
check_training(void)
{
	unit_host_init(&host);
	refuse_each(&host.memory, train, 50);
	unit_host_free(&host);
}

static void
training(void)
{
	unit_quick_config(&config);
	config.architecture = architecture;
	config.epochs = 2;
	if (architecture == CLF_ARCH_HYBRID || architecture == CLF_ARCH_LINEAR)
		config.char_ngrams = -1;	/* both are tried, the better one is kept */
	check_training();
}

static void
training_with_everything(void)
{
	unit_quick_config(&config);
	config.epochs = 2;
	config.layers = 2;
	config.dropout = 0.2;
	config.dense_updates = 1;
	config.weight_average = 0.9;
	config.class_weight = CLF_CLASS_WEIGHT_BALANCED;
	config.schedule = CLF_SCHEDULE_COSINE;
	check_training();
}

static void
training_as_keras(void)
{
	unit_quick_config(&config);
	config.epochs = 1;
	config.architecture = CLF_ARCH_LSTM;
	config.tokenizer = CLF_TOKENIZER_KERAS;
	config.optimizer = CLF_OPTIMIZER_RMSPROP;
	config.validation_split = 0;
	check_training();
}

static void
training_from_a_model(void)
{
	unit_quick_config(&config);
	config.epochs = 1;
	unit_memory_init(&memory);
	model = unit_random_model(&memory.allocator, &config, 3, 1);
	unit_host_init(&host);
	refuse_each(&host.memory, train_from_model, 50);
	unit_host_free(&host);
	clf_model_free(model);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* A training that is given up at any step leaves nothing. */
static void
abandoned_training(void)
{
	bool		done = false;

	unit_quick_config(&config);
	config.architecture = architecture;
	config.epochs = 2;
	for (int steps = 0; steps < 120 && !done; steps++)
	{
		ClfTrainer *trainer;
		ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
		ClfError	error;

		unit_host_init(&host);
		host.clock_step = 0.01;	/* two items of work a step */
		CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
		for (int i = 0; i < 40; i++)
		{
			char		text[256];
			char		label[16];

			unit_row(i, 3, text, label);
			CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK,
				  "%s", error.message);
		}
		for (int i = 0; i < steps && progress.phase != CLF_PHASE_DONE; i++)
			CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
		done = progress.phase == CLF_PHASE_DONE;
		clf_trainer_free(trainer);
		unit_host_free(&host);
		CHECK(host.memory.blocks == 0, "%zu blocks are kept after %d steps", host.memory.blocks, steps);
	}
}

/* Run a test once for each architecture. */
static void
for_architectures(const char *what, void (*test) (void))
{
	for (architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
	{
		char		name[64];

		snprintf(name, sizeof name, "%s, %s", what, unit_architecture(architecture));
		unit_run(name, test);
	}
}

int
main(void)
{
	for_architectures("model_calls", model_calls);
	RUN(counting);
	for_architectures("training", training);
	RUN(training_with_everything);
	RUN(training_as_keras);
	RUN(training_from_a_model);
	for_architectures("abandoned_training", abandoned_training);
	return UNIT_RESULT();
}

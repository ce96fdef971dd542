/*
 * test_trainer.c
 *	  Trainings from the first row to the model, on synthetic rows.
 */
#include "unit.h"

#include <time.h>

#include "hash.h"
#include "trainer.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#define FPU_STATE() (_mm_getcsr() & ~0x3Fu)	/* without the sticky flags */
#else
#define FPU_STATE() 0u
#endif

#define ROWS 200

/* Share of the synthetic rows that a model puts into their class. */
static double
accuracy_of(const ClfModel *model, int classes)
{
	UnitMemory	memory;
	ClfScratch *scratch;
	ClfError	error;
	int			correct = 0;

	unit_memory_init(&memory);
	if (clf_scratch_new(model, &memory.allocator, &scratch, &error) != CLF_OK)
		return -1;
	for (int i = 0; i < ROWS; i++)
	{
		char		text[256];
		char		label[16];
		float		probability[8];

		unit_row(i, classes, text, label);
		if (clf_predict(model, scratch, text, strlen(text), probability, &error) == CLF_OK)
			correct += clf_best(probability, classes) == clf_model_class(model, label, strlen(label));
	}
	clf_scratch_free(scratch);
	return memory.blocks == 0 ? (double) correct / ROWS : -1;
}

/* Bytes of the model of a training, from malloc; NULL on failure. */
static char *
bytes_of_training(const ClfConfig *config, int begin, int stride, size_t *size)
{
	UnitHost	host;
	ClfModel   *model;
	ClfError	error;
	void	   *bytes = NULL;
	char	   *copy = NULL;

	unit_host_init(&host);
	if (unit_train(&host, config, ROWS, begin, stride, 3, &model, NULL, &error) != CLF_OK)
		return NULL;
	if (clf_model_encode(model, &host.memory.allocator, &bytes, size, &error) == CLF_OK)
	{
		copy = malloc(*size);
		memcpy(copy, bytes, *size);
		host.memory.allocator.free(host.memory.allocator.context, bytes);
	}
	clf_model_free(model);
	unit_host_free(&host);
	return copy;
}

/* ---- learning ---- */

/* Word dropout changes the training, and the seed decides how. */
static void
word_dropout_is_drawn_from_the_seed(void)
{
	size_t		sizes[3];
	char	   *bytes[3];
	double		rates[3] = {0, 0.3, 0.3};

	for (int i = 0; i < 3; i++)
	{
		ClfConfig	config;

		unit_quick_config(&config);
		config.epochs = 2;
		config.word_dropout = rates[i];
		bytes[i] = bytes_of_training(&config, 0, 1, &sizes[i]);
		CHECK(bytes[i] != NULL, "the training failed");
	}
	/* the header differs in length with the option's digits, the end does not */
	CHECK(memcmp(bytes[0] + sizes[0] / 2, bytes[1] + sizes[1] - (sizes[0] - sizes[0] / 2),
				 sizes[0] / 4) != 0, "it changes nothing");
	CHECK(sizes[1] == sizes[2] && memcmp(bytes[1], bytes[2], sizes[1]) == 0,
		  "the same seed drops other words");
	for (int i = 0; i < 3; i++)
		free(bytes[i]);
}

/* Does the network of a hybrid learn otherwise than one by itself from so many rows? */
static void
check_adversary(int rows, bool expected)
{
	UnitHost	host;
	ClfConfig	config;
	ClfModel   *models[2];
	ClfError	error;

	unit_host_init(&host);
	unit_quick_config(&config);
	config.epochs = 1;
	config.refit = 0;
	for (int hybrid = 0; hybrid <= 1; hybrid++)
	{
		config.architecture = hybrid ? CLF_ARCH_HYBRID : CLF_ARCH_BILSTM;
		CHECK(unit_train(&host, &config, rows, 0, 1, 3, &models[hybrid], NULL, &error) == CLF_OK, "%s", error.message);
	}
	CHECK(models[0]->table.floats == models[1]->table.floats, "the networks are of different size");
	CHECK((memcmp(models[0]->weights, models[1]->weights, models[0]->table.floats * sizeof(float)) != 0) == expected,
		  "with %d rows, it does%s", rows, expected ? " not" : "");
	clf_model_free(models[0]);
	clf_model_free(models[1]);
	unit_host_free(&host);
}

static void
few_rows_have_an_adversary(void)
{
	check_adversary(ROWS, true);
	check_adversary(CLF_FEW_ROWS, false);
}

static void
check_learns(const ClfConfig *config)
{
	UnitHost	host;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;
	double		accuracy;
	unsigned int state = FPU_STATE();

	unit_host_init(&host);
	CHECK(unit_train(&host, config, ROWS, 0, 1, 3, &model, &summary, &error) == CLF_OK,
		  "%s %s", error.message, error.detail);
	CHECK(FPU_STATE() == state, "training changes the floating-point mode");
	accuracy = accuracy_of(model, 3);
	CHECK(accuracy > 0.95, "accuracy is %g, on validation rows %g", accuracy, summary.accuracy);
	CHECK(clf_config_valid(clf_model_config(model), false), "the model's config is not complete");
	CHECK(summary.rows == ROWS && summary.training_rows + summary.validation_rows == ROWS &&
		  summary.classes == 3 && summary.vocabulary == clf_model_vocabulary(model) &&
		  summary.parameters == clf_model_parameters(model), "the summary is off");
	clf_model_free(model);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "%zu blocks are kept", host.memory.blocks);
}

static void
learns_with_every_architecture(void)
{
	for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
	{
		ClfConfig	config;

		unit_quick_config(&config);
		config.architecture = architecture;
		config.epochs = architecture == CLF_ARCH_LSTM ? 20 : 8;
		check_learns(&config);
	}
}

static void
learns_with_every_pooling_and_loss(void)
{
	for (int pooling = 0; pooling < 4; pooling++)
		for (int loss = 0; loss < 2; loss++)
		{
			ClfConfig	config;

			unit_quick_config(&config);
			config.pooling = pooling;
			config.loss = loss;
			config.epochs = 25;
			config.dropout = 0.1;
			check_learns(&config);
		}
}

static void
learns_with_every_optimizer(void)
{
	static const double rates[] = {1.0, 0.2, 0.01, 0.02};

	for (int optimizer = 0; optimizer < 4; optimizer++)
		for (int dense = 0; dense < 2; dense++)
		{
			ClfConfig	config;

			unit_quick_config(&config);
			config.optimizer = optimizer;
			config.dense_updates = dense;
			config.learning_rate = rates[optimizer];
			config.epochs = optimizer == CLF_OPTIMIZER_SGD ? 60 : 30;
			check_learns(&config);
		}
}

static void
learns_with_schedules_and_average(void)
{
	for (int schedule = 0; schedule < 3; schedule++)
	{
		ClfConfig	config;

		unit_quick_config(&config);
		config.schedule = schedule;
		config.weight_average = 0.9;
		config.clip_norm = 1;
		config.epochs = 15;
		check_learns(&config);
	}
}

static void
learns_as_keras_stack(void)
{
	ClfConfig	config;

	unit_quick_config(&config);
	config.architecture = CLF_ARCH_LSTM;
	config.tokenizer = CLF_TOKENIZER_KERAS;
	config.layers = 2;
	config.bidirectional = 0;
	config.pooling = CLF_POOLING_LAST;
	config.units = 16;
	config.epochs = 30;
	config.maxlen = 12;
	config.validation_mode = CLF_VALIDATION_LAST;
	check_learns(&config);
}

/* All "auto": nothing but the rows is given. */
static void
automatic_values_are_replaced(void)
{
	/* few rows have no validation, more choose their n-grams by it */
	for (int rows = 40; rows <= 80; rows += 40)
		for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
		{
			UnitHost	host;
			ClfConfig	config;
			ClfModel   *model;
			ClfError	error;

			unit_host_init(&host);
			clf_config_init(&config);
			CHECK(config.architecture == CLF_ARCH_HYBRID, "the default is architecture %d", config.architecture);
			config.architecture = architecture;
			config.epochs = 2;
			config.units = 8;
			CHECK(unit_train(&host, &config, rows, 0, 1, 2, &model, NULL, &error) == CLF_OK, "%s", error.message);
			CHECK(clf_config_valid(clf_model_config(model), false), "auto is left in the model");
			clf_model_free(model);
			unit_host_free(&host);
			CHECK(host.memory.blocks == 0, "memory is kept");
		}
}

/* Train with an option at one end of its range; what was asked for is in the file. */
static void
check_end_of_range(const ClfOption *option, double value)
{
	UnitHost	host;
	ClfConfig	config;
	ClfModel   *model;
	ClfModel   *again;
	ClfError	error;
	void	   *bytes;
	size_t		size;
	int32_t		integer = (int32_t) value;
	bool		is_real = option->type == CLF_OPTION_REAL;
	size_t		width = is_real ? sizeof value : sizeof integer;
	ClfStatus	status;

	unit_host_init(&host);
	unit_quick_config(&config);
	config.architecture = CLF_ARCH_HYBRID;
	config.units = config.embedding_dim = 3;
	config.epochs = 1;
	memcpy((char *) &config + option->offset, is_real ? (void *) &value : (void *) &integer, width);
	status = unit_train(&host, &config, 60, 0, 1, 2, &model, NULL, &error);
	if (status == CLF_ERR_DIVERGED && strcmp(option->name, "learning_rate") == 0)
	{
		unit_host_free(&host);
		return;
	}
	CHECK(status == CLF_OK, "%s %.17g: %s", option->name, value, error.message);
	CHECK(clf_model_encode(model, &host.memory.allocator, &bytes, &size, &error) == CLF_OK &&
		  clf_model_decode(&host.memory.allocator, bytes, size, &again, &error) == CLF_OK,
		  "%s %.17g: %s %s", option->name, value, error.message, error.detail);
	/* no text is as long as that */
	CHECK(memcmp((const char *) clf_model_config(again) + option->offset,
				 (const char *) &config + option->offset, width) == 0 || strcmp(option->name, "maxlen") == 0,
		  "%s %.17g is another value in the file", option->name, value);
	host.memory.allocator.free(host.memory.allocator.context, bytes);
	clf_model_free(again);
	clf_model_free(model);
	unit_host_free(&host);
}

static void
options_at_both_ends(void)
{
	static const char *const large[] = {"embedding_dim", "units", "epochs", NULL};
	int			count;
	const ClfOption *options = clf_options(&count);

	for (int i = 0; i < count; i++)
	{
		bool		is_large = false;

		if (options[i].type == CLF_OPTION_STRING || options[i].type == CLF_OPTION_SET)
			continue;
		for (int k = 0; large[k] != NULL; k++)
			is_large |= strcmp(options[i].name, large[k]) == 0;
		check_end_of_range(&options[i], options[i].minimum);
		if (!is_large)
			check_end_of_range(&options[i], options[i].maximum);
	}
}

/*
 * Option storage: what is asked for is done; left open, the accuracy on the
 * validation rows decides, and without any nothing is rounded.  The model is the
 * one that its file gives back.
 */
static void
weights_are_rounded_where_it_costs_nothing(void)
{
	int			chosen[3] = {0};
	double		accuracy[24];	/* of the weights as they were trained */

	/* float32 is 0 and first, what is left open last */
	for (int storage = CLF_STORAGE_FLOAT32; storage <= CLF_STORAGE_INT8 + 1; storage++)
		for (int seed = 0; seed < 24; seed++)
		{
			bool		open = storage > CLF_STORAGE_INT8;
			UnitHost	host;
			ClfConfig	config;
			ClfModel   *model;
			ClfModel   *again;
			ClfSummary	summary;
			ClfError	error;
			void	   *bytes;
			size_t		size;
			int			decided;

			unit_host_init(&host);
			unit_quick_config(&config);
			config.architecture = CLF_ARCH_BILSTM;
			config.storage = open ? -1 : storage;
			config.seed = seed;
			config.epochs = 2;
			config.validation_split = seed % 3 == 2 ? 0 : 0.4;
			if (seed % 2)		/* a network that hardly knows: rounding flips its answers */
				config.pooling = CLF_POOLING_MEAN, config.learning_rate = 0.001;
			CHECK(unit_train(&host, &config, 300, 0, 1, 2, &model, &summary, &error) == CLF_OK, "%s", error.message);
			decided = clf_model_config(model)->storage;
			if (storage == CLF_STORAGE_FLOAT32)
				accuracy[seed] = summary.deep_accuracy;
			if (!open)
				CHECK(decided == storage, "storage %d in place of %d", decided, storage);
			else if (config.validation_split == 0)
				CHECK(decided == CLF_STORAGE_FLOAT32, "rounded, and nobody knows what it cost");
			else
			{
				chosen[decided]++;
				CHECK(summary.deep_accuracy >= accuracy[seed] - 0.001, "%g became %g", accuracy[seed], summary.deep_accuracy);
			}
			CHECK(clf_model_encode(model, &host.memory.allocator, &bytes, &size, &error) == CLF_OK &&
				  clf_model_decode(&host.memory.allocator, bytes, size, &again, &error) == CLF_OK, "%s", error.message);
			CHECK(memcmp(model->weights, again->weights, model->table.floats * sizeof(float)) == 0,
				  "the file gives other weights back");
			CHECK(model->packed.form == (decided == CLF_STORAGE_FLOAT32 ? CLF_PACKED_FLOATS : CLF_PACKED_PAIRS) &&
				  again->packed.form == model->packed.form, "form %d", model->packed.form);
			host.memory.allocator.free(host.memory.allocator.context, bytes);
			clf_model_free(again);
			clf_model_free(model);
			unit_host_free(&host);
			CHECK(host.memory.blocks == 0, "memory is kept");
		}
	printf("# left open: %d float32, %d float16, %d int8\n", chosen[0], chosen[1], chosen[2]);
	CHECK(chosen[CLF_STORAGE_INT8] > 0, "bytes never do");
	CHECK(chosen[CLF_STORAGE_FLOAT32] + chosen[CLF_STORAGE_FLOAT16] > 0, "bytes always do");
}

/*
 * Option precision: what is asked for is done; left open, bytes are computed
 * with where the validation rows are classified as well, and what storage and
 * precision are decided together costs no more than 0.1 points.
 */
static void
bytes_are_computed_with_where_it_costs_nothing(void)
{
	int			chosen[2] = {0};
	double		accuracy[24];	/* in single precision */

	/* float32 is 0 and first; then int8, left open, and left open with the storage */
	for (int round = 0; round < 4; round++)
		for (int seed = 0; seed < 24; seed++)
		{
			UnitHost	host;
			ClfConfig	config;
			ClfModel   *model;
			ClfSummary	summary;
			ClfError	error;
			int			decided;

			unit_host_init(&host);
			unit_quick_config(&config);
			config.architecture = CLF_ARCH_BILSTM;
			config.storage = round < 3 ? CLF_STORAGE_FLOAT32 : -1;
			config.precision = round < 2 ? round : -1;
			config.seed = seed;
			config.epochs = 2;
			config.validation_split = seed % 3 == 2 ? 0 : 0.4;
			if (seed % 2)		/* a network that hardly knows: rounding flips its answers */
				config.pooling = CLF_POOLING_MEAN, config.learning_rate = 0.001;
			CHECK(unit_train(&host, &config, 300, 0, 1, 2, &model, &summary, &error) == CLF_OK, "%s", error.message);
			decided = clf_model_config(model)->precision;
			CHECK(model->packed.form == (decided == CLF_PRECISION_INT8 ? CLF_PACKED_BYTES :
										 clf_model_config(model)->storage == CLF_STORAGE_FLOAT32 ?
										 CLF_PACKED_FLOATS : CLF_PACKED_PAIRS), "the model is not what it says");
			if (round == CLF_PRECISION_FLOAT32)
				accuracy[seed] = summary.deep_accuracy;
			if (round < 2)
				CHECK(decided == round, "precision %d in place of %d", decided, round);
			else if (config.validation_split == 0)
				CHECK(decided == CLF_PRECISION_FLOAT32, "bytes, and nobody knows what it cost");
			else
			{
				chosen[decided]++;
				CHECK(summary.deep_accuracy >= accuracy[seed] - 0.001, "%g became %g", accuracy[seed], summary.deep_accuracy);
			}
			clf_model_free(model);
			unit_host_free(&host);
			CHECK(host.memory.blocks == 0, "memory is kept");
		}
	printf("# left open: %d float32, %d int8\n", chosen[0], chosen[1]);
	CHECK(chosen[CLF_PRECISION_INT8] > 0, "bytes never do");
	CHECK(chosen[CLF_PRECISION_FLOAT32] > 0, "bytes always do");
}

/* ---- the same rows and seed give the same model ---- */

static void
same_seed_same_bytes(void)
{
	for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
	{
		ClfConfig	config;
		size_t		size[3];
		char	   *bytes[3];

		unit_quick_config(&config);
		config.architecture = architecture;
		config.char_ngrams = -1;
		config.wide_c = -1;
		config.dropout = 0.3;
		config.epochs = 3;
		config.storage = config.precision = -1;
		bytes[0] = bytes_of_training(&config, 0, 1, &size[0]);
		bytes[1] = bytes_of_training(&config, 0, 1, &size[1]);
		config.seed++;
		bytes[2] = bytes_of_training(&config, 0, 1, &size[2]);
		CHECK(bytes[0] && bytes[1] && bytes[2], "a training fails");
		CHECK(size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0,
			  "%s: the same seed gives another model", unit_architecture(architecture));
		CHECK(size[0] != size[2] || memcmp(bytes[0], bytes[2], size[0]) != 0,
			  "%s: another seed gives the same model", unit_architecture(architecture));
		for (int i = 0; i < 3; i++)
			free(bytes[i]);
	}
}

/* CPU time of adding rows of one of so many words each. */
static clock_t
time_of_adding(char (*words)[UNIT_WORD_SIZE], int count, uint64_t hash_seed)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfError	error;
	clock_t		begin = clock();

	unit_host_init(&host);
	host.host.hash_seed = hash_seed;
	unit_quick_config(&config);
	if (clf_trainer_new(&config, &host.host, &trainer, &error) != CLF_OK)
		return 0;
	for (int i = 0; i < count; i++)
		if (clf_trainer_add(trainer, words[i], 8, "a", 1, &error) != CLF_OK)
			return 0;
	clf_trainer_free(trainer);
	unit_host_free(&host);
	return clock() - begin;
}

#define FORESEEN_SEED 5

static uint64_t
hash_of_word(const char *word)
{
	return clf_hash_bytes(word, strlen(word), FORESEEN_SEED);
}

/* Words that ask for the same few slots under one seed of the hash do not under another. */
static void
words_chosen_to_collide(void)
{
	enum {WORDS = 10000, SLOTS = 32768};
	static char words[WORDS][UNIT_WORD_SIZE];
	clock_t		foreseen;
	clock_t		unforeseen;

	unit_colliding_words(words, WORDS, hash_of_word, SLOTS - 1, 32);
	foreseen = time_of_adding(words, WORDS, FORESEEN_SEED);
	unforeseen = time_of_adding(words, WORDS, FORESEEN_SEED + 1);
	CHECK(unforeseen > 0 && unforeseen < foreseen / 4, "%ld ms, %ld where the seed is known",
		  (long) (unforeseen * 1000 / CLOCKS_PER_SEC), (long) (foreseen * 1000 / CLOCKS_PER_SEC));
}

static void
order_of_rows_does_not_matter(void)
{
	static const int strides[] = {1, 7, 199, 33};
	size_t		size[4];
	char	   *bytes[4];

	for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
		for (int mode = 0; mode < 2; mode++)
		{
			ClfConfig	config;

			unit_quick_config(&config);
			config.architecture = architecture;
			config.epochs = 2;
			config.validation_mode = mode;
			for (int i = 0; i < 4; i++)
			{
				bytes[i] = bytes_of_training(&config, i * 11, strides[i], &size[i]);
				CHECK(bytes[i] != NULL, "a training fails");
				CHECK(size[i] == size[0] && memcmp(bytes[i], bytes[0], size[0]) == 0,
					  "%s: order %d gives another model", unit_architecture(architecture), i);
			}
			for (int i = 0; i < 4; i++)
				free(bytes[i]);
		}
}

/* ---- validation and stopping ---- */

/* Rows without rhyme or reason: what is learned does not hold on others. */
static void
early_stopping_keeps_the_best(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;

	unit_host_init(&host);
	unit_quick_config(&config);
	config.epochs = 400;
	config.early_stopping = 3;
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < 80; i++)
	{
		char		text[64];
		int			n = snprintf(text, sizeof text, "some%d thing%d else%d", i % 7, i % 11, i * 5 % 13);

		CHECK(clf_trainer_add(trainer, text, (size_t) n, i * 2654435761u >> 16 & 1 ? "a" : "b", 1, &error) == CLF_OK,
			  "%s", error.message);
	}
	do
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	while (progress.phase != CLF_PHASE_DONE);
	CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
	CHECK(summary.epochs - summary.best_epoch == 3, "stops in epoch %d, the best was %d",
		  summary.epochs, summary.best_epoch);
	for (int i = 0; i < summary.epochs; i++)
		CHECK(summary.history[i].val_loss >= summary.history[summary.best_epoch - 1].val_loss,
			  "epoch %d was better than the best", i + 1);
	CHECK(summary.accuracy == summary.history[summary.best_epoch - 1].val_accuracy, "accuracy is of another epoch");
	clf_trainer_free(trainer);
	clf_model_free(model);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

/* Steps through a training and looks at what each step says. */
static void
progress_is_consistent(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;
	int			ended = 0;
	int			validation = 0;

	unit_host_init(&host);
	host.clock_step = 0.001;	/* one look at the clock is a millisecond */
	unit_quick_config(&config);
	config.epochs = 3;
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < ROWS; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 3, text, label);
		CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK, "%s", error.message);
	}
	do
	{
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
		CHECK(progress.epochs == 3 && progress.epoch >= 1 && progress.epoch <= 3, "epoch %d", progress.epoch);
		if (progress.phase != CLF_PHASE_PREPARE)
			CHECK(progress.rows_done >= 0 && progress.rows_done <= progress.rows, "%d rows of %d",
				  (int) progress.rows_done, (int) progress.rows);
		if (progress.epoch_ended)
		{
			ended++;
			CHECK(isfinite(progress.last_epoch.loss) && isfinite(progress.last_epoch.val_loss) &&
				  progress.last_epoch.accuracy <= 1 && progress.last_epoch.seconds > 0, "figures of epoch %d", ended);
		}
	} while (progress.phase != CLF_PHASE_DONE);
	CHECK(ended == 3, "%d epochs are reported", ended);
	for (int i = 0; i < ROWS; i++)
		validation += clf_trainer_is_validation(trainer, (uint64_t) i);
	CHECK(!clf_trainer_is_validation(trainer, ROWS + 100), "a row that was not added");
	CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
	CHECK(validation == summary.validation_rows, "%d rows are for validation, not %d", validation,
		  (int) summary.validation_rows);
	CHECK(clf_trainer_parameters(trainer) == clf_model_parameters(model), "parameters differ");
	for (int i = 0; i < 3; i++)
		CHECK(summary.class_rows[i] == (i < 2 ? 67 : 66), "class %d has %d rows", i, (int) summary.class_rows[i]);
	clf_trainer_free(trainer);
	clf_model_free(model);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

/* Train so many rows of each of two classes; returns the status. */
static ClfStatus
train_pair(UnitHost *host, const ClfConfig *config, int first, int second,
		   int *validation, ClfSummary *summary, ClfModel **model, ClfError *error)
{
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfStatus	status = clf_trainer_new(config, &host->host, &trainer, error);

	for (int i = 0; i < first + second && status == CLF_OK; i++)
	{
		char		text[64];
		int			n = snprintf(text, sizeof text, "%s number%d", i < first ? "north" : "south", i);

		status = clf_trainer_add(trainer, text, (size_t) n, i < first ? "a" : "b", 1, error);
	}
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
		status = clf_trainer_step(trainer, &progress, error);
	if (status == CLF_OK)
	{
		validation[0] = validation[1] = 0;
		for (int i = 0; i < first + second; i++)
			validation[i >= first] += clf_trainer_is_validation(trainer, (uint64_t) i);
		status = clf_trainer_finish(trainer, model, summary, error);
	}
	clf_trainer_free(trainer);
	return status;
}

static void
stratified_validation(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;
	int			validation[2];

	unit_host_init(&host);
	unit_quick_config(&config);
	config.epochs = 1;
	config.validation_split = 0.2;
	CHECK(train_pair(&host, &config, 100, 20, validation, &summary, &model, &error) == CLF_OK, "%s", error.message);
	CHECK(validation[0] == 20 && validation[1] == 4, "%d and %d rows", validation[0], validation[1]);
	clf_model_free(model);
	host.store.size = 0;
	config.validation_mode = CLF_VALIDATION_LAST;
	CHECK(train_pair(&host, &config, 100, 20, validation, &summary, &model, &error) == CLF_OK, "%s", error.message);
	CHECK(validation[0] + validation[1] == 24, "%d and %d rows", validation[0], validation[1]);
	clf_model_free(model);
	host.store.size = 0;
	config.validation_split = 0;
	CHECK(train_pair(&host, &config, 100, 20, validation, &summary, &model, &error) == CLF_OK, "%s", error.message);
	CHECK(validation[0] + validation[1] == 0 && isnan(summary.accuracy), "rows for a validation that is not");
	clf_model_free(model);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

/* A handful of rows: every class keeps one to train on. */
static void
handful_of_rows(void)
{
	for (int first = 1; first <= 3; first++)
		for (int second = 1; second <= 3; second++)
		{
			UnitHost	host;
			ClfConfig	config;
			ClfModel   *model;
			ClfSummary	summary;
			ClfError	error;
			int			validation[2];

			unit_host_init(&host);
			unit_quick_config(&config);
			config.epochs = 2;
			config.validation_split = 0.5;
			CHECK(train_pair(&host, &config, first, second, validation, &summary, &model, &error) == CLF_OK,
				  "%d and %d rows: %s", first, second, error.message);
			CHECK(validation[0] < first && validation[1] < second, "no row left to train on");
			clf_model_free(model);
			unit_host_free(&host);
			CHECK(host.memory.blocks == 0, "memory is kept");
		}
}

/* One row of a rare class weighs as much as many of the other. */
static void
class_weights_help_the_rare(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;
	int			validation[2];
	float		rare[2];

	unit_host_init(&host);
	for (int weight = 0; weight < 2; weight++)
	{
		ClfScratch *scratch;
		float		probability[2];

		unit_quick_config(&config);
		config.epochs = 3;
		config.learning_rate = 0.005;
		config.validation_split = 0;
		config.class_weight = weight;
		host.store.size = 0;
		CHECK(train_pair(&host, &config, 190, 10, validation, &summary, &model, &error) == CLF_OK, "%s", error.message);
		CHECK(clf_scratch_new(model, &host.memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
		CHECK(clf_predict(model, scratch, "south", 5, probability, &error) == CLF_OK, "%s", error.message);
		rare[weight] = probability[1];
		clf_scratch_free(scratch);
		clf_model_free(model);
	}
	CHECK(rare[1] > rare[0] + 0.1, "the rare class has probability %g, balanced %g", rare[0], rare[1]);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

static void
max_seconds_ends_it(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;

	unit_host_init(&host);
	host.clock_step = 0.01;
	unit_quick_config(&config);
	config.epochs = 100000;
	config.max_seconds = 5;
	CHECK(unit_train(&host, &config, ROWS, 0, 1, 3, &model, &summary, &error) == CLF_OK, "%s", error.message);
	CHECK(summary.out_of_time && summary.epochs < 1000, "it takes %d epochs", summary.epochs);
	clf_model_free(model);
	unit_host_free(&host);
}

/* A finished training, and what was asked of it. */
typedef struct Finished
{
	UnitHost	host;
	ClfTrainer *trainer;
	ClfModel   *model;
	ClfSummary	summary;
} Finished;

/* Train on texts with labels "y", "x", "y", ... and finish; false on failure. */
static bool
finish_training(Finished *finished, const ClfConfig *config, const char *const *texts, int count)
{
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfError	error;
	ClfStatus	status;

	unit_host_init(&finished->host);
	status = clf_trainer_new(config, &finished->host.host, &finished->trainer, &error);
	for (int i = 0; i < count && status == CLF_OK; i++)
		status = clf_trainer_add(finished->trainer, texts[i], strlen(texts[i]), i % 2 ? "x" : "y", 1, &error);
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
		status = clf_trainer_step(finished->trainer, &progress, &error);
	if (status == CLF_OK)
		status = clf_trainer_finish(finished->trainer, &finished->model, &finished->summary, &error);
	if (status != CLF_OK)
		unit_fail(__FILE__, __LINE__, "%s %s", error.message, error.detail);
	return status == CLF_OK;
}

static void
free_finished(Finished *finished)
{
	clf_model_free(finished->model);
	clf_trainer_free(finished->trainer);
	unit_host_free(&finished->host);
	CHECK(finished->host.memory.blocks == 0, "memory is kept");
}

/* What predictions on the validation rows come to. */
typedef struct Judged
{
	double		loss;
	double		accuracy;
	double		calibration_error;
	int64_t		cells[2][2];	/* rows that are, and are called */
} Judged;

static Judged
judge(const Finished *finished, const char *const *texts, int count)
{
	enum
	{
		BINS = 15
	};
	UnitMemory	memory;
	ClfScratch *scratch;
	ClfError	error;
	Judged		judged = {0};
	double		certainty[BINS] = {0};
	double		right[BINS] = {0};
	double		n = (double) finished->summary.validation_rows;

	unit_memory_init(&memory);
	if (clf_scratch_new(finished->model, &memory.allocator, &scratch, &error) != CLF_OK)
		return (Judged) {.loss = NAN, .accuracy = NAN};
	for (int i = 0; i < count; i++)
	{
		float		probability[2] = {NAN, NAN};
		int			actual = i % 2 ? 0 : 1;
		int			said;
		int			bin;

		if (!clf_trainer_is_validation(finished->trainer, (uint64_t) i))
			continue;
		(void) clf_predict(finished->model, scratch, texts[i], strlen(texts[i]), probability, &error);
		said = clf_best(probability, 2);
		bin = (int) fmin(BINS - 1, floor(BINS * (double) probability[said]));
		certainty[bin] += probability[said];
		right[bin] += said == actual;
		judged.accuracy += (said == actual) / n;
		judged.cells[actual][said]++;
		judged.loss -= log(probability[actual]) / n;
	}
	for (int bin = 0; bin < BINS; bin++)
		judged.calibration_error += fabs(certainty[bin] - right[bin]) / n;
	clf_scratch_free(scratch);
	return judged;
}

/* Are the summary's cells and bins what predictions on the validation rows come to? */
static void
check_confusion(const ClfSummary *summary, const Judged *judged)
{
	int64_t		rows = 0;
	int64_t		right = 0;

	for (size_t i = 0; i < summary->cell_count; i++)
	{
		const ClfCell *cell = &summary->cells[i];

		CHECK(cell->rows == judged->cells[cell->actual][cell->predicted], "%d rows of %d called %d, by prediction %d",
			  (int) cell->rows, cell->actual, cell->predicted, (int) judged->cells[cell->actual][cell->predicted]);
		rows += cell->rows;
	}
	CHECK(rows == summary->validation_rows, "%d rows are in cells", (int) rows);
	for (int i = 0; i < CLF_BINS; i++)
	{
		rows -= summary->bins[i].rows;
		right += summary->bins[i].right;
		CHECK(summary->bins[i].probability <= (double) summary->bins[i].rows * (i + 1) / CLF_BINS + 1e-4 &&
			  summary->bins[i].probability >= (double) summary->bins[i].rows * i / CLF_BINS - 1e-4,
			  "bin %d has probabilities of others", i);
	}
	CHECK(rows == 0 && right == judged->cells[0][0] + judged->cells[1][1], "%d rows are in no bin, %d right",
		  (int) rows, (int) right);
}

/*
 * Validation rows of very different lengths, more than are sorted by length at
 * a time: the figures are those that the model's predictions give.  The loss
 * of an epoch is that of the network before its scores are scaled.
 */
static void
validation_figures_are_those_of_the_model(void)
{
	enum
	{
		COUNT = 330, LONG = 1900
	};
	static char texts[COUNT][LONG * 2 + 40];
	const char *pointers[COUNT];

	for (int every = 9; every <= 12; every++)	/* one in so many is long */
	{
		ClfConfig	config;
		Finished	finished;
		Judged		judged;

		unit_quick_config(&config);
		config.embedding_dim = 2;
		config.units = 2;
		config.bidirectional = 0;
		config.maxlen = LONG + 10;
		config.batch_size = 3;
		config.epochs = 1;
		config.validation_split = 0.5;
		config.precision = every % 2;
		for (int i = 0; i < COUNT; i++)
		{
			int			n = sprintf(texts[i], "n%d ", i);
			int			words = i % every == 0 ? LONG : i % 5;

			for (int w = 0; w < words; w++)
				n += sprintf(texts[i] + n, "%c ", 'a' + (w + i) % 7);
			pointers[i] = texts[i];
		}
		if (!finish_training(&finished, &config, pointers, COUNT))
			return;
		judged = judge(&finished, pointers, COUNT);
		CHECK(fabs(judged.accuracy - finished.summary.accuracy) < 0.02,
			  "accuracy %g, by prediction %g", finished.summary.accuracy, judged.accuracy);
		CHECK(fabs(judged.calibration_error - finished.summary.calibration_error) < 1e-4,
			  "calibration error %g, by prediction %g", finished.summary.calibration_error, judged.calibration_error);
		finished.model->scale[0] = 1;
		judged = judge(&finished, pointers, COUNT);
		CHECK(config.precision == CLF_PRECISION_INT8 || fabs(judged.loss - finished.summary.history[0].val_loss) < 1e-4,
			  "loss %g, by prediction %g", finished.summary.history[0].val_loss, judged.loss);
		free_finished(&finished);
	}
}

#define PAIRED_ROWS 240

/* Texts whose words say the label, though not always. */
static const char *const *
doubtful_texts(void)
{
	static char texts[PAIRED_ROWS][64];
	static const char *pointers[PAIRED_ROWS];

	for (int i = 0; i < PAIRED_ROWS; i++)
	{
		bool		lies = ((unsigned) i * 2654435761u >> 16) % 5 == 0;
		bool		north = (i % 2 == 0) != lies;

		snprintf(texts[i], sizeof texts[i], "%s word%d by word%d", i % 7 % 3 ? (north ? "north" : "south") : "",
				 i % 13, i * 7 % 17);
		pointers[i] = texts[i];
	}
	return pointers;
}

/* The best epoch's figure of the network alone. */
static double
best_accuracy(const ClfSummary *summary)
{
	return summary->history[summary->best_epoch - 1].val_accuracy;
}

/* Without a linear branch predictions repeat what the summary says. */
static void
summary_of_a_network(void)
{
	const char *const *texts = doubtful_texts();

	for (int round = 0; round < 4; round++)
	{
		bool		lstm = round % 2 == 1;
		ClfConfig	config;
		Finished	finished;
		const ClfSummary *summary = &finished.summary;
		Judged		judged;

		unit_quick_config(&config);
		config.architecture = lstm ? CLF_ARCH_LSTM : CLF_ARCH_BILSTM;
		config.precision = round / 2;
		config.epochs = 5;
		if (!finish_training(&finished, &config, texts, PAIRED_ROWS))
			return;
		judged = judge(&finished, texts, PAIRED_ROWS);
		CHECK(fabs(judged.accuracy - summary->accuracy) < 1e-9, "accuracy %g, by prediction %g",
			  summary->accuracy, judged.accuracy);
		/* so near only if the scores judged were computed as those of predictions, on bytes, too */
		CHECK(fabs(judged.calibration_error - summary->calibration_error) < 1e-5, "calibration error %g, by prediction %g",
			  summary->calibration_error, judged.calibration_error);
		check_confusion(summary, &judged);
		CHECK(summary->deep_accuracy == summary->accuracy &&
			  (config.precision == CLF_PRECISION_INT8 || summary->deep_accuracy == best_accuracy(summary)),
			  "the network alone has %g, all of it %g", summary->deep_accuracy, summary->accuracy);
		CHECK(isnan(summary->wide_accuracy), "n-grams that are not there have an accuracy");
		/* Keras's stack is as it was trained, the other is calibrated */
		if (lstm)
			CHECK(finished.model->scale[0] == 1, "the textbook network is scaled");
		else
			CHECK(judged.loss <= summary->history[summary->best_epoch - 1].val_loss +
				  (config.precision == CLF_PRECISION_INT8 ? 1e-2 : 1e-5),
				  "scaled, the loss is %g", judged.loss);
		CHECK(finished.model->scale[1] == 0, "a factor of what is not there");
		free_finished(&finished);
	}
}

/*
 * With option refit the linear branch has learned from the validation rows,
 * too, once they have served: predictions on them are at least about as good as
 * the summary says.  Without it they are what the summary says.
 */
static void
summary_with_a_linear_branch(void)
{
	const char *const *texts = doubtful_texts();

	for (int round = 0; round < 4; round++)
	{
		bool		hybrid = round % 2 == 1;
		bool		refit = round >= 2;
		ClfConfig	config;
		Finished	finished;
		const ClfSummary *summary = &finished.summary;
		Judged		judged;

		unit_quick_config(&config);
		config.architecture = hybrid ? CLF_ARCH_HYBRID : CLF_ARCH_LINEAR;
		config.refit = refit;
		config.epochs = 5;
		if (!finish_training(&finished, &config, texts, PAIRED_ROWS))
			return;
		judged = judge(&finished, texts, PAIRED_ROWS);
		if (!refit)
		{
			CHECK(fabs(judged.accuracy - summary->accuracy) < 1e-9 &&
				  fabs(judged.calibration_error - summary->calibration_error) < 1e-4,
				  "calibration error %g and %g, accuracy %g, by prediction %g", summary->calibration_error,
				  judged.calibration_error, summary->accuracy, judged.accuracy);
			check_confusion(summary, &judged);
		}
		CHECK(judged.accuracy >= summary->accuracy - 0.05, "accuracy %g, by prediction %g",
			  summary->accuracy, judged.accuracy);
		CHECK(summary->calibration_error >= 0 && summary->calibration_error < 0.25, "calibration error %g",
			  summary->calibration_error);
		CHECK(summary->wide_accuracy > 0.55 && summary->wide_accuracy < 1, "n-grams alone have %g",
			  summary->wide_accuracy);
		if (hybrid)
			CHECK(summary->deep_accuracy == best_accuracy(summary), "the network alone has %g, its best epoch %g",
				  summary->deep_accuracy, best_accuracy(summary));
		else
		{
			CHECK(isnan(summary->deep_accuracy), "a network that is not there has an accuracy");
			CHECK(summary->wide_accuracy == summary->accuracy, "n-grams alone have %g, all of it %g",
				  summary->wide_accuracy, summary->accuracy);
			CHECK(finished.model->scale[0] == 0, "a factor of what is not there");
		}
		free_finished(&finished);
	}
}

/* What may befall a refit under way. */
typedef enum Fate
{
	FATE_NONE,
	FATE_TIME,					/* max_seconds are over */
	FATE_DIVERGES
} Fate;

/* Train a hybrid, and spoil its refit; *epoch: the last one of the progress. */
static void
refit(Finished *finished, int rows, bool refits, Fate fate, int *epoch)
{
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfError	error;

	unit_quick_config(&config);
	config.architecture = CLF_ARCH_HYBRID;
	config.refit = refits;
	config.epochs = 3;
	unit_host_init(&finished->host);
	CHECK(clf_trainer_new(&config, &finished->host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	finished->trainer = trainer;
	for (int i = 0; i < rows; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 5, text, label);
		CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK, "%s", error.message);
	}
	do
	{
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
		*epoch = progress.epoch;
		CHECK(progress.epoch <= progress.epochs, "epoch %d of %d", progress.epoch, progress.epochs);
		if (trainer->refitting && fate == FATE_TIME)
			trainer->config.max_seconds = 1e-9;
		if (trainer->refitting && fate == FATE_DIVERGES)
			trainer->config.learning_rate = NAN;
	} while (progress.phase != CLF_PHASE_DONE);
	CHECK(clf_trainer_finish(trainer, &finished->model, &finished->summary, &error) == CLF_OK, "%s", error.message);
}

/*
 * Where rows are few, but not very few, the network has learned from all of
 * them; the figures are those from before, and so are the weights if that
 * came to nothing.
 */
static void
network_learns_from_all_rows(void)
{
	static const struct
	{
		int			rows;
		Fate		fate;
		bool		differs;
		int			times;		/* that it begins again: for a part that is held out, for all rows */
	}			cases[] = {{1200, FATE_NONE, true, 2}, {2400, FATE_NONE, true, 1}, {1200, FATE_TIME, false, 1},
	{1200, FATE_DIVERGES, false, 1}, {2400, FATE_TIME, false, 1}, {2400, FATE_DIVERGES, false, 1}, {900, FATE_NONE, false, 2}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		Finished	finished[2];
		const ClfSummary *with = &finished[1].summary;
		const ClfSummary *without = &finished[0].summary;
		int			epoch[2];
		bool		differs;

		refit(&finished[0], cases[i].rows, false, FATE_NONE, &epoch[0]);
		refit(&finished[1], cases[i].rows, true, cases[i].fate, &epoch[1]);
		CHECK(with->deep_accuracy == without->deep_accuracy && with->accuracy == without->accuracy &&
			  with->epochs == without->epochs && with->best_epoch == without->best_epoch &&
			  with->history[1].val_loss == without->history[1].val_loss, "case %zu: other figures", i);
		differs = memcmp(finished[0].model->weights, finished[1].model->weights,
						 finished[0].model->table.floats * sizeof(float)) != 0;
		CHECK(differs == cases[i].differs, "case %zu: the weights are %s", i, differs ? "others" : "the same");
		CHECK(cases[i].fate != FATE_NONE || epoch[1] == with->epochs + cases[i].times * with->best_epoch,
			  "case %zu: the last epoch was %d", i, epoch[1]);
		CHECK(with->out_of_time == (cases[i].fate == FATE_TIME), "case %zu: out of time", i);
		free_finished(&finished[0]);
		free_finished(&finished[1]);
	}
}

/* A step is short, whatever the network; by this process's time, for others may use the cores as well. */
static void
steps_are_short(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfError	error;
	double		longest = 0;

	unit_host_init(&host);
	unit_quick_config(&config);
	config.embedding_dim = 64;
	config.units = 64;
	config.epochs = 1;
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < 1500; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 5, text, label);
		snprintf(text + strlen(text), 40, "rare%d seldom%d", i, i / 2);
		CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK, "%s", error.message);
	}
	do
	{
		clock_t		start = clock();

		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
		longest = fmax(longest, (double) (clock() - start) / CLOCKS_PER_SEC);
	} while (progress.phase != CLF_PHASE_DONE);
	printf("# longest step: %.0f ms, with sanitizers\n", 1000 * longest);
	clf_trainer_free(trainer);
	unit_host_free(&host);
	CHECK(longest < 0.5, "a step takes %g s", longest);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

/* ---- failures ---- */

static void
check_refused(const ClfConfig *config, UnitHost *host, int rows, int classes,
			  ClfStatus expected)
{
	ClfModel   *model = NULL;
	ClfError	error;
	ClfStatus	status = unit_train(host, config, rows, 0, 1, classes, &model, NULL, &error);
	unsigned int state = FPU_STATE();

	CHECK(status == expected && error.status == expected && model == NULL,
		  "status %d (%s), not %d", status, status ? error.message : "", expected);
	CHECK(error.message[0] != '\0', "no message");
	CHECK(FPU_STATE() == state, "an error changes the floating-point mode");
	unit_host_free(host);
	CHECK(host->memory.blocks == 0, "%zu blocks are kept", host->memory.blocks);
}

static void
nothing_to_learn_from(void)
{
	UnitHost	host;
	ClfConfig	config;

	unit_quick_config(&config);
	unit_host_init(&host);
	check_refused(&config, &host, 50, 1, CLF_ERR_DATA);
	unit_host_init(&host);
	check_refused(&config, &host, 1, 1, CLF_ERR_DATA);
	unit_host_init(&host);
	check_refused(&config, &host, 0, 2, CLF_ERR_DATA);
}

static void
divergence_is_an_error(void)
{
	UnitHost	host;
	ClfConfig	config;

	unit_quick_config(&config);
	config.optimizer = CLF_OPTIMIZER_MOMENTUM;
	config.momentum = 0.9999;
	config.learning_rate = 100;
	config.epochs = 3000;
	config.validation_split = 0;
	unit_host_init(&host);
	host.host.memory_limit = SIZE_MAX;
	{
		ClfModel   *model = NULL;
		ClfError	error;
		ClfStatus	status = unit_train(&host, &config, 30, 0, 1, 3, &model, NULL, &error);

		/* a saturated network may also stay finite; then so must its model */
		if (status == CLF_OK)
		{
			for (size_t i = 0; i < model->table.floats; i++)
				CHECK(isfinite(model->weights[i]), "a weight is not finite");
			clf_model_free(model);
		}
		else
			CHECK(status == CLF_ERR_DIVERGED && strstr(error.message, "diverged"), "%s", error.message);
	}
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

static bool poisoned;

/* A matrix product that goes wrong after a while, as a training that diverges. */
static void
poisoned_sgemm(bool ta, bool tb, int m, int n, int k, const float *a, int lda,
			   const float *b, int ldb, float beta, float *c, int ldc)
{
	clf_kernels()->sgemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
	if (poisoned && m > 0 && n > 0)
		c[0] = NAN;
}

static void
what_is_not_finite_is_an_error(void)
{
	UnitHost	host;
	ClfConfig	config;

	unit_quick_config(&config);
	unit_host_init(&host);
	host.host.sgemm = poisoned_sgemm;
	poisoned = true;
	check_refused(&config, &host, 60, 3, CLF_ERR_DIVERGED);
	poisoned = false;
}

static void
options_out_of_range(void)
{
	UnitHost	host;
	ClfConfig	config;

	unit_quick_config(&config);
	config.units = 0;
	unit_host_init(&host);
	check_refused(&config, &host, 10, 2, CLF_ERR_LIMIT);
}

static void
check_budget(int architecture, int precision)
{
	UnitHost	host;
	ClfConfig	config;
	ClfModel   *model;
	ClfError	error;
	size_t		needed;

	unit_quick_config(&config);
	config.architecture = architecture;
	config.precision = precision;
	config.units = 128;			/* weights outweigh all else */
	config.epochs = 2;
	unit_host_init(&host);
	host.host.memory_limit = 1 << 20;
	CHECK(unit_train(&host, &config, 60, 0, 1, 3, &model, NULL, &error) == CLF_ERR_BUDGET, "no budget error");
	needed = error.bytes_needed;
	CHECK(needed > (1 << 20) && host.memory.blocks == 0, "%zu bytes are needed", needed);
	CHECK(host.memory.peak <= (size_t) 3 << 20, "%zu bytes are taken before", host.memory.peak);
	host.memory.peak = 0;
	host.host.memory_limit = needed;
	CHECK(unit_train(&host, &config, 60, 0, 1, 3, &model, NULL, &error) == CLF_OK,
		  "what was said to suffice does not: %s, %zu", error.message, error.bytes_needed);
	clf_model_free(model);
	/* the strings of the finished model are small change, and not foreseen */
	CHECK(host.memory.peak <= needed + 65536, "takes %zu of %zu bytes", host.memory.peak, needed);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

static void
budget_is_kept(void)
{
	check_budget(CLF_ARCH_BILSTM, CLF_PRECISION_FLOAT32);
	check_budget(CLF_ARCH_BILSTM, CLF_PRECISION_INT8);
	check_budget(CLF_ARCH_HYBRID, -1);
	check_budget(CLF_ARCH_LSTM, -1);
}

static void
store_that_fails(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfError	error;
	ClfStatus	status = CLF_OK;

	unit_quick_config(&config);
	unit_host_init(&host);
	host.store.broken = true;
	check_refused(&config, &host, 10, 2, CLF_ERR_HOST);

	unit_host_init(&host);
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < 30; i++)
		CHECK(clf_trainer_add(trainer, i % 2 ? "a b c" : "d e f", 5, i % 2 ? "x" : "y", 1, &error) == CLF_OK,
			  "%s", error.message);
	host.store.broken = true;
	do
		status = clf_trainer_step(trainer, &progress, &error);
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE);
	CHECK(status == CLF_ERR_HOST, "status %d", status);
	clf_trainer_free(trainer);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

static void
rows_that_are_refused(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfError	error;
	static char long_label[CLF_MAX_LABEL_BYTES + 1];

	unit_quick_config(&config);
	unit_host_init(&host);
	memset(long_label, 'x', sizeof long_label);
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_add(trainer, "ab \xFF", 4, "x", 1, &error) == CLF_ERR_ENCODING, "bytes that are no text");
	clf_trainer_free(trainer);
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_add(trainer, "ab", 2, "x\xC3", 2, &error) == CLF_ERR_ENCODING, "a label that is no text");
	clf_trainer_free(trainer);
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_add(trainer, "ab", 2, long_label, sizeof long_label, &error) == CLF_ERR_LIMIT, "a label too long");
	clf_trainer_free(trainer);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

/* Empty texts, an empty label, labels and texts with any bytes. */
static void
odd_rows_train(void)
{
	static const struct
	{
		const char *text;
		size_t		text_length;
		const char *label;
		size_t		label_length;
	}			rows[] = {
		{"", 0, "", 0}, {"a", 1, "", 0}, {"", 0, "x\0y", 3}, {"a\0b", 3, "x\0y", 3}, {"   ", 3, "", 0},
		{"\xF0\x9F\x98\x80", 4, "x\0y", 3}, {"a", 1, "\xC3\xA9", 2}, {"a", 1, "\xC3\xA9", 2}
	};
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfModel   *model;
	ClfModel   *again;
	ClfSummary	summary;
	ClfError	error;
	void	   *bytes;
	size_t		size;

	unit_quick_config(&config);
	config.epochs = 2;
	unit_host_init(&host);
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		CHECK(clf_trainer_add(trainer, rows[i].text, rows[i].text_length, rows[i].label, rows[i].label_length,
							  &error) == CLF_OK, "%s", error.message);
	do
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	while (progress.phase != CLF_PHASE_DONE);
	CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
	clf_trainer_free(trainer);
	CHECK(clf_model_class(model, "", 0) == 0 && clf_model_class(model, "x\0y", 3) == 1 &&
		  clf_model_class(model, "\xC3\xA9", 2) == 2, "labels are not in the order of their bytes");
	CHECK(clf_model_encode(model, &host.memory.allocator, &bytes, &size, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_model_decode(&host.memory.allocator, bytes, size, &again, &error) == CLF_OK, "%s: %s",
		  error.message, error.detail);
	host.memory.allocator.free(host.memory.allocator.context, bytes);
	clf_model_free(again);
	clf_model_free(model);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

/* ---- the vocabulary ---- */

/*
 * Keras's Tokenizer: ids by frequency, the first seen first among equals, 1
 * for what is not known; num_words cuts the rest off.
 */
static void
ids_rank_by_frequency(void)
{
	static const char *const texts[] = {"b b b c", "c a b", "c z a y", "q"};
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;
	size_t		length;

	unit_quick_config(&config);
	config.tokenizer = CLF_TOKENIZER_KERAS;
	config.validation_split = 0;
	config.epochs = 1;
	config.num_words = 5;		/* padding, unknown, and three words */
	unit_host_init(&host);
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < 4; i++)
		CHECK(clf_trainer_add(trainer, texts[i], strlen(texts[i]), i % 2 ? "x" : "y", 1, &error) == CLF_OK,
			  "%s", error.message);
	do
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	while (progress.phase != CLF_PHASE_DONE);
	CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
	clf_trainer_free(trainer);
	CHECK(clf_model_vocabulary(model) == 5, "the vocabulary has %d ids", clf_model_vocabulary(model));
	CHECK(clf_model_token(model, 2, &length)[0] == 'b' && clf_model_token(model, 3, &length)[0] == 'c' &&
		  clf_model_token(model, 4, &length)[0] == 'a', "ids are not by frequency");
	clf_model_free(model);
	unit_host_free(&host);
}

/*
 * Which rows hold a token, and how many tokens of the validation rows are not
 * in the vocabulary, against counts of the rows themselves.
 */
static void
tokens_of_rows_are_counted(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	const ClfToken *tokens;
	size_t		count;
	uint32_t	rows[100] = {0};
	double		unknown = 0;
	double		all = 0;

	unit_host_init(&host);
	unit_quick_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	config.min_count = 24;
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < 120; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 3, text, label);
		CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK, "%s", error.message);
	}
	while (progress.phase != CLF_PHASE_DONE)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_scratch_new(model, &host.memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_model_vocabulary(model) > 5 && clf_model_vocabulary(model) < 28, "a vocabulary of %d", clf_model_vocabulary(model));
	for (int i = 0; i < 120; i++)
	{
		char		text[256];
		char		label[16];
		bool		seen[100] = {false};

		unit_row(i, 3, text, label);
		CHECK(clf_tokens(model, scratch, text, strlen(text), &tokens, &count, &error) == CLF_OK, "%s", error.message);
		for (size_t t = 0; t < count; t++)
		{
			rows[tokens[t].id] += !seen[tokens[t].id];
			seen[tokens[t].id] = true;
			if (!clf_trainer_is_validation(trainer, (uint64_t) i))
				continue;
			all++;
			unknown += tokens[t].id == CLF_ID_OOV;
		}
	}
	for (int id = CLF_FIRST_ID; id < clf_model_vocabulary(model); id++)
		CHECK(clf_model_token_rows(model, id) == rows[id], "token %d is in %u rows, not in %u", id, clf_model_token_rows(model, id), rows[id]);
	CHECK(clf_model_token_rows(model, CLF_ID_OOV) == 0 && clf_model_token_rows(model, clf_model_vocabulary(model)) == 0, "no token has rows");
	CHECK(unknown > 0 && fabs(summary.unknown_tokens - unknown / all) < 1e-9, "%g are unknown, not %g", summary.unknown_tokens, unknown / all);
	clf_scratch_free(scratch);
	clf_model_free(model);
	clf_trainer_free(trainer);
	unit_host_free(&host);
}

int
main(void)
{
	RUN(learns_with_every_architecture);
	RUN(learns_with_every_pooling_and_loss);
	RUN(learns_with_every_optimizer);
	RUN(learns_with_schedules_and_average);
	RUN(learns_as_keras_stack);
	RUN(word_dropout_is_drawn_from_the_seed);
	RUN(few_rows_have_an_adversary);
	RUN(automatic_values_are_replaced);
	RUN(options_at_both_ends);
	RUN(weights_are_rounded_where_it_costs_nothing);
	RUN(bytes_are_computed_with_where_it_costs_nothing);
	RUN(same_seed_same_bytes);
	RUN(words_chosen_to_collide);
	RUN(order_of_rows_does_not_matter);
	RUN(early_stopping_keeps_the_best);
	RUN(progress_is_consistent);
	RUN(stratified_validation);
	RUN(handful_of_rows);
	RUN(class_weights_help_the_rare);
	RUN(max_seconds_ends_it);
	RUN(validation_figures_are_those_of_the_model);
	RUN(summary_of_a_network);
	RUN(summary_with_a_linear_branch);
	RUN(network_learns_from_all_rows);
	RUN(steps_are_short);
	RUN(nothing_to_learn_from);
	RUN(divergence_is_an_error);
	RUN(what_is_not_finite_is_an_error);
	RUN(options_out_of_range);
	RUN(budget_is_kept);
	RUN(store_that_fails);
	RUN(rows_that_are_refused);
	RUN(odd_rows_train);
	RUN(ids_rank_by_frequency);
	RUN(tokens_of_rows_are_counted);
	return UNIT_RESULT();
}

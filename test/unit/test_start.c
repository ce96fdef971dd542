/*
 * test_start.c
 *	  Trainings that start from a model or from vectors of words.
 */
#include "unit.h"

#define ROWS 120
#define E 8						/* of unit_quick_config */

/* A training to be looked at after it has begun. */
typedef struct Run
{
	UnitHost	host;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfModel   *model;
	ClfSummary	summary;
	ClfOrigin	origin;
	ClfError	error;
} Run;

/* A learning rate with which weights stay where they begin. */
static void
still_config(ClfConfig *config)
{
	unit_quick_config(config);
	config->optimizer = CLF_OPTIMIZER_SGD;
	config->learning_rate = 1e-8;
	config->epochs = 1;
}

/* Begin, with rows of so many classes. */
static ClfStatus
begin(Run *run, const ClfConfig *config, int classes)
{
	memset(run, 0, sizeof *run);
	unit_host_init(&run->host);
	if (clf_trainer_new(config, &run->host.host, &run->trainer, &run->error) != CLF_OK)
		return run->error.status;
	for (int i = 0; i < ROWS; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, classes, text, label);
		if (clf_trainer_add(run->trainer, text, strlen(text), label, strlen(label), &run->error) != CLF_OK)
			return run->error.status;
	}
	return CLF_OK;
}

static ClfStatus
learn(Run *run)
{
	do
		if (clf_trainer_step(run->trainer, &run->progress, &run->error) != CLF_OK)
			return run->error.status;
	while (run->progress.phase != CLF_PHASE_DONE);
	run->origin = clf_trainer_origin(run->trainer);
	return clf_trainer_finish(run->trainer, &run->model, &run->summary, &run->error);
}

/* Returns the blocks of memory that were forgotten. */
static size_t
end(Run *run)
{
	clf_trainer_free(run->trainer);
	clf_model_free(run->model);
	unit_host_free(&run->host);
	return run->host.memory.blocks;
}

static ClfStatus
add(Run *run, const char *word, const float *vector, size_t dimension)
{
	return clf_trainer_add_vector(run->trainer, word, strlen(word), vector, dimension, &run->error);
}

/* The embedding of a word of a model; NULL if it has none. */
static const float *
embedding(const ClfModel *model, const char *word)
{
	int64_t		index = clf_vocab_find(&model->words, word, strlen(word));

	return index < 0 ? NULL : clf_model_tensor(model, model->table.embedding) + (index + CLF_FIRST_ID) * E;
}

/* Vector number k: eight numbers that only it has. */
static const float *
vector_of(int k)
{
	static float vector[E];

	for (int i = 0; i < E; i++)
		vector[i] = (float) (k + 1) * (i % 2 ? 0.5f : -0.25f) + 0.01f * (float) i;
	return vector;
}

static double
distance(const float *a, const float *b, size_t n)
{
	double		most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double) a[i] - b[i]));
	return most;
}

/* ---- from a model ---- */

/* A model of three classes. */
static ClfStatus
train_old(Run *run, int architecture)
{
	ClfConfig	config;
	ClfStatus	status;

	unit_quick_config(&config);
	config.architecture = architecture;
	status = begin(run, &config, 3);
	return status == CLF_OK ? learn(run) : status;
}

static void
a_warm_start_begins_with_the_model(void)
{
	Run			old;
	Run			new;
	ClfConfig	config;
	const float *unknown;
	int			dense;

	CHECK(train_old(&old, CLF_ARCH_BILSTM) == CLF_OK, "%s", old.error.message);
	still_config(&config);
	/* the fourth class has a label and a word of its own */
	CHECK(begin(&new, &config, 4) == CLF_OK, "%s", new.error.message);
	CHECK(clf_trainer_warm_start(new.trainer, old.model, &new.error) == CLF_OK, "%s", new.error.message);
	CHECK(learn(&new) == CLF_OK, "%s", new.error.message);
	CHECK(new.origin.labels == 4 && new.origin.labels_of_model == 3, "%d of %d labels",
		  new.origin.labels_of_model, new.origin.labels);
	CHECK(new.origin.words == new.model->words.count && new.origin.words_of_model == new.origin.words - 1,
		  "%d of %d words", (int) new.origin.words_of_model, (int) new.origin.words);

	unknown = clf_model_tensor(old.model, old.model->table.embedding) + CLF_ID_OOV * E;
	CHECK(embedding(old.model, "dance") == NULL, "the new word is not new");
	CHECK(distance(embedding(new.model, "dance"), unknown, E) < 1e-5, "a new word does not begin as unknown ones");
	CHECK(distance(embedding(new.model, "apple"), embedding(old.model, "apple"), E) < 1e-5, "an old word begins elsewhere");
	for (int i = 1; i < new.model->table.dense_kernel; i++)
		CHECK(distance(clf_model_tensor(new.model, i), clf_model_tensor(old.model, i),
					   old.model->table.tensors[i].rows * old.model->table.tensors[i].columns) < 1e-5,
			  "%s begins elsewhere", old.model->table.tensors[i].name);
	dense = new.model->table.dense_kernel;
	for (int k = 0; k < 3; k++)
	{
		size_t		length;
		const char *label = clf_model_label(old.model, k, &length);
		int			class_id = clf_model_class(new.model, label, length);

		for (size_t row = 0; row < new.model->table.tensors[dense].rows; row++)
			CHECK(fabs(clf_model_tensor(new.model, dense)[row * 4 + (size_t) class_id] -
					   clf_model_tensor(old.model, dense)[row * 3 + (size_t) k]) < 1e-5, "a label's column begins elsewhere");
		CHECK(fabs(clf_model_tensor(new.model, dense + 1)[class_id] - clf_model_tensor(old.model, dense + 1)[k]) < 1e-5,
			  "a label's bias begins elsewhere");
	}
	CHECK(end(&new) == 0 && end(&old) == 0, "memory is kept");
}

/* One more epoch is better than a first one, in a network beside a linear branch as well. */
static void
a_warm_start_is_ahead(void)
{
	Run			old;
	double		loss[2];

	CHECK(train_old(&old, CLF_ARCH_BILSTM) == CLF_OK, "%s", old.error.message);
	for (int warm = 0; warm < 2; warm++)
	{
		Run			run;
		ClfConfig	config;

		unit_quick_config(&config);
		config.architecture = CLF_ARCH_HYBRID;
		config.epochs = 1;
		CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
		if (warm)
			CHECK(clf_trainer_warm_start(run.trainer, old.model, &run.error) == CLF_OK, "%s", run.error.message);
		CHECK(learn(&run) == CLF_OK, "%s", run.error.message);
		loss[warm] = run.summary.history[0].val_loss;
		CHECK(end(&run) == 0, "memory is kept");
	}
	CHECK(loss[1] < 0.5 * loss[0], "loss %g, from random numbers %g", loss[1], loss[0]);
	CHECK(end(&old) == 0, "memory is kept");
}

static void
networks_of_another_form_are_refused(void)
{
	static const struct
	{
		const char *option;
		size_t		offset;
		int32_t		value;
	}			changes[] = {
		{"\"units\" is 9, but 8", offsetof(ClfConfig, units), 9},
		{"\"embedding_dim\" is 9, but 8", offsetof(ClfConfig, embedding_dim), 9},
		{"\"layers\" is 2, but 1", offsetof(ClfConfig, layers), 2},
		{"\"bidirectional\" is false, but true", offsetof(ClfConfig, bidirectional), 0},
		{"\"pooling\" is \"mean\", but \"max\"", offsetof(ClfConfig, pooling), CLF_POOLING_MEAN},
		{"\"tokenizer\" is \"keras\", but \"unicode\"", offsetof(ClfConfig, tokenizer), CLF_TOKENIZER_KERAS},
		{"\"architecture\" is \"lstm\", but \"bilstm\"", offsetof(ClfConfig, architecture), CLF_ARCH_LSTM},
		{"architecture \"linear\"", offsetof(ClfConfig, architecture), CLF_ARCH_LINEAR},
	};
	Run			old;

	CHECK(train_old(&old, CLF_ARCH_BILSTM) == CLF_OK, "%s", old.error.message);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
	{
		Run			run;
		ClfConfig	config;
		ClfConfig	like;

		unit_quick_config(&config);
		memcpy((char *) &config + changes[i].offset, &changes[i].value, sizeof(int32_t));
		CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
		CHECK(clf_trainer_warm_start(run.trainer, old.model, &run.error) == CLF_ERR_DATA, "it is taken");
		CHECK(strstr(run.error.message, changes[i].option) != NULL, "%s", run.error.message);
		CHECK(end(&run) == 0, "memory is kept");
		like = config;
		clf_config_like(&like, clf_model_config(old.model));
		CHECK(clf_config_check_like(&like, clf_model_config(old.model), &run.error) == CLF_OK, "%s", run.error.message);
	}
	CHECK(end(&old) == 0, "memory is kept");
}

static void
a_model_counts_as_memory_of_the_training(void)
{
	Run			old;
	Run			run;
	ClfConfig	config;

	CHECK(train_old(&old, CLF_ARCH_BILSTM) == CLF_OK, "%s", old.error.message);
	still_config(&config);
	CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
	run.host.host.memory_limit = 1;
	clf_trainer_free(run.trainer);
	CHECK(clf_trainer_new(&config, &run.host.host, &run.trainer, &run.error) == CLF_OK, "%s", run.error.message);
	CHECK(clf_trainer_warm_start(run.trainer, old.model, &run.error) == CLF_ERR_BUDGET &&
		  run.error.bytes_needed > clf_model_memory(old.model), "it does not");
	CHECK(end(&run) == 0 && end(&old) == 0, "memory is kept");
}

/* ---- from vectors ---- */

static void
words_begin_with_their_vectors(void)
{
	Run			run;
	ClfConfig	config;
	double		square = 0;
	double		wanted = 0;
	int			without = 0;

	still_config(&config);
	config.embedding_dim = -1;	/* the vectors decide */
	CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
	CHECK(add(&run, "apple", vector_of(0), E) == CLF_OK && add(&run, "APPLE", vector_of(1), E) == CLF_OK &&
		  add(&run, "Bridge", vector_of(2), E) == CLF_OK && add(&run, "bridge", vector_of(3), E) == CLF_OK &&
		  add(&run, "Cloud", vector_of(4), E) == CLF_OK && add(&run, "apple bridge", vector_of(5), E) == CLF_OK &&
		  add(&run, "elsewhere", vector_of(6), E) == CLF_OK && add(&run, "", vector_of(7), E) == CLF_OK,
		  "%s", run.error.message);
	CHECK(learn(&run) == CLF_OK, "%s", run.error.message);
	CHECK(clf_model_config(run.model)->embedding_dim == E, "embedding_dim is %d", (int) clf_model_config(run.model)->embedding_dim);
	CHECK(run.origin.words_of_vectors == 3 && run.origin.words == run.model->words.count && run.origin.words_of_model == 0,
		  "%d words have a vector", (int) run.origin.words_of_vectors);
	CHECK(distance(embedding(run.model, "apple"), vector_of(0), E) < 1e-5, "a word does not begin with its vector");
	CHECK(distance(embedding(run.model, "bridge"), vector_of(3), E) < 1e-5, "another spelling wins");
	CHECK(distance(embedding(run.model, "cloud"), vector_of(4), E) < 1e-5, "another spelling is not found");

	/* other words are of their size, far from the 0.05 that they would have */
	for (uint32_t i = 0; i < run.model->words.count + CLF_FIRST_ID; i++)
	{
		const float *row = clf_model_tensor(run.model, run.model->table.embedding) + i * E;

		if (row == embedding(run.model, "apple") || row == embedding(run.model, "bridge") ||
			row == embedding(run.model, "cloud"))
			continue;
		without++;
		for (int j = 0; j < E; j++)
			square += (double) row[j] * row[j];
	}
	for (int k = 0; k < 5; k++)
		for (int j = 0; j < E && (k == 0 || k > 2); j++)
			wanted += vector_of(k)[j] * vector_of(k)[j] / 3;
	CHECK(square / without > 0.7 * wanted && square / without < 1.4 * wanted, "mean square %g, of the vectors %g",
		  square / without, wanted);
	CHECK(end(&run) == 0, "memory is kept");
}

/* The model does not depend on the order of the vectors, whatever stands there twice. */
static void
order_of_vectors_does_not_matter(void)
{
	static const char *const words[] = {"Apple", "APPLE", "aPPLE", "bridge", "bridge", "common0"};
	Run			runs[2];

	for (int i = 0; i < 2; i++)
	{
		ClfConfig	config;

		unit_quick_config(&config);
		config.epochs = 2;
		CHECK(begin(&runs[i], &config, 3) == CLF_OK, "%s", runs[i].error.message);
		for (int k = 0; k < 6; k++)
		{
			int			which = i ? 5 - k : k;

			CHECK(add(&runs[i], words[which], vector_of(which), E) == CLF_OK, "%s", runs[i].error.message);
		}
		CHECK(learn(&runs[i]) == CLF_OK, "%s", runs[i].error.message);
	}
	CHECK(memcmp(runs[0].model->weights, runs[1].model->weights,
				 runs[0].model->table.floats * sizeof(float)) == 0, "it does");
	CHECK(end(&runs[0]) == 0 && end(&runs[1]) == 0, "memory is kept");
}

static void
vectors_are_kept_where_asked_for(void)
{
	for (int dense = 0; dense < 2; dense++)
		for (int keep = 0; keep < 2; keep++)
		{
			Run			run;
			ClfConfig	config;
			double		moved;

			unit_quick_config(&config);
			config.dense_updates = dense;
			CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
			if (keep)
				clf_trainer_keep_vectors(run.trainer);
			CHECK(add(&run, "apple", vector_of(0), E) == CLF_OK, "%s", run.error.message);
			CHECK(learn(&run) == CLF_OK, "%s", run.error.message);
			moved = distance(embedding(run.model, "apple"), vector_of(0), E);
			CHECK(keep ? moved == 0 : moved > 0.01, "a vector moves by %g", moved);
			moved = distance(embedding(run.model, "bridge"), vector_of(0), E);
			CHECK(moved > 0.1 && run.summary.accuracy > 0.9, "nothing is learned: %g", run.summary.accuracy);
			CHECK(end(&run) == 0, "memory is kept");
		}
}

/* Words of the model have its weights, new ones their vectors. */
static void
a_model_comes_before_vectors(void)
{
	Run			old;
	Run			run;
	ClfConfig	config;

	CHECK(train_old(&old, CLF_ARCH_BILSTM) == CLF_OK, "%s", old.error.message);
	still_config(&config);
	CHECK(begin(&run, &config, 4) == CLF_OK, "%s", run.error.message);
	CHECK(clf_trainer_warm_start(run.trainer, old.model, &run.error) == CLF_OK &&
		  add(&run, "apple", vector_of(0), E) == CLF_OK && add(&run, "dance", vector_of(1), E) == CLF_OK &&
		  learn(&run) == CLF_OK, "%s", run.error.message);
	CHECK(distance(embedding(run.model, "apple"), embedding(old.model, "apple"), E) < 1e-5, "an old word has its vector");
	CHECK(distance(embedding(run.model, "dance"), vector_of(1), E) < 1e-5, "a new word does not have its vector");
	CHECK(end(&run) == 0 && end(&old) == 0, "memory is kept");
}

static void
vectors_that_do_not_fit_are_refused(void)
{
	static const float bad[3][E] = {{0, 1, NAN}, {INFINITY}, {0, -INFINITY}};
	float		wide[4097] = {0};
	Run			run;
	ClfConfig	config;

	still_config(&config);
	config.embedding_dim = -1;
	CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
	for (int i = 0; i < 3; i++)
		CHECK(add(&run, "elsewhere", bad[i], E) == CLF_ERR_DATA && strstr(run.error.message, "finite"), "%d is taken", i);
	CHECK(add(&run, "apple", wide, 0) == CLF_ERR_DATA && add(&run, "apple", wide, 4097) == CLF_ERR_DATA, "its length is taken");
	CHECK(add(&run, "apple", wide, 7) == CLF_ERR_DATA && strstr(run.error.message, "7 dimensions, but the embedding has 8"),
		  "%s", run.error.message);
	CHECK(add(&run, "\xff", wide, E) == CLF_ERR_ENCODING, "what is not UTF-8 is taken");
	CHECK(end(&run) == 0, "memory is kept");

	config.architecture = CLF_ARCH_LINEAR;
	CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
	CHECK(add(&run, "apple", wide, E) == CLF_ERR_DATA, "a linear model takes vectors");
	CHECK(end(&run) == 0, "memory is kept");
}

static void
a_broken_store_is_an_error(void)
{
	for (int when = 0; when < 2; when++)
	{
		Run			run;
		ClfConfig	config;

		still_config(&config);
		CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
		run.host.store.broken = when == 0;
		CHECK(add(&run, "apple", vector_of(0), E) == (when == 0 ? CLF_ERR_HOST : CLF_OK), "%s", run.error.message);
		while (when == 1 && run.error.status == CLF_OK)
		{
			/* an item a step: it breaks after the rows were counted, before they are learned from */
			run.host.clock_step = 1;
			clf_trainer_step(run.trainer, &run.progress, &run.error);
			if (clf_trainer_origin(run.trainer).words_of_vectors > 0)
				run.host.store.broken = true;
		}
		CHECK(run.error.status == CLF_ERR_HOST && strstr(run.error.message, "word vector"), "%s", run.error.message);
		CHECK(end(&run) == 0, "memory is kept");
	}
}

/* Whichever allocation fails, the training ends with an error and forgets nothing. */
static void
memory_may_be_short(void)
{
	Run			old;
	ClfStatus	status = CLF_ERR_MEMORY;
	size_t		calls;
	size_t		last = 0;

	CHECK(train_old(&old, CLF_ARCH_BILSTM) == CLF_OK, "%s", old.error.message);
	for (size_t fail_at = 1; status == CLF_ERR_MEMORY; fail_at++)
	{
		Run			run;
		ClfConfig	config;

		still_config(&config);
		CHECK(begin(&run, &config, 3) == CLF_OK, "%s", run.error.message);
		calls = run.host.memory.calls;
		run.host.memory.fail_at = calls + fail_at;
		if ((status = clf_trainer_warm_start(run.trainer, old.model, &run.error)) == CLF_OK &&
			(status = add(&run, "apple", vector_of(0), E)) == CLF_OK)
			status = learn(&run);
		CHECK(status == CLF_OK || status == CLF_ERR_MEMORY, "%s", run.error.message);
		CHECK(end(&run) == 0, "allocation %zu: memory is kept", fail_at);
		last = fail_at;
	}
	CHECK(last > 10, "only %zu allocations", last);
	CHECK(end(&old) == 0, "memory is kept");
}

int
main(void)
{
	RUN(a_warm_start_begins_with_the_model);
	RUN(a_warm_start_is_ahead);
	RUN(networks_of_another_form_are_refused);
	RUN(a_model_counts_as_memory_of_the_training);
	RUN(words_begin_with_their_vectors);
	RUN(order_of_vectors_does_not_matter);
	RUN(vectors_are_kept_where_asked_for);
	RUN(a_model_comes_before_vectors);
	RUN(vectors_that_do_not_fit_are_refused);
	RUN(a_broken_store_is_an_error);
	RUN(memory_may_be_short);
	return UNIT_RESULT();
}

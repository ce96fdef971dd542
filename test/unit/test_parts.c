/*
 * test_parts.c
 *	  Parts of the rows that are held out in turn where validation rows are few:
 *	  what they are, that nobody learns from the part he is asked about, and that
 *	  a training with them ends, and is the same, whatever befalls it.
 */
#include "unit.h"

#include "trainer.h"

#define ROWS 300				/* and 30 validation rows */

static void
parts_config(ClfConfig *config)
{
	unit_quick_config(config);
	config->architecture = CLF_ARCH_HYBRID;
	config->validation_split = 0.1;
	config->epochs = 3;
	config->char_ngrams = -1;
	config->wide_c = -1;
}

/* A training of synthetic rows that has not begun; by_chance: the label says nothing, and every row has words of its own. */
static ClfTrainer *
new_training(UnitHost *host, const ClfConfig *config, int rows, bool by_chance)
{
	ClfTrainer *trainer;
	ClfError	error;

	if (clf_trainer_new(config, &host->host, &trainer, &error) != CLF_OK)
	{
		unit_fail(__FILE__, __LINE__, "%s", error.message);
		return NULL;
	}
	for (int i = 0; i < rows; i++)
	{
		char		text[256];
		char		label[16];

		unit_row(i, 3, text, label);
		if (by_chance)
		{
			snprintf(text, sizeof text, "own%d own%d own%d", 3 * i, 3 * i + 1, 3 * i + 2);
			snprintf(label, sizeof label, "%u", (unsigned int) i * 2654435761u >> 31);
		}
		if (clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) != CLF_OK)
			unit_fail(__FILE__, __LINE__, "%s", error.message);
	}
	return trainer;
}

/* Go on until a stage, or to the end. */
static void
run_to(ClfTrainer *trainer, ClfTrainerStage stage)
{
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfError	error;

	while (progress.phase != CLF_PHASE_DONE && trainer->stage != stage)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
}

static void
end(ClfTrainer *trainer, UnitHost *host)
{
	clf_trainer_free(trainer);
	unit_host_free(host);
	CHECK(host->memory.blocks == 0, "memory is kept");
}

/* Every row is in one part; all parts have the classes in the same shares; the rows come back in order. */
static void
rows_are_dealt(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfDataset *data;
	ClfError	error;
	int64_t		held[ROWS] = {0};
	uint32_t	before[ROWS];

	unit_host_init(&host);
	host.clock_step = 1;		/* a step is an item */
	parts_config(&config);
	trainer = new_training(&host, &config, ROWS, false);
	run_to(trainer, STAGE_CLASSES);
	data = &trainer->data;
	for (int i = 0; i < ROWS; i++)
		before[i] = data->rows[i].ordinal;
	for (uint32_t part = 0; part < 10; part++)
	{
		int			of_class[3] = {0};

		CHECK(clf_dataset_hold_out(data, part, &error) == CLF_OK, "%s", error.message);
		CHECK(data->count - data->training_rows == 30, "part %u has %zu rows", part, data->count - data->training_rows);
		for (size_t i = 0; i < ROWS; i++)
		{
			CHECK((data->rows[i].part == part) == (i >= data->training_rows), "part %u: row %zu", part, i);
			CHECK(i == 0 || i == data->training_rows || data->rows[i - 1].hash <= data->rows[i].hash, "order");
			if (i < data->training_rows)
				continue;
			held[data->rows[i].ordinal]++;
			of_class[data->rows[i].label]++;
			CHECK(clf_dataset_is_validation(data, data->rows[i].ordinal) == (part == 0), "validation rows are others");
		}
		CHECK(of_class[0] == 10 && of_class[1] == 10 && of_class[2] == 10, "classes of part %u", part);
	}
	for (int i = 0; i < ROWS; i++)
		CHECK(held[i] == 1, "a row is in %d parts", (int) held[i]);
	CHECK(clf_dataset_hold_out(data, 0, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < ROWS; i++)
		CHECK(data->rows[i].ordinal == before[i], "row %d is another", i);
	end(trainer, &host);
}

/* Share of the scored rows that a branch gets right. */
static double
right(const ClfTrainer *trainer, const float *scores)
{
	int			C = clf_trainer_classes(trainer);
	int			n = 0;

	for (size_t i = 0; i < trainer->scored; i++)
		n += clf_best(scores + i * (size_t) C, C) == trainer->scored_classes[i];
	return (double) n / (double) trainer->scored;
}

/* Both branches score all parts: well what can be learned, and no better than chance what can only be remembered. */
static void
all_parts_are_scored(void)
{
	for (int by_chance = 0; by_chance <= 1; by_chance++)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;
		double		deep;
		double		wide;

		unit_host_init(&host);
		parts_config(&config);
		config.epochs = 8;
		trainer = new_training(&host, &config, ROWS, by_chance);
		run_to(trainer, STAGE_DONE);
		deep = right(trainer, trainer->best_scores);
		wide = right(trainer, trainer->best_wide_scores);
		CHECK(trainer->parts >= 10 && trainer->scored == ROWS && trainer->fused_rows == ROWS &&
			  trainer->judged < 40, "%d parts, %zu rows scored", trainer->parts, trainer->scored);
		CHECK(trainer->data.training_rows + trainer->judged == ROWS, "a part is held out still");
		CHECK(by_chance ? deep < 0.65 && wide < 0.65 : deep > 0.7 && wide > 0.7,
			  "labels %s: right %g and %g", by_chance ? "by chance" : "of the text", deep, wide);
		CHECK(!by_chance || (trainer->scale[0] < 0.3 && trainer->scale[1] < 0.3),
			  "chance counts %g and %g", trainer->scale[0], trainer->scale[1]);
		end(trainer, &host);
	}
}

/* Words that only the part at hand has are to the network as words that it does not know. */
static void
words_of_a_part_are_unknown(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	const ClfTensor *tensor;
	const float *values;
	int			unknown = 0;
	int			known = 0;

	unit_host_init(&host);
	host.clock_step = 1;
	parts_config(&config);
	trainer = new_training(&host, &config, ROWS, true);
	run_to(trainer, STAGE_PART_SCORED);
	tensor = &trainer->table.tensors[trainer->table.embedding];
	values = clf_team_evaluated(&trainer->team) + tensor->offset;
	for (size_t row = 0; row < ROWS; row++)
	{
		bool		held_out = row >= trainer->data.training_rows;
		ClfError	error;

		CHECK(clf_dataset_read(&trainer->data, row, &error) == CLF_OK, "%s", error.message);
		for (size_t t = 0; t < trainer->data.sequence_length; t++)
		{
			uint32_t	id = trainer->data.sequence[t];
			bool		same = memcmp(values + id * tensor->columns, values + CLF_ID_OOV * tensor->columns,
									  tensor->columns * sizeof *values) == 0;

			if (id < CLF_FIRST_ID)
				continue;
			CHECK(same == held_out, "a word of a row that is %s", held_out ? "held out" : "learned from");
			unknown += held_out;
			known += !held_out;
		}
	}
	CHECK(unknown == 3 * 30 && known > 3 * 200, "%d and %d words", unknown, known);
	end(trainer, &host);
}

/* Enough validation rows, or rows that take long: no parts, and never very many; without refit, or validation by the last rows, neither. */
static void
parts_only_where_they_help(void)
{
	static const struct
	{
		int			rows;
		double		split;
		int			refit;
		int			mode;
		int			architecture;
		int			parts;
	}			cases[] = {
		{ROWS, 0.1, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 10},
		{ROWS, 0.1, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_LINEAR, 10},
		{ROWS, 0.3, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 4},
		{ROWS, 0.02, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 12},
		{1500, 0.2, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 2},
		{2550, 0.2, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 1},
		{ROWS, 0.1, 0, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 1},
		{ROWS, 0.1, 1, CLF_VALIDATION_LAST, CLF_ARCH_HYBRID, 1},
		{ROWS, 0.1, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_BILSTM, 1},
		{ROWS, 0, 1, CLF_VALIDATION_STRATIFIED, CLF_ARCH_HYBRID, 1},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;

		unit_host_init(&host);
		host.clock_step = 1;
		parts_config(&config);
		config.validation_split = cases[i].split;
		config.refit = cases[i].refit;
		config.validation_mode = cases[i].mode;
		config.architecture = cases[i].architecture;
		trainer = new_training(&host, &config, cases[i].rows, false);
		run_to(trainer, cases[i].architecture == CLF_ARCH_BILSTM ? STAGE_ALLOCATE : STAGE_WIDE);
		CHECK(trainer->parts == cases[i].parts, "case %zu: %d parts", i, trainer->parts);
		end(trainer, &host);
	}
}

/* The same model, however the work is cut into steps; epochs are counted to the announced number; a step may be the last. */
static void
steps_change_nothing(void)
{
	static const double clock_steps[] = {1, 0.0005};
	float	   *weights[2] = {NULL, NULL};
	float		scale[2][CLF_BRANCHES];
	size_t		floats = 0;

	for (int i = 0; i < 2; i++)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;
		ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
		ClfError	error;
		int			epoch = 0;

		unit_host_init(&host);
		host.clock_step = clock_steps[i];
		parts_config(&config);
		trainer = new_training(&host, &config, ROWS, false);
		while (progress.phase != CLF_PHASE_DONE)
		{
			CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
			CHECK(progress.epoch <= progress.epochs && progress.epoch >= epoch, "epoch %d of %d after %d",
				  progress.epoch, progress.epochs, epoch);
			epoch = trainer->refitting ? progress.epoch : 0;	/* fewer than planned may have been run */
		}
		CHECK(epoch == trainer->epochs + clf_course_refit_times(trainer) * trainer->best_epoch,
			  "the last epoch was %d", epoch);
		floats = trainer->table.floats;
		weights[i] = malloc(floats * sizeof(float));
		memcpy(weights[i], trainer->best, floats * sizeof(float));
		memcpy(scale[i], trainer->scale, sizeof scale[i]);
		end(trainer, &host);
	}
	CHECK(memcmp(weights[0], weights[1], floats * sizeof(float)) == 0 &&
		  memcmp(scale[0], scale[1], sizeof scale[0]) == 0, "another model");
	free(weights[0]);
	free(weights[1]);
}

/* Whenever it is given up, all memory goes back. */
static void
may_be_cancelled(void)
{
	for (int steps = 1; steps < 4000; steps = steps * 5 / 4 + 1)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;
		ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
		ClfError	error;

		unit_host_init(&host);
		host.clock_step = 1;
		parts_config(&config);
		config.epochs = 1;
		trainer = new_training(&host, &config, 100, false);
		for (int i = 0; i < steps && progress.phase != CLF_PHASE_DONE; i++)
			CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
		end(trainer, &host);
	}
}

/* The time is up, or the loss not finite, within the third part: the fusion knows those before, and the validation rows are back. */
static void
parts_may_come_to_nothing(void)
{
	for (int diverges = 0; diverges <= 1; diverges++)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;
		ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
		ClfSummary	summary;
		ClfModel   *model;
		ClfError	error;

		unit_host_init(&host);
		host.clock_step = 0.001;
		parts_config(&config);
		trainer = new_training(&host, &config, ROWS, false);
		while (progress.phase != CLF_PHASE_DONE)
		{
			CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
			if (trainer->refits < 3)
				continue;
			if (diverges)
				trainer->config.learning_rate = NAN;
			else
				trainer->config.max_seconds = 1e-9;
		}
		CHECK(trainer->fused_rows == 90, "%zu rows are fused", trainer->fused_rows);
		CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
		CHECK(summary.out_of_time == !diverges && summary.validation_rows == 30 && summary.accuracy > 0.7,
			  "%d validation rows, accuracy %g", (int) summary.validation_rows, summary.accuracy);
		clf_model_free(model);
		end(trainer, &host);
	}
}

int
main(void)
{
	RUN(rows_are_dealt);
	RUN(all_parts_are_scored);
	RUN(words_of_a_part_are_unknown);
	RUN(parts_only_where_they_help);
	RUN(steps_change_nothing);
	RUN(may_be_cancelled);
	RUN(parts_may_come_to_nothing);
	return UNIT_RESULT();
}

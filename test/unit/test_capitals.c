/*
 * test_capitals.c
 *	  Option capitals from the rows to the prediction: where it applies by itself,
 *	  what it adds to a text, and that both sides read as much of a long one.
 */
#include "unit.h"

#include "dataset.h"
#include "trainer.h"

#define FEW 300
#define LONG_TEXT (3 * CLF_WIDE_TOKENS)

typedef void (*MakeRow) (int index, char *text, char label[16]);

/* The label is in the capitals alone, the words are those of both. */
static void
row_of_capitals(int index, char *text, char label[16])
{
	static const char *const words[2][3] = {{"apple", "bush", "turkey"}, {"Apple", "Bush", "Turkey"}};

	sprintf(text, "What is %s to %d of us", words[index % 2][index / 2 % 3], index);
	strcpy(label, index % 2 ? "name" : "thing");
}

/* Words without any. */
static void
row_without(int index, char *text, char label[16])
{
	sprintf(text, "what is an %s to %d of us", index % 2 ? "apple" : "turkey", index);
	strcpy(label, index % 2 ? "fruit" : "bird");
}

/* More words than anything looks at, every other one with a capital. */
static void
row_of_many_words(int index, char *text, char label[16])
{
	int			length = 0;

	for (int i = 0; i < LONG_TEXT; i++)
		length += sprintf(text + length, i % 2 ? "word%d " : "Word%d ", i % 50 + index % 3);
	sprintf(label, "%d", index % 2);
}

/* A training that has not begun. */
static ClfTrainer *
new_training(UnitHost *host, const ClfConfig *config, int rows, MakeRow make)
{
	char	   *text = malloc(16 * LONG_TEXT);
	char		label[16];
	ClfTrainer *trainer;
	ClfError	error;

	if (clf_trainer_new(config, &host->host, &trainer, &error) != CLF_OK)
		unit_fail(__FILE__, __LINE__, "%s", error.message);
	for (int i = 0; i < rows; i++)
	{
		make(i, text, label);
		if (clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) != CLF_OK)
			unit_fail(__FILE__, __LINE__, "%s", error.message);
	}
	free(text);
	return trainer;
}

/* Go on until the settings are decided, at least. */
static void
run_to_classes(ClfTrainer *trainer)
{
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfError	error;

	while (progress.phase != CLF_PHASE_DONE && trainer->stage != STAGE_CLASSES)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
}

/* Go on to the end. */
static void
finish(ClfTrainer *trainer, ClfModel **model, ClfSummary *summary)
{
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfError	error;

	while (progress.phase != CLF_PHASE_DONE)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_finish(trainer, model, summary, &error) == CLF_OK, "%s", error.message);
	clf_trainer_free(trainer);
}

static void
config_of(ClfConfig *config, ClfArchitecture architecture, int capitals)
{
	unit_quick_config(config);
	config->architecture = architecture;
	config->validation_split = 0.1;
	config->capitals = capitals;
}

/* By itself, it is for few rows with capitals that are not read as Keras does. */
static void
where_it_applies(void)
{
	static const struct
	{
		MakeRow		make;
		int			rows;
		ClfTokenizerKind tokenizer;
		ClfArchitecture architecture;
		int			asked;
		int			expected;
	}			cases[] = {
		{row_of_capitals, FEW, CLF_TOKENIZER_UNICODE, CLF_ARCH_LINEAR, -1, 1},
		{row_of_capitals, FEW, CLF_TOKENIZER_UNICODE, CLF_ARCH_LINEAR, 0, 0},
		{row_without, FEW, CLF_TOKENIZER_UNICODE, CLF_ARCH_LINEAR, -1, 0},
		{row_without, FEW, CLF_TOKENIZER_UNICODE, CLF_ARCH_LINEAR, 1, 1},
		{row_of_capitals, FEW, CLF_TOKENIZER_KERAS, CLF_ARCH_LINEAR, -1, 0},
		{row_of_capitals, FEW, CLF_TOKENIZER_UNICODE, CLF_ARCH_LSTM, -1, 0},
		{row_of_capitals, FEW, CLF_TOKENIZER_UNICODE, CLF_ARCH_LSTM, 1, 1},
		{row_of_capitals, CLF_FEW_ROWS, CLF_TOKENIZER_UNICODE, CLF_ARCH_LINEAR, -1, 0},
		{row_of_capitals, CLF_FEW_ROWS, CLF_TOKENIZER_UNICODE, CLF_ARCH_LINEAR, 1, 1},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;

		unit_host_init(&host);
		host.clock_step = 1;	/* a step is an item */
		config_of(&config, cases[i].architecture, cases[i].asked);
		config.tokenizer = cases[i].tokenizer;
		trainer = new_training(&host, &config, cases[i].rows, cases[i].make);
		run_to_classes(trainer);
		CHECK(trainer->config.capitals == cases[i].expected, "case %zu: capitals %d", i, trainer->config.capitals);
		clf_trainer_free(trainer);
		unit_host_free(&host);
	}
}

/* With the marks, either branch learns what only capitals tell; without them, neither can. */
static void
both_branches_see_them(void)
{
	static const ClfArchitecture architectures[] = {CLF_ARCH_LINEAR, CLF_ARCH_BILSTM};

	for (int i = 0; i < 2; i++)
		for (int capitals = 0; capitals <= 1; capitals++)
		{
			UnitHost	host;
			ClfConfig	config;
			ClfSummary	summary;
			ClfModel   *model;

			unit_host_init(&host);
			config_of(&config, architectures[i], capitals);
			config.epochs = 20;
			finish(new_training(&host, &config, FEW, row_of_capitals), &model, &summary);
			CHECK(capitals ? summary.accuracy > 0.95 : summary.accuracy < 0.8,
				  "architecture %s, capitals %d: accuracy %g", unit_architecture(architectures[i]), capitals, summary.accuracy);
			clf_model_free(model);
			unit_host_free(&host);
		}
}

/* Rows that came before it was decided that there are no marks are read as if there had never been any. */
static void
left_open_is_as_turned_off(void)
{
	UnitHost	hosts[2];
	ClfModel   *models[2];

	for (int i = 0; i < 2; i++)
	{
		ClfConfig	config;
		ClfSummary	summary;

		unit_host_init(&hosts[i]);
		config_of(&config, CLF_ARCH_BILSTM, i - 1);
		config.epochs = 1;
		config.maxlen = -1;
		finish(new_training(&hosts[i], &config, CLF_FEW_ROWS, row_of_capitals), &models[i], &summary);
	}
	CHECK(models[0]->words.count == models[1]->words.count && models[0]->table.floats == models[1]->table.floats &&
		  models[0]->config.maxlen == models[1]->config.maxlen, "%u and %u words, maxlen %d and %d",
		  models[0]->words.count, models[1]->words.count, models[0]->config.maxlen, models[1]->config.maxlen);
	CHECK(memcmp(clf_model_tensor(models[0], 0), clf_model_tensor(models[1], 0),
				 models[0]->table.floats * sizeof(float)) == 0, "the weights differ");
	for (int i = 0; i < 2; i++)
	{
		clf_model_free(models[i]);
		unit_host_free(&hosts[i]);
	}
}

/* Of a long text, the training counts the tokens that a prediction does. */
static void
as_much_of_a_long_text(void)
{
	for (int asked = -1; asked <= 1; asked++)
	{
		UnitHost	host;
		ClfConfig	config;
		ClfTrainer *trainer;
		ClfModel   *model;
		ClfScratch *scratch;
		const ClfToken *tokens;
		size_t		count;
		size_t		marks = 0;
		char	   *text = malloc(16 * LONG_TEXT);
		char		label[16];
		ClfSummary	summary;
		ClfError	error;

		unit_host_init(&host);
		host.clock_step = 1;
		config_of(&config, CLF_ARCH_LINEAR, asked);
		trainer = new_training(&host, &config, 60, row_of_many_words);
		run_to_classes(trainer);
		CHECK(clf_dataset_read_tokens(&trainer->data, 0, &error) == CLF_OK, "%s", error.message);
		CHECK(trainer->data.sequence_length == CLF_WIDE_TOKENS, "%zu tokens of a row", trainer->data.sequence_length);
		finish(trainer, &model, &summary);
		CHECK(clf_scratch_new(model, &host.host.allocator, &scratch, &error) == CLF_OK, "%s", error.message);
		row_of_many_words(0, text, label);
		CHECK(clf_tokens(model, scratch, text, strlen(text), &tokens, &count, &error) == CLF_OK, "%s", error.message);
		CHECK(count == CLF_WIDE_TOKENS, "%zu tokens of a text", count);
		for (size_t i = 0; i < count; i++)
			marks += tokens[i].length == 7 && memcmp(tokens[i].text, "<title>", 7) == 0;
		CHECK(marks == (asked ? CLF_WIDE_TOKENS / 3 : 0), "asked %d: %zu marks", asked, marks);
		clf_scratch_free(scratch);
		clf_model_free(model);
		unit_host_free(&host);
		free(text);
	}
}

int
main(void)
{
	RUN(where_it_applies);
	RUN(both_branches_see_them);
	RUN(left_open_is_as_turned_off);
	RUN(as_much_of_a_long_text);
	return UNIT_RESULT();
}

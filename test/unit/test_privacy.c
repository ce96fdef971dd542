/*
 * test_privacy.c
 *	  What a model must not remember of the texts it was trained on: words of
 *	  single rows.
 */
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "unit.h"

/* ---- words of single rows ---- */

#define PLANTED 50
#define ROWS 1000

/* A word of letters that no other one has, so that it shares no n-gram with any. */
static void
planted_word(int index, char word[10])
{
	for (int i = 0; i < 3; i++)
	{
		int			letter = 0x1401 + 3 * index + i;	/* Canadian syllabics */

		word[3 * i] = (char) (0xE0 | letter >> 12);
		word[3 * i + 1] = (char) (0x80 | (letter >> 6 & 0x3F));
		word[3 * i + 2] = (char) (0x80 | (letter & 0x3F));
	}
	word[9] = '\0';
}

/* Train on rows of which the first ones have a planted word each, twice. */
static void
train_planted(UnitHost *host, const ClfConfig *config, ClfModel **model)
{
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfError	error;

	host->store.size = 0;
	CHECK(clf_trainer_new(config, &host->host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < ROWS; i++)
	{
		char		row[256];
		char		text[300];
		char		word[10] = "";
		char		label[16];

		unit_row(i, 2, row, label);
		if (i < PLANTED)
			planted_word(i, word);
		snprintf(text, sizeof text, "%s %s %s", word, row, word);
		CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK, "%s", error.message);
	}
	while (progress.phase != CLF_PHASE_DONE)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_finish(trainer, model, &summary, &error) == CLF_OK, "%s", error.message);
	clf_trainer_free(trainer);
}

/* How many planted words are tokens, and how many move a prediction otherwise than a word never seen. */
static void
count_remembered(const ClfModel *model, int *tokens, int *influences)
{
	UnitMemory	memory;
	ClfScratch *scratch;
	ClfError	error;

	unit_memory_init(&memory);
	*tokens = *influences = 0;
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	for (int i = 0; i < PLANTED; i++)
	{
		char		word[2][10];
		char		label[16];
		char		row[256];
		float		probability[2][2];

		unit_row(i, 2, row, label);
		planted_word(i, word[0]);
		planted_word(PLANTED, word[1]);
		for (int k = 0; k < 2; k++)
		{
			char		text[300];

			snprintf(text, sizeof text, "%s %s %s", word[k], row, word[k]);
			CHECK(clf_predict(model, scratch, text, strlen(text), probability[k], &error) == CLF_OK, "%s", error.message);
		}
		*influences += memcmp(probability[0], probability[1], sizeof probability[0]) != 0;
		for (int id = CLF_FIRST_ID; id < clf_model_vocabulary(model); id++)
		{
			size_t		length;
			const char *token = clf_model_token(model, id, &length);

			*tokens += length == strlen(word[0]) && memcmp(token, word[0], length) == 0;
		}
	}
	clf_scratch_free(scratch);
}

static void
words_of_single_rows_leave_nothing(void)
{
	UnitHost	host;
	ClfConfig	config;

	unit_host_init(&host);
	for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
		for (int min_rows = 1; min_rows <= 2; min_rows++)
		{
			ClfModel   *model = NULL;
			int			tokens;
			int			influences;

			unit_quick_config(&config);
			config.architecture = architecture;
			config.char_ngrams = 1;
			config.epochs = 1;
			config.validation_split = 0.1;
			config.min_rows = min_rows == 1 ? 1 : -1;	/* with so many rows, 2 */
			train_planted(&host, &config, &model);
			CHECK(clf_model_config(model)->min_rows == min_rows, "%d rows are enough", clf_model_config(model)->min_rows);
			count_remembered(model, &tokens, &influences);
			if (min_rows == 1)
				CHECK(tokens > PLANTED / 2 && influences > PLANTED / 2, "%s: %d tokens, %d influences",
					  unit_architecture(architecture), tokens, influences);
			else
				CHECK(tokens == 0 && influences == 0, "%s: %d tokens, %d influences are remembered",
					  unit_architecture(architecture), tokens, influences);
			clf_model_free(model);
		}
	unit_host_free(&host);
}

int
main(void)
{
	RUN(words_of_single_rows_leave_nothing);
	return UNIT_RESULT();
}

/*
 * test_search.c
 *	  The search for settings of the linear branch: what it finds, and that its
 *	  work is bounded by a count, not by a clock.
 */
#include "unit.h"

#include "trainer.h"

typedef struct Found
{
	int			char_ngrams;
	double		wide_c;
	double		work;
	double		accuracy;
	ClfModel   *model;
} Found;

/*
 * Train a linear branch with open settings.  Every word is new; its ending
 * tells the class.
 */
static void
search(UnitHost *host, double most_work, double clock_step, bool refit, Found *found)
{
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfError	error;

	unit_host_init(host);
	host->clock_step = clock_step;
	clf_config_init(&config);
	config.architecture = CLF_ARCH_LINEAR;
	config.refit = refit;
	CHECK(clf_trainer_new(&config, &host->host, &trainer, &error) == CLF_OK, "%s", error.message);
	trainer->search.most_work = most_work;
	for (unsigned int i = 0; i < 400; i++)
	{
		char		text[100];
		int			n = snprintf(text, sizeof text, "%xe%s so %xo%s then", i * 2654435761u, i % 2 ? "ing" : "ful",
								 (i + 7) * 2246822519u, i % 3 ? "" : i % 2 ? "ing" : "ful");

		CHECK(clf_trainer_add(trainer, text, (size_t) n, i % 2 ? "verb" : "adjective", i % 2 ? 4 : 9, &error) == CLF_OK,
			  "%s", error.message);
	}
	while (progress.phase != CLF_PHASE_DONE)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	found->char_ngrams = trainer->config.char_ngrams;
	found->wide_c = trainer->config.wide_c;
	found->work = trainer->search.work;
	CHECK(clf_trainer_finish(trainer, &found->model, &summary, &error) == CLF_OK, "%s", error.message);
	found->accuracy = summary.accuracy;
	clf_trainer_free(trainer);
}

static void
forget(UnitHost *host, Found *found)
{
	clf_model_free(found->model);
	unit_host_free(host);
	CHECK(host->memory.blocks == 0, "memory is kept");
}

static void
finds_what_suits(void)
{
	UnitHost	host;
	Found		found;

	search(&host, CLF_SEARCH_WORK, 0, true, &found);
	CHECK(found.char_ngrams == 1, "without character n-grams");
	/* the endings decide everything: nothing is gained by holding weights small */
	CHECK(found.wide_c == 100, "cost %g", found.wide_c);
	CHECK(found.accuracy > 0.95, "accuracy %g", found.accuracy);
	forget(&host, &found);
}

/* However little work there is room for: one fit is made, and what goes beyond is not tried. */
static void
work_is_bounded(void)
{
	UnitHost	host;
	Found		found;
	double		first;
	double		whole;

	search(&host, 0, 0, true, &found);
	CHECK(found.char_ngrams == 0 && found.wide_c == 10, "character n-grams %d, cost %g", found.char_ngrams, found.wide_c);
	first = found.work;
	CHECK(first > 0, "the work is not counted");
	forget(&host, &found);
	search(&host, CLF_SEARCH_WORK, 0, true, &found);
	whole = found.work;
	CHECK(whole > 4 * first, "%g of work, the first fit %g", whole, first);
	forget(&host, &found);
	for (double share = 0.05; share < 4; share *= 1.3)
	{
		search(&host, share * whole, 0, true, &found);
		/* words alone may be fitted twice */
		CHECK(found.work <= fmax(share * whole, first) + first, "%g of %g", found.work, share * whole);
		forget(&host, &found);
	}
}

/* Not the clock decides: the same model, however the work is cut into steps. */
static void
clock_decides_nothing(void)
{
	static const double clock_steps[] = {0.0001, 1};
	Found		found[2];
	UnitHost	hosts[2];
	double		whole;

	search(&hosts[0], CLF_SEARCH_WORK, 0, true, &found[0]);
	whole = found[0].work;
	forget(&hosts[0], &found[0]);
	for (double limit = whole / 8; limit < 4 * whole; limit *= 2)
	{
		size_t		weights;

		for (int i = 0; i < 2; i++)
			search(&hosts[i], limit, clock_steps[i], true, &found[i]);
		weights = found[0].model->wide.F * found[0].model->wide.C;
		CHECK(found[0].work == found[1].work && found[0].wide_c == found[1].wide_c &&
			  found[0].model->wide.F == found[1].model->wide.F &&
			  memcmp(found[0].model->wide.kernel, found[1].model->wide.kernel, weights * sizeof(float)) == 0,
			  "another model");
		for (int i = 0; i < 2; i++)
			forget(&hosts[i], &found[i]);
	}
}

/* Without refit the model has the best settings, too, not those tried last. */
static void
best_fit_comes_back(void)
{
	UnitHost	host;
	Found		found;

	search(&host, CLF_SEARCH_WORK, 0, false, &found);
	CHECK(found.char_ngrams == 1 && found.accuracy > 0.95, "character n-grams %d, accuracy %g", found.char_ngrams, found.accuracy);
	CHECK(found.model->config.wide_c == found.wide_c && found.model->config.char_ngrams == 1, "the model says otherwise");
	forget(&host, &found);
}

/* With refit the model has n-grams that only validation rows hold, for every row has one of its own. */
static void
refit_knows_all_rows(void)
{
	size_t		grams[2];

	for (int refit = 0; refit < 2; refit++)
	{
		UnitHost	host;
		Found		found;

		search(&host, CLF_SEARCH_WORK, 0, refit, &found);
		CHECK(found.char_ngrams == 1, "without character n-grams");
		grams[refit] = found.model->wide.F;
		forget(&host, &found);
	}
	CHECK(grams[1] >= grams[0] + 40, "%zu n-grams of all rows, %zu of the training rows", grams[1], grams[0]);
}

int
main(void)
{
	RUN(finds_what_suits);
	RUN(work_is_bounded);
	RUN(clock_decides_nothing);
	RUN(best_fit_comes_back);
	RUN(refit_knows_all_rows);
	return UNIT_RESULT();
}

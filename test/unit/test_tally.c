/*
 * test_tally.c
 *	  Answers counted, and the figures that they come to.
 */
#include "unit.h"

#include "tally.h"

static UnitMemory memory;
static ClfTally *tally;
static ClfError error;

static bool
start(void)
{
	unit_memory_init(&memory);
	return clf_tally_new(&memory.allocator, &tally, &error) == CLF_OK;
}

static bool
add(int actual, int predicted, double probability, int times)
{
	while (times-- > 0)
		if (clf_tally_add(tally, actual, predicted, probability, &error) != CLF_OK)
			return false;
	return true;
}

static bool
near(double a, double b)
{
	return fabs(a - b) < 1e-12;
}

/*
 * Class 0: 8 right, 2 taken for 1.  Class 1: 3 right, 1 taken for 0.  Class 2
 * never predicted, its 2 rows taken for 0.  Class 3 never there, predicted once
 * for class 1.  Class 4 neither.  By hand, with scikit-learn's definitions.
 */
static void
figures_by_hand(void)
{
	ClfClassScore scores[5];
	ClfScore	whole;
	const ClfCell *cells;
	size_t		count;

	CHECK(start() && add(0, 0, 0.9, 8) && add(0, 1, 0.6, 2) && add(1, 1, 0.7, 3) &&
		  add(1, 0, 0.5, 1) && add(2, 0, 0.4, 2) && add(1, 3, 1.0, 1), "no memory");
	cells = clf_tally_cells(tally, &count);
	CHECK(count == 6, "%d cells", (int) count);
	for (size_t i = 1; i < count; i++)
		CHECK(cells[i - 1].actual * 5 + cells[i - 1].predicted < cells[i].actual * 5 + cells[i].predicted,
			  "cells are not in order");

	clf_score(cells, count, 5, scores, &whole);
	CHECK(near(scores[0].precision, 8.0 / 11) && near(scores[0].recall, 0.8) && near(scores[0].f1, 16.0 / 21) &&
		  scores[0].support == 10, "class 0");
	CHECK(near(scores[1].precision, 0.6) && near(scores[1].recall, 0.6) && near(scores[1].f1, 0.6) &&
		  scores[1].support == 5, "class 1");
	CHECK(scores[2].precision == 0 && scores[2].recall == 0 && scores[2].f1 == 0 && scores[2].support == 2, "class 2");
	CHECK(scores[3].precision == 0 && scores[3].recall == 0 && scores[3].f1 == 0 && scores[3].support == 0 &&
		  scores[3].predicted == 1, "class 3");
	CHECK(whole.rows == 17 && whole.classes == 4 && near(whole.accuracy, 11.0 / 17), "accuracy %g", whole.accuracy);
	CHECK(near(whole.macro.f1, (16.0 / 21 + 0.6) / 4) && near(whole.macro.recall, 1.4 / 4), "macro F1 %g",
		  whole.macro.f1);
	CHECK(near(whole.weighted.f1, (160.0 / 21 + 3) / 17) && near(whole.weighted.recall, 11.0 / 17) &&
		  near(whole.weighted.precision, (80.0 / 11 + 3) / 17), "weighted F1 %g", whole.weighted.f1);

	/* classes from 1 on are other labels */
	clf_score(cells, count, 1, scores, &whole);
	CHECK(whole.rows == 17 && whole.classes == 1 && near(whole.macro.f1, 16.0 / 21) &&
		  near(whole.accuracy, 11.0 / 17), "with other labels macro F1 is %g", whole.macro.f1);
	clf_tally_free(tally);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* Bins: 1 belongs to the last one, and the error is the mean distance. */
static void
reliability(void)
{
	const ClfBin *bins;

	CHECK(start(), "no memory");
	CHECK(isnan(clf_calibration_error(clf_tally_bins(tally))), "an error without rows");
	CHECK(add(0, 0, 1.0, 3) && add(0, 1, 1.0, 1) && add(1, 1, 0.01, 1), "no memory");
	bins = clf_tally_bins(tally);
	CHECK(bins[CLF_BINS - 1].rows == 4 && bins[CLF_BINS - 1].right == 3 && bins[0].rows == 1 && bins[0].right == 1,
		  "answers are in other bins");
	CHECK(near(clf_calibration_error(bins), (1 + 0.99) / 5), "the error is %g", clf_calibration_error(bins));
	clf_tally_free(tally);
}

/* Many pairs, more answers after the cells were looked at, and the limit. */
static void
many_cells(void)
{
	enum
	{
		CLASSES = 1000
	};
	const ClfCell *cells = NULL;
	size_t		count = 0;

	CHECK(start(), "no memory");
	for (int round = 1; round <= 2; round++)
	{
		for (int i = 0; i < CLASSES * CLASSES; i += 7)
			CHECK(clf_tally_add(tally, i / CLASSES, i % CLASSES, 0.5, &error) == CLF_OK, "%s", error.message);
		cells = clf_tally_cells(tally, &count);
		CHECK(count == (CLASSES * CLASSES + 6) / 7, "%d cells", (int) count);
		for (size_t i = 0; i < count; i++)
			CHECK(cells[i].actual * CLASSES + cells[i].predicted == (int) i * 7 && cells[i].rows == round,
				  "cell %d", (int) i);
	}
	clf_tally_free(tally);

	CHECK(start(), "no memory");
	for (int i = 0; i < CLF_MAX_CELLS; i++)
		CHECK(clf_tally_add(tally, i, 0, 0.5, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_tally_add(tally, CLF_MAX_CELLS, 0, 0.5, &error) == CLF_ERR_LIMIT, "one cell too many is taken");
	CHECK(clf_tally_add(tally, 0, 0, 0.5, &error) == CLF_OK, "a full tally takes no answer for a cell that it has");
	clf_tally_free(tally);
}

/* Whichever allocation fails, nothing is kept. */
int
main(void)
{
	RUN(figures_by_hand);
	RUN(reliability);
	RUN(many_cells);
	return UNIT_RESULT();
}

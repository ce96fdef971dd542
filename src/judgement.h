/*
 * judgement.h
 *	  Answers of a model beside the labels that rows have, and what they come
 *	  to.
 */
#ifndef TEXTCLF_JUDGEMENT_H
#define TEXTCLF_JUDGEMENT_H

#include "postgres.h"

#include "engine_glue.h"
#include "model_info.h"
#include "row_source.h"

typedef struct Judgement Judgement;

/*
 * Make an empty judgement in a context of its own, a child of
 * CurrentMemoryContext.  The model's labels are copied.
 */
extern Judgement *JudgementCreate(const ClfModel *model);

/*
 * The judgement that the training passed on the model, by rows that it had not
 * learned from; NULL if none is remembered.  info must outlive it.
 */
extern Judgement *JudgementOfTraining(const ClfModel *model, const ModelInfo *info);

/*
 * Count the answer for a row: class predicted by the model, its probability.
 * An error beyond 100,000 labels or CLF_MAX_CELLS different pairs.
 */
extern void JudgementAdd(Judgement *judgement, const ClfModel *model, text *label,
						 int predicted, double probability);

/* Count the model's answer to every row of an open source that has text and label. */
extern void JudgementAddSource(Judgement *judgement, text *reference, RowSource *source);

/* What the answers come to, labels numbered anew by the bytes of their UTF-8. */
typedef struct JudgementFigures
{
	int			labels;			/* known or seen */
	const ClfClassScore *scores;	/* [labels] */
	size_t		cell_count;
	const ClfCell *cells;		/* [cell_count] by actual, then by predicted label */
	ClfScore	whole;
} JudgementFigures;

/* Sum up, once.  What figures points to belongs to the judgement. */
extern void JudgementSum(Judgement *judgement, JudgementFigures *figures);

/* Label of a number in these figures, as a text of the server encoding. */
extern text *JudgementLabel(const Judgement *judgement, int place);

extern void JudgementFree(Judgement *judgement);

#endif							/* TEXTCLF_JUDGEMENT_H */

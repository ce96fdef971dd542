/*
 * model_info.h
 *	  What is remembered of a model's training: the JSON that stands in the
 *	  models table and travels in the model bytes.
 */
#ifndef TEXTCLF_MODEL_INFO_H
#define TEXTCLF_MODEL_INFO_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "engine/clf.h"

#define INFO_COUNT_UNKNOWN	(-1)
#define INFO_MAX_CELLS	20000	/* the engine judges by so few rows that there are no more */
#define INFO_MAX_HISTORY	2000	/* epochs; later ones are not remembered */

/* Anything may be unknown: NULL, INFO_COUNT_UNKNOWN, NaN. */
typedef struct ModelInfo
{
	char	   *textclf_version;
	char	   *source;			/* qualified name of the relation */
	char	   *text_column;
	char	   *label_column;
	char	   *warm_start;		/* version that its network began with, name@3 */
	char	   *embeddings;		/* qualified name of a table of word vectors, likewise */
	int64		rows;			/* learned from or validated on */
	int64		skipped;		/* text or label NULL */
	int64		training_rows;
	int64		validation_rows;
	int64		epochs;			/* run */
	int64		best_epoch;
	double		accuracy;		/* on the validation rows */
	double		macro_f1;
	double		deep_accuracy;	/* of the network alone */
	double		wide_accuracy;	/* of the n-grams alone */
	double		calibration_error;
	double		unknown_tokens; /* share of the validation rows' tokens */
	double		seconds;
	int			history_length;
	ClfEpoch   *history;
	int			class_count;
	int64	   *class_rows;		/* of each class of the model, or NULL */
	int			cell_count;		/* 0: not known how the model was judged */
	const ClfCell *cells;		/* its answers for validation rows, as clf_tally_cells gives them */
	int			cell_classes;	/* all classes in cells are below it */
	const ClfBin *bins;			/* [CLF_BINS] of the same answers, or NULL */
} ModelInfo;

/* Set everything to unknown. */
extern void ModelInfoInit(ModelInfo *info);

/*
 * Write info as JSON text in the server encoding.  With a model, what that
 * itself tells is added: options, classes, parameters, vocabulary, ICU version.
 * Model bytes do without (NULL), since they have it already.
 */
extern char *ModelInfoToJson(const ModelInfo *info, const ClfModel *model);

/*
 * Read what ModelInfoToJson wrote.  The JSON may come from anyone: what is
 * missing or of the wrong type stays unknown.
 */
extern void ModelInfoFromJsonb(Jsonb *json, ModelInfo *info);

/*
 * The same for the text that a decoded model carries; never fails for what
 * stands there, and gives only what agrees with the model.
 */
extern void ModelInfoFromModel(const ClfModel *model, ModelInfo *info);

#endif							/* TEXTCLF_MODEL_INFO_H */

/*
 * validation.h
 *	  Rows of a training kept to judge models on: who is better?
 */
#ifndef TEXTCLF_VALIDATION_H
#define TEXTCLF_VALIDATION_H

#include "postgres.h"

#include "engine_glue.h"

typedef struct KeptRows KeptRows;

/*
 * Make an empty collection; beyond work_mem it goes to a temporary file.
 * outlives_transaction: see RowStoreCreate.
 */
extern KeptRows *KeptRowsCreate(bool outlives_transaction);

/* Keep a row.  Rows are kept in the order in which the trainer gets them. */
extern void KeptRowsAdd(KeptRows *rows, text *doc, text *label);

/*
 * Macro F1 of a model on those rows that the trainer held back for validation:
 * the mean over the classes that occur in them or are predicted.  trained
 * gives the classes; a label that it does not have counts as a wrong answer.
 * NaN if no row was held back.
 */
extern double KeptRowsMacroF1(KeptRows *rows, const ClfTrainer *trainer,
							  const ClfModel *trained, const ClfModel *judged);

extern void KeptRowsFree(KeptRows *rows);

#endif							/* TEXTCLF_VALIDATION_H */

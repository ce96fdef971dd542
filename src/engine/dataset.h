/*
 * dataset.h
 *	  The rows of a training: taken in, put into an order that does not depend
 *	  on their arrival, split, and read back as sequences of ids.
 *
 * Tokens of rows stand in the host's row store; memory holds a fixed-size
 * entry for each row, and the dictionary of all distinct tokens.
 */
#ifndef CLF_DATASET_H
#define CLF_DATASET_H

#include "clf.h"
#include "mask.h"
#include "mem.h"
#include "vocab.h"

typedef struct ClfRow
{
	uint64_t	hash;			/* of label and text */
	uint64_t	offset;			/* in the store, of its tokens */
	uint16_t	count;			/* tokens stored, at most twice as many as are looked at */
	uint16_t	marks;			/* of them, marks of capitals */
	uint32_t	label;			/* in order of arrival; the class once prepared */
	uint32_t	ordinal;		/* it was added as this number, from 0 */
	uint32_t	part;			/* once prepared, see clf_dataset_hold_out */
} ClfRow;

/* A number to sort by, and what it belongs to. */
typedef struct ClfKey
{
	uint64_t	key;
	uint32_t	value;
} ClfKey;

typedef enum ClfPreparation
{
	CLF_PREPARE_SORT,
	CLF_PREPARE_SPLIT,
	CLF_PREPARE_COUNT,
	CLF_PREPARE_RANK,
	CLF_PREPARE_WORDS,
	CLF_PREPARE_DONE
} ClfPreparation;

typedef struct ClfDataset
{
	ClfMem	   *mem;
	const ClfHost *host;
	ClfConfig  *config;			/* the trainer's; "auto" is replaced on the way */
	ClfPattern *pattern;		/* of option mask_pattern, from the first row on */
	ClfVocab	tokens;			/* dictionary of all rows, by arrival */
	ClfVocab	arrived_labels; /* labels by arrival */
	ClfRow	   *rows;			/* prepared: training rows, then those held out */
	size_t		rows_capacity;
	size_t		count;
	uint64_t	stored;			/* bytes in the store */
	uint32_t   *sequence;		/* [2 clf_encode_limit] ids of the row at hand */
	size_t		sequence_length;
	size_t		sequence_marks; /* of it, when it was added */
	bool		marked;			/* there are marks */

	/* set while preparing */
	ClfPreparation stage;
	int			pass;			/* of the sort */
	size_t		position;		/* where a stage is */
	ClfKey	   *keys;
	ClfKey	   *keys_spare;
	size_t		keys_count;
	uint32_t   *frequency;		/* [tokens] in training rows */
	uint32_t   *first_seen;		/* [tokens] rank of first appearance */
	uint32_t	seen;
	uint32_t   *rows_with;		/* [tokens] all rows that hold one */
	uint32_t   *training_with;	/* [tokens] training rows that hold one */
	uint32_t   *last_row;		/* [tokens] + 1 that was counted */
	uint32_t   *held_out;		/* [tokens] in validation rows */

	/* results */
	ClfVocab	labels;			/* class -> label, in byte order */
	ClfVocab	words;			/* id - CLF_FIRST_ID -> token */
	uint32_t   *id_of;			/* [tokens] id of a dictionary entry */
	uint32_t   *word_rows;		/* [words] all rows that hold one */
	double		unknown_tokens; /* share of the validation rows' tokens, or NaN */
	int64_t    *class_rows;		/* [C] all rows of a class */
	uint8_t    *validation;		/* [count / 8 + 1] bit by ordinal */
	size_t		training_rows;
	size_t		longest[2];		/* tokens of the longest row, without marks and with them */
} ClfDataset;

extern void clf_dataset_init(ClfDataset *data, ClfMem *mem, const ClfHost *host,
							 ClfConfig *config);
extern void clf_dataset_free(ClfDataset *data);

/* See clf_trainer_add. */
extern ClfStatus clf_dataset_add(ClfDataset *data, const char *text,
								 size_t text_length, const char *label,
								 size_t label_length, ClfError *error);

/*
 * Do one item of preparing; data->stage is CLF_PREPARE_DONE after the last.
 * Replaces the "auto" values of config on the way.
 */
extern ClfStatus clf_dataset_prepare(ClfDataset *data, ClfError *error);

/* Length of a prepared row as the network reads it. */
extern size_t clf_dataset_length(const ClfDataset *data, size_t row);

/* Read a prepared row's ids, clf_dataset_length of them, into sequence. */
extern ClfStatus clf_dataset_read(ClfDataset *data, size_t row, ClfError *error);

/* Read a row's tokens, as numbers of the dictionary, into sequence. */
extern ClfStatus clf_dataset_read_tokens(ClfDataset *data, size_t row,
										 ClfError *error);

/* Release the dictionary, when nobody asks for tokens any more. */
extern void clf_dataset_forget_tokens(ClfDataset *data);

/*
 * The rows are dealt to parts, each as large as the validation rows, which are
 * part 0, and with as many rows of each class, as long as these last.  Hold out
 * this one: its rows go behind all others, which from then on are the training
 * rows.  Both are in the order of their hash.
 */
extern ClfStatus clf_dataset_hold_out(ClfDataset *data, uint32_t part, ClfError *error);

extern bool clf_dataset_is_validation(const ClfDataset *data, uint64_t ordinal);

/* ---- config.c: values that suit the rows ---- */

#define CLF_FEW_ROWS 20000		/* from here on rows are not few */

/* Replace "auto" in what is needed before the first row is added. */
extern void clf_config_before_rows(ClfConfig *config);

/*
 * Replace the rest: rows in all, whether any has marks of capitals, the most tokens in one
 * without marks and with them.
 */
extern void clf_config_after_rows(ClfConfig *config, size_t rows, bool marked, const size_t longest[2]);

#endif							/* CLF_DATASET_H */

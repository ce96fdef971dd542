/*
 * row_source.h
 *	  Rows to train on or to judge by: text and label, read as the caller.
 */
#ifndef TEXTCLF_ROW_SOURCE_H
#define TEXTCLF_ROW_SOURCE_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/array.h"

typedef struct RowSource RowSource;

/*
 * Check that relation has a text column and a label column of usable types,
 * and open a cursor over them.  The caller's privileges, row security and the
 * active snapshot hold.  Between here and RowSourceClose SPI is connected.
 */
extern RowSource *RowSourceOpen(Oid relation, const char *text_column,
								const char *label_column);

/*
 * Give the next row, or return false.  Either value is NULL if it is so in the
 * table; both are valid until the next call.
 */
extern bool RowSourceNext(RowSource *source, text **doc, text **label);

/*
 * The same for texts alone.  tid is where the row stands, as far as rows of the
 * relation have such a place and the caller may see it; invalid otherwise.
 */
extern RowSource *RowSourceOpenTexts(Oid relation, const char *text_column);
extern bool RowSourceNextText(RowSource *source, text **doc, ItemPointer tid);

/*
 * The same for vectors of words: columns word, of a string type, and vector,
 * which can be cast to real[].
 */
extern RowSource *RowSourceOpenVectors(Oid relation);
extern bool RowSourceNextVector(RowSource *source, text **word, ArrayType **vector);

extern void RowSourceClose(RowSource *source);

/*
 * The relation's name, qualified and quoted, in CurrentMemoryContext.  It keeps
 * it until the transaction ends, as the columns keep theirs.
 */
extern char *RowSourceName(Oid relation);

/* The type under any domain of a column; an error if there is no such column. */
extern Oid	RowSourceColumnType(Oid relation, const char *column);

/* Raise an error unless a column can hold texts. */
extern void RowSourceCheckText(Oid relation, const char *column);

#endif							/* TEXTCLF_ROW_SOURCE_H */

/*
 * unit.h
 *	  What the engine's unit tests share: reporting, a counting allocator, a
 *	  row store in memory, golden files, shards and quick trainings.
 *
 * A test is a function that calls CHECK; RUN reports it as one line.
 */
#ifndef UNIT_H
#define UNIT_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clf.h"
#include "model.h"
#include "network.h"

/* ---- reporting ---- */

extern int	unit_failures;

/* Note why the running test fails; only its first reason is reported. */
extern void unit_fail(const char *file, int line, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* Run one test and print its line. */
extern void unit_run(const char *name, void (*test) (void));

#define RUN(test) unit_run(#test, test)

/* Leave the test with a reason unless the condition holds. */
#define CHECK(condition, ...) \
	do { \
		if (!(condition)) \
		{ \
			unit_fail(__FILE__, __LINE__, __VA_ARGS__); \
			return; \
		} \
	} while (0)

/* The exit status of a test program. */
#define UNIT_RESULT() (unit_failures == 0 ? 0 : 1)

/* ---- memory ---- */

/* An allocator that counts, and refuses the allocation number fail_at. */
typedef struct UnitMemory
{
	ClfAllocator allocator;
	size_t		blocks;			/* held now */
	size_t		bytes;
	size_t		peak;
	size_t		calls;
	size_t		fail_at;		/* 1-based; 0 = never */
} UnitMemory;

extern void unit_memory_init(UnitMemory *memory);

/* ---- golden files ---- */

typedef struct UnitGolden UnitGolden;

typedef struct UnitMatrix
{
	size_t		rows;
	size_t		columns;
	double	   *values;
} UnitMatrix;

/* Load a golden file; ends the program if it cannot be read. */
extern UnitGolden *unit_golden_load(const char *path);
extern void unit_golden_free(UnitGolden *golden);

/* Name of case number index, or NULL. */
extern const char *unit_golden_case(const UnitGolden *golden, int index);

/* A matrix of a case; ends the program if it is not there. */
extern const UnitMatrix *unit_golden(const UnitGolden *golden, const char *name,
									 const char *matrix);

/* ---- networks ---- */

#define UNIT_ARCHITECTURES 4	/* values of ClfArchitecture */

/* The name of an architecture. */
extern const char *unit_architecture(int architecture);

/* A config with everything set, of a small network: architecture bilstm. */
extern void unit_config(ClfConfig *config);

/* A shard of rows, given in any order; ids row by row.  From malloc. */
extern ClfShard *unit_shard(int rows, const int *lengths, const uint32_t *ids,
							const int32_t *classes, const float *row_weight,
							int *order);
extern void unit_shard_free(ClfShard *shard);

/* ---- trainings ---- */

typedef struct UnitStore
{
	char	   *bytes;
	size_t		size;
	size_t		capacity;
	bool		broken;			/* fail from now on */
} UnitStore;

typedef struct UnitHost
{
	ClfHost		host;
	UnitMemory	memory;
	UnitStore	store;
	double		clock_step;		/* 0: the real clock; else added at each look */
	double		clock;
} UnitHost;

extern void unit_host_init(UnitHost *host);
extern void unit_host_free(UnitHost *host);

/* Settings with which a tiny training of the synthetic rows learns quickly. */
extern void unit_quick_config(ClfConfig *config);

/* Synthetic row number index of so many classes: text and label. */
extern void unit_row(int index, int classes, char text[256], char label[16]);

#define UNIT_WORD_SIZE 9		/* a word of unit_colliding_words, with the 0 at its end */

/* Words of eight letters, as many as asked for, of whose hashes the low bits of mask are below limit. */
extern void unit_colliding_words(char (*words)[UNIT_WORD_SIZE], int count,
								 uint64_t (*hash) (const char *word),
								 uint32_t mask, uint32_t limit);

/*
 * Train on rows begin, begin + stride, ... (modulo count) and finish.  summary
 * may be NULL; its arrays are gone afterwards.
 */
extern ClfStatus unit_train(UnitHost *host, const ClfConfig *config, int count,
							int begin, int stride, int classes,
							ClfModel **model, ClfSummary *summary,
							ClfError *error);

/* A trained small model of an architecture; ends the program on failure. */
extern ClfModel *unit_model(UnitHost *host, const ClfConfig *config);

/*
 * A model of a config that knows words "common0".. and the marks of unit_row,
 * with random weights, and the n-grams of these words one after the other
 * where it has a linear branch; ends the program on failure.
 */
extern ClfModel *unit_random_model(const ClfAllocator *allocator,
								   const ClfConfig *config, int classes,
								   uint64_t seed);

#endif							/* UNIT_H */

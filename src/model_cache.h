/*
 * model_cache.h
 *	  The models that this session has used, ready.
 */
#ifndef TEXTCLF_MODEL_CACHE_H
#define TEXTCLF_MODEL_CACHE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "engine_glue.h"

/* A version in memory.  Only model_cache.c writes it, save for the scratch space. */
typedef struct CachedModel
{
	dlist_node	node;			/* in order of use */
	MemoryContext context;		/* holds all of this */
	char	   *name;
	int32		version;
	uint8		digest[MODEL_DIGEST_SIZE];
	ClfModel   *model;
	Size		mapped;			/* bytes of it that all processes share, or 0 */
	int			classes;
	ClfScratch *scratch;
	float	   *probability;	/* [probability_rows,classes] of the last prediction */
	int			probability_rows;
	int64		hits;			/* look-ups that found it here */
	TimestampTz loaded;
	TimestampTz last_used;		/* start of the statement that used it last */
} CachedModel;

/*
 * Give the version that a reference (`name` or `name@3`) means to the active
 * snapshot.  Errors: there is none, the current user may not use it, its bytes
 * are damaged.
 *
 * The answer is valid until the next look-up; nothing between the two may run
 * code of the user.
 */
extern CachedModel *ModelCacheLookup(text *reference);

/*
 * Decode the version that a reference means into a context, for whoever needs
 * it for longer; the same errors.  *version is its full reference, name@3.
 */
extern ClfModel *ModelCacheDecode(text *reference, MemoryContext context,
								  char **version);

/*
 * The model of a reference that was used last in this session, or NULL: for
 * guesses only, since neither snapshot nor privileges are looked at.
 */
extern const ClfModel *ModelCachePeek(const char *reference);

/* Predict a text with a cached model: fills probability, returns the best class. */
extern int	CachedModelPredict(CachedModel *cached, text *doc);

/* The same for 1 to clf_batch_limit() texts: fills a row of probability for each. */
extern void CachedModelPredictBatch(CachedModel *cached, text **docs, int count);

/* The class of a label that the caller names; an error if there is none. */
extern int	CachedModelClass(const CachedModel *cached, text *label);

/* Bytes that a cached model holds of this session's own memory, and in all. */
extern Size CachedModelPrivateSize(const CachedModel *cached);
extern Size CachedModelSize(const CachedModel *cached);

/* The cached models, least recently used first. */
extern dlist_head *ModelCacheList(void);

#endif							/* TEXTCLF_MODEL_CACHE_H */

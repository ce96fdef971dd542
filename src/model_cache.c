/*
 * model_cache.c
 *	  The models that this session has used, ready: mapped, or decoded.
 *
 * Two caches, neither of which can be wrong:
 *
 * - Resolutions.  What a reference means is a function of the snapshot and of
 *	 what the transaction itself did.  A resolution is used again only under a
 *	 snapshot of the same contents, before any transaction has ended or
 *	 subtransaction been rolled back.  Privileges are checked at every look-up.
 *
 * - Models.  The key is name, version and SHA-256, so an entry is never stale.
 *	 An entry is built whole before it is seen, and the least recently used ones
 *	 go when textclf.cache_size is exceeded.
 *
 * This file must never know tables or SQL; it asks model_store.
 */
#include "postgres.h"

#include <stdlib.h>

#include "access/xact.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "compat.h"
#include "guc.h"
#include "model_cache.h"
#include "model_image.h"
#include "model_store.h"
#include "store.h"

#define RESOLUTION_COUNT 8

/* A remembered answer of ModelStoreResolve. */
typedef struct Resolution
{
	MemoryContext context;		/* NULL: nothing here */
	text	   *reference;
	SnapshotData snapshot;		/* its arrays copied into context */
	uint64		epoch;
	Oid			extension;
	ModelVersion version;
} Resolution;

static Resolution resolutions[RESOLUTION_COUNT];
static int	next_resolution = 0;	/* the slot to overwrite next */

/* Counts what can change visibility without changing a snapshot. */
static uint64 epoch = 0;

static dlist_head models = DLIST_STATIC_INIT(models);	/* least recently used first */
static MemoryContext cache_context = NULL;

/* ---- resolutions ------------------------------------------------------ */

static void
transaction_ended(XactEvent event, void *argument)
{
	epoch++;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId id,
					 SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		epoch++;
}

/* Do what the first look-up of a session needs. */
static void
init_cache(void)
{
	if (cache_context != NULL)
		return;
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
	cache_context = AllocSetContextCreate(TopMemoryContext, "textclf cache",
										  ALLOCSET_DEFAULT_SIZES);
}

/* Do two MVCC snapshots see the same rows, within one epoch? */
static bool
same_snapshot(const SnapshotData *a, const SnapshotData *b)
{
	return a->xmin == b->xmin &&
		a->xmax == b->xmax &&
		a->curcid == b->curcid &&
		a->xcnt == b->xcnt &&
		a->subxcnt == b->subxcnt &&
		a->suboverflowed == b->suboverflowed &&
		a->takenDuringRecovery == b->takenDuringRecovery &&
		(a->xcnt == 0 ||
		 memcmp(a->xip, b->xip, a->xcnt * sizeof(TransactionId)) == 0) &&
		(a->subxcnt <= 0 ||
		 memcmp(a->subxip, b->subxip, a->subxcnt * sizeof(TransactionId)) == 0);
}

/* Do two text datums hold the same bytes? */
static bool
same_text(const text *a, const text *b)
{
	Size		length = VARSIZE_ANY_EXHDR(a);

	return length == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), length) == 0;
}

/* The remembered resolution of a reference, or NULL. */
static Resolution *
find_resolution(const text *reference, Snapshot snapshot)
{
	Oid			extension = StoreExtension();

	for (int i = 0; i < RESOLUTION_COUNT; i++)
	{
		Resolution *slot = &resolutions[i];

		if (slot->context != NULL && slot->epoch == epoch &&
			slot->extension == extension &&
			same_text(slot->reference, reference) &&
			same_snapshot(&slot->snapshot, snapshot))
			return slot;
	}
	return NULL;
}

/* Empty a slot. */
static void
forget_resolution(Resolution *slot)
{
	MemoryContext context = slot->context;

	slot->context = NULL;
	if (context != NULL)
		MemoryContextDelete(context);
}

/* Copy the contents of a snapshot, arrays included, into CurrentMemoryContext. */
static void
copy_snapshot(SnapshotData *copy, Snapshot snapshot)
{
	*copy = *snapshot;
	if (snapshot->xcnt > 0)
	{
		Size		size = snapshot->xcnt * sizeof(TransactionId);

		copy->xip = memcpy(palloc(size), snapshot->xip, size);
	}
	if (snapshot->subxcnt > 0)
	{
		Size		size = snapshot->subxcnt * sizeof(TransactionId);

		copy->subxip = memcpy(palloc(size), snapshot->subxip, size);
	}
}

/* Resolve a reference and remember the answer in a slot. */
static Resolution *
make_resolution(const text *reference, Snapshot snapshot)
{
	Resolution *slot = &resolutions[next_resolution];
	MemoryContext context;
	MemoryContext old;
	ModelVersion version;

	context = AllocSetContextCreate(CurrentMemoryContext, "textclf resolution",
									ALLOCSET_SMALL_SIZES);
	ModelStoreResolve(text_to_cstring(reference), context, &version);

	forget_resolution(slot);
	old = MemoryContextSwitchTo(context);
	slot->reference = cstring_to_text_with_len(VARDATA_ANY(reference),
											   VARSIZE_ANY_EXHDR(reference));
	copy_snapshot(&slot->snapshot, snapshot);
	MemoryContextSwitchTo(old);
	slot->epoch = epoch;
	slot->extension = StoreExtension();
	slot->version = version;
	MemoryContextSetParent(context, cache_context);
	slot->context = context;
	next_resolution = (next_resolution + 1) % RESOLUTION_COUNT;
	return slot;
}

/* What a reference means now.  The answer is valid until the next resolution. */
static const ModelVersion *
resolve(const text *reference)
{
	Snapshot	snapshot;
	Resolution *slot;

	EnsurePortalSnapshotExists();	/* a procedure may have just committed */
	snapshot = GetActiveSnapshot();
	slot = find_resolution(reference, snapshot);
	if (slot == NULL)
		slot = make_resolution(reference, snapshot);
	return &slot->version;
}

/* ---- models ----------------------------------------------------------- */

Size
CachedModelPrivateSize(const CachedModel *cached)
{
	return MemoryContextMemAllocated(cached->context, true);
}

Size
CachedModelSize(const CachedModel *cached)
{
	return CachedModelPrivateSize(cached) + cached->mapped;
}

dlist_head *
ModelCacheList(void)
{
	return &models;
}

/* Warn once a session that words may be split otherwise than in training. */
static void
check_icu(const ModelVersion *version, const ClfModel *model)
{
	static bool warned = false;

	if (warned ||
		clf_model_config(model)->tokenizer != CLF_TOKENIZER_UNICODE ||
		clf_model_icu_version(model)[0] == '\0' ||	/* not trained by us */
		atoi(clf_model_icu_version(model)) == atoi(clf_icu_version()))
		return;
	warned = true;
	ereport(WARNING,
			(errmsg("version %d of model \"%s\" was trained under another version of ICU",
					version->version, version->name),
			 errdetail("It was trained under ICU %s; this server has ICU %s. A few rare characters may be read differently.",
					   clf_model_icu_version(model), clf_icu_version()),
			 errhint("Train a new version to be sure.")));
}

/*
 * Read and decode a version into a context.  *committed, unless NULL, is false
 * if this transaction added it.
 */
static ClfModel *
decode_version(const ModelVersion *version, MemoryContext context, bool *committed)
{
	bytea	   *bytes = ModelStoreFetch(version, committed);
	ClfModel   *model;

	EngineVerify(version->name, version->version, bytes, version->digest);
	model = EngineDecode(context, ENGINE_BYTES_STORED, version->name, version->version,
						 VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ);
	pfree(bytes);
	return model;
}

/*
 * Decode a version and share it; if that fails, or as long as nobody else can
 * see the version, the model is the session's own.
 */
static void
decode_and_share(CachedModel *cached, const ModelVersion *version)
{
	MemoryContext own = AllocSetContextCreate(cached->context, "textclf decoded model",
											  ALLOCSET_DEFAULT_SIZES);
	ClfModel   *shared = NULL;
	bool		committed;

	cached->model = decode_version(version, own, &committed);
	if (committed)
	{
		ModelImagePublish(version->digest, cached->model);
		shared = ModelImageAttach(version->digest, cached->context, &cached->mapped);
	}
	if (shared != NULL)
	{
		MemoryContextDelete(own);
		cached->model = shared;
	}
}

/*
 * Make an entry of a version.  Everything lies in one context, which hangs
 * below the cache only when it is complete.
 */
static CachedModel *
load_model(const ModelVersion *version)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf model",
												  ALLOCSET_DEFAULT_SIZES);
	CachedModel *cached = MemoryContextAllocZero(context, sizeof(CachedModel));
	ClfAllocator allocator = EngineAllocator(context);
	ClfError	error;

	cached->context = context;
	cached->name = MemoryContextStrdup(context, version->name);
	MemoryContextSetIdentifier(context, cached->name);
	cached->version = version->version;
	memcpy(cached->digest, version->digest, sizeof(cached->digest));
	cached->model = ModelImageAttach(version->digest, context, &cached->mapped);
	if (cached->model == NULL)
		decode_and_share(cached, version);
	cached->classes = clf_model_classes(cached->model);
	cached->probability = MemoryContextAlloc(context,
											 cached->classes * sizeof(float));
	cached->probability_rows = 1;
	EngineCheck(clf_scratch_new(cached->model, &allocator,
								&cached->scratch, &error), &error);
	cached->loaded = GetCurrentTimestamp();
	check_icu(version, cached->model);
	MemoryContextSetParent(context, cache_context);
	return cached;
}

/* Find a version in memory, or NULL. */
static CachedModel *
find_model(const ModelVersion *version)
{
	dlist_iter	iterator;

	dlist_reverse_foreach(iterator, &models)
	{
		CachedModel *cached = dlist_container(CachedModel, node, iterator.cur);

		if (cached->version == version->version &&
			memcmp(cached->digest, version->digest, sizeof(cached->digest)) == 0 &&
			strcmp(cached->name, version->name) == 0)
			return cached;
	}
	return NULL;
}

/* Release the least recently used models until the rest fit; keep the last. */
static void
evict_models(void)
{
	Size		total = 0;
	dlist_iter	iterator;

	dlist_foreach(iterator, &models)
		total += CachedModelSize(dlist_container(CachedModel, node, iterator.cur));

	while (total > GucKilobytes(textclf_cache_size) &&
		   dlist_has_next(&models, dlist_head_node(&models)))
	{
		CachedModel *oldest = dlist_head_element(CachedModel, node, &models);

		total -= CachedModelSize(oldest);
		dlist_delete(&oldest->node);
		MemoryContextDelete(oldest->context);
	}
}

/*
 * Remove images of versions that are gone, which may have been dropped in ways
 * that no code of ours sees, on another server or by restoring a backup.  Not
 * where another snapshot cannot be had, or would count as a read.
 */
static void
sweep_images(void)
{
	MemoryContext context;
	MemoryContext old;
	List	   *digests;

	if (IsInParallelMode() || IsolationIsSerializable())
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "textclf sweep",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	digests = ModelImageDigests();
	ModelImageSweep(digests == NIL ? NIL : ModelStoreGone(digests));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

CachedModel *
ModelCacheLookup(text *reference)
{
	const ModelVersion *version;
	CachedModel *cached;

	init_cache();
	version = resolve(reference);
	ModelStoreCheckUse(version);

	cached = find_model(version);
	if (cached != NULL)
	{
		cached->hits++;
		dlist_delete(&cached->node);
		dlist_push_tail(&models, &cached->node);
	}
	else
	{
		cached = load_model(version);
		dlist_push_tail(&models, &cached->node);
		evict_models();
		sweep_images();
	}
	cached->last_used = GetCurrentStatementStartTimestamp();
	return cached;
}

ClfModel *
ModelCacheDecode(text *reference, MemoryContext context, char **version)
{
	const ModelVersion *resolved;

	init_cache();
	resolved = resolve(reference);
	ModelStoreCheckUse(resolved);
	*version = psprintf("%s@%d", resolved->name, resolved->version);
	return decode_version(resolved, context, NULL);
}

const ClfModel *
ModelCachePeek(const char *reference)
{
	const char *at = strchr(reference, '@');
	size_t		length = at != NULL ? at - reference : strlen(reference);
	dlist_iter	iterator;

	dlist_reverse_foreach(iterator, &models)
	{
		CachedModel *cached = dlist_container(CachedModel, node, iterator.cur);

		if (strlen(cached->name) == length &&
			memcmp(cached->name, reference, length) == 0 &&
			(at == NULL || atoi(at + 1) == cached->version))
			return cached->model;
	}
	return NULL;
}

int
CachedModelPredict(CachedModel *cached, text *doc)
{
	EnginePredict(cached->model, cached->scratch, &doc, 1, cached->probability);
	return clf_best(cached->probability, cached->classes);
}

void
CachedModelPredictBatch(CachedModel *cached, text **docs, int count)
{
	if (count > cached->probability_rows)
	{
		int			limit = clf_batch_limit(cached->model);

		cached->probability = repalloc(cached->probability,
									   (Size) limit * cached->classes * sizeof(float));
		cached->probability_rows = limit;
	}
	EnginePredict(cached->model, cached->scratch, docs, count, cached->probability);
}

int
CachedModelClass(const CachedModel *cached, text *label)
{
	EngineText	utf8 = EngineTextInit(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
	int			class_id = clf_model_class(cached->model, utf8.bytes, utf8.length);

	EngineTextFree(&utf8);
	if (class_id < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" does not know the label \"%s\"",
						cached->name, ArgumentBeginning(text_to_cstring(label))),
				 errhint("textclf_predict_proba lists the labels that it knows.")));
	return class_id;
}

/*
 * engine_glue.c
 *	  The one seam between the server and the engine: memory, rows, clock, text
 *	  encoding and errors.
 *
 * The engine knows no PostgreSQL and must never see an error unwind its stack:
 * what fails inside a callback is remembered there and raised here, after the
 * engine has returned.  This file in turn must never know of tables, caches or
 * SQL functions.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "catalog/namespace.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "blas.h"
#include "compat.h"
#include "engine_glue.h"
#include "guc.h"
#include "helpers.h"
#include "row_store.h"

StaticAssertDecl(MODEL_DIGEST_SIZE == PG_SHA256_DIGEST_LENGTH,
				 "the digest of a model is a SHA-256");

/* The share of textclf.training_memory that holds rows: 1 / ROW_SHARE. */
#define ROW_SHARE	4

#define HASH_BYTES	(8 * 1024 * 1024)	/* at most, between looks for interrupts */

struct EngineHost
{
	ClfHost		clf;
	MemoryContext context;
	RowStore   *rows;
	Helpers    *helpers;
	ErrorData  *failure;		/* what a callback failed with, or NULL */
};

/* ---- memory ----------------------------------------------------------- */

/* ClfAllocator.alloc */
static void *
allocate(void *context, size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		return NULL;
	return MemoryContextAllocExtended(context, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

/* ClfAllocator.free */
static void
release(void *context, void *pointer)
{
	pfree(pointer);
}

/* ClfAllocator.at_end */
static bool
call_at_end(void *context, void (*callback) (void *argument), void *argument)
{
	MemoryContextCallback *registered = MemoryContextAllocExtended(context, sizeof(MemoryContextCallback),
																   MCXT_ALLOC_NO_OOM);

	if (registered == NULL)
		return false;
	registered->func = callback;
	registered->arg = argument;
	MemoryContextRegisterResetCallback(context, registered);
	return true;
}

bool
EngineStopped(void)
{
	return (QueryCancelPending || ProcDiePending) && INTERRUPTS_CAN_BE_PROCESSED();
}

/* ClfAllocator.stopped: what is asked for here, EngineCheck answers. */
static bool
is_stopped(void *context)
{
	return EngineStopped();
}

ClfAllocator
EngineAllocator(MemoryContext context)
{
	ClfAllocator allocator = {allocate, release, context, call_at_end, is_stopped};

	return allocator;
}

/* ---- errors ----------------------------------------------------------- */

/* SQLSTATE of a status.  A model that is not valid was given by the user. */
static int
sqlstate_of(ClfStatus status)
{
	switch (status)
	{
		case CLF_ERR_MEMORY:
		case CLF_ERR_BUDGET:
			return ERRCODE_OUT_OF_MEMORY;
		case CLF_ERR_CORRUPT:
			return ERRCODE_INVALID_BINARY_REPRESENTATION;
		case CLF_ERR_ENCODING:
			return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		case CLF_ERR_LIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case CLF_ERR_DATA:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case CLF_ERR_DIVERGED:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case CLF_ERR_STOPPED:
			return ERRCODE_QUERY_CANCELED;
		case CLF_ERR_HOST:
		case CLF_OK:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/*
 * The setting that would have satisfied a training that needs bytes for
 * weights, in whole megabytes.
 */
static Size
training_memory_for(Size bytes)
{
	return (bytes / (ROW_SHARE - 1) * ROW_SHARE) / (1024 * 1024) + 1;
}

void
EngineCheck(ClfStatus status, const ClfError *error)
{
	if (status == CLF_OK)
		return;
	if (status == CLF_ERR_STOPPED || status == CLF_ERR_MEMORY)
		CHECK_FOR_INTERRUPTS(); /* raises what is more to the point */

	if (status == CLF_ERR_BUDGET)
		ereport(ERROR,
				(errcode(sqlstate_of(status)),
				 errmsg("%s", error->message),
				 errdetail("The training needs a textclf.training_memory of %zu MB; it is %d MB.",
						   training_memory_for(error->bytes_needed),
						   textclf_training_memory / 1024),
				 errhint("Raise textclf.training_memory, or ask for a smaller model with the options num_words, embedding_dim or units.")));

	ereport(ERROR,
			(errcode(sqlstate_of(status)),
			 errmsg("%s", error->message),
			 error->detail[0] != '\0' ? errdetail("%s", error->detail) : 0,
			 status == CLF_ERR_DIVERGED ?
			 errhint("Try a lower learning_rate, or a clip_norm above 0.") : 0));
}

bool
EngineIsAboutModel(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category != ERRCODE_OPERATOR_INTERVENTION &&
		category != ERRCODE_INSUFFICIENT_RESOURCES &&
		category != ERRCODE_TRANSACTION_ROLLBACK &&
		category != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;	/* a lock that was not to be had */
}

void
EngineHostCheck(EngineHost *host, ClfStatus status, const ClfError *error)
{
	if (status == CLF_ERR_HOST && host->failure != NULL)
		ReThrowError(host->failure);
	EngineCheck(status, error);
}

/* ---- what a training borrows ------------------------------------------ */

/*
 * Remember the error that was just caught in a callback.  Nothing may be done
 * with the transaction before it is raised again, which EngineHostCheck does.
 */
static void
remember_failure(EngineHost *host, MemoryContext caller)
{
	MemoryContextSwitchTo(host->context);
	host->failure = CopyErrorData();
	FlushErrorState();
	MemoryContextSwitchTo(caller);
}

/* ClfRowStore.append */
static bool
append_row(void *context, const void *bytes, size_t size)
{
	EngineHost *host = context;
	MemoryContext caller = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		RowStoreAppend(host->rows, bytes, size);
		done = true;
	}
	PG_CATCH();
	{
		remember_failure(host, caller);
	}
	PG_END_TRY();
	return done;
}

/* ClfRowStore.read */
static bool
read_row(void *context, uint64_t offset, void *bytes, size_t size)
{
	EngineHost *host = context;
	MemoryContext caller = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		RowStoreRead(host->rows, offset, bytes, size);
		done = true;
	}
	PG_CATCH();
	{
		remember_failure(host, caller);
	}
	PG_END_TRY();
	return done;
}

/* ClfHost.seconds */
static double
monotonic_seconds(void *context)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_DOUBLE(now);
}

/*
 * Give the memory of trainings back to the system.  By itself, glibc does so with
 * the end of its heap alone, and some of what lives on may stand there.
 */
static void
give_back_memory(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

EngineHost *
EngineHostCreate(int32 workers, bool outlives_transaction)
{
	Size		memory = GucKilobytes(textclf_training_memory);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "textclf training",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EngineHost *host = palloc0(sizeof(EngineHost));

	give_back_memory();			/* one that failed could not */
	host->context = context;
	if (!pg_strong_random(&host->clf.hash_seed, sizeof(host->clf.hash_seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	host->rows = RowStoreCreate(memory / ROW_SHARE, outlives_transaction);
	host->helpers = HelpersCreate(workers, outlives_transaction);
	host->clf.allocator = EngineAllocator(context);
	host->clf.memory_limit = memory / ROW_SHARE * (ROW_SHARE - 1);
	host->clf.store.append = append_row;
	host->clf.store.read = read_row;
	host->clf.store.context = host;
	host->clf.sgemm = BlasSgemm();
	host->clf.seconds = monotonic_seconds;
	host->clf.team = HelpersTeam(host->helpers);
	MemoryContextSwitchTo(old);
	return host;
}

const ClfHost *
EngineHostClf(EngineHost *host)
{
	return &host->clf;
}

MemoryContext
EngineHostContext(EngineHost *host)
{
	return host->context;
}

void
EngineHostWait(EngineHost *host)
{
	HelpersWait(host->helpers);
}

void
EngineHostFree(EngineHost *host)
{
	HelpersFree(host->helpers);
	RowStoreFree(host->rows);	/* closes its file */
	MemoryContextDelete(host->context);
	give_back_memory();
}

/* ---- model bytes ------------------------------------------------------ */

ClfModel *
EngineDecode(MemoryContext context, EngineBytes kind,
			 const char *name, int32 version, const void *bytes, Size size)
{
	ClfAllocator allocator = EngineAllocator(context);
	ClfModel   *model;
	ClfError	error;
	ClfStatus	status;

	CHECK_FOR_INTERRUPTS();
	status = clf_model_decode(&allocator, bytes, size, &model, &error);
	if (status == CLF_ERR_CORRUPT && kind == ENGINE_BYTES_STORED)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("version %d of model \"%s\" is damaged", version, name),
				 errdetail_internal("%s", error.detail)));
	EngineCheck(status, &error);
	return model;
}

/* Raise an error about a failure of the server's own hash functions. */
static void
check_hash(int result, pg_cryptohash_ctx *hash)
{
	if (result < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(hash));
}

/* Go on hashing; answers interrupts, for a model takes a while. */
static void
update_hash(pg_cryptohash_ctx *hash, const uint8 *data, Size size)
{
	while (size > 0)
	{
		Size		part = Min(size, HASH_BYTES);

		CHECK_FOR_INTERRUPTS();
		check_hash(pg_cryptohash_update(hash, data, part), hash);
		data += part;
		size -= part;
	}
}

bool
EngineDigest(const void *bytes, Size size, uint8 *digest)
{
	const uint8 *data = bytes;
	char		zeros[CLF_DIGEST_LENGTH];
	char		hex[CLF_DIGEST_LENGTH];
	size_t		field;
	size_t		rest;
	pg_cryptohash_ctx *hash;

	if (!clf_digest_field(bytes, size, &field))
		return false;
	rest = field + CLF_DIGEST_LENGTH;
	memset(zeros, '0', sizeof(zeros));

	hash = pg_cryptohash_create(PG_SHA256);
	if (hash == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	check_hash(pg_cryptohash_init(hash), hash);
	update_hash(hash, data, field);
	update_hash(hash, (uint8 *) zeros, sizeof(zeros));
	update_hash(hash, data + rest, size - rest);
	check_hash(pg_cryptohash_final(hash, digest, MODEL_DIGEST_SIZE), hash);
	pg_cryptohash_free(hash);

	hex_encode((const char *) digest, MODEL_DIGEST_SIZE, hex);
	return memcmp(hex, data + field, sizeof(hex)) == 0;
}

void
EngineVerify(const char *name, int32 version, bytea *bytes, const uint8 *digest)
{
	uint8		computed[MODEL_DIGEST_SIZE];

	if (!EngineDigest(VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ, computed) ||
		memcmp(computed, digest, sizeof(computed)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("version %d of model \"%s\" is damaged", version, name),
				 errdetail("Its bytes do not have the SHA-256 that was stored with them.")));
}

void
EngineCheckSize(Size size)
{
	if (size > GucKilobytes(textclf_max_model_size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model is too large"),
				 errdetail("It takes %zu kB; textclf.max_model_size is %d kB.",
						   size / 1024 + 1, textclf_max_model_size)));
}

bytea *
EngineEncode(const ClfModel *model, uint8 *digest)
{
	ClfAllocator allocator = EngineAllocator(CurrentMemoryContext);
	ClfError	error;
	void	   *encoded;
	size_t		size;
	size_t		field;
	bytea	   *bytes;

	EngineCheck(clf_model_encode(model, &allocator, &encoded, &size, &error),
				&error);
	EngineCheckSize(size);

	bytes = palloc(VARHDRSZ + size);
	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), encoded, size);
	pfree(encoded);

	EngineDigest(VARDATA(bytes), size, digest);
	if (!clf_digest_field(VARDATA(bytes), size, &field))
		elog(ERROR, "encoded model has no digest field");
	hex_encode((const char *) digest, MODEL_DIGEST_SIZE, VARDATA(bytes) + field);
	return bytes;
}

/* ---- text ------------------------------------------------------------- */

EngineText
EngineTextInit(const char *bytes, Size length)
{
	EngineText	text = {bytes, length, NULL};
	char	   *converted;

	if (GetDatabaseEncoding() == PG_UTF8)
		return text;			/* valid already */
	converted = pg_server_to_any(bytes, length, PG_UTF8);
	if (converted != bytes)
	{
		text.bytes = text.converted = converted;
		text.length = strlen(converted);
	}
	return text;
}

void
EngineTextFree(EngineText *text)
{
	if (text->converted != NULL)
		pfree(text->converted);
}

text *
EngineTextToServer(const char *bytes, Size length)
{
	char	   *converted = pg_any_to_server(bytes, length, PG_UTF8);
	text	   *result;

	if (converted == bytes)
		return cstring_to_text_with_len(bytes, length);
	result = cstring_to_text(converted);
	pfree(converted);
	return result;
}

text *
EngineTextShow(const char *bytes, Size length)
{
	StringInfoData shown;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return EngineTextToServer(bytes, length);
	initStringInfo(&shown);
	while (length > 0)
	{
		Size		size = Min(length, pg_utf_mblen((const unsigned char *) bytes));
		unsigned char character[MAX_CONVERSION_GROWTH * 4 + 1];

		if (pg_do_encoding_conversion_buf(FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding()),
										  PG_UTF8, GetDatabaseEncoding(),
										  (unsigned char *) unconstify(char *, bytes), size,
										  character, sizeof(character), true) == size)
			appendStringInfoString(&shown, (char *) character);
		else
			appendStringInfoChar(&shown, '?');
		bytes += size;
		length -= size;
	}
	return cstring_to_text_with_len(shown.data, shown.len);
}

void
EnginePredict(const ClfModel *model, ClfScratch *scratch,
			  text **docs, int count, float *probability)
{
	EngineText	one;
	ClfText		one_text;
	EngineText *utf8 = count == 1 ? &one : palloc(count * sizeof(EngineText));
	ClfText    *texts = count == 1 ? &one_text : palloc(count * sizeof(ClfText));
	ClfError	error;

	for (int i = 0; i < count; i++)
	{
		utf8[i] = EngineTextInit(VARDATA_ANY(docs[i]), VARSIZE_ANY_EXHDR(docs[i]));
		texts[i].bytes = utf8[i].bytes;
		texts[i].length = utf8[i].length;
	}
	EngineCheck(clf_predict_batch(model, scratch, texts, count, probability, &error), &error);
	for (int i = 0; i < count; i++)
		EngineTextFree(&utf8[i]);
	if (count > 1)
	{
		pfree(utf8);
		pfree(texts);
	}
}

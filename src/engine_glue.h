/*
 * engine_glue.h
 *	  The one seam between the server and the engine (engine/clf.h): memory,
 *	  rows, clock, text encoding and errors.
 */
#ifndef TEXTCLF_ENGINE_GLUE_H
#define TEXTCLF_ENGINE_GLUE_H

#include "postgres.h"

#include "engine/clf.h"

#define MODEL_DIGEST_SIZE 32	/* bytes of a SHA-256 */

/* What a training borrows from the server. */
typedef struct EngineHost EngineHost;

/* Whose bytes are being decoded decides what it means that they are not valid. */
typedef enum EngineBytes
{
	ENGINE_BYTES_STORED,		/* they come from our own table */
	ENGINE_BYTES_FOREIGN		/* they come from the user */
} EngineBytes;

/*
 * An allocator that takes memory from context, without limit, and that answers
 * NULL when there is none.
 */
extern ClfAllocator EngineAllocator(MemoryContext context);

/* Is a cancel or the end of the process asked for, which CHECK_FOR_INTERRUPTS would answer? */
extern bool EngineStopped(void);

/* Raise the error that status and error stand for, unless status is CLF_OK. */
extern void EngineCheck(ClfStatus status, const ClfError *error);

/*
 * Is an error that was caught about the model that it struck, not about the
 * session, the machine or what others do at the same time?
 */
extern bool EngineIsAboutModel(const ErrorData *error);

/*
 * Make a host for one training.  All its memory lies in one context, a child
 * of CurrentMemoryContext; textclf.training_memory is divided between rows and
 * weights.  workers is the option of that name, see HelpersCreate;
 * outlives_transaction: see RowStoreCreate.
 */
extern EngineHost *EngineHostCreate(int32 workers, bool outlives_transaction);
extern const ClfHost *EngineHostClf(EngineHost *host);
extern MemoryContext EngineHostContext(EngineHost *host);

/* EngineCheck for calls on a trainer, in which callbacks may have failed. */
extern void EngineHostCheck(EngineHost *host, ClfStatus status,
							const ClfError *error);

/* Wait for a helper, as progress.waiting asks for. */
extern void EngineHostWait(EngineHost *host);

/* Release the host with everything that was allocated through it. */
extern void EngineHostFree(EngineHost *host);

/* Decode model bytes into context; name and version are for the error. */
extern ClfModel *EngineDecode(MemoryContext context, EngineBytes kind,
							  const char *name, int32 version,
							  const void *bytes, Size size);

/* Raise 54000 if so many bytes are more than textclf.max_model_size allows. */
extern void EngineCheckSize(Size size);

/*
 * Encode a model as a bytea in CurrentMemoryContext, its SHA-256 entered, and
 * give the digest.
 */
extern bytea *EngineEncode(const ClfModel *model, uint8 *digest);

/*
 * Compute the SHA-256 of model bytes, its own field counted as '0' characters.
 * Returns whether the bytes have that field and it holds what was computed.
 */
extern bool EngineDigest(const void *bytes, Size size, uint8 *digest);

/* Raise XX001 unless stored bytes have the digest that was stored with them. */
extern void EngineVerify(const char *name, int32 version, bytea *bytes,
						 const uint8 *digest);

/* Text in UTF-8, as the engine wants it. */
typedef struct EngineText
{
	const char *bytes;
	Size		length;
	char	   *converted;		/* what EngineTextFree releases, or NULL */
} EngineText;

/*
 * Give text of the server encoding as UTF-8, without a copy where that is
 * possible.  In an SQL_ASCII database the bytes have to be UTF-8 as they are;
 * the error (22021) names the first that is not.
 */
extern EngineText EngineTextInit(const char *bytes, Size length);
extern void EngineTextFree(EngineText *text);

/* The reverse: a palloc'd text in the server encoding. */
extern text *EngineTextToServer(const char *bytes, Size length);

/*
 * The same for what is shown to people: a character that the server encoding
 * does not have becomes "?".
 */
extern text *EngineTextShow(const char *bytes, Size length);

/*
 * Fill probability[count,C] for text datums of the server encoding, 1 to
 * clf_batch_limit() of them, or raise an error.  Nothing stays allocated.
 */
extern void EnginePredict(const ClfModel *model, ClfScratch *scratch,
						  text **docs, int count, float *probability);

#endif							/* TEXTCLF_ENGINE_GLUE_H */

/*
 * model_image.h
 *	  Models in memory that all server processes share: files with images
 *	  (engine/clf.h) that are mapped read-only.
 *
 * A file is a cache of what a version's bytes decode to.  Losing one costs time
 * only, and no failure here but lack of memory is an error: what cannot be
 * shared is private.
 */
#ifndef TEXTCLF_MODEL_IMAGE_H
#define TEXTCLF_MODEL_IMAGE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "engine_glue.h"

/*
 * Map the image of the model whose bytes have this SHA-256.  The caller has
 * found digest in a version that the current user may use.  Model and mapping
 * go with context; *mapped is the number of bytes mapped.  NULL, and nothing
 * is kept, if there is no image that this server wrote whole.
 */
extern ClfModel *ModelImageAttach(const uint8 *digest, MemoryContext context,
								  Size *mapped);

/* Write the image of a model, for all to map. */
extern void ModelImagePublish(const uint8 *digest, const ClfModel *model);

/* Digests (uint8 *) of the images of this database, in CurrentMemoryContext. */
extern List *ModelImageDigests(void);

/*
 * Remove images: those of this database with one of these digests; of databases
 * that are gone; those that nobody has mapped for a day; and the least recently
 * mapped ones beyond textclf.shared_cache_size.  Whoever has mapped one keeps it.
 */
extern void ModelImageSweep(List *gone);

/* Remove the image of a version that is dropped, when the transaction commits. */
extern void ModelImageForget(const uint8 *digest);

#endif							/* TEXTCLF_MODEL_IMAGE_H */

/*
 * publish.h
 *	  Make a decoded or trained model a version in the database.
 */
#ifndef TEXTCLF_PUBLISH_H
#define TEXTCLF_PUBLISH_H

#include "postgres.h"

#include "model_store.h"

/*
 * Store content as a new version of the model called name, create the model if
 * it does not exist, and trim old versions by textclf.keep_versions.  The
 * caller holds the model's lock.  Returns the version's number.
 */
extern int32 PublishVersion(const char *name, bool exists,
							const NewVersion *content, bool deploy);

#endif							/* TEXTCLF_PUBLISH_H */

/*
 * publish.c
 *	  Make a decoded or trained model a version in the database.
 *
 * Training and import share this one way in.  It must never know how the
 * model came about.
 */
#include "postgres.h"

#include "guc.h"
#include "publish.h"

int32
PublishVersion(const char *name, bool exists, const NewVersion *content,
			   bool deploy)
{
	int32		version;

	if (!exists)
		ModelStoreCreate(name);
	version = ModelStoreAdd(name, content);
	if (deploy)
		ModelStoreDeploy(name, version);
	if (textclf_keep_versions > 0)
		ModelStoreTrim(name, textclf_keep_versions);
	return version;
}

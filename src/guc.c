/*
 * guc.c
 *	  Every setting of textclf, with the reason one would change it.
 *
 * The variables are read where they matter; nothing here acts on them.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "guc.h"

/* Where the build found a serial OpenBLAS; the Makefile decides. */
#ifndef TEXTCLF_BLAS_LIBRARY
#define TEXTCLF_BLAS_LIBRARY ""
#endif

/*
 * The text output of a bytea takes two characters a byte and must fit into
 * 1 GB, or the models could not be dumped any more.
 */
#define MAX_MODEL_SIZE_LIMIT	(500 * 1024)

int			textclf_cache_size;
int			textclf_shared_cache_size;
int			textclf_training_memory;
int			textclf_max_model_size;
int			textclf_keep_versions;
char	   *textclf_blas_library;
bool		textclf_progress;

void
GucInit(void)
{
	DefineCustomIntVariable("textclf.cache_size",
							"Memory in which a session keeps models it has used.",
							"Decoding a model anew costs far more than a prediction. Raise this if "
							"sessions alternate between models that do not fit together, lower it if "
							"there are many sessions. The model used last is always kept, whatever its size.",
							&textclf_cache_size,
							128 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("textclf.shared_cache_size",
							"Size of the temporary files through which sessions share models.",
							"A model is decoded once and then mapped by every session that uses it. Raise this if "
							"the models in use do not fit together: the least recently mapped ones go, and cost time "
							"and memory again at their next use. 0 turns sharing off.",
							&textclf_shared_cache_size,
							1024 * 1024, 0, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("textclf.training_memory",
							"Memory that a training may take.",
							"A quarter of it holds rows; the rows beyond that go to temporary files. The rest "
							"is for weights and the state of the optimizer: a training that needs more is "
							"refused before it starts, with an error that says how much.",
							&textclf_training_memory,
							1024 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("textclf.max_model_size",
							"Size that a model may have in the database.",
							"A model is one value in a table, and dumps and replicas carry it whole. "
							"Trainings and imports of larger models are refused.",
							&textclf_max_model_size,
							256 * 1024, 64, MAX_MODEL_SIZE_LIMIT,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("textclf.keep_versions",
							"Number of versions of a model that a training or import leaves.",
							"0 keeps all until they are dropped. Set it where models are retrained regularly: "
							"the oldest versions go when a new one is stored. The deployed version always stays.",
							&textclf_keep_versions,
							0, 0, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("textclf.blas_library",
							   "Absolute path of the serial OpenBLAS library that trainings use.",
							   "It is loaded at the first training of a session. Without one (an empty "
							   "string, or a file that cannot be used) trainings run on slower routines of "
							   "their own. Predictions never use it.",
							   &textclf_blas_library,
							   TEXTCLF_BLAS_LIBRARY,
							   PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("textclf.progress",
							 "Reports the progress of trainings.",
							 "A NOTICE tells of every epoch, and of long epochs every few seconds. Turn it off "
							 "in jobs whose output nobody reads.",
							 &textclf_progress,
							 true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("textclf");
}

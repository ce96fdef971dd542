/*
 * blas.c
 *	  The matrix products of trainings: OpenBLAS, if there is one.
 *
 * The library is loaded by path when a session first trains, so that sessions
 * that only predict never pay for it.  OpenBLAS reads its environment in a
 * constructor: the variables below are set while it is loaded and at no other
 * time, since they are the whole process's.
 */
#include "postgres.h"

#include <stdlib.h>

#include "utils/memutils.h"

#include "blas.h"
#include "guc.h"

static BlasState state;
static char *tried_path = NULL; /* value of textclf.blas_library that state is about */
static bool no_room = false;	/* there was no memory for it: it is tried again */
static bool warned = false;

/* Set an environment variable; gives its old value for restore_variable. */
static char *
set_variable(const char *name, const char *value)
{
	char	   *old = getenv(name);

	if (old != NULL)
		old = pstrdup(old);
	if (value != NULL)
		setenv(name, value, 1);
	return old;
}

static void
restore_variable(const char *name, char *old)
{
	if (old == NULL)
		unsetenv(name);
	else
	{
		setenv(name, old, 1);
		pfree(old);
	}
}

/*
 * Load the library at path and fill state.
 *
 * Its own choice of kernels is wrong for CPUs younger than the library (0.3.21
 * takes Prescott's on Emerald Rapids, a quarter of the speed), hence
 * OPENBLAS_CORETYPE.  A backend must stay single-threaded, even if the path
 * leads to a build with threads: hence OPENBLAS_NUM_THREADS.
 */
static void
load_library(const char *path)
{
	ClfError	error;
	ClfStatus	status;
	char	   *core_type;
	char	   *threads;

	core_type = set_variable("OPENBLAS_CORETYPE", clf_blas_core_type());
	threads = set_variable("OPENBLAS_NUM_THREADS", "1");

	status = clf_blas_load(path, &state.sgemm, state.core_type,
						   sizeof(state.core_type), &error);
	no_room = status == CLF_ERR_MEMORY;
	if (status != CLF_OK)
	{
		state.sgemm = NULL;
		strlcpy(state.failure,
				error.detail[0] != '\0' ? error.detail : error.message,
				sizeof(state.failure));
	}

	restore_variable("OPENBLAS_NUM_THREADS", threads);
	restore_variable("OPENBLAS_CORETYPE", core_type);
}

const BlasState *
BlasLoad(void)
{
	const char *path = textclf_blas_library;

	if (tried_path != NULL && strcmp(tried_path, path) == 0 && !no_room)
		return &state;

	memset(&state, 0, sizeof(state));
	if (tried_path != NULL)
		pfree(tried_path);
	tried_path = MemoryContextStrdup(TopMemoryContext, path);
	no_room = false;
	if (path[0] != '\0')
		load_library(path);
	return &state;
}

ClfSgemm
BlasSgemm(void)
{
	const BlasState *blas = BlasLoad();

	if (blas->failure[0] != '\0' && !warned)
	{
		warned = true;
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not use OpenBLAS, so trainings are slower"),
				 errdetail_internal("%s", blas->failure),
				 errhint("Install a serial OpenBLAS and set textclf.blas_library to its path, or to an empty string to do without.")));
	}
	return blas->sgemm;
}

/*
 * error.h
 *	  How the engine reports failure: fill a ClfError, return its status.
 */
#ifndef CLF_ERROR_H
#define CLF_ERROR_H

#include "clf.h"

/* Fill *error and return status, for use as "return clf_fail(...)". */
extern ClfStatus clf_fail(ClfError *error, ClfStatus status,
						  const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* Add a detail sentence to *error; returns error->status. */
extern ClfStatus clf_detail(ClfError *error, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* The one "out of memory" error. */
extern ClfStatus clf_fail_memory(ClfError *error);

/* CLF_ERR_STOPPED */
extern ClfStatus clf_fail_stopped(ClfError *error);

#endif							/* CLF_ERROR_H */

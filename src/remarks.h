/*
 * remarks.h
 *	  What is worth knowing of a training beside its figures.
 *
 * Each of these has something to say or nothing.  kept NULL: the client is told
 * with a NOTICE; else it is appended to kept, a line each.
 */
#ifndef TEXTCLF_REMARKS_H
#define TEXTCLF_REMARKS_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "training.h"

/* How much of the network begins with what the options name. */
extern void RemarkOrigin(StringInfo kept, const TrainRequest *request,
						 const Training *training);

/* Whether the linear branch had no room for all rows. */
extern void RemarkSubset(StringInfo kept, const Training *training);

/* Whether the new version is not deployed, and why. */
extern void RemarkWorse(StringInfo kept, const TrainRequest *request,
						const TrainResult *result);

#endif							/* TEXTCLF_REMARKS_H */

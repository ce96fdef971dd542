/*
 * helpers.h
 *	  The processes that compute for a training: background workers and the
 *	  memory that they share with it.
 */
#ifndef TEXTCLF_HELPERS_H
#define TEXTCLF_HELPERS_H

#include "postgres.h"

#include "engine/clf.h"

#define MAX_HELPERS 32

typedef struct Helpers Helpers;

/*
 * Prepare for at most so many helpers; -1 means as many as
 * max_parallel_maintenance_workers allows and the machine has further cores
 * for.  None is started before the engine asks.  What belongs to them lies in
 * CurrentMemoryContext.  They end with HelpersFree, with the transaction (after
 * an error, say) unless they are to outlive it, and with this process.
 */
extern Helpers *HelpersCreate(int32 workers, bool outlive_transaction);

/* The callbacks for the engine. */
extern ClfTeamHost HelpersTeam(Helpers *helpers);

/*
 * Sleep until a helper has done something or some time has passed.  Raises an
 * error if a helper has vanished with work that it took.
 */
extern void HelpersWait(Helpers *helpers);

/* Let the processes end, whose memory is not shared any more; see there for which it does not wait. */
extern void HelpersFree(Helpers *helpers);

#endif							/* TEXTCLF_HELPERS_H */

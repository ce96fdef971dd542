/*
 * tally.h
 *	  Answers counted: which class was taken for which, and how certain the
 *	  model was.  clf.h has what hosts may do with a tally.
 */
#ifndef CLF_TALLY_H
#define CLF_TALLY_H

#include "clf.h"
#include "mem.h"

struct ClfTally
{
	ClfMem	   *mem;
	ClfMem		own;			/* what mem points to, if the host made the tally */
	ClfCell    *cells;			/* [capacity] open addressing, rows 0 = free */
	size_t		capacity;		/* a power of 2, or 0 */
	size_t		count;			/* cells in use */
	bool		sorted;			/* they are the first ones, in order */
	ClfBin		bins[CLF_BINS];
};

/* An empty tally whose memory counts for mem.  It cannot fail. */
extern void clf_tally_init(ClfTally *tally, ClfMem *mem);
extern void clf_tally_reset(ClfTally *tally);

/* Take the memory for so many cells now. */
extern ClfStatus clf_tally_reserve(ClfTally *tally, size_t cells, ClfError *error);

#endif							/* CLF_TALLY_H */

/*
 * rng.h
 *	  Pseudo-random numbers that depend on their seed alone.
 *
 * SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014): small, fast, and any seed is a good one.
 */
#ifndef CLF_RNG_H
#define CLF_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct ClfRng
{
	uint64_t	state;
} ClfRng;

/* Start the stream of that number under a seed; streams are independent. */
extern void clf_rng_seed(ClfRng *rng, uint64_t seed, uint64_t stream);

extern uint64_t clf_rng_next(ClfRng *rng);

/* 0 <= result < 1, 24 random bits */
extern float clf_rng_uniform(ClfRng *rng);

/* Standard normal. */
extern float clf_rng_normal(ClfRng *rng);

/* 0 <= result < bound, for bound >= 1 */
extern uint64_t clf_rng_below(ClfRng *rng, uint64_t bound);

/* Put items[count] into random order (Fisher and Yates). */
extern void clf_rng_shuffle(ClfRng *rng, uint32_t *items, size_t count);

#endif							/* CLF_RNG_H */

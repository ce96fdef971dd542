/*
 * rng.c
 *	  Pseudo-random numbers that depend on their seed alone.
 */
#include "rng.h"

#include <math.h>

#include "hash.h"

void
clf_rng_seed(ClfRng *rng, uint64_t seed, uint64_t stream)
{
	rng->state = clf_hash_mix(seed ^ CLF_HASH_SEED, stream);
}

uint64_t
clf_rng_next(ClfRng *rng)
{
	uint64_t	z = (rng->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

float
clf_rng_uniform(ClfRng *rng)
{
	return (float) (clf_rng_next(rng) >> 40) * 0x1p-24f;
}

float
clf_rng_normal(ClfRng *rng)
{
	/* Box and Muller; 1 - u avoids the logarithm of 0 */
	float		radius = sqrtf(-2.0f * logf(1.0f - clf_rng_uniform(rng)));

	return radius * cosf(6.28318530718f * clf_rng_uniform(rng));
}

uint64_t
clf_rng_below(ClfRng *rng, uint64_t bound)
{
	/* the high word of a product (Lemire 2019); the bias is below 2^-32 here */
	return (uint64_t) (((unsigned __int128) clf_rng_next(rng) * bound) >> 64);
}

void
clf_rng_shuffle(ClfRng *rng, uint32_t *items, size_t count)
{
	for (size_t i = count; i > 1; i--)
	{
		size_t		j = clf_rng_below(rng, i);
		uint32_t	item = items[i - 1];

		items[i - 1] = items[j];
		items[j] = item;
	}
}

/*
 * wide.c
 *	  The linear branch of a model.
 *
 * It must not know how its weights were found.
 */
#include "wide.h"

#include <math.h>
#include <string.h>

#include "error.h"

#define PROBES 64				/* of slots; in a table half full more are hardly ever needed */

ClfStatus
clf_wide_allocate(ClfWide *wide, ClfMem *mem, size_t F, size_t C, ClfError *error)
{
	memset(wide, 0, sizeof *wide);
	wide->mem = mem;
	wide->F = F;
	wide->C = C;
	wide->hashes = clf_mem_alloc_zero(mem, F, sizeof *wide->hashes);
	wide->idf = clf_mem_alloc_zero(mem, F, sizeof *wide->idf);
	wide->kernel = clf_mem_alloc_zero(mem, F, C * sizeof *wide->kernel);
	wide->bias = clf_mem_alloc_zero(mem, C, sizeof *wide->bias);
	if (!wide->hashes || !wide->idf || !wide->kernel || !wide->bias)
		return clf_fail_memory(error);
	return CLF_OK;
}

void
clf_wide_free(ClfWide *wide)
{
	if (wide->mem == NULL)
		return;
	clf_mem_free(wide->mem, wide->hashes);
	clf_mem_free(wide->mem, wide->idf);
	clf_mem_free(wide->mem, wide->kernel);
	clf_mem_free(wide->mem, wide->bias);
	clf_mem_free(wide->mem, wide->slots);
	memset(wide, 0, sizeof *wide);
}

/* The same as find, in a time that does not depend on which hashes there are. */
static uint32_t
search(const ClfWide *wide, uint32_t hash)
{
	size_t		low = 0;
	size_t		high = wide->F;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (wide->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < wide->F && wide->hashes[low] == hash ? (uint32_t) low + 1 : 0;
}

/*
 * Index + 1 of an n-gram, or 0.  A model from anyone may have hashes that all
 * ask for the same slots: those that found none within PROBES are searched for.
 */
static uint32_t
find(const ClfWide *wide, uint32_t hash)
{
	for (uint32_t i = 0; i < PROBES; i++)
	{
		uint32_t	found = wide->slots[(hash + i) & wide->slot_mask];

		if (found == 0 || wide->hashes[found - 1] == hash)
			return found;
	}
	return search(wide, hash);
}

ClfStatus
clf_wide_prepare(ClfWide *wide, ClfError *error)
{
	size_t		count = 64;

	while (count < 2 * wide->F)
		count *= 2;
	wide->slots = clf_mem_alloc_zero(wide->mem, count, sizeof *wide->slots);
	if (wide->slots == NULL)
		return clf_fail_memory(error);
	wide->slot_mask = (uint32_t) (count - 1);
	for (size_t f = 0; f < wide->F; f++)
		for (uint32_t i = 0; i < PROBES; i++)
		{
			uint32_t   *slot = &wide->slots[(wide->hashes[f] + i) & wide->slot_mask];

			if (*slot != 0)
				continue;
			*slot = (uint32_t) f + 1;
			break;
		}
	return CLF_OK;
}

ClfStatus
clf_wide_scratch_init(ClfWideScratch *scratch, ClfMem *mem, const ClfWide *wide,
					  ClfError *error)
{
	memset(scratch, 0, sizeof *scratch);
	scratch->mem = mem;
	scratch->counts = clf_mem_alloc_zero(mem, wide->F, sizeof *scratch->counts);
	return scratch->counts ? CLF_OK : clf_fail_memory(error);
}

void
clf_wide_scratch_free(ClfWideScratch *scratch)
{
	if (scratch->mem == NULL)
		return;
	clf_mem_free(scratch->mem, scratch->counts);
	clf_mem_free(scratch->mem, scratch->found);
	clf_mem_free(scratch->mem, scratch->values);
	memset(scratch, 0, sizeof *scratch);
}

/*
 * Have memory bring near what the look-up of all n-grams will read: one by one,
 * each would wait for two tables that are larger than a cache.
 */
static void
prefetch_grams(const ClfWide *wide, const ClfWideScratch *scratch, const ClfGrams *grams)
{
	for (size_t i = 0; i < grams->count; i++)
		__builtin_prefetch(&wide->slots[grams->hashes[i] & wide->slot_mask]);
	for (size_t i = 0; i < grams->count; i++)
	{
		uint32_t	slot = wide->slots[grams->hashes[i] & wide->slot_mask];

		if (slot != 0)
		{
			__builtin_prefetch(&wide->hashes[slot - 1]);
			__builtin_prefetch(&scratch->counts[slot - 1], 1);
		}
	}
}

ClfStatus
clf_wide_values(const ClfWide *wide, ClfWideScratch *scratch, const ClfGrams *grams,
				ClfError *error)
{
	double		square = 0;
	float		scale;

	if (!clf_mem_grow(scratch->mem, (void **) &scratch->found, &scratch->found_capacity,
					  grams->count, sizeof *scratch->found) ||
		!clf_mem_grow(scratch->mem, (void **) &scratch->values, &scratch->values_capacity,
					  grams->count, sizeof *scratch->values))
		return clf_fail_memory(error);
	scratch->found_count = 0;
	prefetch_grams(wide, scratch, grams);
	for (size_t i = 0; i < grams->count; i++)
	{
		uint32_t	found = find(wide, grams->hashes[i]);

		if (found != 0 && scratch->counts[found - 1]++ == 0)
		{
			scratch->found[scratch->found_count++] = found - 1;
			__builtin_prefetch(&wide->idf[found - 1]);
			__builtin_prefetch(&wide->kernel[(found - 1) * wide->C]);
		}
	}
	for (size_t i = 0; i < scratch->found_count; i++)
	{
		uint32_t	f = scratch->found[i];
		float		value = wide->idf[f];

		if (scratch->counts[f] > 1)
			value *= 1.0f + logf((float) scratch->counts[f]);
		scratch->counts[f] = 0;
		scratch->values[i] = value;
		square += (double) value * value;
	}
	scale = square > 0 ? (float) (1.0 / sqrt(square)) : 0.0f;
	for (size_t i = 0; i < scratch->found_count; i++)
		scratch->values[i] *= scale;
	return CLF_OK;
}

ClfStatus
clf_wide_margins(const ClfWide *wide, ClfWideScratch *scratch, const ClfKernels *kernels,
				 const ClfGrams *grams, float *m, ClfError *error)
{
	ClfStatus	status = clf_wide_values(wide, scratch, grams, error);

	if (status != CLF_OK)
		return status;
	memcpy(m, wide->bias, wide->C * sizeof(float));
	for (size_t i = 0; i < scratch->found_count; i++)
		kernels->axpy(wide->C, scratch->values[i],
					  wide->kernel + scratch->found[i] * wide->C, m);
	return CLF_OK;
}

ClfStatus
clf_wide_score(const ClfWide *wide, ClfWideScratch *scratch, const ClfKernels *kernels,
			   const ClfGrams *grams, float *z, ClfError *error)
{
	ClfStatus	status = clf_wide_margins(wide, scratch, kernels, grams, z, error);

	for (size_t k = 0; status == CLF_OK && k < wide->C; k++)
		z[k] = clf_wide_score_of(z[k]);
	return status;
}

/* What a known n-gram counts in the sum, and how often it occurs. */
typedef struct GramPart
{
	double		part;
	uint32_t	times;
} GramPart;

ClfStatus
clf_wide_shares(const ClfWide *wide, ClfWideScratch *scratch, const ClfGrams *grams,
				const double *coefficient, double *shares, ClfError *error)
{
	ClfStatus	status = clf_wide_values(wide, scratch, grams, error);
	GramPart   *parts;

	if (status != CLF_OK)
		return status;
	parts = clf_mem_alloc_zero(scratch->mem, scratch->found_count, sizeof *parts);
	if (parts == NULL)
		return clf_fail_memory(error);
	for (size_t i = 0; i < scratch->found_count; i++)
	{
		const float *kernel = wide->kernel + scratch->found[i] * wide->C;

		for (size_t k = 0; k < wide->C; k++)
			parts[i].part += coefficient[k] * kernel[k];
		parts[i].part *= scratch->values[i];
		scratch->counts[scratch->found[i]] = (uint32_t) i;	/* its place, for now */
	}
	for (size_t i = 0; i < grams->count; i++)
	{
		uint32_t	found = find(wide, grams->hashes[i]);

		if (found != 0)
			parts[scratch->counts[found - 1]].times++;
	}
	for (size_t i = 0; i < grams->count; i++)
	{
		uint32_t	found = find(wide, grams->hashes[i]);
		const GramPart *part = found ? &parts[scratch->counts[found - 1]] : NULL;

		shares[i] = part ? part->part / part->times : 0;
	}
	for (size_t i = 0; i < scratch->found_count; i++)
		scratch->counts[scratch->found[i]] = 0;
	clf_mem_free(scratch->mem, parts);
	return CLF_OK;
}

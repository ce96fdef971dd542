/*
 * storage.c
 *	  Weights rounded to what a model file holds of them.
 */
#include "storage.h"

#include <string.h>

#include "half.h"

#define LEAST_SCALE 1e-35f		/* far above the denormal numbers */

float
clf_row_scale(const float *row, size_t n)
{
	float		greatest = 0;
	float		scale;
	uint32_t	bits;

	for (size_t j = 0; j < n; j++)
	{
		float		magnitude = row[j] < 0 ? -row[j] : row[j];

		greatest = magnitude > greatest ? magnitude : greatest;
	}
	scale = greatest / CLF_BYTE_MAX;
	if (scale < LEAST_SCALE)
		return 0;
	memcpy(&bits, &scale, sizeof bits);
	bits = (bits + 0xFF) & ~UINT32_C(0xFF);
	memcpy(&scale, &bits, sizeof scale);
	return scale;
}

void
clf_row_to_bytes(const float *row, size_t n, float scale, int8_t *bytes)
{
	for (size_t j = 0; j < n; j++)
		bytes[j] = scale > 0 ?
			(int8_t) (row[j] / scale + (row[j] < 0 ? -0.5f : 0.5f)) : 0;
}

static void
round_to_bytes(float *row, size_t n)
{
	float		scale = clf_row_scale(row, n);

	for (size_t j = 0; j < n; j++)
	{
		int8_t		byte;

		clf_row_to_bytes(&row[j], 1, scale, &byte);
		row[j] = byte * scale;
	}
}

void
clf_storage_round_row(const ClfConfig *config, const ClfTensor *tensor, float *row)
{
	size_t		n = tensor->columns;

	if (config->storage == CLF_STORAGE_FLOAT32)
		return;
	if (clf_stored_as_bytes(config, tensor))
	{
		round_to_bytes(row, n);
		return;
	}
	for (size_t j = 0; j < n; j++)
		row[j] = clf_float_from_half(clf_half_from_float(row[j]));
}

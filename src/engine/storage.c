/*
 * storage.c
 *	  Weights rounded to what a model file holds of them.
 */
#include "storage.h"

#include <string.h>

#include "half.h"

#define LEAST_SCALE 1e-35f		/* far above the denormal numbers */
#define GREATEST_BFLOAT16 0x477F0000	/* 65280, of those that are halves, too */

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

bool
clf_all_bfloat16(const float *x, size_t n)
{
	uint32_t	lower = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &x[i], sizeof bits);
		lower |= bits & 0xFFFF;
	}
	return lower == 0;
}

/* The bfloat16 nearest to a half, or the largest that is a half, too; ties to even. */
static float
round_to_bfloat16(float half)
{
	uint32_t	bits;

	memcpy(&bits, &half, sizeof bits);
	bits += 0x7FFF + (bits >> 16 & 1);
	bits &= 0xFFFF0000;
	if ((bits & 0x7FFFFFFF) == GREATEST_BFLOAT16 + 0x10000)
		bits -= 0x10000;
	memcpy(&half, &bits, sizeof half);
	return half;
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
	{
		row[j] = clf_float_from_half(clf_half_from_float(row[j]));
		if (tensor->role == CLF_ROLE_RECURRENT && clf_recurrent_as_bfloat16(config))
			row[j] = round_to_bfloat16(row[j]);
	}
}

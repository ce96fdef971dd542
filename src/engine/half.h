/*
 * half.h
 *	  IEEE 754 half-precision numbers as model files hold them.
 */
#ifndef CLF_HALF_H
#define CLF_HALF_H

#include <stdint.h>
#include <string.h>

#define CLF_HALF_MAX 65504.0f

/* The nearest half, ties to even; beyond the range, the largest finite one. */
static inline uint16_t
clf_half_from_float(float x)
{
	uint32_t	bits;
	uint32_t	sign;
	uint32_t	rest;
	float		magnitude = x < 0 ? -x : x;

	memcpy(&bits, &x, sizeof bits);
	sign = bits >> 16 & 0x8000;
	if (magnitude > CLF_HALF_MAX)
		return (uint16_t) (sign | 0x7BFF);
	if (magnitude < 0x1p-14f)	/* a subnormal half counts units of 2^-24 */
	{
		float		units = magnitude * 0x1p24f + 0x1p23f;	/* rounds to an integer */

		memcpy(&rest, &units, sizeof rest);
		return (uint16_t) (sign | (rest & 0x7FF));
	}
	memcpy(&rest, &magnitude, sizeof rest);
	rest += 0xFFF + (rest >> 13 & 1);
	return (uint16_t) (sign | ((rest >> 13) - (112 << 10)));
}

static inline float
clf_float_from_half(uint16_t half)
{
	uint32_t	exponent = half >> 10 & 0x1F;
	uint32_t	fraction = half & 0x3FF;
	uint32_t	bits;
	float		x;

	if (exponent == 0)
	{
		x = (float) fraction * 0x1p-24f;
		return half & 0x8000 ? -x : x;
	}
	bits = (uint32_t) (half & 0x8000) << 16 | fraction << 13 |
		(exponent == 0x1F ? 0xFFu : exponent + 112) << 23;
	memcpy(&x, &bits, sizeof x);
	return x;
}

#endif							/* CLF_HALF_H */

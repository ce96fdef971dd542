/*
 * kernels_bf16.c
 *	  The kernels for CPUs with AVX-512 and its products of bytes (VNNI) and of
 *	  bfloat16 (BF16); the Makefile gives the flags.
 */
#include "kernels.h"

#if defined(__x86_64__)

#define KERNELS_NAME "avx512bf16"
#define KERNELS_FUNCTION clf_kernels_bf16
#define KERNELS_VECTOR 16
#define KERNELS_ROWS 6
#include "kernels_template.h"

#endif							/* __x86_64__ */

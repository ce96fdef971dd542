/*
 * kernels_avx2.c
 *	  The kernels for CPUs with AVX2 and FMA; the Makefile gives the flags.
 */
#include "kernels.h"

#if defined(__x86_64__)

#define KERNELS_NAME "avx2"
#define KERNELS_FUNCTION clf_kernels_avx2
#define KERNELS_VECTOR 8
#define KERNELS_ROWS 3
#include "kernels_template.h"

#endif							/* __x86_64__ */

/*
 * kernels_generic.c
 *	  The kernels for any CPU of the platform; the Makefile gives the flags.
 */
#include "kernels.h"

#define KERNELS_NAME "generic"
#define KERNELS_FUNCTION clf_kernels_generic
#define KERNELS_VECTOR 4
#define KERNELS_ROWS 2
#include "kernels_template.h"


/*
 * kernels.c
 *	  Which set of kernels this CPU runs, and its denormal mode.
 */
#include "kernels.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

int
clf_kernels_available(const ClfKernels *sets[CLF_KERNEL_SETS])
{
	int			count = 0;

#if defined(__x86_64__)
	/* these look at the operating system's support of the registers, too */
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
	{
		bool		vnni = __builtin_cpu_supports("avx512vnni");
		bool		bf16 = vnni && __builtin_cpu_supports("avx512bf16");

		/* a product of bfloat16 takes AMD's CPUs as long as one of floats, others twice as long */
		if (bf16 && __builtin_cpu_is("amd"))
			sets[count++] = clf_kernels_bf16();
		if (vnni)
			sets[count++] = clf_kernels_vnni();
		sets[count++] = clf_kernels_avx512();
		if (bf16 && !__builtin_cpu_is("amd"))
			sets[count++] = clf_kernels_bf16();
	}
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		sets[count++] = clf_kernels_avx2();
#endif
	sets[count++] = clf_kernels_generic();
	return count;
}

const ClfKernels *
clf_kernels(void)
{
	const ClfKernels *sets[CLF_KERNEL_SETS];

	(void) clf_kernels_available(sets);
	return sets[0];
}

const char *
clf_kernels_name(void)
{
	return clf_kernels()->name;
}

#if defined(__x86_64__)

#define MXCSR_FTZ_DAZ 0x8040u	/* flush results to zero, denormals are zero */

unsigned int
clf_fpu_enter(void)
{
	unsigned int state = _mm_getcsr();

	_mm_setcsr(state | MXCSR_FTZ_DAZ);
	return state;
}

void
clf_fpu_leave(unsigned int state)
{
	_mm_setcsr(state);
}

#elif defined(__aarch64__)

#define FPCR_FZ (UINT64_C(1) << 24)

unsigned int
clf_fpu_enter(void)
{
	uint64_t	state;

	__asm__ volatile("mrs %0, fpcr" : "=r"(state));
	__asm__ volatile("msr fpcr, %0" : : "r"(state | FPCR_FZ));
	return (unsigned int) state;
}

void
clf_fpu_leave(unsigned int state)
{
	__asm__ volatile("msr fpcr, %0" : : "r"((uint64_t) state));
}

#else

unsigned int
clf_fpu_enter(void)
{
	return 0;
}

void
clf_fpu_leave(unsigned int state)
{
	(void) state;
}

#endif

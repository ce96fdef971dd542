/*
 * blas.c
 *	  OpenBLAS as the maker of the large matrix products of training.
 *
 * It is loaded by path when it is first needed, so that a server that only
 * predicts never carries it.  It must not know who trains.
 */
#include "clf.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "error.h"

/* Values of the enums of the CBLAS interface. */
#define ROW_MAJOR 101
#define NO_TRANSPOSE 111
#define TRANSPOSE 112

#define CHECK_SIZE 37			/* of the products that check a library */
#define ROOM_BYTES ((size_t) 384 << 20)

typedef void (*CblasSgemm) (int order, int transpose_a, int transpose_b,
							int m, int n, int k,
							float alpha, const float *a, int lda,
							const float *b, int ldb,
							float beta, float *c, int ldc);

/* A ClfSgemm has no context, and a process needs no more than one library. */
static CblasSgemm cblas_sgemm;

static void
blas_sgemm(bool transpose_a, bool transpose_b, int m, int n, int k,
		   const float *a, int lda, const float *b, int ldb,
		   float beta, float *c, int ldc)
{
	cblas_sgemm(ROW_MAJOR, transpose_a ? TRANSPOSE : NO_TRANSPOSE,
				transpose_b ? TRANSPOSE : NO_TRANSPOSE,
				m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

/* Does sgemm give the products it should, to rounding? */
static bool
gives_right_products(ClfSgemm sgemm)
{
	float		a[CHECK_SIZE * CHECK_SIZE];
	float		b[CHECK_SIZE * CHECK_SIZE];
	float		c[CHECK_SIZE * CHECK_SIZE];

	for (int i = 0; i < CHECK_SIZE * CHECK_SIZE; i++)
	{
		a[i] = (float) (i % 11) - 5.0f;
		b[i] = (float) (i % 7) - 3.0f;
		c[i] = 1.0f;
	}
	sgemm(false, true, CHECK_SIZE, CHECK_SIZE, CHECK_SIZE,
		  a, CHECK_SIZE, b, CHECK_SIZE, 1.0f, c, CHECK_SIZE);
	for (int i = 0; i < CHECK_SIZE; i++)
		for (int j = 0; j < CHECK_SIZE; j++)
		{
			float		sum = 1.0f;

			for (int k = 0; k < CHECK_SIZE; k++)
				sum += a[i * CHECK_SIZE + k] * b[j * CHECK_SIZE + k];
			if (!(fabsf(sum - c[i * CHECK_SIZE + j]) < 1e-3f))
				return false;
		}
	return true;
}

/*
 * With its first product OpenBLAS takes a buffer, which it keeps: 128 MB, on some
 * machines 256.  Where there is none (address space or overcommitment are limited)
 * it asks again for ever, and the process hears no signal.  So it is asked whether
 * there is room; a little more, for what comes in between.
 */
static bool
has_room(void)
{
	void	   *room = mmap(NULL, ROOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return room != MAP_FAILED && munmap(room, ROOM_BYTES) == 0;
}

ClfStatus
clf_blas_load(const char *path, ClfSgemm *sgemm, char *core_type,
			  size_t core_type_size, ClfError *error)
{
	void	   *library;
	char	   *(*corename) (void);

	if (!has_room())
		return clf_fail(error, CLF_ERR_MEMORY, "there is no room for the buffer of the BLAS library");
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
	{
		clf_fail(error, CLF_ERR_HOST, "could not load the BLAS library");
		return clf_detail(error, "%s", dlerror());
	}
	*(void **) &cblas_sgemm = dlsym(library, "cblas_sgemm");
	*(void **) &corename = dlsym(library, "openblas_get_corename");
	if (cblas_sgemm == NULL || !gives_right_products(blas_sgemm))
	{
		dlclose(library);
		return clf_fail(error, CLF_ERR_HOST, "the BLAS library does not multiply matrices as it should");
	}
	snprintf(core_type, core_type_size, "%s", corename ? corename() : "unknown");
	*sgemm = blas_sgemm;
	return CLF_OK;
}

/*
 * Does this CPU compute 512 bits in two halves?  AMD's first with AVX-512 (Zen
 * 4, family 19h) does, and products with registers of 256 bits are faster there.
 */
static bool
halves_registers(void)
{
#if defined(__x86_64__)
	unsigned int eax,
				ebx,
				ecx,
				edx;

	return __builtin_cpu_is("amd") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) &&
		(eax >> 8 & 0xF) + (eax >> 20 & 0xFF) == 0x19;
#else
	return false;
#endif
}

const char *
clf_blas_core_type(void)
{
	const char *kernels = clf_kernels_name();

	if (strncmp(kernels, "avx512", 6) == 0 && !halves_registers())
		return "SkylakeX";
	return strncmp(kernels, "avx", 3) == 0 ? "Haswell" : NULL;
}

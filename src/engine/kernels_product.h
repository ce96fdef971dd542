/*
 * kernels_product.h
 *	  The part of kernels_template.h that multiplies by weights in panels.
 *
 * The sums of some rows and of up to CLF_PANEL columns, of two panels where
 * registers are as wide as that, stay in registers.  Each has one accumulator
 * and goes through k in order: a row's result does not depend on the others.
 */

#define PANEL_VECTORS (CLF_PANEL / KERNELS_VECTOR)
#define PANELS_AT_ONCE (PANEL_VECTORS <= 2 ? 2 : 1)

/* c = a w, or c += a w, for some rows and panels, both constants where inlined. */
INLINE void
multiply_panels(const size_t rows, const size_t panels, size_t K, const float *a, size_t lda,
				const float *w, bool add, float *c, size_t ldc)
{
	Vector		sum[KERNELS_ROWS][PANELS_AT_ONCE * PANEL_VECTORS];

#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
		{
			sum[r][v] = (Vector) {0};
			if (add)
				sum[r][v] = *(const VectorUnaligned *) (c + r * ldc + v * KERNELS_VECTOR);
		}
	for (size_t k = 0; k < K; k++)
	{
		Vector		weights[PANELS_AT_ONCE * PANEL_VECTORS];

#pragma GCC unroll 8
		for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
			weights[v] = *(const VectorUnaligned *) (w + v / PANEL_VECTORS * K * CLF_PANEL + k * CLF_PANEL +
													 v % PANEL_VECTORS * KERNELS_VECTOR);
#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++)
		{
			float		value = a[r * lda + k];

#pragma GCC unroll 8
			for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
				sum[r][v] += value * weights[v];
		}
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
			*(VectorUnaligned *) (c + r * ldc + v * KERNELS_VECTOR) = sum[r][v];
}

/* The same for any number of rows up to KERNELS_ROWS. */
INLINE void
multiply_rows(size_t rows, const size_t panels, size_t K, const float *a, size_t lda,
			  const float *w, bool add, float *c, size_t ldc)
{
	switch (rows)
	{
		case 1:
			multiply_panels(1, panels, K, a, lda, w, add, c, ldc);
			break;
		case 2:
			multiply_panels(2, panels, K, a, lda, w, add, c, ldc);
			break;
#if KERNELS_ROWS >= 3
		case 3:
			multiply_panels(3, panels, K, a, lda, w, add, c, ldc);
			break;
#endif
#if KERNELS_ROWS >= 6
		case 4:
			multiply_panels(4, panels, K, a, lda, w, add, c, ldc);
			break;
		case 5:
			multiply_panels(5, panels, K, a, lda, w, add, c, ldc);
			break;
		case 6:
			multiply_panels(6, panels, K, a, lda, w, add, c, ldc);
			break;
#endif
	}
}

/* The same for the last columns, fewer than a panel has. */
static void
multiply_part(size_t rows, size_t columns, size_t K, const float *a, size_t lda,
			  const float *w, bool add, float *c, size_t ldc)
{
	float		whole[KERNELS_ROWS * CLF_PANEL] = {0};

	for (size_t r = 0; add && r < rows; r++)
		memcpy(whole + r * CLF_PANEL, c + r * ldc, columns * sizeof *c);
	multiply_rows(rows, 1, K, a, lda, w, add, whole, CLF_PANEL);
	for (size_t r = 0; r < rows; r++)
		memcpy(c + r * ldc, whole + r * CLF_PANEL, columns * sizeof *c);
}

static void
multiply(size_t n, size_t K, size_t columns, const float *a, size_t lda,
		 const float *w, bool add, float *c, size_t ldc)
{
	size_t		panels;

	for (size_t column = 0; column < columns; column += panels * CLF_PANEL)
	{
		size_t		left = columns - column;
		const float *panel = w + column * K;

		panels = left >= PANELS_AT_ONCE * CLF_PANEL ? PANELS_AT_ONCE : 1;
		for (size_t row = 0; row < n; row += KERNELS_ROWS)
		{
			size_t		rows = n - row < KERNELS_ROWS ? n - row : KERNELS_ROWS;
			const float *from = a + row * lda;
			float	   *to = c + row * ldc + column;

			if (left < CLF_PANEL)
				multiply_part(rows, left, K, from, lda, panel, add, to, ldc);
			else if (panels == 1)
				multiply_rows(rows, 1, K, from, lda, panel, add, to, ldc);
			else
				multiply_rows(rows, PANELS_AT_ONCE, K, from, lda, panel, add, to, ldc);
		}
	}
}

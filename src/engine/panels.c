/*
 * panels.c
 *	  Weights as the products of training read them.
 */
#include "panels.h"

#include <string.h>

#include "mem.h"

size_t
clf_panels_floats(size_t K, size_t N)
{
	size_t		floats;

	if (!clf_size_add(N, CLF_PANEL - 1, &N) ||
		!clf_size_mul(N / CLF_PANEL * CLF_PANEL, K, &floats))
		return SIZE_MAX;
	return floats;
}

#define AT_ONCE 16				/* floats of a cache line */

/* One panel from matrix [columns,K], in pieces that stay in the cache. */
static void
fill_transposed(float *panel, size_t K, size_t columns, const float *matrix)
{
	for (size_t start = 0; start < K; start += AT_ONCE)
	{
		size_t		end = start + AT_ONCE < K ? start + AT_ONCE : K;

		for (size_t j = 0; j < columns; j++)
			for (size_t k = start; k < end; k++)
				panel[k * CLF_PANEL + j] = matrix[j * K + k];
	}
}

void
clf_panels_fill(float *panels, bool transpose, size_t K, size_t N, const float *matrix)
{
	for (size_t column = 0; column < N; column += CLF_PANEL, panels += K * CLF_PANEL)
	{
		size_t		columns = N - column < CLF_PANEL ? N - column : CLF_PANEL;

		if (columns < CLF_PANEL)
			memset(panels, 0, K * CLF_PANEL * sizeof *panels);
		if (transpose)
			fill_transposed(panels, K, columns, matrix + column * K);
		else
			for (size_t k = 0; k < K; k++)
				memcpy(panels + k * CLF_PANEL, matrix + k * N + column, columns * sizeof *panels);
	}
}

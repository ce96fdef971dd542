/*
 * init.c
 *	  Initial values of the tensors, as Keras draws them.
 */
#include "network.h"

#include <math.h>

static void
uniform_row(float *row, size_t columns, float limit, ClfRng *rng)
{
	for (size_t j = 0; j < columns; j++)
		row[j] = (2.0f * clf_rng_uniform(rng) - 1.0f) * limit;
}

/*
 * A random direction, made orthogonal to the rows above it (Gram and Schmidt,
 * twice for precision) and of length 1.  With more rows than columns the
 * surplus rows cannot be orthogonal and stay random.
 */
static void
orthogonal_row(const ClfTensor *tensor, size_t row, float *values, ClfRng *rng)
{
	size_t		columns = tensor->columns;
	float	   *own = values + row * columns;
	double		square = 0;

	for (size_t j = 0; j < columns; j++)
		own[j] = clf_rng_normal(rng);
	for (int pass = 0; pass < 2 && row < columns; pass++)
		for (size_t other = 0; other < row; other++)
		{
			const float *above = values + other * columns;
			double		product = 0;

			for (size_t j = 0; j < columns; j++)
				product += (double) own[j] * above[j];
			for (size_t j = 0; j < columns; j++)
				own[j] -= (float) product * above[j];
		}
	for (size_t j = 0; j < columns; j++)
		square += (double) own[j] * own[j];
	for (size_t j = 0; j < columns; j++)
		own[j] = (float) (own[j] / sqrt(square));
}

void
clf_tensor_init_row(const ClfTensor *tensor, size_t row, float *values,
					ClfRng *rng)
{
	size_t		columns = tensor->columns;
	float	   *own = values + row * columns;

	switch (tensor->role)
	{
		case CLF_ROLE_EMBEDDING:
			uniform_row(own, columns, CLF_EMBEDDING_LIMIT, rng);
			break;
		case CLF_ROLE_KERNEL:
			uniform_row(own, columns,
						sqrtf(6.0f / (float) (tensor->rows + columns)), rng);
			break;
		case CLF_ROLE_RECURRENT:
			orthogonal_row(tensor, row, values, rng);
			break;
		case CLF_ROLE_LSTM_BIAS:
			/* gates i, f, c, o: the forget gate starts open */
			for (size_t j = 0; j < columns; j++)
				own[j] = j >= columns / 4 && j < columns / 2 ? 1.0f : 0.0f;
			break;
		case CLF_ROLE_BIAS:
			for (size_t j = 0; j < columns; j++)
				own[j] = 0.0f;
			break;
	}
}

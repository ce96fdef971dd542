/*
 * loss.c
 *	  From logits to probabilities, the loss and its gradient.
 */
#include "network.h"

#include <math.h>

double
clf_softmax(size_t C, const float *z, float *p)
{
	float		largest = z[0];
	double		sum = 0;

	for (size_t k = 1; k < C; k++)
		largest = z[k] > largest ? z[k] : largest;
	for (size_t k = 0; k < C; k++)
	{
		p[k] = expf(z[k] - largest);
		sum += p[k];
	}
	for (size_t k = 0; k < C; k++)
		p[k] = (float) (p[k] / sum);
	return largest + log(sum);
}

/* -log p[class]; its gradient is p less the one-hot vector */
static double
cross_entropy(size_t C, const float *z, int32_t class_id, float weight,
			  float *p, float *dz)
{
	double		loss = clf_softmax(C, z, p) - z[class_id];	/* dz may be z */

	if (dz)
	{
		for (size_t k = 0; k < C; k++)
			dz[k] = weight * p[k];
		dz[class_id] -= weight;
	}
	return weight * loss;
}

/* the mean over the classes of (p - one-hot)^2, through the softmax */
static double
mean_squared_error(size_t C, const float *z, int32_t class_id, float weight,
				   float *p, float *dz)
{
	double		loss = 0;
	double		inner = 0;

	clf_softmax(C, z, p);
	for (size_t k = 0; k < C; k++)
	{
		double		difference = p[k] - (k == (size_t) class_id ? 1.0 : 0.0);

		loss += difference * difference;
		inner += p[k] * difference;
	}
	if (dz)
		for (size_t k = 0; k < C; k++)
		{
			double		difference = p[k] - (k == (size_t) class_id ? 1.0 : 0.0);

			dz[k] = (float) (weight * 2.0 / C * p[k] * (difference - inner));
		}
	return weight * loss / C;
}

double
clf_loss(ClfLoss loss, size_t C, const float *z, int32_t class_id,
		 float weight, float *p, float *dz)
{
	if (loss == CLF_LOSS_MSE)
		return mean_squared_error(C, z, class_id, weight, p, dz);
	return cross_entropy(C, z, class_id, weight, p, dz);
}

int
clf_best(const float *probability, int classes)
{
	int			best = 0;

	for (int k = 1; k < classes; k++)
		if (probability[k] > probability[best])
			best = k;
	return best;
}

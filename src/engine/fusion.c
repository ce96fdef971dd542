/*
 * fusion.c
 *	  How much each branch of a model counts.
 */
#include "fusion.h"

#include <math.h>
#include <string.h>

#include "network.h"

#define MAX_STEPS 50
#define RIDGE 1e-4				/* per row: keeps the factors finite on rows that fit perfectly */

void
clf_fuse(const float scale[CLF_BRANCHES], const float *const z[CLF_BRANCHES],
		 size_t C, float *out)
{
	memset(out, 0, C * sizeof(float));
	for (int b = 0; b < CLF_BRANCHES; b++)
		for (size_t k = 0; z[b] != NULL && k < C; k++)
			out[k] += scale[b] * z[b][k];
}

/* Log-loss per row at these factors, its gradient and Hessian. */
static double
log_loss(const ClfScores *scores, const double factor[CLF_BRANCHES], float *p,
		 double gradient[CLF_BRANCHES], double hessian[CLF_BRANCHES][CLF_BRANCHES])
{
	size_t		C = scores->C;
	double		loss = 0;
	float		scale[CLF_BRANCHES];

	memset(gradient, 0, CLF_BRANCHES * sizeof *gradient);
	memset(hessian, 0, CLF_BRANCHES * sizeof *hessian);
	for (int b = 0; b < CLF_BRANCHES; b++)
		scale[b] = (float) factor[b];
	for (size_t i = 0; i < scores->rows; i++)
	{
		const float *z[CLF_BRANCHES];
		double		mean[CLF_BRANCHES] = {0};
		int32_t		actual = scores->classes[i];
		float		fused;

		for (int b = 0; b < CLF_BRANCHES; b++)
			z[b] = scores->z[b] ? scores->z[b] + i * C : NULL;
		clf_fuse(scale, z, C, p);
		fused = p[actual];
		loss += clf_softmax(C, p, p) - fused;
		for (int a = 0; a < CLF_BRANCHES; a++)
		{
			if (z[a] == NULL)
				continue;
			for (size_t k = 0; k < C; k++)
				mean[a] += (double) p[k] * z[a][k];
			gradient[a] += mean[a] - z[a][actual];
			for (int b = 0; b <= a; b++)
			{
				double		product = 0;

				if (z[b] == NULL)
					continue;
				for (size_t k = 0; k < C; k++)
					product += (double) p[k] * z[a][k] * z[b][k];
				hessian[a][b] += product - mean[a] * mean[b];
			}
		}
	}
	for (int a = 0; a < CLF_BRANCHES; a++)
	{
		double		n = (double) scores->rows;

		gradient[a] = gradient[a] / n + RIDGE * factor[a];
		for (int b = 0; b <= a; b++)
			hessian[a][b] = hessian[b][a] = hessian[a][b] / n + (a == b ? RIDGE : 0);
		loss += 0.5 * RIDGE * factor[a] * factor[a] * n;
	}
	return loss / (double) scores->rows;
}

/* The Newton step of the branches that may move. */
static void
newton_step(const double gradient[CLF_BRANCHES],
			double hessian[CLF_BRANCHES][CLF_BRANCHES],
			const bool fixed[CLF_BRANCHES], double step[CLF_BRANCHES])
{
	double		determinant = hessian[0][0] * hessian[1][1] - hessian[0][1] * hessian[1][0];

	for (int b = 0; b < CLF_BRANCHES; b++)
		step[b] = fixed[b] ? 0 : -gradient[b] / hessian[b][b];
	if (fixed[0] || fixed[1] || determinant < 1e-12 * hessian[0][0] * hessian[1][1])
		return;
	step[0] = (-gradient[0] * hessian[1][1] + gradient[1] * hessian[0][1]) / determinant;
	step[1] = (-gradient[1] * hessian[0][0] + gradient[0] * hessian[1][0]) / determinant;
}

void
clf_fusion_fit(const ClfScores *scores, float *p, float scale[CLF_BRANCHES])
{
	double		factor[CLF_BRANCHES];
	double		gradient[CLF_BRANCHES];
	double		hessian[CLF_BRANCHES][CLF_BRANCHES];
	double		loss;

	for (int b = 0; b < CLF_BRANCHES; b++)
		factor[b] = scale[b] = scores->z[b] ? 1 : 0;
	if (scores->rows == 0)
		return;
	loss = log_loss(scores, factor, p, gradient, hessian);
	for (int i = 0; i < MAX_STEPS; i++)
	{
		bool		fixed[CLF_BRANCHES];
		double		step[CLF_BRANCHES];
		double		next[CLF_BRANCHES];
		double		next_loss = loss;
		double		length = 1;

		for (int b = 0; b < CLF_BRANCHES; b++)
			fixed[b] = scores->z[b] == NULL || (factor[b] <= 0 && gradient[b] > 0);
		newton_step(gradient, hessian, fixed, step);
		for (; length > 1e-4; length /= 2)
		{
			double		unused[CLF_BRANCHES];
			double		unused_too[CLF_BRANCHES][CLF_BRANCHES];

			for (int b = 0; b < CLF_BRANCHES; b++)
				next[b] = fmax(0, factor[b] + length * step[b]);
			next_loss = log_loss(scores, next, p, unused, unused_too);
			if (next_loss < loss)
				break;
		}
		if (!(next_loss < loss - 1e-9))
			break;
		memcpy(factor, next, sizeof factor);
		loss = log_loss(scores, factor, p, gradient, hessian);
	}
	for (int b = 0; b < CLF_BRANCHES; b++)
		scale[b] = (float) factor[b];
}

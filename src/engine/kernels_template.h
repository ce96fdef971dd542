/*
 * kernels_template.h
 *	  The text of all kernel sets.  Included by kernels_*.c, which define
 *	  KERNELS_NAME, KERNELS_FUNCTION, KERNELS_VECTOR, the floats of a register,
 *	  and KERNELS_ROWS, the rows whose sums prediction keeps in registers.
 *
 * Loops over units are left to the compiler's vectoriser.  The products by
 * weights, where registers must be planned, are in kernels_predict.h and, for
 * training, kernels_product.h.
 */
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif


/*
 * tanh as a quotient of polynomials of degree 13 and 6, as in Eigen
 * (MathFunctionsImpl.h): within 4 units in the last place.  Beyond the clamp
 * tanh is 1 in single precision.
 */
#define TANH_CLAMP 7.90531110763549805f
#define TANH_NUMERATOR(x, x2) \
	((x) * (4.89352455891786e-03f + (x2) * (6.37261928875436e-04f + \
	 (x2) * (1.48572235717979e-05f + (x2) * (5.12229709037114e-08f + \
	 (x2) * (-8.60467152213735e-11f + (x2) * (2.00018790482477e-13f + \
	 (x2) * -2.76076847742355e-16f)))))))
#define TANH_DENOMINATOR(x2) \
	(4.89352518554385e-03f + (x2) * (2.26843463243900e-03f + \
	 (x2) * (1.18534705686654e-04f + (x2) * 1.19825839466702e-06f)))

static inline float
tanh_of(float x)
{
	float		clamped = x < -TANH_CLAMP ? -TANH_CLAMP : x;
	float		x2;

	clamped = clamped > TANH_CLAMP ? TANH_CLAMP : clamped;
	x2 = clamped * clamped;
	return TANH_NUMERATOR(clamped, x2) / TANH_DENOMINATOR(x2);
}

static inline float
sigmoid_of(float x)
{
	return 0.5f + 0.5f * tanh_of(0.5f * x);
}

/* ---- training ---- */

static void
lstm_forward(size_t n, size_t H, float *restrict gates,
			 const float *restrict bias, const float *restrict c_previous,
			 float *restrict c, float *restrict tanh_c,
			 float *restrict h, size_t h_stride)
{
	for (size_t row = 0; row < n; row++)
	{
		float	   *restrict gi = gates + row * 4 * H;
		float	   *restrict gf = gi + H;
		float	   *restrict gc = gi + 2 * H;
		float	   *restrict go = gi + 3 * H;
		const float *restrict c_row = c_previous ? c_previous + row * H : NULL;
		float	   *restrict c_out = c + row * H;
		float	   *restrict t_out = tanh_c + row * H;
		float	   *restrict h_out = h + row * h_stride;

		for (size_t j = 0; j < H; j++)
		{
			gi[j] = sigmoid_of(gi[j] + bias[j]);
			gc[j] = tanh_of(gc[j] + bias[2 * H + j]);
			c_out[j] = gi[j] * gc[j];
		}
		for (size_t j = 0; j < H; j++)
			gf[j] = sigmoid_of(gf[j] + bias[H + j]);
		if (c_row)
			for (size_t j = 0; j < H; j++)
				c_out[j] += gf[j] * c_row[j];
		for (size_t j = 0; j < H; j++)
		{
			go[j] = sigmoid_of(go[j] + bias[3 * H + j]);
			t_out[j] = tanh_of(c_out[j]);
			h_out[j] = go[j] * t_out[j];
		}
	}
}

static void
lstm_backward(size_t n, size_t H, float *restrict gates,
			  const float *restrict c_previous, const float *restrict tanh_c,
			  const float *restrict dh, size_t dh_stride,
			  const float *restrict dh_next, float *restrict dc)
{
	for (size_t row = 0; row < n; row++)
	{
		float	   *restrict gi = gates + row * 4 * H;
		float	   *restrict gf = gi + H;
		float	   *restrict gc = gi + 2 * H;
		float	   *restrict go = gi + 3 * H;
		const float *restrict c_row = c_previous ? c_previous + row * H : NULL;
		const float *restrict t = tanh_c + row * H;
		const float *restrict dh_row = dh + row * dh_stride;
		const float *restrict dh_rec = dh_next + row * H;
		float	   *restrict dc_row = dc + row * H;

		if (c_row)
			for (size_t j = 0; j < H; j++)
			{
				float		d_h = dh_row[j] + dh_rec[j];
				float		d_c = dc_row[j] + d_h * go[j] * (1.0f - t[j] * t[j]);
				float		i = gi[j];
				float		f = gf[j];

				go[j] = d_h * t[j] * go[j] * (1.0f - go[j]);
				gi[j] = d_c * gc[j] * i * (1.0f - i);
				gc[j] = d_c * i * (1.0f - gc[j] * gc[j]);
				gf[j] = d_c * c_row[j] * f * (1.0f - f);
				dc_row[j] = d_c * f;
			}
		else
			for (size_t j = 0; j < H; j++)
			{
				float		d_h = dh_row[j] + dh_rec[j];
				float		d_c = dc_row[j] + d_h * go[j] * (1.0f - t[j] * t[j]);
				float		i = gi[j];

				go[j] = d_h * t[j] * go[j] * (1.0f - go[j]);
				gi[j] = d_c * gc[j] * i * (1.0f - i);
				gc[j] = d_c * i * (1.0f - gc[j] * gc[j]);
				gf[j] = 0.0f;
				dc_row[j] = 0.0f;
			}
	}
}

static void
axpy(size_t n, float a, const float *restrict x, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += a * x[i];
}

static void
take_maximum(size_t n, const float *restrict x, int source, float *restrict most,
			 int *restrict from)
{
	for (size_t i = 0; i < n; i++)
	{
		bool		more = x[i] > most[i];

		most[i] = more ? x[i] : most[i];
		from[i] = more ? source : from[i];
	}
}

static void
average(size_t n, float keep, const float *restrict x, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = keep * y[i] + (1.0f - keep) * x[i];
}

static double
square_sum(size_t n, const float *x)
{
	double		part[CLF_LANES] = {0};
	double		sum = 0;
	size_t		i = 0;

	for (; i + CLF_LANES <= n; i += CLF_LANES)
		for (int lane = 0; lane < CLF_LANES; lane++)
			part[lane] += (double) x[i + lane] * x[i + lane];
	for (int lane = 0; lane < CLF_LANES; lane++)
		sum += part[lane];
	for (; i < n; i++)
		sum += (double) x[i] * x[i];
	return sum;
}

static void
adam(size_t n, float *restrict weights, float *restrict m, float *restrict v,
	 const float *restrict gradient, float alpha,
	 float beta1, float beta2, float epsilon)
{
	for (size_t i = 0; i < n; i++)
	{
		float		g = gradient[i];

		m[i] += (g - m[i]) * (1.0f - beta1);
		v[i] += (g * g - v[i]) * (1.0f - beta2);
		weights[i] -= alpha * m[i] / (__builtin_sqrtf(v[i]) + epsilon);
	}
}

/* ---- the engine's own matrix product ---- */

#define STRIP 256				/* columns of C that stay in the cache */

/* Row-major products by updates of rows of C; fast enough to be a fallback. */
static void
own_sgemm(bool transpose_a, bool transpose_b, int m, int n, int k,
		  const float *a, int lda, const float *b, int ldb,
		  float beta, float *c, int ldc)
{
	for (int i = 0; i < m; i++)
	{
		float	   *restrict c_row = c + (size_t) i * ldc;

		for (int j = 0; j < n; j++)
			c_row[j] = beta == 0.0f ? 0.0f : beta * c_row[j];
	}
	if (transpose_b)
	{
		for (int i = 0; i < m; i++)
			for (int j = 0; j < n; j++)
			{
				const float *restrict b_row = b + (size_t) j * ldb;
				float		part[CLF_LANES] = {0};
				float		sum = 0.0f;
				int			p = 0;

				for (; p + CLF_LANES <= k && !transpose_a; p += CLF_LANES)
					for (int lane = 0; lane < CLF_LANES; lane++)
						part[lane] += a[(size_t) i * lda + p + lane] * b_row[p + lane];
				for (int lane = 0; lane < CLF_LANES; lane++)
					sum += part[lane];
				for (; p < k; p++)
					sum += (transpose_a ? a[(size_t) p * lda + i] : a[(size_t) i * lda + p]) * b_row[p];
				c[(size_t) i * ldc + j] += sum;
			}
		return;
	}
	for (int start = 0; start < n; start += STRIP)
	{
		int			width = n - start < STRIP ? n - start : STRIP;

		for (int i = 0; i < m; i++)
			for (int p = 0; p < k; p++)
				axpy((size_t) width,
					 transpose_a ? a[(size_t) p * lda + i] : a[(size_t) i * lda + p],
					 b + (size_t) p * ldb + start, c + (size_t) i * ldc + start);
	}
}

#include "kernels_predict.h"
#include "kernels_product.h"

static const ClfKernels kernels = {
	.name = KERNELS_NAME,
	.sgemm = own_sgemm,
	.multiply = multiply,
	.lstm_forward = lstm_forward,
	.lstm_backward = lstm_backward,
	.axpy = axpy,
	.take_maximum = take_maximum,
	.average = average,
	.square_sum = square_sum,
	.adam = adam,
	.project = project,
	.lstm_step = lstm_step,
	.lstm_step_pairs = lstm_step_pairs,
	.quantise = quantise,
	.project_bytes = project_bytes,
	.lstm_step_bytes = lstm_step_bytes,
	.maximum = maximum,
};

const ClfKernels *
KERNELS_FUNCTION(void)
{
	return &kernels;
}

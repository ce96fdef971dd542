/*
 * kernels_template.h
 *	  The text of all kernel sets.  Included by kernels_*.c, which define
 *	  KERNELS_NAME, KERNELS_FUNCTION and PROJECT_ROWS, the rows that project
 *	  keeps in registers at a time.
 *
 * Loops over units are left to the compiler's vectoriser.  The two products
 * of prediction, where registers must be planned, use vectors of CLF_LANES
 * floats, which the compiler splits where the target's are shorter.
 */

/* Lanes pass between functions of this file only, which are inlined */
#pragma GCC diagnostic ignored "-Wpsabi"

typedef float Lanes __attribute__((vector_size(CLF_LANES * sizeof(float))));
typedef float LanesUnaligned __attribute__((vector_size(CLF_LANES * sizeof(float)),
											 aligned(sizeof(float))));

/*
 * tanh as a quotient of polynomials of degree 13 and 6, as in Eigen
 * (MathFunctionsImpl.h): within 4 units in the last place.  Beyond the clamp
 * tanh is 1 in single precision.  A macro, for floats and for Lanes alike.
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

/* ---- prediction ---- */

static inline Lanes
load(const float *p)
{
	return *(const LanesUnaligned *) p;
}

static inline void
store(float *p, Lanes x)
{
	*(LanesUnaligned *) p = x;
}

/* tanh per lane, see tanh_of */
static inline Lanes
tanh_lanes(Lanes x)
{
	float		clamped[CLF_LANES];
	Lanes		y;
	Lanes		x2;

	store(clamped, x);
	for (int lane = 0; lane < CLF_LANES; lane++)
	{
		float		low = clamped[lane] < -TANH_CLAMP ? -TANH_CLAMP : clamped[lane];

		clamped[lane] = low > TANH_CLAMP ? TANH_CLAMP : low;
	}
	y = load(clamped);
	x2 = y * y;
	return TANH_NUMERATOR(y, x2) / TANH_DENOMINATOR(x2);
}

static inline Lanes
sigmoid_lanes(Lanes x)
{
	return 0.5f + 0.5f * tanh_lanes(0.5f * x);
}

/* rows (at most PROJECT_ROWS, a constant where inlined) of one block */
static inline __attribute__((always_inline)) void
project_rows(size_t rows, size_t K, const float *x, size_t x_stride,
			 const float *w, const float *bias, float *out, size_t out_stride)
{
	Lanes		sum[PROJECT_ROWS][4];

	for (size_t r = 0; r < rows; r++)
		for (int g = 0; g < 4; g++)
			sum[r][g] = load(bias + g * CLF_LANES);
	for (size_t k = 0; k < K; k++)
	{
		Lanes		w0 = load(w + k * CLF_BLOCK);
		Lanes		w1 = load(w + k * CLF_BLOCK + CLF_LANES);
		Lanes		w2 = load(w + k * CLF_BLOCK + 2 * CLF_LANES);
		Lanes		w3 = load(w + k * CLF_BLOCK + 3 * CLF_LANES);

		for (size_t r = 0; r < rows; r++)
		{
			float		value = x[r * x_stride + k];

			sum[r][0] += value * w0;
			sum[r][1] += value * w1;
			sum[r][2] += value * w2;
			sum[r][3] += value * w3;
		}
	}
	for (size_t r = 0; r < rows; r++)
		for (int g = 0; g < 4; g++)
			store(out + r * out_stride + g * CLF_LANES, sum[r][g]);
}

static void
project(size_t rows, size_t K, const float *x, size_t x_stride,
		size_t blocks, const float *w, const float *bias, float *out)
{
	size_t		out_stride = blocks * CLF_BLOCK;

	for (size_t block = 0; block < blocks; block++)
	{
		const float *w_block = w + block * K * CLF_BLOCK;
		const float *bias_block = bias + block * CLF_BLOCK;
		float	   *out_block = out + block * CLF_BLOCK;
		size_t		row = 0;

		for (; row + PROJECT_ROWS <= rows; row += PROJECT_ROWS)
			project_rows(PROJECT_ROWS, K, x + row * x_stride, x_stride, w_block,
						 bias_block, out_block + row * out_stride, out_stride);
		for (; row < rows; row++)
			project_rows(1, K, x + row * x_stride, x_stride, w_block,
						 bias_block, out_block + row * out_stride, out_stride);
	}
}

static void
lstm_step(size_t blocks, const float *gates, const float *h, const float *u,
		  float *restrict c, float *restrict h_out)
{
	size_t		H = blocks * CLF_LANES;

	for (size_t block = 0; block < blocks; block++)
	{
		const float *restrict u_block = u + block * H * CLF_BLOCK;
		Lanes		even[4];
		Lanes		odd[4];
		Lanes		cell;

		/* two sums per gate, for a product does not wait for the one before */
		for (int g = 0; g < 4; g++)
		{
			even[g] = load(gates + block * CLF_BLOCK + g * CLF_LANES);
			odd[g] = (Lanes) {0};
		}
		for (size_t k = 0; k < H; k += 2)
			for (int g = 0; g < 4; g++)
			{
				even[g] += h[k] * load(u_block + k * CLF_BLOCK + g * CLF_LANES);
				odd[g] += h[k + 1] * load(u_block + (k + 1) * CLF_BLOCK + g * CLF_LANES);
			}
		for (int g = 0; g < 4; g++)
			even[g] += odd[g];
		cell = sigmoid_lanes(even[1]) * load(c + block * CLF_LANES) +
			sigmoid_lanes(even[0]) * tanh_lanes(even[2]);
		store(c + block * CLF_LANES, cell);
		store(h_out + block * CLF_LANES, sigmoid_lanes(even[3]) * tanh_lanes(cell));
	}
}

static const ClfKernels kernels = {
	.name = KERNELS_NAME,
	.sgemm = own_sgemm,
	.lstm_forward = lstm_forward,
	.lstm_backward = lstm_backward,
	.axpy = axpy,
	.adam = adam,
	.project = project,
	.lstm_step = lstm_step,
};

const ClfKernels *
KERNELS_FUNCTION(void)
{
	return &kernels;
}

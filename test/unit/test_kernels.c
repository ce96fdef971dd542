/*
 * test_kernels.c
 *	  Every set of kernels that this CPU runs against plain loops in double
 *	  precision, at sizes that fit no vector.
 */
#include "panels.h"
#include "unit.h"

static const ClfKernels *kernels;
static ClfRng rng;

static const size_t sizes[] = {1, 2, 3, 5, 15, 16, 17, 31, 33, 64, 100};

#define SIZES (sizeof sizes / sizeof sizes[0])

/* Random numbers in (-scale, scale), from malloc, one more than asked. */
static float *
numbers(size_t count, float scale)
{
	float	   *x = malloc((count + 1) * sizeof *x);

	for (size_t i = 0; i <= count; i++)
		x[i] = scale * (2 * clf_rng_uniform(&rng) - 1);
	return x;
}

static double
sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* ---- products ---- */

static double
element(bool transpose, const float *x, int ld, int row, int column)
{
	return transpose ? x[(size_t) column * ld + row] : x[(size_t) row * ld + column];
}

static void
check_sgemm(bool ta, bool tb, int m, int n, int k, int pad, float beta)
{
	int			lda = (ta ? m : k) + pad;
	int			ldb = (tb ? k : n) + pad;
	int			ldc = n + pad;
	float	   *a = numbers((size_t) (ta ? k : m) * lda, 1);
	float	   *b = numbers((size_t) (tb ? n : k) * ldb, 1);
	float	   *c = numbers((size_t) m * ldc, 1);
	float	   *before = malloc(((size_t) m * ldc + 1) * sizeof *before);

	memcpy(before, c, ((size_t) m * ldc + 1) * sizeof *before);
	if (beta == 0 && m > 0 && n > 0)	/* what is there does not count, not even NaN */
		c[0] = NAN;
	kernels->sgemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
	for (int i = 0; i < m; i++)
	{
		for (int j = 0; j < n; j++)
		{
			double		sum = beta * (double) before[(size_t) i * ldc + j];

			for (int p = 0; p < k; p++)
				sum += element(ta, a, lda, i, p) * element(tb, b, ldb, p, j);
			CHECK(fabs(c[(size_t) i * ldc + j] - sum) < 1e-5 * (1 + sqrt(k)),
				  "%d%d %dx%dx%d beta %g [%d,%d]: %g, not %g", ta, tb, m, n, k, beta, i, j,
				  c[(size_t) i * ldc + j], sum);
		}
		for (int j = n; j < ldc; j++)
			CHECK(c[(size_t) i * ldc + j] == before[(size_t) i * ldc + j],
				  "writes between the rows of C");
	}
	free(a);
	free(b);
	free(c);
	free(before);
}

static void
sgemm_all_forms(void)
{
	static const int shapes[][3] = {
		{1, 1, 1}, {1, 7, 3}, {5, 1, 9}, {3, 4, 0}, {17, 33, 5}, {31, 16, 64}, {2, 300, 17}, {8, 259, 40}, {0, 3, 3}, {3, 0, 3}
	};
	static const float betas[] = {0, 1, -0.5f};

	for (int form = 0; form < 4; form++)
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
			for (int pad = 0; pad < 4; pad += 3)
				for (int b = 0; b < 3; b++)
					check_sgemm(form & 1, form & 2, shapes[s][0], shapes[s][1], shapes[s][2],
								pad, betas[b]);
}

static void
check_multiply(size_t n, size_t K, size_t N, size_t pad, bool transpose, bool add)
{
	size_t		lda = K + pad;
	size_t		ldc = N + pad;
	float	   *a = numbers(n * lda, 1);
	float	   *w = numbers(K * N, 1);
	float	   *c = numbers(n * ldc, 1);
	float	   *before = malloc((n * ldc + 1) * sizeof *before);
	float	   *panels = malloc(clf_panels_floats(K, N) * sizeof *panels);

	clf_panels_fill(panels, transpose, K, N, w);
	memcpy(before, c, (n * ldc + 1) * sizeof *before);
	if (!add)					/* what is there does not count, not even NaN */
		c[0] = NAN;
	kernels->multiply(n, K, N, a, lda, panels, add, c, ldc);
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < N; j++)
		{
			double		sum = add ? before[i * ldc + j] : 0;

			for (size_t k = 0; k < K; k++)
				sum += (double) a[i * lda + k] * w[transpose ? j * K + k : k * N + j];
			CHECK(fabs(c[i * ldc + j] - sum) < 1e-5 * (1 + sqrt((double) K)),
				  "%zux%zux%zu [%zu,%zu]: %g, not %g", n, K, N, i, j, c[i * ldc + j], sum);
		}
		for (size_t j = N; j < ldc; j++)
			CHECK(c[i * ldc + j] == before[i * ldc + j], "writes between the rows of C");
	}
	free(a);
	free(w);
	free(c);
	free(before);
	free(panels);
}

static void
products_by_panels(void)
{
	static const size_t columns[] = {1, 31, 32, 33, 64, 96, 100, 130};

	for (size_t n = 1; n < 15; n++)
		for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
			for (int form = 0; form < 8; form++)
				check_multiply(n, n * i + 1, columns[i], form & 4 ? 3 : 0, form & 1, form & 2);
}

/* ---- steps of training ---- */

static void
check_forward(size_t n, size_t H, bool history)
{
	size_t		stride = 2 * H + 1;
	float	   *gates = numbers(n * 4 * H, 6);
	float	   *before = malloc(n * 4 * H * sizeof *before);
	float	   *bias = numbers(4 * H, 1);
	float	   *c_previous = numbers(n * H, 2);
	float	   *c = numbers(n * H, 1);
	float	   *tanh_c = numbers(n * H, 1);
	float	   *h = numbers(n * stride, 1);

	memcpy(before, gates, n * 4 * H * sizeof *before);
	kernels->lstm_forward(n, H, gates, bias, history ? c_previous : NULL, c, tanh_c, h, stride);
	for (size_t row = 0; row < n; row++)
		for (size_t j = 0; j < H; j++)
		{
			const float *z = before + row * 4 * H;
			double		i = sigmoid((double) z[j] + bias[j]);
			double		f = sigmoid((double) z[H + j] + bias[H + j]);
			double		g = tanh((double) z[2 * H + j] + bias[2 * H + j]);
			double		o = sigmoid((double) z[3 * H + j] + bias[3 * H + j]);
			double		cell = i * g + (history ? f * c_previous[row * H + j] : 0);

			CHECK(fabs(c[row * H + j] - cell) < 2e-6, "c is off: %g, not %g", c[row * H + j], cell);
			CHECK(fabs(tanh_c[row * H + j] - tanh(cell)) < 2e-6, "tanh c is off");
			CHECK(fabs(h[row * stride + j] - o * tanh(cell)) < 2e-6, "h is off");
		}
	free(gates);
	free(before);
	free(bias);
	free(c_previous);
	free(c);
	free(tanh_c);
	free(h);
}

static void
forward_steps(void)
{
	for (size_t s = 0; s < SIZES; s++)
		for (size_t n = 1; n <= 3; n++)
		{
			check_forward(n, sizes[s], false);
			check_forward(n, sizes[s], true);
		}
}

static void
check_backward(size_t n, size_t H, bool history)
{
	size_t		stride = 2 * H + 1;
	float	   *gates = numbers(n * 4 * H, 0.5f);
	float	   *before = malloc(n * 4 * H * sizeof *before);
	float	   *c_previous = numbers(n * H, 1);
	float	   *t = numbers(n * H, 0.9f);
	float	   *dh = numbers(n * stride, 1);
	float	   *dh_next = numbers(n * H, 1);
	float	   *dc = numbers(n * H, 1);
	float	   *dc_before = malloc(n * H * sizeof *dc_before);

	for (size_t k = 0; k < n * 4 * H; k++)
		gates[k] += 0.5f;
	memcpy(before, gates, n * 4 * H * sizeof *before);
	memcpy(dc_before, dc, n * H * sizeof *dc);
	kernels->lstm_backward(n, H, gates, history ? c_previous : NULL, t, dh, stride, dh_next, dc);
	for (size_t row = 0; row < n; row++)
		for (size_t j = 0; j < H; j++)
		{
			const float *a = before + row * 4 * H;
			const float *d = gates + row * 4 * H;
			double		i = a[j];
			double		f = a[H + j];
			double		g = a[2 * H + j];
			double		o = a[3 * H + j];
			double		tc = t[row * H + j];
			double		d_h = (double) dh[row * stride + j] + dh_next[row * H + j];
			double		d_c = dc_before[row * H + j] + d_h * o * (1 - tc * tc);
			double		cp = history ? c_previous[row * H + j] : 0;

			CHECK(fabs(d[j] - d_c * g * i * (1 - i)) < 1e-6, "gradient of i is off");
			CHECK(fabs(d[H + j] - d_c * cp * f * (1 - f)) < 1e-6, "gradient of f is off");
			CHECK(fabs(d[2 * H + j] - d_c * i * (1 - g * g)) < 1e-6, "gradient of c is off");
			CHECK(fabs(d[3 * H + j] - d_h * tc * o * (1 - o)) < 1e-6, "gradient of o is off");
			CHECK(fabs(dc[row * H + j] - (history ? d_c * f : 0)) < 1e-6, "dc is off");
		}
	free(gates);
	free(before);
	free(c_previous);
	free(t);
	free(dh);
	free(dh_next);
	free(dc);
	free(dc_before);
}

static void
backward_steps(void)
{
	for (size_t s = 0; s < SIZES; s++)
		for (size_t n = 1; n <= 3; n++)
		{
			check_backward(n, sizes[s], false);
			check_backward(n, sizes[s], true);
		}
}

/* tanh and sigmoid saturate and never leave their range. */
static void
extreme_inputs(void)
{
	static const float extremes[] = {0, -0.0f, 1e-30f, 1e-5f, 8, -8, 90, -90, 1e30f, -1e30f, 3e38f};
	size_t		H = sizeof extremes / sizeof extremes[0];
	float		gates[44];
	float		bias[44] = {0};
	float		c[11];
	float		tanh_c[11];
	float		h[11];

	for (size_t k = 0; k < 4 * H; k++)
		gates[k] = extremes[k % H];
	kernels->lstm_forward(1, H, gates, bias, NULL, c, tanh_c, h, H);
	for (size_t j = 0; j < H; j++)
	{
		CHECK(fabs(gates[j] - sigmoid(extremes[j])) < 1e-6 && gates[j] >= 0 && gates[j] <= 1,
			  "sigmoid(%g) is %g", extremes[j], gates[j]);
		CHECK(fabs(gates[2 * H + j] - tanh(extremes[j])) < 1e-6 && fabsf(gates[2 * H + j]) <= 1,
			  "tanh(%g) is %.9g", extremes[j], gates[2 * H + j]);
		CHECK(isfinite(h[j]), "h is not finite");
	}
}

static void
vector_updates(void)
{
	for (size_t s = 0; s < SIZES; s++)
	{
		size_t		n = sizes[s];
		float	   *x = numbers(n, 1);
		float	   *y = numbers(n, 1);
		float	   *m = numbers(n, 1);
		float	   *v = numbers(n, 1);
		float		y0 = y[n / 2];
		float		m0 = m[n / 2];
		float		v0;
		float		end = y[n];
		double		m1;
		double		v1;

		for (size_t i = 0; i <= n; i++)
			v[i] = fabsf(v[i]);
		v0 = v[n / 2];
		kernels->axpy(n, 0.5f, x, y);
		CHECK(fabs(y[n / 2] - (y0 + 0.5 * x[n / 2])) < 1e-6 && y[n] == end, "axpy is off");
		y0 = y[n / 2];
		kernels->adam(n, y, m, v, x, 0.01f, 0.9f, 0.999f, 1e-7f);
		m1 = m0 + (x[n / 2] - (double) m0) * 0.1;
		v1 = v0 + (x[n / 2] * (double) x[n / 2] - v0) * 0.001;
		CHECK(fabs(m[n / 2] - m1) < 1e-6 && fabs(v[n / 2] - v1) < 1e-6, "moments are off");
		CHECK(fabs(y[n / 2] - (y0 - 0.01 * m1 / (sqrt(v1) + 1e-7))) < 1e-5 && y[n] == end, "adam is off");
		free(x);
		free(y);
		free(m);
		free(v);
	}
}

/* ---- steps of prediction ---- */

#define ROWS 14					/* more than twice what any set takes at a time */

/* Addresses of rows that stand so far apart. */
static void
addresses(float *first, size_t stride, float **rows)
{
	for (size_t r = 0; r < ROWS; r++)
		rows[r] = first + r * stride;
}

static void
projections(void)
{
	for (size_t rows = 1; rows <= ROWS; rows++)
		for (size_t blocks = 1; blocks <= 3; blocks++)
			for (size_t K = 1; K <= 40; K += 13)
			{
				size_t		width = blocks * CLF_BLOCK;
				float	   *x = numbers(ROWS * (K + 2), 1);
				float	   *w = numbers(blocks * K * CLF_BLOCK, 1);
				float	   *bias = numbers(width, 1);
				float	   *out = numbers(ROWS * width, 1);
				float	   *alone = numbers(width, 1);
				float		end = out[rows * width];
				float	   *x_rows[ROWS];
				float	   *out_rows[ROWS];

				addresses(x, K + 2, x_rows);
				addresses(out, width, out_rows);
				kernels->project(rows, K, (const float *const *) x_rows, blocks, w, bias, out_rows);
				for (size_t r = 0; r < rows; r++)
				{
					const float *x_row = x_rows[r];

					for (size_t j = 0; j < width; j++)
					{
						size_t		block = j / CLF_BLOCK;
						double		sum = bias[j];

						for (size_t k = 0; k < K; k++)
							sum += (double) x[r * (K + 2) + k] *
								w[(block * K + k) * CLF_BLOCK + j % CLF_BLOCK];
						CHECK(fabs(out[r * width + j] - sum) < 1e-4, "off at %zu,%zu", r, j);
					}
					kernels->project(1, K, &x_row, blocks, w, bias, &alone);
					CHECK(memcmp(alone, out_rows[r], width * sizeof *alone) == 0,
						  "row %zu of %zu is not what it is alone", r, rows);
				}
				CHECK(out[rows * width] == end, "writes past the end");
				free(x);
				free(w);
				free(bias);
				free(out);
				free(alone);
			}
}

static void
check_steps(size_t rows, size_t blocks)
{
	size_t		H = blocks * CLF_LANES;
	size_t		width = blocks * CLF_BLOCK;
	float	   *gates = numbers(ROWS * width, 2);
	float	   *h = numbers(ROWS * H, 1);
	float	   *u = numbers(blocks * H * CLF_BLOCK, 0.3f);
	float	   *c = numbers(ROWS * H, 2);
	float	   *c0 = malloc(ROWS * H * sizeof *c0);
	float	   *out = numbers(ROWS * H, 1);
	float	   *alone = numbers(H, 1);
	float	   *gates_rows[ROWS];
	float	   *h_rows[ROWS];
	float	   *out_rows[ROWS];

	memcpy(c0, c, ROWS * H * sizeof *c0);
	addresses(gates, width, gates_rows);
	addresses(h, H, h_rows);
	addresses(out, H, out_rows);
	kernels->lstm_step(rows, blocks, (const float *const *) gates_rows,
					   (const float *const *) h_rows, u, c, out_rows);
	for (size_t r = 0; r < rows; r++)
	{
		const float *one_gates = gates_rows[r];
		const float *one_h = h_rows[r];

		for (size_t unit = 0; unit < H; unit++)
		{
			size_t		block = unit / CLF_LANES;
			double		z[4];
			double		cell;

			for (int g = 0; g < 4; g++)
			{
				size_t		column = (size_t) g * CLF_LANES + unit % CLF_LANES;

				z[g] = gates_rows[r][block * CLF_BLOCK + column];
				for (size_t k = 0; k < H; k++)
					z[g] += (double) h_rows[r][k] * u[(block * H + k) * CLF_BLOCK + column];
			}
			cell = sigmoid(z[1]) * c0[r * H + unit] + sigmoid(z[0]) * tanh(z[2]);
			CHECK(fabs(c[r * H + unit] - cell) < 1e-5, "c is off");
			CHECK(fabs(out_rows[r][unit] - sigmoid(z[3]) * tanh(cell)) < 1e-5, "h is off");
		}
		kernels->lstm_step(1, blocks, &one_gates, &one_h, u, c0 + r * H, &alone);
		CHECK(memcmp(alone, out_rows[r], H * sizeof *alone) == 0 &&
			  memcmp(c0 + r * H, c + r * H, H * sizeof *c) == 0,
			  "row %zu of %zu is not what it is alone", r, rows);
	}
	free(gates);
	free(h);
	free(u);
	free(c);
	free(c0);
	free(out);
	free(alone);
}

/*
 * Largest difference that weights in pairs make to a step of check_pairs: none,
 * but where the states are read to 16 bits.  Were these read to 8, it would be
 * a hundred times as much.
 */
static float
pairs_tolerance(void)
{
	return strcmp(kernels->name, "avx512bf16") == 0 ? 1e-5f : 0;
}

/* Weights two to a word give what the same weights give as floats. */
static void
check_pairs(size_t rows, size_t blocks)
{
	size_t		H = blocks * CLF_LANES;
	size_t		width = blocks * CLF_BLOCK;
	float	   *gates = numbers(ROWS * width, 2);
	float	   *h = numbers(ROWS * H, 1);
	float	   *u = numbers(blocks * H * CLF_BLOCK, 0.3f);
	uint32_t   *pairs = calloc(blocks * H * CLF_BLOCK / 2, sizeof *pairs);
	uint32_t   *words = malloc(ROWS * H * sizeof *words);
	float	   *c0 = numbers(ROWS * H, 2);
	float	   *c[2] = {malloc(ROWS * H * sizeof *c[0]), malloc(ROWS * H * sizeof *c[1])};
	float	   *out[2] = {numbers(ROWS * H, 1), numbers(ROWS * H, 1)};
	float	   *alone = numbers(H, 1);
	float	   *gates_rows[ROWS];
	float	   *h_rows[ROWS];
	float	   *out_rows[2][ROWS];

	for (size_t i = 0; i < blocks * H * CLF_BLOCK; i++)
	{
		size_t		k = i / CLF_BLOCK;
		uint32_t	bits;

		memcpy(&bits, &u[i], sizeof bits);
		bits &= 0xFFFF0000;
		memcpy(&u[i], &bits, sizeof bits);
		pairs[k / 2 * CLF_BLOCK + i % CLF_BLOCK] |= k % 2 ? bits : bits >> 16;
	}
	for (int form = 0; form < 2; form++)
	{
		memcpy(c[form], c0, ROWS * H * sizeof *c0);
		addresses(out[form], H, out_rows[form]);
	}
	addresses(gates, width, gates_rows);
	addresses(h, H, h_rows);
	kernels->lstm_step(rows, blocks, (const float *const *) gates_rows, (const float *const *) h_rows,
					   u, c[0], out_rows[0]);
	kernels->lstm_step_pairs(rows, blocks, (const float *const *) gates_rows, (const float *const *) h_rows,
							 pairs, words, c[1], out_rows[1]);
	for (size_t i = 0; i < rows * H; i++)
		CHECK(fabsf(c[1][i] - c[0][i]) <= pairs_tolerance() && fabsf(out[1][i] - out[0][i]) <= pairs_tolerance(),
			  "%zu rows of %zu blocks: %g, not %g", rows, blocks, out[1][i], out[0][i]);
	for (size_t r = 0; r < rows; r++)
	{
		const float *one_gates = gates_rows[r];
		const float *one_h = h_rows[r];

		kernels->lstm_step_pairs(1, blocks, &one_gates, &one_h, pairs, words, c0 + r * H, &alone);
		CHECK(memcmp(alone, out_rows[1][r], H * sizeof *alone) == 0 &&
			  memcmp(c0 + r * H, c[1] + r * H, H * sizeof *c0) == 0,
			  "row %zu of %zu is not what it is alone", r, rows);
	}
	free(gates);
	free(h);
	free(u);
	free(pairs);
	free(words);
	free(c0);
	free(alone);
	for (int form = 0; form < 2; form++)
	{
		free(c[form]);
		free(out[form]);
	}
}

static void
prediction_steps(void)
{
	for (size_t blocks = 1; blocks <= 4; blocks++)
		for (size_t rows = 1; rows <= ROWS; rows++)
		{
			check_steps(rows, blocks);
			check_pairs(rows, blocks);
		}
}

#define COARSE 1.5e-4f			/* largest error on bytes of a state c up to 2, and of outputs */

/* The cell saturates and never leaves its range. */
static void
check_extreme_cell(float i, float f, float g, float o, bool bytes)
{
	float		gates[CLF_BLOCK];
	float		c[CLF_LANES];
	float		out[CLF_LANES];
	const float *gates_row = gates;
	float	   *out_row = out;
	float		step = bytes ? 0.125f : 1;	/* between the lanes' states before */

	for (size_t lane = 0; lane < CLF_LANES; lane++)
	{
		gates[lane] = i;
		gates[CLF_LANES + lane] = f;
		gates[2 * CLF_LANES + lane] = g;
		gates[3 * CLF_LANES + lane] = o;
		c[lane] = step * ((float) lane - 8);
	}
	if (bytes)
	{
		static const int8_t u[CLF_LANES * CLF_BLOCK];
		static const int32_t start[CLF_BLOCK];
		static const float scale[CLF_BLOCK];
		uint8_t		h[CLF_LANES];
		uint8_t		q[CLF_LANES];
		const uint8_t *h_row = h;
		uint8_t    *q_row = q;

		memset(h, CLF_ZERO, sizeof h);
		kernels->lstm_step_bytes(1, 1, false, &gates_row, &h_row, u, start, scale, c, &out_row, &q_row);
	}
	else
	{
		static const float u[CLF_LANES * CLF_BLOCK];
		float		h[CLF_LANES] = {0};
		const float *h_row = h;

		kernels->lstm_step(1, 1, &gates_row, &h_row, u, c, &out_row);
	}
	for (size_t lane = 0; lane < CLF_LANES; lane++)
	{
		double		cell = sigmoid(f) * step * ((double) lane - 8) + sigmoid(i) * tanh(g);
		double		h = sigmoid(o) * tanh(cell);

		CHECK(fabs(c[lane] - cell) < (bytes ? COARSE : 5e-6), "c is %g, not %g", c[lane], cell);
		CHECK(fabs(out[lane] - h) < (bytes ? COARSE : 2e-6) && fabsf(out[lane]) <= 1.000001f,
			  "h is %g, not %g", out[lane], h);
	}
}

static void
extreme_cells(void)
{
	static const float extremes[] = {0, -0.0f, 1e-30f, 1e-5f, 8, -8, 90, -90, 1e30f, -1e30f, 3e38f};

	for (size_t i = 0; i < 11; i++)
		for (size_t f = 0; f < 11; f++)
			for (size_t g = 0; g < 11; g++)
				for (int bytes = 0; bytes < 2; bytes++)
					check_extreme_cell(extremes[i], extremes[f], extremes[g], extremes[(i + f + g) % 11], bytes);
}

/* What is no number stays so, as float, and is the lowest of bytes. */
static void
no_numbers(void)
{
	static const int8_t u[CLF_LANES * CLF_BLOCK];
	static const int32_t start[CLF_BLOCK];
	static const float scale[CLF_BLOCK];
	float		gates[CLF_BLOCK];
	float		c[CLF_LANES] = {0};
	float		out[CLF_LANES] = {0};
	uint8_t		h[CLF_LANES] = {0};
	uint8_t		q[CLF_LANES];
	const float *gates_row = gates;
	const uint8_t *h_row = h;
	float	   *out_row = out;
	uint8_t    *q_row = q;

	for (size_t i = 0; i < CLF_BLOCK; i++)
		gates[i] = NAN;
	memset(q, 77, sizeof q);
	kernels->lstm_step_bytes(1, 1, false, &gates_row, &h_row, u, start, scale, c, &out_row, &q_row);
	for (size_t lane = 0; lane < CLF_LANES; lane++)
		CHECK(isnan(c[lane]) && isnan(out[lane]) && q[lane] == 0, "no number becomes one");
}

/* What is computed on bytes has activations that are that near, from end to end. */
static void
coarse_activations(void)
{
	for (float z = -20; z <= 20; z += 1.0f / 64)
	{
		check_extreme_cell(z, 90, -90, 90, true);
		check_extreme_cell(-90, z, 0, 90, true);
		check_extreme_cell(90, -90, z, 90, true);
		check_extreme_cell(90, 90, 90, z, true);
	}
}

/* ---- the same on bytes ---- */

static void
quantised_inputs(void)
{
	static const float scales[] = {1, 0, 1e-38f, 1e-45f, 3e38f};

	for (size_t s = 0; s < SIZES; s++)
		for (size_t k = 0; k < sizeof scales / sizeof scales[0]; k++)
		{
			size_t		n = sizes[s];
			float	   *x = numbers(n, scales[k]);
			uint8_t	   *q = malloc(n + 1);
			float		largest = 0;

			q[n] = 77;
			for (size_t i = 0; i < n; i++)
				largest = fmaxf(largest, fabsf(x[i]));
			CHECK(kernels->quantise(n, x, q) == largest && q[n] == 77, "not the largest");
			for (size_t i = 0; i < n; i++)
			{
				CHECK(q[i] >= 1, "a byte of less than -127");
				CHECK(scales[k] < 1e-37f || fabs((q[i] - CLF_ZERO) * (double) largest / 127 - x[i]) <= 0.501 * largest / 127,
					  "%g becomes %d", x[i], q[i] - CLF_ZERO);
			}
			free(x);
			free(q);
		}
}

/* Bytes over their whole range, and extremes that saturate pairs of products. */
static void
random_bytes(size_t count, int extreme, uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = extreme ? (uint8_t) (extreme == 1 ? 255 : clf_rng_uniform(&rng) < 0.5f ? 0 : 255) :
			(uint8_t) (256 * clf_rng_uniform(&rng));
}

static void
check_bytes(size_t rows, size_t blocks, size_t K, int extreme)
{
	size_t		width = blocks * CLF_BLOCK;
	uint8_t    *x = malloc(ROWS * K);
	int8_t	   *w = malloc(blocks * K * CLF_BLOCK);
	int32_t    *start = malloc(width * sizeof *start);
	float	   *bias = numbers(width, 0);
	float	   *scale = numbers(width, 0);
	float	   *out = numbers(ROWS * width, 1);
	float		factor[ROWS];
	const uint8_t *x_rows[ROWS];
	float	   *out_rows[ROWS];

	random_bytes(ROWS * K, extreme, x);
	random_bytes(blocks * K * CLF_BLOCK, extreme, (uint8_t *) w);
	for (size_t i = 0; i < blocks * K * CLF_BLOCK; i++)
		w[i] = extreme ? (int8_t) (w[i] ? 127 : -127) : (int8_t) (w[i] < -127 ? -127 : w[i]);
	addresses(out, width, out_rows);
	for (size_t r = 0; r < ROWS; r++)
	{
		factor[r] = 1;
		x_rows[r] = x + r * K;
	}
	for (size_t j = 0; j < width; j++)
	{
		start[j] = 0;
		for (size_t k = 0; k < K; k++)
			start[j] -= CLF_ZERO * w[(j / CLF_BLOCK * K + k / 4 * 4) * CLF_BLOCK + j % CLF_BLOCK * 4 + k % 4];
		scale[j] = 1;
	}
	kernels->project_bytes(rows, K, x_rows, factor, blocks, w, start, scale, bias, out_rows);
	for (size_t r = 0; r < rows; r++)
		for (size_t j = 0; j < width; j++)
		{
			int64_t		sum = start[j];

			for (size_t k = 0; k < K; k++)
				sum += x_rows[r][k] * w[(j / CLF_BLOCK * K + k / 4 * 4) * CLF_BLOCK + j % CLF_BLOCK * 4 + k % 4];
			CHECK(out_rows[r][j] == (float) sum, "row %zu column %zu: %g, not %lld", r, j,
				  out_rows[r][j], (long long) sum);
		}
	free(x);
	free(w);
	free(start);
	free(bias);
	free(scale);
	free(out);
}

static void
byte_projections(void)
{
	for (size_t rows = 1; rows <= ROWS; rows++)
		for (size_t blocks = 1; blocks <= 3; blocks++)
			for (size_t K = 4; K <= 44; K += 20)
				for (int extreme = 0; extreme < 3; extreme++)
					check_bytes(rows, blocks, K, extreme);
	check_bytes(3, 2, 512, 1);	/* 255 * 127 * 512 */
}

/*
 * A step on bytes is the step on the numbers that they stand for, whatever the
 * order of its blocks.
 */
static void
check_byte_steps(size_t rows, size_t blocks)
{
	size_t		H = blocks * CLF_LANES;
	size_t		width = blocks * CLF_BLOCK;
	float	   *gates = numbers(ROWS * width, 2);
	uint8_t    *h = malloc(ROWS * H);
	float	   *h_floats = malloc(ROWS * H * sizeof *h_floats);
	int8_t	   *u = malloc(blocks * H * CLF_BLOCK);
	float	   *u_floats = malloc(blocks * H * CLF_BLOCK * sizeof *u_floats);
	int32_t    *start = calloc(width, sizeof *start);
	float	   *scale = numbers(width, 0.002f / 127);
	float	   *c = numbers(ROWS * H, 2);
	float	   *c_floats = malloc(ROWS * H * sizeof *c_floats);
	float	   *c_alone = malloc(ROWS * H * sizeof *c_alone);
	float	   *out = numbers(ROWS * H, 1);
	float	   *out_floats = numbers(ROWS * H, 1);
	uint8_t    *out_bytes = malloc(ROWS * H);
	float	   *alone = malloc(H * sizeof *alone);
	uint8_t    *alone_bytes = malloc(H);
	float	   *gates_rows[ROWS];
	float	   *h_rows[ROWS];
	float	   *out_rows[ROWS];
	float	   *floats_rows[ROWS];
	const uint8_t *bytes_rows[ROWS];
	uint8_t    *out_bytes_rows[ROWS];

	random_bytes(ROWS * H, 0, h);
	random_bytes(blocks * H * CLF_BLOCK, 0, (uint8_t *) u);
	for (size_t i = 0; i < blocks * H * CLF_BLOCK; i++)
		u[i] = u[i] < -127 ? -127 : u[i];
	memcpy(c_floats, c, ROWS * H * sizeof *c);
	memcpy(c_alone, c, ROWS * H * sizeof *c);
	for (size_t i = 0; i < ROWS * H; i++)
		h_floats[i] = (float) (h[i] - CLF_ZERO) / 127;
	for (size_t j = 0; j < width; j++)
		for (size_t k = 0; k < H; k++)
		{
			int			byte = u[(j / CLF_BLOCK * H + k / 4 * 4) * CLF_BLOCK + j % CLF_BLOCK * 4 + k % 4];

			u_floats[(j / CLF_BLOCK * H + k) * CLF_BLOCK + j % CLF_BLOCK] = (float) byte * 127 * scale[j];
			start[j] -= CLF_ZERO * byte;
		}
	addresses(gates, width, gates_rows);
	addresses(h_floats, H, h_rows);
	addresses(out, H, out_rows);
	addresses(out_floats, H, floats_rows);
	for (size_t r = 0; r < ROWS; r++)
	{
		bytes_rows[r] = h + r * H;
		out_bytes_rows[r] = out_bytes + r * H;
	}
	kernels->lstm_step(rows, blocks, (const float *const *) gates_rows,
					   (const float *const *) h_rows, u_floats, c_floats, floats_rows);
	kernels->lstm_step_bytes(rows, blocks, false, (const float *const *) gates_rows, bytes_rows, u,
							 start, scale, c, out_rows, out_bytes_rows);
	for (size_t r = 0; r < rows; r++)
	{
		const float *one_gates = gates_rows[r];

		for (size_t j = 0; j < H; j++)
		{
			CHECK(fabsf(out_rows[r][j] - floats_rows[r][j]) < COARSE && fabsf(c[r * H + j] - c_floats[r * H + j]) < COARSE,
				  "row %zu unit %zu: %g, not %g", r, j, out_rows[r][j], floats_rows[r][j]);
			CHECK(fabs((out_bytes_rows[r][j] - CLF_ZERO) / 127.0 - out_rows[r][j]) <= 0.5001 / 127, "h as byte is off");
		}
		kernels->lstm_step_bytes(1, blocks, true, &one_gates, bytes_rows + r, u, start, scale,
								 c_alone + r * H, &alone, &alone_bytes);
		CHECK(memcmp(alone, out_rows[r], H * sizeof *alone) == 0 &&
			  memcmp(alone_bytes, out_bytes_rows[r], H) == 0 &&
			  memcmp(c_alone + r * H, c + r * H, H * sizeof *c) == 0,
			  "row %zu of %zu is not what it is alone", r, rows);
	}
	free(gates);
	free(h);
	free(h_floats);
	free(u);
	free(u_floats);
	free(start);
	free(scale);
	free(c);
	free(c_floats);
	free(c_alone);
	free(out);
	free(out_floats);
	free(out_bytes);
	free(alone);
	free(alone_bytes);
}

static void
byte_steps(void)
{
	for (size_t blocks = 1; blocks <= 4; blocks++)
		for (size_t rows = 1; rows <= ROWS; rows++)
			check_byte_steps(rows, blocks);
}

static void
means_and_squares(void)
{
	for (size_t s = 0; s < SIZES; s++)
	{
		size_t		n = sizes[s];
		float	   *x = numbers(n, 1);
		float	   *y = numbers(n, 1);
		float	   *before = malloc((n + 1) * sizeof *before);
		double		sum = 0;

		memcpy(before, y, (n + 1) * sizeof *y);
		kernels->average(n, 0.75f, x, y);
		for (size_t i = 0; i < n; i++)
		{
			CHECK(fabs(y[i] - (0.75 * before[i] + 0.25 * x[i])) < 1e-6, "not the mean");
			sum += (double) x[i] * x[i];
		}
		CHECK(y[n] == before[n], "writes past the end");
		CHECK(fabs(kernels->square_sum(n, x) - sum) < 1e-12, "not the sum of squares");
		free(x);
		free(y);
		free(before);
	}
}

static void
maxima(void)
{
	for (size_t s = 0; s < SIZES; s++)
	{
		size_t		n = sizes[s];
		float	   *x = numbers(n, 1);
		float	   *y = numbers(n, 1);
		float	   *before = malloc((n + 1) * sizeof *before);

		memcpy(before, y, (n + 1) * sizeof *y);
		kernels->maximum(n, x, y);
		for (size_t i = 0; i < n; i++)
			CHECK(y[i] == fmaxf(x[i], before[i]), "not the maximum");
		CHECK(y[n] == before[n], "writes past the end");
		free(x);
		free(y);
		free(before);
	}
}

/* The first of the greatest is where a maximum comes from. */
static void
maxima_and_their_sources(void)
{
	for (size_t s = 0; s < SIZES; s++)
	{
		size_t		n = sizes[s];
		float	   *x = numbers(n, 1);
		float	   *most = numbers(n, 1);
		float	   *before = malloc((n + 1) * sizeof *before);
		int		   *from = malloc((n + 1) * sizeof *from);

		x[0] = most[0];
		memcpy(before, most, (n + 1) * sizeof *most);
		for (size_t i = 0; i <= n; i++)
			from[i] = 3;
		kernels->take_maximum(n, x, 7, most, from);
		for (size_t i = 0; i < n; i++)
			CHECK(most[i] == fmaxf(x[i], before[i]) && from[i] == (x[i] > before[i] ? 7 : 3),
				  "not the maximum, or not where it is from");
		CHECK(most[n] == before[n] && from[n] == 3, "writes past the end");
		free(x);
		free(most);
		free(before);
		free(from);
	}
}

/* Left to itself, OpenBLAS takes slow kernels on CPUs that are younger. */
static void
blas_is_told_what_to_take(void)
{
	bool		plain = strcmp(clf_kernels_name(), "generic") == 0;

	CHECK((clf_blas_core_type() == NULL) == plain, "kernels %s", clf_kernels_name());
}

int
main(void)
{
	static const struct
	{
		const char *name;
		void		(*test) (void);
	}			tests[] = {
		{"sgemm_all_forms", sgemm_all_forms},
		{"products_by_panels", products_by_panels},
		{"forward_steps", forward_steps},
		{"backward_steps", backward_steps},
		{"extreme_inputs", extreme_inputs},
		{"vector_updates", vector_updates},
		{"projections", projections},
		{"prediction_steps", prediction_steps},
		{"extreme_cells", extreme_cells},
		{"coarse_activations", coarse_activations},
		{"no_numbers", no_numbers},
		{"quantised_inputs", quantised_inputs},
		{"byte_projections", byte_projections},
		{"byte_steps", byte_steps},
		{"maxima", maxima},
		{"maxima_and_their_sources", maxima_and_their_sources},
		{"means_and_squares", means_and_squares},
	};
	const ClfKernels *sets[CLF_KERNEL_SETS];
	int			count = clf_kernels_available(sets);

	for (int set = 0; set < count; set++)
	{
		kernels = sets[set];
		clf_rng_seed(&rng, 1, 0);
		for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		{
			char		name[80];

			snprintf(name, sizeof name, "kernels_%s_%s", kernels->name, tests[i].name);
			unit_run(name, tests[i].test);
		}
	}
	unit_run("kernels_blas_is_told_what_to_take", blas_is_told_what_to_take);
	return UNIT_RESULT();
}

/*
 * kernels_predict.h
 *	  The part of kernels_template.h that runs a trained network.
 *
 * A product is computed in panels of KERNELS_VECTOR units with their four
 * gates, for up to KERNELS_ROWS rows at a time, so that sums stay in registers
 * and a weight that was loaded serves all of these rows.  Each sum has one
 * accumulator and goes through k in order, and what follows the sums is
 * compiled once, in cell(): a row's result does not depend on the rows beside
 * it, bit for bit.
 */

/* Sums pass between functions of this file only, which are inlined */
#pragma GCC diagnostic ignored "-Wpsabi"

#define PANELS (CLF_LANES / KERNELS_VECTOR)	/* of a block */
#define SUMS (KERNELS_ROWS > 2 ? KERNELS_ROWS : 2)
#define PAIR_ROWS (KERNELS_ROWS == 3 ? 2 : KERNELS_ROWS)	/* one register of AVX2's 16 is a mask */
#define INLINE static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(KERNELS_VECTOR * sizeof(float))));
typedef float VectorUnaligned __attribute__((vector_size(KERNELS_VECTOR * sizeof(float)),
											 aligned(sizeof(float))));
typedef int32_t Integers __attribute__((vector_size(KERNELS_VECTOR * sizeof(int32_t))));
typedef int32_t IntegersUnaligned __attribute__((vector_size(KERNELS_VECTOR * sizeof(int32_t)),
												 aligned(sizeof(int32_t))));

typedef uint32_t Pairs __attribute__((vector_size(KERNELS_VECTOR * sizeof(uint32_t))));
typedef uint32_t PairsUnaligned __attribute__((vector_size(KERNELS_VECTOR * sizeof(uint32_t)),
											   aligned(sizeof(uint32_t))));

/* ---- sums in single precision ---- */

/* sum[r * panels] += x[r][k] w for some rows, w being weights of the four gates */
INLINE void
multiply_add(const size_t rows, const size_t panels, Vector (*sum)[4], const void *const *x,
			 size_t k, const Vector w[4])
{
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
	{
		float		value = ((const float *) x[r])[k];

#pragma GCC unroll 4
		for (size_t g = 0; g < 4; g++)
			sum[r * panels][g] += value * w[g];
	}
}

/* The same from where weights k of a block stand as floats. */
INLINE void
add_floats(const size_t rows, const size_t panels, Vector (*sum)[4], const void *const *x,
		   size_t k, const float *w)
{
	Vector		weights[4];

#pragma GCC unroll 4
	for (size_t g = 0; g < 4; g++)
		weights[g] = *(const VectorUnaligned *) (w + g * CLF_LANES);
	multiply_add(rows, panels, sum, x, k, weights);
}

#if defined(__AVX512BF16__)

/*
 * x [K] as words [2][K / 2], each of two numbers: first x rounded to bfloat16,
 * then what that leaves of x, rounded, too.  Both together have 16 bits and
 * are within 2^-18 of x, relatively.
 */
INLINE void
split(size_t K, const float *x, uint32_t *words)
{
	for (size_t k = 0; k < K; k += 16)
	{
		__m512		all = _mm512_loadu_ps(x + k);
		__m256i		upper = (__m256i) _mm512_cvtneps_pbh(all);
		__m512i		widened = _mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16);
		__m256i		lower = (__m256i) _mm512_cvtneps_pbh(all - _mm512_castsi512_ps(widened));

		_mm256_storeu_si256((__m256i *) (words + k / 2), upper);
		_mm256_storeu_si256((__m256i *) (words + (K + k) / 2), lower);
	}
}

/*
 * Weights k and k + 1 of a block, k being even, stand in pairs as the instruction
 * takes them that adds two products to a sum.  x[r] [K] is split, so there are
 * two of these where otherwise there would be two multiplications with additions,
 * for which weights would have to be widened first.
 * Whatever MXCSR says, the instruction rounds to nearest and takes denormal
 * numbers for zeros.
 */
INLINE void
add_pairs(const size_t rows, const size_t panels, Vector (*sum)[4], size_t K,
		  const void *const *x, size_t k, const uint32_t *w)
{
	__m512bh	weights[4];

#pragma GCC unroll 4
	for (size_t g = 0; g < 4; g++)
		weights[g] = (__m512bh) _mm512_loadu_si512(w + g * CLF_LANES);
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (size_t part = 0; part < 2; part++)
		{
			int32_t		word = ((const int32_t *) x[r])[(part * K + k) / 2];
			__m512bh	values = (__m512bh) _mm512_set1_epi32(word);

#pragma GCC unroll 4
			for (size_t g = 0; g < 4; g++)
				sum[r * panels][g] = _mm512_dpbf16_ps(sum[r * panels][g], values, weights[g]);
		}
}

#else

/* Weights k and k + 1 of a block, k being even, which stand in pairs. */
INLINE void
add_pairs(const size_t rows, const size_t panels, Vector (*sum)[4], size_t K,
		  const void *const *x, size_t k, const uint32_t *w)
{
#pragma GCC unroll 2
	for (size_t part = 0; part < 2; part++)
	{
		Vector		weights[4];

#pragma GCC unroll 4
		for (size_t g = 0; g < 4; g++)
		{
			Pairs		both = *(const PairsUnaligned *) (w + g * CLF_LANES);

			weights[g] = (Vector) (part == 0 ? both << 16 : both & 0xFFFF0000);
		}
		multiply_add(rows, panels, sum, x, k + part, weights);
#if KERNELS_VECTOR == 8
		/* with sums of several rows, 16 registers cannot keep the words: they are read again */
		if (rows > 1)
			__asm__("" : "+r"(w));
#endif
	}
}

#endif

/*
 * out = init + x w for some rows and panels, both constants where inlined and
 * rows * panels at most SUMS.  Panels are counted from the start of a block's
 * weights, of which there may be several one after the other: floats or in
 * pairs, which is a constant, too.
 */
INLINE void
sum_panels(const bool pairs, const size_t rows, const size_t panels, size_t panel, size_t K,
		   const float *const *init, const void *const *x, const void *w, float *const *out)
{
	Vector		sum[SUMS][4];
	size_t		weights[2];
	size_t		column[2];

	for (size_t p = 0; p < panels; p++)
	{
		size_t		block = (panel + p) / PANELS;
		size_t		lane = (panel + p) % PANELS * KERNELS_VECTOR;

		weights[p] = block * K * (pairs ? CLF_BLOCK / 2 : CLF_BLOCK) + lane;
		column[p] = block * CLF_BLOCK + lane;
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
#pragma GCC unroll 4
			for (size_t g = 0; g < 4; g++)
				sum[r * panels + p][g] =
					*(const VectorUnaligned *) (init[r] + column[p] + g * CLF_LANES);
	for (size_t k = 0; k < K; k += pairs ? 2 : 1)
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
			if (pairs)
				add_pairs(rows, panels, sum + p, K, x, k,
						  (const uint32_t *) w + weights[p] + k / 2 * CLF_BLOCK);
			else
				add_floats(rows, panels, sum + p, x, k, (const float *) w + weights[p] + k * CLF_BLOCK);
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
#pragma GCC unroll 4
			for (size_t g = 0; g < 4; g++)
				*(VectorUnaligned *) (out[r] + column[p] + g * CLF_LANES) =
					sum[r * panels + p][g];
}

/* The same for any number of rows up to KERNELS_ROWS, and whole blocks. */
INLINE void
sum_rows(const bool pairs, size_t rows, size_t blocks, size_t K, const float *const *init,
		 const void *const *x, const void *w, float *const *out)
{
	size_t		panels = blocks * PANELS;
	size_t		p = 0;

	/* with one row, two panels: a sum does not wait for the one before */
	for (; rows == 1 && p + 2 <= panels; p += 2)
		sum_panels(pairs, 1, 2, p, K, init, x, w, out);
	for (; p < panels; p++)
		switch (rows)
		{
			case 1:
				sum_panels(pairs, 1, 1, p, K, init, x, w, out);
				break;
			case 2:
				sum_panels(pairs, 2, 1, p, K, init, x, w, out);
				break;
#if KERNELS_ROWS >= 3
			case 3:
				sum_panels(pairs, 3, 1, p, K, init, x, w, out);
				break;
#endif
#if KERNELS_ROWS >= 6
			case 4:
				sum_panels(pairs, 4, 1, p, K, init, x, w, out);
				break;
			case 5:
				sum_panels(pairs, 5, 1, p, K, init, x, w, out);
				break;
			case 6:
				sum_panels(pairs, 6, 1, p, K, init, x, w, out);
				break;
#endif
		}
}

static void
sum_floats(size_t rows, size_t blocks, size_t K, const float *const *init,
		   const void *const *x, const float *w, float *const *out)
{
	sum_rows(false, rows, blocks, K, init, x, w, out);
}

static void
sum_pairs(size_t rows, size_t blocks, size_t K, const float *const *init,
		  const void *const *x, const uint32_t *w, float *const *out)
{
	sum_rows(true, rows, blocks, K, init, x, w, out);
}

/* Blocks to compute at once: one row has room for two. */
INLINE size_t
blocks_at_once(size_t rows, size_t blocks_left)
{
	return rows == 1 && blocks_left >= 2 ? 2 : 1;
}

static void
project(size_t rows, size_t K, const float *const *x, size_t blocks,
		const float *w, const float *bias, float *const *out)
{
	size_t		n;

	for (size_t block = 0; block < blocks; block++)
		for (size_t row = 0; row < rows; row += n)
		{
			const float *init_at[KERNELS_ROWS];
			const void *x_at[KERNELS_ROWS];
			float	   *out_at[KERNELS_ROWS];

			n = rows - row < KERNELS_ROWS ? rows - row : KERNELS_ROWS;
			for (size_t r = 0; r < n; r++)
			{
				init_at[r] = bias + block * CLF_BLOCK;
				x_at[r] = x[row + r];
				out_at[r] = out[row + r] + block * CLF_BLOCK;
			}
			sum_floats(n, 1, K, init_at, x_at, w + block * K * CLF_BLOCK, out_at);
		}
}

/* ---- the cell ---- */

/*
 * tanh as a quotient of polynomials of degree 5 and 4, for states that end as
 * bytes: within 5e-5, where half a byte is 4e-3.  From the clamp on it is
 * 1 - 5e-5.  Fitted by linear programming, least largest error.
 */
#define COARSE_CLAMP 5.02f
#define COARSE_NUMERATOR(x, x2) \
	((x) * (0.999807865f + (x2) * (0.101667697f + (x2) * 0.00065326523f)))
#define COARSE_DENOMINATOR(x2) \
	(1.0f + (x2) * (0.434441653f + (x2) * 0.0126223933f))

/*
 * x, or the limit that it is beyond.  What is no number stays so: of two that
 * cannot be compared, the instructions take the second.
 */
INLINE Vector
clamp(Vector x, float limit)
{
	const Vector high = (Vector) {0} + limit;
	const Vector low = -high;

#if KERNELS_VECTOR == 16
	return _mm512_min_ps(high, _mm512_max_ps(low, x));
#elif KERNELS_VECTOR == 8
	return _mm256_min_ps(high, _mm256_max_ps(low, x));
#else
	Integers	below = x < low;
	Integers	above = x > high;

	return (Vector) (((Integers) low & below) | ((Integers) high & above) |
					 ((Integers) x & ~(below | above)));
#endif
}

/* tanh(x) = *numerator / *denominator, coarse or as in tanh_of */
INLINE void
tanh_fraction(const bool coarse, Vector x, Vector *numerator, Vector *denominator)
{
	Vector		clamped = clamp(x, coarse ? COARSE_CLAMP : TANH_CLAMP);
	Vector		x2 = clamped * clamped;

	*numerator = coarse ? COARSE_NUMERATOR(clamped, x2) : TANH_NUMERATOR(clamped, x2);
	*denominator = coarse ? COARSE_DENOMINATOR(x2) : TANH_DENOMINATOR(x2);
}

/*
 * Some units: updates their states c from their weighted inputs and writes their
 * outputs h.  sigmoid(x) = (1 + tanh(x/2)) / 2, and all fractions over one
 * denominator: two divisions in place of five.
 */
INLINE void
cell_units(const bool coarse, Vector zi, Vector zf, Vector zc, Vector zo, float *c, float *h)
{
	Vector		state = *(const VectorUnaligned *) c;
	Vector		pi, pf, pc, po, pt;
	Vector		qi, qf, qc, qo, qt;

	tanh_fraction(coarse, 0.5f * zi, &pi, &qi);
	tanh_fraction(coarse, 0.5f * zf, &pf, &qf);
	tanh_fraction(coarse, zc, &pc, &qc);
	tanh_fraction(coarse, 0.5f * zo, &po, &qo);
	state = ((qf + pf) * state * (qi * qc) + (qi + pi) * pc * qf) / (2.0f * qf * (qi * qc));
	*(VectorUnaligned *) c = state;
	tanh_fraction(coarse, state, &pt, &qt);
	*(VectorUnaligned *) h = (qo + po) * pt / (2.0f * qo * qt);
}

/* The whole part of a number from 0 to 255.  What is no number, in a damaged image, becomes 0. */
INLINE uint8_t
to_byte(float x)
{
	return (uint8_t) (int32_t) (x > 0 ? x : 0);
}

/* q = x * factor, from CLF_ZERO and rounded, for CLF_LANES numbers x */
INLINE void
to_bytes(const float *restrict x, float factor, uint8_t *restrict q)
{
#if KERNELS_VECTOR == 16
	Vector		numbers = *(const VectorUnaligned *) x * factor + (CLF_ZERO + 0.5f);
	__m512i		integers = _mm512_cvttps_epi32(_mm512_max_ps(numbers, _mm512_setzero_ps()));

	_mm_storeu_si128((__m128i *) q, _mm512_cvtepi32_epi8(integers));
#else
	for (size_t i = 0; i < CLF_LANES; i++)
		q[i] = to_byte(x[i] * factor + (CLF_ZERO + 0.5f));
#endif
}

/*
 * One block of units: z [CLF_BLOCK] weighted inputs, c [CLF_LANES] updated,
 * h [CLF_LANES] written.
 */
static __attribute__((noinline)) void
cell(const float *restrict z, float *restrict c, float *restrict h)
{
	for (size_t unit = 0; unit < CLF_LANES; unit += KERNELS_VECTOR)
	{
		Vector		in[4];

#pragma GCC unroll 4
		for (size_t g = 0; g < 4; g++)
			in[g] = *(const VectorUnaligned *) (z + g * CLF_LANES + unit);
		cell_units(false, in[0], in[1], in[2], in[3], c + unit, h + unit);
	}
}

/*
 * One step on weights u as floats or in pairs; x are the states h in the form
 * that the sums of these take.
 */
INLINE void
step(const bool pairs, size_t rows, size_t blocks, const float *const *gates,
	 const void *const *x, const void *u, float *c, float *const *h_out)
{
	const size_t most = pairs ? PAIR_ROWS : KERNELS_ROWS;
	size_t		H = blocks * CLF_LANES;
	size_t		n;
	size_t		together;

	for (size_t block = 0; block < blocks; block += together)
	{
		together = blocks_at_once(rows, blocks - block);
		for (size_t row = 0; row < rows; row += n)
		{
			float		z[SUMS * CLF_BLOCK] __attribute__((aligned(64)));
			const float *init_at[KERNELS_ROWS];
			float	   *out_at[KERNELS_ROWS];

			n = rows - row < most ? rows - row : most;
			for (size_t r = 0; r < n; r++)
			{
				init_at[r] = gates[row + r] + block * CLF_BLOCK;
				out_at[r] = z + r * CLF_BLOCK;
			}
			if (pairs)
				sum_pairs(n, together, H, init_at, x + row,
						  (const uint32_t *) u + block * H * (CLF_BLOCK / 2), out_at);
			else
				sum_floats(n, together, H, init_at, x + row,
						   (const float *) u + block * H * CLF_BLOCK, out_at);
			for (size_t i = 0; i < n * together; i++)
			{
				size_t		r = row + (together == 1 ? i : 0);
				size_t		unit = (block + (together == 1 ? 0 : i)) * CLF_LANES;

				cell(z + i * CLF_BLOCK, c + r * H + unit, h_out[r] + unit);
			}
		}
	}
}

static void
lstm_step(size_t rows, size_t blocks, const float *const *gates, const float *const *h,
		  const float *u, float *c, float *const *h_out)
{
	step(false, rows, blocks, gates, (const void *const *) h, u, c, h_out);
}

#if defined(__AVX512BF16__)

static void
lstm_step_pairs(size_t rows, size_t blocks, const float *const *gates, const float *const *h,
				const uint32_t *u, uint32_t *words, float *c, float *const *h_out)
{
	size_t		H = blocks * CLF_LANES;
	const void *x[CLF_STEP_ROWS];

	for (size_t r = 0; r < rows; r++)
	{
		split(H, h[r], words + r * H);
		x[r] = words + r * H;
	}
	step(true, rows, blocks, gates, x, u, c, h_out);
}

#else

static void
lstm_step_pairs(size_t rows, size_t blocks, const float *const *gates, const float *const *h,
				const uint32_t *u, uint32_t *words, float *c, float *const *h_out)
{
	step(true, rows, blocks, gates, (const void *const *) h, u, c, h_out);
}

#endif

/* ---- sums of bytes ---- */

static float
quantise(size_t n, const float *restrict x, uint8_t *restrict q)
{
	uint32_t	most = 0;		/* numbers without sign are in the order of their bits */
	float		largest;
	float		inverse;
	size_t		i = 0;

	for (size_t k = 0; k < n; k++)
	{
		uint32_t	bits;

		memcpy(&bits, x + k, sizeof bits);
		bits &= 0x7FFFFFFF;
		most = bits > most ? bits : most;
	}
	memcpy(&largest, &most, sizeof largest);
	/* what is that small adds nothing to a sum */
	inverse = largest > 1e-30f ? 127.0f / largest : 0;
	for (; i + CLF_LANES <= n; i += CLF_LANES)
		to_bytes(x + i, inverse, q + i);
	for (; i < n; i++)
		q[i] = to_byte(x[i] * inverse + (CLF_ZERO + 0.5f));
	return largest;
}

/* Four bytes as one number, for all sums that they are multiplied into. */
INLINE int32_t
four_bytes(const uint8_t *x)
{
	int32_t		word;

	memcpy(&word, x, sizeof word);
	return word;
}

#if defined(__AVX512VNNI__)

/* As sum_panels for one block: out = start + x w, where K is a multiple of 4. */
INLINE void
sum_bytes_rows(const size_t rows, size_t K, const int32_t *start,
			   const uint8_t *const *x, const int8_t *w, int32_t *out)
{
	__m512i		sum[KERNELS_ROWS][4];

#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (size_t g = 0; g < 4; g++)
			sum[r][g] = _mm512_loadu_si512(start + g * CLF_LANES);
	for (size_t k = 0; k < K; k += 4)
	{
		const int8_t *at = w + k * CLF_BLOCK;
		__m512i		w0 = _mm512_loadu_si512(at);
		__m512i		w1 = _mm512_loadu_si512(at + CLF_BLOCK);
		__m512i		w2 = _mm512_loadu_si512(at + 2 * CLF_BLOCK);
		__m512i		w3 = _mm512_loadu_si512(at + 3 * CLF_BLOCK);

#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++)
		{
			__m512i		value = _mm512_set1_epi32(four_bytes(x[r] + k));

			sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], value, w0);
			sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], value, w1);
			sum[r][2] = _mm512_dpbusd_epi32(sum[r][2], value, w2);
			sum[r][3] = _mm512_dpbusd_epi32(sum[r][3], value, w3);
		}
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (size_t g = 0; g < 4; g++)
			_mm512_storeu_si512(out + r * CLF_BLOCK + g * CLF_LANES, sum[r][g]);
}

/* sum += the products of four inputs */
INLINE void
add_products(__m512i sum[4], const uint8_t *x, const int8_t *w)
{
	__m512i		value = _mm512_set1_epi32(four_bytes(x));

#pragma GCC unroll 4
	for (size_t g = 0; g < 4; g++)
		sum[g] = _mm512_dpbusd_epi32(sum[g], value, _mm512_loadu_si512(w + g * CLF_BLOCK));
}

/* The same for one row, in two sums by turns, so that no product waits for the one before. */
static void
sum_bytes_row(size_t K, const int32_t *start, const uint8_t *x, const int8_t *w, int32_t *out)
{
	__m512i		even[4];
	__m512i		odd[4];
	size_t		k = 0;

#pragma GCC unroll 4
	for (size_t g = 0; g < 4; g++)
	{
		even[g] = _mm512_loadu_si512(start + g * CLF_LANES);
		odd[g] = _mm512_setzero_si512();
	}
	for (; k + 8 <= K; k += 8)
	{
		add_products(even, x + k, w + k * CLF_BLOCK);
		add_products(odd, x + k + 4, w + (k + 4) * CLF_BLOCK);
	}
	if (k < K)
		add_products(even, x + k, w + k * CLF_BLOCK);
#pragma GCC unroll 4
	for (size_t g = 0; g < 4; g++)
		_mm512_storeu_si512(out + g * CLF_LANES, _mm512_add_epi32(even[g], odd[g]));
}

/* out [rows][CLF_BLOCK]: up to KERNELS_ROWS rows of one block */
static void
sum_bytes(size_t rows, size_t K, const int32_t *start, const uint8_t *const *x,
		  const int8_t *w, int32_t *out)
{
	switch (rows)
	{
		case 1:
			sum_bytes_row(K, start, x[0], w, out);
			break;
		case 2:
			sum_bytes_rows(2, K, start, x, w, out);
			break;
		case 3:
			sum_bytes_rows(3, K, start, x, w, out);
			break;
		case 4:
			sum_bytes_rows(4, K, start, x, w, out);
			break;
		case 5:
			sum_bytes_rows(5, K, start, x, w, out);
			break;
		case 6:
			sum_bytes_rows(6, K, start, x, w, out);
			break;
	}
}

#else

/*
 * Without such products, inputs count from CLF_ZERO: with 8 bits and sign on both
 * sides the sum of two products fits into 16 bits, as it would not with
 * inputs up to 255.  start is what the difference comes to, so it is not needed.
 */

#if defined(__AVX2__)

/* out [CLF_BLOCK] = start + x w for one row and one block */
static void
sum_bytes_row(size_t K, const int32_t *start, const uint8_t *x, const int8_t *w, int32_t *out)
{
	const __m256i ones = _mm256_set1_epi16(1);
	const __m256i zero = _mm256_set1_epi8((char) CLF_ZERO);
	__m256i		sum[8];

#pragma GCC unroll 8
	for (int part = 0; part < 8; part++)
		sum[part] = _mm256_setzero_si256();
	for (size_t k = 0; k < K; k += 4)
	{
		__m256i		value = _mm256_xor_si256(_mm256_set1_epi32(four_bytes(x + k)), zero);
		__m256i		magnitude = _mm256_abs_epi8(value);

#pragma GCC unroll 8
		for (int part = 0; part < 8; part++)
		{
			__m256i		bytes = _mm256_loadu_si256((const __m256i *) (w + k * CLF_BLOCK + 32 * part));
			__m256i		pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(bytes, value));

			sum[part] = _mm256_add_epi32(sum[part], _mm256_madd_epi16(pairs, ones));
		}
	}
#pragma GCC unroll 8
	for (int part = 0; part < 8; part++)
		_mm256_storeu_si256((__m256i *) (out + 8 * part), sum[part]);
}

#else

typedef int32_t Words __attribute__((vector_size(16)));
typedef int16_t Halves __attribute__((vector_size(16)));

/* Two inputs, from CLF_ZERO, as the halves of every word. */
INLINE Halves
two_inputs(uint8_t first, uint8_t second)
{
	Halves		pair = {(int16_t) (first - CLF_ZERO), (int16_t) (second - CLF_ZERO)};
	int32_t		word = ((Words) pair)[0];

	return (Halves) (Words) {word, word, word, word};
}

/* The same; the four bytes of a column are two halves of two bytes each. */
static void
sum_bytes_row(size_t K, const int32_t *start, const uint8_t *x, const int8_t *w, int32_t *out)
{
	for (size_t gate = 0; gate < 4; gate++)
	{
		Words		sum[4] = {{0}};

		for (size_t k = 0; k < K; k += 4)
		{
			Halves		even = two_inputs(x[k], x[k + 2]);
			Halves		odd = two_inputs(x[k + 1], x[k + 3]);

#pragma GCC unroll 4
			for (size_t part = 0; part < 4; part++)
			{
				Halves		bytes;
				Words		pairs;

				memcpy(&bytes, w + k * CLF_BLOCK + (4 * gate + part) * sizeof bytes, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
				pairs = (Words) ((bytes >> 8) * even + (bytes << 8 >> 8) * odd);
#else
				pairs = (Words) ((bytes << 8 >> 8) * even + (bytes >> 8) * odd);
#endif
				sum[part] += (pairs << 16 >> 16) + (pairs >> 16);
			}
		}
		memcpy(out + gate * CLF_LANES, sum, sizeof sum);
	}
}

#endif

/* out [rows][CLF_BLOCK]: some rows of one block */
static void
sum_bytes(size_t rows, size_t K, const int32_t *start, const uint8_t *const *x,
		  const int8_t *w, int32_t *out)
{
	for (size_t r = 0; r < rows; r++)
		sum_bytes_row(K, start, x[r], w, out + r * CLF_BLOCK);
}

#endif

/* out [CLF_BLOCK] = init + sum * scale * factor */
INLINE void
rescale(const int32_t *sum, const float *scale, float factor, const float *init, float *out)
{
	for (size_t j = 0; j < CLF_BLOCK; j++)
		out[j] = init[j] + (float) sum[j] * (scale[j] * factor);
}

static void
project_bytes(size_t rows, size_t K, const uint8_t *const *x, const float *factor,
			  size_t blocks, const int8_t *w, const int32_t *start, const float *scale,
			  const float *bias, float *const *out)
{
	size_t		n;

	for (size_t block = 0; block < blocks; block++)
		for (size_t row = 0; row < rows; row += n)
		{
			int32_t		sum[KERNELS_ROWS * CLF_BLOCK] __attribute__((aligned(64)));

			n = rows - row < KERNELS_ROWS ? rows - row : KERNELS_ROWS;
			sum_bytes(n, K, start + block * CLF_BLOCK, x + row, w + block * K * CLF_BLOCK, sum);
			for (size_t r = 0; r < n; r++)
				rescale(sum + r * CLF_BLOCK, scale + block * CLF_BLOCK, factor[row + r],
						bias + block * CLF_BLOCK, out[row + r] + block * CLF_BLOCK);
		}
}

/*
 * One block of units as in cell, from sums of bytes and the gates that the input
 * gave; h is written as bytes (see CLF_ZERO) to q, too.
 */
static __attribute__((noinline)) void
cell_bytes(const int32_t *restrict sum, const float *restrict scale, const float *restrict gates,
		   float *restrict c, float *restrict h, uint8_t *restrict q)
{
	for (size_t unit = 0; unit < CLF_LANES; unit += KERNELS_VECTOR)
	{
		Vector		in[4];

#pragma GCC unroll 4
		for (size_t g = 0; g < 4; g++)
		{
			size_t		at = g * CLF_LANES + unit;
			Integers	integers = *(const IntegersUnaligned *) (sum + at);

			in[g] = *(const VectorUnaligned *) (gates + at) +
				__builtin_convertvector(integers, Vector) * *(const VectorUnaligned *) (scale + at);
		}
		cell_units(true, in[0], in[1], in[2], in[3], c + unit, h + unit);
	}
	to_bytes(h, 127.0f, q);
}

/*
 * One row.  A block's cell follows the sums of the next block: it does not wait
 * for its own, which the CPU computes at the same time.
 */
static void
lstm_step_bytes_row(size_t blocks, bool backwards, const float *gates, const uint8_t *h,
					const int8_t *u, const int32_t *start, const float *scale, float *c,
					float *h_out, uint8_t *q_out)
{
	size_t		H = blocks * CLF_LANES;
	int32_t		sum[2][CLF_BLOCK] __attribute__((aligned(64)));
	size_t		before = 0;

	for (size_t i = 0; i <= blocks; i++)
	{
		size_t		block = backwards ? blocks - 1 - i : i;

		if (i < blocks)
			sum_bytes_row(H, start + block * CLF_BLOCK, h, u + block * H * CLF_BLOCK, sum[i % 2]);
		if (i > 0)
			cell_bytes(sum[(i - 1) % 2], scale + before * CLF_BLOCK, gates + before * CLF_BLOCK,
					   c + before * CLF_LANES, h_out + before * CLF_LANES, q_out + before * CLF_LANES);
		before = block;
	}
}

static void
lstm_step_bytes(size_t rows, size_t blocks, bool backwards, const float *const *gates,
				const uint8_t *const *h, const int8_t *u, const int32_t *start,
				const float *scale, float *c, float *const *h_out, uint8_t *const *q_out)
{
	size_t		H = blocks * CLF_LANES;
	size_t		n;

	if (rows == 1)
	{
		lstm_step_bytes_row(blocks, backwards, gates[0], h[0], u, start, scale, c, h_out[0], q_out[0]);
		return;
	}
	for (size_t i = 0; i < blocks; i++)
	{
		size_t		block = backwards ? blocks - 1 - i : i;

		for (size_t row = 0; row < rows; row += n)
		{
			int32_t		sum[KERNELS_ROWS * CLF_BLOCK] __attribute__((aligned(64)));

			n = rows - row < KERNELS_ROWS ? rows - row : KERNELS_ROWS;
			sum_bytes(n, H, start + block * CLF_BLOCK, h + row, u + block * H * CLF_BLOCK, sum);
			for (size_t r = row; r < row + n; r++)
				cell_bytes(sum + (r - row) * CLF_BLOCK, scale + block * CLF_BLOCK,
						   gates[r] + block * CLF_BLOCK, c + r * H + block * CLF_LANES,
						   h_out[r] + block * CLF_LANES, q_out[r] + block * CLF_LANES);
		}
	}
}

/* ---- pooling ---- */

static void
maximum(size_t n, const float *restrict x, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] > y[i] ? x[i] : y[i];
}

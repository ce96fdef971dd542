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
#define INLINE static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(KERNELS_VECTOR * sizeof(float))));
typedef float VectorUnaligned __attribute__((vector_size(KERNELS_VECTOR * sizeof(float)),
											 aligned(sizeof(float))));

/* ---- sums in single precision ---- */

/*
 * out = init + x w for some rows and panels, both constants where inlined and
 * rows * panels at most SUMS.  Panels are counted from the start of a block's
 * weights, of which there may be several one after the other.
 */
INLINE void
sum_panels(const size_t rows, const size_t panels, size_t panel, size_t K,
		   const float *const *init, const float *const *x, const float *w, float *const *out)
{
	Vector		sum[SUMS][4];
	const float *weights[2];
	size_t		column[2];

	for (size_t p = 0; p < panels; p++)
	{
		size_t		block = (panel + p) / PANELS;
		size_t		lane = (panel + p) % PANELS * KERNELS_VECTOR;

		weights[p] = w + block * K * CLF_BLOCK + lane;
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
	for (size_t k = 0; k < K; k++)
	{
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
		{
			const float *at = weights[p] + k * CLF_BLOCK;
			Vector		w0 = *(const VectorUnaligned *) at;
			Vector		w1 = *(const VectorUnaligned *) (at + CLF_LANES);
			Vector		w2 = *(const VectorUnaligned *) (at + 2 * CLF_LANES);
			Vector		w3 = *(const VectorUnaligned *) (at + 3 * CLF_LANES);

#pragma GCC unroll 8
			for (size_t r = 0; r < rows; r++)
			{
				float		value = x[r][k];

				sum[r * panels + p][0] += value * w0;
				sum[r * panels + p][1] += value * w1;
				sum[r * panels + p][2] += value * w2;
				sum[r * panels + p][3] += value * w3;
			}
		}
	}
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
static void
sum_blocks(size_t rows, size_t blocks, size_t K, const float *const *init,
		   const float *const *x, const float *w, float *const *out)
{
	size_t		panels = blocks * PANELS;
	size_t		p = 0;

	/* with one row, two panels: a sum does not wait for the one before */
	for (; rows == 1 && p + 2 <= panels; p += 2)
		sum_panels(1, 2, p, K, init, x, w, out);
	for (; p < panels; p++)
		switch (rows)
		{
			case 1:
				sum_panels(1, 1, p, K, init, x, w, out);
				break;
			case 2:
				sum_panels(2, 1, p, K, init, x, w, out);
				break;
#if KERNELS_ROWS >= 3
			case 3:
				sum_panels(3, 1, p, K, init, x, w, out);
				break;
#endif
#if KERNELS_ROWS >= 6
			case 4:
				sum_panels(4, 1, p, K, init, x, w, out);
				break;
			case 5:
				sum_panels(5, 1, p, K, init, x, w, out);
				break;
			case 6:
				sum_panels(6, 1, p, K, init, x, w, out);
				break;
#endif
		}
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
			float	   *out_at[KERNELS_ROWS];

			n = rows - row < KERNELS_ROWS ? rows - row : KERNELS_ROWS;
			for (size_t r = 0; r < n; r++)
			{
				init_at[r] = bias + block * CLF_BLOCK;
				out_at[r] = out[row + r] + block * CLF_BLOCK;
			}
			sum_blocks(n, 1, K, init_at, x + row, w + block * K * CLF_BLOCK, out_at);
		}
}

/* ---- the cell ---- */

/* tanh(x) = *numerator / *denominator, see tanh_of */
INLINE void
tanh_fraction(float x, float *numerator, float *denominator)
{
	float		clamped = x < -TANH_CLAMP ? -TANH_CLAMP : x;
	float		x2;

	clamped = clamped > TANH_CLAMP ? TANH_CLAMP : clamped;
	x2 = clamped * clamped;
	*numerator = TANH_NUMERATOR(clamped, x2);
	*denominator = TANH_DENOMINATOR(x2);
}

/* The whole part of a number from 0 to 255.  What is no number, in a damaged image, becomes 0. */
INLINE uint8_t
to_byte(float x)
{
	return (uint8_t) (int32_t) (x > 0 ? x : 0);
}

/*
 * One block of units: z [CLF_BLOCK] weighted inputs, c [CLF_LANES] updated,
 * h [CLF_LANES] written, and as bytes (see CLF_ZERO) to q unless it is NULL.
 * sigmoid(x) = (1 + tanh(x/2)) / 2, and all fractions over one denominator:
 * two divisions in place of five.
 */
static __attribute__((noinline)) void
cell(const float *restrict z, float *restrict c, float *restrict h, uint8_t *restrict q)
{
	float		out[CLF_LANES];

	for (int lane = 0; lane < CLF_LANES; lane++)
	{
		float		pi, pf, pc, po, pt;
		float		qi, qf, qc, qo, qt;
		float		next;

		tanh_fraction(0.5f * z[lane], &pi, &qi);
		tanh_fraction(0.5f * z[CLF_LANES + lane], &pf, &qf);
		tanh_fraction(z[2 * CLF_LANES + lane], &pc, &qc);
		tanh_fraction(0.5f * z[3 * CLF_LANES + lane], &po, &qo);
		next = ((qf + pf) * c[lane] * (qi * qc) + (qi + pi) * pc * qf) / (2 * qf * (qi * qc));
		c[lane] = next;
		tanh_fraction(next, &pt, &qt);
		out[lane] = (qo + po) * pt / (2 * qo * qt);
	}
	memcpy(h, out, sizeof out);
	if (q != NULL)
		for (int lane = 0; lane < CLF_LANES; lane++)
			q[lane] = to_byte(out[lane] * 127.0f + (CLF_ZERO + 0.5f));
}

static void
lstm_step(size_t rows, size_t blocks, const float *const *gates,
		  const float *const *h, const float *u, float *c, float *const *h_out)
{
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

			n = rows - row < KERNELS_ROWS ? rows - row : KERNELS_ROWS;
			for (size_t r = 0; r < n; r++)
			{
				init_at[r] = gates[row + r] + block * CLF_BLOCK;
				out_at[r] = z + r * CLF_BLOCK;
			}
			sum_blocks(n, together, H, init_at, h + row, u + block * H * CLF_BLOCK, out_at);
			for (size_t i = 0; i < n * together; i++)
			{
				size_t		r = row + (together == 1 ? i : 0);
				size_t		unit = (block + (together == 1 ? 0 : i)) * CLF_LANES;

				cell(z + i * CLF_BLOCK, c + r * H + unit, h_out[r] + unit, NULL);
			}
		}
	}
}

/* ---- sums of bytes ---- */

static float
quantise(size_t n, const float *restrict x, uint8_t *restrict q)
{
	uint32_t	most = 0;		/* numbers without sign are in the order of their bits */
	float		largest;
	float		inverse;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t	bits;

		memcpy(&bits, x + i, sizeof bits);
		bits &= 0x7FFFFFFF;
		most = bits > most ? bits : most;
	}
	memcpy(&largest, &most, sizeof largest);
	/* what is that small adds nothing to a sum */
	inverse = largest > 1e-30f ? 127.0f / largest : 0;
	for (size_t i = 0; i < n; i++)
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

/* As sum_panels: out = start + x w, where K is a multiple of 4. */
INLINE void
sum_bytes_panels(const size_t rows, const size_t panels, size_t K, const int32_t *start,
				 const uint8_t *const *x, const int8_t *w, int32_t *out)
{
	__m512i		sum[SUMS][4];

#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
#pragma GCC unroll 4
			for (size_t g = 0; g < 4; g++)
				sum[r * panels + p][g] =
					_mm512_loadu_si512(start + p * CLF_BLOCK + g * CLF_LANES);
	for (size_t k = 0; k < K; k += 4)
	{
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
		{
			const int8_t *at = w + (p * K + k) * CLF_BLOCK;
			__m512i		w0 = _mm512_loadu_si512(at);
			__m512i		w1 = _mm512_loadu_si512(at + CLF_BLOCK);
			__m512i		w2 = _mm512_loadu_si512(at + 2 * CLF_BLOCK);
			__m512i		w3 = _mm512_loadu_si512(at + 3 * CLF_BLOCK);

#pragma GCC unroll 8
			for (size_t r = 0; r < rows; r++)
			{
				__m512i		value = _mm512_set1_epi32(four_bytes(x[r] + k));

				sum[r * panels + p][0] = _mm512_dpbusd_epi32(sum[r * panels + p][0], value, w0);
				sum[r * panels + p][1] = _mm512_dpbusd_epi32(sum[r * panels + p][1], value, w1);
				sum[r * panels + p][2] = _mm512_dpbusd_epi32(sum[r * panels + p][2], value, w2);
				sum[r * panels + p][3] = _mm512_dpbusd_epi32(sum[r * panels + p][3], value, w3);
			}
		}
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (size_t p = 0; p < panels; p++)
#pragma GCC unroll 4
			for (size_t g = 0; g < 4; g++)
				_mm512_storeu_si512(out + (r * panels + p) * CLF_BLOCK + g * CLF_LANES,
									sum[r * panels + p][g]);
}

/* out [rows * blocks][CLF_BLOCK]: up to KERNELS_ROWS rows of one block, or one row of two */
static void
sum_bytes(size_t rows, size_t blocks, size_t K, const int32_t *start,
		  const uint8_t *const *x, const int8_t *w, int32_t *out)
{
	if (blocks == 2)
	{
		sum_bytes_panels(1, 2, K, start, x, w, out);
		return;
	}
	switch (rows)
	{
		case 1:
			sum_bytes_panels(1, 1, K, start, x, w, out);
			break;
		case 2:
			sum_bytes_panels(2, 1, K, start, x, w, out);
			break;
		case 3:
			sum_bytes_panels(3, 1, K, start, x, w, out);
			break;
		case 4:
			sum_bytes_panels(4, 1, K, start, x, w, out);
			break;
		case 5:
			sum_bytes_panels(5, 1, K, start, x, w, out);
			break;
		case 6:
			sum_bytes_panels(6, 1, K, start, x, w, out);
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
INLINE void
sum_bytes_block(size_t K, const uint8_t *x, const int8_t *w, int32_t *out)
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
INLINE void
sum_bytes_block(size_t K, const uint8_t *x, const int8_t *w, int32_t *out)
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

/* out [rows * blocks][CLF_BLOCK]: some rows of one block, or one row of two */
static void
sum_bytes(size_t rows, size_t blocks, size_t K, const int32_t *start,
		  const uint8_t *const *x, const int8_t *w, int32_t *out)
{
	(void) start;
	for (size_t r = 0; r < rows; r++)
		for (size_t block = 0; block < blocks; block++)
			sum_bytes_block(K, x[r], w + block * K * CLF_BLOCK, out + (r + block) * CLF_BLOCK);
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
			sum_bytes(n, 1, K, start + block * CLF_BLOCK, x + row, w + block * K * CLF_BLOCK, sum);
			for (size_t r = 0; r < n; r++)
				rescale(sum + r * CLF_BLOCK, scale + block * CLF_BLOCK, factor[row + r],
						bias + block * CLF_BLOCK, out[row + r] + block * CLF_BLOCK);
		}
}

static void
lstm_step_bytes(size_t rows, size_t blocks, const float *const *gates,
				const uint8_t *const *h, const int8_t *u, const int32_t *start,
				const float *scale, float *c, float *const *h_out, uint8_t *const *q_out)
{
	size_t		H = blocks * CLF_LANES;
	size_t		n;
	size_t		together;

	for (size_t block = 0; block < blocks; block += together)
	{
		together = blocks_at_once(rows, blocks - block);
		for (size_t row = 0; row < rows; row += n)
		{
			int32_t		sum[SUMS * CLF_BLOCK] __attribute__((aligned(64)));
			float		z[CLF_BLOCK] __attribute__((aligned(64)));

			n = rows - row < KERNELS_ROWS ? rows - row : KERNELS_ROWS;
			sum_bytes(n, together, H, start + block * CLF_BLOCK, h + row,
					  u + block * H * CLF_BLOCK, sum);
			for (size_t i = 0; i < n * together; i++)
			{
				size_t		r = row + (together == 1 ? i : 0);
				size_t		at = block + (together == 1 ? 0 : i);

				rescale(sum + i * CLF_BLOCK, scale + at * CLF_BLOCK, 1.0f,
						gates[r] + at * CLF_BLOCK, z);
				cell(z, c + r * H + at * CLF_LANES, h_out[r] + at * CLF_LANES,
					 q_out[r] + at * CLF_LANES);
			}
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

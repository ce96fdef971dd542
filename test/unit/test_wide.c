/*
 * test_wide.c
 *	  The linear branch: its n-grams and their values, the regression, halves,
 *	  the fusion with the network, and training within little memory.
 */
#include <time.h>

#include "unit.h"

#include "half.h"
#include "hash.h"
#include "logistic.h"
#include "trainer.h"

/* ---- n-grams ---- */

#define CHAR_SEED UINT64_C(0x452821E638D01377)	/* as FORMAT.md says, and the next two */
#define SKIP_SEED UINT64_C(0xBE5466CF34E90C6C)
#define OPENING_SEED UINT64_C(0x3F84D5B5B5470917)

static UnitMemory memory;
static ClfMem mem;
static ClfGrams grams;

static void
start_grams(bool chars)
{
	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	clf_grams_init(&grams, &mem, chars);
	clf_grams_start(&grams);
}

static void
add_tokens(const char *const *tokens)
{
	for (; *tokens != NULL; tokens++)
		CHECK(clf_grams_add(&grams, *tokens, strlen(*tokens)), "no memory");
}

static uint32_t
fold(uint64_t hash)
{
	uint32_t	folded = (uint32_t) hash ^ (uint32_t) (hash >> 32);

	return folded ? folded : 1;
}

static uint64_t
word(const char *text)
{
	return clf_hash_bytes(text, strlen(text), CLF_HASH_SEED);
}

/* How often a hash is among the n-grams. */
static int
times(uint32_t hash)
{
	int			found = 0;

	for (size_t i = 0; i < grams.count; i++)
		found += grams.hashes[i] == hash;
	return found;
}

static int
times_chars(const char *text)
{
	return times(fold(clf_hash_bytes(text, strlen(text), CHAR_SEED)));
}

static void
end_grams(void)
{
	clf_grams_free(&grams);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* The numbers that FORMAT.md gives to check against. */
static void
hashes_of_the_format(void)
{
	static const char *const tokens[] = {"apple", "x", NULL};
	static const char *const skipping[] = {"apple", "b", "x", NULL};

	CHECK(clf_hash_bytes("", 0, CLF_HASH_SEED) == UINT64_C(0xB568F28CC908DD44), "of nothing");
	CHECK(word("apple") == UINT64_C(0xE144A71E1E14B74B), "of a word");
	start_grams(true);
	add_tokens(tokens);
	CHECK(grams.hashes[0] == 0xFF501055 && times(0x70F46F36) == 1 && times(0xBA4A7FDA) == 1 && times(0x73AE0ADE) == 1,
		  "of n-grams");
	clf_grams_start(&grams);
	add_tokens(skipping);
	CHECK(times(0x1A5593) == 1, "of a pair that skips a token");
	end_grams();
}

static void
words_and_pairs(void)
{
	static const char *const tokens[] = {"red", "fish", "red", "fish", NULL};

	start_grams(false);
	add_tokens(tokens);
	CHECK(grams.count == 4 + 3 + 2 + 1, "%zu n-grams", grams.count);
	CHECK(times(fold(word("red"))) == 2 && times(fold(word("fish"))) == 2, "words");
	CHECK(times(fold(clf_hash_mix(word("red"), word("fish")))) == 2 &&
		  times(fold(clf_hash_mix(word("fish"), word("red")))) == 1, "pairs");
	CHECK(times(fold(clf_hash_mix(word("red") ^ SKIP_SEED, word("red")))) == 1 &&
		  times(fold(clf_hash_mix(word("fish") ^ SKIP_SEED, word("fish")))) == 1, "pairs that skip a word");
	CHECK(times(fold(clf_hash_mix(OPENING_SEED, word("red")))) == 1 &&
		  times(fold(clf_hash_mix(OPENING_SEED, word("fish")))) == 0, "the opening");
	clf_grams_start(&grams);
	add_tokens(tokens + 3);
	CHECK(grams.count == 2, "a text knows the one before");
	end_grams();
}

/* Three neighbours count where all are characters of an unsegmented script. */
static void
unsegmented_triples(void)
{
	static const char *const tokens[] = {"\xE4\xB8\xAD", "\xE6\x96\x87", "\xE5\xAD\x97", "a", "\xE4\xB8\xAD", NULL};
	uint64_t	a = word(tokens[0]);
	uint64_t	b = word(tokens[1]);
	uint64_t	c = word(tokens[2]);

	start_grams(true);
	add_tokens(tokens);
	CHECK(grams.count == 5 + 4 + 1, "%zu n-grams", grams.count);
	CHECK(times(fold(clf_hash_mix(a, clf_hash_mix(b, c)))) == 1, "the triple");
	CHECK(times_chars(" \xE4\xB8\xAD") == 0, "characters of an unsegmented script");
	end_grams();
}

/* Numbers that were never seen are like those that were. */
static void
shapes_of_numbers(void)
{
	static const char *const price[] = {"150.99", NULL};
	static const char *const codes[] = {"87121", "20", "12-34", "2nd", "x", NULL};
	static const char *const longest[] = {"08452810075", NULL};
	uint64_t	seed = UINT64_C(0xC0AC29B7C97C50DD);

	start_grams(false);
	add_tokens(price);
	CHECK(grams.count == 4 && times(0x59DFB570) == 1 && times(0x606901FB) == 1, "of a price");
	clf_grams_start(&grams);
	add_tokens(codes);
	CHECK(grams.count == 5 + 4 + 3 + 1 + 2 && times(fold(clf_hash_bytes("00000", 5, seed))) == 1 &&
		  times(fold(clf_hash_bytes("00000", 5, ~seed))) == 1, "of a code among others");
	clf_grams_start(&grams);
	add_tokens(longest);
	CHECK(grams.count == 4 && times(fold(clf_hash_bytes("00000000000", 11, seed))) == 1 &&
		  times(fold(clf_hash_bytes("00000", 5, ~seed))) == 1, "of a phone number");
	end_grams();
}

static void
characters_of_words(void)
{
	static const char *const tokens[] = {"ab", NULL};
	static const char *const accents[] = {"\xC3\xA9t\xC3\xA9", NULL};
	static const char *const short_one[] = {"a", NULL};
	static const char *const all[] = {" a", " ab", " ab ", "ab", "ab ", "b "};
	static char longest[CLF_MAX_TOKEN_BYTES + 1];
	const char *const long_one[] = {longest, NULL};

	start_grams(true);
	add_tokens(tokens);
	CHECK(grams.count == 2 + 6, "%zu n-grams", grams.count);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		CHECK(times_chars(all[i]) == 1, "\"%s\"", all[i]);
	clf_grams_start(&grams);
	add_tokens(accents);		/* 5 characters with the spaces: 4 + 3 + 2 + 1 */
	CHECK(grams.count == 2 + 10, "%zu n-grams with accents", grams.count);
	CHECK(times_chars("\xC3\xA9t") == 1 && times_chars(" \xC3\xA9") == 1, "characters of two bytes");
	clf_grams_start(&grams);
	add_tokens(short_one);
	CHECK(grams.count == 2, "a word of one byte has %zu", grams.count);
	memset(longest, 'x', CLF_MAX_TOKEN_BYTES);
	clf_grams_start(&grams);
	add_tokens(long_one);
	CHECK(grams.count == 2 + 4 * (CLF_MAX_TOKEN_BYTES + 2) - 1 - 2 - 3 - 4, "the longest has %zu", grams.count);
	end_grams();
	start_grams(false);
	add_tokens(tokens);
	CHECK(grams.count == 2, "characters that were not asked for");
	end_grams();
}

static void
single_characters(void)
{
	static const char *const single[] = {
		"\xE4\xB8\xAD", "\xE3\x81\x8B", "\xE3\x82\xAB", "\xED\x95\x9C", "\xE3\x84\x85", "\xE0\xB8\x81",
		"\xE0\xBA\x81", "ー", "བོད", "ᥐ", "ꀀ", "\xE1\x9E\x80", "\xE1\x80\x80", "\xF0\xA0\x80\x80"
	};
	static const char *const other[] = {
		"", "a", "1", ".", "word", "\xC3\xA9", "\xD7\xA9", "\xD8\xB3", "\xE0\xA4\xB9", "\xF0\x9F\x98\x80", "\xD0\xB6"
	};

	for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
		CHECK(clf_is_single(single[i], strlen(single[i])), "\"%s\" is one", single[i]);
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		CHECK(!clf_is_single(other[i], strlen(other[i])), "\"%s\" is none", other[i]);
}

/* ---- halves ---- */

static void
halves_round_trip(void)
{
	for (uint32_t half = 0; half < 65536; half++)
	{
		int			exponent = half >> 10 & 0x1F;
		int			fraction = half & 0x3FF;
		double		expected = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
		float		x = clf_float_from_half((uint16_t) half);

		if (exponent == 0x1F)
		{
			CHECK(fraction ? isnan(x) : isinf(x), "%04x is %g", half, x);
			continue;
		}
		CHECK(x == (half & 0x8000 ? -expected : expected), "%04x is %g", half, x);
		CHECK(clf_half_from_float(x) == half, "%g becomes %04x, not %04x", x, clf_half_from_float(x), half);
	}
}

/* Rounded in double, which is exact, to a multiple of the half's last place. */
static double
rounded(float x)
{
	int			exponent;
	double		unit;

	(void) frexp(x, &exponent);
	unit = ldexp(1, (exponent - 1 > -14 ? exponent - 1 : -14) - 10);
	return fmin(65504, fmax(-65504, nearbyint(x / unit) * unit));
}

static void
check_rounding(float x)
{
	float		half = clf_float_from_half(clf_half_from_float(x));

	CHECK(half == rounded(x) && signbit(half) == signbit(x), "%.9g becomes %.9g, not %.9g", x, half, rounded(x));
}

static void
halves_are_the_nearest(void)
{
	ClfRng		rng;

	clf_rng_seed(&rng, 1, 0);
	for (int i = 0; i < 300000; i++)
	{
		uint32_t	bits = (uint32_t) clf_rng_next(&rng);
		float		x;

		/* every other one within the range and near it */
		if (i % 2)
			bits = (bits & 0x807FFFFF) | (uint32_t) (127 - 26 + (bits >> 23 & 0xFF) % 44) << 23;
		memcpy(&x, &bits, sizeof x);
		if (!isnan(x) && !isinf(x))
			check_rounding(x);
	}
	/* ties, between every two neighbours and on either side of the tie */
	for (uint32_t half = 0; half < 0x7BFF; half++)
	{
		float		tie = 0.5f * (clf_float_from_half((uint16_t) half) + clf_float_from_half((uint16_t) (half + 1)));

		check_rounding(tie);
		check_rounding(nextafterf(tie, 0));
		check_rounding(-nextafterf(tie, 1e9f));
	}
}

static void
halves_stay_in_their_range(void)
{
	static const float large[] = {65504, 65505, 65520, 1e6f, 3e38f, INFINITY};

	for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
		CHECK(clf_half_from_float(large[i]) == 0x7BFF && clf_half_from_float(-large[i]) == 0xFBFF,
			  "%g is beyond the range", large[i]);
}

/* ---- values ---- */

static void
values_are_sublinear_and_of_norm_1(void)
{
	static const char *const tokens[] = {"b", "a", "b", "unknown", "b", NULL};
	static const char *const unknown[] = {"nothing", NULL};
	ClfWide		wide;
	ClfWideScratch scratch;
	ClfError	error;
	uint32_t	a = fold(word("a"));
	uint32_t	b = fold(word("b"));
	double		square = 0;
	float		m[2];
	float		z[2];

	start_grams(false);
	add_tokens(tokens);
	CHECK(clf_wide_allocate(&wide, &mem, 3, 2, &error) == CLF_OK, "no memory");
	wide.hashes[0] = a < b ? a : b;
	wide.hashes[1] = a < b ? b : a;
	wide.hashes[2] = UINT32_MAX;	/* in no text */
	wide.idf[a < b ? 0 : 1] = 2;
	wide.idf[a < b ? 1 : 0] = 3;
	wide.kernel[a < b ? 0 : 2] = 1; /* a for class 0, b for class 1 */
	wide.kernel[a < b ? 3 : 1] = 1;
	wide.bias[0] = 0.5f;
	CHECK(clf_wide_prepare(&wide, &error) == CLF_OK, "no memory");
	CHECK(clf_wide_scratch_init(&scratch, &mem, &wide, &error) == CLF_OK, "no memory");
	for (int again = 0; again < 2; again++)
	{
		CHECK(clf_wide_values(&wide, &scratch, &grams, &error) == CLF_OK, "no memory");
		CHECK(scratch.found_count == 2, "%zu n-grams are known", scratch.found_count);
		square = 0;
		for (size_t i = 0; i < 2; i++)
			square += (double) scratch.values[i] * scratch.values[i];
		CHECK(fabs(square - 1) < 1e-6, "the norm is %g", sqrt(square));
		CHECK(clf_wide_margins(&wide, &scratch, clf_kernels(), &grams, m, &error) == CLF_OK, "no memory");
		/* once a, three times b */
		CHECK(fabs((m[1] / (m[0] - 0.5)) - 3 * (1 + log(3)) / 2) < 1e-5, "the ratio is %g", m[1] / (m[0] - 0.5));
		CHECK(clf_wide_score(&wide, &scratch, clf_kernels(), &grams, z, &error) == CLF_OK, "no memory");
		for (int k = 0; k < 2; k++)
			CHECK(fabs(exp(z[k]) - 1 / (1 + exp(-m[k]))) < 1e-6, "the score of %g is %g", m[k], z[k]);
	}
	clf_grams_start(&grams);
	add_tokens(unknown);
	CHECK(clf_wide_margins(&wide, &scratch, clf_kernels(), &grams, m, &error) == CLF_OK, "no memory");
	CHECK(m[0] == 0.5f && m[1] == 0, "nothing known is not the bias");
	clf_wide_scratch_free(&scratch);
	clf_wide_free(&wide);
	end_grams();
}

/*
 * N-grams that all ask for the first of 65,536 slots, as a forger would choose
 * them, take no longer than any, and each is found.
 */
static void
hashes_that_collide(void)
{
	enum {F = 30000};
	ClfWide		wide;
	ClfWideScratch scratch;
	ClfError	error;
	clock_t		begin = clock();

	start_grams(false);
	CHECK(clf_wide_allocate(&wide, &mem, F, 1, &error) == CLF_OK, "no memory");
	for (uint32_t f = 0; f < F; f++)
		wide.hashes[f] = f << 16;
	CHECK(clf_wide_prepare(&wide, &error) == CLF_OK && wide.slot_mask == (1 << 16) - 1, "%u slots", wide.slot_mask + 1);
	CHECK(clf_wide_scratch_init(&scratch, &mem, &wide, &error) == CLF_OK, "no memory");
	CHECK(clf_mem_grow(&mem, (void **) &grams.hashes, &grams.capacity, F + 2, sizeof *grams.hashes), "no memory");
	memcpy(grams.hashes, wide.hashes, F * sizeof *grams.hashes);
	grams.hashes[F] = 1;		/* none of them */
	grams.hashes[F + 1] = UINT32_MAX;
	grams.count = F + 2;
	CHECK(clf_wide_values(&wide, &scratch, &grams, &error) == CLF_OK, "no memory");
	CHECK(scratch.found_count == F, "%zu of %d are found", scratch.found_count, F);
	for (uint32_t f = 0; f < F; f++)
		CHECK(scratch.found[f] == f, "%u is taken for %u", f, scratch.found[f]);
	CHECK(clock() - begin < CLOCKS_PER_SEC / 2, "it takes %ld ms", (long) (1000 * (clock() - begin) / CLOCKS_PER_SEC));
	clf_wide_scratch_free(&scratch);
	clf_wide_free(&wide);
	end_grams();
}

/* Scores of margins beyond what exp can hold. */
static void
scores_of_extreme_margins(void)
{
	CHECK(clf_wide_score_of(0) == -logf(2), "even odds are %g", clf_wide_score_of(0));
	CHECK(clf_wide_score_of(1e6f) == 0, "certainty is %g", clf_wide_score_of(1e6f));
	CHECK(clf_wide_score_of(-1e6f) == -1e6f, "the opposite is %g", clf_wide_score_of(-1e6f));
	for (float m = -100; m < 15; m += 0.5f)
		CHECK(clf_wide_score_of(m + 0.5f) > clf_wide_score_of(m), "scores do not rise at %g", m);
}

/* ---- the regression ---- */

enum
{
	ROWS = 90, FEATURES = 12, CLASSES = 3, PER_ROW = 4
};

/*
 * At the optimum the gradient w_k - sum of cost y sigmoid(-y z) x is 0.  The
 * solver stops when its dual variables hardly move, so it is only near.  With
 * from_cost > 0 it comes from the solution for half of the rows at that cost,
 * or for all if that is the cost asked for.
 */
static void
check_optimum(float from_cost, float cost, const float *class_weight)
{
	ClfLogistic solver;
	ClfError	error;
	ClfRng		rng;
	size_t		start[ROWS + 1];
	uint32_t	feature[ROWS * PER_ROW];
	float		value[ROWS * PER_ROW];
	uint32_t	class_of[ROWS];
	ClfSparse	data = {ROWS, start, feature, value};

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	clf_rng_seed(&rng, 5, 0);
	for (size_t i = 0; i < ROWS; i++)
	{
		start[i] = i * PER_ROW;
		class_of[i] = (uint32_t) clf_rng_below(&rng, CLASSES);
		for (size_t j = 0; j < PER_ROW; j++)
		{
			/* of four groups of features one each, the first tells the class at times */
			feature[i * PER_ROW + j] = (uint32_t) (3 * j + (j == 0 && i % 3 ? class_of[i] : clf_rng_below(&rng, 3)));
			value[i * PER_ROW + j] = 0.5f;	/* norm 1 */
		}
	}
	start[ROWS] = ROWS * PER_ROW;
	if (from_cost > 0)
	{
		float		dual[ROWS * CLASSES];
		size_t		rows = from_cost == cost ? ROWS : ROWS / 2;

		data.rows = rows;
		CHECK(clf_logistic_init(&solver, &mem, clf_kernels(), &data, class_of, FEATURES, CLASSES,
								from_cost, class_weight, 1, &error) == CLF_OK, "no memory");
		while (!clf_logistic_advance(&solver))
			;
		memcpy(dual, solver.dual, rows * CLASSES * sizeof *dual);
		clf_logistic_free(&solver);
		data.rows = ROWS;
		CHECK(clf_logistic_init(&solver, &mem, clf_kernels(), &data, class_of, FEATURES, CLASSES,
								from_cost, class_weight, 1, &error) == CLF_OK, "no memory");
		clf_logistic_resume(&solver, dual, rows, from_cost, cost);
	}
	else
		CHECK(clf_logistic_init(&solver, &mem, clf_kernels(), &data, class_of, FEATURES, CLASSES,
								cost, class_weight, 1, &error) == CLF_OK, "no memory");
	while (!clf_logistic_advance(&solver))
		;
	CHECK(from_cost != cost || solver.pass <= 2, "the solution is found again in %d passes", solver.pass);
	for (size_t k = 0; k < CLASSES; k++)
	{
		double		gradient[FEATURES + 1];
		double		by_duals[FEATURES + 1] = {0};
		double		at_zero[FEATURES + 1] = {0};
		double		norm = 0;
		double		norm_at_zero = 0;

		for (size_t f = 0; f < FEATURES; f++)
			gradient[f] = solver.w[f * CLASSES + k];
		gradient[FEATURES] = solver.bias[k];
		for (size_t i = 0; i < ROWS; i++)
		{
			double		y = class_of[i] == k ? 1 : -1;
			double		c = cost * class_weight[class_of[i]];
			double		z = solver.bias[k];
			double		alpha = solver.dual[i * CLASSES + k];
			double		s;

			CHECK(alpha >= -1e-6 * c && alpha <= c * (1 + 1e-6), "a dual variable of %g", alpha);
			for (size_t j = start[i]; j < start[i + 1]; j++)
				z += value[j] * solver.w[feature[j] * CLASSES + k];
			s = 1 / (1 + exp(y * z));
			for (size_t j = start[i]; j < start[i + 1]; j++)
			{
				gradient[feature[j]] -= c * y * s * value[j];
				by_duals[feature[j]] += y * alpha * value[j];
				at_zero[feature[j]] -= 0.5 * c * y * value[j];
			}
			gradient[FEATURES] -= c * y * s;
			by_duals[FEATURES] += y * alpha;
			at_zero[FEATURES] -= 0.5 * c * y;
		}
		for (size_t f = 0; f <= FEATURES; f++)
		{
			double		w = f < FEATURES ? solver.w[f * CLASSES + k] : solver.bias[k];

			CHECK(fabs(w - by_duals[f]) < 1e-3 * (1 + fabs(w)), "weight %zu is %g, by the duals %g", f, w, by_duals[f]);
			norm += gradient[f] * gradient[f];
			norm_at_zero += at_zero[f] * at_zero[f];
		}
		CHECK(norm < 0.03 * 0.03 * norm_at_zero, "class %zu: the gradient is %g, at the start %g", k, sqrt(norm),
			  sqrt(norm_at_zero));
	}
	clf_logistic_free(&solver);
	CHECK(memory.blocks == 0, "memory is kept");
}

static void
regression_is_at_its_optimum(void)
{
	static const float even[CLASSES] = {1, 1, 1};
	static const float uneven[CLASSES] = {0.25f, 1, 4};

	check_optimum(0, 0.1f, even);
	check_optimum(0, 1, even);
	check_optimum(0, 10, even);
	check_optimum(0, 1, uneven);
	check_optimum(0, 10, uneven);
}

/* From a solution for other rows or another cost it gets there, too. */
static void
regression_resumes(void)
{
	static const float uneven[CLASSES] = {0.25f, 1, 4};

	check_optimum(1, 1, uneven);
	check_optimum(1, 10, uneven);
	check_optimum(10, 1, uneven);
	check_optimum(10, 0.1f, uneven);
}

/* ---- fusion ---- */

#define FUSED 2000
#define FUSED_CLASSES 4

static float deep[FUSED * FUSED_CLASSES];
static float wide_z[FUSED * FUSED_CLASSES];
static int32_t classes[FUSED];

/* Scores at random; classes drawn from the softmax of their sum by factors. */
static void
draw_scores(double deep_factor, double wide_factor)
{
	ClfRng		rng;

	clf_rng_seed(&rng, 3, 0);
	for (int i = 0; i < FUSED; i++)
	{
		double		p[FUSED_CLASSES];
		double		sum = 0;
		double		left = clf_rng_uniform(&rng);

		for (int k = 0; k < FUSED_CLASSES; k++)
		{
			deep[i * FUSED_CLASSES + k] = clf_rng_normal(&rng);
			wide_z[i * FUSED_CLASSES + k] = clf_rng_normal(&rng);
			sum += p[k] = exp(deep_factor * deep[i * FUSED_CLASSES + k] + wide_factor * wide_z[i * FUSED_CLASSES + k]);
		}
		classes[i] = 0;
		for (int k = 0; k < FUSED_CLASSES - 1 && left > p[k] / sum; k++)
		{
			left -= p[k] / sum;
			classes[i] = k + 1;
		}
	}
}

static double
loss_at(double deep_factor, double wide_factor)
{
	double		loss = 0;

	for (int i = 0; i < FUSED; i++)
	{
		double		sum = 0;
		double		z[FUSED_CLASSES];

		for (int k = 0; k < FUSED_CLASSES; k++)
			sum += exp(z[k] = deep_factor * deep[i * FUSED_CLASSES + k] + wide_factor * wide_z[i * FUSED_CLASSES + k]);
		loss += log(sum) - z[classes[i]];
	}
	return loss / FUSED + 0.5e-4 * (deep_factor * deep_factor + wide_factor * wide_factor);
}

static const ClfScores both = {FUSED, FUSED_CLASSES, {deep, wide_z}, classes};
static const ClfScores wide_only = {FUSED, FUSED_CLASSES, {NULL, wide_z}, classes};

static void
factors_are_found(void)
{
	static const double factors[][2] = {{1, 1}, {2, 0.3}, {0.2, 1.5}, {3, 3}};

	for (size_t f = 0; f < sizeof factors / sizeof factors[0]; f++)
	{
		float		p[FUSED_CLASSES];
		float		scale[2];
		double		loss;

		draw_scores(factors[f][0], factors[f][1]);
		clf_fusion_fit(&both, p, scale);
		CHECK(fabs(scale[0] - factors[f][0]) < 0.1 * (1 + factors[f][0]) &&
			  fabs(scale[1] - factors[f][1]) < 0.1 * (1 + factors[f][1]),
			  "%g and %g, not %g and %g", scale[0], scale[1], factors[f][0], factors[f][1]);

		/* no neighbour is better */
		loss = loss_at(scale[0], scale[1]);
		for (int a = -1; a <= 1; a++)
			for (int b = -1; b <= 1; b++)
				CHECK(loss_at(fmax(0, scale[0] + 0.02 * a), fmax(0, scale[1] + 0.02 * b)) >= loss - 1e-7,
					  "%d, %d of %g, %g is better", a, b, scale[0], scale[1]);
	}
}

static void
factors_are_not_negative(void)
{
	float		p[FUSED_CLASSES];
	float		scale[2];

	draw_scores(1.5, -1);
	clf_fusion_fit(&both, p, scale);
	CHECK(scale[1] == 0 && scale[0] > 0.8 && scale[0] < 1.6, "%g and %g", scale[0], scale[1]);
	draw_scores(-1, -1);
	clf_fusion_fit(&both, p, scale);
	CHECK(scale[0] == 0 && scale[1] == 0, "%g and %g of what says the opposite", scale[0], scale[1]);
	draw_scores(0, 1.2);
	clf_fusion_fit(&wide_only, p, scale);
	CHECK(scale[0] == 0 && fabs(scale[1] - 1.2) < 0.2, "%g and %g of one branch", scale[0], scale[1]);
}

/* Rows that fit perfectly, tiny and huge scores, the same scores twice. */
static void
factors_stay_finite(void)
{
	for (int power = -30; power <= 30; power += 10)
		for (int same = 0; same < 2; same++)
		{
			float		p[FUSED_CLASSES];
			float		scale[2];

			for (int i = 0; i < FUSED; i++)
				for (int k = 0; k < FUSED_CLASSES; k++)
				{
					classes[i] = i % FUSED_CLASSES;
					deep[i * FUSED_CLASSES + k] = classes[i] == k ? ldexpf(1, power) : 0;
					wide_z[i * FUSED_CLASSES + k] = same ? deep[i * FUSED_CLASSES + k] : 0;
				}
			clf_fusion_fit(&both, p, scale);
			CHECK(isfinite(scale[0]) && isfinite(scale[1]) && scale[0] >= 0 && scale[1] >= 0,
				  "2^%d: %g and %g", power, scale[0], scale[1]);
			if (power == 0)
				CHECK(scale[0] + scale[1] > 2, "%g and %g where all are right", scale[0], scale[1]);
		}
}

static void
no_rows_no_factors(void)
{
	ClfScores	none = both;
	float		p[FUSED_CLASSES];
	float		scale[2];

	none.rows = 0;
	clf_fusion_fit(&none, p, scale);
	CHECK(scale[0] == 1 && scale[1] == 1, "%g and %g", scale[0], scale[1]);
	none.z[0] = NULL;
	clf_fusion_fit(&none, p, scale);
	CHECK(scale[0] == 0 && scale[1] == 1, "%g and %g of one branch", scale[0], scale[1]);
}

/* ---- counting ---- */

/* CPU time of counting the n-grams of rows of one of so many words each. */
static clock_t
time_of_counting(char (*words)[UNIT_WORD_SIZE], int count, uint64_t hash_seed)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfError	error = {.status = CLF_OK};
	clock_t		begin = 0;

	unit_host_init(&host);
	host.host.hash_seed = hash_seed;
	host.clock_step = 1;		/* a step is an item of work */
	unit_quick_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	if (clf_trainer_new(&config, &host.host, &trainer, &error) != CLF_OK)
		return 0;
	for (int i = 0; i < count && error.status == CLF_OK; i++)
		(void) clf_trainer_add(trainer, words[i], 8, i % 2 ? "a" : "b", 1, &error);
	while (trainer->stage <= STAGE_WIDE && trainer->fit.stage == CLF_WIDE_COUNT && error.status == CLF_OK)
	{
		if (begin == 0 && trainer->stage == STAGE_WIDE)
			begin = clock();
		(void) clf_trainer_step(trainer, &progress, &error);
	}
	begin = error.status == CLF_OK ? clock() - begin : 0;
	clf_trainer_free(trainer);
	unit_host_free(&host);
	return begin;
}

#define FORESEEN_SEED 5

static uint64_t
hash_of_ngram(const char *text)
{
	return clf_hash_mix(fold(word(text)), FORESEEN_SEED);
}

/* Words whose n-grams ask for the same few slots under one seed do not under another. */
static void
ngrams_chosen_to_collide(void)
{
	enum {WORDS = 10000, SLOTS = 65536};
	static char words[WORDS][UNIT_WORD_SIZE];
	clock_t		foreseen;
	clock_t		unforeseen;

	unit_colliding_words(words, WORDS, hash_of_ngram, SLOTS - 1, 64);
	foreseen = time_of_counting(words, WORDS, FORESEEN_SEED);
	unforeseen = time_of_counting(words, WORDS, FORESEEN_SEED + 1);
	CHECK(unforeseen > 0 && unforeseen < foreseen / 4, "%ld ms, %ld where the seed is known",
		  (long) (unforeseen * 1000 / CLOCKS_PER_SEC), (long) (foreseen * 1000 / CLOCKS_PER_SEC));
}

/* Choosing among n-grams that are in nearly all of many rows, without room for them, is quick. */
static void
frequent_ngrams_without_room(void)
{
	enum {MANY = 20000, LABELS = 2000};
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress;
	ClfError	error;
	clock_t		longest = 0;

	unit_host_init(&host);
	host.clock_step = 1;		/* a step is an item of work */
	unit_quick_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	config.maxlen = 60;
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < MANY; i++)
	{
		char		text[256];
		char		label[16];
		int			n = snprintf(label, sizeof label, "%d", i % LABELS);

		for (int w = 0; w < 60; w++)
			snprintf(text + 4 * w, sizeof text - 4 * (size_t) w, "w%02d ", (w + i) % 64);
		CHECK(clf_trainer_add(trainer, text, 240, label, (size_t) n, &error) == CLF_OK, "%s", error.message);
	}
	while (trainer->stage <= STAGE_WIDE && trainer->fit.stage <= CLF_WIDE_SELECT)
	{
		bool		selects = trainer->stage == STAGE_WIDE && trainer->fit.stage == CLF_WIDE_SELECT;
		clock_t		begin = clock();

		trainer->fit.memory = 16 * LABELS * 20;	/* enough for 20 */
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
		if (selects)
			longest = clock() - begin;
	}
	CHECK(trainer->fit.wide.F < 20, "%zu n-grams", trainer->fit.wide.F);
	CHECK(longest > 0 && longest < CLOCKS_PER_SEC / 4, "it takes %ld ms", (long) (longest * 1000 / CLOCKS_PER_SEC));
	clf_trainer_free(trainer);
	unit_host_free(&host);
}

/* ---- little memory ---- */

/* Train a linear model on rows of rare words within so many bytes. */
static ClfModel *
train_within(UnitHost *host, size_t limit, ClfSummary *summary, ClfError *error)
{
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfModel   *model = NULL;
	ClfStatus	status;

	unit_quick_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	config.char_ngrams = 1;
	host->store.size = 0;
	host->host.memory_limit = limit;
	status = clf_trainer_new(&config, &host->host, &trainer, error);
	for (unsigned int i = 0; i < 600 && status == CLF_OK; i++)
	{
		char		text[256];
		int			n = snprintf(text, sizeof text, "%s", i % 2 ? "north" : "south");

		for (unsigned int w = 0; w < 6; w++)
			n += snprintf(text + n, sizeof text - (size_t) n, " %x", (i * 6 + w) * 2654435761u);
		status = clf_trainer_add(trainer, text, (size_t) n, i % 2 ? "a" : "b", 1, error);
	}
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
		status = clf_trainer_step(trainer, &progress, error);
	if (status == CLF_OK)
		(void) clf_trainer_finish(trainer, &model, summary, error);
	clf_trainer_free(trainer);
	return model;
}

/* Less memory, fewer n-grams; what tells the classes apart is kept. */
static void
little_memory_fewer_ngrams(void)
{
	static const size_t limits[] = {SIZE_MAX, 3 << 20};
	size_t		before = SIZE_MAX;

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
	{
		UnitHost	host;
		ClfError	error = {.status = CLF_OK};
		ClfScratch *scratch;
		ClfModel   *model;
		ClfSummary	summary;
		float		p[2];
		size_t		F;

		unit_host_init(&host);
		model = train_within(&host, limits[i], &summary, &error);
		CHECK(model != NULL, "%zu bytes: %s, %zu needed", limits[i], error.message, error.bytes_needed);
		F = model->wide.F;
		printf("# %zu bytes: %zu n-grams, %zu bytes at most\n", limits[i], F, host.memory.peak);
		CHECK(summary.wide_rows_wanted == 600 && (i == 0 ? summary.wide_rows == 600 : summary.wide_rows > 0 && summary.wide_rows < 600),
			  "%zu bytes: %d of %d rows", limits[i], (int) summary.wide_rows, (int) summary.wide_rows_wanted);
		CHECK(F > 0 && F < before, "%zu n-grams with %zu bytes", F, limits[i]);
		CHECK(host.memory.peak <= limits[i], "takes %zu of %zu bytes", host.memory.peak, limits[i]);
		before = F;
		CHECK(clf_scratch_new(model, &host.memory.allocator, &scratch, &error) == CLF_OK, "no memory");
		CHECK(clf_predict(model, scratch, "north", 5, p, &error) == CLF_OK && p[0] > 0.7, "north is a with %g", p[0]);
		CHECK(clf_predict(model, scratch, "south", 5, p, &error) == CLF_OK && p[1] > 0.7, "south is b with %g", p[1]);
		clf_scratch_free(scratch);
		clf_model_free(model);
		unit_host_free(&host);
		CHECK(host.memory.blocks == 0, "memory is kept");
	}
}

/* The model's idf of a word, or 0. */
static float
idf_of(const ClfModel *model, const char *text)
{
	for (size_t f = 0; f < model->wide.F; f++)
		if (model->wide.hashes[f] == fold(word(text)))
			return model->wide.idf[f];
	return 0;
}

/* Of two words as rare as each other, the one that tells the class has more weight. */
static void
telling_words_weigh_more(void)
{
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfModel   *model;
	ClfSummary	summary;
	ClfError	error;
	float		telling;
	float		idle;

	unit_host_init(&host);
	unit_quick_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < 400; i++)
	{
		char		text[100];
		int			n = snprintf(text, sizeof text, "%s %s", i % 2 ? "north" : "south", i / 2 % 2 ? "east" : "west");

		CHECK(clf_trainer_add(trainer, text, (size_t) n, i % 2 ? "a" : "b", 1, &error) == CLF_OK, "%s", error.message);
	}
	while (progress.phase != CLF_PHASE_DONE)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_finish(trainer, &model, &summary, &error) == CLF_OK, "%s", error.message);
	telling = idf_of(model, "north");
	idle = idf_of(model, "east");
	CHECK(idle > 0 && telling > 3 * idle, "%g for a word that tells the class, %g for one that does not", telling, idle);
	CHECK(telling < 2 * (1 + logf(2)), "%g", telling);
	clf_model_free(model);
	clf_trainer_free(trainer);
	unit_host_free(&host);
	CHECK(host.memory.blocks == 0, "memory is kept");
}

int
main(void)
{
	RUN(hashes_of_the_format);
	RUN(words_and_pairs);
	RUN(unsegmented_triples);
	RUN(shapes_of_numbers);
	RUN(characters_of_words);
	RUN(single_characters);
	RUN(halves_round_trip);
	RUN(halves_are_the_nearest);
	RUN(halves_stay_in_their_range);
	RUN(values_are_sublinear_and_of_norm_1);
	RUN(hashes_that_collide);
	RUN(scores_of_extreme_margins);
	RUN(regression_is_at_its_optimum);
	RUN(regression_resumes);
	RUN(factors_are_found);
	RUN(factors_are_not_negative);
	RUN(factors_stay_finite);
	RUN(no_rows_no_factors);
	RUN(ngrams_chosen_to_collide);
	RUN(frequent_ngrams_without_room);
	RUN(little_memory_fewer_ngrams);
	RUN(telling_words_weigh_more);
	return UNIT_RESULT();
}

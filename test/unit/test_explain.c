/*
 * test_explain.c
 *	  Explanations: what the weights add up to, and which token they belong to.
 */
#include "unit.h"

static double worst;

static const char *const texts[] = {
	"", "apple", "common1 bridge common2", "unknown words only", "bridge bridge \xE4\xB8\xAD\xE4\xB8\xAD\xE4\xB8\xAD apple",
	"apple apple apple bridge bridge cloud common0 common1 common2 common3 dance ember \xE4\xB8\xAD\xE4\xB8\xAD x y z",
	"ember cloud", "dance common3 common3 unheard apple"
};

#define TEXTS (sizeof texts / sizeof texts[0])
#define CLASSES 4

static ClfConfig config;
static UnitMemory memory;
static ClfModel *model;
static ClfScratch *scratch;
static ClfExplainer *explainer;

/* A random model of config. */
static void
start(int classes)
{
	ClfError	error;

	unit_memory_init(&memory);
	model = unit_random_model(&memory.allocator, &config, classes, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
}

static void
end(void)
{
	clf_scratch_free(scratch);
	clf_model_free(model);
	CHECK(memory.blocks == 0, "memory is kept");
}

/* Run an explainer; NULL if it fails. */
static const ClfExplanation *
explain(const char *text, int class_id, ClfError *error)
{
	bool		done = false;

	explainer = NULL;
	if (clf_explainer_new(model, &memory.allocator, NULL, text, strlen(text), class_id, &explainer, error) != CLF_OK)
		return NULL;
	while (!done)
		if (clf_explainer_step(explainer, &done, error) != CLF_OK)
			return NULL;
	return clf_explainer_result(explainer);
}

/* ln(p / (1 - p)) by prediction */
static double
predicted_log_odds(const char *text, int class_id)
{
	float		p[CLASSES];
	double		others = 0;
	ClfError	error;

	if (clf_predict(model, scratch, text, strlen(text), p, &error) != CLF_OK)
		return NAN;
	for (int k = 0; k < clf_model_classes(model); k++)
		others += k == class_id ? 0 : p[k];
	return log(p[class_id] / others);
}

/* As many tokens, none of which is known. */
static const char *
unknown_tokens(size_t count)
{
	static char text[400];

	text[0] = '\0';
	while (count-- > 0)
		strcat(text, "\xC2\xA7 ");
	return text;
}

static void
check_sum(const char *text, int class_id)
{
	ClfError	error;
	const ClfExplanation *result = explain(text, class_id, &error);
	double		sum = 0;

	CHECK(result != NULL, "%s", error.message);
	for (size_t i = 0; i < result->count; i++)
		sum += result->weights[i];
	CHECK(fabs(result->log_odds - predicted_log_odds(text, class_id)) < 1e-4, "\"%s\" class %d: log-odds of %g, not %g",
		  text, class_id, result->log_odds, predicted_log_odds(text, class_id));
	CHECK(fabs(result->base - predicted_log_odds(unknown_tokens(result->count), class_id)) < 1e-4,
		  "\"%s\" class %d: a base of %g, not %g", text, class_id, result->base,
		  predicted_log_odds(unknown_tokens(result->count), class_id));
	worst = fmax(worst, fabs(sum - (result->log_odds - result->base)));
	CHECK(fabs(sum - (result->log_odds - result->base)) < 0.03, "\"%s\" class %d: the sum is %g, not %g", text, class_id,
		  sum, result->log_odds - result->base);
	CHECK(result->rest == 0, "\"%s\" class %d: %g is no token's", text, class_id, result->rest);
	clf_explainer_free(explainer);
}

static void
weights_add_up(void)
{
	start(CLASSES);
	for (size_t i = 0; i < TEXTS; i++)
		for (int k = 0; k < CLASSES; k++)
			check_sum(texts[i], k);
	end();
}

static void
all_architectures(void)
{
	for (int id = 0; id < UNIT_ARCHITECTURES; id++)
		for (int layers = 1; layers <= (id == CLF_ARCH_LINEAR ? 1 : 2); layers++)
			for (int pooling = 0; pooling < (id == CLF_ARCH_LINEAR ? 1 : 4); pooling++)
			{
				char		name[128];

				unit_config(&config);
				config.architecture = id;
				config.tokenizer = id == CLF_ARCH_LSTM ? CLF_TOKENIZER_KERAS : CLF_TOKENIZER_UNICODE;
				config.maxlen = 14;
				config.layers = layers;
				config.bidirectional = layers % 2;
				config.pooling = pooling;
				config.char_ngrams = layers % 2;
				snprintf(name, sizeof name, "weights_add_up_%s_%d_pooling%d", unit_architecture(id), layers, pooling);
				unit_run(name, weights_add_up);
			}
}

/* One word that is known, amid many that are not, has all the weight. */
static void
check_one_known(int architecture, int known)
{
	char		text[400] = "";
	ClfError	error;
	const ClfExplanation *result;

	unit_config(&config);
	config.architecture = architecture;
	config.maxlen = 14;
	start(CLASSES);
	for (int i = 0; i < 9; i++)
		strcat(text, i == known ? "apple " : "\xC2\xA7 ");
	result = explain(text, -1, &error);
	CHECK(result != NULL && result->count == 9, "no explanation");
	for (int i = 0; i < 9; i++)
		CHECK(i == known ? fabs(result->weights[i]) > 1e-4 : result->weights[i] == 0,
			  "%s: word %d of which %d is known: %g", unit_architecture(architecture), i, known, result->weights[i]);
	clf_explainer_free(explainer);
	end();
}

static void
unknown_words_weigh_nothing(void)
{
	for (int id = 0; id < UNIT_ARCHITECTURES; id++)
		for (int known = 0; known < 9; known += 4)
			check_one_known(id, known);
}

/* Of two classes one loses what the other gains, and the sum of a linear model is exact. */
static void
two_classes_are_opposites(void)
{
	ClfError	error;
	const ClfExplanation *result;
	double		weights[40];
	double		sum = 0;

	unit_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	config.char_ngrams = 1;
	start(2);
	result = explain(texts[5], 0, &error);
	CHECK(result != NULL && result->count < 40, "no explanation");
	memcpy(weights, result->weights, result->count * sizeof(double));
	for (size_t i = 0; i < result->count; i++)
		sum += weights[i];
	CHECK(fabs(sum - (result->log_odds - result->base)) < 1e-6, "%g, not %g", sum, result->log_odds - result->base);
	clf_explainer_free(explainer);
	result = explain(texts[5], 1, &error);
	for (size_t i = 0; i < result->count; i++)
		CHECK(fabs(weights[i] + result->weights[i]) < 1e-6, "%g and %g", weights[i], result->weights[i]);
	clf_explainer_free(explainer);
	end();
}

/*
 * A network whose gates are all open or shut has log-odds in steps: what no
 * gradient tells is the rest, not the token's, and the sum holds.
 */
static void
jumps_are_the_rest(void)
{
	size_t		jumping = 0;

	for (int id = 0; id < UNIT_ARCHITECTURES; id++)
	{
		unit_config(&config);
		config.architecture = id;
		config.maxlen = 14;
		start(CLASSES);
		for (int t = 0; t < model->table.count; t++)
		{
			const ClfTensor *tensor = &model->table.tensors[t];

			for (size_t i = 0; t < model->table.dense_kernel && i < tensor->rows * tensor->columns; i++)
				clf_model_tensor(model, t)[i] *= 1000;
		}
		for (size_t i = 0; i < TEXTS; i++)
		{
			ClfError	error;
			const ClfExplanation *result = explain(texts[i], 0, &error);
			double		sum = result != NULL ? result->rest : 0;

			CHECK(result != NULL, "%s", error.message);
			for (size_t k = 0; k < result->count; k++)
			{
				sum += result->weights[k];
				CHECK(fabs(result->weights[k]) < 30, "\"%s\": token %zu has %g", texts[i], k, result->weights[k]);
			}
			CHECK(fabs(sum - (result->log_odds - result->base)) < 0.05, "%s, \"%s\": the sum is %g, not %g",
				  unit_architecture(id), texts[i], sum, result->log_odds - result->base);
			jumping += result->rest != 0;
			clf_explainer_free(explainer);
		}
		end();
	}
	CHECK(jumping > TEXTS, "only %zu jump", jumping);
}

/* Place of a hash among the model's n-grams, or -1. */
static int
place_of(uint32_t hash)
{
	for (size_t f = 0; f < model->wide.F; f++)
		if (model->wide.hashes[f] == hash)
			return (int) f;
	return -1;
}

/* Of a score by its margin, while that goes from bias to bias + margin. */
static double
mean_slope(double bias, double margin)
{
	double		sum = 0;

	for (int i = 0; i < 1000; i++)
		sum += 1 / (1 + exp(bias + (i + 0.5) / 1000 * margin));
	return sum / 1000;
}

/* Half of a pair's weight goes to either word, whether it skips one or not, all of a word's to itself. */
static void
pairs_are_shared(void)
{
	static const char *const words[] = {"apple", "bridge", "cloud"};
	enum
	{
		N = 7					/* a, its opening, b, ab, c, bc, a and c */
	};
	ClfMem		mem;
	ClfGrams	grams;
	ClfError	error;
	const ClfExplanation *result;
	double		value[N];
	double		kernel[N][2];
	double		gain[N];
	double		norm = 0;
	double		expected[3];
	double		slope[2];

	unit_config(&config);
	config.architecture = CLF_ARCH_LINEAR;
	start(2);
	clf_mem_init(&mem, &memory.allocator);
	clf_grams_init(&grams, &mem, false);
	clf_grams_start(&grams);
	for (int i = 0; i < 3; i++)
		CHECK(clf_grams_add(&grams, words[i], strlen(words[i])), "no memory");
	CHECK(grams.count == N, "%zu n-grams", grams.count);
	for (int g = 0; g < N; g++)
	{
		int			f = place_of(grams.hashes[g]);

		CHECK(f >= 0, "n-gram %d is not known", g);
		value[g] = model->wide.idf[f];
		for (int k = 0; k < 2; k++)
			kernel[g][k] = model->wide.kernel[2 * f + k];
		norm += value[g] * value[g];
	}
	for (int k = 0; k < 2; k++)
	{
		double		margin = 0;

		for (int g = 0; g < N; g++)
			margin += value[g] / sqrt(norm) * kernel[g][k];
		slope[k] = mean_slope(model->wide.bias[k], margin);
	}
	for (int g = 0; g < N; g++)
		gain[g] = model->scale[1] * value[g] / sqrt(norm) *
			(slope[0] * kernel[g][0] - slope[1] * kernel[g][1]);
	expected[0] = gain[0] + gain[1] + gain[3] / 2 + gain[6] / 2;
	expected[1] = gain[2] + gain[3] / 2 + gain[5] / 2;
	expected[2] = gain[4] + gain[5] / 2 + gain[6] / 2;
	clf_grams_free(&grams);
	result = explain("apple bridge cloud", 0, &error);
	CHECK(result != NULL, "%s", error.message);
	for (int i = 0; i < 3; i++)
		CHECK(fabs(result->weights[i] - expected[i]) < 1e-5, "%s: %g, not %g", words[i], result->weights[i], expected[i]);
	clf_explainer_free(explainer);
	end();
}

/* A text of more tokens than fit into a pass with all points. */
static void
long_text(void)
{
	size_t		length = 6 * 3000;
	char	   *text = malloc(length + 1);
	ClfError	error;
	const ClfExplanation *result;
	double		sum = 0;

	for (size_t i = 0; i < length; i++)
		text[i] = "apple cloud ember "[i % 18];
	text[length] = '\0';
	unit_config(&config);
	config.architecture = CLF_ARCH_HYBRID;
	config.maxlen = 2500;
	start(CLASSES);
	result = explain(text, -1, &error);
	CHECK(result != NULL && result->count == 2500, "no explanation");
	for (size_t i = 0; i < result->count; i++)
		sum += result->weights[i];
	CHECK(fabs(sum - (result->log_odds - result->base)) < 0.03, "the sum is %g, not %g", sum, result->log_odds - result->base);
	clf_explainer_free(explainer);
	end();
	free(text);
}

static void
invalid_text_is_refused(void)
{
	ClfError	error;

	for (int id = 0; id < UNIT_ARCHITECTURES; id++)
	{
		unit_config(&config);
		config.architecture = id;
		start(CLASSES);
		CHECK(explain("apple \xFF", 0, &error) == NULL && error.status == CLF_ERR_ENCODING, "invalid text is explained");
		clf_explainer_free(explainer);
		end();
	}
}

/* A score that is not finite is no explanation. */
static void
infinite_scores_are_refused(void)
{
	ClfError	error;

	unit_config(&config);
	config.architecture = CLF_ARCH_BILSTM;
	start(2);
	for (int k = 0; k < 2; k++)
		clf_model_tensor(model, model->table.dense_bias)[k] = k ? 3e38f : -3e38f;
	model->scale[0] = 3e38f;
	CHECK(explain("apple bridge", 0, &error) == NULL && error.status == CLF_ERR_CORRUPT, "an infinite weight");
	clf_explainer_free(explainer);
	end();
}

int
main(void)
{
	all_architectures();
	RUN(unknown_words_weigh_nothing);
	RUN(two_classes_are_opposites);
	RUN(pairs_are_shared);
	RUN(jumps_are_the_rest);
	RUN(long_text);
	RUN(invalid_text_is_refused);
	RUN(infinite_scores_are_refused);
	printf("# largest error of a sum: %.2g\n", worst);
	return UNIT_RESULT();
}

/*
 * test_predict.c
 *	  Prediction, which has a forward pass of its own, against the network that
 *	  is trained; tokens; and Keras's way to pad.
 */
#include "unit.h"

#include "encode.h"
#include "forward.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#define FPU_STATE() (_mm_getcsr() & ~0x3Fu)	/* without the sticky flags */
#else
#define FPU_STATE() 0u
#endif

static double worst[2];			/* by precision */
static double worst_set;		/* between sets of kernels */

static const char *const texts[] = {
	"", "apple", "  ", "common1 bridge common2", "unknown words only",
	"apple apple apple bridge bridge cloud common0 common1 common2 common3 dance ember \xE4\xB8\xAD\xE4\xB8\xAD x y z",
	"ember cloud", "dance common3 common3 unheard apple"
};

#define TEXTS (sizeof texts / sizeof texts[0])

/* Scores by the network of training, for one sequence of ids. */
static bool
deep_scores(const ClfModel *model, const uint32_t *ids, int T, float *z)
{
	UnitMemory	memory;
	ClfMem		mem;
	ClfNetwork	network;
	ClfError	error;
	int			order[1];
	int32_t		class_id = 0;
	float		weight = 1;
	ClfShard   *shard = unit_shard(1, &T, ids, &class_id, &weight, order);

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	if (clf_network_init(&network, &mem, &model->config, &model->table, clf_kernels(), NULL,
						 (size_t) T, 1, false, &error) != CLF_OK)
		return false;
	clf_network_load(&network, model->weights);
	clf_network_start(&network, shard, NULL, 0, 0, NULL);
	while (!clf_network_advance(&network))
		;
	memcpy(z, network.d_logits, model->labels.count * sizeof(float));
	clf_network_free(&network);
	unit_shard_free(shard);
	return memory.blocks == 0;
}

/* Scores by the linear branch, with another way to count and to search. */
static void
wide_scores(const ClfModel *model, const ClfToken *tokens, size_t count, double *z)
{
	const ClfWide *wide = &model->wide;
	UnitMemory	memory;
	ClfMem		mem;
	ClfGrams	grams;
	double		square = 0;
	double		sum[8] = {0};

	unit_memory_init(&memory);
	clf_mem_init(&mem, &memory.allocator);
	clf_grams_init(&grams, &mem, model->config.char_ngrams);
	clf_grams_start(&grams);
	for (size_t i = 0; i < count; i++)
		CHECK(clf_grams_add(&grams, tokens[i].text, tokens[i].length), "no memory");
	for (size_t f = 0; f < wide->F; f++)
	{
		int			times = 0;
		double		value;

		for (size_t i = 0; i < grams.count; i++)
			times += grams.hashes[i] == wide->hashes[f];
		if (times == 0)
			continue;
		value = (1 + log(times)) * wide->idf[f];
		square += value * value;
		for (size_t k = 0; k < wide->C; k++)
			sum[k] += value * wide->kernel[f * wide->C + k];
	}
	for (size_t k = 0; k < wide->C; k++)
		z[k] = -log1p(exp(-wide->bias[k] - (square > 0 ? sum[k] / sqrt(square) : 0)));
	clf_grams_free(&grams);
}

/* Probabilities of a text's tokens by both branches. */
static bool
reference(const ClfModel *model, const ClfToken *tokens, size_t count, double *probability)
{
	int			C = clf_model_classes(model);
	float		deep[8] = {0};
	double		wide[8] = {0};
	double		sum = 0;
	uint32_t	ids[64];
	size_t		T = 0;

	for (; T < count && T < (size_t) model->config.maxlen; T++)
		ids[T] = (uint32_t) tokens[T].id;
	T = clf_pad(&model->config, ids, T);
	if (clf_has_deep(&model->config) && !deep_scores(model, ids, (int) T, deep))
		return false;
	if (clf_has_wide(&model->config))
		wide_scores(model, tokens, count, wide);
	for (int k = 0; k < C; k++)
		sum += probability[k] = exp((double) model->scale[0] * deep[k] + model->scale[1] * wide[k]);
	for (int k = 0; k < C; k++)
		probability[k] /= sum;
	return true;
}

static void
compare_text(const ClfModel *model, ClfScratch *scratch, const char *text)
{
	int			C = clf_model_classes(model);
	float		probability[8];
	float		again[8];
	double		expected[8];
	const ClfToken *tokens;
	size_t		count;
	ClfError	error;
	double		sum = 0;

	CHECK(clf_predict(model, scratch, text, strlen(text), probability, &error) == CLF_OK,
		  "%s", error.message);
	CHECK(clf_tokens(model, scratch, text, strlen(text), &tokens, &count, &error) == CLF_OK,
		  "%s", error.message);
	CHECK(count <= clf_encode_limit(&model->config), "more tokens than are looked at");
	CHECK(reference(model, tokens, count, expected), "no reference");
	for (int k = 0; k < C; k++)
	{
		worst[model->config.precision] = fmax(worst[model->config.precision], fabs(probability[k] - expected[k]));
		CHECK(fabs(probability[k] - expected[k]) < (model->config.precision == CLF_PRECISION_INT8 ? 0.02 : 1e-5),
			  "\"%s\" class %d: %g, not %g", text, k, probability[k], expected[k]);
		sum += probability[k];
	}
	CHECK(fabs(sum - 1) < 1e-6, "the sum is %g", sum);
	CHECK(clf_predict(model, scratch, text, strlen(text), again, &error) == CLF_OK &&
		  memcmp(again, probability, (size_t) C * sizeof(float)) == 0, "a second call differs");
}

/*
 * All texts together, in every rotation of their order and number up to more
 * than one pass of the network: bit for bit what each gives alone.
 */
static void
compare_batches(const ClfModel *model, ClfScratch *scratch)
{
	size_t		C = (size_t) clf_model_classes(model);
	ClfText		batch[CLF_FORWARD_ROWS + 7];
	float		together[(CLF_FORWARD_ROWS + 7) * 8];
	ClfError	error;

	for (int count = 1; count <= CLF_FORWARD_ROWS + 7; count += count < 9 ? 1 : 11)
	{
		for (int i = 0; i < count; i++)
		{
			const char *text = texts[(size_t) (i * 3 + count) % TEXTS];

			batch[i] = (ClfText) {text, strlen(text)};
		}
		CHECK(clf_predict_batch(model, scratch, batch, count, together, &error) == CLF_OK, "%s", error.message);
		for (int i = 0; i < count; i++)
		{
			float		alone[8];

			CHECK(clf_predict(model, scratch, batch[i].bytes, batch[i].length, alone, &error) == CLF_OK, "%s", error.message);
			CHECK(memcmp(alone, together + (size_t) i * C, C * sizeof *alone) == 0,
				  "text %d of %d is not what it is alone", i, count);
		}
	}
}

/*
 * Largest difference from the scores of the plain set of kernels.  Sums of bytes
 * are exact in all sets, but what one rounds otherwise in the last digit can
 * change a byte of a state.  "avx512bf16" reads states to 16 bits where weights
 * are in pairs.
 */
static double
set_tolerance(const ClfPacked *packed, const char *set)
{
	if (packed->form == CLF_PACKED_BYTES)
		return 0.02;
	return packed->form == CLF_PACKED_PAIRS && strcmp(set, "avx512bf16") == 0 ? 5e-5 : 1e-5;
}

/* Every set of kernels that this CPU has, on sequences of every length. */
static void
compare_sets(const ClfModel *model, ClfMem *mem)
{
	const ClfKernels *sets[CLF_KERNEL_SETS];
	int			count = clf_kernels_available(sets);
	uint32_t	ids[CLF_FORWARD_ROWS][CLF_FORWARD_ROWS];
	ClfSequence sequences[CLF_FORWARD_ROWS];
	float		plain[CLF_FORWARD_ROWS][8];
	float		scores[CLF_FORWARD_ROWS][8];
	float	   *z[CLF_FORWARD_ROWS];

	for (int i = 0; i < CLF_FORWARD_ROWS; i++)
	{
		for (int t = 0; t < CLF_FORWARD_ROWS; t++)
			ids[i][t] = (uint32_t) (i * 5 + t * 7) % (uint32_t) clf_model_ids(model);
		sequences[i] = (ClfSequence) {ids[i], (size_t) (CLF_FORWARD_ROWS - i)};
	}
	for (int set = count - 1; set >= 0; set--)
	{
		double		tolerance = set_tolerance(&model->packed, sets[set]->name);
		ClfForward	forward;
		ClfError	error;

		for (int i = 0; i < CLF_FORWARD_ROWS; i++)
			z[i] = set == count - 1 ? plain[i] : scores[i];
		CHECK(clf_forward_init(&forward, model, &model->packed, mem, sets[set], &error) == CLF_OK &&
			  clf_forward(&forward, CLF_FORWARD_ROWS, sequences, z, &error) == CLF_OK, "%s", error.message);
		clf_forward_free(&forward);
		for (int i = 0; i < CLF_FORWARD_ROWS; i++)
			for (int k = 0; k < clf_model_classes(model); k++)
			{
				worst_set = fmax(worst_set, fabs(z[i][k] - plain[i][k]));
				CHECK(fabs(z[i][k] - plain[i][k]) < tolerance, "%s: sequence %d, class %d has %g, not %g",
					  sets[set]->name, i, k, z[i][k], plain[i][k]);
			}
	}
}

/*
 * Recurrent weights two to a word: the scores of floats, of one sequence and of
 * many; bit for bit, but where states are read to 16 bits.
 */
static void
compare_forms(const ClfModel *model, ClfMem *mem)
{
	static const uint32_t ids[] = {5, 0, 1, 11, 5, 2, 3};
	const ClfKernels *sets[CLF_KERNEL_SETS];
	int			count = clf_kernels_available(sets);
	ClfPacked	packed[2];
	ClfSequence sequences[CLF_FORWARD_ROWS];
	float	   *z[CLF_FORWARD_ROWS];
	ClfError	error;

	for (int form = CLF_PACKED_FLOATS; form <= CLF_PACKED_PAIRS; form++)
		CHECK(clf_packed_init(&packed[form], model, (ClfPackedForm) form, mem, &error) == CLF_OK, "%s", error.message);
	for (size_t i = 0; i < CLF_FORWARD_ROWS; i++)
		sequences[i] = (ClfSequence) {ids, i < 6 ? 7 : 5};
	for (int set = 0; set < count; set++)
		for (size_t rows = 1; rows <= CLF_FORWARD_ROWS; rows += 23)
		{
			float		scores[2][CLF_FORWARD_ROWS][8] = {{{0}}};
			float		tolerance = strcmp(sets[set]->name, "avx512bf16") == 0 ? 5e-5f : 0;

			for (int form = CLF_PACKED_FLOATS; form <= CLF_PACKED_PAIRS; form++)
			{
				ClfForward	forward;

				for (size_t i = 0; i < rows; i++)
					z[i] = scores[form][i];
				CHECK(clf_forward_init(&forward, model, &packed[form], mem, sets[set], &error) == CLF_OK &&
					  clf_forward(&forward, rows, sequences, z, &error) == CLF_OK, "%s", error.message);
				clf_forward_free(&forward);
			}
			for (size_t i = 0; i < rows; i++)
				for (int k = 0; k < clf_model_classes(model); k++)
					CHECK(fabsf(scores[0][i][k] - scores[1][i][k]) <= tolerance, "%s: pairs give %g, not %g",
						  sets[set]->name, scores[1][i][k], scores[0][i][k]);
		}
	clf_packed_free(&packed[0]);
	clf_packed_free(&packed[1]);
}

static ClfConfig config;

static void
architecture(void)
{
	UnitMemory	memory;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;

	unit_memory_init(&memory);
	model = unit_random_model(&memory.allocator, &config, 4, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	for (size_t i = 0; i < TEXTS; i++)
		compare_text(model, scratch, texts[i]);
	compare_batches(model, scratch);
	if (clf_has_deep(&config))
	{
		ClfMem		mem;

		clf_mem_init(&mem, &memory.allocator);
		compare_sets(model, &mem);
		CHECK(model->packed.form == (config.precision == CLF_PRECISION_INT8 ? CLF_PACKED_BYTES :
									 config.storage == CLF_STORAGE_FLOAT32 ? CLF_PACKED_FLOATS : CLF_PACKED_PAIRS),
			  "form %d", model->packed.form);
		if (model->packed.form == CLF_PACKED_PAIRS)
			compare_forms(model, &mem);
	}
	clf_scratch_free(scratch);
	clf_model_free(model);
	CHECK(memory.blocks == 0, "memory is kept");
}

static void
all_architectures(void)
{
	static const int units[] = {1, 5, 16, 17, 40};

	for (int id = 0; id < UNIT_ARCHITECTURES; id++)
		for (int precision = 0; precision <= (id == CLF_ARCH_LINEAR ? 0 : 1); precision++)
			for (int layers = 1; layers <= (id == CLF_ARCH_LINEAR ? 1 : 3); layers++)
				for (int bidirectional = 0; bidirectional <= 1; bidirectional++)
					for (int pooling = 0; pooling < 4; pooling++)
						for (int u = 0; u < 5; u++)
						{
							char		name[128];
	
							unit_config(&config);
							config.architecture = id;
							config.tokenizer = id == CLF_ARCH_LSTM ? CLF_TOKENIZER_KERAS : CLF_TOKENIZER_UNICODE;
							config.maxlen = 14;
							config.layers = layers;
							config.bidirectional = bidirectional;
							config.pooling = pooling;
							config.units = units[u];
							config.embedding_dim = u == 2 ? 16 : 7;
							config.char_ngrams = u % 2;
							config.precision = precision;
							config.storage = u % 3;	/* each of ClfStorage */
							snprintf(name, sizeof name, "predict_%s_%s_%d_%s_pooling%d_units%d",
									 unit_architecture(id), precision ? "int8" : "float32", layers,
									 bidirectional ? "both" : "forward", pooling, units[u]);
							unit_run(name, architecture);
						}
}

/* ---- what a model answers about a text ---- */

static void
tokens_and_places(void)
{
	UnitMemory	memory;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	const ClfToken *tokens;
	size_t		count;
	const char *text = "Apple, UNHEARD \xEF\xBC\xA3loud";

	unit_memory_init(&memory);
	unit_config(&config);
	model = unit_random_model(&memory.allocator, &config, 2, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_tokens(model, scratch, text, strlen(text), &tokens, &count, &error) == CLF_OK && count == 4,
		  "%zu tokens", count);
	CHECK(tokens[0].id == CLF_FIRST_ID && tokens[0].start == 0 && tokens[0].end == 5 &&
		  memcmp(tokens[0].text, "apple", 5) == 0, "the first token is off");
	CHECK(tokens[1].id == CLF_ID_OOV && tokens[2].id == CLF_ID_OOV, "unknown tokens are known");
	CHECK(tokens[3].id == CLF_FIRST_ID + 2 && tokens[3].start == 15 && tokens[3].end == 22 &&
		  tokens[3].length == 5 && memcmp(tokens[3].text, "cloud", 5) == 0, "the last token is off");
	CHECK(clf_tokens(model, scratch, "", 0, &tokens, &count, &error) == CLF_OK && count == 0, "tokens of nothing");
	clf_scratch_free(scratch);
	clf_model_free(model);
}

static void
encoding_errors(void)
{
	UnitMemory	memory;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	const ClfToken *tokens;
	size_t		count;
	float		probability[2] = {-1, -1};
	float		together[6];

	unit_memory_init(&memory);
	unit_config(&config);
	model = unit_random_model(&memory.allocator, &config, 2, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_predict(model, scratch, "ab \xFF", 4, probability, &error) == CLF_ERR_ENCODING &&
		  error.status == CLF_ERR_ENCODING && strstr(error.detail, "4") != NULL, "not an error");
	CHECK(probability[0] == -1, "an output is touched by an error");
	CHECK(clf_predict_batch(model, scratch, (ClfText[]) {{"ab", 2}, {"abc \xFF", 5}, {"\xFF", 1}}, 3, together, &error) == CLF_ERR_ENCODING &&
		  strstr(error.detail, "5") != NULL, "not the error of the first text that has one");
	CHECK(clf_tokens(model, scratch, "\xC3", 1, &tokens, &count, &error) == CLF_ERR_ENCODING, "not an error");
	CHECK(clf_predict(model, scratch, "ab", 2, probability, &error) == CLF_OK, "not usable after an error");
	clf_scratch_free(scratch);
	clf_model_free(model);
	CHECK(memory.blocks == 0, "memory is kept");
}

static void
best_of_equals_is_the_first(void)
{
	static const float equal[] = {0.25f, 0.25f, 0.25f, 0.25f};
	static const float last[] = {0.1f, 0.2f, 0.7f};

	CHECK(clf_best(equal, 4) == 0 && clf_best(last, 3) == 2, "not the best");
}

/* A long text costs time, not memory, and only its first tokens count. */
static void
check_long_text(int architecture_id, size_t tokens)
{
	UnitMemory	memory;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	size_t		length = 4 << 20;
	char	   *text = malloc(length);
	float		whole[2];
	float		part[2];
	size_t		before;

	for (size_t i = 0; i < length; i++)
		text[i] = i < 6 * tokens ? "apple cloud "[i % 12] : "ember "[i % 6];
	unit_memory_init(&memory);
	unit_config(&config);
	config.architecture = architecture_id;
	model = unit_random_model(&memory.allocator, &config, 2, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_predict(model, scratch, text, 6 * tokens, part, &error) == CLF_OK, "%s", error.message);
	before = memory.peak;
	CHECK(clf_predict(model, scratch, text, length, whole, &error) == CLF_OK, "%s", error.message);
	CHECK(memory.peak == before, "memory grows with the text");
	CHECK(memcmp(whole, part, sizeof whole) == 0, "tokens after the limit count");
	CHECK(clf_predict(model, scratch, text, 6 * (tokens - 1), part, &error) == CLF_OK, "%s", error.message);
	CHECK(memcmp(whole, part, sizeof whole) != 0, "the last token before the limit does not count");
	CHECK(clf_scratch_memory(scratch) + clf_model_memory(model) == memory.bytes, "memory is not what it says");
	clf_scratch_free(scratch);
	clf_model_free(model);
	free(text);
}

static void
long_text(void)
{
	check_long_text(CLF_ARCH_BILSTM, 50);
	check_long_text(CLF_ARCH_LINEAR, CLF_WIDE_TOKENS);
	check_long_text(CLF_ARCH_HYBRID, CLF_WIDE_TOKENS);
}

/* ---- Keras ---- */

/* Collects ids in the order of the sink. */
static ClfStatus
collect(void *context, const ClfTokenSpan *span, ClfError *error)
{
	(void) error;
	strncat(context, span->text, span->length);
	strcat(context, " ");
	return CLF_OK;
}

/* pad_sequences: the last maxlen words, zeros in front. */
static void
keras_padding_and_truncation(void)
{
	ClfError	error;
	char		words[100] = "";
	uint32_t	ids[5] = {7, 8, 9, 0, 0};

	unit_config(&config);
	config.architecture = CLF_ARCH_LSTM;
	config.tokenizer = CLF_TOKENIZER_KERAS;
	config.maxlen = 5;
	CHECK(clf_encode(&config, NULL, NULL, "a b c d e f g", 13, collect, words, &error) == CLF_OK, "%s", error.message);
	CHECK(strcmp(words, "c d e f g ") == 0, "of seven words remain %s", words);
	CHECK(clf_pad(&config, ids, 3) == 5 && ids[0] == 0 && ids[1] == 0 && ids[2] == 7 && ids[4] == 9,
		  "padding is not in front");
	CHECK(clf_pad(&config, ids, 0) == 5 && ids[0] == 0 && ids[4] == 0, "nothing is not all padding");
	config.architecture = CLF_ARCH_BILSTM;
	words[0] = '\0';
	CHECK(clf_encode(&config, NULL, NULL, "a b c d e f g", 13, collect, words, &error) == CLF_OK, "%s", error.message);
	CHECK(strcmp(words, "a b c d e ") == 0, "of seven words remain %s", words);
	CHECK(clf_pad(&config, ids, 0) == 1 && ids[0] == 0, "nothing is not one padding");
}

/* The padding runs through the LSTM: its length and its embedding matter. */
static void
keras_padding_is_read(void)
{
	UnitMemory	memory;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	float		before[2];
	float		after[2];

	unit_memory_init(&memory);
	unit_config(&config);
	config.architecture = CLF_ARCH_LSTM;
	config.tokenizer = CLF_TOKENIZER_KERAS;
	config.layers = 2;
	config.maxlen = 6;
	model = unit_random_model(&memory.allocator, &config, 2, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_predict(model, scratch, "apple", 5, before, &error) == CLF_OK, "%s", error.message);
	for (int j = 0; j < config.embedding_dim; j++)
		clf_model_tensor(model, model->table.embedding)[j] += 1.0f;
	clf_scratch_free(scratch);	/* it remembers projections */
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_predict(model, scratch, "apple", 5, after, &error) == CLF_OK, "%s", error.message);
	CHECK(fabs(before[0] - after[0]) > 1e-6, "the embedding of padding does not matter");
	clf_scratch_free(scratch);
	clf_model_free(model);
}

static void
fpu_state_is_kept(void)
{
	UnitMemory	memory;
	ClfModel   *model;
	ClfScratch *scratch;
	ClfError	error;
	float		probability[2];
	unsigned int state = FPU_STATE();

	unit_memory_init(&memory);
	unit_config(&config);
	model = unit_random_model(&memory.allocator, &config, 2, 3);
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	CHECK(clf_predict(model, scratch, "apple", 5, probability, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_predict(model, scratch, "\xFF", 1, probability, &error) == CLF_ERR_ENCODING, "no error");
	CHECK(FPU_STATE() == state, "prediction changes the floating-point mode");
	clf_scratch_free(scratch);
	clf_model_free(model);
}

int
main(void)
{
	all_architectures();
	RUN(tokens_and_places);
	RUN(encoding_errors);
	RUN(best_of_equals_is_the_first);
	RUN(long_text);
	RUN(keras_padding_and_truncation);
	RUN(keras_padding_is_read);
	RUN(fpu_state_is_kept);
	printf("# largest difference between prediction and training: %.2g, on bytes %.2g; between kernels: %.2g\n",
		   worst[0], worst[1], worst_set);
	return UNIT_RESULT();
}

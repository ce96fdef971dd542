/*
 * config.c
 *	  The table of options: what each one is called, may be and is by default.
 *
 * The SQL options, the model file and the reference documentation all walk
 * this table.  It must not know who reads it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dataset.h"
#include "mask.h"
#include "error.h"
#include "tensor.h"

#define AUTO_INT (-1)			/* below every minimum: chosen from the rows */

static const char *const architecture_names[] = {"hybrid", "bilstm", "linear", "lstm", NULL};
static const char *const tokenizer_names[] = {"unicode", "keras", NULL};
static const char *const mask_names[] = {"email", "url", "number", "card", "phone", NULL};
static const char *const pooling_names[] = {"last", "max", "mean", "max_mean", NULL};
static const char *const loss_names[] = {"cross_entropy", "mse", NULL};
static const char *const optimizer_names[] = {"sgd", "momentum", "rmsprop", "adam", NULL};
static const char *const schedule_names[] = {"constant", "linear", "cosine", NULL};
static const char *const class_weight_names[] = {"none", "balanced", NULL};
static const char *const storage_names[] = {"float32", "float16", "int8", NULL};
static const char *const precision_names[] = {"float32", "int8", NULL};
static const char *const validation_mode_names[] = {"stratified", "last", NULL};

#define ENUM(field, names, initial, description) \
	{#field, CLF_OPTION_ENUM, offsetof(ClfConfig, field), 0, \
	 sizeof(names) / sizeof(names[0]) - 2, initial, names, description}
#define INT(field, minimum, maximum, initial, description) \
	{#field, CLF_OPTION_INT, offsetof(ClfConfig, field), \
	 minimum, maximum, initial, NULL, description}
#define REAL(field, minimum, maximum, initial, description) \
	{#field, CLF_OPTION_REAL, offsetof(ClfConfig, field), \
	 minimum, maximum, initial, NULL, description}
#define BOOL(field, initial, description) \
	{#field, CLF_OPTION_BOOL, offsetof(ClfConfig, field), \
	 0, 1, initial, NULL, description}

#define SET(field, names, description) \
	{#field, CLF_OPTION_SET, offsetof(ClfConfig, field), \
	 0, (1 << (sizeof(names) / sizeof(names[0]) - 1)) - 1, 0, names, description}
#define STRING(field, description) \
	{#field, CLF_OPTION_STRING, offsetof(ClfConfig, field), \
	 0, sizeof(((ClfConfig *) NULL)->field) - 1, 0, NULL, description}

static const ClfOption options[] = {
	ENUM(architecture, architecture_names, CLF_ARCH_HYBRID,
		 "hybrid (both of the next), bilstm (embedding, bidirectional LSTM, maximum over time), linear (logistic regression on n-grams) or lstm (Keras's stacked LSTM)"),
	ENUM(tokenizer, tokenizer_names, CLF_TOKENIZER_UNICODE,
		 "how text becomes tokens: unicode (every script) or keras (Keras's Tokenizer)"),
	SET(mask, mask_names,
		"what of a text is replaced by a placeholder before anything is counted: email, url, number, card, phone"),
	STRING(mask_pattern,
		   "regular expression (ICU's) whose matches are replaced by a placeholder, too"),
	BOOL(capitals, AUTO_INT,
		 "with tokenizer unicode, a word that begins with a capital, or is all of them, has a token before it, <title> or <upper>, unless a text begins with it or the word before is written alike"),
	INT(num_words, 3, 5000000, AUTO_INT,
		"size of the vocabulary, padding and unknown token included"),
	INT(min_count, 1, 1000000, 1,
		"how often a token must occur in the training rows to be learned"),
	INT(min_rows, 1, 1000000, AUTO_INT,
		"in how many training rows a token or n-gram must be to be learned"),
	INT(maxlen, 1, 10000, AUTO_INT,
		"tokens of a text that are looked at"),
	INT(embedding_dim, 1, 4096, AUTO_INT,
		"width of the token embedding"),
	INT(units, 1, 4096, AUTO_INT,
		"LSTM units per direction"),
	INT(layers, 1, 8, AUTO_INT,
		"LSTM layers"),
	BOOL(bidirectional, AUTO_INT,
		 "read the text in both directions"),
	ENUM(pooling, pooling_names, AUTO_INT,
		 "what of the LSTM's outputs is classified: last state, max or mean over time, or max_mean: both, and the embeddings' max"),
	REAL(dropout, 0, 0.95, AUTO_INT,
		 "share of the pooled features dropped in training"),
	REAL(word_dropout, 0, 0.95, AUTO_INT,
		 "share of the distinct words of a batch read as unknown in training"),
	ENUM(loss, loss_names, CLF_LOSS_CROSS_ENTROPY,
		 "what training minimises: cross_entropy or mse"),
	ENUM(optimizer, optimizer_names, CLF_OPTIMIZER_ADAM,
		 "update rule: sgd, momentum, rmsprop or adam"),
	REAL(learning_rate, 1e-8, 100, AUTO_INT,
		 "size of an update"),
	REAL(momentum, 0, 0.9999, 0.9,
		 "of optimizer momentum"),
	ENUM(schedule, schedule_names, AUTO_INT,
		 "course of the learning rate: constant, linear or cosine (both with warm-up, down to 0)"),
	REAL(clip_norm, 0, 1e9, AUTO_INT,
		 "limit of the gradient's global norm; 0 = none"),
	BOOL(dense_updates, 0,
		 "update every embedding row at each step, not only the rows of the batch"),
	REAL(weight_average, 0, 0.99999, AUTO_INT,
		 "decay of the averaged weights that the model keeps; 0 = keep the last weights"),
	INT(epochs, 1, 100000, AUTO_INT,
		"passes over the training rows"),
	INT(batch_size, 1, 1000000, AUTO_INT,
		"rows per update"),
	BOOL(char_ngrams, AUTO_INT,
		 "the linear branch looks at character 2- to 5-grams of words, too"),
	REAL(wide_c, 1e-4, 1e4, AUTO_INT,
		 "inverse strength of the linear branch's regularisation"),
	BOOL(refit, AUTO_INT,
		 "at last the linear branch, and from 1,000 to 20,000 rows the network, learn from the validation rows, too"),
	ENUM(class_weight, class_weight_names, CLF_CLASS_WEIGHT_NONE,
		 "weight of a row in the loss: none, or balanced by class frequency"),
	REAL(validation_split, 0, 0.9, AUTO_INT,
		 "share of the rows kept for validation"),
	ENUM(validation_mode, validation_mode_names, CLF_VALIDATION_STRATIFIED,
		 "which rows those are: stratified by label, or the last ones"),
	INT(early_stopping, 0, 100000, AUTO_INT,
		"stop after so many epochs without a better validation loss; 0 = never"),
	REAL(max_seconds, 0, 1e9, 0,
		 "stop training after so long and keep the best weights so far; 0 = no limit"),
	ENUM(storage, storage_names, AUTO_INT,
		 "how the model keeps the network's weights: float32, float16 or int8 (embedding; the rest float16)"),
	ENUM(precision, precision_names, AUTO_INT,
		 "how prediction computes the LSTM layers: float32, or int8 (on bytes, which is faster)"),
	INT(seed, 0, 2147483647, 0,
		"start of the random numbers: the same seed and rows give the same model"),
};

#define OPTION_COUNT ((int) (sizeof(options) / sizeof(options[0])))

const ClfOption *
clf_options(int *count)
{
	*count = OPTION_COUNT;
	return options;
}

/* A field's value as a number, whatever its type: of a string, its length. */
static double
get_field(const ClfConfig *config, const ClfOption *option)
{
	const char *field = (const char *) config + option->offset;
	int32_t		integer;
	double		real;

	if (option->type == CLF_OPTION_STRING)
		return (double) strnlen(field, (size_t) option->maximum + 1);
	if (option->type == CLF_OPTION_REAL)
	{
		memcpy(&real, field, sizeof real);
		return real;
	}
	memcpy(&integer, field, sizeof integer);
	return integer;
}

void
clf_config_init(ClfConfig *config)
{
	memset(config, 0, sizeof *config);
	for (int i = 0; i < OPTION_COUNT; i++)
	{
		char	   *field = (char *) config + options[i].offset;
		int32_t		integer = (int32_t) options[i].initial;

		if (options[i].type == CLF_OPTION_REAL)
			memcpy(field, &options[i].initial, sizeof(double));
		else if (options[i].type != CLF_OPTION_STRING)
			memcpy(field, &integer, sizeof integer);
	}
}

bool
clf_config_valid(const ClfConfig *config, bool allow_auto)
{
	for (int i = 0; i < OPTION_COUNT; i++)
	{
		double		value = get_field(config, &options[i]);
		bool		automatic = options[i].initial < options[i].minimum;

		if (allow_auto && automatic && value == options[i].initial)
			continue;
		/* written so that NaN fails */
		if (!(value >= options[i].minimum && value <= options[i].maximum))
			return false;
	}
	return true;
}

/* ---- the form of a network ---- */

static const char *const form_options[] = {
	"architecture", "tokenizer", "capitals", "embedding_dim", "units", "layers", "bidirectional", "pooling"
};

static const ClfOption *
find_option(const char *name)
{
	const ClfOption *option = options;

	while (strcmp(option->name, name) != 0)
		option++;
	return option;
}

void
clf_config_like(ClfConfig *config, const ClfConfig *model)
{
	for (size_t i = 0; i < sizeof form_options / sizeof *form_options; i++)
	{
		size_t		offset = find_option(form_options[i])->offset;

		memcpy((char *) config + offset, (const char *) model + offset, sizeof(int32_t));
	}
	/* whoever did not want it in the first model does not in the next */
	config->mask = model->mask;
	memcpy(config->mask_pattern, model->mask_pattern, sizeof config->mask_pattern);
}

/* The value of an integer, boolean or enum option as one writes it. */
static void
format_value(const ClfOption *option, int value, char text[24])
{
	if (option->type == CLF_OPTION_ENUM)
		snprintf(text, 24, "\"%s\"", option->names[value]);
	else if (option->type == CLF_OPTION_BOOL)
		snprintf(text, 24, value ? "true" : "false");
	else
		snprintf(text, 24, "%d", value);
}

ClfStatus
clf_config_check_like(const ClfConfig *config, const ClfConfig *model, ClfError *error)
{
	if (!clf_has_deep(config) || !clf_has_deep(model))
		return clf_fail(error, CLF_ERR_DATA, "there is no network to start from with architecture \"linear\"");
	for (size_t i = 0; i < sizeof form_options / sizeof *form_options; i++)
	{
		const ClfOption *option = find_option(form_options[i]);
		int			value = (int) get_field(config, option);
		int			other = (int) get_field(model, option);
		char		value_text[24];
		char		other_text[24];

		if (value == other)
			continue;
		if (option == find_option("architecture") &&
			value != CLF_ARCH_LSTM && other != CLF_ARCH_LSTM)
			continue;
		format_value(option, value, value_text);
		format_value(option, other, other_text);
		return clf_fail(error, CLF_ERR_DATA, "option \"%s\" is %s, but %s in the model to start from",
						option->name, value_text, other_text);
	}
	return CLF_OK;
}

ClfStatus
clf_config_check(const ClfConfig *config, ClfError *error)
{
	return config->mask_pattern[0] != '\0' ? clf_check_pattern(config->mask_pattern, error) : CLF_OK;
}

/* ---- values that suit the rows ---- */

#define LONGEST_TEXT 256		/* tokens, unless option maxlen says otherwise */
#define PRIVATE_ROWS 1000		/* what a single one of so many says is not learned */
#define LEAST_UPDATES 300		/* of a training, however few its rows */

static void
set_int(int32_t *field, double value)
{
	if (*field == AUTO_INT)
		*field = (int32_t) value;
}

static void
set_real(double *field, double value)
{
	if (*field == AUTO_INT)
		*field = value;
}

static double
between(double minimum, double value, double maximum)
{
	return value < minimum ? minimum : value > maximum ? maximum : value;
}

void
clf_config_before_rows(ClfConfig *config)
{
	set_int(&config->maxlen, LONGEST_TEXT);
	/* what Keras has is as Keras has it */
	if (config->tokenizer == CLF_TOKENIZER_KERAS || config->architecture == CLF_ARCH_LSTM)
		set_int(&config->capitals, 0);
}

/* Keras's defaults, for the textbook stack. */
static void
suit_lstm(ClfConfig *config)
{
	set_int(&config->num_words, 20000);
	set_int(&config->embedding_dim, 128);
	set_int(&config->units, 128);
	set_int(&config->layers, 2);
	set_int(&config->bidirectional, 0);
	set_int(&config->pooling, CLF_POOLING_LAST);
	set_real(&config->dropout, 0);
	set_real(&config->word_dropout, 0);
	set_int(&config->schedule, CLF_SCHEDULE_CONSTANT);
	set_real(&config->clip_norm, 0);
	set_real(&config->weight_average, 0);
	set_int(&config->epochs, 10);
	set_int(&config->batch_size, 32);
	set_int(&config->early_stopping, 0);
	set_real(&config->learning_rate, config->optimizer == CLF_OPTIMIZER_ADAM ||
			 config->optimizer == CLF_OPTIMIZER_RMSPROP ? 0.001 : 0.01);
}

/* Fewer rows: a smaller network, smaller batches, more epochs. */
static void
suit_bilstm(ClfConfig *config, size_t rows)
{
	double		updates;		/* of an epoch */

	set_int(&config->num_words, 50000);
	set_int(&config->embedding_dim, rows < CLF_FEW_ROWS ? 64 : 128);
	set_int(&config->units, rows < CLF_FEW_ROWS ? 64 : 96);
	set_int(&config->layers, 1);
	set_int(&config->bidirectional, 1);
	set_int(&config->pooling, CLF_POOLING_MAX_MEAN);
	set_real(&config->dropout, 0.5);
	set_real(&config->word_dropout, rows < CLF_FEW_ROWS ? 0.1 : 0.3);
	set_int(&config->schedule, CLF_SCHEDULE_LINEAR);
	set_real(&config->clip_norm, 1.0);
	set_int(&config->batch_size, between(8, (double) rows / 100, rows < CLF_FEW_ROWS ? 32 : 64));
	set_int(&config->early_stopping, 3);
	set_real(&config->learning_rate, config->optimizer == CLF_OPTIMIZER_ADAM ||
			 config->optimizer == CLF_OPTIMIZER_RMSPROP ? 0.002 : 0.1);

	updates = ceil((double) rows / config->batch_size);
	set_real(&config->weight_average, between(0.9, 1.0 - 2.0 / updates, 0.999));
	set_int(&config->epochs, between(between(4, 1200 / sqrt((double) rows), 30),
									 ceil(LEAST_UPDATES / updates), 200));
}

void
clf_config_after_rows(ClfConfig *config, size_t rows, bool marked, const size_t longest[2])
{
	/* marks that no row has would be unknown words between those of a text */
	set_int(&config->capitals, marked && rows < CLF_FEW_ROWS);
	set_real(&config->validation_split,
			 rows < 50 ? 0 : between(0, 10000 / (double) rows, 0.1));
	if (rows >= CLF_FEW_ROWS || config->validation_split == 0 || !clf_has_wide(config))
	{
		/* otherwise the validation rows decide, see course_wide.c */
		set_int(&config->char_ngrams, rows < CLF_FEW_ROWS);
		set_real(&config->wide_c, 10);
	}
	set_int(&config->min_rows, rows < PRIVATE_ROWS ? 1 : 2);
	set_int(&config->refit, clf_has_wide(config));
	if (!clf_has_deep(config))
	{
		/* otherwise the validation rows decide, see course_round.c */
		set_int(&config->storage, CLF_STORAGE_FLOAT32);
		set_int(&config->precision, CLF_PRECISION_FLOAT32);
	}
	if (config->architecture == CLF_ARCH_LSTM)
		suit_lstm(config);
	else
		suit_bilstm(config, rows);
	if (longest[config->capitals] < (size_t) config->maxlen)
		config->maxlen = longest[config->capitals] > 0 ? (int32_t) longest[config->capitals] : 1;
}

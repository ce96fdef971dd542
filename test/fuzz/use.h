/*
 * use.h
 *	  All that can be done with a model, done with one that may come from anyone.
 */
#ifndef FUZZ_USE_H
#define FUZZ_USE_H

#include "fuzz.h"

#include "hash.h"
#include "image.h"

/*
 * Explain a text: finite weights, or a reason why not; true if there are some.
 */
static inline int
fuzz_explain(const ClfModel *model, const char *text, size_t length)
{
	ClfExplainer *explainer;
	ClfError	error;
	bool		done = false;
	ClfStatus	status = clf_explainer_new(model, &fuzz_allocator, NULL, text, length, -1, &explainer, &error);

	if (status != CLF_OK)
	{
		FUZZ_CHECK(status == CLF_ERR_ENCODING || status == CLF_ERR_CORRUPT || status == CLF_ERR_LIMIT);
		return 0;
	}
	while (!done && status == CLF_OK)
		status = clf_explainer_step(explainer, &done, &error);
	FUZZ_CHECK(status == CLF_OK || status == CLF_ERR_CORRUPT);
	if (status == CLF_OK)
	{
		const ClfExplanation *result = clf_explainer_result(explainer);

		FUZZ_CHECK(isfinite(result->log_odds) && isfinite(result->base) && isfinite(result->rest));
		for (size_t i = 0; i < result->count; i++)
			FUZZ_CHECK(isfinite(result->weights[i]) && result->tokens[i].end <= length);
	}
	clf_explainer_free(explainer);
	return status == CLF_OK;
}

/* Read all that is shown of a model: every byte of it must be there. */
static inline void
fuzz_list(const ClfModel *model)
{
	size_t		length;
	uint64_t	sum = clf_model_memory(model) + (uint64_t) clf_model_parameters(model) +
		strlen(clf_model_icu_version(model));
	const char *info = clf_model_info(model, &length);

	for (size_t i = 0; i < length; i++)
		sum += (unsigned char) info[i];
	for (int k = 0; k < clf_model_classes(model); k++)
	{
		const char *label = clf_model_label(model, k, &length);

		sum += (uint64_t) clf_model_class(model, label, length);
	}
	for (int id = 0; id < clf_model_vocabulary(model); id++)
	{
		const char *token = clf_model_token(model, id, &length);

		for (size_t i = 0; token != NULL && i < length; i++)
			sum += (unsigned char) token[i];
		sum += clf_model_token_rows(model, id);
	}
	*(volatile uint64_t *) &sum;
}

/* ---- each way to use a model: finite numbers, or a reason why not ---- */

static const char fuzz_text[] = "apple x \xE4\xB8\xAD joe@x.y !";

#define FUZZ_TEXT_LENGTH (sizeof fuzz_text - 1)

/*
 * Predict texts, alone and together: probability [3,C].  True if there are
 * some.  sound: they are probabilities, and the same both ways.
 */
static inline bool
fuzz_predict(const ClfModel *model, bool sound, float *probability)
{
	const ClfText texts[] = {{fuzz_text, FUZZ_TEXT_LENGTH}, {fuzz_text, 0}, {fuzz_text, FUZZ_TEXT_LENGTH}};
	size_t		classes = (size_t) clf_model_classes(model);
	float	   *alone = malloc(classes * sizeof(float));
	const ClfToken *tokens;
	size_t		count;
	ClfScratch *scratch;
	ClfError	error;
	bool		answered = false;

	if (clf_scratch_new(model, &fuzz_allocator, &scratch, &error) == CLF_OK)
	{
		(void) clf_tokens(model, scratch, fuzz_text, FUZZ_TEXT_LENGTH, &tokens, &count, &error);
		answered = clf_batch_limit(model) >= 3 &&
			clf_predict_batch(model, scratch, texts, 3, probability, &error) == CLF_OK &&
			clf_predict(model, scratch, fuzz_text, FUZZ_TEXT_LENGTH, alone, &error) == CLF_OK;
		clf_scratch_free(scratch);
	}
	if (answered && sound)
	{
		for (size_t i = 0; i < 3 * classes; i++)
			FUZZ_CHECK(probability[i] >= 0 && probability[i] <= 1.00001f);
		for (size_t i = 0; i < 3; i += 2)
			FUZZ_CHECK(memcmp(alone, probability + i * classes, classes * sizeof(float)) == 0);
	}
	free(alone);
	return answered;
}

/* A model comes back from its bytes as the same bytes. */
static inline void
fuzz_export(const ClfModel *model)
{
	ClfModel   *again;
	ClfError	error;
	void	   *bytes[2];
	size_t		size[2];

	FUZZ_CHECK(clf_model_encode(model, &fuzz_allocator, &bytes[0], &size[0], &error) == CLF_OK);
	FUZZ_CHECK(clf_model_decode(&fuzz_allocator, bytes[0], size[0], &again, &error) == CLF_OK);
	FUZZ_CHECK(clf_model_encode(again, &fuzz_allocator, &bytes[1], &size[1], &error) == CLF_OK);
	FUZZ_CHECK(size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0);
	fuzz_allocator.free(NULL, bytes[0]);
	fuzz_allocator.free(NULL, bytes[1]);
	clf_model_free(again);
}

/* Bytes that grow: an image, or the rows of a training. */
typedef struct FuzzBytes
{
	char	   *bytes;			/* from aligned_alloc */
	size_t		size;
} FuzzBytes;

static inline bool
fuzz_append(void *context, const void *bytes, size_t size)
{
	FuzzBytes  *all = context;
	size_t		room = (all->size + size + CLF_ALIGNMENT) / CLF_ALIGNMENT * CLF_ALIGNMENT;
	char	   *larger = aligned_alloc(CLF_ALIGNMENT, room);

	if (all->size > 0)
		memcpy(larger, all->bytes, all->size);
	memcpy(larger + all->size, bytes, size);
	free(all->bytes);
	all->bytes = larger;
	all->size += size;
	return true;
}

static inline bool
fuzz_read(void *context, uint64_t offset, void *bytes, size_t size)
{
	FuzzBytes  *all = context;

	FUZZ_CHECK(offset <= all->size && size <= all->size - offset);
	memcpy(bytes, all->bytes + offset, size);
	return true;
}

/* A model's image is accepted, and predicts what the model does. */
static inline void
fuzz_image(const ClfModel *model, bool answered, const float *probability)
{
	size_t		floats = 3 * (size_t) clf_model_classes(model);
	float	   *again = malloc(floats * sizeof(float));
	FuzzBytes	image = {0};
	ClfModel   *attached;
	ClfError	error;

	FUZZ_CHECK(clf_image_write(model, &fuzz_allocator, SIZE_MAX, fuzz_append, &image, &error) == CLF_OK);
	FUZZ_CHECK(clf_image_attach(&fuzz_allocator, image.bytes, image.size, &attached, &error) == CLF_OK);
	fuzz_list(attached);
	FUZZ_CHECK(fuzz_predict(attached, true, again) == answered);
	FUZZ_CHECK(!answered || memcmp(probability, again, floats * sizeof(float)) == 0);
	clf_model_free(attached);
	free(image.bytes);
	free(again);
}

static inline double
fuzz_seconds(void *context)
{
	return 1e-5 * (double) ++*(size_t *) context;
}

/* Train from a model's weights, on four rows. */
static inline void
fuzz_start(const ClfModel *model)
{
	static const char *const rows[][2] = {{"apple x", "a"}, {"x new \xE4\xB8\xAD", "b"}, {"apple", "a"}, {"", "c"}};
	FuzzBytes	store = {0};
	size_t		looks = 0;
	ClfHost		host = {
		.allocator = fuzz_allocator,.memory_limit = 1 << 26,
		.store = {fuzz_append, fuzz_read, &store},.seconds = fuzz_seconds,.clock_context = &looks
	};
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfModel   *trained;
	ClfError	error;
	ClfStatus	status;

	clf_config_init(&config);
	clf_config_like(&config, clf_model_config(model));
	config.epochs = 1;
	config.min_count = config.min_rows = 1;
	status = clf_trainer_new(&config, &host, &trainer, &error);
	if (status == CLF_OK)
	{
		for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == CLF_OK; i++)
			status = clf_trainer_add(trainer, rows[i][0], strlen(rows[i][0]), rows[i][1], strlen(rows[i][1]), &error);
		if (status == CLF_OK)
			status = clf_trainer_warm_start(trainer, model, &error);
		while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
			status = clf_trainer_step(trainer, &progress, &error);
		if (status == CLF_OK)
			status = clf_trainer_finish(trainer, &trained, &summary, &error);
		if (status == CLF_OK)
			clf_model_free(trained);
		clf_trainer_free(trainer);
	}
	/* weights may be too large to go on from, a pattern may be too slow */
	FUZZ_CHECK(status == CLF_OK || status == CLF_ERR_DIVERGED || status == CLF_ERR_LIMIT || status == CLF_ERR_DATA);
	free(store.bytes);
}

/*
 * List and predict, and at times one of the ways that take longer: by a hash of
 * data, so that the fuzzer does not seek those.
 */
static inline void
fuzz_use(const ClfModel *model, const uint8_t *data, size_t size)
{
	uint64_t	way = clf_hash_bytes(data, size, CLF_HASH_SEED) % 32;
	float	   *probability = malloc(3 * (size_t) clf_model_classes(model) * sizeof(float));

	fuzz_list(model);
	/* a long sequence of zeros costs time, and nothing is learned from it */
	if (clf_model_config(model)->maxlen <= 200)
	{
		bool		answered = fuzz_predict(model, true, probability);

		if (way == 0)
			fuzz_start(model);
		else if (way < 4)
			fuzz_image(model, answered, probability);
		else if (way < 7)
			(void) fuzz_explain(model, fuzz_text, FUZZ_TEXT_LENGTH);
	}
	if (way >= 7 && way < 11)
		fuzz_export(model);
	free(probability);
}

#endif							/* FUZZ_USE_H */

/*
 * course_start.c
 *	  Where the network's weights start: from a model, from vectors of words, and
 *	  from random numbers for the rest.
 */
#include <math.h>
#include <string.h>

#include "error.h"
#include "hash.h"
#include "tokenizer.h"
#include "trainer.h"

#define MAX_DIMENSION 4096		/* of option embedding_dim */

/* ---- what the host gives ---- */

ClfStatus
clf_trainer_warm_start(ClfTrainer *trainer, const ClfModel *model, ClfError *error)
{
	ClfStatus	status = clf_config_check_like(&trainer->config, &model->config, error);

	if (status == CLF_OK)
		trainer->start.model = model;
	return status == CLF_OK ? clf_trainer_check_budget(trainer, 0, error) : status;
}

void
clf_trainer_keep_vectors(ClfTrainer *trainer)
{
	trainer->start.keeps_vectors = true;
}

/* Can the embedding begin with a vector?  The first decides what an open embedding_dim is. */
static ClfStatus
check_vector(ClfTrainer *trainer, const float *vector, size_t dimension, ClfError *error)
{
	if (!clf_has_deep(&trainer->config))
		return clf_fail(error, CLF_ERR_DATA, "word vectors are of no use with architecture \"linear\"");
	if (dimension < 1 || dimension > MAX_DIMENSION)
		return clf_fail(error, CLF_ERR_DATA, "word vector has %zu dimensions, not 1 to %d",
						dimension, MAX_DIMENSION);
	if (trainer->config.embedding_dim < 1)
		trainer->config.embedding_dim = (int32_t) dimension;
	if (dimension != (size_t) trainer->config.embedding_dim)
		return clf_fail(error, CLF_ERR_DATA, "word vector has %zu dimensions, but the embedding has %d",
						dimension, (int) trainer->config.embedding_dim);
	for (size_t i = 0; i < dimension; i++)
		if (!isfinite(vector[i]))
			return clf_fail(error, CLF_ERR_DATA, "word vector holds a number that is not finite");
	return CLF_OK;
}

/* Have room for the vectors of all tokens that rows hold. */
static ClfStatus
expect_vectors(ClfTrainer *trainer, ClfError *error)
{
	ClfStart   *start = &trainer->start;

	if (start->found != NULL)
		return CLF_OK;
	start->tokens = trainer->data.tokens.count;
	start->found = clf_mem_alloc(&trainer->mem, start->tokens, sizeof *start->found);
	start->spelling = clf_mem_alloc(&trainer->mem, start->tokens, sizeof *start->spelling);
	if (start->found == NULL || start->spelling == NULL)
		return clf_fail_memory(error);
	for (uint32_t i = 0; i < start->tokens; i++)
		start->found[i] = start->spelling[i] = CLF_NOWHERE;
	return clf_trainer_check_budget(trainer, 0, error);
}

/*
 * The entry of the dictionary that a word stands for, or -1: it is none, or
 * more than one token.  *exact: is it spelled so?
 */
static ClfStatus
find_token(const ClfTrainer *trainer, const char *word, size_t length,
		   int64_t *token, bool *exact, ClfError *error)
{
	ClfTokenWalk walk;
	ClfTokenSpan span;
	bool		more;
	ClfStatus	status;

	*token = -1;
	clf_walk_start(&walk, trainer->config.tokenizer, word, length);
	status = clf_walk_next(&walk, &span, &more, error);
	if (status != CLF_OK || !more)
		return status;
	*token = clf_vocab_find(&trainer->data.tokens, span.text, span.length);
	*exact = span.length == length && memcmp(span.text, word, length) == 0;
	status = clf_walk_next(&walk, &span, &more, error);
	if (more)
		*token = -1;
	return status;
}

ClfStatus
clf_trainer_add_vector(ClfTrainer *trainer, const char *word, size_t length,
					   const float *vector, size_t dimension, ClfError *error)
{
	ClfStart   *start = &trainer->start;
	ClfDataset *data = &trainer->data;
	size_t		size = dimension * sizeof *vector;
	uint64_t	spelling;
	int64_t		token;
	bool		exact;
	ClfStatus	status;

	if ((status = check_vector(trainer, vector, dimension, error)) != CLF_OK ||
		(status = expect_vectors(trainer, error)) != CLF_OK ||
		(status = find_token(trainer, word, length, &token, &exact, error)) != CLF_OK)
		return status;
	if (token < 0 || token >= (int64_t) start->tokens)
		return CLF_OK;

	/* the vector as well, so that a word that is there twice does not depend on the order */
	spelling = clf_hash_bytes(vector, size, clf_hash_bytes(word, length, CLF_HASH_SEED)) >> 1;
	if (!exact)
		spelling |= UINT64_C(1) << 63;
	if (spelling >= start->spelling[token])
		return CLF_OK;
	if (!data->host->store.append(data->host->store.context, vector, size))
		return clf_fail(error, CLF_ERR_HOST, "could not store a word vector");
	start->found[token] = data->stored;
	start->spelling[token] = spelling;
	data->stored += size;
	return CLF_OK;
}

/* ---- once the vocabulary is known ---- */

/* Id of a word of the training in the model, or -1. */
static int64_t
id_in_model(const ClfTrainer *trainer, size_t id)
{
	size_t		length;
	const char *word;
	int64_t		index;

	if (trainer->start.model == NULL || id < CLF_FIRST_ID)
		return trainer->start.model == NULL ? -1 : (int64_t) id;
	word = clf_vocab_string(&trainer->data.words, (uint32_t) (id - CLF_FIRST_ID), &length);
	index = clf_vocab_find(&trainer->start.model->words, word, length);
	return index < 0 ? -1 : index + CLF_FIRST_ID;
}

/* Find the labels of the training in the model. */
static ClfStatus
find_labels(ClfTrainer *trainer, ClfError *error)
{
	ClfStart   *start = &trainer->start;
	uint32_t	C = trainer->data.labels.count;

	start->classes = clf_mem_alloc(&trainer->mem, C, sizeof *start->classes);
	if (start->classes == NULL)
		return clf_fail_memory(error);
	for (uint32_t k = 0; k < C; k++)
	{
		size_t		length;
		const char *label = clf_vocab_string(&trainer->data.labels, k, &length);

		start->classes[k] = clf_vocab_find(&start->model->labels, label, length);
		start->origin.labels_of_model += start->classes[k] >= 0;
	}
	return CLF_OK;
}

/* From entries of the dictionary to ids. */
static ClfStatus
place_vectors(ClfTrainer *trainer, ClfError *error)
{
	ClfStart   *start = &trainer->start;
	size_t		V = clf_trainer_vocabulary(trainer);

	start->places = clf_mem_alloc(&trainer->mem, V, sizeof *start->places);
	if (start->places == NULL)
		return clf_fail_memory(error);
	for (size_t id = 0; id < V; id++)
		start->places[id] = CLF_NOWHERE;
	for (uint32_t token = 0; token < start->tokens; token++)
	{
		uint32_t	id = trainer->data.id_of[token];

		if (id < CLF_FIRST_ID || start->found[token] == CLF_NOWHERE)
			continue;
		start->places[id] = start->found[token];
		start->origin.words_of_vectors++;
	}
	clf_mem_free(&trainer->mem, start->found);
	clf_mem_free(&trainer->mem, start->spelling);
	start->found = start->spelling = NULL;
	return CLF_OK;
}

ClfStatus
clf_course_start_prepare(ClfTrainer *trainer, ClfError *error)
{
	ClfStart   *start = &trainer->start;
	ClfStatus	status = CLF_OK;

	start->origin.words = trainer->data.words.count;
	start->origin.labels = clf_trainer_classes(trainer);
	if (start->model != NULL)
		status = find_labels(trainer, error);
	if (status == CLF_OK && start->found != NULL)
		status = place_vectors(trainer, error);
	return status;
}

ClfOrigin
clf_trainer_origin(const ClfTrainer *trainer)
{
	return trainer->start.origin;
}

void
clf_course_start_free(ClfTrainer *trainer)
{
	clf_mem_free(&trainer->mem, trainer->start.found);
	clf_mem_free(&trainer->mem, trainer->start.spelling);
	clf_mem_free(&trainer->mem, trainer->start.places);
	clf_mem_free(&trainer->mem, trainer->start.classes);
}

/* ---- the weights ---- */

static bool
has_vector(const ClfTrainer *trainer, size_t id)
{
	return trainer->start.places != NULL && trainer->start.places[id] != CLF_NOWHERE;
}

/* Go to the next row of the tensor at hand; false after its last. */
static bool
next_row(ClfTrainer *trainer)
{
	if (++trainer->tensor_row < trainer->table.tensors[trainer->tensor].rows)
		return true;
	trainer->tensor_row = 0;
	return false;
}

/* Look at a word: set its embedding to its vector, unless the model knows it. */
static ClfStatus
read_vector(ClfTrainer *trainer, ClfError *error)
{
	ClfStart   *start = &trainer->start;
	const ClfTensor *tensor = &trainer->table.tensors[trainer->tensor];
	size_t		id = trainer->tensor_row;
	size_t		E = tensor->columns;
	float	   *values = clf_team_weights(&trainer->team) + tensor->offset + id * E;

	if (id_in_model(trainer, id) >= 0)
		start->origin.words_of_model += id >= CLF_FIRST_ID;
	else if (has_vector(trainer, id))
	{
		if (!trainer->host.store.read(trainer->host.store.context, start->places[id], values, E * sizeof *values))
			return clf_fail(error, CLF_ERR_HOST, "could not read a word vector back");
		for (size_t j = 0; j < E; j++)
			start->squares += (double) values[j] * values[j];
		start->numbers += (double) E;
	}
	if (!next_row(trainer))
		trainer->stage = STAGE_INITIALISE;
	return CLF_OK;
}

/* A row of the embedding. */
static void
start_embedding(ClfTrainer *trainer, const ClfTensor *tensor, float *values)
{
	const ClfStart *start = &trainer->start;
	const ClfModel *model = start->model;
	size_t		id = trainer->tensor_row;
	size_t		E = tensor->columns;
	int64_t		known = id_in_model(trainer, id);
	float		scale;

	if (known < 0 && has_vector(trainer, id))
		return;
	if (model != NULL)
	{
		memcpy(values + id * E, clf_model_tensor(model, model->table.embedding) +
			   (known < 0 ? CLF_ID_OOV : (size_t) known) * E, E * sizeof *values);
		return;
	}
	clf_tensor_init_row(tensor, id, values, &trainer->weights_rng);
	if (start->squares == 0)
		return;
	/* uniform numbers of the vectors' mean square */
	scale = (float) sqrt(3 * start->squares / start->numbers) / CLF_EMBEDDING_LIMIT;
	for (size_t j = 0; j < E; j++)
		values[id * E + j] *= scale;
}

/* A row of the dense layer, whose columns are labels. */
static void
start_dense(ClfTrainer *trainer, const ClfTensor *tensor, float *values)
{
	const ClfModel *model = trainer->start.model;
	size_t		row = trainer->tensor_row;
	const float *old;

	clf_tensor_init_row(tensor, row, values, &trainer->weights_rng);
	if (model == NULL)
		return;
	old = clf_model_tensor(model, trainer->tensor) + row * model->labels.count;
	for (size_t k = 0; k < tensor->columns; k++)
		if (trainer->start.classes[k] >= 0)
			values[row * tensor->columns + k] = old[trainer->start.classes[k]];
}

/* A row of an LSTM layer. */
static void
start_lstm(ClfTrainer *trainer, const ClfTensor *tensor, float *values)
{
	size_t		offset = trainer->tensor_row * tensor->columns;

	if (trainer->start.model == NULL)
		clf_tensor_init_row(tensor, trainer->tensor_row, values, &trainer->weights_rng);
	else
		memcpy(values + offset, clf_model_tensor(trainer->start.model, trainer->tensor) + offset,
			   tensor->columns * sizeof *values);
}

/* Set one row of the weights. */
static void
initialise(ClfTrainer *trainer)
{
	const ClfTensor *tensor = &trainer->table.tensors[trainer->tensor];
	float	   *values = clf_team_weights(&trainer->team) + tensor->offset;

	if (trainer->tensor == trainer->table.embedding)
		start_embedding(trainer, tensor, values);
	else if (trainer->tensor == trainer->table.dense_kernel || trainer->tensor == trainer->table.dense_bias)
		start_dense(trainer, tensor, values);
	else
		start_lstm(trainer, tensor, values);
	if (next_row(trainer) || ++trainer->tensor < trainer->table.count)
		return;
	trainer->start.model = NULL;	/* the host's again */
	clf_course_refit_keep(trainer);
	trainer->stage = STAGE_EPOCH;
}

ClfStatus
clf_course_start_advance(ClfTrainer *trainer, ClfError *error)
{
	if (trainer->stage == STAGE_VECTORS)
		return read_vector(trainer, error);
	initialise(trainer);
	return CLF_OK;
}

/*
 * support.c
 *	  What the engine's unit tests share.
 */
#include "unit.h"

#include <stdarg.h>
#include <time.h>

#include "../include/random_model.h"

/* ---- reporting ---- */

int			unit_failures = 0;

static bool failed;
static char reason[500];

void
unit_fail(const char *file, int line, const char *format,...)
{
	va_list		arguments;
	int			length;

	if (failed)
		return;
	failed = true;
	length = snprintf(reason, sizeof reason, "%s:%d: ", file, line);
	va_start(arguments, format);
	vsnprintf(reason + length, sizeof reason - (size_t) length, format, arguments);
	va_end(arguments);
}

void
unit_run(const char *name, void (*test) (void))
{
	failed = false;
	test();
	if (failed)
		printf("not ok %s: %s\n", name, reason);
	else
		printf("ok %s\n", name);
	fflush(stdout);
	unit_failures += failed;
}

/* End the program: the test's own surroundings are broken. */
static void
give_up(const char *what, const char *which)
{
	printf("not ok %s: %s\n", which, what);
	exit(2);
}

/* ---- memory ---- */

/* Before each block, a multiple of the strictest alignment of a scalar. */
#define SIZE_ROOM 16

static void *
count_alloc(void *context, size_t size)
{
	UnitMemory *memory = context;
	char	   *origin;

	if (++memory->calls == memory->fail_at)
		return NULL;
	origin = malloc(size + SIZE_ROOM);
	if (origin == NULL)
		return NULL;
	memcpy(origin, &size, sizeof size);
	memset(origin + SIZE_ROOM, 0xA5, size);	/* nobody may count on zeros */
	memory->blocks++;
	memory->bytes += size;
	if (memory->bytes > memory->peak)
		memory->peak = memory->bytes;
	return origin + SIZE_ROOM;
}

static void
count_free(void *context, void *pointer)
{
	UnitMemory *memory = context;
	char	   *origin = (char *) pointer - SIZE_ROOM;
	size_t		size;

	memcpy(&size, origin, sizeof size);
	memory->blocks--;
	memory->bytes -= size;
	free(origin);
}

void
unit_memory_init(UnitMemory *memory)
{
	memset(memory, 0, sizeof *memory);
	memory->allocator.alloc = count_alloc;
	memory->allocator.free = count_free;
	memory->allocator.context = memory;
}

/* ---- golden files ---- */

#define NAME_SIZE 64

typedef struct NamedMatrix
{
	char		name[NAME_SIZE];
	int			case_index;
	UnitMatrix	matrix;
} NamedMatrix;

struct UnitGolden
{
	int			cases;
	char		(*case_names)[NAME_SIZE];
	int			count;
	NamedMatrix *matrices;
};

UnitGolden *
unit_golden_load(const char *path)
{
	UnitGolden *golden = calloc(1, sizeof *golden);
	FILE	   *file = fopen(path, "r");
	char		word[NAME_SIZE];

	if (file == NULL)
		give_up("cannot be opened", path);
	while (fscanf(file, "%63s", word) == 1)
	{
		NamedMatrix *named;
		size_t		n;

		if (strcmp(word, "case") == 0)
		{
			golden->case_names = realloc(golden->case_names,
										 ((size_t) golden->cases + 1) * NAME_SIZE);
			if (fscanf(file, "%63s", golden->case_names[golden->cases++]) != 1)
				give_up("has a case without a name", path);
			continue;
		}
		golden->matrices = realloc(golden->matrices,
								   ((size_t) golden->count + 1) * sizeof *golden->matrices);
		named = &golden->matrices[golden->count++];
		named->case_index = golden->cases - 1;
		if (fscanf(file, "%63s %zu %zu", named->name, &named->matrix.rows,
				   &named->matrix.columns) != 3)
			give_up("has a matrix without a shape", path);
		n = named->matrix.rows * named->matrix.columns;
		named->matrix.values = malloc(n * sizeof(double));
		for (size_t i = 0; i < n; i++)
			if (fscanf(file, "%lf", &named->matrix.values[i]) != 1)
				give_up("ends in the middle of a matrix", path);
	}
	fclose(file);
	return golden;
}

void
unit_golden_free(UnitGolden *golden)
{
	for (int i = 0; i < golden->count; i++)
		free(golden->matrices[i].matrix.values);
	free(golden->matrices);
	free(golden->case_names);
	free(golden);
}

const char *
unit_golden_case(const UnitGolden *golden, int index)
{
	return index < golden->cases ? golden->case_names[index] : NULL;
}

const UnitMatrix *
unit_golden(const UnitGolden *golden, const char *name, const char *matrix)
{
	for (int i = 0; i < golden->count; i++)
		if (strcmp(golden->case_names[golden->matrices[i].case_index], name) == 0 &&
			strcmp(golden->matrices[i].name, matrix) == 0)
			return &golden->matrices[i].matrix;
	give_up("is missing in the golden file", matrix);
	return NULL;
}

/* ---- networks ---- */

const char *
unit_architecture(int architecture)
{
	int			count;

	return clf_options(&count)[0].names[architecture];
}

void
unit_config(ClfConfig *config)
{
	complete_config(config);
	config->architecture = CLF_ARCH_BILSTM;
	config->num_words = 1000;
	config->min_count = 1;
	config->min_rows = 1;
	config->wide_c = 10;
	config->refit = 1;
	config->maxlen = 50;
	config->embedding_dim = 6;
	config->units = 5;
	config->layers = 1;
	config->bidirectional = 0;
	config->pooling = CLF_POOLING_LAST;
	config->dropout = 0;
	config->learning_rate = 0.01;
	config->schedule = CLF_SCHEDULE_CONSTANT;
	config->clip_norm = 0;
	config->weight_average = 0;
	config->epochs = 1;
	config->batch_size = 8;
	config->validation_split = 0;
	config->early_stopping = 0;
}

/* Fill shard from rows in the order given, which is longest first. */
static void
fill_shard(ClfShard *shard, const uint32_t *const *row_ids)
{
	int			token = 0;

	for (int t = 0; t < shard->steps; t++)
	{
		shard->offset[t] = token;
		shard->active[t] = 0;
		while (shard->active[t] < shard->rows && shard->length[shard->active[t]] > t)
		{
			uint32_t	id = row_ids[shard->active[t]++][t];
			int			u = 0;

			while (u < shard->unique && shard->ids[u] != id)
				u++;
			if (u == shard->unique)
				shard->ids[shard->unique++] = id;
			shard->slot[token++] = (uint32_t) u;
		}
	}
	shard->offset[shard->steps] = token;
}

ClfShard *
unit_shard(int rows, const int *lengths, const uint32_t *ids,
		   const int32_t *classes, const float *row_weight, int *order)
{
	ClfShard   *shard = calloc(1, sizeof *shard);
	const uint32_t **row_ids = calloc((size_t) rows, sizeof *row_ids);
	int			begin = 0;

	shard->rows = rows;
	for (int row = 0; row < rows; row++)
	{
		order[row] = row;
		shard->tokens += lengths[row];
		shard->steps = lengths[row] > shard->steps ? lengths[row] : shard->steps;
	}
	for (int i = 1; i < rows; i++)	/* insertion sort, stable */
		for (int j = i; j > 0 && lengths[order[j]] > lengths[order[j - 1]]; j--)
		{
			int			swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
	shard->active = calloc((size_t) shard->steps, sizeof(int));
	shard->offset = calloc((size_t) shard->steps + 1, sizeof(int));
	shard->length = calloc((size_t) rows, sizeof(int));
	shard->ids = calloc((size_t) shard->tokens, sizeof(uint32_t));
	shard->slot = calloc((size_t) shard->tokens, sizeof(uint32_t));
	shard->classes = calloc((size_t) rows, sizeof(int32_t));
	shard->row_weight = calloc((size_t) rows, sizeof(float));
	for (int row = 0; row < rows; row++)
	{
		for (int i = 0; i < rows; i++)
			if (order[i] == row)
				row_ids[i] = ids + begin;
		begin += lengths[row];
	}
	for (int i = 0; i < rows; i++)
	{
		shard->length[i] = lengths[order[i]];
		shard->classes[i] = classes[order[i]];
		shard->row_weight[i] = row_weight[order[i]];
	}
	fill_shard(shard, row_ids);
	free(row_ids);
	return shard;
}

void
unit_shard_free(ClfShard *shard)
{
	free(shard->active);
	free(shard->offset);
	free(shard->length);
	free(shard->ids);
	free(shard->slot);
	free(shard->classes);
	free(shard->row_weight);
	free(shard);
}

/* ---- trainings ---- */

static bool
store_append(void *context, const void *bytes, size_t size)
{
	UnitStore  *store = context;

	if (store->broken)
		return false;
	if (store->size + size > store->capacity)
	{
		store->capacity = 2 * (store->size + size);
		store->bytes = realloc(store->bytes, store->capacity);
	}
	memcpy(store->bytes + store->size, bytes, size);
	store->size += size;
	return true;
}

static bool
store_read(void *context, uint64_t offset, void *bytes, size_t size)
{
	UnitStore  *store = context;

	if (store->broken || offset > store->size || size > store->size - offset)
		return false;
	memcpy(bytes, store->bytes + offset, size);
	return true;
}

static double
read_clock(void *context)
{
	UnitHost   *host = context;
	struct timespec now;

	if (host->clock_step > 0)
		return host->clock += host->clock_step;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

void
unit_host_init(UnitHost *host)
{
	static uint64_t hosts;

	memset(host, 0, sizeof *host);
	unit_memory_init(&host->memory);
	host->host.hash_seed = ++hosts;	/* another each time: nothing may depend on it */
	host->host.allocator = host->memory.allocator;
	host->host.memory_limit = SIZE_MAX;
	host->host.store.append = store_append;
	host->host.store.read = store_read;
	host->host.store.context = &host->store;
	host->host.seconds = read_clock;
	host->host.clock_context = host;
}

void
unit_host_free(UnitHost *host)
{
	free(host->store.bytes);
	memset(&host->store, 0, sizeof host->store);
}

void
unit_quick_config(ClfConfig *config)
{
	unit_config(config);
	config->embedding_dim = 8;
	config->units = 8;
	config->bidirectional = 1;
	config->pooling = CLF_POOLING_MAX;
	config->maxlen = 20;
	config->learning_rate = 0.02;
	config->epochs = 8;
	config->batch_size = 16;
	config->validation_split = 0.25;
	config->seed = 7;
}

/*
 * The class decides one of the words of a row, at a place that varies, amid
 * words that all classes share.
 */
void
unit_row(int index, int classes, char text[256], char label[16])
{
	static const char *const marks[] = {"apple", "bridge", "cloud", "dance", "ember"};
	int			class_id = index % classes;
	int			words = 3 + index * 7 % 9;
	int			place = index * 5 % words;
	int			length = 0;

	for (int w = 0; w < words; w++)
		length += w == place ?
			snprintf(text + length, 256 - (size_t) length, "%s ", marks[class_id]) :
			snprintf(text + length, 256 - (size_t) length, "common%d ", (index * 13 + w * 31) % 23);
	snprintf(label, 16, "class%c", (char) ('0' + class_id));
}

void
unit_colliding_words(char (*words)[UNIT_WORD_SIZE], int count,
					 uint64_t (*hash) (const char *word), uint32_t mask,
					 uint32_t limit)
{
	int			found = 0;

	for (uint32_t i = 0; found < count; i++)
	{
		for (int letter = 0; letter < UNIT_WORD_SIZE - 1; letter++)
			words[found][letter] = (char) ('a' + (i >> (4 * letter) & 15));
		words[found][UNIT_WORD_SIZE - 1] = '\0';
		found += (hash(words[found]) & mask) < limit;
	}
}

ClfStatus
unit_train(UnitHost *host, const ClfConfig *config, int count, int begin,
		   int stride, int classes, ClfModel **model, ClfSummary *summary,
		   ClfError *error)
{
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	unused;
	ClfStatus	status = clf_trainer_new(config, &host->host, &trainer, error);

	host->store.size = 0;
	if (status != CLF_OK)
		return status;
	for (int i = 0; i < count && status == CLF_OK; i++)
	{
		char		text[256];
		char		label[16];

		unit_row((begin + i * stride) % count, classes, text, label);
		status = clf_trainer_add(trainer, text, strlen(text), label, strlen(label), error);
	}
	while (status == CLF_OK && progress.phase != CLF_PHASE_DONE)
		status = clf_trainer_step(trainer, &progress, error);
	if (status == CLF_OK)
		status = clf_trainer_finish(trainer, model, summary ? summary : &unused, error);
	clf_trainer_free(trainer);
	return status;
}

ClfModel *
unit_model(UnitHost *host, const ClfConfig *config)
{
	ClfModel   *model = NULL;
	ClfError	error;

	if (unit_train(host, config, 60, 0, 1, 3, &model, NULL, &error) != CLF_OK)
		give_up(error.message, "unit_model");
	return model;
}

static void
add_string(ClfVocab *vocab, const char *string)
{
	uint32_t	index;
	ClfError	error;

	if (clf_vocab_add(vocab, string, strlen(string), &index, &error) != CLF_OK)
		give_up(error.message, "unit_random_model");
}

ClfModel *
unit_random_model(const ClfAllocator *allocator, const ClfConfig *config,
				  int classes, uint64_t seed)
{
	static const char *const words[] = {"apple", "bridge", "cloud", "dance", "ember", "\xE4\xB8\xAD"};
	ClfModel   *model;
	ClfError	error;
	char		string[32];

	if (clf_model_new(allocator, &model, &error) != CLF_OK)
		give_up(error.message, "unit_random_model");
	model->config = *config;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		add_string(&model->words, words[i]);
	for (int i = 0; i < 4; i++)
	{
		snprintf(string, sizeof string, "common%d", i);
		add_string(&model->words, string);
	}
	for (int i = 0; i < classes; i++)
	{
		snprintf(string, sizeof string, "class%d", i);
		add_string(&model->labels, string);
	}
	if (fill_random_model(model, seed, &error) != CLF_OK)
		give_up(error.message, "unit_random_model");
	return model;
}

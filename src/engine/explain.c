/*
 * explain.c
 *	  What each token of a text says for a class.
 *
 * Integrated gradients (Sundararajan, Taly and Yan 2017) of the class's
 * log-odds by both branches together, along the straight way from a text of as
 * many unknown tokens: the network's embeddings go from that of the unknown
 * token to their own, the linear branch's values from 0 to their own.  Along
 * this way the linear branch's margins are straight lines, so its part is an
 * n-gram's weight times a mean coefficient; the network's is a backward pass at
 * each of a few points, several of them as rows of one shard.
 *
 * What the weights must add up to is known, so the integration knows its own
 * error: a stretch of the way on which it is too large is cut in two.  Where the
 * log-odds jump, as those of a network do whose gates are all open or shut, no
 * cutting helps, and gradients say nothing: that part belongs to no token.
 *
 * It must not know what a text is explained for.
 */
#include <math.h>
#include <string.h>

#include "encode.h"
#include "error.h"
#include "network.h"
#include "model.h"

#define SHARD_TOKENS 2048		/* of a pass, unless a single row has more */

#define MAX_STRETCHES 64		/* that are looked at */
#define STRETCH_ERROR 0.005		/* of the log-odds, that one may have */

/*
 * The points of a stretch, in parts of it: those of the Gauss-Legendre rule,
 * then the middle, which counts nothing but tells the log-odds there.  On the
 * first stretch so do its ends.
 */
static const struct
{
	double		place;
	double		weight;
}			points[] = {
	{0.0198550717512319, 0.0506142681451881}, {0.1016667612931866, 0.1111905172266872},
	{0.2372337950418355, 0.1568533229389437}, {0.4082826787521751, 0.1813418916891810},
	{0.5917173212478249, 0.1813418916891810}, {0.7627662049581645, 0.1568533229389437},
	{0.8983332387068135, 0.1111905172266872}, {0.9801449282487682, 0.0506142681451881},
	{0.5, 0}, {0, 0}, {1, 0}
};

#define MIDDLE 8
#define BEGIN 9
#define END 10
#define FIRST_POINTS 11
#define NEXT_POINTS 9

/* A part of the way, with the log-odds at its ends. */
typedef struct Stretch
{
	double		begin;
	double		end;
	double		begin_value;
	double		end_value;
} Stretch;

struct ClfExplainer
{
	ClfMem		mem;
	const ClfModel *model;
	ClfScratch *scratch;		/* owns the tokens */
	ClfExplanation result;
	double	   *weights;		/* [count] of the result */
	double	   *coefficient;	/* [C] d log-odds / d margin, mean over the way */
	float	   *fused;			/* [C] */
	bool		done;

	/* the way */
	Stretch		stretches[MAX_STRETCHES];	/* in the order in which they are looked at */
	int			stretch_count;
	int			stretch;		/* that is looked at */
	int			point;			/* the next one of it */
	double		middle_value;
	double	   *stretch_weights;	/* [count] what the stretch adds */
	double	   *stretch_coefficient;	/* [C] */

	/* with a linear branch */
	ClfGrams	grams;
	size_t	   *first_gram;		/* [count + 1] */
	ClfReach   *reach;			/* [count] */
	ClfWideScratch wide_scratch;
	float	   *margins;		/* [C] of the text */

	/* with a network */
	ClfNetwork	network;
	ClfShard	shard;			/* each row is the text at one point */
	ClfGradient gradient;
	uint32_t   *ids;			/* [T] the padded sequence */
	size_t		T;
	size_t		offset;			/* of the first token in it */
	size_t		read;			/* tokens in it */
	bool		running;
};

/* ---- life ---- */

void
clf_explainer_free(ClfExplainer *explainer)
{
	ClfMem		mem;
	ClfMem	   *from;

	if (explainer == NULL)
		return;
	from = &explainer->mem;
	clf_scratch_free(explainer->scratch);
	clf_mem_free(from, explainer->weights);
	clf_mem_free(from, explainer->coefficient);
	clf_mem_free(from, explainer->stretch_weights);
	clf_mem_free(from, explainer->stretch_coefficient);
	clf_mem_free(from, explainer->fused);
	clf_grams_free(&explainer->grams);
	clf_mem_free(from, explainer->first_gram);
	clf_mem_free(from, explainer->reach);
	clf_wide_scratch_free(&explainer->wide_scratch);
	clf_mem_free(from, explainer->margins);
	clf_network_free(&explainer->network);
	clf_mem_free(from, explainer->shard.active);
	clf_mem_free(from, explainer->shard.offset);
	clf_mem_free(from, explainer->shard.length);
	clf_mem_free(from, explainer->shard.ids);
	clf_mem_free(from, explainer->shard.slot);
	clf_mem_free(from, explainer->ids);
	mem = explainer->mem;		/* the struct holds its own accounting */
	clf_mem_free(&mem, explainer);
}

/* The n-grams of the tokens, and the linear branch's margins. */
static ClfStatus
prepare_wide(ClfExplainer *explainer, ClfError *error)
{
	const ClfModel *model = explainer->model;
	ClfMem	   *mem = &explainer->mem;
	ClfGrams   *grams = &explainer->grams;
	size_t		count = explainer->result.count;
	ClfStatus	status = clf_wide_scratch_init(&explainer->wide_scratch, mem, &model->wide, error);

	if (status != CLF_OK)
		return status;
	explainer->margins = clf_mem_alloc(mem, model->labels.count, sizeof(float));
	explainer->first_gram = clf_mem_alloc(mem, count + 1, sizeof *explainer->first_gram);
	explainer->reach = clf_mem_alloc(mem, count, sizeof *explainer->reach);
	if (explainer->margins == NULL || explainer->first_gram == NULL || explainer->reach == NULL)
		return clf_fail_memory(error);
	clf_grams_init(grams, mem, model->config.char_ngrams);
	clf_grams_start(grams);
	for (size_t i = 0; i < count; i++)
	{
		const ClfToken *token = &explainer->result.tokens[i];

		explainer->first_gram[i] = grams->count;
		if (!clf_grams_add(grams, token->text, token->length))
			return clf_fail_memory(error);
		explainer->reach[i] = grams->reach;
	}
	explainer->first_gram[count] = grams->count;
	return clf_wide_margins(&model->wide, &explainer->wide_scratch, clf_kernels(), grams,
							explainer->margins, error);
}

/* The sequence the network reads. */
static ClfStatus
prepare_sequence(ClfExplainer *explainer, ClfError *error)
{
	const ClfConfig *config = &explainer->model->config;
	size_t		maxlen = (size_t) config->maxlen;

	explainer->read = explainer->result.count < maxlen ? explainer->result.count : maxlen;
	explainer->ids = clf_mem_alloc(&explainer->mem, maxlen, sizeof *explainer->ids);
	if (explainer->ids == NULL)
		return clf_fail_memory(error);
	for (size_t i = 0; i < explainer->read; i++)
		explainer->ids[i] = (uint32_t) explainer->result.tokens[i].id;
	explainer->T = clf_pad(config, explainer->ids, explainer->read);
	explainer->offset = config->architecture == CLF_ARCH_LSTM ? explainer->T - explainer->read : 0;
	return CLF_OK;
}

/* A shard of as many rows of the sequence as there is room for, and a network for it. */
static ClfStatus
prepare_network(ClfExplainer *explainer, ClfSgemm sgemm, ClfError *error)
{
	const ClfModel *model = explainer->model;
	ClfMem	   *mem = &explainer->mem;
	ClfShard   *shard = &explainer->shard;
	ClfStatus	status = prepare_sequence(explainer, error);
	size_t		T = explainer->T;
	size_t		R = status == CLF_OK && T < SHARD_TOKENS ? SHARD_TOKENS / T : 1;

	if (status != CLF_OK)
		return status;
	R = R < FIRST_POINTS ? R : FIRST_POINTS;
	shard->steps = (int) T;
	shard->active = clf_mem_alloc(mem, T, sizeof *shard->active);
	shard->offset = clf_mem_alloc(mem, T + 1, sizeof *shard->offset);
	shard->length = clf_mem_alloc(mem, R, sizeof *shard->length);
	shard->ids = clf_mem_alloc(mem, R * T, sizeof *shard->ids);
	shard->slot = clf_mem_alloc(mem, R * T, sizeof *shard->slot);
	if (!shard->active || !shard->offset || !shard->length || !shard->ids || !shard->slot)
		return clf_fail_memory(error);
	status = clf_network_init(&explainer->network, mem, &model->config, &model->table,
							  clf_kernels(), sgemm, R * T, R, true, error);
	if (status == CLF_OK)
		clf_network_load(&explainer->network, model->weights);
	return status;
}

/* Tokens, class, and what the branches need. */
static ClfStatus
prepare(ClfExplainer *explainer, ClfSgemm sgemm, const char *text, size_t length,
		ClfError *error)
{
	const ClfModel *model = explainer->model;
	ClfMem	   *mem = &explainer->mem;
	ClfExplanation *result = &explainer->result;
	size_t		C = model->labels.count;
	ClfStatus	status = clf_scratch_new(model, &mem->allocator, &explainer->scratch, error);

	if (status != CLF_OK)
		return status;
	explainer->fused = clf_mem_alloc(mem, C, sizeof(float));
	explainer->coefficient = clf_mem_alloc_zero(mem, C, sizeof(double));
	explainer->stretch_coefficient = clf_mem_alloc_zero(mem, C, sizeof(double));
	if (!explainer->fused || !explainer->coefficient || !explainer->stretch_coefficient)
		return clf_fail_memory(error);
	if (result->class_id < 0)
	{
		status = clf_predict(model, explainer->scratch, text, length, explainer->fused, error);
		result->class_id = status == CLF_OK ? clf_best(explainer->fused, (int) C) : -1;
	}
	if (status == CLF_OK)
		status = clf_tokens(model, explainer->scratch, text, length, &result->tokens, &result->count, error);
	if (status != CLF_OK)
		return status;
	result->weights = explainer->weights = clf_mem_alloc_zero(mem, result->count, sizeof(double));
	explainer->stretch_weights = clf_mem_alloc_zero(mem, result->count, sizeof(double));
	if (explainer->weights == NULL || explainer->stretch_weights == NULL)
		return clf_fail_memory(error);
	if (clf_has_wide(&model->config) && (status = prepare_wide(explainer, error)) != CLF_OK)
		return status;
	return clf_has_deep(&model->config) ? prepare_network(explainer, sgemm, error) : CLF_OK;
}

ClfStatus
clf_explainer_new(const ClfModel *model, const ClfAllocator *allocator, ClfSgemm sgemm,
				  const char *text, size_t length, int class_id,
				  ClfExplainer **explainer, ClfError *error)
{
	ClfMem		mem;
	ClfExplainer *result;
	ClfStatus	status;

	clf_mem_init(&mem, allocator);
	result = clf_mem_alloc_zero(&mem, 1, sizeof *result);
	if (result == NULL)
		return clf_fail_memory(error);
	result->mem = mem;
	result->model = model;
	result->result.class_id = class_id;
	result->stretches[0] = (Stretch){.begin = 0,.end = 1};
	result->stretch_count = 1;
	status = prepare(result, sgemm, text, length, error);
	if (status != CLF_OK)
	{
		clf_explainer_free(result);
		return status;
	}
	*explainer = result;
	return CLF_OK;
}

/* ---- one point of the way ---- */

/*
 * The class's log-odds ln(p / (1 - p)) for scores z [C], which become its
 * derivatives: 1 for the class itself, for another one the negative of its
 * share in what the class leaves to the others.
 */
static double
log_odds(size_t C, int class_id, float *z)
{
	double		own = z[class_id];
	double		largest = -INFINITY;
	double		sum = 0;

	for (size_t k = 0; k < C; k++)
		if ((int) k != class_id && z[k] > largest)
			largest = z[k];
	for (size_t k = 0; k < C; k++)
		sum += (int) k == class_id ? 0 : exp(z[k] - largest);
	for (size_t k = 0; k < C; k++)
		z[k] = (int) k == class_id ? 1.0f : (float) (-exp(z[k] - largest) / sum);
	return own - (largest + log(sum));
}

static Stretch *
stretch_of(ClfExplainer *explainer)
{
	return &explainer->stretches[explainer->stretch];
}

static int
points_of(const ClfExplainer *explainer)
{
	return explainer->stretch == 0 ? FIRST_POINTS : NEXT_POINTS;
}

/* How far along the way a point of the stretch is, from 0 to 1. */
static double
place_of(ClfExplainer *explainer, int point)
{
	const Stretch *stretch = stretch_of(explainer);

	return stretch->begin + points[point].place * (stretch->end - stretch->begin);
}

/* The linear branch's margin of class k there. */
static float
margin_at(const ClfExplainer *explainer, double place, size_t k)
{
	float		bias = explainer->model->wide.bias[k];

	return (float) (bias + place * (explainer->margins[k] - bias));
}

/*
 * At a point where the network's scores are z (NULL: there is none): note the
 * log-odds, add up the coefficients, and turn z into the gradient that goes
 * back into the network.
 */
static void
visit_point(ClfExplainer *explainer, int point, float *z)
{
	const ClfModel *model = explainer->model;
	Stretch    *stretch = stretch_of(explainer);
	size_t		C = model->labels.count;
	double		place = place_of(explainer, point);
	double		weight = points[point].weight * (stretch->end - stretch->begin);
	float	   *fused = explainer->fused;
	double		value;

	for (size_t k = 0; k < C; k++)
	{
		fused[k] = z ? model->scale[0] * z[k] : 0;
		if (explainer->margins)
			fused[k] += model->scale[1] * clf_wide_score_of(margin_at(explainer, place, k));
	}
	value = log_odds(C, explainer->result.class_id, fused);
	if (point == MIDDLE)
		explainer->middle_value = value;
	if (point == BEGIN)
		explainer->result.base = stretch->begin_value = value;
	if (point == END)
		explainer->result.log_odds = stretch->end_value = value;
	for (size_t k = 0; k < C; k++)
	{
		if (explainer->margins)
			explainer->stretch_coefficient[k] +=
				weight * fused[k] / (1 + exp(margin_at(explainer, place, k)));
		if (z)
			z[k] = (float) (model->scale[0] * weight * fused[k]);
	}
}

/* ---- the network ---- */

/* ClfHead: a row of the shard is a point of the way. */
static void
head(void *context, int row, float *z)
{
	ClfExplainer *explainer = context;

	visit_point(explainer, explainer->point + row, z);
}

/* Embeddings of the unknown token, and of token i of the text. */
static const float *
embedding_of(const ClfExplainer *explainer, uint32_t id)
{
	const ClfModel *model = explainer->model;

	return clf_model_tensor(model, model->table.embedding) +
		(size_t) id * (size_t) model->config.embedding_dim;
}

/* Begin a pass over the next points of the stretch. */
static void
start_pass(ClfExplainer *explainer)
{
	ClfShard   *shard = &explainer->shard;
	size_t		E = (size_t) explainer->model->config.embedding_dim;
	size_t		T = explainer->T;
	int			rows = (int) (explainer->network.max_rows);
	const float *unknown = embedding_of(explainer, CLF_ID_OOV);

	if (rows > points_of(explainer) - explainer->point)
		rows = points_of(explainer) - explainer->point;
	shard->rows = rows;
	shard->tokens = shard->unique = (int) (T * (size_t) rows);
	for (size_t t = 0; t <= T; t++)
		shard->offset[t] = (int) (t * (size_t) rows);
	for (int row = 0; row < rows; row++)
		shard->length[row] = (int) T;
	for (int i = 0; i < shard->tokens; i++)
	{
		shard->ids[i] = explainer->ids[i / rows];
		shard->slot[i] = (uint32_t) i;
		shard->active[i / rows] = rows;
	}
	clf_network_start_head(&explainer->network, shard, &explainer->gradient, head, explainer);
	/* the tokens, not the padding, move away from the unknown one */
	for (size_t i = 0; i < explainer->read * (size_t) rows; i++)
	{
		float		place = (float) place_of(explainer, explainer->point + (int) (i % (size_t) rows));
		float	   *embedded = explainer->network.embedded + (explainer->offset * (size_t) rows + i) * E;

		for (size_t e = 0; e < E; e++)
			embedded[e] = unknown[e] + place * (embedded[e] - unknown[e]);
	}
	explainer->running = true;
}

/* Gradient times way, summed over the rows of the shard. */
static void
finish_pass(ClfExplainer *explainer)
{
	size_t		rows = (size_t) explainer->shard.rows;
	size_t		E = (size_t) explainer->model->config.embedding_dim;
	const float *unknown = embedding_of(explainer, CLF_ID_OOV);

	for (size_t i = 0; i < explainer->read * rows; i++)
	{
		size_t		token = i / rows;
		const float *gradient = explainer->gradient.values + (explainer->offset * rows + i) * E;
		const float *own = embedding_of(explainer, explainer->ids[explainer->offset + token]);

		for (size_t e = 0; e < E; e++)
			explainer->stretch_weights[token] += (double) gradient[e] * (own[e] - unknown[e]);
	}
	explainer->point += (int) rows;
	explainer->running = false;
}

/* ---- the linear branch ---- */

/* Each n-gram's share goes to its tokens in equal parts. */
static ClfStatus
add_wide(ClfExplainer *explainer, ClfError *error)
{
	const ClfModel *model = explainer->model;
	ClfGrams   *grams = &explainer->grams;
	double	   *shares = clf_mem_alloc(&explainer->mem, grams->count, sizeof *shares);
	ClfStatus	status;

	if (shares == NULL)
		return clf_fail_memory(error);
	status = clf_wide_shares(&model->wide, &explainer->wide_scratch, grams,
							 explainer->coefficient, shares, error);
	for (size_t i = 0; status == CLF_OK && i < explainer->result.count; i++)
		for (size_t g = explainer->first_gram[i]; g < explainer->first_gram[i + 1]; g++)
		{
			size_t		place = g - explainer->first_gram[i];
			ClfReach	reach = explainer->reach[i];
			bool		skips = reach.skips && place == reach.spans;
			size_t		step = skips ? 2 : 1;
			size_t		n = skips ? 2 : place < reach.spans ? place + 1 : 1;

			for (size_t back = 0; back < n; back++)
				explainer->weights[i - back * step] += model->scale[1] * shares[g] / (double) n;
		}
	clf_mem_free(&explainer->mem, shares);
	return status;
}

/* ---- the course ---- */

/* What the linear branch adds to the log-odds on the stretch. */
static double
wide_part(const ClfExplainer *explainer)
{
	const ClfModel *model = explainer->model;
	double		sum = 0;

	for (size_t k = 0; explainer->margins && k < model->labels.count; k++)
		sum += explainer->stretch_coefficient[k] * model->scale[1] *
			(explainer->margins[k] - model->wide.bias[k]);
	return sum;
}

/*
 * Add up what an integrated stretch has given.  Where the tokens' weights are
 * wrong, the network's part of the change counts as the rest in their place.
 */
static void
take_stretch(ClfExplainer *explainer, double part, bool wrong)
{
	for (size_t i = 0; !wrong && i < explainer->result.count; i++)
		explainer->weights[i] += explainer->stretch_weights[i];
	if (wrong)
		explainer->result.rest += part;
	for (size_t k = 0; k < explainer->model->labels.count; k++)
		explainer->coefficient[k] += explainer->stretch_coefficient[k];
}

/* A stretch is integrated: take it, or cut it in two, as long as there may be more. */
static void
end_stretch(ClfExplainer *explainer)
{
	Stretch		stretch = *stretch_of(explainer);
	double		part = stretch.end_value - stretch.begin_value - wide_part(explainer);
	double		middle = (stretch.begin + stretch.end) / 2;
	double		sum = 0;
	bool		wrong;

	for (size_t i = 0; i < explainer->result.count; i++)
		sum += explainer->stretch_weights[i];
	wrong = !(fabs(part - sum) <= STRETCH_ERROR);	/* or not a number, which is noticed at last */
	if (wrong && explainer->stretch_count + 2 <= MAX_STRETCHES)
	{
		explainer->stretches[explainer->stretch_count++] =
			(Stretch){stretch.begin, middle, stretch.begin_value, explainer->middle_value};
		explainer->stretches[explainer->stretch_count++] =
			(Stretch){middle, stretch.end, explainer->middle_value, stretch.end_value};
	}
	else
		take_stretch(explainer, part, wrong);
	explainer->stretch++;
	explainer->point = 0;
	memset(explainer->stretch_weights, 0, explainer->result.count * sizeof(double));
	memset(explainer->stretch_coefficient, 0, explainer->model->labels.count * sizeof(double));
}

/* The linear branch's part, once the mean coefficients are known, and a last look. */
static ClfStatus
finish(ClfExplainer *explainer, ClfError *error)
{
	ClfExplanation *result = &explainer->result;
	ClfStatus	status = explainer->margins ? add_wide(explainer, error) : CLF_OK;
	bool		finite = isfinite(result->log_odds) && isfinite(result->base) && isfinite(result->rest);

	for (size_t i = 0; i < result->count; i++)
		finite = finite && isfinite(explainer->weights[i]);
	if (status == CLF_OK && !finite)
		status = clf_fail(error, CLF_ERR_CORRUPT, "the model's scores of a text are not finite");
	explainer->done = true;
	return status;
}

/* Do one item of work. */
static ClfStatus
advance(ClfExplainer *explainer, ClfError *error)
{
	if (explainer->stretch == explainer->stretch_count)
		return finish(explainer, error);
	if (explainer->point == points_of(explainer))
		end_stretch(explainer);
	else if (!clf_has_deep(&explainer->model->config))
		visit_point(explainer, explainer->point++, NULL);
	else if (!explainer->running)
		start_pass(explainer);
	else if (clf_network_advance(&explainer->network))
		finish_pass(explainer);
	return CLF_OK;
}

ClfStatus
clf_explainer_step(ClfExplainer *explainer, bool *done, ClfError *error)
{
	unsigned int fpu = clf_fpu_enter();
	ClfStatus	status = advance(explainer, error);

	clf_fpu_leave(fpu);
	*done = status == CLF_OK && explainer->done;
	return status;
}

const ClfExplanation *
clf_explainer_result(const ClfExplainer *explainer)
{
	return &explainer->result;
}

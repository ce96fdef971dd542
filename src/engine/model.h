/*
 * model.h
 *	  What a model is made of.  Written by the trainer and the codec, then
 *	  constant; read by everyone in the engine.
 */
#ifndef CLF_MODEL_H
#define CLF_MODEL_H

#include <float.h>
#include <math.h>

#include "clf.h"
#include "fusion.h"
#include "mem.h"
#include "packed.h"
#include "tensor.h"
#include "vocab.h"
#include "wide.h"

#define CLF_ID_PAD 0			/* padding of architecture 'lstm' */
#define CLF_ID_OOV 1			/* any token that is not in the vocabulary */
#define CLF_FIRST_ID 2			/* id of words.strings[0] */

#define CLF_MAX_WORDS 5000000
#define CLF_MAX_VERSION 32		/* bytes of an ICU version, NUL included */

/*
 * Input projections of the first layer, bias included, of the tokens with the
 * lowest ids, which are the most frequent ones.  Only an image has them.
 */
typedef struct ClfProjected
{
	const ClfKernels *kernels;	/* that computed them; NULL: there are none */
	size_t		ids;			/* how many tokens, padding and unknown included */
	float	   *gates[2];		/* per direction [ids][blocks][CLF_BLOCK] */
} ClfProjected;

struct ClfModel
{
	ClfMem		mem;			/* everything below is from here, unless: */
	const void *image;			/* the image in which all arrays lie, or NULL */
	ClfConfig	config;			/* no "auto" left */
	int32_t		tokenizer_version;
	char		icu_version[CLF_MAX_VERSION];
	ClfVocab	labels;			/* class -> label, in byte order */
	ClfVocab	words;			/* id - CLF_FIRST_ID -> token */
	uint32_t   *word_rows;		/* [words.count] rows that hold it, 0 = not known */
	ClfTensorTable table;
	float	   *weights;		/* [table.floats] */
	ClfPacked	packed;			/* the network's as prediction reads them */
	ClfProjected projected;
	ClfWide		wide;			/* empty where there is no such branch */
	float		scale[CLF_BRANCHES];	/* what each branch counts */
	char	   *info;			/* the host's text, may be NULL */
	size_t		info_length;
};

/* An empty model that owns its memory. */
extern ClfStatus clf_model_new(const ClfAllocator *allocator, ClfModel **model,
							   ClfError *error);

/*
 * Complete a model whose config, labels and words are set: lay out its table
 * and allocate its weights as zeros.  The linear branch is set apart.
 */
extern ClfStatus clf_model_allocate(ClfModel *model, ClfError *error);

/* To be called once the weights are there; the model is usable after it. */
extern ClfStatus clf_model_prepare(ClfModel *model, ClfError *error);

/*
 * The largest magnitude that a weight of the network may have.  With sums of
 * bytes all numbers on the way must stay finite, for a byte cannot say that
 * one is not.
 */
static inline float
clf_largest_weight(const ClfConfig *config)
{
	return config->precision == CLF_PRECISION_INT8 ? 1e15f : FLT_MAX;
}

/* Are all of so many weights not larger than that? */
static inline bool
clf_weights_in_range(const ClfConfig *config, const float *weights, size_t count)
{
	float		largest = clf_largest_weight(config);
	bool		fit = true;

	for (size_t i = 0; i < count; i++)
		fit &= fabsf(weights[i]) <= largest;	/* false for NaN */
	return fit;
}

/* Size of the vocabulary, V. */
static inline size_t
clf_model_ids(const ClfModel *model)
{
	return (size_t) model->words.count + CLF_FIRST_ID;
}

/* Start of one tensor. */
static inline float *
clf_model_tensor(const ClfModel *model, int index)
{
	return model->weights + model->table.tensors[index].offset;
}

#endif							/* CLF_MODEL_H */

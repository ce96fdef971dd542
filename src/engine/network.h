/*
 * network.h
 *	  Forward and backward pass of the network over a shard of rows.
 *
 * A shard holds its rows without padding, longest first, time step by time
 * step: step t has the tokens of the active[t] rows that are longer than t, at
 * offset[t] and following.  So the rows of a step are always the first rows of
 * the step before it, and each product of a step is one matrix product.
 *
 * The work is cut into small items, so that a caller can stop between them:
 * load the weights, for each shard start, advance until it returns true, then
 * read the results.
 *
 * Letters: N tokens and R rows of the shard, U its distinct tokens, T its time
 * steps, D = clf_output_width, P = clf_feature_width, others as in clf.h.
 */
#ifndef CLF_NETWORK_H
#define CLF_NETWORK_H

#include "clf.h"
#include "kernels.h"
#include "mem.h"
#include "optim.h"
#include "rng.h"
#include "tensor.h"

typedef struct ClfShard
{
	int			rows;			/* R */
	int			steps;			/* T */
	int			tokens;			/* N */
	int			unique;			/* U */
	int		   *active;			/* [T] rows of a step, descending */
	int		   *offset;			/* [T + 1] first token of a step */
	int		   *length;			/* [R] tokens of a row, descending, >= 1 */
	uint32_t   *ids;			/* [U] the distinct tokens */
	uint32_t   *slot;			/* [N] index of a token in ids */
	int32_t    *classes;		/* [R] */
	float	   *row_weight;		/* [R] weight of a row in the loss */
} ClfShard;

/*
 * Takes the place of the loss: makes of a row's logits z [C] the gradient that
 * is to go back, in place.
 */
typedef void (*ClfHead) (void *context, int row, float *z);

typedef enum ClfStage
{
	CLF_STAGE_INPUT,
	CLF_STAGE_FORWARD,
	CLF_STAGE_HEAD,
	CLF_STAGE_BACKWARD,
	CLF_STAGE_WEIGHTS,
	CLF_STAGE_FINISHED
} ClfStage;

/* One direction of one layer: its weights in panels, and what it remembers for the way back. */
typedef struct ClfLstmBuffers
{
	float	   *kernel;			/* [input,4H] */
	float	   *recurrent;		/* [H,4H] */
	float	   *kernel_back;	/* [4H,input], transposed */
	float	   *recurrent_back; /* [4H,H] */
	float	   *gates;			/* [N,4H] activations, then gradients */
	float	   *c;				/* [N,H] */
	float	   *tanh_c;			/* [N,H] */
} ClfLstmBuffers;

typedef struct ClfNetwork
{
	ClfMem	   *mem;
	const ClfConfig *config;
	const ClfTensorTable *table;
	const ClfKernels *kernels;
	ClfSgemm	sgemm;
	size_t		max_tokens;
	size_t		max_rows;

	/* buffers; N stands for max_tokens and R for max_rows */
	ClfLstmBuffers lstm[CLF_MAX_LAYERS][2];
	float	   *outputs[CLF_MAX_LAYERS];	/* [N,D] of each layer */
	float	   *d_outputs[2];	/* [N,D] gradients of this layer, of the one below */
	float	   *embedded;		/* [U,E] */
	float	   *d_embedded;		/* [U,E] */
	float	   *projected;		/* [U,4H] and its gradient */
	float	   *h_previous;		/* [N,H] outputs shifted by one step */
	float	   *dh_next;		/* [R,H] */
	float	   *dc;				/* [R,H] */
	float	   *features;		/* [R,P] pooled, after dropout */
	float	   *mask;			/* [R,P] dropout factors */
	int		   *best;			/* [R,P] token, or embedding, of the maximum */
	float	   *probability;	/* [R,C] */
	float	   *d_logits;		/* [R,C]; the logits, after a pass without gradient */
	float	   *d_features;		/* [R,P] */

	const float *weights;		/* loaded */

	/* where the pass is */
	const ClfShard *shard;
	ClfGradient *gradient;		/* NULL: forward only */
	float		scale;			/* of the loss, 1 / rows of the batch */
	ClfRng	   *rng;			/* dropout; NULL: none */
	float		perturbation;	/* of a second way through the shard; 0: none */
	bool		again;			/* this is it: gradients are added to those of the first */
	ClfHead		head;			/* NULL: the loss */
	void	   *head_context;
	ClfStage	stage;
	int			layer;
	int			direction;
	int			t;

	/* results, of the first way through */
	double		loss;			/* sum of row_weight * loss over the rows */
	int			correct;		/* rows whose most probable class is theirs */
} ClfNetwork;

/* Bytes that clf_network_init takes for such shards; SIZE_MAX if too many. */
extern size_t clf_network_memory(const ClfConfig *config,
								 const ClfTensorTable *table,
								 size_t max_tokens, size_t max_rows,
								 bool training);

extern ClfStatus clf_network_init(ClfNetwork *network, ClfMem *mem,
								  const ClfConfig *config,
								  const ClfTensorTable *table,
								  const ClfKernels *kernels, ClfSgemm sgemm,
								  size_t max_tokens, size_t max_rows,
								  bool training, ClfError *error);
extern void clf_network_free(ClfNetwork *network);

/*
 * Take the weights of a block for the passes to come.  Of those that products
 * read, copies are made: after a change they must be loaded again.
 */
extern void clf_network_load(ClfNetwork *network, const float *weights);

/*
 * Begin a pass over a shard.  With a gradient, the pass goes back as well:
 * gradient->dense is filled, and gradient->rows and values are set to the
 * shard's distinct tokens and their embedding gradients [U,E], which then
 * point into the network.
 * scale multiplies the loss in the gradient; rng (or NULL) draws the dropout.
 *
 * With a perturbation, adversarial training (Miyato, Dai and Goodfellow 2017):
 * the pass goes through the shard a second time, its distinct embeddings X [U,E]
 * moved the way G that the loss rises, by perturbation * |X| / |G| * G, which
 * counts as constant.  The gradient is the sum of both.
 */
extern void clf_network_start(ClfNetwork *network, const ClfShard *shard,
							  ClfGradient *gradient, float scale,
							  float perturbation, ClfRng *rng);

/*
 * Begin a pass that goes back from head instead of a loss, and only to the
 * embeddings: classes and row_weight of the shard are not looked at,
 * gradient->dense is NULL, loss and correct mean nothing.
 */
extern void clf_network_start_head(ClfNetwork *network, const ClfShard *shard,
								   ClfGradient *gradient, ClfHead head,
								   void *context);

/* Do one item of work; true when the pass is complete. */
extern bool clf_network_advance(ClfNetwork *network);

/* p = softmax(z), both [C], p may be z; returns the logarithm of the sum of exp(z). */
extern double clf_softmax(size_t C, const float *z, float *p);

/*
 * The loss of a row: from its logits z [C] make the probabilities p [C] and,
 * unless dz is NULL, the gradient of weight * loss with respect to z; dz may
 * be z.
 * Returns weight * loss.
 */
extern double clf_loss(ClfLoss loss, size_t C, const float *z, int32_t class_id,
					   float weight, float *p, float *dz);

/* Initial values of an embedding are uniform within this of 0. */
#define CLF_EMBEDDING_LIMIT 0.05f

/*
 * Set one row of a tensor to its initial values by role; rows 0, 1, 2, ... in
 * this order, for the rows of an orthogonal matrix depend on those before.
 */
extern void clf_tensor_init_row(const ClfTensor *tensor, size_t row,
								float *values, ClfRng *rng);

#endif							/* CLF_NETWORK_H */

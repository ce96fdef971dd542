/*
 * tensor.h
 *	  The table of a network's tensors: name, shape, role and place.
 *
 * This one table drives allocation, initialisation, the codec and the
 * optimiser.  All tensors of a network stand in one block of floats, each at
 * a multiple of CLF_ALIGNMENT; gradients and moments use blocks of the same
 * layout.
 */
#ifndef CLF_TENSOR_H
#define CLF_TENSOR_H

#include "clf.h"
#include "mem.h"

#define CLF_MAX_LAYERS 8
#define CLF_MAX_TENSORS (1 + CLF_MAX_LAYERS * 2 * 3 + 2)
#define CLF_MAX_TENSOR_NAME 48

typedef enum ClfTensorRole
{
	CLF_ROLE_EMBEDDING,			/* [V,E]; uniform +-0.05; updated by row */
	CLF_ROLE_KERNEL,			/* Glorot uniform */
	CLF_ROLE_RECURRENT,			/* orthogonal */
	CLF_ROLE_LSTM_BIAS,			/* 0, forget gate 1 */
	CLF_ROLE_BIAS				/* 0 */
} ClfTensorRole;

typedef struct ClfTensor
{
	char		name[CLF_MAX_TENSOR_NAME];	/* "lstm.0.forward.kernel" */
	ClfTensorRole role;
	int			dimensions;		/* 1 or 2 */
	size_t		rows;			/* 1 where dimensions is 1 */
	size_t		columns;
	size_t		offset;			/* in floats from the start of the block */
} ClfTensor;

/* One direction of one layer; gates in the order i, f, c, o. */
typedef struct ClfLstmTensors
{
	int			kernel;			/* index of [input, 4H] */
	int			recurrent;		/* [H, 4H] */
	int			bias;			/* [4H] */
} ClfLstmTensors;

typedef struct ClfTensorTable
{
	int			count;
	ClfTensor	tensors[CLF_MAX_TENSORS];
	size_t		floats;			/* size of a block, padding included */
	int64_t		parameters;		/* without padding */
	int			embedding;		/* indexes of the fixed tensors */
	ClfLstmTensors lstm[CLF_MAX_LAYERS][2]; /* [layer][0 forward, 1 backward] */
	int			dense_kernel;	/* [P, C] */
	int			dense_bias;		/* [C] */
} ClfTensorTable;

/* Which branches a model of this config has. */
static inline bool
clf_has_deep(const ClfConfig *config)
{
	return config->architecture != CLF_ARCH_LINEAR;
}

static inline bool
clf_has_wide(const ClfConfig *config)
{
	return config->architecture == CLF_ARCH_HYBRID ||
		config->architecture == CLF_ARCH_LINEAR;
}

/*
 * Lay out the tensors of a network with a valid, fully set config; none with
 * architecture linear.
 * CLF_ERR_LIMIT if their size does not fit into memory at all.
 */
extern ClfStatus clf_tensor_table(const ClfConfig *config, size_t vocabulary,
								  size_t classes, ClfTensorTable *table,
								  ClfError *error);

/* Index of the tensor of that name, or -1. */
extern int	clf_tensor_find(const ClfTensorTable *table, const char *name);

/* Width of what layer reads: E, or the outputs of the layer below. */
extern size_t clf_layer_input(const ClfConfig *config, int layer);

/* Width D of a layer's outputs: H or 2H. */
extern size_t clf_output_width(const ClfConfig *config);

/*
 * Width P of the pooled features: D; with pooling max_mean 2D + E, the maximum
 * of the outputs, their mean, the maximum of the embeddings.
 */
extern size_t clf_feature_width(const ClfConfig *config);

#endif							/* CLF_TENSOR_H */

/*
 * clf.h
 *	  The public interface of the classification engine, and its manual.
 *
 * The engine trains and evaluates text classifiers, LSTM and linear.  It is plain C11 and
 * knows nothing of PostgreSQL: memory, the row store, the clock and the large
 * matrix products come from the host through the structs below.
 *
 * Rules that hold for every function here:
 *
 * - A function that can fail returns a ClfStatus and fills *error (never NULL).
 *	 On failure its outputs are untouched and everything it took is released.
 * - No function exits, aborts, prints, reads or sets errno, the environment or
 *	 the locale, or keeps state outside the objects it is given.
 * - Text is UTF-8 with an explicit length in bytes; it may hold anything.
 *	 Invalid UTF-8 is CLF_ERR_ENCODING with the number of the offending byte,
 *	 but what lies beyond the tokens that are looked at is not read.
 * - A ClfModel is constant once made: any number of readers may share it.
 *	 Everything that changes during a call lives in a ClfScratch or ClfTrainer.
 * - The floating-point environment is the same after a call as before it.
 *
 * Shapes use these letters: T tokens, E embedding_dim, H units, C classes,
 * V vocabulary.  Matrices are row-major.
 */
#ifndef CLF_H
#define CLF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- status and errors ------------------------------------------------ */

typedef enum ClfStatus
{
	CLF_OK = 0,
	CLF_ERR_MEMORY,				/* the allocator has no more to give */
	CLF_ERR_BUDGET,				/* more than ClfHost.memory_limit is needed */
	CLF_ERR_CORRUPT,			/* model bytes are not a valid model */
	CLF_ERR_ENCODING,			/* text is not valid UTF-8 */
	CLF_ERR_LIMIT,				/* a fixed limit of the engine is exceeded */
	CLF_ERR_DATA,				/* nothing can be learned from these rows */
	CLF_ERR_DIVERGED,			/* the loss or a weight is not finite */
	CLF_ERR_STOPPED,			/* the host wanted no more of it */
	CLF_ERR_HOST				/* a callback of the host failed */
} ClfStatus;

typedef struct ClfError
{
	ClfStatus	status;
	char		message[200];	/* primary message: lower case, no period */
	char		detail[200];	/* a sentence, or empty */
	size_t		bytes_needed;	/* CLF_ERR_BUDGET: what would have sufficed */
} ClfError;

/* ---- what the host lends ---------------------------------------------- */

/*
 * alloc returns memory aligned for any scalar, or NULL; it must not unwind the
 * stack.  free takes what alloc gave.
 */
typedef struct ClfAllocator
{
	void	   *(*alloc) (void *context, size_t size);
	void		(*free) (void *context, void *pointer);
	void	   *context;

	/*
	 * Optional, for a host that may drop all memory at once without freeing
	 * what lies in it: call callback before that.  False if it cannot.
	 */
	bool		(*at_end) (void *context, void (*callback) (void *argument), void *argument);

	/*
	 * Optional, for a host that cannot wait for the end of a text that may be of
	 * any length: true, and reading it ends with CLF_ERR_STOPPED.  Clearing
	 * hundreds of megabytes ends as well, with CLF_ERR_MEMORY.
	 */
	bool		(*stopped) (void *context);
} ClfAllocator;

/*
 * Append-only bytes with random access, in which a training keeps its encoded
 * rows.  Both return false on failure (the host remembers why) and must not
 * unwind the stack.  read asks only for bytes that were appended.
 */
typedef struct ClfRowStore
{
	bool		(*append) (void *context, const void *bytes, size_t size);
	bool		(*read) (void *context, uint64_t offset, void *bytes, size_t size);
	void	   *context;
} ClfRowStore;

/* C[m,n] = op(A)[m,k] * op(B)[k,n] + beta * C, row-major, leading dimensions */
typedef void (*ClfSgemm) (bool transpose_a, bool transpose_b,
						  int m, int n, int k,
						  const float *a, int lda, const float *b, int ldb,
						  float beta, float *c, int ldc);

/*
 * Other processes ("helpers") that compute for a training.  They share a block
 * of memory with it and run clf_helper_step; the model is the same, bit for
 * bit, whether there are any.  No callback may unwind the stack.
 */
typedef struct ClfTeamHost
{
	int			helpers;		/* at most; 0: none, and no callback is used */

	/*
	 * A block of zeros, aligned to 64 bytes, that so many helpers will be
	 * given; NULL if that cannot be had, so that the training computes alone.
	 * start is called when helpers may look at it, wake when there is work
	 * for those that found none, unshare when the block is not needed any
	 * more: helpers must have left it then, or see it unchanged.
	 */
	void	   *(*share) (void *context, size_t size, int helpers);
	void		(*start) (void *context);
	void		(*wake) (void *context);
	void		(*unshare) (void *context);
	void	   *context;
} ClfTeamHost;

typedef struct ClfHost
{
	ClfAllocator allocator;
	size_t		memory_limit;	/* bytes a training may hold */
	ClfRowStore store;
	ClfSgemm	sgemm;			/* NULL: the engine's own, much slower */
	double		(*seconds) (void *context); /* a monotonic clock */
	void	   *clock_context;
	ClfTeamHost team;

	/*
	 * A number that nobody knows who writes rows: words cannot be chosen to
	 * collide in the dictionary, nor n-grams in the table that counts them.
	 * The model does not depend on it.
	 */
	uint64_t	hash_seed;
} ClfHost;

/* ---- configuration ---------------------------------------------------- */

typedef enum ClfArchitecture
{
	CLF_ARCH_HYBRID,			/* bilstm and linear, fused */
	CLF_ARCH_BILSTM,			/* embedding, BiLSTM, pooling, dense softmax */
	CLF_ARCH_LINEAR,			/* logistic regression on n-grams */
	CLF_ARCH_LSTM				/* Keras's textbook stack, pre-padded */
} ClfArchitecture;

typedef enum ClfTokenizerKind
{
	CLF_TOKENIZER_UNICODE,
	CLF_TOKENIZER_KERAS
} ClfTokenizerKind;

/* Bits of ClfConfig.mask, by number. */
typedef enum ClfMaskKind
{
	CLF_MASK_EMAIL,
	CLF_MASK_URL,
	CLF_MASK_NUMBER,
	CLF_MASK_CARD,
	CLF_MASK_PHONE
} ClfMaskKind;

typedef enum ClfOptimizerKind
{
	CLF_OPTIMIZER_SGD,
	CLF_OPTIMIZER_MOMENTUM,
	CLF_OPTIMIZER_RMSPROP,
	CLF_OPTIMIZER_ADAM
} ClfOptimizerKind;

typedef enum ClfLoss
{
	CLF_LOSS_CROSS_ENTROPY,
	CLF_LOSS_MSE
} ClfLoss;

typedef enum ClfPooling
{
	CLF_POOLING_LAST,			/* final state of each direction */
	CLF_POOLING_MAX,			/* maximum over time, per unit */
	CLF_POOLING_MEAN,
	CLF_POOLING_MAX_MEAN		/* both, and the maximum of the embeddings */
} ClfPooling;

typedef enum ClfSchedule
{
	CLF_SCHEDULE_CONSTANT,
	CLF_SCHEDULE_LINEAR,		/* warm-up, then linear decay to 0 */
	CLF_SCHEDULE_COSINE			/* warm-up, then half a cosine to 0 */
} ClfSchedule;

typedef enum ClfClassWeight
{
	CLF_CLASS_WEIGHT_NONE,
	CLF_CLASS_WEIGHT_BALANCED	/* rows / (classes * rows of the class) */
} ClfClassWeight;

typedef enum ClfValidationMode
{
	CLF_VALIDATION_STRATIFIED,	/* the same share of every class */
	CLF_VALIDATION_LAST			/* Keras: the last fraction of the rows */
} ClfValidationMode;

typedef enum ClfStorage
{
	CLF_STORAGE_FLOAT32,
	CLF_STORAGE_FLOAT16,
	CLF_STORAGE_INT8			/* the embedding; the rest as FLOAT16 */
} ClfStorage;

typedef enum ClfPrecision
{
	CLF_PRECISION_FLOAT32,
	CLF_PRECISION_INT8			/* products of the LSTM layers are of bytes */
} ClfPrecision;

/*
 * Everything that decides what a training does.  Integers, enums, sets and
 * booleans are int32_t, reals are double and strings are arrays of char, so
 * that clf_options() can describe the struct field by field.  Where the table gives "auto" as default, the trainer
 * replaces it by a value that suits the rows, and the model stores that value.
 */
#define CLF_MAX_PATTERN 1000	/* bytes */

typedef struct ClfConfig
{
	int32_t		architecture;	/* ClfArchitecture */
	int32_t		tokenizer;		/* ClfTokenizerKind */
	int32_t		mask;			/* set of ClfMaskKind: each a placeholder token */
	char		mask_pattern[CLF_MAX_PATTERN + 1];	/* likewise; regular expression, "" = none */
	int32_t		capitals;		/* words with capitals are marked by a token before them */
	int32_t		num_words;		/* size of the vocabulary, ids 0 and 1 included */
	int32_t		min_count;		/* a token enters if it occurs this often ... */
	int32_t		min_rows;		/* ... and in so many rows; an n-gram likewise */
	int32_t		maxlen;			/* tokens of a text that are looked at */
	int32_t		embedding_dim;
	int32_t		units;
	int32_t		layers;
	int32_t		bidirectional;
	int32_t		pooling;		/* ClfPooling */
	double		dropout;		/* share of the pooled features set to 0 */
	double		word_dropout;	/* share of the words read as unknown */
	int32_t		loss;			/* ClfLoss */
	int32_t		optimizer;		/* ClfOptimizerKind */
	double		learning_rate;
	double		momentum;		/* of optimizer momentum */
	int32_t		schedule;		/* ClfSchedule */
	double		clip_norm;		/* global norm of the gradient; 0 = no limit */
	int32_t		dense_updates;	/* Adam moves every embedding row each step */
	double		weight_average;	/* decay of the averaged weights; 0 = none */
	int32_t		epochs;
	int32_t		batch_size;		/* rows */
	int32_t		char_ngrams;	/* the linear branch looks inside words */
	double		wide_c;			/* inverse of the linear branch's regularisation */
	int32_t		refit;			/* learn from validation rows, too, at last; where these are few, hold out others before */
	int32_t		class_weight;	/* ClfClassWeight */
	double		validation_split;
	int32_t		validation_mode;	/* ClfValidationMode */
	int32_t		early_stopping; /* epochs without improvement; 0 = never stop */
	double		max_seconds;	/* stop training after so long; 0 = no limit */
	int32_t		storage;		/* ClfStorage of the network's weights in the file */
	int32_t		precision;		/* ClfPrecision of the network in prediction */
	int32_t		seed;
} ClfConfig;

typedef enum ClfOptionType
{
	CLF_OPTION_BOOL,
	CLF_OPTION_INT,
	CLF_OPTION_REAL,
	CLF_OPTION_ENUM,
	CLF_OPTION_SET,				/* of names: bit i is name i */
	CLF_OPTION_STRING			/* UTF-8, NUL-terminated */
} ClfOptionType;

/* One row of the table of options: a field of ClfConfig and what it may hold. */
typedef struct ClfOption
{
	const char *name;
	ClfOptionType type;
	size_t		offset;			/* of the field in its struct */
	double		minimum;		/* INT, REAL: smallest value one may ask for */
	double		maximum;		/* STRING: bytes */
	double		initial;		/* default; below minimum means "auto"; of a STRING "" */
	const char *const *names;	/* ENUM, SET: names by value, NULL-terminated */
	const char *description;	/* for the reference: what it does, its unit */
} ClfOption;

/* The table of options, *count rows, in the order of ClfConfig. */
extern const ClfOption *clf_options(int *count);

/* Set every field of *config to its default. */
extern void clf_config_init(ClfConfig *config);

/* True if every field is set ("auto" allowed or not) and within its range. */
extern bool clf_config_valid(const ClfConfig *config, bool allow_auto);

/* CLF_ERR_DATA if a string is within its range, but not what it is to be: see detail. */
extern ClfStatus clf_config_check(const ClfConfig *config, ClfError *error);

/* Set the options that decide the form of the network to those of a model. */
extern void clf_config_like(ClfConfig *config, const ClfConfig *model);

/*
 * Can a training of this config start from a network of that one?  CLF_ERR_DATA
 * names an option in which they differ; hybrid and bilstm have the same network.
 */
extern ClfStatus clf_config_check_like(const ClfConfig *config,
									   const ClfConfig *model, ClfError *error);

/* ---- models ----------------------------------------------------------- */

typedef struct ClfModel ClfModel;

#define CLF_MAX_CLASSES 100000
#define CLF_MAX_LABEL_BYTES 10000

/*
 * Decode model bytes (FORMAT.md), which may come from anyone: every length is
 * checked against the bytes at hand before anything is allocated.  The model
 * keeps nothing of bytes.  CLF_ERR_CORRUPT says what was wrong.
 */
extern ClfStatus clf_model_decode(const ClfAllocator *allocator,
								  const void *bytes, size_t size,
								  ClfModel **model, ClfError *error);

/*
 * Encode a model.  The digest field is left as zeros: see clf_digest_field.
 * *bytes comes from allocator and belongs to the caller.
 */
extern ClfStatus clf_model_encode(const ClfModel *model,
								  const ClfAllocator *allocator,
								  void **bytes, size_t *size, ClfError *error);

extern void clf_model_free(ClfModel *model);

/*
 * Where in model bytes the SHA-256 stands: CLF_DIGEST_LENGTH lower-case hex
 * digits at *offset, taken over all bytes with the field itself as '0'
 * characters.  False if the bytes are too short or do not begin as a model.
 */
#define CLF_DIGEST_LENGTH 64
extern bool clf_digest_field(const void *bytes, size_t size, size_t *offset);

extern const ClfConfig *clf_model_config(const ClfModel *model);
extern int	clf_model_classes(const ClfModel *model);
extern int	clf_model_vocabulary(const ClfModel *model);	/* V, ids 0, 1 included */
extern int64_t clf_model_parameters(const ClfModel *model);
extern size_t clf_model_memory(const ClfModel *model);	/* bytes held, without an image */

/* Label of class 0..C-1, and its length in bytes; not NUL-terminated. */
extern const char *clf_model_label(const ClfModel *model, int class_id,
								   size_t *length);

/* Class of a label, or -1. */
extern int	clf_model_class(const ClfModel *model, const char *label,
							size_t length);

/* Token of id 2..V-1, and its length in bytes; ids 0 and 1 have none (NULL). */
extern const char *clf_model_token(const ClfModel *model, int id,
								   size_t *length);

/*
 * How many rows of the training, validation rows as well, hold the token of an
 * id; 0 if that is not known.
 */
extern uint32_t clf_model_token_rows(const ClfModel *model, int id);

/* "72.1": the ICU the model was trained under ("": none), and the one that runs now */
extern const char *clf_model_icu_version(const ClfModel *model);
extern const char *clf_icu_version(void);

/*
 * A text the host attaches to a model (textclf: JSON with the figures of the
 * training); travels with the bytes, not interpreted by the engine.  The
 * setter copies and is for a model that is not shared yet, nor an image.
 */
extern const char *clf_model_info(const ClfModel *model, size_t *length);
extern ClfStatus clf_model_set_info(ClfModel *model, const char *info,
									size_t length, ClfError *error);

/* ---- images ----------------------------------------------------------- */

/*
 * An image is a model as it stands in memory, without addresses, so that any
 * number of processes can read one copy of it in place.  Unlike model bytes it
 * suits one build of the engine on one kind of CPU; nobody keeps it.
 *
 * write is called with the bytes of an image one after the other and must not
 * unwind the stack; if it returns false, writing ends with CLF_ERR_HOST.  An
 * image of more than limit bytes is not begun: CLF_ERR_LIMIT.
 */
typedef bool (*ClfImageWrite) (void *context, const void *bytes, size_t size);

extern ClfStatus clf_image_write(const ClfModel *model,
								 const ClfAllocator *allocator, size_t limit,
								 ClfImageWrite write, void *context,
								 ClfError *error);

/* A number for the form of the images that are written and read here. */
extern uint64_t clf_image_layout(void);

/*
 * Make a model of an image that begins at a multiple of 64 bytes, and that must
 * stay there unchanged until the model is freed.  It predicts bit for bit what
 * the model that was written does, and holds a few kB of its own.
 * CLF_ERR_CORRUPT if it is no image for this engine, or one in which something
 * could be looked up beyond its end.  Weights are not checked.
 */
extern ClfStatus clf_image_attach(const ClfAllocator *allocator,
								  const void *image, size_t size,
								  ClfModel **model, ClfError *error);

/* ---- prediction ------------------------------------------------------- */

/* Working memory for calls on one model, used by one caller at a time. */
typedef struct ClfScratch ClfScratch;

extern ClfStatus clf_scratch_new(const ClfModel *model,
								 const ClfAllocator *allocator,
								 ClfScratch **scratch, ClfError *error);
extern size_t clf_scratch_memory(const ClfScratch *scratch);
extern void clf_scratch_free(ClfScratch *scratch);

/*
 * Probabilities of the classes for one text: probability[C], summing to 1.
 * A text without tokens has an answer like any other.
 */
extern ClfStatus clf_predict(const ClfModel *model, ClfScratch *scratch,
							 const char *text, size_t length,
							 float *probability, ClfError *error);

/*
 * The same for count texts, 1 to clf_batch_limit(): probability [count,C], bit
 * for bit what a call for each gives, in a fraction of the time.  An error is
 * that of the first text that has one.
 */
typedef struct ClfText
{
	const char *bytes;
	size_t		length;
} ClfText;

extern int	clf_batch_limit(const ClfModel *model);
extern ClfStatus clf_predict_batch(const ClfModel *model, ClfScratch *scratch,
								   const ClfText *texts, int count,
								   float *probability, ClfError *error);

/*
 * About how long predicting a text of so many bytes takes, alone or together
 * with others, on a core with AVX-512: for comparisons with other work.
 */
extern double clf_predict_seconds(const ClfModel *model, double bytes, bool together);

/* Index of the largest probability; the lowest index among equals. */
extern int	clf_best(const float *probability, int classes);

/* One token of a text, as the model sees it. */
typedef struct ClfToken
{
	size_t		start;			/* bytes [start, end) of the text */
	size_t		end;
	const char *text;			/* normalised form, valid until the next call */
	size_t		length;
	int32_t		id;				/* 1 = not in the vocabulary */
} ClfToken;

/*
 * The tokens of a text that the model looks at, in order: at most maxlen, or
 * 1,024 if that is more and the model has a linear branch.  A mark of capitals
 * has the place of its word, which is the next token.
 * *tokens belongs to scratch and is valid until the next call that uses it.
 */
extern ClfStatus clf_tokens(const ClfModel *model, ClfScratch *scratch,
							const char *text, size_t length,
							const ClfToken **tokens, size_t *count,
							ClfError *error);

/* ---- explanation ------------------------------------------------------ */

/*
 * What each token of a text says for a class: how far it moves the class's
 * log-odds ln(p / (1 - p)), by both branches together.
 *
 * The network is taken in single precision, whatever its option precision is.
 * The weights are integrated gradients from a text of as many unknown tokens,
 * so that they add up to log_odds - base, but for the error of the numerical
 * integration, which is seldom over 0.01 and looks at the text at 11 to about
 * 600 points of the way, more where the network is less smooth.  Where it jumps,
 * as one does whose training diverged, no token can be said to have moved it:
 * such parts of the way are the rest, which belongs to the sum.
 * A token that the network does not know, or does not read, gets its weight
 * from the linear branch alone.  There an n-gram's part, its value times the
 * class's weight, goes to its tokens in equal parts.
 */
typedef struct ClfExplanation
{
	int			class_id;
	double		log_odds;		/* of the class for the text */
	double		base;			/* for as many unknown tokens */
	const ClfToken *tokens;		/* [count] as clf_tokens gives them */
	const double *weights;		/* [count] */
	size_t		count;
	double		rest;			/* 0 unless the network jumps */
} ClfExplanation;

/*
 * Life of an explainer: new, step until done, result, free.  Each step is an
 * item of work of a prediction's size or less, so the host can look for
 * interrupts between steps.  class_id -1 is the predicted class.  sgemm may be
 * NULL.  model must outlive it, text need not.  After an error only
 * clf_explainer_free is allowed.
 */
typedef struct ClfExplainer ClfExplainer;

extern ClfStatus clf_explainer_new(const ClfModel *model,
								   const ClfAllocator *allocator, ClfSgemm sgemm,
								   const char *text, size_t length, int class_id,
								   ClfExplainer **explainer, ClfError *error);
extern ClfStatus clf_explainer_step(ClfExplainer *explainer, bool *done,
									ClfError *error);

/* Belongs to the explainer. */
extern const ClfExplanation *clf_explainer_result(const ClfExplainer *explainer);

extern void clf_explainer_free(ClfExplainer *explainer);

/* ---- judging ---------------------------------------------------------- */

/* So many rows of one class were taken for another, or for what they are. */
typedef struct ClfCell
{
	int32_t		actual;
	int32_t		predicted;
	int64_t		rows;
} ClfCell;

/* Answers whose probability is from i / CLF_BINS to (i + 1) / CLF_BINS. */
typedef struct ClfBin
{
	int64_t		rows;
	int64_t		right;
	double		probability;	/* sum over the rows */
} ClfBin;

#define CLF_BINS 15
#define CLF_MAX_CELLS 1000000

/* A confusion matrix without its zeros, and a reliability table. */
typedef struct ClfTally ClfTally;

extern ClfStatus clf_tally_new(const ClfAllocator *allocator, ClfTally **tally,
							   ClfError *error);
extern void clf_tally_free(ClfTally *tally);

/*
 * Count an answer and its probability, from 0 to 1.  Class numbers are not
 * negative; the host may give numbers of its own to labels that a model does
 * not have.  CLF_ERR_LIMIT beyond CLF_MAX_CELLS cells.
 */
extern ClfStatus clf_tally_add(ClfTally *tally, int actual, int predicted,
							   double probability, ClfError *error);

/* The cells, *count of them, by actual, then by predicted; valid until the next call. */
extern const ClfCell *clf_tally_cells(ClfTally *tally, size_t *count);

/* qsort comparator of ClfCell: by actual class, then by predicted class. */
extern int	clf_compare_cells(const void *a, const void *b);

/* The reliability table [CLF_BINS]. */
extern const ClfBin *clf_tally_bins(const ClfTally *tally);

/*
 * Expected calibration error: the mean over bins, by rows, of |share that is
 * right - mean probability| (Naeini et al. 2015).  NaN without rows.
 */
extern double clf_calibration_error(const ClfBin bins[CLF_BINS]);

/* Figures of a class, as in scikit-learn: a quotient by 0 is 0. */
typedef struct ClfClassScore
{
	int64_t		support;		/* rows that are of it */
	int64_t		predicted;		/* rows that were taken for it */
	int64_t		right;
	double		precision;
	double		recall;
	double		f1;
} ClfClassScore;

typedef struct ClfAverage
{
	double		precision;
	double		recall;
	double		f1;
} ClfAverage;

/* NaN without rows. */
typedef struct ClfScore
{
	int64_t		rows;
	int			classes;		/* that occur or were predicted */
	double		accuracy;
	ClfAverage	macro;			/* mean over these classes */
	ClfAverage	weighted;		/* by support */
} ClfScore;

/*
 * What cells come to: by_class[classes] and the whole.  In a cell, a number of
 * classes or more is any other label: it has no figures, but rows of it or
 * taken for it count as answers.
 */
extern void clf_score(const ClfCell *cells, size_t count, int classes,
					  ClfClassScore *by_class, ClfScore *whole);

/* ---- training --------------------------------------------------------- */

/*
 * Life of a trainer: new, add (once per row), perhaps warm_start and add_vector,
 * step until CLF_PHASE_DONE, finish (once), free.  Each step does at most about 20 ms of work on one
 * core and returns, so the host can look for interrupts between steps.
 */
typedef struct ClfTrainer ClfTrainer;

typedef enum ClfPhase
{
	CLF_PHASE_PREPARE,			/* ordering rows, counting tokens */
	CLF_PHASE_TRAIN,
	CLF_PHASE_VALIDATE,
	CLF_PHASE_DONE
} ClfPhase;

/* Figures of one epoch; accuracies are shares of 1, val_* NaN without validation. */
typedef struct ClfEpoch
{
	double		loss;
	double		accuracy;
	double		val_loss;
	double		val_accuracy;
	double		seconds;
} ClfEpoch;

typedef struct ClfProgress
{
	ClfPhase	phase;
	bool		epoch_ended;	/* this step completed an epoch: see last_epoch */
	bool		linear;			/* the linear branch is being fitted */
	bool		waiting;		/* a helper's work must be done before the next step */
	int			epoch;			/* 1-based number of the epoch under way */
	int			epochs;			/* planned; once the network begins again, those run and those to come */
	int64_t		rows_done;		/* training rows of this epoch so far */
	int64_t		rows;			/* training rows of an epoch */
	double		loss;			/* running means of the epoch */
	double		accuracy;
	ClfEpoch	last_epoch;
} ClfProgress;

/* What came of a training; the model is judged on the validation rows. */
typedef struct ClfSummary
{
	int64_t		rows;			/* all rows added */
	int64_t		training_rows;
	int64_t		validation_rows;
	int			classes;
	int			vocabulary;
	int64_t		parameters;
	int			epochs;			/* epochs run */
	int			best_epoch;		/* the one whose weights were kept */
	bool		out_of_time;	/* max_seconds ended it */
	double		accuracy;		/* on validation rows, or NaN, as the next four */
	double		macro_f1;
	double		deep_accuracy;	/* of the network alone */
	double		wide_accuracy;	/* of the n-grams alone */
	int64_t		wide_rows;		/* that the linear branch learned from at last ... */
	int64_t		wide_rows_wanted;	/* ... and would have with more memory; 0: no such branch */
	double		unknown_tokens; /* share of the validation rows' tokens, or NaN */
	double		calibration_error;	/* see clf_calibration_error */
	size_t		cell_count;
	const ClfCell *cells;		/* [cell_count] of the model judged so, owned by the trainer */
	const ClfBin *bins;			/* [CLF_BINS], likewise */
	const ClfEpoch *history;	/* [epochs], owned by the trainer */
	const int64_t *class_rows;	/* [C] rows of each class, owned by the trainer */
} ClfSummary;

/* config may hold "auto" values.  host and what it points to must outlive it. */
extern ClfStatus clf_trainer_new(const ClfConfig *config, const ClfHost *host,
								 ClfTrainer **trainer, ClfError *error);

/* Add one row.  Keeps no pointer to text or label. */
extern ClfStatus clf_trainer_add(ClfTrainer *trainer,
								 const char *text, size_t text_length,
								 const char *label, size_t label_length,
								 ClfError *error);

/*
 * Start from the network of a model, which must stay there until a step's
 * progress shows a phase after CLF_PHASE_PREPARE; the config must be like its
 * config (clf_config_check_like).  Words and labels that both have begin with
 * their weights; other words with those of an unknown word, other labels with
 * random numbers.  The linear branch is fitted anew, as it has one optimum.
 */
extern ClfStatus clf_trainer_warm_start(ClfTrainer *trainer,
										const ClfModel *model, ClfError *error);

/*
 * After the last row: let a word's embedding begin with a vector [dimension],
 * which config.embedding_dim must be if it is set.  A word counts if it is one token
 * of the rows; of several spellings of one the token itself, else the one with
 * the lowest hash.  Vectors go to the row store, memory holds 16 bytes for each
 * distinct token of the rows.  Words without a vector begin with random numbers
 * of the same size; those of a warm start have that first.  keep_vectors: the
 * training does not change the embeddings of words that have a vector.
 */
extern ClfStatus clf_trainer_add_vector(ClfTrainer *trainer, const char *word,
										size_t length, const float *vector,
										size_t dimension, ClfError *error);
extern void clf_trainer_keep_vectors(ClfTrainer *trainer);

/* Where the network's weights came from. */
typedef struct ClfOrigin
{
	int64_t		words;			/* of the vocabulary */
	int64_t		words_of_model;
	int64_t		words_of_vectors;	/* that have one */
	int			labels;
	int			labels_of_model;
} ClfOrigin;

/*
 * Do a little more.  The steps of CLF_PHASE_PREPARE fix the order of the rows,
 * the classes and the vocabulary; errors about the data (fewer than two
 * classes: CLF_ERR_DATA) and the budget come from there, before any training.
 * After an error only clf_trainer_free is allowed.
 */
extern ClfStatus clf_trainer_step(ClfTrainer *trainer, ClfProgress *progress,
								  ClfError *error);

/*
 * Once a step's progress shows a phase after CLF_PHASE_PREPARE: the number of
 * weights the model will have, where they begin, and whether the row that was
 * added as number ordinal (from 0) is a validation row.
 */
extern int64_t clf_trainer_parameters(const ClfTrainer *trainer);
extern ClfOrigin clf_trainer_origin(const ClfTrainer *trainer);
extern bool clf_trainer_is_validation(const ClfTrainer *trainer,
									  uint64_t ordinal);

/* The trained model (from host->allocator, owned by the caller) and figures. */
extern ClfStatus clf_trainer_finish(ClfTrainer *trainer, ClfModel **model,
									ClfSummary *summary, ClfError *error);

extern void clf_trainer_free(ClfTrainer *trainer);

/*
 * Life of a helper, in a process of its own: new, step until the training is
 * over (the host knows), free.  Of host it needs allocator and sgemm, which
 * must be the function that the trainer uses.  new allocates all that steps
 * need.  A helper may leave only where a step was not CLF_HELPER_BUSY.
 */
typedef struct ClfHelper ClfHelper;

typedef enum ClfHelperState
{
	CLF_HELPER_IDLE,			/* there was nothing to do */
	CLF_HELPER_BUSY,			/* in the midst of what the trainer may wait for */
	CLF_HELPER_FREE,			/* a piece of work is done */
	CLF_HELPER_AWAITED			/* the same, and the trainer is to be woken */
} ClfHelperState;

extern ClfStatus clf_helper_new(const ClfHost *host, void *block, size_t size,
								ClfHelper **helper, ClfError *error);

/* Do one item of work, of some milliseconds. */
extern ClfHelperState clf_helper_step(ClfHelper *helper);

extern void clf_helper_free(ClfHelper *helper);

/* ---- the machine ------------------------------------------------------ */

/* Name of the kernel set in use: "avx512bf16", "avx512vnni", "avx512",
 * "avx2" or "generic". */
extern const char *clf_kernels_name(void);

/*
 * Load a serial OpenBLAS from an absolute path, for ClfHost.sgemm.  The library
 * stays loaded; the host keeps the result.  core_type receives the name of the
 * kernels that it chose.  CLF_ERR_HOST if it cannot be loaded or gives wrong
 * products on a small check, CLF_ERR_MEMORY if there is no room for its buffer.
 */
extern ClfStatus clf_blas_load(const char *path, ClfSgemm *sgemm,
							   char *core_type, size_t core_type_size,
							   ClfError *error);

/* The OpenBLAS core type that suits this CPU ("SkylakeX", ...), or NULL. */
extern const char *clf_blas_core_type(void);

#endif							/* CLF_H */

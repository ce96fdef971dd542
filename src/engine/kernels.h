/*
 * kernels.h
 *	  The inner loops of the network, once per instruction set.
 *
 * Each set is the same text, kernels_template.h, compiled for another target;
 * the CPU at hand decides at run time which one is used.  Sets differ in the
 * last digits only.
 */
#ifndef CLF_KERNELS_H
#define CLF_KERNELS_H

#include "clf.h"

#define CLF_LANES 16			/* units of a block in packed weights */
#define CLF_BLOCK (4 * CLF_LANES)	/* the four gates i, f, c, o of such a block */
#define CLF_PANEL 32			/* columns of weights that training reads together */
#define CLF_STEP_ROWS 24		/* most rows of a step of prediction, a multiple of every set's rows */
#define CLF_ZERO 128			/* what 0 is among the bytes of inputs and states */

#define CLF_KERNEL_SETS 5		/* at most, on any platform */

typedef struct ClfKernels
{
	const char *name;

	/* C = op(A) op(B) + beta C: the engine's own product, see ClfSgemm */
	ClfSgemm	sgemm;

	/*
	 * Training: c [n,N] = a [n,K] w, or added to c, with w [K,N] in panels (see
	 * panels.h).  Rows of a are lda apart, those of c ldc.
	 */
	void		(*multiply) (size_t n, size_t K, size_t N, const float *a, size_t lda,
							 const float *w, bool add, float *c, size_t ldc);

	/*
	 * Training, one time step of n rows.  On entry gates [n,4H] holds the
	 * weighted inputs without bias, on exit the activations of i, f, c, o.
	 * c_previous [n,H] may be NULL for an initial state of zeros.  Writes c,
	 * tanh_c [n,H] and h, whose rows are h_stride apart.
	 */
	void		(*lstm_forward) (size_t n, size_t H, float *gates,
								 const float *bias, const float *c_previous,
								 float *c, float *tanh_c,
								 float *h, size_t h_stride);

	/*
	 * The way back.  gates: activations on entry, gradients of the weighted
	 * inputs on exit.  dh (rows dh_stride apart) is the gradient from above,
	 * dh_next [n,H] the one from the following step.  dc [n,H]: in for c,
	 * out for c_previous.
	 */
	void		(*lstm_backward) (size_t n, size_t H, float *gates,
								  const float *c_previous, const float *tanh_c,
								  const float *dh, size_t dh_stride,
								  const float *dh_next, float *dc);

	/* y += a x over n floats */
	void		(*axpy) (size_t n, float a, const float *x, float *y);

	/* most = max(most, x) over n floats; where it grows, from becomes source */
	void		(*take_maximum) (size_t n, const float *x, int source, float *most, int *from);

	/* y = keep y + (1 - keep) x over n floats */
	void		(*average) (size_t n, float keep, const float *x, float *y);

	/* the sum of the squares of n floats */
	double		(*square_sum) (size_t n, const float *x);

	/* Adam on n floats: the step alpha includes the bias correction */
	void		(*adam) (size_t n, float *weights, float *m, float *v,
						 const float *gradient, float alpha,
						 float beta1, float beta2, float epsilon);

	/*
	 * Prediction: see packed.h for the layout of weights.  Rows are given by
	 * their addresses; a row's result does not depend on the others.
	 *
	 * out[r] [blocks][CLF_BLOCK] = bias + x[r] [K] w
	 */
	void		(*project) (size_t rows, size_t K, const float *const *x,
							size_t blocks, const float *w, const float *bias,
							float *const *out);

	/*
	 * One step of 1 to CLF_STEP_ROWS texts.  gates[r] [blocks][CLF_BLOCK] are the
	 * projected inputs.  Reads h[r] [H] with H = blocks * CLF_LANES, updates c
	 * [rows,H], writes h_out[r] (not h[r] itself).
	 */
	void		(*lstm_step) (size_t rows, size_t blocks, const float *const *gates,
							  const float *const *h, const float *u, float *c,
							  float *const *h_out);

	/*
	 * The same on weights in pairs.  Set "avx512bf16" reads h to 16 bits and puts
	 * what it reads into words [rows,H]; the others give what lstm_step gives on
	 * the same numbers, bit for bit.
	 */
	void		(*lstm_step_pairs) (size_t rows, size_t blocks, const float *const *gates,
									const float *const *h, const uint32_t *u, uint32_t *words,
									float *c, float *const *h_out);

	/* x[i] as bytes: q[i] - CLF_ZERO = x[i] * 127 / largest; returns largest |x| */
	float		(*quantise) (size_t n, const float *x, uint8_t *q);

	/*
	 * The same on bytes, K a multiple of 4, w not below -127, start the sum of a
	 * column of w times -CLF_ZERO: out[r] = bias + (start + x[r] w) * scale *
	 * factor[r].  The integers are exact, so all sets agree on them.
	 */
	void		(*project_bytes) (size_t rows, size_t K, const uint8_t *const *x,
								  const float *factor, size_t blocks, const int8_t *w,
								  const int32_t *start, const float *scale,
								  const float *bias, float *const *out);

	/*
	 * lstm_step on h as bytes: writes it as floats to h_out[r], too.  The blocks
	 * are taken forwards or backwards: where every other step goes backwards,
	 * it begins with the weights that the one before has left in the cache.
	 */
	void		(*lstm_step_bytes) (size_t rows, size_t blocks, bool backwards,
									const float *const *gates,
									const uint8_t *const *h, const int8_t *u,
									const int32_t *start, const float *scale, float *c,
									float *const *h_out, uint8_t *const *q_out);

	/* y = max(y, x) over n floats */
	void		(*maximum) (size_t n, const float *x, float *y);
} ClfKernels;

/* The best set for this CPU. */
extern const ClfKernels *clf_kernels(void);

/* All sets that this CPU can run, best first, for tests. */
extern int	clf_kernels_available(const ClfKernels *sets[CLF_KERNEL_SETS]);

/*
 * Denormal numbers cost a factor of 20 in training and mean nothing there.
 * enter makes the CPU flush them to zero and returns what leave needs to
 * restore the former state.
 */
extern unsigned int clf_fpu_enter(void);
extern void clf_fpu_leave(unsigned int state);

/* The sets, defined in the files of their names; NULL where not compiled in. */
extern const ClfKernels *clf_kernels_generic(void);
extern const ClfKernels *clf_kernels_avx2(void);
extern const ClfKernels *clf_kernels_avx512(void);
extern const ClfKernels *clf_kernels_vnni(void);
extern const ClfKernels *clf_kernels_bf16(void);

#endif							/* CLF_KERNELS_H */

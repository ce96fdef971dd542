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

typedef struct ClfKernels
{
	const char *name;

	/* C = op(A) op(B) + beta C: the engine's own product, see ClfSgemm */
	ClfSgemm	sgemm;

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

	/* Adam on n floats: the step alpha includes the bias correction */
	void		(*adam) (size_t n, float *weights, float *m, float *v,
						 const float *gradient, float alpha,
						 float beta1, float beta2, float epsilon);

	/*
	 * Prediction.  out [rows][blocks][CLF_BLOCK] = x [rows, K] w + bias with
	 * w [blocks][K][CLF_BLOCK], bias [blocks][CLF_BLOCK].
	 */
	void		(*project) (size_t rows, size_t K, const float *x,
							size_t x_stride, size_t blocks, const float *w,
							const float *bias, float *out);

	/*
	 * Prediction, one step of one text: gates [blocks][CLF_BLOCK] are the
	 * projected inputs, u [blocks][H][CLF_BLOCK] with H = blocks * CLF_LANES.
	 * Reads h [H], updates c [H], writes h_out [H] (not h itself).
	 */
	void		(*lstm_step) (size_t blocks, const float *gates,
							  const float *h, const float *u,
							  float *c, float *h_out);
} ClfKernels;

/* The best set for this CPU. */
extern const ClfKernels *clf_kernels(void);

/* All sets that this CPU can run, best first, for tests; at most 3. */
extern int	clf_kernels_available(const ClfKernels *sets[3]);

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

#endif							/* CLF_KERNELS_H */

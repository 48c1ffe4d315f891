/* The loops of one instruction set, as Go calls them. Arguments have been
 * checked by Go; arrays are float32, channels-last. See product.go, loops.go,
 * pool.go for what each does. */

#ifndef ASTROML_KERNEL_H
#define ASTROML_KERNEL_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

enum { IDENTITY, RELU, LEAKY_RELU, GELU, SILU, TANH, SIGMOID };

/* Product of product.go. */
struct product {
	ptrdiff_t width;
	const ptrdiff_t *aline, *cline;
	ptrdiff_t astep, cstep;
	const ptrdiff_t *seg;
	ptrdiff_t nseg, kl, n;
};

/* Filtered of filter.go, and what it shares with the other loops there. */
struct filtered {
	struct product p;
	ptrdiff_t taps, pixels, component, packed;
};

/* Pool of pool.go. */
struct pool {
	ptrdiff_t in[3], out[3], kernel[3], stride[3], pad[3], c;
};

/* AdamW of loops.go. */
struct adamw {
	float learn_rate, beta1, beta2, eps, weight_decay, correct1, correct2;
};

/* NormBackward of loops.go. */
struct norm {
	const float *scale, *shift, *mean, *istd, *a, *b, *d;
	int act;
};

/* Weight of spectrum.go. */
struct weight {
	double squares, weights;
	ptrdiff_t good, negative;
};

struct kernels {
	void (*forward)(const struct product *p, float *c, const float *a, const float *packed,
		ptrdiff_t lo, ptrdiff_t hi, const float *bias, const float *residual, int act);
	void (*weights)(const struct product *p, float *dw, const float *a, const float *y,
		ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t klo, ptrdiff_t khi);

	void (*filtered)(const struct filtered *f, float *c, const float *v, const float *packed,
		ptrdiff_t lo, ptrdiff_t hi, const float *bias, const float *residual, int act);
	void (*filter_data)(float *v, const float *x, ptrdiff_t taps, ptrdiff_t tiles, ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c, ptrdiff_t pad);
	void (*filter_gradient)(float *v, const float *dy, ptrdiff_t taps, ptrdiff_t tiles, ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c);
	void (*filter_weights)(float *packed, ptrdiff_t step, const float *panel, ptrdiff_t taps, ptrdiff_t segments, ptrdiff_t k);
	void (*filter_collect)(float *dw, const float *du, ptrdiff_t step, ptrdiff_t taps, ptrdiff_t n);

	void (*bias)(float *y, const float *x, const float *b, ptrdiff_t len, ptrdiff_t c, int act);
	void (*activate)(float *y, const float *x, ptrdiff_t len, int act);
	void (*activate_grad)(float *dx, const float *x, const float *y, const float *dy, ptrdiff_t len, int act);
	void (*exp)(float *y, const float *x, ptrdiff_t len);
	void (*log)(float *y, const float *x, ptrdiff_t len);
	void (*erf)(float *y, const float *x, ptrdiff_t len);

	void (*sums)(float *dst, const float *x, ptrdiff_t len, ptrdiff_t c);
	void (*moments)(float *mean, float *m2, const float *x, ptrdiff_t len, ptrdiff_t c);
	void (*affine)(float *y, const float *x, const float *scale, const float *shift, ptrdiff_t len, ptrdiff_t c, int act);
	void (*norm_sums)(float *sdy, float *sdyx, const float *dy, const float *x, const struct norm *n, ptrdiff_t len, ptrdiff_t c);
	void (*norm_grad)(float *dx, const float *dy, const float *x, const struct norm *n, ptrdiff_t len, ptrdiff_t c);

	void (*add)(float *dst, const float *x, const float *y, ptrdiff_t len);
	void (*mul)(float *dst, const float *x, const float *y, ptrdiff_t len);
	void (*scale)(float *dst, const float *x, float s, ptrdiff_t len);
	void (*axpy)(float *dst, float s, const float *x, ptrdiff_t len);
	double (*sum_squares)(const float *x, ptrdiff_t len);
	void (*adamw)(const struct adamw *o, float *w, float *m, float *v, const float *g, float scale, ptrdiff_t len);

	struct weight (*weigh)(const float *flux, const float *ivar, ptrdiff_t len);
	void (*standardize)(float *dst, const float *flux, const float *ivar, ptrdiff_t len, int channels, float scale);

	void (*pool_max)(const struct pool *p, float *y, const float *x);
	void (*pool_max_grad)(const struct pool *p, float *dx, const float *x, const float *y, const float *dy);

	double (*peak)(ptrdiff_t rounds); /* independent multiply-adds; returns how many floating-point operations */
};

/* astroml_kernels returns the set called name, or NULL if the compiler or the
 * processor does not have it. */
const struct kernels *astroml_kernels(const char *name);

extern const struct kernels astroml_kernels_baseline, astroml_kernels_avx2, astroml_kernels_avx512, astroml_kernels_neon;

#pragma GCC visibility pop

#endif

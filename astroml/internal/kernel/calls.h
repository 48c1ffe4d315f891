/* The loops of a set as plain functions: Go cannot call a pointer, nor pass a
 * struct that holds Go pointers. */

#include "kernel.h"

static inline void call_forward(const struct kernels *k, float *c, const float *a, const float *packed,
	const ptrdiff_t *aline, const ptrdiff_t *cline, const ptrdiff_t *seg, ptrdiff_t width, ptrdiff_t astep, ptrdiff_t cstep,
	ptrdiff_t nseg, ptrdiff_t kl, ptrdiff_t n, ptrdiff_t lo, ptrdiff_t hi, const float *bias, const float *residual, int act) {
	struct product p = {width, aline, cline, astep, cstep, seg, nseg, kl, n};
	k->forward(&p, c, a, packed, lo, hi, bias, residual, act);
}

static inline void call_weights(const struct kernels *k, float *dw, const float *a, const float *y,
	const ptrdiff_t *aline, const ptrdiff_t *cline, const ptrdiff_t *seg, ptrdiff_t width, ptrdiff_t astep, ptrdiff_t cstep,
	ptrdiff_t nseg, ptrdiff_t kl, ptrdiff_t n, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t klo, ptrdiff_t khi) {
	struct product p = {width, aline, cline, astep, cstep, seg, nseg, kl, n};
	k->weights(&p, dw, a, y, lo, hi, klo, khi);
}

static inline void call_filtered(const struct kernels *k, float *c, const float *v, const float *packed,
	const ptrdiff_t *aline, const ptrdiff_t *cline, const ptrdiff_t *seg, ptrdiff_t width, ptrdiff_t astep, ptrdiff_t cstep,
	ptrdiff_t nseg, ptrdiff_t kl, ptrdiff_t n, ptrdiff_t taps, ptrdiff_t pixels, ptrdiff_t component, ptrdiff_t step,
	ptrdiff_t lo, ptrdiff_t hi, const float *bias, const float *residual, int act) {
	struct filtered f = {{width, aline, cline, astep, cstep, seg, nseg, kl, n}, taps, pixels, component, step};
	k->filtered(&f, c, v, packed, lo, hi, bias, residual, act);
}

static inline void call_filter_data(const struct kernels *k, float *v, const float *x, ptrdiff_t taps, ptrdiff_t tiles,
	ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c, ptrdiff_t pad) {
	k->filter_data(v, x, taps, tiles, lines, w, c, pad);
}

static inline void call_filter_gradient(const struct kernels *k, float *v, const float *dy, ptrdiff_t taps, ptrdiff_t tiles,
	ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c) {
	k->filter_gradient(v, dy, taps, tiles, lines, w, c);
}

static inline void call_filter_weights(const struct kernels *k, float *packed, ptrdiff_t step, const float *panel,
	ptrdiff_t taps, ptrdiff_t segments, ptrdiff_t kl) {
	k->filter_weights(packed, step, panel, taps, segments, kl);
}

static inline void call_filter_collect(const struct kernels *k, float *dw, const float *du, ptrdiff_t step, ptrdiff_t taps, ptrdiff_t n) {
	k->filter_collect(dw, du, step, taps, n);
}

static inline void call_activate(const struct kernels *k, float *y, const float *x, ptrdiff_t len, int act) {
	k->activate(y, x, len, act);
}

static inline void call_activate_grad(const struct kernels *k, float *dx, const float *x, const float *y,
	const float *dy, ptrdiff_t len, int act) {
	k->activate_grad(dx, x, y, dy, len, act);
}

static inline void call_bias(const struct kernels *k, float *y, const float *x, const float *b, ptrdiff_t len,
	ptrdiff_t c, int act) {
	k->bias(y, x, b, len, c, act);
}

static inline void call_exp(const struct kernels *k, float *y, const float *x, ptrdiff_t len) {
	k->exp(y, x, len);
}

static inline void call_log(const struct kernels *k, float *y, const float *x, ptrdiff_t len) {
	k->log(y, x, len);
}

static inline void call_erf(const struct kernels *k, float *y, const float *x, ptrdiff_t len) {
	k->erf(y, x, len);
}

static inline void call_sums(const struct kernels *k, float *dst, const float *x, ptrdiff_t len, ptrdiff_t c) {
	k->sums(dst, x, len, c);
}

static inline void call_moments(const struct kernels *k, float *mean, float *m2, const float *x, ptrdiff_t len,
	ptrdiff_t c) {
	k->moments(mean, m2, x, len, c);
}

static inline void call_affine(const struct kernels *k, float *y, const float *x, const float *scale,
	const float *shift, ptrdiff_t len, ptrdiff_t c, int act) {
	k->affine(y, x, scale, shift, len, c, act);
}

static inline void call_norm_sums(const struct kernels *k, float *sdy, float *sdyx, const float *dy, const float *x,
	const float *scale, const float *shift, int act, const float *mean, const float *istd, ptrdiff_t len, ptrdiff_t c) {
	struct norm n = {.scale = scale, .shift = shift, .act = act, .mean = mean, .istd = istd};
	k->norm_sums(sdy, sdyx, dy, x, &n, len, c);
}

static inline void call_norm_grad(const struct kernels *k, float *dx, const float *dy, const float *x,
	const float *scale, const float *shift, int act, const float *a, const float *b, const float *d, ptrdiff_t len, ptrdiff_t c) {
	struct norm n = {.scale = scale, .shift = shift, .act = act, .a = a, .b = b, .d = d};
	k->norm_grad(dx, dy, x, &n, len, c);
}

static inline void call_add(const struct kernels *k, float *dst, const float *x, const float *y, ptrdiff_t len) {
	k->add(dst, x, y, len);
}

static inline void call_mul(const struct kernels *k, float *dst, const float *x, const float *y, ptrdiff_t len) {
	k->mul(dst, x, y, len);
}

static inline void call_scale(const struct kernels *k, float *dst, const float *x, float s, ptrdiff_t len) {
	k->scale(dst, x, s, len);
}

static inline void call_axpy(const struct kernels *k, float *dst, float s, const float *x, ptrdiff_t len) {
	k->axpy(dst, s, x, len);
}

static inline double call_sum_squares(const struct kernels *k, const float *x, ptrdiff_t len) {
	return k->sum_squares(x, len);
}

static inline void call_adamw(const struct kernels *k, struct adamw o, float *w, float *m, float *v, const float *g,
	float scale, ptrdiff_t len) {
	k->adamw(&o, w, m, v, g, scale, len);
}

static inline struct weight call_weigh(const struct kernels *k, const float *flux, const float *ivar, ptrdiff_t len) {
	return k->weigh(flux, ivar, len);
}

static inline void call_standardize(const struct kernels *k, float *dst, const float *flux, const float *ivar,
	ptrdiff_t len, int channels, float scale) {
	k->standardize(dst, flux, ivar, len, channels, scale);
}

static inline void call_pool_max(const struct kernels *k, struct pool p, float *y, const float *x) {
	k->pool_max(&p, y, x);
}

static inline void call_pool_max_grad(const struct kernels *k, struct pool p, float *dx, const float *x, const float *y,
	const float *dy) {
	k->pool_max_grad(&p, dx, x, y, dy);
}

static inline double call_peak(const struct kernels *k, ptrdiff_t rounds) {
	return k->peak(rounds);
}

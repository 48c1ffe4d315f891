/* One instruction set: a set_*.c file says what its registers are and includes
 * this file, which includes the loops. Its #pragma names the instructions, for
 * cgo refuses the compiler flags that would, and gives all files the same. It
 * defines
 *
 *   SET            its name
 *   LANES          floats in a register
 *   ROWS           rows of a tile, at most 12
 *   HEIGHT         rows of a tile of the weight gradient, at most 12
 *   VECTORS        registers in a row of a tile, at most 4
 *   FMA(a, b, c)   a*b + c
 *   MAX(a, b), MIN(a, b)         NaN if b is NaN; or nothing
 *   SQRT(x)                      or nothing: lane by lane
 *   INTERLEAVE(p, a, b)          a[0], b[0], a[1], … to p; likewise
 *   LOAD_SOME, STORE_SOME        for fewer floats than a register has; likewise
 *   SCALE(x, n)                  x·2^n for whole n; likewise
 *   RECIPROCAL(x)                1/x for positive, finite x; likewise
 *
 * The loops name the multiply-add; the compiler must not make others, for it
 * might make them in one copy of an expression and not in the next, and results
 * would depend on where in an array a value stands.
 */

#include <stdint.h>
#include <string.h>
#include "kernel.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#pragma GCC optimize("fp-contract=off")
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define INLINE static inline __attribute__((always_inline))
#define PANEL 16 /* columns that lie together in packed weights */

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define LOAD(p) (*(const vec *)(p))
#define STORE(p, x) (*(vec *)(p) = (x))
#define SPLAT(x) ((x) - (vec){0})

/* pick is a where mask is set, else b. */
INLINE vec pick(ivec mask, vec a, vec b) {
	return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

#ifndef LOAD_SOME
#define LOAD_SOME(p, n) load_some(p, n)
INLINE vec load_some(const float *p, ptrdiff_t n) {
	vec x = {0};
	for (int i = 0; i < LANES - 1; i++)
		if (i < n)
			x[i] = p[i];
	return x;
}
#endif

#ifndef STORE_SOME
#define STORE_SOME(p, x, n) store_some(p, x, n)
INLINE void store_some(float *p, vec x, ptrdiff_t n) {
	for (int i = 0; i < LANES - 1; i++)
		if (i < n)
			p[i] = x[i];
}
#endif

/* get reads a register, or if fewer floats are left, those and zeros. */
INLINE vec get(const float *p, ptrdiff_t left) {
	if (left < LANES)
		return (vec)LOAD_SOME(p, left);
	return LOAD(p);
}

/* put writes a register, or if fewer floats are left, those. */
INLINE void put(float *p, vec x, ptrdiff_t left) {
	if (left < LANES)
		STORE_SOME(p, x, left);
	else
		STORE(p, x);
}

#ifndef MAX
#define MAX(a, b) pick((b) < (a), a, b)
#define MIN(a, b) pick((b) > (a), a, b)
#endif

#ifndef SQRT
#define SQRT(x) square_root(x)
INLINE vec square_root(vec x) {
	for (int i = 0; i < LANES; i++)
		x[i] = __builtin_sqrtf(x[i]);
	return x;
}
#endif

#ifndef INTERLEAVE
#define INTERLEAVE(p, a, b) interleave(p, a, b)
INLINE void interleave(float *p, vec a, vec b) {
	for (int i = 0; i < LANES; i++) {
		p[2 * i] = a[i];
		p[2 * i + 1] = b[i];
	}
}
#endif

#include "elementary.h"
#include "loops.h"
#include "spectrum.h"
#include "pool.h"
#include "product.h"
#include "filter.h"

/* peak keeps twelve multiply-adds in flight and does nothing else. */
static double peak(ptrdiff_t rounds) {
	vec a[12];
	UNROLL for (int i = 0; i < 12; i++)
		a[i] = SPLAT(0.1f * (float)i);
	vec b = SPLAT(0.999f), c = SPLAT(0.001f);
	for (ptrdiff_t r = 0; r < rounds; r++) {
		UNROLL for (int i = 0; i < 12; i++)
			a[i] = FMA(a[i], b, c);
	}
	vec sum = {0};
	UNROLL for (int i = 0; i < 12; i++)
		sum += a[i];
	volatile float keep = sum[0];
	(void)keep;
	return 2.0 * 12 * LANES * (double)rounds;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

const struct kernels JOIN(astroml_kernels_, SET) = {
	.forward = forward,
	.weights = weights,
	.filtered = filtered,
	.filter_data = filter_data,
	.filter_gradient = filter_gradient,
	.filter_weights = filter_weights,
	.filter_collect = filter_collect,
	.bias = bias,
	.activate = activate,
	.activate_grad = activate_grad,
	.exp = exp_all,
	.log = log_all,
	.erf = erf_all,
	.sums = sums,
	.moments = moments,
	.affine = affine,
	.norm_sums = norm_sums,
	.norm_grad = norm_grad,
	.add = add,
	.mul = mul,
	.scale = scale,
	.axpy = axpy,
	.sum_squares = sum_squares,
	.adamw = adamw,
	.weigh = weigh,
	.standardize = standardize,
	.pool_max = pool_max,
	.pool_max_grad = pool_max_grad,
	.peak = peak,
};

/* AVX-512: sixteen floats a register, thirty-two registers. A tile is two
 * panels wide. There are registers for the addresses of eight rows; with ten,
 * some of them on the stack, each weight serves more sums, and layers of 64
 * channels or more are 2 to 4 % faster. */

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include "kernel.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma")
#endif

#define SET avx512
#define LANES 16
#define ROWS 10
#define HEIGHT 12
#define VECTORS 2
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define MAX(a, b) _mm512_max_ps(a, b)
#define MIN(a, b) _mm512_min_ps(a, b)
#define SQRT(x) _mm512_sqrt_ps(x)
#define SCALE(x, n) _mm512_scalef_ps(x, n)
#define RECIPROCAL(x) reciprocal(x)
#define FIRST(n) ((__mmask16)((1u << (n)) - 1))
#define LOAD_SOME(p, n) _mm512_maskz_loadu_ps(FIRST(n), p)
#define STORE_SOME(p, x, n) _mm512_mask_storeu_ps(p, FIRST(n), x)

/* reciprocal is 1/x to a unit in the last place, for positive x that are finite:
 * fourteen bits, and a step of Newton's. A division takes as long as an
 * exponential. */
static inline __attribute__((always_inline)) __m512 reciprocal(__m512 x) {
	__m512 r = _mm512_rcp14_ps(x);
	return _mm512_fmadd_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(1)), r);
}

#include "set.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif

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
#define FIRST(n) ((__mmask16)((1u << (n)) - 1))
#define LOAD_SOME(p, n) _mm512_maskz_loadu_ps(FIRST(n), p)
#define STORE_SOME(p, x, n) _mm512_mask_storeu_ps(p, FIRST(n), x)

#include "set.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif

/* AVX2 and FMA: eight floats a register, sixteen registers. Twelve hold sums,
 * two weights, one a broadcast value. */

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include "kernel.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define SET avx2
#define LANES 8
#define ROWS 6
#define HEIGHT 6
#define VECTORS 2
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MAX(a, b) _mm256_max_ps(a, b)
#define MIN(a, b) _mm256_min_ps(a, b)
#define SQRT(x) _mm256_sqrt_ps(x)
#define INTERLEAVE(p, a, b) do { \
		__m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b); \
		_mm256_storeu_ps(p, _mm256_permute2f128_ps(low, high, 0x20)); \
		_mm256_storeu_ps((p) + LANES, _mm256_permute2f128_ps(low, high, 0x31)); \
	} while (0)
/* There is no STORE_SOME: masked stores are slow on AMD's processors. */
#define LOAD_SOME(p, n) _mm256_maskload_ps(p, (__m256i)((ivec){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)(n)))

#include "set.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif

/* What every processor has: four floats a register, sixteen registers. */

#include "kernel.h"

#define SET baseline
#define LANES 4
#define ROWS 6
#define HEIGHT 6
#define VECTORS 2
#define FMA(a, b, c) ((a) * (b) + (c))

#if defined(__SSE__)
#include <xmmintrin.h>
#define MAX(a, b) _mm_max_ps(a, b)
#define MIN(a, b) _mm_min_ps(a, b)
#define SQRT(x) _mm_sqrt_ps(x)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define MAX(a, b) ((vec)vmaxq_f32(a, b))
#define MIN(a, b) ((vec)vminq_f32(a, b))
#define SQRT(x) ((vec)vsqrtq_f32(x))
#endif

#include "set.h"

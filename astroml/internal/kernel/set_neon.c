/* NEON, which every 64-bit ARM has: four floats a register, thirty-two
 * registers. Twenty-four hold sums, four weights. */

#if defined(__aarch64__)

#include <arm_neon.h>
#include "kernel.h"

#define SET neon
#define LANES 4
#define ROWS 6
#define HEIGHT 6
#define VECTORS 4
#define FMA(a, b, c) ((vec)vfmaq_f32(c, a, b))
#define MAX(a, b) ((vec)vmaxq_f32(a, b))
#define MIN(a, b) ((vec)vminq_f32(a, b))
#define SQRT(x) ((vec)vsqrtq_f32(x))

#include "set.h"

#endif

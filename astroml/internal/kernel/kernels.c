#include <string.h>
#include "kernel.h"

const struct kernels *astroml_kernels(const char *name) {
	if (strcmp(name, "baseline") == 0)
		return &astroml_kernels_baseline;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &astroml_kernels_avx2;
	if (strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		return &astroml_kernels_avx512;
#elif defined(__aarch64__)
	if (strcmp(name, "neon") == 0)
		return &astroml_kernels_neon;
#endif
	return NULL;
}

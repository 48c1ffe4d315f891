/* Spectra on their way into a network: Standardize of spectrum.go. */

#define LARGEST 0x1.fffffep+127f

/* A pixel's flux and inverse variance, both 0 where it has no data. */
struct pixels {
	vec flux, ivar;
};

INLINE struct pixels pixels_at(const float *flux, const float *ivar, ptrdiff_t i, ptrdiff_t left) {
	vec f = get(flux + i, left), v = SPLAT(1.0f);
	if (ivar)
		v = get(ivar + i, left);
	ivec good = (f - f == 0) & (v > 0) & (v <= LARGEST);
	return (struct pixels){(vec)((ivec)f & good), (vec)((ivec)v & good)};
}

INLINE vec significance(struct pixels p) {
	return MAX(SPLAT(-LARGEST), MIN(SPLAT(LARGEST), p.flux * SQRT(p.ivar)));
}

static struct weight weigh(const float *flux, const float *ivar, ptrdiff_t len) {
	typedef float few __attribute__((vector_size(2 * LANES)));
	typedef double wide __attribute__((vector_size(4 * LANES)));
	wide squares[2] = {{0}}, weights[2] = {{0}};
	ivec count = {0}, negative = {0};
	EACH(i, len) {
		struct pixels p = pixels_at(flux, ivar, i, left);
		if (!ivar && left < LANES)
			for (int j = (int)left; j < LANES; j++)
				p.ivar[j] = 0;
		vec s = significance(p);
		count -= p.ivar > 0;
		if (ivar)
			negative -= get(ivar + i, left) < 0;
		few part[2];
		UNROLL for (int j = 0; j < 2; j++) {
			memcpy(part, &s, sizeof s);
			wide v = __builtin_convertvector(part[j], wide);
			squares[j] += v * v;
			memcpy(part, &p.ivar, sizeof s);
			weights[j] += __builtin_convertvector(part[j], wide);
		}
	}
	struct weight w = {0, 0, 0, 0};
	for (int j = 0; j < LANES; j++) {
		w.squares += squares[j / (LANES / 2)][j % (LANES / 2)];
		w.weights += weights[j / (LANES / 2)][j % (LANES / 2)];
		w.good += count[j];
		w.negative += negative[j];
	}
	return w;
}

static void standardize(float *dst, const float *flux, const float *ivar, ptrdiff_t len, int channels, float scale) {
	EACH(i, len) {
		struct pixels p = pixels_at(flux, ivar, i, left);
		vec y = MAX(SPLAT(-20.0f), MIN(SPLAT(20.0f), p.flux * scale));
		if (channels == 1) {
			put(dst + i, y, left);
			continue;
		}
		vec s = significance(p), t = s / FMA((vec)((ivec)s & INT32_MAX), SPLAT(0.25f), SPLAT(2.0f));
		if (!ivar)
			t = (vec){0};
		if (left >= LANES) {
			INTERLEAVE(dst + 2 * i, y, t);
			continue;
		}
		for (ptrdiff_t j = 0; j < left; j++) {
			dst[2 * (i + j)] = y[j];
			dst[2 * (i + j) + 1] = t[j];
		}
	}
}

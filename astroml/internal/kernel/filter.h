/* Minimal filtering: see filter.go. Vectors run over channels or columns. */

#define POINTS 6
#define P1 0.75f /* the points are 0, ±P1, ±P2 and ∞ */
#define P2 1.5f
#define SQUARE(x) ((x) * (x))

/* Each point's factor: one over the product of its distances to the others. */
#define F0 (1 / (SQUARE(P1) * SQUARE(P2)))
#define F1 (1 / (2 * SQUARE(P1) * (SQUARE(P1) - SQUARE(P2))))
#define F2 (1 / (2 * SQUARE(P2) * (SQUARE(P2) - SQUARE(P1))))

/* evaluate sets out to the values of the polynomial of n coefficients at the points. */
INLINE void evaluate(vec *out, const vec *in, int n) {
	vec e1 = in[0], e2 = in[0], o1 = in[1] * P1, o2 = in[1] * P2;
	if (n > 2) {
		e1 = FMA(in[2], SPLAT(SQUARE(P1)), e1);
		e2 = FMA(in[2], SPLAT(SQUARE(P2)), e2);
	}
	if (n > 3) {
		o1 = FMA(in[3], SPLAT(SQUARE(P1) * P1), o1);
		o2 = FMA(in[3], SPLAT(SQUARE(P2) * P2), o2);
	}
	if (n > 4) {
		e1 = FMA(in[4], SPLAT(SQUARE(P1) * SQUARE(P1)), e1);
		e2 = FMA(in[4], SPLAT(SQUARE(P2) * SQUARE(P2)), e2);
	}
	out[0] = in[0];
	out[1] = e1 + o1;
	out[2] = e1 - o1;
	out[3] = e2 + o2;
	out[4] = e2 - o2;
	out[5] = in[n - 1];
}

/* collect is the transpose of evaluate. */
INLINE void collect(vec *out, const vec *in, int n) {
	vec e1 = in[1] + in[2], o1 = in[1] - in[2], e2 = in[3] + in[4], o2 = in[3] - in[4];
	out[0] = in[0] + e1 + e2;
	out[1] = FMA(o2, SPLAT(P2), o1 * P1);
	if (n > 2)
		out[2] = FMA(e2, SPLAT(SQUARE(P2)), e1 * SQUARE(P1));
	if (n > 3)
		out[3] = FMA(o2, SPLAT(SQUARE(P2) * P2), o1 * (SQUARE(P1) * P1));
	if (n > 4)
		out[4] = FMA(e2, SPLAT(SQUARE(P2) * SQUARE(P2)), e1 * (SQUARE(P1) * SQUARE(P1)));
	out[n - 1] += in[5];
}

/* divide sets out to the residues of six data: what evaluated weights are to be
 * multiplied with. */
INLINE void divide(vec *out, const vec *in) {
	const float s = SQUARE(P1) + SQUARE(P2), p = SQUARE(P1) * SQUARE(P2);
	vec e1 = FMA(in[2], SPLAT(-SQUARE(P2)), in[4]), o1 = P1 * FMA(in[1], SPLAT(-SQUARE(P2)), in[3]);
	vec e2 = FMA(in[2], SPLAT(-SQUARE(P1)), in[4]), o2 = P2 * FMA(in[1], SPLAT(-SQUARE(P1)), in[3]);
	out[0] = FMA(in[0], SPLAT(p), FMA(in[2], SPLAT(-s), in[4]));
	out[1] = e1 + o1;
	out[2] = e1 - o1;
	out[3] = e2 + o2;
	out[4] = e2 - o2;
	out[5] = FMA(in[1], SPLAT(p), FMA(in[3], SPLAT(-s), in[5]));
}

static void filter_data(float *v, const float *x, ptrdiff_t taps, ptrdiff_t tiles, ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c, ptrdiff_t pad) {
	ptrdiff_t tile = POINTS + 1 - taps, step = tiles * c;
	for (ptrdiff_t l = 0; l < lines; l++, x += w * c, v += POINTS * step) {
		for (ptrdiff_t t = 0; t < tiles; t++) {
			ptrdiff_t first = t * tile - pad;
			const float *from = x + first * c;
			float *to = v + t * c;
			int inside = first >= 0 && first + POINTS <= w;
			EACH(j, c) {
				vec in[POINTS], out[POINTS];
				UNROLL for (int i = 0; i < POINTS; i++)
					in[i] = inside || (first + i >= 0 && first + i < w) ? get(from + i * c + j, left) : (vec){0};
				divide(out, in);
				UNROLL for (int i = 0; i < POINTS; i++)
					put(to + i * step + j, out[i], left);
			}
		}
	}
}

INLINE void filter_gradient_of(int tile, float *v, const float *dy, ptrdiff_t tiles, ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c) {
	ptrdiff_t step = tiles * c;
	for (ptrdiff_t l = 0; l < lines; l++, dy += w * c, v += POINTS * step) {
		for (ptrdiff_t t = 0; t < tiles; t++) {
			const float *from = dy + t * tile * c;
			float *to = v + t * c;
			EACH(j, c) {
				vec in[POINTS], out[POINTS];
				UNROLL for (int i = 0; i < tile; i++)
					in[i] = t * tile + i < w ? get(from + i * c + j, left) : (vec){0};
				evaluate(out, in, tile);
				UNROLL for (int i = 0; i < POINTS; i++)
					put(to + i * step + j, out[i], left);
			}
		}
	}
}

INLINE void filter_weights_of(int taps, float *packed, ptrdiff_t step, const float *panel, ptrdiff_t segments, ptrdiff_t k) {
	const float factor[POINTS] = {F0, F1, F1, F2, F2, 1};
	ptrdiff_t n = k * PANEL;
	for (ptrdiff_t s = 0; s < segments; s++, panel += taps * n, packed += n) {
		for (ptrdiff_t j = 0; j < n; j += LANES) {
			vec in[POINTS], out[POINTS];
			UNROLL for (int i = 0; i < taps; i++)
				in[i] = LOAD(panel + i * n + j);
			evaluate(out, in, taps);
			UNROLL for (int i = 0; i < POINTS; i++)
				STORE(packed + i * step + j, out[i] * factor[i]);
		}
	}
}

INLINE void filter_collect_of(int taps, float *dw, const float *du, ptrdiff_t step, ptrdiff_t n) {
	const float factor[POINTS] = {F0, F1, F1, F2, F2, 1};
	EACH(j, n) {
		vec in[POINTS], out[POINTS];
		UNROLL for (int i = 0; i < POINTS; i++)
			in[i] = get(du + i * step + j, left) * factor[i];
		collect(out, in, taps);
		UNROLL for (int i = 0; i < taps; i++)
			put(dw + i * n + j, out[i], left);
	}
}

/* BY_TAPS calls f, which is inlined, once for each number of taps. */
#define BY_TAPS(taps, f) \
	switch (taps) { \
	case 2: f(2); break; \
	case 3: f(3); break; \
	case 4: f(4); break; \
	default: f(5); \
	}

static void filter_gradient(float *v, const float *dy, ptrdiff_t taps, ptrdiff_t tiles, ptrdiff_t lines, ptrdiff_t w, ptrdiff_t c) {
#define X(T) filter_gradient_of(POINTS + 1 - T, v, dy, tiles, lines, w, c)
	BY_TAPS(taps, X)
#undef X
}

static void filter_weights(float *packed, ptrdiff_t step, const float *panel, ptrdiff_t taps, ptrdiff_t segments, ptrdiff_t k) {
#define X(T) filter_weights_of(T, packed, step, panel, segments, k)
	BY_TAPS(taps, X)
#undef X
}

static void filter_collect(float *dw, const float *du, ptrdiff_t step, ptrdiff_t taps, ptrdiff_t n) {
#define X(T) filter_collect_of(T, dw, du, step, n)
	BY_TAPS(taps, X)
#undef X
}

/* ---- the product ---- */

/* Tiles whose sums are held, for all points, in the first-level cache. */
#define HELD 48

/* Where a tile's outputs go. */
struct outputs {
	float *c;
	const float *residual;
	const float *bias; /* of these columns, padded with zeros */
	ptrdiff_t step;    /* from one pixel to the next */
	ptrdiff_t used;    /* columns */
	int act;
};

/* store_tile writes as many of a tile's outputs as the line has pixels left. */
INLINE void store_tile(int tile, const struct outputs *o, const float *sums, ptrdiff_t at, ptrdiff_t pixels) {
	for (ptrdiff_t j = 0; j < o->used; j += LANES) {
		ptrdiff_t left = o->used - j;
		vec in[POINTS], out[POINTS], b = LOAD(o->bias + j);
		UNROLL for (int i = 0; i < POINTS; i++)
			in[i] = LOAD(sums + i * HELD * TILE + j);
		collect(out, in, tile);
		UNROLL for (int i = 0; i < tile; i++) {
			if (i >= pixels)
				break;
			vec s = out[i] + b;
			if (o->residual)
				s += get(o->residual + at + i * o->step + j, left);
			put(o->c + at + i * o->step + j, activated(s, o->act), left);
		}
	}
}

INLINE void store_tiles(int tile, const struct filtered *f, const struct outputs *o, const float *sums, const ptrdiff_t *at,
	ptrdiff_t first, ptrdiff_t count) {
	for (ptrdiff_t i = 0; i < count; i++, sums += TILE)
		store_tile(tile, o, sums, at[i], f->pixels - (first + i) % f->p.width * tile);
}

static void filtered(const struct filtered *f, float *c, const float *v, const float *packed,
	ptrdiff_t lo, ptrdiff_t hi, const float *bias, const float *residual, int act) {
	float sums[POINTS * HELD * TILE], biases[TILE];
	ptrdiff_t k = f->p.nseg * f->p.kl, held[HELD];
	struct product p = f->p;
	p.cstep *= POINTS + 1 - f->taps;
	struct columns t = {.b2 = k * PANEL, .k = k, .nseg = p.nseg, .kl = p.kl, .seg = p.seg, .act = IDENTITY, .simple = 1};
	struct rows r;
	for (ptrdiff_t i = 0; i < HELD; i++)
		held[i] = i * TILE;
	for (ptrdiff_t m = lo, count; m < hi; m += count) {
		count = hi - m < HELD ? hi - m : HELD;
		find_rows(&r, &p, m, count);
		for (ptrdiff_t n = 0; n < p.n; n += TILE) {
			ptrdiff_t used = p.n - n < TILE ? p.n - n : TILE;
			t.used = (used + LANES - 1) / LANES * LANES;
			for (int i = 0; i < POINTS; i++) {
				t.a = v + i * f->component;
				t.b = packed + i * f->packed + n / PANEL * PANEL * k + n % PANEL;
				t.c = sums + i * HELD * TILE;
				forward_tiles(&t, r.a, held, count);
			}
			memset(biases, 0, sizeof biases);
			if (bias)
				memcpy(biases, bias + n, used * sizeof *bias);
			struct outputs o = {c + n, residual ? residual + n : NULL, biases, f->p.cstep, used, act};
#define X(T) store_tiles(POINTS + 1 - T, f, &o, sums, r.c, m, count)
			BY_TAPS(f->taps, X)
#undef X
		}
	}
}

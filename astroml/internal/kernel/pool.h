/* Pooling: windows of one sample over depth, height and width, a register of
 * channels at a time. */

/* window of an axis: inputs lo to hi-1. */
struct window {
	ptrdiff_t lo, hi;
};

INLINE struct window window_of(const struct pool *p, int axis, ptrdiff_t out) {
	ptrdiff_t lo = out * p->stride[axis] - p->pad[axis], hi = lo + p->kernel[axis];
	return (struct window){lo < 0 ? 0 : lo, hi < p->in[axis] ? hi : p->in[axis]};
}

/* EACH_WINDOW visits the outputs; at is the output's first channel. */
#define EACH_WINDOW(p, at) \
	ptrdiff_t at = 0; \
	for (ptrdiff_t od = 0; od < p->out[0]; od++) \
		for (ptrdiff_t oh = 0; oh < p->out[1]; oh++) \
			for (ptrdiff_t ow = 0; ow < p->out[2]; ow++, at += p->c)

/* EACH_TAP visits the inputs of a window; in is the input's first channel. */
#define EACH_TAP(p, in_at) \
	for (ptrdiff_t d = D.lo; d < D.hi; d++) \
		for (ptrdiff_t h = H.lo; h < H.hi; h++) \
			for (ptrdiff_t w = W.lo, in_at = ((d * p->in[1] + h) * p->in[2] + w) * p->c; w < W.hi; w++, in_at += p->c)

static void pool_max(const struct pool *p, float *y, const float *x) {
	EACH_WINDOW(p, o) {
		struct window D = window_of(p, 0, od), H = window_of(p, 1, oh), W = window_of(p, 2, ow);
		EACH(j, p->c) {
			vec best = SPLAT(-__builtin_inff());
			ivec nan = {0};
			EACH_TAP(p, i) {
				vec v = get(x + i + j, left);
				nan |= v != v;
				best = MAX(v, best);
			}
			put(y + o + j, (vec)((ivec)best | nan), left);
		}
	}
}

static void pool_max_grad(const struct pool *p, float *dx, const float *x, const float *y, const float *dy) {
	memset(dx, 0, p->in[0] * p->in[1] * p->in[2] * p->c * sizeof *dx);
	EACH_WINDOW(p, o) {
		struct window D = window_of(p, 0, od), H = window_of(p, 1, oh), W = window_of(p, 2, ow);
		EACH(j, p->c) {
			vec best = get(y + o + j, left), g = get(dy + o + j, left);
			ivec open = ~(ivec){0};
			EACH_TAP(p, i) {
				vec v = get(x + i + j, left);
				ivec hit = ((v == best) | (v != v)) & open;
				put(dx + i + j, get(dx + i + j, left) + (vec)(hit & (ivec)g), left);
				open &= ~hit;
			}
		}
	}
}

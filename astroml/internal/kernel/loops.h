/* Elementwise loops, and loops over rows of c channels. The last, incomplete
 * register of an array goes through the same operations as the others, so that
 * a value's bits do not depend on where in an array it stands. */

#define EACH(i, len) for (ptrdiff_t i = 0, left = (len); left > 0; i += LANES, left -= LANES)

static void add(float *dst, const float *x, const float *y, ptrdiff_t len) {
	EACH(i, len) put(dst + i, get(x + i, left) + get(y + i, left), left);
}

static void mul(float *dst, const float *x, const float *y, ptrdiff_t len) {
	EACH(i, len) put(dst + i, get(x + i, left) * get(y + i, left), left);
}

static void scale(float *dst, const float *x, float s, ptrdiff_t len) {
	EACH(i, len) put(dst + i, get(x + i, left) * s, left);
}

static void axpy(float *dst, float s, const float *x, ptrdiff_t len) {
	EACH(i, len) put(dst + i, FMA(get(x + i, left), SPLAT(s), get(dst + i, left)), left);
}

static void exp_all(float *y, const float *x, ptrdiff_t len) {
	EACH(i, len) put(y + i, vexp(get(x + i, left)), left);
}

static void log_all(float *y, const float *x, ptrdiff_t len) {
	EACH(i, len) put(y + i, vlog(get(x + i, left)), left);
}

static void erf_all(float *y, const float *x, ptrdiff_t len) {
	EACH(i, len) put(y + i, verf(get(x + i, left)), left);
}

static void activate(float *y, const float *x, ptrdiff_t len, int act) {
	EACH(i, len) put(y + i, activated(get(x + i, left), act), left);
}

static void activate_grad(float *dx, const float *x, const float *y, const float *dy, ptrdiff_t len, int act) {
	int needs_x = act == GELU || act == SILU;
	if (!needs_x)
		x = dy; /* not looked at, but may be NULL */
	if (needs_x || act == IDENTITY)
		y = dy;
	EACH(i, len) put(dx + i, get(dy + i, left) * slope(get(x + i, left), get(y + i, left), act), left);
}

/* sum_squares sums in double precision, register by register. */
static double sum_squares(const float *x, ptrdiff_t len) {
	typedef float few __attribute__((vector_size(2 * LANES), aligned(4), may_alias));
	typedef double wide __attribute__((vector_size(4 * LANES)));
	wide sum[4] = {{0}};
	ptrdiff_t i = 0;
	for (; i + 2 * LANES <= len; i += 2 * LANES) {
		UNROLL for (int j = 0; j < 4; j++) {
			wide v = __builtin_convertvector(*(const few *)(x + i + j * LANES / 2), wide);
			sum[j] += v * v;
		}
	}
	sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
	double total = 0;
	for (int j = 0; j < LANES / 2; j++)
		total += sum[0][j];
	for (; i < len; i++)
		total += (double)x[i] * x[i];
	return total;
}

static void adamw(const struct adamw *o, float *w, float *m, float *v, const float *g, float scale, ptrdiff_t len) {
	vec r1 = SPLAT(1.0f / o->correct1), r2 = SPLAT(1.0f / o->correct2), rate = SPLAT(o->learn_rate);
	EACH(i, len) {
		vec d = get(g + i, left) * scale, wi = get(w + i, left), mi = get(m + i, left), vi = get(v + i, left);
		mi = FMA(d - mi, SPLAT(1.0f - o->beta1), mi);
		vi = FMA(d * d - vi, SPLAT(1.0f - o->beta2), vi);
		vec step = FMA(wi, SPLAT(o->weight_decay), mi * r1 / (SQRT(vi * r2) + o->eps));
		put(m + i, mi, left);
		put(v + i, vi, left);
		put(w + i, FMA(-rate, step, wi), left);
	}
}

/* ---- rows of c channels ---- */

/* Rows of few channels are taken several at a time, so that registers are full:
 * as one row of period floats, for which the channels' values are repeated. */
#define FEW 64               /* channels */
#define PERIOD (FEW * LANES) /* the longest period of few channels */

INLINE ptrdiff_t period_of(ptrdiff_t c) {
	if (c > FEW)
		return c;
	if (c % LANES != 0)
		return c * LANES;
	return c < 4 * LANES ? 4 * LANES / c * c : c;
}

/* spread returns the values of c channels for a whole period, in buf if need be. */
INLINE const float *spread(float *buf, const float *values, ptrdiff_t c, ptrdiff_t period) {
	if (period == c)
		return values;
	for (ptrdiff_t i = 0; i < period; i += c)
		memcpy(buf + i, values, c * sizeof *buf);
	return buf;
}

/* EACH_ROW visits x by registers: at i of the array, j of the period. */
#define EACH_ROW(i, j, len, period) \
	for (ptrdiff_t row = 0, n; n = (len) - row < (period) ? (len) - row : (period), row < (len); row += (period)) \
		for (ptrdiff_t j = 0, i = row, left = n; left > 0; i += LANES, j += LANES, left -= LANES)

static void bias(float *y, const float *x, const float *b, ptrdiff_t len, ptrdiff_t c, int act) {
	float buf[PERIOD];
	ptrdiff_t period = period_of(c);
	b = spread(buf, b, c, period);
	EACH_ROW(i, j, len, period) put(y + i, activated(get(x + i, left) + get(b + j, left), act), left);
}

static void affine(float *y, const float *x, const float *scale, const float *shift, ptrdiff_t len, ptrdiff_t c, int act) {
	float buf[2][PERIOD];
	ptrdiff_t period = period_of(c);
	scale = spread(buf[0], scale, c, period);
	shift = spread(buf[1], shift, c, period);
	EACH_ROW(i, j, len, period)
		put(y + i, activated(FMA(get(x + i, left), get(scale + j, left), get(shift + j, left)), act), left);
}

/* through is dy·act'(scale·x + shift). */
INLINE vec through(vec dy, vec x, vec scale, vec shift, int act) {
	if (act == IDENTITY)
		return dy;
	vec z = FMA(x, scale, shift);
	return dy * slope(z, act == TANH || act == SIGMOID ? activated(z, act) : z, act);
}

INLINE void norm_grad_act(float *dx, const float *dy, const float *x, const struct norm *n, ptrdiff_t len, ptrdiff_t c, int act) {
	float buf[5][PERIOD];
	ptrdiff_t period = period_of(c);
	const float *a = spread(buf[0], n->a, c, period), *b = spread(buf[1], n->b, c, period), *d = spread(buf[2], n->d, c, period);
	const float *scale = spread(buf[3], n->scale, c, period), *shift = spread(buf[4], n->shift, c, period);
	EACH_ROW(i, j, len, period) {
		vec v = get(x + i, left);
		vec dz = through(get(dy + i, left), v, get(scale + j, left), get(shift + j, left), act);
		put(dx + i, FMA(dz, get(a + j, left), FMA(v, get(b + j, left), get(d + j, left))), left);
	}
}

/* BY_ACT calls f, which is inlined, once for each of the activations that
 * follow a normalisation. */
#define BY_ACT(act, f) \
	switch (act) { \
	case IDENTITY: f(IDENTITY); break; \
	case RELU: f(RELU); break; \
	case LEAKY_RELU: f(LEAKY_RELU); break; \
	case SILU: f(SILU); break; \
	default: f(act); \
	}

static void norm_grad(float *dx, const float *dy, const float *x, const struct norm *n, ptrdiff_t len, ptrdiff_t c) {
#define X(ACT) norm_grad_act(dx, dy, x, n, len, c, ACT)
	BY_ACT(n->act, X)
#undef X
}

/* What a reduction sums over the rows of x. */
enum { VALUES, SQUARES, GRADIENTS }; /* x; (x-mean)²; dz and dz·(x-mean) */

/* Rows that are summed before they are added to a total, so that rounding
 * errors grow with the number of blocks and not with that of rows. */
#define SUMMED 128

/* reduce_rows adds rows of period floats to s0 and, for gradients, times istd to s1. */
INLINE void reduce_rows(int what, int act, float *s0, float *s1, const float *dy, const float *x, const struct norm *n,
	ptrdiff_t rows, ptrdiff_t period) {
	for (ptrdiff_t j = 0; j < period; j += 4 * LANES) {
		vec a0[4], a1[4], mid[4], scale[4], shift[4];
		UNROLL for (int q = 0; q < 4; q++) {
			a0[q] = a1[q] = mid[q] = scale[q] = shift[q] = (vec){0};
			ptrdiff_t i = j + q * LANES, left = period - i;
			if (left <= 0)
				continue;
			if (what != VALUES)
				mid[q] = get(n->mean + i, left);
			if (what == GRADIENTS && act != IDENTITY) {
				scale[q] = get(n->scale + i, left);
				shift[q] = get(n->shift + i, left);
			}
		}
		for (ptrdiff_t r = 0; r < rows; r++) {
			UNROLL for (int q = 0; q < 4; q++) {
				ptrdiff_t i = r * period + j + q * LANES, left = period - j - q * LANES;
				if (left <= 0)
					break;
				vec v = get(x + i, left), u = v - mid[q];
				if (what == VALUES) {
					a0[q] += v;
				} else if (what == SQUARES) {
					a0[q] = FMA(u, u, a0[q]);
				} else {
					vec dz = through(get(dy + i, left), v, scale[q], shift[q], act);
					a0[q] += dz;
					a1[q] = FMA(dz, u, a1[q]);
				}
			}
		}
		UNROLL for (int q = 0; q < 4; q++) {
			ptrdiff_t i = j + q * LANES, left = period - i;
			if (left <= 0)
				break;
			put(s0 + i, get(s0 + i, left) + a0[q], left);
			if (what == GRADIENTS)
				put(s1 + i, FMA(a1[q], get(n->istd + i, left), get(s1 + i, left)), left);
		}
	}
}

/* reduce adds the sums over len/c rows to the c values of s0 and s1. */
INLINE void reduce(int what, int act, float *s0, float *s1, const float *dy, const float *x, const struct norm *n,
	ptrdiff_t len, ptrdiff_t c) {
	float buf[4][PERIOD], part[2][PERIOD];
	ptrdiff_t period = period_of(c), whole = len / period * period;
	struct norm wide = {0};
	if (what != VALUES)
		wide.mean = spread(buf[0], n->mean, c, period);
	if (what == GRADIENTS) {
		wide.istd = spread(buf[1], n->istd, c, period);
		wide.scale = spread(buf[2], n->scale, c, period);
		wide.shift = spread(buf[3], n->shift, c, period);
	}
	for (ptrdiff_t i = 0, rows; i < whole; i += rows * period) {
		rows = (whole - i) / period < SUMMED ? (whole - i) / period : SUMMED;
		if (period == c) {
			reduce_rows(what, act, s0, s1, dy + i, x + i, &wide, rows, period);
			continue;
		}
		memset(part, 0, sizeof part);
		reduce_rows(what, act, part[0], part[1], dy + i, x + i, &wide, rows, period);
		for (ptrdiff_t j = 0; j < period; j++) {
			s0[j % c] += part[0][j];
			if (what == GRADIENTS)
				s1[j % c] += part[1][j];
		}
	}
	for (ptrdiff_t i = whole; i < len; i += c)
		reduce_rows(what, act, s0, s1, dy + i, x + i, n, 1, c);
}

static void sums(float *dst, const float *x, ptrdiff_t len, ptrdiff_t c) {
	reduce(VALUES, IDENTITY, dst, NULL, x, x, NULL, len, c);
}

static void moments(float *mean, float *m2, const float *x, ptrdiff_t len, ptrdiff_t c) {
	memset(mean, 0, c * sizeof *mean);
	memset(m2, 0, c * sizeof *m2);
	if (len == 0)
		return;
	sums(mean, x, len, c);
	for (ptrdiff_t j = 0; j < c; j++)
		mean[j] /= (float)(len / c);
	struct norm n = {.mean = mean};
	reduce(SQUARES, IDENTITY, m2, NULL, x, x, &n, len, c);
}

static void norm_sums(float *sdy, float *sdyx, const float *dy, const float *x, const struct norm *n, ptrdiff_t len, ptrdiff_t c) {
#define X(ACT) reduce(GRADIENTS, ACT, sdy, sdyx, dy, x, n, len, c)
	BY_ACT(n->act, X)
#undef X
}

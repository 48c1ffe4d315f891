/* The product of overlapping rows with packed weights, and its weight gradient:
 * two register-tiled loops. A tile of rows × columns lives in registers while
 * the sum runs over k (forward) or over m (weights). Each element has one
 * accumulator and one order, whatever tile it falls in: results do not depend
 * on how the rows were split. */

/* Rows that are worked on before going to the next columns, so that their part
 * of a, c and y stays in the second-level cache; of the weight gradient, so that
 * its taps stay in the first. */
#define BLOCK 192
#define SMALL_BLOCK 112

/* Segments shorter than LONG, and not more than TAPS values in all of them, are
 * walked by a table, which costs a load a step but no loop a segment. */
#define LONG 16
#define TAPS 192

#define TILE (VECTORS * LANES)

/* Where a product's rows start: those of a block. */
typedef ptrdiff_t offsets __attribute__((vector_size(4 * LANES), aligned(sizeof(ptrdiff_t))));

#define OFFSETS ((ptrdiff_t)(sizeof(offsets) / sizeof(ptrdiff_t)))

struct rows {
	ptrdiff_t a[BLOCK + OFFSETS], c[BLOCK + OFFSETS];
};

/* find_rows fills r for the rows from m to m+count-1, and may write some more. */
static void find_rows(struct rows *r, const struct product *p, ptrdiff_t m, ptrdiff_t count) {
	ptrdiff_t line = m / p->width, w = m % p->width;
	offsets n;
	for (ptrdiff_t i = 0; i < OFFSETS; i++)
		n[i] = i;
	for (ptrdiff_t i = 0, run; i < count; i += run, line++, w = 0) {
		run = p->width - w < count - i ? p->width - w : count - i;
		offsets a = p->aline[line] + (w + n) * p->astep, c = p->cline[line] + (w + n) * p->cstep;
		for (ptrdiff_t j = i; j < i + run; j += OFFSETS) {
			*(offsets *)(r->a + j) = a;
			*(offsets *)(r->c + j) = c;
			a += OFFSETS * p->astep;
			c += OFFSETS * p->cstep;
		}
	}
}

/* Rows of a that are FAR apart, in floats, are asked for one block ahead: the
 * processor sees no pattern in how tiles step through them. Rows of more than
 * WIDE floats are left alone: a block of them would fill the cache. */
#define FAR 64
#define WIDE 320

static void prefetch_rows(const struct product *p, const float *a, const struct rows *r, ptrdiff_t count) {
	ptrdiff_t fresh = p->kl < p->astep ? p->kl : p->astep; /* what a row has beyond the one before */
	if (p->astep < FAR || fresh > WIDE)
		return;
	a += p->seg[p->nseg - 1] + p->kl - fresh;
	for (ptrdiff_t i = 0; i < count; i++)
		for (ptrdiff_t j = 0; j < fresh; j += 16)
			__builtin_prefetch(a + r->a[i] + j, 0, 2);
}

/* A walk goes through the rows from m to hi-1 by blocks. */
struct walk {
	const struct product *p;
	const float *a;
	ptrdiff_t m, hi;
	ptrdiff_t most;       /* rows of a block, at most BLOCK */
	ptrdiff_t count;      /* rows of this block */
	struct rows *r, *next; /* this block, and the one after it */
	struct rows both[2];
};

static void begin_walk(struct walk *w, const struct product *p, const float *a, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t most) {
	w->p = p;
	w->a = a;
	w->m = lo;
	w->hi = hi;
	w->most = most;
	w->count = 0;
	w->r = &w->both[0];
	w->next = &w->both[1];
	find_rows(w->next, p, lo, hi - lo < most ? hi - lo : most);
}

/* next_block returns the rows of the next block, or 0. */
static ptrdiff_t next_block(struct walk *w) {
	struct rows *r = w->next;
	w->next = w->r;
	w->r = r;
	w->m += w->count;
	w->count = w->hi - w->m < w->most ? w->hi - w->m : w->most;
	ptrdiff_t ahead = w->m + w->count, rest = w->hi - ahead < w->most ? w->hi - ahead : w->most;
	if (rest > 0) {
		find_rows(w->next, w->p, ahead, rest);
		prefetch_rows(w->p, w->a, w->next, rest);
	}
	return w->count;
}

/* share is the size of the next tile when rest rows are left: the last two
 * tiles are of equal height, lest one be so low that its sums wait for each
 * other. */
INLINE ptrdiff_t share(ptrdiff_t rest, ptrdiff_t most) {
	if (rest >= 2 * most)
		return most;
	return rest > most ? (rest + 1) / 2 : rest;
}

/* ---- forward ---- */

/* What the tiles of one block of columns have in common. */
struct columns {
	const float *a, *b; /* packed weights of these columns */
	ptrdiff_t b2;       /* from one panel to the next */
	ptrdiff_t k, nseg, kl;
	const ptrdiff_t *seg;
	const ptrdiff_t *taps; /* where each of the k values is, or NULL: use seg */
	float *c;              /* at the first of these columns */
	const float *residual;
	float bias[TILE];
	ptrdiff_t used; /* columns */
	int act;
	int simple; /* all columns used, no residual, no activation beyond LeakyReLU */
};

/* finish does for a tile of sums what is not simple. */
static __attribute__((noinline)) void finish(const struct columns *t, float *sum, const ptrdiff_t *rc, int rows) {
	for (int i = 0; i < rows; i++, sum += TILE) {
		float *c = t->c + rc[i];
		const float *residual = t->residual ? t->residual + rc[i] : NULL;
		for (ptrdiff_t j = 0; j < t->used; j += LANES) {
			ptrdiff_t left = t->used - j;
			vec s = LOAD(sum + j);
			if (residual)
				s += get(residual + j, left);
			put(c + j, activated(s, t->act), left);
		}
	}
}

/* forward_step multiplies the values at offset k of each row with the weights
 * at b. */
#define FORWARD_STEP(k) do { \
		vec w[VECTORS]; \
		UNROLL for (int j = 0; j < vectors; j++) \
			w[j] = LOAD(b + j * LANES / PANEL * b2 + j * LANES % PANEL); \
		UNROLL for (int i = 0; i < rows; i++) { \
			vec x = SPLAT(a[i][k]); \
			UNROLL for (int j = 0; j < vectors; j++) \
				sum[i][j] = FMA(x, w[j], sum[i][j]); \
		} \
		b += PANEL; \
	} while (0)

INLINE void forward_tile(int rows, int vectors, const struct columns *t, const ptrdiff_t *ra, const ptrdiff_t *rc) {
	vec sum[ROWS][VECTORS];
	const float *a[ROWS];
	UNROLL for (int i = 0; i < rows; i++) {
		a[i] = t->a + ra[i];
		UNROLL for (int j = 0; j < vectors; j++)
			sum[i][j] = LOAD(t->bias + j * LANES);
	}
	const float *b = t->b;
	ptrdiff_t b2 = t->b2;
	if (t->taps) {
		for (const ptrdiff_t *tap = t->taps, *end = tap + t->k; tap < end; tap++)
			FORWARD_STEP(*tap);
	} else {
		for (const ptrdiff_t *seg = t->seg, *end = seg + t->nseg; seg < end; seg++)
			for (ptrdiff_t k = *seg, last = k + t->kl; k < last; k++)
				FORWARD_STEP(k);
	}
	if (t->simple) {
		vec least = SPLAT(t->act == RELU ? 0 : -__builtin_inff()), leak = SPLAT(t->act == LEAKY_RELU ? LEAK : 1);
		UNROLL for (int i = 0; i < rows; i++)
			UNROLL for (int j = 0; j < vectors; j++)
				STORE(t->c + rc[i] + j * LANES, MAX(MAX(least, leak * sum[i][j]), sum[i][j]));
	} else {
		float buf[ROWS * TILE];
		UNROLL for (int i = 0; i < rows; i++)
			UNROLL for (int j = 0; j < vectors; j++)
				STORE(buf + i * TILE + j * LANES, sum[i][j]);
		finish(t, buf, rc, rows);
	}
}

/* One copy of the code for each size of tile. */
#define EACH_VECTORS(X, R) X(R, 1) X(R, 2) X(R, 3) X(R, 4)
#define EACH_TILE(X) \
	EACH_VECTORS(X, 1) EACH_VECTORS(X, 2) EACH_VECTORS(X, 3) EACH_VECTORS(X, 4) \
	EACH_VECTORS(X, 5) EACH_VECTORS(X, 6) EACH_VECTORS(X, 7) EACH_VECTORS(X, 8) \
	EACH_VECTORS(X, 9) EACH_VECTORS(X, 10) EACH_VECTORS(X, 11) EACH_VECTORS(X, 12)

static void forward_tiles(const struct columns *t, const ptrdiff_t *ra, const ptrdiff_t *rc, ptrdiff_t count) {
	int vectors = (int)((t->used + LANES - 1) / LANES);
	for (ptrdiff_t i = 0, rows; i < count; i += rows) {
		rows = share(count - i, ROWS);
		switch (rows * 8 + vectors) {
#define X(R, V) \
		case R * 8 + V: \
			if (R <= ROWS && V <= VECTORS) \
				forward_tile(R, V, t, ra + i, rc + i); \
			break;
			EACH_TILE(X)
#undef X
		}
	}
}

static void forward(const struct product *p, float *c, const float *a, const float *packed,
	ptrdiff_t lo, ptrdiff_t hi, const float *bias, const float *residual, int act) {
	ptrdiff_t k = p->nseg * p->kl, taps[TAPS];
	struct columns t = {.a = a, .b2 = k * PANEL, .k = k, .nseg = p->nseg, .kl = p->kl, .seg = p->seg, .act = act};
	if (p->nseg > 1 && p->kl < LONG && k <= TAPS) {
		for (ptrdiff_t i = 0; i < k; i++)
			taps[i] = p->seg[i / p->kl] + i % p->kl;
		t.taps = taps;
	}
	struct walk w;
	begin_walk(&w, p, a, lo, hi, BLOCK);
	for (ptrdiff_t count; (count = next_block(&w)) > 0;) {
		for (ptrdiff_t n = 0; n < p->n; n += TILE) {
			t.used = p->n - n < TILE ? p->n - n : TILE;
			t.b = packed + n / PANEL * PANEL * k + n % PANEL;
			t.c = c + n;
			t.residual = residual ? residual + n : NULL;
			t.simple = t.used % LANES == 0 && !residual && act <= LEAKY_RELU;
			memset(t.bias, 0, sizeof t.bias);
			if (bias)
				memcpy(t.bias, bias + n, t.used * sizeof *bias);
			forward_tiles(&t, w.r->a, w.r->c, count);
		}
	}
}

/* ---- weights ---- */

/* Taps of a that are packed at a time: they stay in the first-level cache
 * beside a tile's columns. */
#define CHUNK ((4 * HEIGHT + LANES - 1) / LANES * LANES)

/* What a tile of the weight gradient sums over: a block of rows. */
struct block {
	const float *a, *y; /* y at the first of the tile's columns */
	const ptrdiff_t *ra, *ry;
	ptrdiff_t count;
	ptrdiff_t used; /* columns; if fewer than vectors*LANES, y is a copy padded with zeros */
	float *dw;      /* at the tile's first row and column */
	ptrdiff_t n;    /* from one row of dw to the next */
};

/* How the taps of a tile lie in a: one after the other, where tap says, or one
 * after the other in rows CHUNK floats apart; y is then a copy too. */
enum { TOGETHER, SPREAD, PACKED };

/* weights_tile adds the block to rows × vectors values of dw. */
INLINE void weights_tile(int rows, int vectors, int how, const struct block *t, const ptrdiff_t *tap) {
	vec sum[HEIGHT][VECTORS];
	ptrdiff_t at[HEIGHT];
	UNROLL for (int i = 0; i < rows; i++) {
		at[i] = how == SPREAD ? tap[i] : i;
		UNROLL for (int j = 0; j < vectors; j++)
			sum[i][j] = get(t->dw + i * t->n + j * LANES, t->used - j * LANES);
	}
	const float *a = how == TOGETHER ? t->a + tap[0] : t->a, *y = t->y;
	const ptrdiff_t *ra = t->ra, *ry = t->ry;
	for (ptrdiff_t m = 0, count = t->count; m < count; m++) {
		const float *x = how == PACKED ? a + m * CHUNK : a + ra[m], *dy = how == PACKED ? y + m * TILE : y + ry[m];
		vec w[VECTORS];
		UNROLL for (int j = 0; j < vectors; j++)
			w[j] = LOAD(dy + j * LANES);
		UNROLL for (int i = 0; i < rows; i++) {
			vec v = SPLAT(x[at[i]]);
			UNROLL for (int j = 0; j < vectors; j++)
				sum[i][j] = FMA(v, w[j], sum[i][j]);
		}
	}
	UNROLL for (int i = 0; i < rows; i++)
		UNROLL for (int j = 0; j < vectors; j++)
			put(t->dw + i * t->n + j * LANES, sum[i][j], t->used - j * LANES);
}

/* Each size of tile has a function of its own, for the compiler to find
 * registers for what its loops need, and no more. */
#define X(R, V) \
	static __attribute__((noinline)) void weights_tile_##R##_##V(int how, const struct block *t, const ptrdiff_t *tap) { \
		if (R > HEIGHT || V > VECTORS) \
			return; \
		if (how == PACKED) \
			weights_tile(R, V, PACKED, t, tap); \
		else if (how == SPREAD) \
			weights_tile(R, V, SPREAD, t, tap); \
		else \
			weights_tile(R, V, TOGETHER, t, tap); \
	}
EACH_TILE(X)
#undef X

/* weights_tiles does the tiles of count rows of the gradient, from a as it lies
 * or, without tap, as wide_block packs it. */
static void weights_tiles(struct block *t, const ptrdiff_t *tap, ptrdiff_t count) {
	int vectors = (int)((t->used + LANES - 1) / LANES);
	for (ptrdiff_t k = 0, rows; k < count; k += rows, t->dw += rows * t->n) {
		rows = share(count - k, HEIGHT);
		int how = PACKED;
		if (tap)
			how = tap[k + rows - 1] - tap[k] == rows - 1 ? TOGETHER : SPREAD;
		switch (rows * 8 + vectors) {
#define X(R, V) \
		case R * 8 + V: \
			weights_tile_##R##_##V(how, t, tap ? tap + k : NULL); \
			break;
			EACH_TILE(X)
#undef X
		}
		if (!tap)
			t->a += rows;
	}
}

/* copy_rows writes used floats of each row one after the other, step floats
 * apart and padded with zeros to whole registers. */
INLINE void copy_rows(float *to, ptrdiff_t step, const float *from, const ptrdiff_t *at, ptrdiff_t rows, ptrdiff_t used) {
	if (used == step) {
		for (ptrdiff_t m = 0; m < rows; m++, to += step)
			UNROLL for (ptrdiff_t j = 0; j < step; j += LANES)
				STORE(to + j, LOAD(from + at[m] + j));
		return;
	}
	for (ptrdiff_t m = 0; m < rows; m++, to += step)
		EACH(j, used) STORE(to + j, get(from + at[m] + j, left));
}

static void copy_columns(float *to, const float *y, const ptrdiff_t *ry, ptrdiff_t rows, ptrdiff_t used) {
	copy_rows(to, TILE, y, ry, rows, used);
}

static void pack_taps(float *to, const float *a, const ptrdiff_t *ra, ptrdiff_t rows, ptrdiff_t used) {
	copy_rows(to, CHUNK, a, ra, rows, used);
}

/* Rows of the gradient that are done together: their taps fit on the stack. */
#define TAPROWS 512

/* Columns of y that are copied at a time: they stay in the second-level cache. */
#define GROUP 128

/* From so many columns on packing pays: a tap is used by four tiles or more. */
#define MANY (4 * TILE)

/* wide_block adds what a block of rows contributes to taps rows of dw. */
static void wide_block(const struct product *p, float *dw, const float *a, const float *y, const struct rows *r,
	ptrdiff_t count, const ptrdiff_t *tap, ptrdiff_t taps) {
	float columns[SMALL_BLOCK * GROUP], packed[SMALL_BLOCK * CHUNK];
	for (ptrdiff_t group = 0; group < p->n; group += GROUP) {
		ptrdiff_t last = p->n - group < GROUP ? p->n : group + GROUP;
		for (ptrdiff_t n = group; n < last; n += TILE)
			copy_columns(columns + (n - group) * SMALL_BLOCK, y + n, r->c, count, last - n < TILE ? last - n : TILE);
		for (ptrdiff_t k = 0, some; k < taps; k += some) {
			some = 1;
			while (some < CHUNK && k + some < taps && tap[k + some] == tap[k] + some)
				some++;
			pack_taps(packed, a + tap[k], r->a, count, some);
			for (ptrdiff_t n = group; n < last; n += TILE) {
				struct block t = {packed, columns + (n - group) * SMALL_BLOCK, NULL, NULL, count,
					last - n < TILE ? last - n : TILE, dw + k * p->n + n, p->n};
				weights_tiles(&t, NULL, some);
			}
		}
	}
}

/* narrow_block is wide_block for few columns, where a is used as it lies. */
static void narrow_block(const struct product *p, float *dw, const float *a, const float *y, const struct rows *r,
	ptrdiff_t count, const ptrdiff_t *tap, ptrdiff_t taps) {
	float copy[SMALL_BLOCK * TILE];
	ptrdiff_t copied[SMALL_BLOCK];
	for (ptrdiff_t n = 0; n < p->n; n += TILE) {
		ptrdiff_t used = p->n - n < TILE ? p->n - n : TILE;
		struct block t = {a, y + n, r->a, r->c, count, used, dw + n, p->n};
		/* Rows of y that are far apart fall on the same few lines of the cache. */
		if (used % LANES != 0 || (p->cstep >= 2 * FAR && taps >= 4 * HEIGHT)) {
			copy_columns(copy, y + n, r->c, count, used);
			for (ptrdiff_t i = 0; i < count; i++)
				copied[i] = i * TILE;
			t.y = copy;
			t.ry = copied;
		}
		weights_tiles(&t, tap, taps);
	}
}

static void weights(const struct product *p, float *dw, const float *a, const float *y,
	ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t klo, ptrdiff_t khi) {
	struct walk w;
	ptrdiff_t tap[TAPROWS];
	begin_walk(&w, p, a, lo, hi, SMALL_BLOCK);
	for (ptrdiff_t count; (count = next_block(&w)) > 0;) {
		for (ptrdiff_t k = klo, taps; k < khi; k += taps) {
			taps = khi - k < TAPROWS ? khi - k : TAPROWS;
			for (ptrdiff_t i = 0, segment = k / p->kl, at = k % p->kl; i < taps; i++) {
				tap[i] = p->seg[segment] + at;
				if (++at == p->kl) {
					at = 0;
					segment++;
				}
			}
			if (p->n >= MANY && taps >= 2 * HEIGHT)
				wide_block(p, dw + k * p->n, a, y, w.r, count, tap, taps);
			else
				narrow_block(p, dw + k * p->n, a, y, w.r, count, tap, taps);
		}
	}
}

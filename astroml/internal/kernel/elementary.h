/* Elementary functions of a register of floats. Arguments are reduced as in
 * Cody & Waite (1980), Software Manual for the Elementary Functions; the
 * polynomials are our own fits, made by testdata/polynomials.py. The errors
 * stated here, in units in the last place, are the largest ones seen by
 * TestElementary, which compares with Go's math in double precision. */

#ifndef SCALE
#define SCALE(x, n) scale_by_power(x, n)

/* power2 is 2^n for -127 < n < 128. */
INLINE vec power2(ivec n) { return (vec)((n + 127) << 23); }

/* scale_by_power is x·2^n for whole n between -152 and 129. There are two factors,
 * for 2^n alone may not be a float. */
INLINE vec scale_by_power(vec x, vec n) {
	ivec i = __builtin_convertvector(n, ivec), half = i >> 1;
	return x * power2(half) * power2(i - half);
}
#endif

#ifndef RECIPROCAL
#define RECIPROCAL(x) (1.0f / (x))
#endif

/* vexp is exp(x), to 1 ulp; infinite from 88.73 on, gradually zero from -87.3
 * to -104. */
INLINE vec vexp(vec x) {
	x = MAX(SPLAT(-105.0f), MIN(SPLAT(89.0f), x));
	/* Adding 1.5·2^23 leaves the nearest integer in the low bits. */
	vec shifted = FMA(x, SPLAT(0x1.715476p+0f), SPLAT(0x1.8p23f));
	vec n = shifted - SPLAT(0x1.8p23f);
	vec r = FMA(n, SPLAT(-0x1.62e4p-1f), x); /* log 2 in two parts, the first with few bits */
	r = FMA(n, SPLAT(-0x1.7f7d1cp-20f), r);
	vec p = SPLAT(1.3813135e-03f);
	p = FMA(p, r, SPLAT(8.36942e-03f));
	p = FMA(p, r, SPLAT(4.1668456e-02f));
	p = FMA(p, r, SPLAT(1.6666515e-01f));
	p = FMA(p, r, SPLAT(4.9999994e-01f));
	p = FMA(p, r * r, r) + 1.0f;
	return SCALE(p, n);
}

/* vlog is log(x), to 0.9 ulp. */
INLINE vec vlog(vec x) {
	ivec small = x < 0x1p-126f;
	vec y = pick(small, x * 0x1p23f, x);
	/* y = 2^n (1+f) with 1+f between √½ and √2. */
	ivec i = (ivec)y - 0x3f3504f3;
	vec n = __builtin_convertvector(i >> 23, vec) - (vec)(small & (ivec)SPLAT(23.0f));
	vec f = (vec)((i & 0x7fffff) + 0x3f3504f3) - 1.0f;
	vec p = SPLAT(6.74649e-02f);
	p = FMA(p, f, SPLAT(-1.1675618e-01f));
	p = FMA(p, f, SPLAT(1.1888213e-01f));
	p = FMA(p, f, SPLAT(-1.2405597e-01f));
	p = FMA(p, f, SPLAT(1.4219546e-01f));
	p = FMA(p, f, SPLAT(-1.6667995e-01f));
	p = FMA(p, f, SPLAT(2.0002119e-01f));
	p = FMA(p, f, SPLAT(-2.500001e-01f));
	p = FMA(p, f, SPLAT(3.3333313e-01f));
	vec z = f * f;
	vec r = FMA(p, f * z, n * -0x1.bd0106p-13f); /* log 2 = 0x1.63p-1 - 0x1.bd0106p-13 */
	r = FMA(z, SPLAT(-0.5f), r) + f;
	r = FMA(n, SPLAT(0x1.63p-1f), r);
	r = pick(x == 0, SPLAT(-__builtin_inff()), r);
	r = pick(x < 0, SPLAT(__builtin_nanf("")), r);
	return pick((x == __builtin_inff()) | (x != x), x, r);
}

/* vtanh is tanh(x), to 1.4 ulp. */
INLINE vec vtanh(vec x) {
	ivec sign = (ivec)x & INT32_MIN;
	vec t = (vec)((ivec)x ^ sign), z = x * x;
	vec p = SPLAT(-5.704953e-03f);
	p = FMA(p, z, SPLAT(2.0639053e-02f));
	p = FMA(p, z, SPLAT(-5.3739704e-02f));
	p = FMA(p, z, SPLAT(1.3331442e-01f));
	p = FMA(p, z, SPLAT(-3.333328e-01f));
	vec small = FMA(p * z, x, x);
	vec large = 1.0f - 2.0f / (vexp(t + t) + 1.0f);
	return pick(t < 0.625f, small, (vec)((ivec)large | sign));
}

/* tail is erfc(t) for t > 0.9, given e = exp(-t²). Its relative error is that of
 * exp, and what the rounding of t² makes of it: 1e-7·(2 + t²). */
INLINE vec tail(vec t, vec e) {
	vec u = 1.0f / (t + 1.0f);
	vec p = SPLAT(2.4595654e-01f);
	p = FMA(p, u, SPLAT(-1.548268e+00f));
	p = FMA(p, u, SPLAT(2.7546284e+00f));
	p = FMA(p, u, SPLAT(-1.8111695e+00f));
	p = FMA(p, u, SPLAT(-4.8453484e-02f));
	p = FMA(p, u, SPLAT(2.5386098e-01f));
	p = FMA(p, u, SPLAT(5.6600636e-01f));
	p = FMA(p, u, SPLAT(5.641416e-01f));
	return p * u * e;
}

/* core is erf(x) for |x| < 0.9. */
INLINE vec core(vec x) {
	vec z = x * x;
	vec p = SPLAT(-6.0903514e-04f);
	p = FMA(p, z, SPLAT(5.011961e-03f));
	p = FMA(p, z, SPLAT(-2.6778907e-02f));
	p = FMA(p, z, SPLAT(1.1282141e-01f));
	p = FMA(p, z, SPLAT(-3.7612525e-01f));
	p = FMA(p, z, SPLAT(1.2837917e-01f));
	return FMA(p, x, x);
}

/* verf is erf(x), to 1.5 ulp. */
INLINE vec verf(vec x) {
	ivec sign = (ivec)x & INT32_MIN;
	vec t = (vec)((ivec)x ^ sign);
	return pick(t < 0.9f, core(x), (vec)((ivec)(1.0f - tail(t, vexp(-(t * t)))) | sign));
}

/* normal is Φ(x), the distribution function of the normal law; *e is set to
 * exp(-x²/2). */
INLINE vec normal(vec x, vec *e) {
	vec z = x * 0x1.6a09e6p-1f, t = (vec)((ivec)z & INT32_MAX);
	*e = vexp(-(t * t));
	vec half = 0.5f * tail(t, *e);
	return pick(t < 0.9f, FMA(core(z), SPLAT(0.5f), SPLAT(0.5f)), pick(z < 0, half, 1.0f - half));
}

#define LEAK 0.2f /* the slope of the leaky ReLU below zero */

/* activated is act(x). */
INLINE vec activated(vec x, int act) {
	vec e;
	switch (act) {
	case RELU:
		return MAX(SPLAT(0.0f), x);
	case LEAKY_RELU:
		return MAX(LEAK * x, x);
	case GELU:
		return x * normal(x, &e);
	case SILU:
		return x / (1.0f + vexp(-x));
	case TANH:
		return vtanh(x);
	case SIGMOID:
		return 1.0f / (1.0f + vexp(-x));
	}
	return x;
}

/* slope is act'(x), where y = act(x). GELU and SiLU look at x, the others at y. */
INLINE vec slope(vec x, vec y, int act) {
	vec e;
	switch (act) {
	case RELU:
		return (vec)(~(y <= 0) & (ivec)SPLAT(1.0f));
	case LEAKY_RELU:
		return pick(y <= 0, SPLAT(LEAK), SPLAT(1.0f));
	case GELU:
		y = normal(x, &e);
		return FMA(x * 0x1.988454p-2f, e, y); /* 1/√2π */
	case SILU: {
		/* The logistic function of x and of -x, neither as a difference. */
		x = MAX(SPLAT(-87.0f), x);
		e = vexp(-x);
		vec s = RECIPROCAL(1.0f + e);
		return s * FMA(x, e * s, SPLAT(1.0f));
	}
	case TANH:
		return 1.0f - y * y;
	case SIGMOID:
		return y * (1.0f - y);
	}
	return SPLAT(1.0f);
}

"""Coefficients of the polynomials in elementary.h (needs numpy and mpmath).

Each is the polynomial with the smallest largest error, weighted so that the
error is relative to the whole function, found by Lawson's iteratively
reweighted least squares (Lawson 1961) on Chebyshev points and rounded to
float32 from the highest power down, refitting the rest after each.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 40
POINTS = 400


def fit(f, scale, lo, hi, degree, fixed=()):
    """Return p with p(x) near f(x) and |scale(x) (p(x) - f(x))| small on [lo, hi]."""
    x = [(lo + hi) / 2 + (hi - lo) / 2 * mp.cos(mp.pi * (i + mp.mpf(0.5)) / POINTS) for i in range(POINTS)]
    y = np.array([f(t) for t in x])
    s = np.array([scale(t) for t in x])
    powers = np.array([[t**k for k in range(degree + 1)] for t in x])
    c = [None] * (degree + 1)
    for free in range(degree, -2, -1):
        n = free + 1  # coefficients 0..free are still open
        rest = y - sum((powers[:, k] * c[k] for k in range(n, degree + 1)), mp.mpf(0))
        if n == 0:
            break
        w = np.full(POINTS, mp.mpf(1) / POINTS)
        for _ in range(30):
            a = powers[:, :n] * (s * np.array([mp.sqrt(t) for t in w]))[:, None]
            b = rest * s * np.array([mp.sqrt(t) for t in w])
            sol = mp.qr_solve(mp.matrix(a.tolist()), mp.matrix(b.tolist()))[0]
            err = np.array([abs(e) for e in s * (powers[:, :n].dot(np.array(list(sol))) - rest)])
            if err.max() == 0:
                break
            w = w * err
            w = w / w.sum()
        c[free] = mp.mpf(float(np.float32(float(sol[free]))))
    worst = max(abs(t) for t in s * rest)
    return c, worst


def show(name, result):
    c, worst = result
    print(f"{name}: largest error 2^{float(mp.log(worst, 2)):.1f}")
    print("    " + ", ".join(np.format_float_scientific(np.float32(float(t)), unique=True) + "f" for t in c))


half = mp.log(2) / 2


def exp_rest(r):  # exp(r) = 1 + r + r² p(r)
    return (mp.exp(r) - 1 - r) / r**2 if r else mp.mpf(1) / 2


def log_rest(f):  # log(1+f) = f - f²/2 + f³ p(f)
    return (mp.log(1 + f) - f + f**2 / 2) / f**3 if f else mp.mpf(1) / 3


def tanh_rest(z):  # tanh(x) = x + x·z·p(z), z = x²
    x = mp.sqrt(z)
    return (mp.tanh(x) - x) / (x * z)


def erf_rest(z):  # erf(x) = x + x·p(z), z = x²
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def erfc_rest(u):  # erfc(t) = exp(-t²) u p(u), u = 1/(t+1)
    t = 1 / u - 1
    return mp.erfc(t) * mp.exp(t**2) / u


if __name__ == "__main__":
    show("exp", fit(exp_rest, lambda r: r**2 / mp.exp(r), -half * 1.01, half * 1.01, 4))
    lo, hi = mp.sqrt(mp.mpf(0.5)) - 1, mp.sqrt(mp.mpf(2)) - 1
    show("log", fit(log_rest, lambda f: f**3 / mp.log(1 + f) if f else 0, lo, hi, 8))
    show("tanh", fit(tanh_rest, lambda z: mp.sqrt(z) * z / mp.tanh(mp.sqrt(z)), mp.mpf(1e-9), mp.mpf(0.625) ** 2, 4))
    show("erf", fit(erf_rest, lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), mp.mpf(1e-9), mp.mpf(0.9) ** 2, 5))
    show("erfc", fit(erfc_rest, lambda u: 1 / erfc_rest(u), 1 / mp.mpf(11.1), 1 / mp.mpf(1.9), 7))

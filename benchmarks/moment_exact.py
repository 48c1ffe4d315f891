"""Problems of the moment networks whose answer is known."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np

import common

QUICK = 10  # what --quick divides sets by


def gaussian(table: common.Table, quick: bool) -> None:
    """θ ~ N(0, 1)²⁰, x = Aθ + noise: posterior means and variances in closed form.

    The problem of Jeffrey & Wandelt (2020), section 4, has 10⁵ simulations too."""
    aml = common.need("goastroml")
    d, n, tests = 20, 100_000 // (QUICK if quick else 1), 10_000
    r = np.random.default_rng(1)
    a = r.standard_normal((d, d)) / np.sqrt(d) + np.eye(d)
    noise = 0.5
    theta = r.standard_normal((n + tests, d)).astype(np.float32)
    x = (theta @ a.T + noise * r.standard_normal((n + tests, d))).astype(np.float32)
    covariance = np.linalg.inv(np.eye(d) + a.T @ a / noise**2)
    mean = x[n:] @ (covariance @ a.T / noise**2).T
    variance = np.diag(covariance)

    start = time.perf_counter()
    net = aml.moment.Network(seed=1, folds=2, epochs=30, batch_size=256, dropout=-1).fit(x[:n], theta[:n], progress=False)
    took = time.perf_counter() - start
    m, s = net.predict(x[n:], return_std=True)
    exact = np.sqrt(np.mean((theta[n:] - mean) ** 2, axis=0))
    ours = np.sqrt(np.mean((theta[n:] - m) ** 2, axis=0))
    table.row(f"mean RMSE over exact, {n} simulations", float(np.mean(ours / exact)), "ratio", at_most=1.01, note=f"{took:.0f} s of training")
    error = float(np.mean(np.abs(np.mean(s**2, axis=0) / variance - 1)))
    rows = float(np.mean(np.abs(s**2 / variance - 1)))
    table.row("variance error, mean over parameters", 100 * rows, "%", peer="MomentNetworks, as published", peer_value=4, at_most=4,
              note=f"of each row and parameter; of the means over rows {100 * error:.2f} %")


def _wavenumbers(side: int) -> np.ndarray:
    k = np.hypot(np.fft.fftfreq(side, 1 / side)[:, None], np.fft.fftfreq(side, 1 / side)[None])
    k[0, 0] = 1
    return k


def draw_fields(n: int, seed: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Periodic Gaussian fields (n, 1, side, side) of power A k^-½, mean 0, with A uniform in [0.8, 1.2]."""
    r = np.random.default_rng(seed)
    amplitude = r.uniform(0.8, 1.2, n)
    root = _wavenumbers(side) ** -0.25
    root[0, 0] = 0
    x = np.empty((n, 1, side, side), np.float32)
    for i in range(n):
        white = np.fft.fft2(r.standard_normal((side, side)))
        x[i, 0] = np.fft.ifft2(white * root * math.sqrt(amplitude[i])).real
    return x, amplitude.astype(np.float32)


def field_posterior(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact posterior mean and standard deviation of A: an inverse-gamma density, cut off at the prior's ends."""
    side = x.shape[-1]
    power = _wavenumbers(side) ** -0.5
    grid = np.linspace(0.8, 1.2, 2001)
    mean, std = np.empty(len(x)), np.empty(len(x))
    for i, field in enumerate(x[:, 0].astype(float)):
        modes = (np.abs(np.fft.fft2(field)) ** 2 / power).ravel()[1:]
        log = -0.5 * modes.size * np.log(grid) - modes.sum() / side**2 / 2 / grid
        p = np.exp(log - log.max())
        p /= p.sum()
        mean[i] = p @ grid
        std[i] = math.sqrt(p @ (grid - mean[i]) ** 2)
    return mean, std


def fields(table: common.Table, quick: bool) -> None:
    """The amplitude of Gaussian fields, as in Gaussian_fields_ML: loss of CAMELS over the whole test set."""
    aml = common.need("goastroml")
    n, tests = (4_000, 2_000) if quick else (40_000, 20_000)
    x, a = draw_fields(n, 1)
    net = aml.moment.Network(seed=1, loss="camels", bounds=[(0.8, 1.2)], **FIELDS)
    if quick:
        net.set_params(hidden=2, epochs=8)
    start = time.perf_counter()
    net.fit(x, a, progress=False)
    took = time.perf_counter() - start
    x, a = draw_fields(tests, 2)
    mean, std = net.predict(x, return_std=True)
    exact = field_posterior(x)
    unit = lambda v: (v - 0.8) / 0.4  # noqa: E731
    loss = [float(aml.stats.camels_loss(unit(a), unit(m), s / 0.4)) for m, s in ((mean, std), exact)]
    chi2 = [float(aml.stats.chi2(a, m, s)) for m, s in ((mean, std), exact)]
    table.row(f"CAMELS loss, {tests} test maps of 64²", loss[0], "", peer="exact posterior", peer_value=loss[1],
              of=loss[0] - loss[1], at_most=0.05, note=f"{n} maps, {took:.0f} s of training, {net.n_parameters_} parameters")
    table.row("χ² of the amplitude", chi2[0], "", peer="exact posterior", peer_value=chi2[1], of=abs(chi2[0] - chi2[1]), at_most=0.03)


FIELDS = dict(hidden=4, folds=2, epochs=20, patience=-1)  # ten minutes on two cores


def closed(table: common.Table, quick: bool) -> None:
    """Exact Shapley values: a linear model, brute force, and a correlated normal distribution."""
    aml = common.need("goastroml")
    r = np.random.default_rng(1)
    m = 10
    w, x, background = r.standard_normal(m), r.standard_normal((20, m)), r.standard_normal((30, m))
    a = aml.explain.shapley(lambda z: z @ w, x, background, method="exact", progress=False)
    table.row("linear model, 10 features: distance", _distance(a.values, w * (x - background.mean(0))), "", at_most=1e-12)

    u, v = r.standard_normal((12, 16)), r.standard_normal(16)
    f = lambda z: np.tanh(z @ u) @ v  # noqa: E731
    x, b = r.standard_normal((3, 12)), r.standard_normal((1, 12))
    a = aml.explain.shapley(f, x, b, method="exact", progress=False)
    table.row("network, 12 features, by brute force: distance", _distance(a.values, _brute(f, x, b[0])), "", at_most=1e-12)

    a = aml.explain.shapley(f, x, b, method="kernel", budget=1000, progress=False)
    p = aml.explain.shapley(f, x, b, method="permutation", budget=1000, progress=False)
    truth = _brute(f, x, b[0])
    for name, s in (("kernel", a), ("permutation", p)):
        table.row(f"{name}, 1000 evaluations: largest difference", float(np.max(np.abs(s.values - truth) / s.err)), "its errors", at_most=3)

    net, rows = _network(aml, 10, 2000)
    predict = lambda z: net.predict(z.astype(np.float32)).astype(float)  # noqa: E731
    a = aml.explain.shapley(net, rows[:5], rows[:1], method="exact", progress=False)
    table.row("our network, 10 features, by brute force: distance", _distance(a.output(0).values, _brute(predict, rows[:5], rows[0])), "", at_most=1e-5)

    rho = 0.6
    cov = np.array([[1, rho], [rho, 1]])
    w, x = np.array([1.5, -0.7]), r.standard_normal((10, 2))
    many = np.linalg.cholesky(cov) @ _whitened(r.standard_normal((2, 400)))
    a = aml.explain.shapley(lambda z: z @ w, x, many.T, method="exact", conditional=True, progress=False)
    first = (w[0] * x[:, 0] + w[1] * rho * x[:, 0] + w[0] * x[:, 0] - w[0] * rho * x[:, 1]) / 2
    table.row("correlated normal distribution: distance", _distance(a.values[:, 0], first), "", at_most=1e-12)


def _whitened(z: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and covariance 1 to the last digit, as samples have it (divided by n - 1)."""
    z = z - z.mean(1, keepdims=True)
    return np.linalg.solve(np.linalg.cholesky(np.cov(z)), z)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative L2."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def _brute(f, x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values by their definition, over all subsets of the other features."""
    n, m = x.shape
    masks = np.array(list(itertools.product((False, True), repeat=m)))
    size = masks.sum(1)
    weight = np.array([math.factorial(s) * math.factorial(m - 1 - s) / math.factorial(m) for s in range(m)])
    out = np.zeros((n, m))
    for i in range(n):
        v = np.asarray(f(np.where(masks, x[i], background)))
        for j in range(m):
            bit = 1 << (m - 1 - j)
            without = np.flatnonzero(~masks[:, j])
            out[i, j] = np.sum(weight[size[without]] * (v[without + bit] - v[without]))
    return out


def _network(aml, features: int, n: int, hidden: int = 64):
    r = np.random.default_rng(3)
    x = r.standard_normal((n, features)).astype(np.float32)
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * x[:, 3] + 0.1 * r.standard_normal(n).astype(np.float32)
    net = aml.moment.Network(loss="gaussian", folds=1, hidden=hidden, layers=2, epochs=5, dropout=-1, seed=1)
    return net.fit(x, y, progress=False), x


def shap(table: common.Table, quick: bool) -> None:
    """All 2¹⁷ masks of a network 17-64-64-2, one background row, beside the shap package."""
    aml = common.need("goastroml")
    peer = common.need("shap")
    n = 50 if quick else 1000
    net, x = _network(aml, 17, 2000)
    background = x[:1]
    explain = lambda rows: aml.explain.shapley(net, rows, background, method="exact", threads=common.THREADS, std=True, progress=False)  # noqa: E731
    start = time.perf_counter()
    ours = explain(x[:n])
    seconds = time.perf_counter() - start
    f = lambda z: np.stack(net.predict(z.astype(np.float32), return_std=True), axis=1)  # noqa: E731
    few = 2 if quick else 10
    explainer = peer.explainers.ExactExplainer(f, peer.maskers.Independent(background, max_samples=1))
    start = time.perf_counter()
    theirs = explainer(x[:few].astype(float), max_evals=200_000)
    each = (time.perf_counter() - start) / few
    again = time.perf_counter()
    explain(x[:few])
    again = (time.perf_counter() - again) / few
    table.row(f"17 features, 1,000 galaxies (of {n} timed)", seconds / n * 1000, "s", at_most=60,
              note=f"they differ by {_distance(ours.values[:few], theirs.values):.1g}")
    table.row("a galaxy", again, "s", peer=f"shap {peer.__version__} ExactExplainer, the same network", peer_value=each, ratio=each / again, of=each / again, at_least=5)

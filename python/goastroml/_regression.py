"""Predicted parameters beside the true ones: scores with errors. Part of ``stats``."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional, Sequence, Union

import numpy as np

from ._arrays import matrix, vector
from ._errors import ShapeError
from ._native import call, go
from ._table import table

#: The columns of a table of scores. Those from the fifth on need standard deviations.
SCORES = ["rmse", "bias", "r2", "mean_relative_error", "chi2", "coverage68", "coverage95", "camels_loss", "gaussian_nll"]

Scores = Union[float, np.ndarray]


def _columns(name: str, x: Any, like: Any = None) -> Any:
    """An (n, parameter) float32 array, of the shape of another one if there is one. (n,) is one parameter."""
    if np.ndim(x) == 1:
        x = vector(name, x, np.float32)[:, None]
    return matrix(name, x, np.float32, (None, None) if like is None else like.shape)


def _score(name: str, truth: Any, mean: Any, std: Any = None, level: float = 0.0) -> Scores:
    single = np.ndim(truth) == 1
    truth = _columns("truth", truth)
    mean = _columns("mean", mean, truth)
    std = None if std is None else _columns("std", std, truth)
    out = np.empty(truth.shape[1])
    call(go.StatsRegressionScore, name, out, truth, mean, std, *truth.shape, float(level))
    return float(out[0]) if single else out


def rmse(truth: Any, mean: Any) -> Scores:
    """The root of the mean squared error, of each parameter.

    This and the scores below take (n, parameter) arrays and return (parameter,), or take (n,)
    and return a float. They are computed in float64 from float32.
    """
    return _score("rmse", truth, mean)


def r2_score(truth: Any, mean: Any) -> Scores:
    """1 - sum (truth - mean)^2 / sum (truth - its average)^2: 1 is perfect, 0 no better than the average."""
    return _score("r2", truth, mean)


def mean_relative_error(truth: Any, mean: Any) -> Scores:
    """The mean of ``abs(truth - mean) / abs(truth)``."""
    return _score("mean_relative_error", truth, mean)


def chi2(truth: Any, mean: Any, std: Any) -> Scores:
    """The mean of ``((truth - mean) / std)**2``: 1 if the errors are right, more if they are too small."""
    return _score("chi2", truth, mean, std)


def coverage(truth: Any, mean: Any, std: Any, *, level: float = 0.68) -> Scores:
    """The fraction of objects within the central interval that holds the fraction ``level`` of a
    Gaussian: about ``level`` if the errors are right."""
    return _score("coverage", truth, mean, std, level)


def camels_loss(truth: Any, mean: Any, std: Any) -> Scores:
    """The loss of CAMELS' moment networks (Villaescusa-Navarro et al. 2021, arXiv:2109.10360) over
    the whole set: log mean d^2 + log mean (d^2 - std^2)^2 with d = truth - mean.

    An exact Gaussian posterior of constant variance v has 3 log v + log 2, and nothing is lower.
    """
    return _score("camels_loss", truth, mean, std)


def gaussian_nll(truth: Any, mean: Any, std: Any) -> Scores:
    """The mean negative log-density of the truth, in nats, if the posterior is Gaussian."""
    return _score("gaussian_nll", truth, mean, std)


def _resampling(n: int, groups: Any, weights: Any, rounds: int, seed: int) -> tuple:
    """Weights, numbers of the groups, and the JSON of the bootstrap."""
    if weights is not None:
        weights = vector("weights", weights, np.float64, n)
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (n,):
            raise ShapeError(f"groups: shape {groups.shape}, want ({n},), one an object")
        groups = np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return weights, groups, json.dumps({"rounds": int(rounds), "seed": int(seed)})


def regression_scores(
    truth: Any,
    mean: Any,
    std: Any = None,
    *,
    names: Optional[Sequence[str]] = None,
    groups: Any = None,
    weights: Any = None,
    rounds: int = 1000,
    seed: int = 0,
    interval: bool = False,
) -> Any:
    """All scores of predicted parameters, with errors.

    Parameters
    ----------
    truth, mean, std : (n, parameter) or (n,): true values, means and standard deviations of the
        predicted posteriors. Without std there are no columns that need it.
    names : of the parameters, by default "0", "1", ...
    groups : (n,) labels of what belongs together, such as the simulation of a galaxy. Whole groups
        are resampled: 1000 galaxies of 50 simulations tell of 50. By default each object is one.
    weights : (n,) weights of the objects in all means, by default 1.
    rounds : resampled samples of the bootstrap; 0 leaves the errors out.
    seed : of the bootstrap.
    interval : also give 2.5 and 97.5 percentiles, as columns that end in _lo and _hi.

    Returns
    -------
    A table, a row a parameter and, if there are several, "mean" for the last row: the mean of each
    score over the parameters (of rmse and bias only of use if these are scaled alike). A column is
    a score, the next one, which ends in _err, its standard error: rmse, bias (mean - truth), r2,
    mean_relative_error (NaN where a true value is 0), and with std chi2, coverage68, coverage95,
    camels_loss, gaussian_nll.
    """
    truth = _columns("truth", truth)
    mean = _columns("mean", mean, truth)
    std = None if std is None else _columns("std", std, truth)
    n, p = truth.shape
    names = [str(j) for j in range(p)] if names is None else [str(name) for name in names]
    if len(names) != p:
        raise ShapeError(f"names: {len(names)}, want {p}, one a parameter")
    if rounds < 0:
        raise ValueError(f"rounds: {rounds}, want 0 or more")
    value = np.empty((p + 1, len(SCORES)))
    spread, low, high = (np.empty_like(value) if rounds else None for _ in range(3))
    resampling = _resampling(n, groups, weights, rounds, seed)
    call(go.StatsRegression, value, spread, low, high, truth, mean, std, n, p, *resampling)
    rows = slice(p if p == 1 else p + 1)
    columns = {"parameter": np.array((names + ["mean"])[rows])}
    for k, score in enumerate(SCORES if std is not None else SCORES[:4]):
        columns[score] = value[rows, k]
        if rounds:
            columns[f"{score}_err"] = spread[rows, k]
        if rounds and interval:
            columns[f"{score}_lo"], columns[f"{score}_hi"] = low[rows, k], high[rows, k]
    return table(columns)


class Difference(NamedTuple):
    """How much better one prediction is than another, with its error."""

    value: float  #: of all objects
    err: float  #: standard error
    lo: float  #: 2.5 percentile of the resampled differences
    hi: float  #: 97.5 percentile


def r2_difference(
    truth: Any, a: Any, b: Any, *, groups: Any = None, weights: Any = None, rounds: int = 1000, seed: int = 0
) -> Difference:
    """By how much R2, the mean over the parameters, of predictions a is above that of predictions b.

    Both are resampled together, so that the difference may be certain where neither R2 is. Arrays
    are (n, parameter) or (n,); the keywords are those of :func:`regression_scores`.
    """
    truth = _columns("truth", truth)
    a, b = _columns("a", a, truth), _columns("b", b, truth)
    out = np.empty(4)
    call(go.StatsR2Difference, out, truth, a, b, *truth.shape, *_resampling(len(truth), groups, weights, rounds, seed))
    return Difference(*out.tolist())

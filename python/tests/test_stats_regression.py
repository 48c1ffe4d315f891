"""Scores of predicted parameters: the numbers of the definitions, computed here with NumPy."""

import json
import sys

import numpy as np
import pytest

import goastroml as aml
from goastroml._native import call, go

RNG = np.random.default_rng(1)
N, NAMES = 240, ["omega_m", "sigma_8"]
TRUTH = RNG.uniform([0.1, 0.6], [0.5, 1.0], (N, 2)).astype(np.float32)
STD = RNG.uniform(0.02, 0.1, (N, 2)).astype(np.float32)
MEAN = (TRUTH + STD * RNG.normal(size=(N, 2))).astype(np.float32)
GROUPS = RNG.integers(0, 30, N)

BY_HAND = [1, 2, 3, 4], [1.5, 2, 2.5, 5], [0.5, 1, 0.25, 1]


def defined(truth=TRUTH, mean=MEAN, std=STD, w=None):
    t, m, s = (np.asarray(x, float) for x in (truth, mean, std))
    w = np.ones(len(t)) if w is None else w
    d = m - t

    def average(x):
        return w @ x / w.sum()

    return {
        "rmse": np.sqrt(average(d**2)),
        "bias": average(d),
        "r2": 1 - average(d**2) / average((t - average(t)) ** 2),
        "mean_relative_error": average(np.abs(d / t)),
        "chi2": average((d / s) ** 2),
        "coverage68": average(np.abs(d) <= 0.994457883209753 * s),  # SciPy's norm.ppf(0.84)
        "coverage95": average(np.abs(d) <= 1.959963984540054 * s),  # and norm.ppf(0.975)
        "camels_loss": np.log(average(d**2)) + np.log(average((d**2 - s**2) ** 2)),
        "gaussian_nll": average(np.log(2 * np.pi * s**2) / 2 + (d / s) ** 2 / 2),
    }


@pytest.mark.parametrize(
    "name, function, needs_std, keywords",
    [
        ("rmse", aml.stats.rmse, False, {}),
        ("r2", aml.stats.r2_score, False, {}),
        ("mean_relative_error", aml.stats.mean_relative_error, False, {}),
        ("chi2", aml.stats.chi2, True, {}),
        ("coverage68", aml.stats.coverage, True, {}),
        ("coverage95", aml.stats.coverage, True, {"level": 0.95}),
        ("camels_loss", aml.stats.camels_loss, True, {}),
        ("gaussian_nll", aml.stats.gaussian_nll, True, {}),
    ],
)
def test_scores(name, function, needs_std, keywords):
    args = (TRUTH, MEAN, STD) if needs_std else (TRUTH, MEAN)
    got = function(*args, **keywords)
    assert got.shape == (2,) and np.allclose(got, defined()[name], rtol=1e-11)
    one = function(*(x[:, 1].astype(float) for x in args), **keywords)
    assert isinstance(one, float) and one == got[1]
    assert np.array_equal(function(*(np.asfortranarray(x) for x in args), **keywords), got)


def test_floor_of_camels_loss():
    """Residuals with the second and the fourth moment of a Gaussian of deviation 0.1."""
    truth = 0.1 * np.sqrt(3) * np.array([0, 0, 0, 0, 1, -1])
    loss = aml.stats.camels_loss(truth, np.zeros(6), np.full(6, 0.1))
    assert loss == pytest.approx(3 * np.log(0.1**2) + np.log(2), abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_scores(weighted):
    weights = RNG.random(N) if weighted else None
    t = aml.stats.regression_scores(TRUTH, MEAN, STD, names=NAMES, groups=GROUPS, weights=weights, rounds=200, interval=True)
    want = defined(w=weights)
    assert list(t["parameter"]) == [*NAMES, "mean"]
    for name, values in want.items():
        assert np.allclose(t[name][:2], values, rtol=1e-11)
        assert t[name][2] == pytest.approx(values.mean(), rel=1e-11)
        assert (t[f"{name}_err"] > 0).all() and (t[f"{name}_lo"] < t[f"{name}_hi"]).all()
    assert set(t.dtype.names) == {"parameter", *(c + end for c in want for end in ("", "_err", "_lo", "_hi"))}


def test_errors_are_those_of_the_groups():
    """Copies of objects change no error if they are in the objects' groups."""
    one = aml.stats.regression_scores(TRUTH, MEAN, STD, names=NAMES, seed=3, rounds=300)
    copies = [np.repeat(x, 4, axis=0) for x in (TRUTH, MEAN, STD)]
    four = aml.stats.regression_scores(
        *copies, names=NAMES, seed=3, rounds=300, groups=np.repeat([f"sim {i:03d}" for i in range(N)], 4)
    )
    alone = aml.stats.regression_scores(*copies, names=NAMES, seed=3, rounds=300)
    for c in one.dtype.names[1:]:
        assert np.allclose(four[c], one[c], rtol=1e-9)
    assert (alone["rmse_err"] < 0.7 * one["rmse_err"]).all()
    # The error of a mean is known; that of an error from 300 rounds is 4 %.
    assert np.allclose(one["bias_err"][:2], (MEAN - TRUTH).std(0) / np.sqrt(N), rtol=0.15)
    again = aml.stats.regression_scores(TRUTH, MEAN, STD, names=NAMES, seed=3, rounds=300)
    other = aml.stats.regression_scores(TRUTH, MEAN, STD, names=NAMES, seed=4, rounds=300)
    assert np.array_equal(again["r2_err"], one["r2_err"]) and not np.array_equal(other["r2_err"], one["r2_err"])


def test_fewer_columns_and_rows(monkeypatch):
    t = aml.stats.regression_scores(*BY_HAND[:2], rounds=0)
    assert t.dtype.names == ("parameter", "rmse", "bias", "r2", "mean_relative_error") and list(t["parameter"]) == ["0"]
    assert t["r2"][0] == 1 - 1.5 / 5
    t = aml.stats.regression_scores(*BY_HAND, names=["a"], rounds=0)
    assert len(t) == 1 and t["chi2"][0] == 1.5 and t["coverage95"][0] == 0.75
    monkeypatch.setitem(sys.modules, "astropy.table", None)  # as where there is no astropy
    plain = aml.stats.regression_scores(TRUTH, MEAN, rounds=10)
    assert type(plain) is np.ndarray and list(plain["parameter"]) == ["0", "1", "mean"]


def test_zero_truth():
    t = aml.stats.regression_scores([0, 1, 2, 3], [0.1, 1, 2, 4], rounds=50)
    assert np.isnan(t["mean_relative_error"][0]) and np.isnan(t["mean_relative_error_err"][0]) and t["rmse_err"][0] > 0


def test_r2_difference():
    worse = MEAN + 0.02 * RNG.normal(size=MEAN.shape).astype(np.float32)
    got = aml.stats.r2_difference(TRUTH, MEAN, worse, groups=GROUPS, seed=1)
    want = (defined()["r2"] - defined(mean=worse)["r2"]).mean()
    assert got.value == pytest.approx(want, rel=1e-9) and got.lo < want < got.hi
    one = aml.stats.regression_scores(TRUTH, MEAN, groups=GROUPS, seed=1)
    assert 0 < got.err < one["r2_err"][2]
    assert aml.stats.r2_difference(TRUTH, MEAN, MEAN) == (0, 0, 0, 0)
    back = aml.stats.r2_difference(TRUTH, worse, MEAN, groups=GROUPS, seed=1)
    assert back.value == -got.value and back.err == pytest.approx(got.err)
    assert aml.stats.r2_difference(TRUTH[:, 0], MEAN[:, 0], worse[:, 0], seed=2**64 - 1, weights=np.arange(N)).err > 0


def nan(x, i):
    x = np.array(x, np.float32)
    x[i] = np.nan
    return x


@pytest.mark.parametrize(
    "error, message, call",
    [
        (aml.ShapeError, "mean", lambda: aml.stats.rmse(TRUTH, MEAN[:3])),
        (aml.ShapeError, "mean", lambda: aml.stats.rmse(TRUTH[:, 0], MEAN)),
        (aml.ShapeError, "std", lambda: aml.stats.chi2(TRUTH, MEAN, STD[:, :1])),
        (aml.ShapeError, "standard deviations", lambda: aml.stats.chi2(TRUTH, MEAN, None)),
        (aml.ShapeError, "truth", lambda: aml.stats.rmse(TRUTH[None], MEAN[None])),
        (aml.ShapeError, "0 objects", lambda: aml.stats.rmse(TRUTH[:0], MEAN[:0])),
        (TypeError, "truth", lambda: aml.stats.rmse(["a"], ["b"])),
        (ValueError, "truth of parameter 1 is NaN for object 7", lambda: aml.stats.rmse(nan(TRUTH, (7, 1)), MEAN)),
        (ValueError, "truth of parameter 0 is NaN for object 1", lambda: aml.stats.rmse(np.ma.masked_equal([1, 2], 2), [1, 2])),
        (ValueError, "parameter 0 is 1 for all", lambda: aml.stats.r2_score([1, 1], [1, 2])),
        (ValueError, "parameter 0 is 0 for object 1", lambda: aml.stats.mean_relative_error([1, 0], [1, 2])),
        (ValueError, "deviation of parameter 0 is -1", lambda: aml.stats.gaussian_nll([1, 2], [1, 2], [-1, 1])),
        (ValueError, "level", lambda: aml.stats.coverage(TRUTH, MEAN, STD, level=68)),
        (ValueError, "one group", lambda: aml.stats.regression_scores(TRUTH, MEAN, groups=np.zeros(N))),
        (aml.ShapeError, "groups", lambda: aml.stats.regression_scores(TRUTH, MEAN, groups=[1, 2])),
        (aml.ShapeError, "weights", lambda: aml.stats.r2_difference(TRUTH, MEAN, MEAN, weights=[1, 2])),
        (ValueError, "weight of object 0", lambda: aml.stats.r2_difference(TRUTH, MEAN, MEAN, weights=np.full(N, -1.0))),
        (aml.ShapeError, "names", lambda: aml.stats.regression_scores(TRUTH, MEAN, names=["a"])),
        (ValueError, "rounds", lambda: aml.stats.regression_scores(TRUTH, MEAN, rounds=-1)),
        (ValueError, "seed", lambda: aml.stats.regression_scores(TRUTH, MEAN, seed=-1)),
        (ValueError, "1 rounds", lambda: aml.stats.r2_difference(TRUTH, MEAN, MEAN, rounds=1)),
        (ValueError, "score \"r3\"", lambda: call(go.StatsRegressionScore, "r3", np.empty(2), TRUTH, MEAN, None, N, 2, 0.0)),
        (ValueError, "value", lambda: call(go.StatsRegression, *[None] * 4, TRUTH, MEAN, None, N, 2, None, None, "")),
        (ValueError, "options", lambda: call(go.StatsR2Difference, np.empty(4), TRUTH, MEAN, MEAN, N, 2, None, None, json.dumps({"round": 3}))),
    ],
)
def test_bad_input(error, message, call):
    with pytest.raises(error, match=message):
        call()

"""goastroml.explain: closed forms, theorems, and what bad input says."""

import json
import sys

import numpy as np
import pytest

import goastroml as aml
from goastroml import explain
from goastroml._native import _running, call, go, run

RNG = np.random.default_rng(1)
X = RNG.normal(size=(30, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 0, -2, 1]
B = RNG.normal(size=(12, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 0, -2, 1]
W = np.array([1, -0.3, 4, 0, 0.5])
NAMES = ["mass", "radius", "colour", "nothing", "age"]


def shapley(model, x=X, background=B, **keywords):
    return explain.shapley(model, x, background, progress=False, **keywords)


def linear(x):
    return x @ W + 7


def curved(x):
    return np.stack([np.sin(x[:, 0]) * x[:, 1], x[:, 2] * x[:, 3] * x[:, 4] + x[:, 0]], axis=1)


def efficient(a, tolerance=1e-10):
    np.testing.assert_allclose(a.values.sum(axis=1), a.predicted - a.base, atol=tolerance)


@pytest.mark.parametrize("method", [None, "exact", "kernel", "permutation"])
def test_linear(method):
    """The values of a linear function are its terms less those of the background."""
    a = shapley(linear, method=method, names=NAMES)
    np.testing.assert_allclose(a.values, W * (X - B.mean(0)), atol=1e-12)
    np.testing.assert_allclose(a.err, 0, atol=1e-12)
    np.testing.assert_allclose(a.predicted, linear(X))
    np.testing.assert_allclose(a.base, linear(B).mean())
    assert a.values.shape == a.x.shape and a.names == NAMES and a.outputs == ["prediction"]


def test_linear_conditional():
    """Aas et al. (2021), appendix B.1: two features of correlation r share what one of them adds."""
    z = RNG.normal(size=(200, 2))
    b = np.stack([z[:, 0], 0.8 * z[:, 0] + 0.6 * z[:, 1]], axis=1)
    a = shapley(lambda x: x[:, 0], b[:5], b, conditional=True)
    (v0, c), (_, v1) = np.cov(b.T)
    d = b[:5] - b.mean(0)
    first = (d[:, 0] + (d[:, 0] - c / v1 * d[:, 1])) / 2
    np.testing.assert_allclose(a.values, np.stack([first, d[:, 0] - first], axis=1), atol=1e-10)
    efficient(a)


@pytest.mark.parametrize("method", ["exact", "kernel", "permutation"])
def test_groups(method):
    """A group's value of a linear function is that of all its terms; columns by number and by name."""
    terms = W * (X - B.mean(0))
    a = shapley(linear, method=method, names=NAMES, groups={"size": ["radius", "mass"], "time": [4]})
    np.testing.assert_allclose(a.values, np.stack([terms[:, 0] + terms[:, 1], terms[:, 2], terms[:, 3], terms[:, 4]], axis=1), atol=1e-12)
    assert a.names == ["size", "colour", "nothing", "time"]
    np.testing.assert_array_equal(a.x, X[:, [1, 2, 3, 4]])
    b = shapley(curved, method=method, groups=[[2, 3, 4], [0, 1]])
    np.testing.assert_allclose(b.values[:, 0, 0], b.predicted[:, 0] - b.base[:, 0], atol=1e-12)
    assert b.names == ["0 + 1", "2 + 3 + 4"]
    efficient(b)


def test_weights():
    w = RNG.random(len(B))
    a = shapley(linear, weights=w)
    np.testing.assert_allclose(a.values, W * (X - w @ B / w.sum()), atol=1e-12)


@pytest.mark.parametrize("keywords", [{}, {"method": "permutation"}, {"method": "kernel", "budget": 20}, {"conditional": True}])
def test_efficiency(keywords):
    a = shapley(curved, **keywords)
    assert a.values.shape == (30, 5, 2) and a.base.shape == a.predicted.shape == (30, 2) and a.outputs == ["0", "1"]
    efficient(a)
    assert ((a.err > 0).any()) == bool(keywords)
    one = a.output("1")
    assert np.array_equal(one.values, a.values[..., 1]) and one.outputs == ["1"] and one.output(0).base.shape == (30,)
    # Sums of many terms depend on how the model's library cuts rows up; ours do not.
    again = shapley(curved, **keywords)
    assert np.array_equal(again.values, a.values) and np.array_equal(again.err, a.err)


def test_errors_are_those_of_the_scatter():
    truth = shapley(lambda x: curved(x)[:, 0] * x[:, 2] * x[:, 4], method="exact").values
    a = shapley(lambda x: curved(x)[:, 0] * x[:, 2] * x[:, 4], method="permutation", budget=120)
    pull = ((a.values - truth)[:, [0, 1, 2, 4]] / a.err[:, [0, 1, 2, 4]]).ravel()
    # The mean square of Student's t from 15 pairs of walks is 14/12; 120 of them, not independent, scatter.
    assert 0.6 < np.mean(pull**2) < 2


def test_objects_with_predict():
    class Regressor:
        def predict(self, x):
            return (x @ W).astype(np.float32)

    a = shapley(Regressor())
    np.testing.assert_allclose(a.values, W * (X - B.mean(0)), atol=1e-5)
    assert np.array_equal(shapley(Regressor().predict).values, a.values)


def test_inputs_of_other_kinds():
    columns = np.rec.fromarrays(X.T, names=NAMES)
    backward = columns[NAMES[::-1]]
    assert np.array_equal(shapley(linear, columns).values, shapley(linear).values) and shapley(linear, columns).names == NAMES
    with pytest.raises(ValueError, match=r"columns \['mass', .*, the background has \['age'"):
        shapley(linear, columns, backward)
    net = train(columns, X[:, 0])
    a = shapley(net)
    assert a.names == NAMES and a.outputs == ["0"] and a.values.shape == (30, 5, 1)
    with pytest.raises(ValueError, match=r"columns \['age', .*, the model has \['mass'"):
        shapley(net, backward)
    assert shapley(net, columns, names=list("abcde")).names == list("abcde")
    assert explain.pca(columns).names == NAMES
    t = explain.correlations(columns, columns[["mass", "age"]])
    assert list(t["feature"][::2]) == NAMES and list(t["target"][:2]) == ["mass", "age"]
    a = shapley(linear, np.asfortranarray(X.astype(np.float32)), B.tolist())
    np.testing.assert_allclose(a.values, W * (X - B.mean(0)), atol=1e-5)
    assert shapley(lambda x: x[:, 0] > 0).values.shape == X.shape
    changed = X.copy()

    def vandal(x):
        y = linear(x)
        x[:] = np.nan
        return y

    assert np.array_equal(shapley(vandal, changed).values, shapley(linear).values) and np.array_equal(changed, X)


def test_importance():
    a = shapley(linear, names=NAMES)
    t = a.importance()
    size = np.abs(W * (X - B.mean(0)))
    order = np.argsort(-size.mean(0))
    assert list(t["feature"]) == [NAMES[i] for i in order]
    np.testing.assert_allclose(t["importance"], size.mean(0)[order], atol=1e-12)
    np.testing.assert_allclose(t["err"], size.std(0, ddof=1)[order] / np.sqrt(30), atol=1e-12)
    alone = shapley(curved, X[:1], method="permutation", budget=40)
    assert sorted(alone.importance("1")["err"]) == sorted(alone.err[0, :, 1])
    assert repr(a) == "Attribution(30 rows, 5 features, outputs: prediction)"


def test_repr_html():
    a = shapley(curved, names=["<b>", *NAMES[1:]], outputs=["Ω", "σ"])
    text = a._repr_html_()
    assert "&lt;b&gt;" in text and "<b>" not in text and "Ω" in text and text.count("<tr>") == 6
    wide = shapley(lambda x: x @ np.ones((20, 9)), RNG.normal(size=(2, 20)), np.zeros((1, 20)), budget=80)
    assert "12 of 20 features, 6 of 9 outputs" in wide._repr_html_()


def test_progress_and_interrupts():
    seen = []
    explain.shapley(curved, X, B, progress=seen.append)
    # 12 rows of the background; for each row itself, and 2^5 coalitions with 12 rows.
    assert (seen[-1].stage, seen[-1].step, seen[-1].steps) == ("explain", 12 + 30 * (1 + 32 * 12), 12 + 30 * (1 + 32 * 12))

    def interrupted(x):
        if len(x) > 1:
            raise KeyboardInterrupt
        return linear(x)

    with pytest.raises(KeyboardInterrupt):
        shapley(interrupted)


def train(x, theta, **keywords):
    return aml.moment.Network(epochs=3, folds=1, hidden=8).fit(x, theta, progress=False, **keywords)


def answers(net):
    return lambda x: np.concatenate(net.predict(x, return_std=True), axis=1)


@pytest.fixture(scope="module")
def net():
    x = RNG.normal(size=(300, 5))
    return train(x, np.stack([x[:, 0] + x[:, 1] ** 2, x[:, 2] * x[:, 3]], axis=1), names=["omega_m", "sigma_8"])


@pytest.mark.parametrize("keywords", [{}, {"method": "permutation", "budget": 50}, {"conditional": True, "draws": 3}, {"groups": [[3, 1]]}])
def test_network(net, keywords):
    """What Go computes alone is what it computes of answers that Python hands it."""
    a = shapley(net, std=True, **keywords)
    assert a.outputs == ["omega_m", "sigma_8", "std of omega_m", "std of sigma_8"] and a.values.shape == (30, len(a.names), 4)
    efficient(a)
    b = shapley(answers(net), **keywords)
    for x, y in zip((a.values, a.err, a.base, a.predicted), (b.values, b.err, b.base, b.predicted)):
        np.testing.assert_allclose(x, y, atol=2e-6)  # float32
    means = shapley(net, threads=1, names=NAMES, **keywords)
    assert means.names == (NAMES if "groups" not in keywords else ["mass", "colour", "nothing + radius", "age"])
    assert np.array_equal(means.values, a.values[..., :2]) and means.outputs == a.outputs[:2]


def test_expected_gradients(net):
    a = explain.expected_gradients(net, X, B, parameter="sigma_8", samples=4000)
    b = explain.expected_gradients(net, X, B, parameter=1, samples=4000, threads=1)
    assert np.array_equal(a.values, b.values) and a.outputs == ["sigma_8"] and a.values.shape == X.shape
    np.testing.assert_allclose(a.predicted, net.predict(X)[:, 1], rtol=1e-6)
    # The errors of the features' values are correlated: those of the sum are at most their sum.
    gap = np.abs(a.values.sum(axis=1) - (a.predicted - a.base))
    assert (gap < 5 * a.err.sum(axis=1) + 1e-5).all()


def test_network_is_canceled(net):
    class Enough(Exception):
        pass

    def progress(p):
        if p.step:
            raise Enough

    big = RNG.normal(size=(2000, 5))
    with pytest.raises(Enough):
        explain.shapley(net, big, big, progress=progress)
    assert not _running


def test_networks_that_are_no_tables():
    profiles = RNG.normal(size=(40, 1, 16))
    net = train(profiles, profiles.mean(axis=2))
    with pytest.raises(aml.ShapeError, match=r"rows of shape \[1 16\], want one of tables"):
        shapley(net)
    with pytest.raises(aml.ShapeError, match="want one of tables"):
        explain.expected_gradients(net, X, B)


def score(columns, seed):
    """Mass and radius tell the same, colour something else."""
    return 5.0 * bool({0, 1} & set(columns)) + 1.0 * (2 in columns) + seed % 1000 / 1e6


@pytest.mark.parametrize(
    "method, features, changes, columns",
    [
        ("drop", ["mass", "radius", "colour"], [0, 0, -1], ["radius, colour", "mass, colour", "mass, radius"]),
        ("keep", ["mass", "radius", "colour"], [-1, -1, -5], ["mass", "radius", "colour"]),
        ("forward", ["mass", "colour", "radius"], [-1, 0, 0], ["mass", "mass, colour", "mass, radius, colour"]),
        ("backward", ["mass", "colour"], [0, -1], ["radius, colour", "radius"]),
    ],
)
def test_retrain(method, features, changes, columns):
    seen = []
    t = explain.retrain(score, NAMES[:3], method=method, repeats=3, progress=seen.append)
    assert list(t["feature"]) == ["", *features] and list(t["method"]) == ["all"] + [method] * len(features)
    np.testing.assert_allclose(t["change"], [0, *changes], atol=1e-9)
    np.testing.assert_allclose(t["change_err"], 0, atol=1e-9)  # the same seeds
    assert (t["score_err"] > 0).all()
    assert list(t["columns"]) == ["mass, radius, colour", *columns]
    assert list(t["features"]) == [len(c.split(", ")) for c in t["columns"]]
    assert seen[-1].step == seen[-1].steps == len(seen)


def test_retrain_in_steps():
    t = explain.retrain(score, NAMES[:3], method="forward", steps=1, progress=False)
    assert len(t) == 2 and np.isnan(t["score_err"]).all() and np.isnan(t["change_err"]).all()
    seeds = set()
    explain.retrain(lambda c, s: seeds.add(s) or 0.0, NAMES, repeats=4, seed=5, progress=False)
    assert len(seeds) == 4 and all(type(s) is int and 0 <= s < 2**32 for s in seeds)


def test_pca():
    r = np.random.default_rng(2)
    x = r.normal(size=(400, 6)) + 3 * r.normal(size=(400, 1)) * [1, 1, 1, 0, 0, 0]
    p = explain.pca(x)
    values = np.linalg.eigvalsh(np.corrcoef(x.T))[::-1]
    np.testing.assert_allclose(p.variances, values, rtol=1e-9)
    np.testing.assert_allclose(p.ratio, values / 6, rtol=1e-9)
    np.testing.assert_allclose(p.components @ p.components.T, np.eye(6), atol=1e-12)
    z = p.transform(x)
    np.testing.assert_allclose(np.cov(z.T), np.diag(values), atol=1e-9)
    np.testing.assert_allclose(p.inverse(z), x, atol=1e-9)
    np.testing.assert_allclose(p.transform(x, 2), z[:, :2], atol=1e-12)
    assert p.inverse(z[:, :2]).shape == x.shape
    assert p.significant == 1 and p.variances[0] > p.edge > p.variances[1]
    assert "400 rows of 6 features: 1 of 6 components" in repr(p)
    few = 100 * x[:4]
    wide = explain.pca(few, standardise=False)
    assert wide.components.shape == (3, 6) and (wide.scale == 1).all()
    np.testing.assert_allclose(wide.inverse(wide.transform(few)), few, atol=1e-9)


def test_correlations(monkeypatch):
    r = np.random.default_rng(2)
    x = r.normal(size=(400, 3))
    y = np.stack([0.6 * x[:, 0] + 0.8 * r.normal(size=400), np.exp(x[:, 1])], axis=1)
    t = explain.correlations(x, y, names=NAMES[:3], targets=["a", "b"])
    assert list(t["feature"]) == np.repeat(NAMES[:3], 2).tolist() and list(t["target"]) == ["a", "b"] * 3
    want = np.corrcoef(x.T, y.T)[:3, 3:].ravel()
    np.testing.assert_allclose(t["pearson"], want, atol=1e-12)
    assert t["spearman"][3] == pytest.approx(1)
    # The error of a correlation of Gaussians is (1 - r^2)/√n; 20 halvings give it to 16 %.
    assert t["pearson_err"][0] == pytest.approx((1 - want[0] ** 2) / 20, rel=0.5)
    assert abs(t["information"][0] + np.log(1 - 0.36) / 2) < 4 * t["information_err"][0]
    one = explain.correlations(x, y[:, 0], names=NAMES[:3], threads=1)
    assert list(one["target"]) == ["0"] * 3 and np.array_equal(one["pearson_err"], t["pearson_err"][::2])
    monkeypatch.setitem(sys.modules, "astropy.table", None)  # as where there is no astropy
    plain = explain.correlations(x, y[:, 0], halvings=0, neighbours=0)
    assert plain.dtype.names == ("feature", "target", "pearson", "spearman")
    copies = [np.repeat(a, 3, axis=0) for a in (x, y)]
    alone = explain.correlations(*copies, neighbours=0)
    groups = np.repeat([f"sim {i}" for i in range(400)], 3)
    together = explain.correlations(*copies, neighbours=0, groups=groups)
    assert (alone["pearson_err"] < 0.8 * together["pearson_err"])[0]


def nan(x):
    x = x.copy()
    x[3, 1] = np.nan
    return x


WIDE = RNG.normal(size=(3, 21))


@pytest.mark.parametrize(
    "error, message, call",
    [
        (aml.ShapeError, r"x: shape \(5,\), want \(n, feature\); one row as x\[None\]", lambda: shapley(linear, X[0])),
        (aml.ShapeError, "0 values", lambda: shapley(linear, X[:0])),
        (aml.ShapeError, r"background: shape \(12, 4\), want \(n, 5\)", lambda: shapley(linear, background=B[:, :4])),
        (aml.ShapeError, "background", lambda: shapley(linear, background=B[0])),
        (aml.ShapeError, "background: 1 rows", lambda: shapley(linear, background=B[:1], conditional=True)),
        (aml.ShapeError, "weights", lambda: shapley(linear, weights=[1, 2])),
        (aml.ShapeError, "names: 2, want 5", lambda: shapley(linear, names=["a", "b"])),
        (aml.ShapeError, "outputs: 2, want 1", lambda: shapley(linear, outputs=["a", "b"])),
        (aml.ShapeError, r"answers of shape \(\) to 1 rows", lambda: shapley(lambda x: 1.0)),
        (aml.ShapeError, r"shape \(1, 5, 1\)", lambda: shapley(lambda x: x[..., None])),
        (aml.ShapeError, "as before", lambda: shapley(lambda x: x[:, 0] if len(x) == 1 else x)),
        (TypeError, "predict_proba", lambda: shapley(lambda x: np.full(len(x), "QSO"))),
        (TypeError, "model: list", lambda: shapley([1, 2])),
        (ValueError, "row 3, column 1 of the rows to explain is NaN", lambda: shapley(linear, nan(X))),
        (ValueError, "row 3, column 1 of the background is NaN", lambda: shapley(linear, background=nan(B))),
        (ValueError, "the model's answers is NaN", lambda: shapley(lambda x: np.full(len(x), np.nan))),
        (ValueError, "at most 20 features: try permutation", lambda: shapley(lambda x: x[:, 0], WIDE, WIDE, method="exact")),
        (ValueError, "a budget of 3 coalitions", lambda: shapley(linear, method="permutation", budget=3)),
        (ValueError, 'method "tree", want exact', lambda: shapley(linear, method="tree")),
        (ValueError, "weight 0", lambda: shapley(linear, weights=-np.ones(12))),
        (ValueError, "covariance is singular", lambda: shapley(linear, background=np.repeat(B[:, :1], 5, 1), conditional=True)),
        (ValueError, "draws", lambda: shapley(linear, draws=3)),
        (ValueError, "std", lambda: shapley(linear, std=True)),
        (ValueError, r"groups: 'b', want columns out of \['0'", lambda: shapley(linear, groups={"a": ["b"]})),
        (ValueError, "groups: '1' twice", lambda: shapley(linear, groups=[[0, 1], [1]])),
        (ValueError, "groups: 0, want a list of columns for each", lambda: shapley(linear, groups=[0, 1])),
        (ValueError, "groups: 'mass', want a list of columns for each", lambda: shapley(linear, names=NAMES, groups=["mass", "age"])),
        (ValueError, "groups: 'ab', want lists", lambda: shapley(linear, groups="ab")),
        (ValueError, "groups: 5, want lists", lambda: shapley(linear, groups=5)),
        (ValueError, "groups: True, want columns", lambda: shapley(linear, groups=[[True]])),
        (ValueError, "groups: array", lambda: shapley(linear, groups=[[np.arange(2)]])),
        (ValueError, "two are named 'age'", lambda: shapley(linear, names=NAMES, groups={"age": ["mass", "radius"]})),
        (ValueError, "groups: 'a', want columns", lambda: shapley(linear, names=["a", "a", "b", "c", "d"], groups=[["a", "b"]])),
        (ValueError, "groups: 5, want", lambda: shapley(linear, groups=[[5]])),
        (ValueError, "groups: one has no columns", lambda: shapley(linear, groups=[[]])),
        (ValueError, "want an interventional one", lambda: shapley(linear, groups=[[0, 1]], conditional=True)),
        (ValueError, "seed", lambda: shapley(linear, seed=-1)),
        (ValueError, "output: 'b'", lambda: shapley(linear).importance("b")),
        (ValueError, "output: 1, want 0 to 0", lambda: shapley(linear).output(1)),
        (TypeError, "net: function", lambda: explain.expected_gradients(linear, X, B)),
        (ValueError, "method: 'all'", lambda: explain.retrain(score, NAMES, method="all")),
        (ValueError, "repeats: 0", lambda: explain.retrain(score, NAMES, repeats=0)),
        (aml.ShapeError, "names: 1, drop wants 2", lambda: explain.retrain(score, ["a"])),
        (ValueError, "score with mass, radius is nan", lambda: explain.retrain(lambda c, s: np.nan, NAMES[:2], progress=False)),
        (aml.ShapeError, "1 row", lambda: explain.pca(X[:1])),
        (ValueError, "feature 0 is constant", lambda: explain.pca(np.ones((5, 2)) * [1, 2] + [[0, i] for i in range(5)])),
        (aml.ShapeError, "z: 6 components, there are 5", lambda: explain.pca(X).inverse(np.ones((1, 6)))),
        (aml.ShapeError, "x: shape", lambda: explain.pca(X).transform(X[:, :2])),
        (aml.ShapeError, "y: 3 rows, x has 30", lambda: explain.correlations(X, X[:3])),
        (aml.ShapeError, "groups", lambda: explain.correlations(X, X, groups=[1])),
        (aml.ShapeError, "targets: 1, want 5", lambda: explain.correlations(X, X, targets=["a"])),
        (ValueError, "halvings", lambda: explain.correlations(X, X, halvings=-1)),
        (ValueError, r"target 0 \(a\) is constant", lambda: explain.correlations(X, np.ones(30), targets=["a"])),
        (ValueError, "NaN", lambda: explain.correlations(nan(X), X)),
        (TypeError, "x", lambda: explain.pca([["a", "b"]])),
    ],
)
def test_bad_input(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_bad_input_of_networks(net):
    with pytest.raises(aml.ShapeError, match="rows of 4 features, the network has 5"):
        shapley(net, X[:, :4], B[:, :4])
    with pytest.raises(ValueError, match="parameter: 'h', want one of"):
        explain.expected_gradients(net, X, B, parameter="h")
    with pytest.raises(ValueError, match="parameter 2, want 0 to 1"):
        explain.expected_gradients(net, X, B, parameter=2)
    with pytest.raises(aml.ShapeError, match="outputs: 1, want 2"):
        shapley(net, outputs=["a"])
    with pytest.raises(ValueError, match="is NaN"):
        shapley(net, np.full((1, 5), 1e300))  # beyond float32


def test_games_by_hand():
    background = call(go.ExplainInterventional, B, None, *B.shape)
    game = call(go.ExplainShapley, X, *X.shape, 1, background, "")
    n = call(game.Asked)
    assert n == call(game.Asked) > 0
    rows, again = np.empty((n, 5)), np.empty((n, 5))
    with pytest.raises(aml.ShapeError, match="room for 1"):
        call(game.Rows, rows, 1)
    with pytest.raises(ValueError, match="rows: no array"):
        call(game.Rows, None, n)
    with pytest.raises(ValueError, match="want all before Result"):
        call(game.Result, np.empty((30, 5)), np.empty((30, 5)), np.empty(30), np.empty(30))
    with pytest.raises(aml.ShapeError, match="answers"):
        call(game.Take, linear(X)[:1].copy(), 1)
    call(game.Rows, rows, n)
    call(game.Rows, again, n)
    assert np.array_equal(rows, again)
    with pytest.raises(ValueError, match="no background"):
        call(go.ExplainShapley, X, *X.shape, 1, go.ExplainBackground(handle=0), "")
    with pytest.raises(ValueError, match="unknown field"):
        call(go.ExplainShapley, X, *X.shape, 1, background, json.dumps({"std": True}))

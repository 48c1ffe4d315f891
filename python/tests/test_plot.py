"""goastroml.plot: figures hold the right numbers, and bad shapes are errors."""

import builtins

import numpy as np
import pytest

import goastroml as aml

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from goastroml import plot  # noqa: E402

CLASSES = ["STAR", "GALAXY", "QSO"]
WAVE = np.linspace(4000, 9000, 501)


@pytest.fixture(autouse=True)
def figures():
    before = dict(matplotlib.rcParams)
    yield
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()  # what is wrong often shows only here
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == before, "nothing global is changed"


def cells(ax):
    """Return what is written in the cells, by row."""
    rows = {}
    for t in ax.texts:
        x, y = t.get_position()
        rows.setdefault(int(y), {})[int(x)] = t.get_text()
    return [[row[c] for c in sorted(row)] for _, row in sorted(rows.items())]


TRUE = ["STAR", "STAR", "STAR", "STAR", "GALAXY", "GALAXY", "QSO"]
PREDICTED = ["STAR", "STAR", "STAR", "QSO", "GALAXY", "STAR", "QSO"]


@pytest.mark.parametrize(
    ("name", "true", "predicted"),
    [
        ("names", TRUE, PREDICTED),
        ("arrays of names", np.array(TRUE), np.array(PREDICTED)),
        ("bytes, as FITS has them", np.array(TRUE, "S"), np.array(PREDICTED, "S")),
        ("objects", np.array(TRUE, object), np.array(PREDICTED, object)),
        ("indices", [0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 2, 1, 0, 2]),
        ("names and indices", TRUE, np.array([0, 0, 0, 2, 1, 0, 2], np.uint8)),
    ],
)
def test_confusion_matrix_counts(name, true, predicted):
    ax = plot.confusion_matrix(true, predicted, CLASSES)
    assert cells(ax) == [["3", "0", "1"], ["1", "1", "0"], ["0", "0", "1"]]
    assert [t.get_text() for t in ax.get_xticklabels()] == CLASSES
    assert "7 objects, 71.4% right" in ax.get_title(loc="left")


def test_confusion_matrix_fractions():
    ax = plot.confusion_matrix(TRUE, PREDICTED, CLASSES, normalize=True)
    assert cells(ax) == [["0.75", "0", "0.25"], ["0.50", "0.50", "0"], ["0", "0", "1.00"]]
    np.testing.assert_allclose(ax.images[0].get_array().sum(axis=1), 1)


@pytest.mark.parametrize("none", ["", None, -1])
def test_no_answer_has_a_column(none):
    predicted = np.array([0, none, 1], int) if none == -1 else ["STAR", none, "GALAXY"]
    ax = plot.confusion_matrix([0, 1, 1], predicted, CLASSES)
    assert cells(ax) == [["1", "0", "0", "0"], ["0", "1", "0", "1"], ["0", "0", "0", "0"]]
    assert ax.get_xticklabels()[-1].get_text() == "no answer"


def test_cells_can_be_read():
    ax = plot.confusion_matrix(TRUE, PREDICTED, CLASSES)
    full, little = ax.texts[8], ax.texts[2]
    assert (full.get_text(), full.get_color()) == ("1", "white")
    assert little.get_text() == "1" and little.get_color() != "white"


@pytest.mark.parametrize(
    ("why", "true", "predicted", "error", "says"),
    [
        ("lengths differ", [0, 1], [0], aml.ShapeError, "1 predicted labels, want 2"),
        ("probabilities instead of labels", [0, 1], np.zeros((2, 3), int), aml.ShapeError, r"shape \(2, 3\)"),
        ("nothing to show", np.zeros(0, int), np.zeros(0, int), aml.ShapeError, "no labels"),
        ("another class", ["STAR", "SKY"], [0, 1], ValueError, r"true\[1\] is 'SKY', want one of STAR"),
        ("beyond the classes", [0, 3], [0, 1], ValueError, r"true\[1\] is 3, want 0 to 2"),
        ("a true class is missing", [0, -1], [0, 1], ValueError, r"true\[1\] is -1"),
        ("numbers that are no indices", [0.5, 1.0], [0, 1], ValueError, "type float64"),
    ],
)
def test_confusion_matrix_errors(why, true, predicted, error, says):
    with pytest.raises(error, match=says):
        plot.confusion_matrix(true, predicted, CLASSES)
    assert pyplot.get_fignums() == [], "no empty figure is left behind"


def test_spectrum_shades_masks_and_leaves_their_flux_away():
    flux = 1 + 0.1 * np.sin(WAVE / 50)
    ivar = np.full(len(WAVE), 100.0)
    ivar[100:110] = 0
    flux[300], flux[104] = np.nan, 1e9
    ax = plot.spectrum(WAVE, flux, ivar=ivar)
    # Pixels are 10 Å apart; a mask ends halfway to its neighbours.
    spans = sorted((p.get_x(), p.get_x() + p.get_width()) for p in ax.patches)
    np.testing.assert_allclose(spans, [(4995, 5095), (6995, 7005)])
    line, sigma = (line.get_ydata() for line in ax.lines)
    assert np.isnan(line[100:110]).all() and np.isnan(line[300])
    assert np.isfinite(line).sum() == len(WAVE) - 11
    np.testing.assert_allclose(sigma[np.isfinite(sigma)], 0.1)
    assert ax.get_ylim()[1] < 2, "a masked spike does not set the scale"
    assert ax.get_xlabel() == "wavelength [Å]"


def test_masks_reach_the_ends():
    flux = np.ones(5)
    flux[[0, 4]] = np.nan
    ax = plot.spectrum([1, 2, 3, 4, 5], flux)
    spans = sorted((p.get_x(), p.get_x() + p.get_width()) for p in ax.patches)
    np.testing.assert_allclose(spans, [(1, 1.5), (4.5, 5)])


@pytest.mark.parametrize(
    ("name", "flux"),
    [("all masked", np.full(501, np.nan)), ("constant", np.ones(501)), ("zero", np.zeros(501))],
)
def test_spectrum_without_a_scale(name, flux):
    lo, hi = plot.spectrum(WAVE, flux).get_ylim()
    assert lo < hi


def test_spectrum_with_bars():
    ax = plot.spectrum(WAVE, np.ones(501), prob=[0.1, 0.7, 0.2], classes=CLASSES, model=np.ones(501), flux_unit="Jy")
    assert ax.get_ylabel() == "flux [Jy]"
    bars = next(a for a in ax.figure.axes if a is not ax)
    np.testing.assert_allclose([p.get_width() for p in bars.patches], [0.1, 0.7, 0.2])
    texts = [t.get_text() for t in bars.texts]
    assert texts == ["STAR", "0.10", "GALAXY", "0.70", "QSO", "0.20"]
    assert [t.get_text() for t in bars.texts if t.get_weight() == "bold"] == ["GALAXY", "0.70"]


def test_bars_of_a_spectrum_without_an_answer():
    ax = plot.spectrum(WAVE, np.full(501, np.nan), prob=[np.nan] * 3, classes=CLASSES)
    bars = next(a for a in ax.figure.axes if a is not ax)
    assert [t.get_text() for t in bars.texts[1::2]] == ["–"] * 3
    assert not [t for t in bars.texts if t.get_weight() == "bold"]


def test_bars_of_many_classes_are_the_highest():
    p = np.arange(40) / np.arange(40).sum()
    ax = plot.spectrum(WAVE, np.ones(501), prob=p, classes=[f"c{i}" for i in range(40)])
    bars = next(a for a in ax.figure.axes if a is not ax)
    assert [t.get_text() for t in bars.texts[::2]] == [f"c{i}" for i in range(26, 40)]


@pytest.mark.parametrize(
    ("why", "change", "error", "says"),
    [
        ("lengths differ", {"flux": np.ones(3)}, aml.ShapeError, "flux has 3 values, wave has 501"),
        ("many spectra", {"flux": np.ones((2, 501))}, aml.ShapeError, r"flux has shape \(2, 501\)"),
        ("ivar of another", {"ivar": np.ones(3)}, aml.ShapeError, "ivar has 3 values"),
        ("model of another", {"model": np.ones(3)}, aml.ShapeError, "model has 3 values"),
        ("one pixel", {"wave": [1.0], "flux": [1.0]}, aml.ShapeError, "1 pixels"),
        ("unsorted", {"wave": WAVE[::-1]}, ValueError, "does not rise"),
        ("no names", {"prob": [1.0]}, ValueError, "one is missing"),
        ("too few names", {"prob": [0.5, 0.5], "classes": ["STAR"]}, aml.ShapeError, "prob has 2 values, classes has 1"),
    ],
)
def test_spectrum_errors(why, change, error, says):
    with pytest.raises(error, match=says):
        plot.spectrum(**{"wave": WAVE, "flux": np.ones(501)} | change)
    assert pyplot.get_fignums() == []


def unsure(n=1000):
    """Return probabilities of two classes that are right less often than they say, and the labels."""
    r = np.random.default_rng(1)
    p = r.uniform(0.5, 1, n).astype(np.float32)
    labels = (r.uniform(size=n) > p - 0.1).astype(int)
    return np.stack([p, 1 - p], axis=1), labels


def test_reliability():
    prob, labels = unsure()
    ax = plot.reliability(prob, labels, bins=10)
    confidence, accuracy = ax.lines[1].get_data()
    order = np.argsort(prob[:, 0], kind="stable").reshape(10, 100)
    np.testing.assert_allclose(confidence, prob[order, 0].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(accuracy, (labels[order] == 0).mean(axis=1), atol=1e-6)
    ece = np.abs(confidence - accuracy).mean()
    assert f"ECE {ece:.3f}: 1,000 objects, 10 bins" in ax.get_title(loc="left")


def test_reliability_takes_names_and_leaves_unanswered_spectra_away():
    prob, labels = unsure(100)
    prob[7] = np.nan
    ax = plot.reliability(prob, np.array(["STAR", "QSO"])[labels], classes=["STAR", "QSO"], bins=5)
    assert "99 objects" in ax.get_title(loc="left")


@pytest.mark.parametrize(
    ("why", "prob", "labels", "options", "says"),
    [
        ("one row", [0.5, 0.5], [0], {}, r"prob has shape \(2,\)"),
        ("lengths differ", [[0.5, 0.5]], [0, 1], {}, "2 labels, want 1"),
        ("too few names", [[0.5, 0.5]], ["a"], {"classes": ["a"]}, "1 classes, prob has 2 columns"),
        ("fewer objects than bins", [[0.5, 0.5]], [0], {"bins": 5}, "5 bins"),
    ],
)
def test_reliability_errors(why, prob, labels, options, says):
    with pytest.raises(aml.ShapeError, match=says):
        plot.reliability(prob, labels, **options)
    assert pyplot.get_fignums() == []


def test_embedding_finds_the_two_widest_axes():
    # Variances 9, 4 and 1 along axes that are turned: components 1 and 2 must
    # have the first two of them, and these shares of the whole.
    r = np.random.default_rng(1)
    q, _ = np.linalg.qr(r.normal(size=(3, 3)))
    z = r.normal(size=(400, 3))
    z -= z.mean(axis=0)
    u, _, _ = np.linalg.svd(z, full_matrices=False)
    x = u * [3, 2, 1] @ q.T + 5
    ax = plot.embedding(x, np.arange(400) % 2, classes=["even", "odd"])
    got = np.empty((400, 2))
    for c, points in enumerate(ax.collections):
        got[c::2] = points.get_offsets()
    np.testing.assert_allclose(np.abs(got), np.abs(u[:, :2] * [3, 2]), atol=1e-10)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("component 1 (64% of the variance)", "component 2 (29% of the variance)")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["even", "odd"]


def test_embedding_names_more_classes_than_colours():
    labels = [f"class {i:02}" for i in range(30)] * 2
    ax = plot.embedding(np.random.default_rng(1).normal(size=(60, 4)), labels)
    looks = {(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in ax.collections}
    assert len(looks) == 30, "no two classes look alike"


def test_embedding_leaves_unanswered_spectra_away():
    x = np.random.default_rng(1).normal(size=(10, 4))
    x[3] = np.nan
    ax = plot.embedding(x, [0] * 10, classes=["a"])
    assert len(ax.collections[0].get_offsets()) == 9


@pytest.mark.parametrize(
    ("why", "features", "labels", "says"),
    [
        ("one feature", np.ones((5, 1)), [0] * 5, r"shape \(5, 1\)"),
        ("lengths differ", np.ones((5, 3)), [0] * 4, r"labels have shape \(4,\), want \(5,\)"),
        ("nothing finite", np.full((5, 3), np.nan), [0] * 5, "0 objects with finite features"),
    ],
)
def test_embedding_errors(why, features, labels, says):
    with pytest.raises(aml.ShapeError, match=says):
        plot.embedding(features, labels)
    assert pyplot.get_fignums() == []


def attribution(n=60, features=4):
    """Return an attribution of a linear function to "a", "b", …, of weights 1, 2, …."""
    x = np.random.default_rng(1).normal(size=(n, features))
    w = np.arange(1.0, features + 1)
    names = [chr(ord("a") + i) for i in range(features)]
    return aml.explain.shapley(lambda x: np.stack([x @ w, x @ w[::-1]], 1), x, x[:3], names=names, outputs=["u", "v"], progress=False)


def named(ax):
    return [t.get_text() for t in ax.get_yticklabels()]


@pytest.mark.parametrize(("output", "order"), [(0, "dcba"), ("v", "abcd")])
def test_shap_swarm(output, order):
    a = attribution()
    ax = plot.shap_swarm(a, output, unit="Mpc")
    assert named(ax) == list(order) == list(a.importance(output)["feature"])
    assert ax.get_xlabel() == f"attribution to {a.output(output).outputs[0]} [Mpc]"
    assert len(ax.collections) == 4
    for row, (name, dots) in enumerate(zip(order, ax.collections)):
        j = a.names.index(name)
        x, y = dots.get_offsets().T
        np.testing.assert_allclose(np.sort(x), np.sort(a.output(output).values[:, j]))
        assert (np.abs(y - row) < 0.45).all(), "rows do not touch"
        # The function rises with each feature: so do the colours.
        assert (np.diff(np.asarray(dots.get_array())[np.argsort(x)]) >= 0).all()
    lowest, highest = ax.get_ylim()
    assert lowest > highest, "the most important feature is on top"


def test_swarm_is_as_wide_as_it_is_dense():
    a = attribution(2000)
    x, y = plot.shap_swarm(a).collections[0].get_offsets().T
    middle, edge = np.abs(x) < 0.5, np.abs(x) > 2 * x.std()
    assert np.ptp(y[middle]) > 1.5 * np.ptp(y[edge])


@pytest.mark.parametrize(("n", "constant"), [(1, False), (2, False), (30, True)])
def test_swarm_of_little(n, constant):
    x = np.random.default_rng(1).normal(size=(n, 2))
    f = (lambda x: np.ones(len(x))) if constant else (lambda x: x[:, 0])
    ax = plot.shap_swarm(aml.explain.shapley(f, x, x * 0, progress=False))
    assert all(np.isfinite(c.get_offsets()).all() for c in ax.collections)
    bars = plot.shap_bars(aml.explain.shapley(f, x, x * 0, progress=False))
    assert len(bars.patches) == 2


def test_shap_bars():
    a = attribution()
    ax, t = plot.shap_bars(a, "u"), a.importance("u")
    np.testing.assert_allclose([p.get_width() for p in ax.patches], t["importance"])
    assert named(ax) == list(t["feature"])
    value, err = ax.texts[0].get_text().split(" ± ")
    assert float(value) == pytest.approx(t["importance"][0], abs=float(err)) and float(err) == pytest.approx(t["err"][0], rel=0.5)


def test_most_features():
    a = attribution()
    for draw in (plot.shap_swarm, plot.shap_bars):
        ax = draw(a, most=2)
        assert named(ax) == ["d", "c"] and ax.get_title(loc="left") == "60 rows, 2 of 4 features"
        with pytest.raises(ValueError, match="0 features"):
            draw(a, most=0)
        with pytest.raises(ValueError, match="output: 'w'"):
            draw(a, "w")


def worth(columns, seed):
    return float(sum(2**c for c in columns)) + seed % 7 * len(columns) / 100


@pytest.mark.parametrize(
    ("method", "order", "x"),
    [("drop", "cba", [3, 5, 6]), ("keep", "cba", [4, 2, 1]), ("forward", "+ c,+ b,+ a", [4, 6, 7]), ("backward", "all,− a,− b", [7, 6, 4])],
)
@pytest.mark.parametrize("repeats", [1, 3])
def test_retraining(method, order, x, repeats):
    t = aml.explain.retrain(worth, list("abc"), method=method, repeats=repeats, progress=False)
    ax = plot.retraining(t, score="R²")
    steps = "," in order
    if steps:
        assert [label.get_text() for label in ax.get_xticklabels()] == order.split(",")
        got = ax.lines[1].get_ydata()
    else:
        assert named(ax) == list(order)
        got = ax.collections[-1].get_offsets()[:, 0]
    np.testing.assert_allclose(got, x, atol=0.3)
    assert (ax.get_ylabel() if steps else ax.get_xlabel()) == "R²"


def test_retraining_of_nothing():
    t = aml.explain.retrain(worth, list("abc"), progress=False)
    with pytest.raises(aml.ShapeError, match="all features alone"):
        plot.retraining(t[:1])


def test_correlation_bars():
    r = np.random.default_rng(1)
    x = r.normal(size=(200, 3))
    y = np.stack([-x[:, 0] + 0.3 * r.normal(size=200), x[:, 1] ** 2], axis=1)
    t = aml.explain.correlations(x, y, names=["a", "b", "c"], targets=["line", "parabola"])
    ax = plot.correlation_bars(t)
    assert named(ax)[0] == "a" and ax.get_xlabel() == "correlation with line"
    assert [label.get_text() for label in ax.get_legend().get_texts()] == ["Pearson", "Spearman", "mutual information"]
    widths = np.array([p.get_width() for p in ax.patches]).reshape(3, 3)
    assert widths[0, 0] == pytest.approx(t["pearson"][0]) and ax.get_xlim()[0] < -1
    # Of Gaussians the mutual information is that of their correlation.
    assert widths[2, 0] == pytest.approx(np.corrcoef(x[:, 0], -y[:, 0])[0, 1], abs=0.05)
    bowl = plot.correlation_bars(t, target="parabola", most=1)
    assert named(bowl) == ["b"] and bowl.patches[2].get_width() > 0.8 > 2 * abs(bowl.patches[0].get_width())
    assert bowl.get_title(loc="left") == "1 of 3 features"
    linear = aml.explain.correlations(x, y, neighbours=0, halvings=0)
    assert len(plot.correlation_bars(linear).patches) == 6
    with pytest.raises(ValueError, match="target 'cube', want one of line, parabola"):
        plot.correlation_bars(t, target="cube")


def test_principal_components():
    r = np.random.default_rng(1)
    x = r.normal(size=(500, 6))
    x[:, 0] = x[:, 1] + 0.3 * r.normal(size=500)
    p = aml.explain.pca(x, names=list("abcdef"))
    variances, entries = plot.principal_components(p)
    assert p.significant == 1 and named(entries) == list("abcdef")
    np.testing.assert_allclose(variances.collections[0].get_offsets()[:, 1], p.ratio)
    assert variances.lines[0].get_ydata()[0] == pytest.approx(p.edge / p.variances.sum())
    np.testing.assert_allclose(entries.images[0].get_array(), p.components[:1].T)
    assert variances.get_title(loc="left").startswith("1 of 6 above the noise")
    assert plot.principal_components(aml.explain.pca(x[:, 1:3]), axes=pyplot.subplots(1, 2)[1])[1].images[0].get_array().shape == (2, 1)
    with pytest.raises(aml.ShapeError, match="1 axes, want 2"):
        plot.principal_components(p, axes=[variances])
    with pytest.raises(ValueError, match="0 components"):
        plot.principal_components(p, most=0)


def test_draws_on_the_axes_that_it_is_given():
    _, axes = pyplot.subplots(2, 2)
    prob, labels = unsure(100)
    assert plot.confusion_matrix(TRUE, PREDICTED, CLASSES, ax=axes[0, 0]) is axes[0, 0]
    assert plot.spectrum(WAVE, np.ones(501), prob=[1, 0, 0], classes=CLASSES, ax=axes[0, 1]) is axes[0, 1]
    assert plot.reliability(prob, labels, bins=5, ax=axes[1, 0]) is axes[1, 0]
    assert plot.embedding(np.random.default_rng(1).normal(size=(9, 3)), [0] * 9, ax=axes[1, 1]) is axes[1, 1]
    assert len(pyplot.get_fignums()) == 1
    _, axes = pyplot.subplots(2, 2)
    a = attribution()
    assert plot.shap_swarm(a, ax=axes[0, 0]) is axes[0, 0]
    assert plot.shap_bars(a, ax=axes[0, 1]) is axes[0, 1]
    assert plot.retraining(aml.explain.retrain(worth, list("abc"), progress=False), ax=axes[1, 0]) is axes[1, 0]
    assert plot.correlation_bars(aml.explain.correlations(a.x, a.x[:, 0]), ax=axes[1, 1]) is axes[1, 1]
    assert len(pyplot.get_fignums()) == 2


def test_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="goastroml.plot needs matplotlib: pip install matplotlib"):
        plot.spectrum(WAVE, np.ones(501))

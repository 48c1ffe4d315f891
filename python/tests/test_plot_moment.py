"""Figures of posterior moments: they hold the right numbers, and bad shapes are errors."""

import numpy as np
import pytest

import goastroml as aml

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from goastroml import plot  # noqa: E402


@pytest.fixture(autouse=True)
def figures():
    before = dict(matplotlib.rcParams)
    yield
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()  # what is wrong often shows only here
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == before, "nothing global is changed"


def answers(n=100, p=3):
    r = np.random.default_rng(1)
    truth = r.uniform(size=(n, p))
    return truth, truth + 0.1 * r.normal(size=(n, p)), np.full((n, p), 0.1)


@pytest.mark.parametrize("p", [1, 3, 5, 6, 7])
def test_true_against_predicted(p):
    truth, mean, std = answers(p=p)
    axes = plot.true_against_predicted(truth, mean, std, [f"p{j}" for j in range(p)])
    assert axes.shape == (p,) and len(pyplot.get_fignums()) == 1
    for j, ax in enumerate(axes):
        np.testing.assert_allclose(ax.collections[-1].get_offsets(), np.stack([truth[:, j], mean[:, j]], 1), rtol=1e-6)
        assert (ax.get_xlabel(), ax.get_ylabel()) == (f"true p{j}", f"predicted p{j}")
        r2, chi2 = aml.stats.r2_score(truth[:, j], mean[:, j]), aml.stats.chi2(truth[:, j], mean[:, j], std[:, j])
        assert f"R² {r2:.2f}, RMSE" in ax.get_title(loc="left") and f"χ² {chi2:.2f}" in ax.get_title(loc="left")
        assert ax.get_xlim() == ax.get_ylim()
        np.testing.assert_allclose(*ax.lines[0].get_data())


def test_one_parameter_without_errors():
    truth, mean, std = (a[:, 0] for a in answers())
    mean[5] = np.nan
    ax = plot.true_against_predicted(truth, mean, names=r"$\Omega_m$")[0]
    assert len(ax.collections[-1].get_offsets()) == 99 and "χ²" not in ax.get_title(loc="left")
    assert ax.get_xlabel() == r"true $\Omega_m$"


def test_many_points_have_few_error_bars():
    truth, mean, std = answers(2000, 1)
    bars, points = plot.true_against_predicted(truth, mean, std)[0].collections
    assert len(bars.get_segments()) <= 150 and len(points.get_offsets()) == 2000


def test_points_of_many_colours():
    truth, mean, std = answers()
    axes = plot.true_against_predicted(truth, mean, std, labels=np.arange(100))
    np.testing.assert_array_equal(axes[0].collections[-1].get_array(), np.arange(100))


COV = np.array([[0.04, 0.01], [0.01, 0.09]])


def test_contours_hold_what_they_say():
    axes = plot.posterior_contours([1.0, 2.0], COV, ["a", "b"], truth=[1.1, 1.9])
    outer, inner = (line.get_xydata() for line in axes[1, 0].lines[:2])
    z = np.random.default_rng(1).multivariate_normal([1, 2], COV, 20_000) - [1, 2]
    for ring, level in ((outer, 0.95), (inner, 0.68)):
        d = ring - [1, 2]
        radius = np.einsum("ni,ij,nj->n", d, np.linalg.inv(COV), d)
        np.testing.assert_allclose(radius, radius[0], rtol=1e-6)
        inside = np.einsum("ni,ij,nj->n", z, np.linalg.inv(COV), z) < radius[0]
        assert inside.mean() == pytest.approx(level, abs=0.015)  # four times √(pq/20000)
    assert not axes[0, 1].get_visible()
    assert axes[0, 0].get_title(loc="left") == "a = 1.00 ± 0.20"
    assert (axes[1, 0].get_xlabel(), axes[1, 0].get_ylabel(), axes[1, 1].get_xlabel()) == ("a", "b", "b")
    assert axes[1, 0].get_xlim() == axes[0, 0].get_xlim() and axes[1, 0].get_ylim() == axes[1, 1].get_xlim()


def test_standard_deviations_are_independent():
    axes = plot.posterior_contours([1.0, 2.0], [0.2, 0.3])
    ring = axes[1, 0].lines[0].get_xydata() - [1, 2]
    np.testing.assert_allclose(np.abs(ring).max(0) / [0.2, 0.3], np.sqrt(-2 * np.log(0.05)), rtol=1e-3)


def test_posteriors_are_compared():
    axes = plot.posterior_contours([1.0, 2.0], COV, label="maps", truth=[0.0, 2.0])
    again = plot.posterior_contours([1.5, 2.0], COV / 4, label="cubes", color="#CC3311", axes=axes)
    assert again is axes or (again == axes).all()
    assert [t.get_text() for t in axes[0, 0].figure.legends[0].get_texts()] == ["maps", "cubes"]
    assert len(axes[0, 0].figure.legends) == 1
    lo, hi = axes[0, 0].get_xlim()
    assert lo < 0 and hi >= 1.0 + 3.3 * 0.2, "the truth and both posteriors are seen"


def test_saliency():
    r = np.random.default_rng(1)
    m, g = 10 ** r.normal(size=(16, 16)), r.normal(size=(16, 16))
    axes = plot.saliency(m, g, name="a", log=True)
    np.testing.assert_allclose(axes[0].images[0].get_array(), np.log10(m))
    np.testing.assert_allclose(axes[1].images[0].get_array(), g)
    lo, hi = axes[1].images[0].get_clim()
    assert lo == -hi, "no gradient is white"
    assert axes[1].get_title(loc="left") == "∂ a / ∂ pixel"
    plot.saliency(m, np.zeros((16, 16)))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda t, m, s: plot.true_against_predicted(t, m[:5]), aml.ShapeError, r"mean has shape \(5, 3\), want \(100, 3\)"),
        (lambda t, m, s: plot.true_against_predicted(t[None], m), aml.ShapeError, r"truth has shape \(1, 100, 3\)"),
        (lambda t, m, s: plot.true_against_predicted(t, m, s[:, :2]), aml.ShapeError, "std has shape"),
        (lambda t, m, s: plot.true_against_predicted(t, m, s, ["a"]), aml.ShapeError, "1 names, want 3"),
        (lambda t, m, s: plot.true_against_predicted(t, m * np.nan), aml.ShapeError, "0 objects with finite values"),
        (lambda t, m, s: plot.true_against_predicted(t, m, labels=[1]), aml.ShapeError, r"labels have shape \(1,\)"),
        (lambda t, m, s: plot.posterior_contours(m, s), aml.ShapeError, "of one object"),
        (lambda t, m, s: plot.posterior_contours(m[0], s[:2]), aml.ShapeError, r"covariance has shape \(2, 3\), want \(3, 3\)"),
        (lambda t, m, s: plot.posterior_contours([0, 0], [[1, 2], [2, 1]]), ValueError, "above the product"),
        (lambda t, m, s: plot.posterior_contours([0, 0], [1, 0]), ValueError, "variances positive"),
        (lambda t, m, s: plot.posterior_contours([0, np.nan], [1, 1]), ValueError, "finite"),
        (lambda t, m, s: plot.posterior_contours([0, 0], [1, 1], truth=[0]), aml.ShapeError, "truth has shape"),
        (lambda t, m, s: plot.saliency(np.ones(3), np.ones(3)), aml.ShapeError, r"map has shape \(3,\)"),
        (lambda t, m, s: plot.saliency(np.ones((3, 3)), np.ones((3, 2))), aml.ShapeError, "gradient has shape"),
        (lambda t, m, s: plot.saliency(-np.ones((3, 3)), np.ones((3, 3)), log=True), ValueError, "no positive value"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(*answers())
    assert pyplot.get_fignums() == [], "no empty figure is left behind"

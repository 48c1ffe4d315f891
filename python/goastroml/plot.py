"""Figures: what people look at rather than read.

Every function draws on the axes it is given, or on a new figure, and returns the
axes; nothing of matplotlib's global settings is changed. Colours are Paul Tol's
(https://personal.sron.nl/~pault/), which colour-blind readers can tell apart.

matplotlib is needed here and nowhere else in goastroml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from ._errors import ShapeError
from ._figure import _BLUE, _GREY, _INK, _PALE, _RED, _dress, _new, _title
from ._plot_explain import correlation_bars, principal_components, retraining, shap_bars, shap_swarm
from ._plot_moment import posterior_contours, saliency, true_against_predicted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = [
    "confusion_matrix",
    "correlation_bars",
    "embedding",
    "posterior_contours",
    "principal_components",
    "reliability",
    "retraining",
    "saliency",
    "shap_bars",
    "shap_swarm",
    "spectrum",
    "true_against_predicted",
]

# The scheme "muted". Classes beyond the ninth take the colours again, with
# another marker.
_CLASSES = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499")
_MARKERS = "o^sDvP*X"
# Names of more classes than these are not read any more.
_MOST_BARS = 14


def confusion_matrix(
    true: ArrayLike,
    predicted: ArrayLike,
    classes: Sequence[str],
    *,
    normalize: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many objects of each class were taken for each class.

    Rows are true classes, columns predicted ones. The colour is the fraction of the
    row in both forms, so that rare classes can be read beside common ones. Spectra
    without an answer have a column of their own, if there are any.

    Parameters
    ----------
    true : (n,) names or indices into ``classes``.
    predicted : (n,) names or indices; ``""``, ``None`` or -1 where there is no answer.
    classes : names of the classes, in the order to show.
    normalize : write fractions of the true class instead of counts.
    ax : axes to draw on; the default is a new figure.

    Raises
    ------
    ShapeError : ``true`` and ``predicted`` are not of the same length.
    ValueError : a label is none of the classes, or a true one is missing.
    """
    classes = list(classes)
    k = len(classes)
    t, p = _indices("true", true, classes), _indices("predicted", predicted, classes, missing=True)
    if len(t) != len(p):
        raise ShapeError(f"plot: {len(p)} predicted labels, want {len(t)}, one for each true label")
    if len(t) == 0:
        raise ShapeError("plot: no labels")
    columns = classes + ["no answer"] * bool((p < 0).any())
    counts = np.zeros((k, k + 1), int)
    np.add.at(counts, (t, p), 1)  # -1, no answer, is the last column
    counts = counts[:, : len(columns)]
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if ax is None:
        side = max(3.2, 0.46 * k + 1.6)
        ax = _new((side + 0.6, side))
    cmap = _shades()
    image = ax.imshow(fractions, cmap=cmap, vmin=0, vmax=1)
    for row in range(k):
        for column in range(len(columns)):
            f, n = fractions[row, column], counts[row, column]
            if n == 0:
                text, colour = "0", _GREY
            else:
                text, colour = f"{f:.2f}" if normalize else str(n), _readable(cmap(f))
            ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(k), classes)
    ax.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(k - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1)
    ax.tick_params(which="both", length=0, colors=_INK, labelsize=8)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted class", color=_INK, fontsize=9)
    ax.set_ylabel("true class", color=_INK, fontsize=9)
    what = "fractions of the true class" if normalize else "counts"
    _title(ax, f"{what}: {len(t):,} objects, {np.mean(t == p):.1%} right")
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("fraction of the true class", color=_INK, fontsize=8)
    bar.ax.tick_params(length=0, colors=_INK, labelsize=8)
    return ax


def spectrum(
    wave: ArrayLike,
    flux: ArrayLike,
    *,
    ivar: ArrayLike | None = None,
    prob: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    model: ArrayLike | None = None,
    flux_unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one spectrum, and beside it the probability of each class.

    Masked pixels (inverse variance 0, or a flux that is not finite) are shaded and
    their flux is left away. The flux axis spans all but the outermost 0.1 % of the
    pixels with data, less those whose error is more than five times the median one.

    Parameters
    ----------
    wave : (pixel,) wavelengths, Å.
    flux : (pixel,) flux, in ``flux_unit``.
    ivar : (pixel,) inverse variance; where given, the 1 σ error is drawn too.
    prob : (class,) probabilities, to draw as bars; at most the fourteen highest are shown.
    classes : names of the classes, wanted where ``prob`` is given.
    model : (pixel,) a fit to draw over the flux, in the same unit.
    flux_unit : what to write on the axis, e.g. ``"$10^{-17}$ erg/s/cm²/Å"``.
    ax : axes to draw on, which shrink to make room for the bars; the default is a new figure.

    Raises
    ------
    ShapeError : the arrays do not fit together.
    ValueError : the wavelengths do not rise, or one of ``prob`` and ``classes`` is missing.
    """
    wave, flux = _vector("wave", wave), _vector("flux", flux)
    if len(wave) < 2:
        raise ShapeError(f"plot: wave has {len(wave)} pixels, want 2 or more")
    if not (np.diff(wave) > 0).all():
        raise ValueError("plot: wave does not rise from each pixel to the next")
    _same_length("flux", flux, "wave", wave)
    good = np.isfinite(flux)
    if ivar is not None:
        ivar = _vector("ivar", ivar)
        _same_length("ivar", ivar, "wave", wave)
        good &= ivar > 0
    if model is not None:
        model = _vector("model", model)
        _same_length("model", model, "wave", wave)
    if (prob is None) != (classes is None):
        raise ValueError("plot: prob and classes go together, one is missing")
    if prob is not None:
        prob, classes = _vector("prob", prob), list(classes)
        _same_length("prob", prob, "classes", classes)
    if ax is None:
        ax = _new((8.4 if prob is not None else 6.6, 2.8))

    for lo, hi in _runs(~good, wave):
        ax.axvspan(lo, hi, color=_GREY, alpha=0.4, linewidth=0)
    ax.plot(wave, np.where(good, flux, np.nan), color=_INK, linewidth=0.6, label="flux")
    if ivar is not None:
        sigma = np.full(len(wave), np.nan)
        sigma[good] = ivar[good] ** -0.5
        ax.plot(wave, sigma, color=_BLUE, linewidth=0.6, alpha=0.7, label="1 σ error")
    if model is not None:
        ax.plot(wave, model, color=_RED, linewidth=1, label="model")
    if good.any():
        clear = good
        if ivar is not None:  # what is nearly all noise, at the ends of an arm, would set the scale
            clear = good & (ivar > np.median(ivar[good]) / 25)
        lo, hi = np.percentile(flux[clear], [0.05, 99.95])
        room = 0.08 * (hi - lo) or 1.0
        ax.set_ylim(min(lo - room, 0), hi + 2 * room)
    _dress(ax)
    ax.set_xlim(wave[0], wave[-1])
    ax.set_xlabel("wavelength [Å]", color=_INK)
    ax.set_ylabel(f"flux [{flux_unit}]" if flux_unit else "flux", color=_INK)
    if ivar is not None or model is not None:
        ax.legend(loc="upper right", ncols=3, frameon=False, fontsize=8, borderaxespad=0.2)
    if prob is not None:
        _bars(ax, prob, classes)
    return ax


def reliability(
    prob: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    bins: int = 15,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often a classifier was right beside how sure it was.

    Objects are sorted by the probability of their most probable class and cut into
    bins of equal counts (:func:`goastroml.stats.reliability`). What is shaded is the
    gap to a classifier that is right as often as it says; its mean is the expected
    calibration error (Naeini et al. 2015, AAAI, eq. 1) in the title. Error bars are
    the binomial √(a(1−a)/n) of a bin's accuracy a.

    Parameters
    ----------
    prob : (n, class) probabilities. Rows with NaN, of spectra without an answer, are left away.
    labels : (n,) true classes, as indices; as names where ``classes`` is given.
    classes : names of the classes, in the order of the columns of ``prob``.
    bins : number of bins.
    ax : axes to draw on; the default is a new figure.

    Raises
    ------
    ShapeError : the arrays do not fit together, or there are fewer objects than bins.
    ValueError : a label is none of the classes.
    """
    from . import stats

    prob = np.asarray(prob, np.float32)
    if prob.ndim != 2:
        raise ShapeError(f"plot: prob has shape {prob.shape}, want (n, class)")
    names = list(classes) if classes is not None else [str(c) for c in range(prob.shape[1])]
    if len(names) != prob.shape[1]:
        raise ShapeError(f"plot: {len(names)} classes, prob has {prob.shape[1]} columns")
    y = _indices("labels", labels, names)
    if len(y) != len(prob):
        raise ShapeError(f"plot: {len(y)} labels, want {len(prob)}, one for each row of prob")
    answered = np.isfinite(prob).all(axis=1)
    prob, y = prob[answered], y[answered]
    confidence, accuracy, count = stats.reliability(prob, y, bins=bins)
    ece = stats.expected_calibration_error(prob, y, bins=bins)

    if ax is None:
        ax = _new((4.0, 3.8))
    lo = max(0.0, min(confidence.min(), accuracy.min()) - 0.08)
    ax.plot([lo, 1], [lo, 1], color=_GREY, linewidth=1, linestyle="--", label="right as often as sure")
    ax.fill_between(confidence, confidence, accuracy, color=_RED, alpha=0.25, linewidth=0, label="gap")
    error = np.sqrt(accuracy * (1 - accuracy) / count)
    ax.errorbar(confidence, accuracy, error, color=_BLUE, marker="o", markersize=4, linewidth=1.2, elinewidth=0.8, label="bins")
    _dress(ax)
    ax.set(xlim=(lo, 1.01), ylim=(lo, 1.01), aspect="equal")
    ax.set_xlabel("probability of the most probable class", color=_INK)
    ax.set_ylabel("fraction that is right", color=_INK)
    ax.legend(loc="upper left", frameon=False, fontsize=8)
    _title(ax, f"ECE {ece:.3f}: {len(y):,} objects, {len(count)} bins")
    return ax


def embedding(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a network makes of its objects, on the two axes along which they differ most.

    The axes are the first two principal components, by singular value decomposition
    of the features less their mean; each points where its largest loading is
    positive.

    Parameters
    ----------
    features : (n, feature), as from ``Classifier.embed``; at least two features.
        Rows with NaN are left away.
    labels : (n,) names, or indices into ``classes``.
    classes : names of the classes, in the order of the legend; the default are the
        labels that there are, sorted.
    ax : axes to draw on; the default is a new figure.

    Raises
    ------
    ShapeError : the arrays do not fit together, or there are fewer than two objects or features.
    ValueError : a label is none of the classes.
    """
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ShapeError(f"plot: features have shape {x.shape}, want (n, 2 or more)")
    if classes is None:
        classes, y = np.unique(np.asarray(labels), return_inverse=True)
        classes = [str(c) for c in classes]
    else:
        classes = list(classes)
        y = _indices("labels", labels, classes)
    if y.ndim != 1 or len(y) != len(x):
        raise ShapeError(f"plot: labels have shape {y.shape}, want ({len(x)},), one for each row of features")
    known = np.isfinite(x).all(axis=1)
    x, y = x[known], y[known]
    if len(x) < 2:
        raise ShapeError(f"plot: {len(x)} objects with finite features, want 2 or more")
    points, share = _principal(x)

    if ax is None:
        ax = _new((6.4, 4.2))
    for c, name in enumerate(classes):
        at = points[y == c]
        if len(at):
            lap = c // len(_CLASSES) % len(_MARKERS)
            ax.scatter(*at.T, s=10, color=_CLASSES[c % len(_CLASSES)], marker=_MARKERS[lap], alpha=0.7, linewidths=0, label=name)
    _dress(ax)
    ax.set_xlabel(f"component 1 ({share[0]:.0%} of the variance)", color=_INK)
    ax.set_ylabel(f"component 2 ({share[1]:.0%} of the variance)", color=_INK)
    legend = ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, markerscale=1.8, handletextpad=0.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return ax


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two principal components (n, 2), and their shares of the variance."""
    centred = x - x.mean(axis=0)
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    axes = v[:2] * np.sign(v[range(2), np.abs(v[:2]).argmax(axis=1)])[:, None]
    return centred @ axes.T, s[:2] ** 2 / max((s**2).sum(), np.finfo(float).tiny)


def _bars(ax: Axes, prob: np.ndarray, classes: list[str]) -> None:
    """Draw probabilities as bars to the right of ax, with the names on them."""
    from mpl_toolkits.axes_grid1 import make_axes_locatable

    shown = np.arange(len(prob))
    if len(prob) > _MOST_BARS:
        shown = np.sort(np.argsort(-prob, kind="stable")[:_MOST_BARS])
    bars = make_axes_locatable(ax).append_axes("right", size="36%", pad=0.15)
    p = prob[shown]
    best = np.argmax(np.nan_to_num(p)) if np.isfinite(p).any() else -1
    rows = np.arange(len(p))
    bars.barh(rows, np.nan_to_num(p), height=0.82, color=[_BLUE if i == best else _PALE for i in rows], alpha=0.75)
    for i, c in enumerate(shown):
        weight = "bold" if i == best else "normal"
        bars.text(0.02, i, classes[c], va="center", fontsize=7, color=_INK, weight=weight)
        bars.text(0.99, i, f"{p[i]:.2f}" if np.isfinite(p[i]) else "–", va="center", ha="right", fontsize=7, color=_INK, weight=weight)
    bars.set(xlim=(0, 1.04), ylim=(len(p) - 0.4, -0.6), yticks=[])
    bars.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    _dress(bars)
    bars.spines["left"].set_visible(False)
    bars.set_xlabel("probability", color=_INK)


def _runs(masked: np.ndarray, wave: np.ndarray) -> list[tuple[float, float]]:
    """Return the wavelengths at which stretches of masked pixels begin and end: halfway to their neighbours."""
    middle = (wave[1:] + wave[:-1]) / 2
    edges = np.concatenate([wave[:1], middle, wave[-1:]])
    steps = np.diff(np.concatenate([[0], masked.astype(int), [0]]))
    return list(zip(edges[np.flatnonzero(steps == 1)], edges[np.flatnonzero(steps == -1)]))


def _indices(name: str, labels: ArrayLike, classes: list[str], *, missing: bool = False) -> np.ndarray:
    """Return labels, names or indices, as indices into classes; -1 where one is missing and may be."""
    a = np.asarray(labels)
    if a.ndim != 1:
        raise ShapeError(f"plot: {name} has shape {a.shape}, want (n,)")
    if a.dtype.kind in "iu":
        index = a.astype(int)
    elif a.dtype.kind in "US" or a.dtype == object:
        where: dict[Any, int] = {c: i for i, c in enumerate(classes)}
        where.update({None: -1, "": -1} if missing else {})
        names = [v.decode() if isinstance(v, bytes) else v for v in a.tolist()]
        for i, v in enumerate(names):
            if v not in where:
                raise ValueError(f"plot: {name}[{i}] is {v!r}, want one of {', '.join(classes)}")
        index = np.array([where[v] for v in names], int)
    else:
        raise ValueError(f"plot: {name} is of type {a.dtype}, want names or integers")
    wrong = np.flatnonzero((index < (-1 if missing else 0)) | (index >= len(classes)))
    if len(wrong):
        raise ValueError(f"plot: {name}[{wrong[0]}] is {index[wrong[0]]}, want 0 to {len(classes) - 1}")
    return index


def _vector(name: str, values: ArrayLike) -> np.ndarray:
    a = np.asarray(values, np.float64)
    if a.ndim != 1:
        raise ShapeError(f"plot: {name} has shape {a.shape}, want one axis")
    return a


def _same_length(name: str, a: Sequence, other: str, b: Sequence) -> None:
    if len(a) != len(b):
        raise ShapeError(f"plot: {name} has {len(a)} values, {other} has {len(b)}")


def _shades():
    """Return a colour map from white to dark blue, in even steps of lightness."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("goastroml", ["#FFFFFF", "#D3DFF0", "#8FB0D6", "#4477AA", "#1B3A66"])


def _readable(background: tuple[float, ...]) -> str:
    """Return the colour of text on a background: white where that is dark (ITU-R BT.601 luma)."""
    return "white" if np.dot(background[:3], (0.299, 0.587, 0.114)) < 0.6 else _INK

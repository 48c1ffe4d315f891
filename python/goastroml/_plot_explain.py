"""Figures of what an answer came from. Part of ``plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from ._errors import ShapeError
from ._figure import _BLUE, _GREY, _INK, _PALE, _RED, _diverging, _dress, _new, _panels, _title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .explain import PCA, Attribution
    from .explain._shapley import Output

_SKY = "#88CCEE"
_SAND = "#DDAA33"
# Inches of one feature's row, and of the axis below and the title above.
_ROW, _FRAME = 0.28, 0.9


def shap_swarm(
    attribution: Attribution, output: Output = 0, *, most: int = 15, unit: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the values of each feature as a swarm of dots, one a row of the table.

    Features are sorted by importance, the mean absolute value. A dot's colour is the
    value of the feature in its row, from the 5th to the 95th percentile; a group's is
    that of its column listed first. Dots are spread by how many others there are
    beside them.

    Parameters
    ----------
    attribution : of :func:`goastroml.explain.shapley` or ``expected_gradients``.
    output : the output to show, by number or name.
    most : features to show, at most.
    unit : of the output, to write on the axis.
    ax : axes to draw on; the default is a new figure.
    """
    a = attribution.output(output)
    order = _important(a, most)
    if ax is None:
        ax = _new((6.4, _ROW * 1.25 * len(order) + _FRAME))
    lo, hi = a.values[:, order].min(), a.values[:, order].max()
    reach = hi - lo or 1.0
    crowd = [_crowd(a.values[:, j], reach / 90) for j in order]
    crowd = [c - c.min() for c in crowd]
    dense = max(c.max() for c in crowd)
    size = float(np.clip(4000 / len(a.x), 4, 22))
    ax.axvline(0, color=_GREY, linewidth=1, zorder=0)
    for row, (j, c) in enumerate(zip(order, crowd)):
        ax.axhline(row, color=_GREY, linewidth=0.4, linestyle=(0, (1, 3)), zorder=0)
        spread = 0.42 * np.sqrt(c / max(dense, 3))
        y = row + spread * _even(a.values[:, j])
        shuffled = np.random.default_rng(0).permutation(len(y))  # no end of the colours on top
        points = ax.scatter(
            a.values[shuffled, j], y[shuffled], c=_scaled(a.x[shuffled, j]),
            cmap=_cold_to_warm(), vmin=0, vmax=1, s=size, linewidths=0, alpha=0.85,
        )  # fmt: skip
    _name_rows(ax, [a.names[j] for j in order])
    ax.set_xlabel(_labelled("attribution to " + a.outputs[0], unit), color=_INK)
    bar = ax.figure.colorbar(points, ax=ax, fraction=0.025, pad=0.02, aspect=40)
    bar.solids.set_alpha(1)
    bar.outline.set_visible(False)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.set_label("value of the feature", color=_INK, fontsize=8, labelpad=-8)
    bar.ax.tick_params(length=0, colors=_INK, labelsize=8)
    _title(ax, f"{len(a.x):,} rows{_shown(a, order)}")
    return ax


def shap_bars(
    attribution: Attribution, output: Output = 0, *, most: int = 15, unit: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the importance of each feature, the mean absolute value over the rows, with its standard error.

    The parameters are those of :func:`shap_swarm`.
    """
    a = attribution.output(output)
    order = _important(a, most)
    mean, err = (v[order] for v in a._importance(0))
    if ax is None:
        ax = _new((5.4, _ROW * len(order) + _FRAME))
    rows = np.arange(len(order))
    ax.barh(rows, mean, height=0.72, color=_BLUE, alpha=0.85, linewidth=0)
    ax.errorbar(mean, rows, xerr=err, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=2, capthick=0.9)
    room = 0.015 * (mean + err).max()
    for row, m, e in zip(rows, mean, err):
        text = _with_error(m, e) if m > 1e-9 * mean.max() else "0"  # rounding
        ax.text(m + e + room, row, text, va="center", fontsize=7, color=_INK)
    _name_rows(ax, [a.names[j] for j in order])
    ax.set_xlim(0, 1.2 * (mean + err).max() or 1)
    ax.set_xlabel(_labelled("mean absolute attribution to " + a.outputs[0], unit), color=_INK)
    _title(ax, f"{len(a.x):,} rows{_shown(a, order)}")
    return ax


def retraining(table: Any, *, score: str = "score", ax: Axes | None = None) -> Axes:
    """Draw the scores of models that were fitted anew with some of the features.

    Of the methods "drop" and "keep" there is a row for each feature, sorted, beside
    the score of all features, a dashed line. Of "forward" and "backward"
    there is a line over the steps. Error bars are standard errors of the change.

    Parameters
    ----------
    table : of :func:`goastroml.explain.retrain`.
    score : what the score is, to write on the axis.
    ax : axes to draw on; the default is a new figure.
    """
    names = [str(name) for name in table["feature"][1:]]
    value, err = (np.asarray(table[c], float) for c in ("score", "change_err"))
    method, everything, err = str(table["method"][-1]), value[0], np.nan_to_num(err)
    if len(names) == 0:
        raise ShapeError("plot: a table of the model of all features alone, want some of fewer")
    if method in ("forward", "backward"):
        return _steps(method, names, value, err, np.asarray(table["features"]), score, ax)
    order = np.argsort(value[1:] if method == "drop" else -value[1:], kind="stable")
    names, value, err = [names[i] for i in order], value[1:][order], err[1:][order]
    if ax is None:
        ax = _new((5.4, _ROW * len(names) + _FRAME))
    rows = np.arange(len(names))
    ax.axvline(everything, color=_INK, linewidth=1, linestyle="--", zorder=1)
    colours = [_RED if method == "drop" and v < everything else _BLUE for v in value]
    if method == "drop":
        ax.hlines(rows, everything, value, colors=colours, linewidth=2.2, alpha=0.45, zorder=2)
    else:
        ax.hlines(rows, min(0, *value), value, colors=_PALE, linewidth=2.2, zorder=2)
    ax.errorbar(value, rows, xerr=err, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=2, capthick=0.9, zorder=3)
    ax.scatter(value, rows, s=30, c=colours, linewidths=0, zorder=4)
    _name_rows(ax, names)
    ax.margins(x=0.08)
    ax.set_xlabel(score, color=_INK)
    what = "without each feature" if method == "drop" else "of each feature alone"
    _title(ax, f"{what}; dashed: {everything:.3g} of all features")
    return ax


def _steps(
    method: str, names: list[str], value: np.ndarray, err: np.ndarray, count: np.ndarray, score: str, ax: Axes | None
) -> Axes:
    if ax is None:
        ax = _new((max(3.6, 0.42 * len(names) + 1.4), 3.4))
    first = 1 if method == "forward" else 0  # "backward" sets out from all features
    at = np.arange(first, len(value))
    ax.axhline(value[0], color=_INK, linewidth=1, linestyle="--", zorder=1)
    ax.fill_between(at, (value - err)[first:], (value + err)[first:], color=_PALE, alpha=0.6, linewidth=0)
    ax.plot(at, value[first:], color=_BLUE, linewidth=1.4, marker="o", markersize=5)
    sign = "+" if method == "forward" else "−"
    labels = [f"{sign} {name}" for name in names]
    ax.set_xticks(at, ["all"] * (1 - first) + labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.margins(x=0.04, y=0.1)
    _dress(ax)
    ax.set_ylabel(score, color=_INK)
    what = "adding the best feature" if method == "forward" else "dropping the least missed feature"
    _title(ax, f"{what}: {count[first]} to {count[-1]}; dashed: all {count[0]}")
    return ax


def correlation_bars(table: Any, *, target: str | None = None, most: int = 15, ax: Axes | None = None) -> Axes:
    """Draw how strongly each feature goes with one target, with standard errors.

    The mutual information I is drawn as the correlation √(1 - exp(-2I)) of Gaussians
    that have as much (Linfoot 1957), so that it can be read beside the others: where
    it is larger, what goes on is not monotone. Features are sorted by the largest of
    the measures.

    Parameters
    ----------
    table : of :func:`goastroml.explain.correlations`.
    target : name of the target; the default is the first.
    most : features to show, at most.
    ax : axes to draw on; the default is a new figure.

    Raises
    ------
    ValueError : there is no such target.
    """
    targets = [str(t) for t in table["target"]]
    target = targets[0] if target is None else target
    at = np.array([t == target for t in targets])
    if not at.any():
        raise ValueError(f"plot: target {target!r}, want one of {', '.join(dict.fromkeys(targets))}")
    names = np.array([str(f) for f in table["feature"]])[at]
    measures = []
    for column, label, colour in (
        ("pearson", "Pearson", _BLUE),
        ("spearman", "Spearman", _SKY),
        ("information", "mutual information", _SAND),
    ):
        if column not in table.dtype.names:
            continue
        value = np.asarray(table[column], float)[at]
        spread = np.zeros_like(value)
        if f"{column}_err" in table.dtype.names:
            spread = np.nan_to_num(np.asarray(table[f"{column}_err"], float)[at])
        ends = np.array([value - spread, value, value + spread])
        if column == "information":
            ends = np.sqrt(-np.expm1(-2 * np.maximum(ends, 0)))
        measures.append((label, colour, ends))
    strength = np.max([np.abs(ends[1]) for _, _, ends in measures], axis=0)
    order = np.argsort(-strength, kind="stable")[:most]
    if ax is None:
        ax = _new((5.8, 0.42 * len(order) + _FRAME))
    rows, height = np.arange(len(order)), 0.8 / len(measures)
    for k, (label, colour, (lo, value, hi)) in enumerate(measures):
        y = rows + (k - (len(measures) - 1) / 2) * height
        lo, value, hi = lo[order], value[order], hi[order]
        ax.barh(y, value, height=0.88 * height, color=colour, linewidth=0, label=label)
        ax.errorbar(value, y, xerr=np.array([value - lo, hi - value]), fmt="none", ecolor=_INK, elinewidth=0.7)
    ax.axvline(0, color=_GREY, linewidth=1)
    _name_rows(ax, names[order])
    ax.set_xlim(max(-1.02, min(ends[0][order].min() for _, _, ends in measures) - 0.05), 1.02)
    ax.set_xlabel(f"correlation with {target}", color=_INK)
    ax.legend(loc="lower right", frameon=False, fontsize=8, handlelength=1, borderaxespad=0.2)
    if len(names) > len(order):
        _title(ax, f"{len(order)} of {len(names)} features")
    return ax


def principal_components(pca: PCA, *, most: int = 6, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """Draw how the components' variances compare with noise, and what the first of them are made of.

    On the left each component's fraction of all variance, blue above the edge of noise, a dashed
    line, and grey below it. On the right what each feature has in the components above the edge, or
    in the first if there are none. Components without variance are not drawn.

    Parameters
    ----------
    pca : of :func:`goastroml.explain.pca`.
    most : components to show on the right, at most.
    axes : two axes to draw on; the default is a new figure.

    Returns
    -------
    The axes of the variances and of the components.
    """
    if most < 1:
        raise ValueError(f"plot: {most} components, want 1 or more")
    new = axes is None
    axes = _panels(2, axes, size=3.8)
    variances, entries = axes
    if new:
        variances.figure.set_figheight(max(4.0, _ROW * len(pca.names) + _FRAME))
    rank = np.arange(1, len(pca.ratio) + 1)
    edge = pca.edge * pca.ratio[0] / pca.variances[0]
    variances.axhline(edge, color=_INK, linewidth=1, linestyle="--", zorder=1)
    variances.scatter(rank, pca.ratio, s=26, c=np.where(rank <= pca.significant, _BLUE, _GREY), linewidths=0, zorder=2)
    variances.set_yscale("log")
    variances.set_ylim(bottom=max(0.5 * min(edge, *pca.ratio[pca.ratio > 1e-12]), 1e-12))
    variances.xaxis.get_major_locator().set_params(integer=True)
    _dress(variances)
    variances.set_xlabel("component", color=_INK)
    variances.set_ylabel("fraction of the variance", color=_INK)
    _title(variances, f"{pca.significant} of {len(rank)} above the noise (dashed): {pca.ratio[: pca.significant].sum():.0%} of the variance")
    shown = pca.components[: min(most, max(1, pca.significant))].T
    image = entries.imshow(shown, cmap=_diverging(), vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    _name_rows(entries, pca.names)
    entries.set_xticks(np.arange(shown.shape[1]), rank[: shown.shape[1]])
    entries.tick_params(axis="x", length=0)
    entries.spines["bottom"].set_visible(False)
    entries.set_xlabel("component", color=_INK)
    _title(entries, "what they are made of")
    bar = entries.figure.colorbar(image, ax=entries, fraction=0.046, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=_INK, labelsize=8, color=_GREY)
    return axes


def _important(a: Attribution, most: int) -> np.ndarray:
    """The features to show, the one that matters most first."""
    if most < 1:
        raise ValueError(f"plot: {most} features, want 1 or more")
    return np.argsort(-a._importance(0)[0], kind="stable")[:most]


def _shown(a: Attribution, order: np.ndarray) -> str:
    return f", {len(order)} of {len(a.names)} features" if len(order) < len(a.names) else ""


def _labelled(text: str, unit: str | None) -> str:
    return f"{text} [{unit}]" if unit else text


def _with_error(value: float, err: float) -> str:
    """A value and its error, to the error's first digit."""
    if not err > 0:
        return f"{value:.3g}"
    digits = int(np.clip(-np.floor(np.log10(err)), 0, 12))
    return f"{value:.{digits}f} ± {err:.{digits}f}"


def _name_rows(ax: Axes, names: Any) -> None:
    """Names rows 0, 1, … of horizontal bars, from the top."""
    _dress(ax)
    ax.set_yticks(np.arange(len(names)), list(names))
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _crowd(x: np.ndarray, width: float) -> np.ndarray:
    """How many values lie within a Gaussian of this width of each, itself included."""
    lo = x.min() - 4 * width
    edges = np.arange(lo, x.max() + 5 * width, width / 4)
    counts = np.histogram(x, edges)[0]
    kernel = np.exp(-0.5 * (np.arange(-16, 17) / 4) ** 2)
    return np.interp(x, (edges[1:] + edges[:-1]) / 2, np.convolve(counts, kernel, "same"))


def _even(x: np.ndarray) -> np.ndarray:
    """Numbers from -1 to 1 that fill the interval evenly in every stretch of x, van der Corput's (1935)."""
    rank = np.empty(len(x), np.int64)
    rank[np.argsort(x, kind="stable")] = np.arange(1, len(x) + 1)
    out, weight = np.zeros(len(x)), 0.5
    while rank.any():
        out += weight * (rank & 1)
        rank >>= 1
        weight /= 2
    return 2 * out - 1


def _scaled(x: np.ndarray) -> np.ndarray:
    """x from 0 to 1 between its 5th and 95th percentile."""
    lo, hi = np.percentile(x, [5, 95])
    if lo == hi:  # few differ
        lo, hi = x.min(), x.max()
    return np.clip((x - lo) / (hi - lo or 1), 0, 1)


def _cold_to_warm() -> Any:
    """A colour map that no end of is lost on white, and that colour-blind readers can follow."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("goastroml_warm", ["#2C6DB2", "#7F7FC4", "#C77BA8", "#E87B5A", "#E8871E"])

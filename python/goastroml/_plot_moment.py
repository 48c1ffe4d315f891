"""Figures of posterior moments. Part of ``plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from ._errors import ShapeError
from ._figure import _BLUE, _GREY, _INK, _RED, _diverging, _dress, _new, _panels, _title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

# Of a normal distribution of two variables, the square of the ellipse's radius
# in standard deviations: -2 ln(1 - P).
_LEVELS = {0.68: -2 * np.log(0.32), 0.95: -2 * np.log(0.05)}
# Of more points than these only every so many have an error bar.
_MOST_BARS = 150


def true_against_predicted(
    truth: ArrayLike,
    mean: ArrayLike,
    std: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    *,
    labels: ArrayLike | None = None,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw predicted parameters beside the true ones, a panel for each parameter.

    Points on the line are right. Each panel names R², the root mean squared error and,
    with ``std``, χ², the mean of ((truth - mean) / std)²: about 1 if the error bars
    are right. Of more than a hundred or two objects every so many have error bars.

    Parameters
    ----------
    truth : (n, parameter) or (n,) true values.
    mean : posterior means, alike.
    std : posterior standard deviations, alike. Rows with NaN are left away.
    names : of the parameters; what matplotlib reads as formulas, ``"$\\\\Omega_m$"``, too.
    labels : (n,) colours the points by these numbers, such as a mass.
    axes : axes to draw on, one a parameter; the default is a new figure.

    Returns
    -------
    The axes, (parameter,).

    Raises
    ------
    ShapeError : the arrays do not fit together.
    """
    from . import stats

    truth = _columns("truth", truth)
    mean = _columns("mean", mean, truth.shape)
    std = None if std is None else _columns("std", std, truth.shape)
    p = truth.shape[1]
    names = _names(names, p)
    known = np.isfinite(truth).all(1) & np.isfinite(mean).all(1)
    if std is not None:
        known &= np.isfinite(std).all(1)
    if known.sum() < 2:
        raise ShapeError(f"plot: {known.sum()} objects with finite values, want 2 or more")
    colours = None
    if labels is not None:
        colours = np.asarray(labels, np.float64)
        if colours.shape != (len(truth),):
            raise ShapeError(f"plot: labels have shape {colours.shape}, want ({len(truth)},)")
        colours = colours[known]
    truth, mean, std = truth[known], mean[known], None if std is None else std[known]
    r2, rmse = np.atleast_1d(stats.r2_score(truth, mean)), np.atleast_1d(stats.rmse(truth, mean))
    chi2 = None if std is None else np.atleast_1d(stats.chi2(truth, mean, std))
    axes = _panels(p, axes)

    size = 14 if len(truth) <= 2 * _MOST_BARS else 5
    for j, (ax, name) in enumerate(zip(axes, names)):
        t, m = truth[:, j], mean[:, j]
        lo, hi = min(t.min(), m.min()), max(t.max(), m.max())
        room = 0.06 * (hi - lo) or 1.0
        lo, hi = lo - room, hi + room
        ax.plot([lo, hi], [lo, hi], color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        if std is not None:
            some = slice(None, None, -(-len(t) // _MOST_BARS))
            ax.errorbar(t[some], m[some], std[some, j], fmt="none", ecolor=_BLUE, elinewidth=0.7, alpha=0.35, zorder=2)
        look: dict[str, Any] = {"color": _BLUE} if colours is None else {"c": colours, "cmap": "viridis"}
        points = ax.scatter(t, m, s=size, linewidths=0, alpha=0.75, zorder=3, **look)
        _dress(ax)
        ax.set(xlim=(lo, hi), ylim=(lo, hi), aspect="equal")
        ax.set_xlabel(f"true {name}", color=_INK)
        ax.set_ylabel(f"predicted {name}", color=_INK)
        ax.locator_params(nbins=5)
        _title(ax, f"R² {_short(r2[j])}, RMSE {rmse[j]:.3g}" + (f", χ² {chi2[j]:.2f}" if chi2 is not None else ""))
    if colours is not None:
        bar = ax.figure.colorbar(points, ax=list(axes), fraction=0.03, pad=0.02)
        bar.outline.set_visible(False)
        bar.solids.set_alpha(1)
        bar.ax.tick_params(colors=_INK, labelsize=8, color=_GREY)
    return axes


def posterior_contours(
    mean: ArrayLike,
    covariance: ArrayLike,
    names: Sequence[str] | None = None,
    truth: ArrayLike | None = None,
    *,
    label: str | None = None,
    color: str | None = None,
    axes: np.ndarray | None = None,
) -> np.ndarray:
    """Draw a normal posterior in a corner layout: ellipses that hold 68 and 95 % of it, and its margins.

    To compare posteriors, give the axes to the next call, with another colour.

    Parameters
    ----------
    mean : (parameter,) means of one object.
    covariance : (parameter, parameter) covariances, or (parameter,) standard deviations, of
        parameters that are then drawn as independent.
    names : of the parameters.
    truth : (parameter,) true values, drawn as lines.
    label : what the legend says of this posterior.
    color : of ellipses and curves.
    axes : (parameter, parameter) axes of an earlier call; the default is a new figure.

    Returns
    -------
    The axes, (parameter, parameter); those above the diagonal are not visible.

    Raises
    ------
    ShapeError : the arrays do not fit together.
    ValueError : the covariance is none.
    """
    mean = np.asarray(mean, np.float64)
    if mean.ndim != 1 or len(mean) == 0:
        raise ShapeError(f"plot: mean has shape {mean.shape}, want (parameter,), of one object")
    p = len(mean)
    cov = np.asarray(covariance, np.float64)
    if cov.shape == (p,):
        cov = np.diag(cov**2)
    if cov.shape != (p, p):
        raise ShapeError(f"plot: covariance has shape {cov.shape}, want ({p}, {p}), or ({p},) of standard deviations")
    if not (np.isfinite(cov).all() and np.isfinite(mean).all() and (cov.diagonal() > 0).all()):
        raise ValueError("plot: mean and covariance must be finite, and variances positive")
    names = _names(names, p)
    if truth is not None:
        truth = np.asarray(truth, np.float64)
        if truth.shape != (p,):
            raise ShapeError(f"plot: truth has shape {truth.shape}, want ({p},)")
    if axes is not None and np.shape(axes) != (p, p):
        raise ShapeError(f"plot: axes have shape {np.shape(axes)}, want ({p}, {p})")
    pairs = [(i, j) for i in range(p) for j in range(i)]
    for i, j in pairs:
        if cov[i, j] ** 2 > cov[i, i] * cov[j, j] * (1 + 1e-6):
            raise ValueError(f"plot: the covariance of parameters {j} and {i} is above the product of their standard deviations")

    first = axes is None
    axes = _corner(p, names) if first else np.asarray(axes)
    color = color or _BLUE
    sigma = np.sqrt(cov.diagonal())
    for i in range(p):
        ax = axes[i, i]
        at = np.linspace(mean[i] - 4 * sigma[i], mean[i] + 4 * sigma[i], 400)
        curve = np.exp(-0.5 * ((at - mean[i]) / sigma[i]) ** 2)
        ax.plot(at, curve, color=color, linewidth=1.2, label=label)
        inner = np.abs(at - mean[i]) < 0.9945 * sigma[i]  # 68 % of one variable
        ax.fill_between(at, curve, where=inner, color=color, alpha=0.25, linewidth=0)
        _frame(axes, i, mean[i] - 3.3 * sigma[i], mean[i] + 3.3 * sigma[i], None if truth is None else truth[i], first)
        if first and label is None:
            _title(ax, f"{names[i]} = {_with_error(mean[i], sigma[i])}")
    for i, j in pairs:
        _ellipses(axes[i, j], mean[[j, i]], cov[np.ix_([j, i], [j, i])], color)
    if truth is not None:
        for i in range(p):
            for ax in axes[i:, i]:
                ax.axvline(truth[i], color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=4)
            for ax in axes[i, :i]:
                ax.axhline(truth[i], color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=4)
    if label is not None:
        figure = axes[0, 0].figure
        for old in list(figure.legends):
            old.remove()
        handles, labels = axes[0, 0].get_legend_handles_labels()
        corner = axes[0, -1].get_subplotspec().get_position(figure) if p > 1 else None
        where = {"loc": "upper right", "bbox_to_anchor": (corner.x1, corner.y1)} if corner else {"loc": "upper right"}
        figure.legend(handles, labels, frameon=False, fontsize=9, labelcolor=_INK, **where)
    return axes


def saliency(
    map: ArrayLike,
    gradient: ArrayLike,
    *,
    name: str | None = None,
    log: bool = False,
    percentile: float = 99.5,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw a map and, beside it, how a parameter's mean answers to each of its pixels.

    Where the gradient is red, a larger value in the pixel makes the parameter larger;
    where it is blue, smaller.

    Parameters
    ----------
    map : (y, x), one field; a slice of a cube.
    gradient : (y, x), as from ``Network.gradient``, in any unit.
    name : of the parameter.
    log : show the map's decimal logarithm.
    percentile : of the absolute gradients, at which the colours end.
    axes : two axes to draw on; the default is a new figure.

    Returns
    -------
    The axes of the map and of the gradient.

    Raises
    ------
    ShapeError : the arrays are no maps of the same shape.
    ValueError : there is nothing positive to take the logarithm of.
    """
    m, g = np.asarray(map, np.float64), np.asarray(gradient, np.float64)
    if m.ndim != 2 or m.size == 0:
        raise ShapeError(f"plot: map has shape {m.shape}, want (y, x)")
    if g.shape != m.shape:
        raise ShapeError(f"plot: gradient has shape {g.shape}, want {m.shape} as map")
    if log:
        if not (m > 0).any():
            raise ValueError("plot: the map has no positive value, and no logarithm")
        m = np.log10(np.maximum(m, m[m > 0].min()))
    if axes is not None and len(axes) != 2:
        raise ShapeError(f"plot: {len(axes)} axes, want 2")
    axes = _panels(2, axes, size=3.6)
    end = float(np.nanpercentile(np.abs(g), percentile)) or 1.0
    what = "mean" if name is None else name
    for ax, image, colours, limits, text in (
        (axes[0], m, "magma", np.nanpercentile(m, [0.5, 99.8]), "log$_{10}$ of the map" if log else "map"),
        (axes[1], g, _diverging(), (-end, end), f"∂ {what} / ∂ pixel"),
    ):
        shown = ax.imshow(image, origin="lower", cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        _title(ax, text)
        bar = ax.figure.colorbar(shown, ax=ax, fraction=0.046, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=_INK, labelsize=8, color=_GREY)
        bar.ax.yaxis.get_offset_text().set(size=8, color=_INK)
    return axes


def _columns(name: str, values: ArrayLike, shape: tuple | None = None) -> np.ndarray:
    a = np.asarray(values, np.float32)
    if a.ndim == 1:
        a = a[:, None]
    if a.ndim != 2 or shape is not None and a.shape != shape:
        wanted = "(n, parameter) or (n,)" if shape is None else f"{shape} as truth"
        raise ShapeError(f"plot: {name} has shape {np.shape(values)}, want {wanted}")
    return a


def _names(names: Sequence[str] | None, p: int) -> list[str]:
    if names is None:
        return [""] if p == 1 else [f"parameter {j}" for j in range(p)]
    names = [names] if isinstance(names, str) else [str(n) for n in names]
    if len(names) != p:
        raise ShapeError(f"plot: {len(names)} names, want {p}, one a parameter")
    return names


def _corner(p: int, names: list[str]) -> np.ndarray:
    """Return the axes of a new figure in a corner layout."""
    first = _new((1.75 * p + 0.7, 1.75 * p + 0.5))
    figure = first.figure
    first.remove()
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.02, hspace=0.02)
    axes = figure.subplots(p, p, squeeze=False)
    for i in range(p):
        for j in range(p):
            ax = axes[i, j]
            if j > i:
                ax.set_visible(False)
                continue
            _dress(ax)
            ax.tick_params(labelsize=7)
            ax.locator_params(nbins=4)
            if i == p - 1:
                ax.set_xlabel(names[j], color=_INK)
                ax.tick_params(axis="x", rotation=45)
            else:
                ax.tick_params(labelbottom=False)
            if i == j:
                ax.spines["left"].set_visible(False)
                ax.set_yticks([])
                ax.set_ylim(0, 1.12)
            elif j == 0:
                ax.set_ylabel(names[i], color=_INK)
            else:
                ax.tick_params(labelleft=False)
    figure.align_labels()
    return axes


def _frame(axes: np.ndarray, i: int, lo: float, hi: float, truth: float | None, first: bool) -> None:
    """Let the axes of parameter i show lo to hi, the truth, and what they showed before."""
    if truth is not None:
        margin = 0.06 * (hi - lo)
        lo, hi = min(lo, truth - margin), max(hi, truth + margin)
    if not first:
        before = axes[i, i].get_xlim()
        lo, hi = min(lo, before[0]), max(hi, before[1])
    for ax in axes[i:, i]:
        ax.set_xlim(lo, hi)
    for ax in axes[i, :i]:
        ax.set_ylim(lo, hi)


def _ellipses(ax: Axes, mean: np.ndarray, cov: np.ndarray, color: str) -> None:
    """Draw the ellipses of a normal distribution of two variables."""
    values, vectors = np.linalg.eigh(cov)
    t = np.linspace(0, 2 * np.pi, 200)
    circle = vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * np.stack([np.cos(t), np.sin(t)]))
    for level, alpha in ((0.95, 0.18), (0.68, 0.4)):
        x, y = mean[:, None] + np.sqrt(_LEVELS[level]) * circle
        ax.fill(x, y, facecolor=color, alpha=alpha, linewidth=0, zorder=2)
        ax.plot(x, y, color=color, linewidth=1.1, zorder=3)


def _short(v: float) -> str:
    return f"{v:.3f}" if v > 0.995 else f"{v:.2f}"


def _with_error(mean: float, sigma: float) -> str:
    """Return mean ± sigma, with two digits of sigma."""
    digits = max(0, 1 - int(np.floor(np.log10(sigma))))
    return f"{mean:.{digits}f} ± {sigma:.{digits}f}"

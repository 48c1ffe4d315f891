"""What all figures share: colours, and how axes look. Part of ``plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#222222"
_BLUE = "#4477AA"
_RED = "#CC3311"
_PALE = "#BBCCEE"
_GREY = "#BBBBBB"


def _new(size: tuple[float, float]) -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as e:
        raise ImportError("goastroml.plot needs matplotlib: pip install matplotlib") from e
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=9, color=_INK)


def _dress(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_GREY)
    ax.tick_params(colors=_INK, labelsize=8, color=_GREY)
    ax.xaxis.label.set_size(9)
    ax.yaxis.label.set_size(9)


def _panels(n: int, axes: Any, size: float = 2.7) -> np.ndarray:
    """Return n axes: those that are given, or those of a new figure."""
    if axes is not None:
        axes = np.atleast_1d(np.asarray(axes, object)).reshape(-1)
        if len(axes) != n:
            raise ShapeError(f"plot: {len(axes)} axes, want {n}")
        return axes
    columns = n if n < 5 else min((4, 3), key=lambda c: -n % c)  # as few empty places as can be
    rows = -(-n // columns)
    first = _new((size * columns + 0.3, size * rows + 0.2))
    figure = first.figure
    first.remove()
    grid = figure.add_gridspec(rows, columns)
    return np.array([figure.add_subplot(grid[i // columns, i % columns]) for i in range(n)], object)


def _diverging() -> Any:
    """Return a colour map from blue over white to red, in even steps of lightness."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("goastroml_diverging", ["#1B3A66", _BLUE, "#BBCCEE", "#FFFFFF", "#F6C4B4", _RED, "#661100"])

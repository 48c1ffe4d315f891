"""What all figures share: colours, and how axes look. Part of ``plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

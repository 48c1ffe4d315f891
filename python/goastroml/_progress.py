"""Progress bars."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Optional, Union

from ._native import Progress

Choice = Union[bool, None, Callable[[Progress], Any]]


class Reporter:
    """What ``progress=`` asks for: a bar by tqdm, where there is one, a function of the user's, or nothing."""

    def __init__(self, progress: Choice):
        self._bars = None
        self._bar: Any = None
        self._stage: Optional[str] = None
        self._function = progress if callable(progress) else None
        if progress is True:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # without ipywidgets the bar is of text
                    from tqdm.auto import tqdm
            except ImportError:
                return
            self._bars = tqdm

    def __enter__(self) -> Optional[Callable[[Progress], Any]]:
        return self._function or (self._show if self._bars else None)

    def __exit__(self, *exc: Any) -> None:
        if self._bar is not None:
            self._bar.close()

    def _show(self, p: Progress) -> None:
        if not p.stage:
            return
        if p.stage != self._stage:
            self.__exit__()
            self._stage = p.stage
            self._bar = self._bars(total=p.steps or None, desc=p.stage, unit="step", leave=True)
        known = {k: v for k, v in (("loss", p.loss), ("held out", p.valid)) if v is not None}
        self._bar.set_postfix({k: f"{v:.4f}" for k, v in known.items()}, refresh=False)
        self._bar.update(p.step - self._bar.n)

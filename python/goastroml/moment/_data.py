"""What a network learns from, on its way to Go."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .._arrays import _CHUNK, _dense, _numbers, _ready, _release, vector
from .._errors import ShapeError

#: What the axes of x may be.
SHAPES = "(n, feature), (n, channel, bin), (n, field, y, x) or (n, field, x, y, z)"


def columns_of(x: Any) -> Optional[List[str]]:
    """The names of the columns of a DataFrame, an astropy Table or a structured array; None for other arrays."""
    if hasattr(x, "colnames"):
        return [str(c) for c in x.colnames]
    if hasattr(x, "columns") and hasattr(x, "to_numpy"):
        return [str(c) for c in x.columns]
    names = getattr(getattr(x, "dtype", None), "names", None)
    return None if names is None else [str(c) for c in names]


def plain(name: str, x: Any) -> Any:
    """The numbers of a DataFrame, an astropy Table or a structured array as an (n, column) array."""
    names = columns_of(x)
    if names is None:
        return x
    keys = list(x.columns) if hasattr(x, "to_numpy") else names
    return np.stack([_dense(_numbers(f"{name}: column {c!r}", x[k], 1, "(n,)"), np.float32) for c, k in zip(names, keys)], 1)


class Rows:
    """Rows on their way to Go, at once or, of memory-mapped files, chunk by chunk.

    float32 in C order goes as it is.
    """

    def __init__(self, x: Any):
        self.columns = columns_of(x)
        x = plain("x", x)
        if not all(hasattr(x, a) for a in ("shape", "dtype", "__getitem__")):
            try:
                x = np.asarray(x)
            except ValueError as e:
                raise ShapeError(f"x: no rectangular array ({e}), want shape {SHAPES}") from None
        if not 2 <= len(x.shape) <= 5:
            raise ShapeError(f"x: shape {tuple(x.shape)}, want {SHAPES}; a single row as x[None]")
        self.x = _numbers("x", x, len(x.shape), SHAPES)
        self.shape = tuple(int(s) for s in x.shape)
        self.n = self.shape[0]

    def shape_json(self, n: Optional[int] = None) -> str:
        return json.dumps([self.n if n is None else n, *self.shape[1:]])

    def whole(self) -> np.ndarray:
        """All rows, dense float32."""
        return _dense(self.x, np.float32)

    def chunks(self) -> Iterator[Tuple[int, int, np.ndarray]]:
        """Runs of rows: first, last + 1, dense float32."""
        step = max(1, self.n)
        if not _ready(self.x):
            # 512 rows are a batch of Go's.
            step = max(512, _CHUNK // max(1, 4 * int(np.prod(self.shape[1:], dtype=np.int64))))
        for lo in range(0, max(1, self.n), step):
            hi = min(lo + step, self.n)
            yield lo, hi, _dense(self.x[lo:hi], np.float32)
            _release(self.x, lo, hi)


class Training(NamedTuple):
    """A training set as Go takes it."""

    rows: Rows
    x: np.ndarray
    theta: np.ndarray  #: (n, p)
    single: bool  #: whether theta was given as (n,)
    names: Optional[List[str]]
    groups: Optional[np.ndarray]
    folds: Optional[np.ndarray]
    weights: Optional[np.ndarray]


def training(x: Any, theta: Any, groups: Any, folds: Any, weights: Any, names: Optional[Sequence[str]]) -> Training:
    """Checks what fit and search are given."""
    rows = Rows(x)
    if names is None:
        names = columns_of(theta)
        if names is None and np.ndim(theta) == 1 and isinstance(getattr(theta, "name", None), str):  # a column
            names = [theta.name]
    t, single = targets(theta, rows.n)
    if names is not None:
        names = [names] if isinstance(names, str) else [str(v) for v in names]
        if len(names) != t.shape[1]:
            raise ShapeError(f"names: {len(names)}, want {t.shape[1]}, one a parameter")
    if groups is not None:
        groups = _labels("groups", groups, rows.n)
        groups = np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if folds is not None:
        folds = _labels("folds", folds, rows.n)
        if folds.dtype.kind not in "iu":
            raise TypeError(f"folds: dtype {folds.dtype}, want integers from 0")
        folds = folds.astype(np.int64)
    if weights is not None:
        weights = vector("weights", weights, np.float64, rows.n)
    return Training(rows, rows.whole(), t, single, names, groups, folds, weights)


def targets(theta: Any, n: int) -> Tuple[np.ndarray, bool]:
    """Parameters as dense (n, p) float32, and whether they came as (n,)."""
    theta = plain("theta", theta)
    single = np.ndim(theta) == 1
    wanted = f"({n}, parameter) or ({n},)"
    t = _dense(_numbers("theta", theta, 1 if single else 2, wanted), np.float32)
    if len(t) != n:
        raise ShapeError(f"theta: shape {t.shape}, want {wanted}, one row for each of x")
    return (t[:, None] if single else t), single


def _labels(name: str, values: Any, n: int) -> np.ndarray:
    v = np.asarray(values)
    if v.shape != (n,):
        raise ShapeError(f"{name}: shape {v.shape}, want ({n},), one a row of x")
    return v


def options_json(options: dict) -> str:
    """Options as JSON, in which None stands for the default."""
    return json.dumps({k: _value(k, v) for k, v in options.items() if v is not None})


def _value(name: str, v: Any) -> Any:
    """An option as JSON has it."""
    if name == "checkpoint":
        return os.fspath(v)
    if name == "augment" and isinstance(v, (bool, np.bool_)):
        return 1 if v else -1
    if name == "bounds":
        b = np.asarray(v, np.float64)
        if b.ndim != 2 or b.shape[1] != 2:
            raise ShapeError(f"bounds: shape {b.shape}, want (parameter, 2), the lowest and the highest values")
        return b.tolist()
    return v.item() if isinstance(v, np.generic) else v

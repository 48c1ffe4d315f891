"""Labels: from names or numbers to indices."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from .._errors import ShapeError


def _clean(labels: Any, n: int) -> np.ndarray:
    """Labels as a vector of n str or int64; what is missing is an error."""
    if isinstance(labels, np.ma.MaskedArray) and np.ma.getmaskarray(labels).any():
        raise ValueError(f"labels: label {int(np.argmax(np.ma.getmaskarray(labels)))} is masked")
    y = np.asarray(labels)
    if y.shape != (n,):
        raise ShapeError(f"labels: shape {y.shape}, want ({n},), one a spectrum")
    if y.dtype.kind in "iu":
        return y.astype(np.int64)
    if y.dtype.kind == "U":
        return y
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8")
    for i, v in enumerate(y.tolist()):
        if v is None or v != v:
            raise ValueError(f"labels: label {i} is {v}, want a class")
    if y.dtype.kind == "f":
        if np.array_equal(y, np.floor(y)) and np.isfinite(y).all():
            return y.astype(np.int64)
        raise ValueError("labels: numbers with fractions, want class names or integers")
    if all(isinstance(v, str) for v in y):
        return y.astype(str)
    if all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in y):
        return y.astype(np.int64)
    raise TypeError(f"labels: dtype {y.dtype}, want class names or integers")


def encode(labels: Any, classes: Optional[Sequence[str]], n: int) -> Tuple[np.ndarray, List[str]]:
    """Indices of the labels and the names of the classes, by default those in labels, sorted."""
    y = _clean(labels, n)
    if classes is None:
        found, index = np.unique(y, return_inverse=True)
        return index.reshape(-1).astype(np.int64), [str(c) for c in found.tolist()]
    return class_indices(y, [str(c) for c in classes], n), [str(c) for c in classes]


def class_indices(labels: Any, classes: List[str], n: int) -> np.ndarray:
    """Indices of the labels in a list of classes."""
    y = _clean(labels, n)
    if not classes:
        raise ValueError("classes: an empty list, want the names of the classes")
    if y.dtype.kind != "U":
        bad = np.flatnonzero((y < 0) | (y >= len(classes)))
        if len(bad):
            raise ValueError(f"labels: label {bad[0]} is {y[bad[0]]}, want 0 to {len(classes) - 1}")
        return y
    found, index = np.unique(y, return_inverse=True)
    missing = [c for c in found.tolist() if c not in classes]
    if missing:
        raise ValueError(f"labels: class {missing[0]!r}, want one of {classes}")
    at = np.array([classes.index(c) for c in found.tolist()], np.int64)
    return at[index.reshape(-1)] if n else np.empty(0, np.int64)


def group_numbers(groups: Any, n: int) -> Optional[np.ndarray]:
    """Numbers for groups of any names."""
    if groups is None:
        return None
    g = np.asarray(groups)
    if g.shape != (n,):
        raise ShapeError(f"groups: shape {g.shape}, want ({n},), one a spectrum")
    return np.unique(g, return_inverse=True)[1].reshape(-1).astype(np.int64)

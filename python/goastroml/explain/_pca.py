"""Principal components of a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, List, Optional

import numpy as np

from .._errors import ShapeError
from .._native import call, go, run
from ..moment._data import columns_of
from ._data import Names, _names, _rows


@dataclass(frozen=True, eq=False, repr=False)
class PCA:
    """Principal components: the directions in which the rows of a table differ most, one at right
    angles to another."""

    variances: np.ndarray  #: (component,) along each component, decreasing; divided by rows - 1
    ratio: np.ndarray  #: (component,) the same as fractions of the variance of all features
    components: np.ndarray  #: (component, feature) of length 1, the largest entry positive
    mean: np.ndarray  #: (feature,)
    scale: np.ndarray  #: (feature,) what each feature is divided by: 1, or its standard deviation
    rows: int  #: rows that they come from
    edge: float  #: largest variance that a component of pure noise would have
    significant: int  #: components whose variance is above the edge
    names: List[str]  #: of the features

    def transform(self, x: Any, components: Optional[int] = None) -> np.ndarray:
        """The components of rows (n, feature), the first so many or all: (n, component)."""
        x = _rows("x", x, len(self.mean))
        return (x - self.mean) / self.scale @ self.components[:components].T

    def inverse(self, z: Any) -> np.ndarray:
        """The rows (n, feature) that have these components, (n, k) for the first k of them."""
        z = _rows("z", z)
        if z.shape[1] > len(self.variances):
            raise ShapeError(f"z: {z.shape[1]} components, there are {len(self.variances)}")
        return self.mean + self.scale * (z @ self.components[: z.shape[1]])

    def __repr__(self) -> str:
        return (
            f"PCA({self.rows:,} rows of {len(self.mean)} features: {self.significant} of "
            f"{len(self.variances)} components are above the edge of noise, {self.edge:.3g})"
        )


def pca(x: Any, *, standardise: bool = True, names: Names = None) -> PCA:
    """Principal components of a table (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    x : (n, feature), two rows or more.
    standardise : divide each feature by its standard deviation, so that units do not matter.
    names : of the features; by default those of x's columns, else "0", "1", ...

    Returns
    -------
    A :class:`PCA` of as many components as features, or if there are fewer rows, as many as rows
    span. Its ``edge`` is the upper edge of the distribution of Marchenko & Pastur (1967), with the
    variance of the noise from the median (Gavish & Donoho 2014, arXiv:1305.5870) of what is below
    the edge. It means what it says only if what is not signal is noise of one variance in all
    features; for noise alone the largest variance exceeds it in about one of six tables.

    Raises
    ------
    ValueError : a number is not finite, or a feature to be standardised is constant.
    """
    names = columns_of(x) if names is None else names
    x = _rows("x", x)
    names = _names("names", names, x.shape[1])
    job = run(go.ExplainComponents, x, *x.shape, json.dumps({"standardise": bool(standardise)}))
    found = call(go.ExplainComponentsFound, job)
    info = json.loads(call(found.Info))
    k, m = info["components"], info["features"]
    variances, ratio, components, mean, scale = np.empty(k), np.empty(k), np.empty((k, m)), np.empty(m), np.empty(m)
    call(found.Arrays, mean, scale, variances, ratio, components)
    return PCA(variances, ratio, components, mean, scale, info["rows"], info["edge"], info["significant"], names)

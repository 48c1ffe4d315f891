"""How strongly features go with targets."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from .._arrays import vector
from .._errors import ShapeError
from .._native import go, run
from .._table import table
from ..moment._data import columns_of
from ._data import Names, _json, _names, _rows


def correlations(
    x: Any,
    y: Any,
    *,
    names: Names = None,
    targets: Names = None,
    groups: Any = None,
    halvings: int = 20,
    neighbours: int = 3,
    seed: int = 0,
    threads: Optional[int] = None,
) -> Any:
    """How strongly each feature goes with each target.

    Parameters
    ----------
    x : (n, feature).
    y : (n, target), or (n,) for one.
    names : of the features; by default those of x's columns, else "0", "1", ...
    targets : names of the targets; by default likewise.
    groups : (n,) labels of what belongs together, such as the simulation of a galaxy: it goes into
        the same half, since it is not independent. By default each row stands alone.
    halvings : how often the groups are dealt into halves, whose differences give the standard errors
        (of the mutual information: Holmes & Nemenman 2019, arXiv:1903.09280); 20 give them to 16 %.
        0 leaves them out.
    neighbours : nearest neighbours that the mutual information is told from: more scatter less and
        blur more. 0 leaves the mutual information out.
    seed : of the order of ties and of the halves.
    threads : goroutines, by default one a processor.

    Returns
    -------
    A table, a row for each feature and target. Columns: feature, target; pearson, the correlation of
    the values: linear; spearman, that of their ranks: monotone; information, mutual information in
    nats (Kraskov, Stögbauer & Grassberger 2004, arXiv:cond-mat/0305641): of any kind, 0 if they are
    independent, around which it scatters, -log(1 - r^2)/2 for Gaussians of correlation r. The next
    column of each, which ends in _err, is its standard error, NaN where a column was constant in a
    half of the rows.

    Raises
    ------
    ShapeError : arrays do not fit together, or a half has too few rows.
    ValueError : a number is not finite, or a column is constant.
    """
    names = columns_of(x) if names is None else names
    targets = columns_of(y) if targets is None else targets
    x = _rows("x", x)
    if columns_of(y) is None and np.ndim(y) == 1:
        name = getattr(y, "name", None)  # of a column
        targets = [name] if targets is None and isinstance(name, str) else targets
        y = vector("y", y, np.float64)[:, None]
    y = _rows("y", y)
    if len(y) != len(x):
        raise ShapeError(f"y: {len(y)} rows, x has {len(x)}")
    names, targets = _names("names", names, x.shape[1]), _names("targets", targets, y.shape[1])
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(x),):
            raise ShapeError(f"groups: shape {groups.shape}, want ({len(x)},), one a row")
        groups = np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if halvings < 0 or neighbours < 0:
        raise ValueError(f"halvings: {halvings}, neighbours: {neighbours}, want 0 or more")
    measures = {"pearson": True, "spearman": True, "information": neighbours > 0}
    found = {k: np.empty((x.shape[1], y.shape[1], 2)) if wanted else None for k, wanted in measures.items()}
    options = _json(
        names=names, target_names=targets, halvings=halvings or -1, neighbours=neighbours or -1, seed=seed, threads=threads
    )
    run(go.ExplainCorrelate, *found.values(), x, *x.shape, y, y.shape[1], groups, options)
    columns = {"feature": np.repeat(names, len(targets)), "target": np.tile(targets, len(names))}
    for k, a in found.items():
        if a is not None:
            columns[k] = a[..., 0].ravel()
            if halvings:
                columns[f"{k}_err"] = a[..., 1].ravel()
    return table(columns)

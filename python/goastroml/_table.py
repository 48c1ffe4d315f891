"""Catalogues: astropy's tables where there is astropy, else structured arrays."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np


def table(columns: Dict[str, np.ndarray], units: Optional[Dict[str, str]] = None, meta: Optional[dict] = None) -> Any:
    """An ``astropy.table.Table`` of the columns, or a structured array where there is no astropy."""
    try:
        from astropy.table import Table
    except ImportError:
        n = len(next(iter(columns.values()))) if columns else 0
        out = np.empty(n, [(k, v.dtype, v.shape[1:]) for k, v in columns.items()])
        for k, v in columns.items():
            out[k] = v
        return out
    t = Table(columns, meta=meta)
    for name, unit in (units or {}).items():
        if name in t.colnames:
            t[name].unit = unit
    return t


def from_rows(rows: list, units: Optional[Dict[str, str]] = None) -> Any:
    """A table of a list of dicts. What a row does not have is 0 or "", None is NaN."""
    names = list(dict.fromkeys(k for r in rows for k in r))
    columns = {}
    for name in names:
        values = [r.get(name) for r in rows]
        if any(isinstance(v, str) for v in values):
            columns[name] = np.array([v or "" for v in values])
        else:
            columns[name] = np.array([np.nan if v is None and name in r else v or 0.0 for v, r in zip(values, rows)], float)
    return table(columns, units)

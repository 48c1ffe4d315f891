"""Rows, their names and options, on their way to Go."""

from __future__ import annotations

import json
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from .._arrays import _numbers, matrix, vector
from .._errors import ShapeError
from ..moment._data import columns_of

Names = Optional[Sequence[str]]
Columns = Sequence[Union[int, str]]
Groups = Union[Mapping[str, Columns], Sequence[Columns], None]


def _rows(name: str, x: Any, features: Optional[int] = None) -> np.ndarray:
    """A dense (n, feature) array of float64, also of a table with named columns."""
    if columns_of(x) is not None:
        keys = x.columns if hasattr(x, "to_numpy") else columns_of(x)
        x = np.stack([vector(f"{name}: column {k!r}", x[k], np.float64) for k in keys], axis=1)
    _numbers(name, x, 2, f"(n, {'feature' if features is None else features}); one row as {name}[None]")
    return matrix(name, x, np.float64, (None, features))


def _known_names(x: Any, background: Any, model: Any, names: Names) -> Names:
    """The given names, or those of the columns; columns in another order than the model's are an error."""
    found = columns_of(x)
    learnt = getattr(model, "feature_names_in_", None)  # scikit-learn's too
    learnt = None if learnt is None else [str(c) for c in learnt]
    for what, others in (("the background", columns_of(background)), ("the model", learnt)):
        if None not in (found, others) and found != others:
            raise ValueError(f"x: columns {found}, {what} has {others}")
    return next((some for some in (names, found, learnt) if some is not None), None)


def _names(what: str, names: Names, n: int) -> List[str]:
    if names is None:
        return [str(i) for i in range(n)]
    names = [str(name) for name in names]
    if len(names) != n:
        raise ShapeError(f"{what}: {len(names)}, want {n}")
    return names


def _groups(groups: Groups, names: List[str]) -> Tuple[List[List[int]], List[str]]:
    """Groups as column numbers, other columns alone, in the order of their first ones; and their names."""
    found, free = {}, dict.fromkeys(range(len(names)))
    for title, members in groups.items() if isinstance(groups, Mapping) else ((None, g) for g in groups):
        columns = []
        for c in [members] if isinstance(members, str) else members:
            at = names.index(c) if c in names else c
            if not isinstance(at, (int, np.integer)) or at not in free:
                raise ValueError(f"groups: {c!r}, want columns out of {names}, or their numbers, each once")
            del free[at]
            columns.append(int(at))
        if not columns:
            raise ValueError("groups: one has no columns")
        found[columns[0]] = (columns, " + ".join(names[i] for i in columns) if title is None else str(title))
    found.update({i: ([i], names[i]) for i in free})
    listed = [found[i] for i in sorted(found)]
    return [columns for columns, _ in listed], [title for _, title in listed]


def _json(**options: Any) -> str:
    """Options as JSON; None is the default."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items() if v is not None}
    return json.dumps(plain)

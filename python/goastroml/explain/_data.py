"""Rows, their names and options, on their way to Go."""

from __future__ import annotations

import json
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

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
    """Groups as column numbers, other columns alone, in the order of those listed first; and their names."""
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise ValueError(f"groups: {groups!r}, want lists of columns")
    found, free = {}, dict.fromkeys(range(len(names)))
    for title, members in groups.items() if isinstance(groups, Mapping) else ((None, g) for g in groups):
        if isinstance(members, str) or not isinstance(members, Iterable):
            raise ValueError(f"groups: {members!r}, want a list of columns for each")
        columns = [_column(c, names) for c in members]
        if not columns:
            raise ValueError("groups: one has no columns")
        for c in columns:
            if c not in free:
                raise ValueError(f"groups: {names[c]!r} twice, want each column once")
            del free[c]
        found[columns[0]] = (columns, " + ".join(names[c] for c in columns) if title is None else str(title))
    found.update({i: ([i], names[i]) for i in free})
    listed = [found[i] for i in sorted(found)]
    titles = [title for _, title in listed]
    for title in titles:
        if titles.count(title) > 1:
            raise ValueError(f"groups: two are named {title!r}, or a group and a column")
    return [columns for columns, _ in listed], titles


def _column(c: Union[int, str], names: List[str]) -> int:
    """The number of a column that is given by number or name."""
    if isinstance(c, str) and names.count(c) == 1:
        return names.index(c)
    if not isinstance(c, (int, np.integer)) or isinstance(c, bool) or not 0 <= c < len(names):
        raise ValueError(f"groups: {c!r}, want columns out of {names}, or their numbers")
    return int(c)


def _json(**options: Any) -> str:
    """Options as JSON; None is the default."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items() if v is not None}
    return json.dumps(plain)

"""What a model can do without features, or with few."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy as np

from .._errors import ShapeError
from .._native import Progress
from .._progress import Choice, Reporter
from .._table import table


def retrain(
    fit: Callable[[List[int], int], float],
    names: Sequence[str],
    *,
    method: str = "drop",
    steps: Optional[int] = None,
    repeats: int = 1,
    seed: int = 0,
    progress: Choice = True,
) -> Any:
    """Fits a model anew with some of the columns, and tells how its score depends on them.

    Unlike an attribution this shows what a model can do without a feature whose information others
    carry too.

    Parameters
    ----------
    fit : a function ``fit(columns, seed)`` that trains a model on these columns (a list of indices,
        increasing) and returns its score on rows that it was not trained on, higher for a better
        one. The seed is below 2^32.
    names : of all columns; or of groups of them, which come and go together: ``fit`` then gets the
        numbers of groups and knows what is in each.
    method : "drop" leaves out each feature in turn; "keep" keeps each alone; "forward" adds the
        feature that helps most, one after the other; "backward" drops the one that is missed least.
    steps : features that "forward" adds or "backward" drops; by default all, or all but one.
    repeats : fits of each set of columns. All sets get the same seeds, so that chance differs as
        little as it can between them.
    seed : of the seeds that fits get.
    progress : True shows a bar, a function is called with :class:`goastroml.Progress`.

    Returns
    -------
    A table. Its first row is the model of all columns; then come, of "drop" and "keep", a row a
    column in their order, and of "forward" and "backward" a row a step, of the best column (the
    first of equals). Columns: method ("all" in the first row); feature, which was dropped, kept or
    added; score, the mean over the repeats, and score_err, its standard error; change, by which the
    score differs from that of all columns, and change_err, from the differences of fits with the
    same seed; features, the number of columns; columns, their names. Errors of one repeat are NaN.
    """
    names = [str(name) for name in names]
    n, best_of = len(names), method in ("forward", "backward")
    growing = method in ("keep", "forward")
    if method not in ("drop", "keep", "forward", "backward"):
        raise ValueError(f"method: {method!r}, want drop, keep, forward or backward")
    if n < (1 if growing else 2):
        raise ShapeError(f"names: {n}, {method} wants {1 if growing else 2} or more")
    if repeats < 1 or (steps is not None and steps < 1):
        raise ValueError(f"repeats: {repeats}, steps: {steps}, want 1 or more")
    rounds = 1
    if best_of:
        rounds = min(n - (method == "backward"), n if steps is None else steps)
    seeds = np.random.SeedSequence(seed).generate_state(repeats).tolist()
    total, done = repeats * (1 + sum(n - s for s in range(rounds))), 0

    def scores(columns: List[int]) -> np.ndarray:
        nonlocal done
        out = np.empty(repeats)
        for i, s in enumerate(seeds):
            out[i] = fit(list(columns), s)
            if not np.isfinite(out[i]):
                listed = ", ".join(names[c] for c in columns)
                raise ValueError(f"fit: the score with {listed} is {out[i]}, want a finite number")
            done += 1
            if tell is not None:
                tell(Progress("retrain", 0, done, total))
        return out

    with Reporter(progress) as tell:
        columns = list(range(n))
        trials: List[Tuple[str, str, List[int], np.ndarray]] = [("all", "", columns, scores(columns))]
        if growing:
            columns = []
        for _ in range(rounds):
            found = []
            for c in range(n):
                if (c in columns) != growing:
                    some = sorted({*columns, c} if growing else {*columns} - {c})
                    found.append((method, names[c], some, scores(some)))
            if best_of:
                found = [max(found, key=lambda trial: trial[3].mean())]  # the first of equals
                columns = found[0][2]
            trials += found
    return _retraining(trials, names)


def _retraining(trials: List[Tuple[str, str, List[int], np.ndarray]], names: List[str]) -> Any:
    methods, features, columns, scores = zip(*trials)
    score = np.array(scores)
    change = score - score[0]
    return table(
        {
            "method": np.array(methods),
            "feature": np.array(features),
            "score": score.mean(axis=1),
            "score_err": _standard_error(score),
            "change": change.mean(axis=1),
            "change_err": _standard_error(change),
            "features": np.array([len(c) for c in columns]),
            "columns": np.array([", ".join(names[i] for i in c) for c in columns]),
        }
    )


def _standard_error(repeats: np.ndarray) -> np.ndarray:
    """The standard error of the mean of each row, NaN of one column."""
    n = repeats.shape[1]
    return repeats.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(repeats), np.nan)

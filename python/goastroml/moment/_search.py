"""The search for options."""

from __future__ import annotations

import inspect
import json
import math
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Union

import numpy as np

from .._errors import DivergedError
from .._native import call, go, run
from .._progress import Choice, Reporter
from .._table import table
from ._data import options_json, training
from ._network import Network


class SearchResult(NamedTuple):
    """What a search has found."""

    #: A table of the trials, best first: number, rung, epochs, loss, a column for each option, error.
    trials: Any
    #: The options of the best trial and those that all had, for ``Network(**best)``.
    best: Dict[str, Any]


def search(
    x: Any,
    theta: Any,
    space: Mapping[str, Any],
    *,
    trials: int = 30,
    method: str = "random",
    epochs: int = 30,
    groups: Any = None,
    weights: Any = None,
    seed: int = 0,
    threads: Union[int, None] = None,
    checkpoint: Union[str, os.PathLike, None] = None,
    progress: Choice = True,
    **options: Any,
) -> SearchResult:
    """Tries options of :class:`Network`, drawn from a space.

    The loss of a trial is its least on a part of the simulations that is held out, the same in all
    trials; with two_stage the means alone are trained. The same seed gives the same trials and
    losses, on any number of threads.

    Parameters
    ----------
    x, theta, groups, weights : as in :meth:`Network.fit`.
    space : what each option may be, by name: a list of choices; a tuple ``(low, high)``, of which
        whole numbers are drawn if both are; ``(low, high, "log")``, whose logarithm is drawn evenly.
        Losses, bounds, higher moments and covariances, and how long and on what is trained, cannot be
        searched: losses could not be compared.
    trials : options that are tried.
    method : "random" trains each trial for all epochs (Bergstra & Bengio 2012); "halving", successive
        halving (Jamieson & Talwalkar 2016, arXiv:1502.07943), trains all a little and the best third
        again, three times as long, and so on.
    epochs : how long a trial is trained; with halving, the last ones.
    seed : of the trials, and of what each draws.
    threads : goroutines that compute (the number of processors).
    checkpoint : path of a JSON file that keeps the search after each trial; a search that finds it
        goes on with it.
    progress : True for a bar (with tqdm), a function that gets a :class:`goastroml.Progress`, or False.
    options : of all trials, as ``Network`` has them.

    Returns
    -------
    A :class:`SearchResult`. A trial that diverged has the loss inf, and says so in the column error.

    Examples
    --------
    >>> space = {"hidden": (16, 256, "log"), "learn_rate": (1e-4, 1e-2, "log"), "inputs": ["linear", "log"]}
    >>> found = aml.moment.search(x, theta, space, trials=50, groups=simulation, seed=1)
    >>> net = aml.moment.Network(seed=1, **found.best).fit(x, theta, groups=simulation)
    """
    known = inspect.signature(Network).parameters
    for name in (*options, *space):
        if name not in known:
            raise ValueError(f"no option {name!r}, want one of {sorted(known)}")
    t = training(x, theta, groups, None, weights, None)
    ranges = {str(k): _range(str(k), v) for k, v in space.items()}
    base = options_json({"seed": seed, "threads": threads, **options})
    how = options_json({"trials": trials, "method": method, "epochs": epochs, "seed": seed, "checkpoint": checkpoint})
    with Reporter(progress) as report:
        job = run(
            go.MomentSearch,
            *(t.x, t.rows.shape_json(), t.theta, t.theta.shape[1], t.groups, t.weights),
            *(base, json.dumps(ranges), how),
            progress=report,
        )
    rows = json.loads(call(go.MomentSearched, job))
    if rows[0]["loss"] is None:
        raise DivergedError(f"all {len(rows)} trials have diverged, the first one: {rows[0]['error']}")
    return SearchResult(_trials(rows, list(ranges)), {**options, **rows[0]["options"]})


def _range(name: str, v: Any) -> Dict[str, Any]:
    """A train.Range of Go's."""
    if isinstance(v, Mapping):
        return dict(v)
    if isinstance(v, (list, np.ndarray)):
        return {"choices": [c.item() if isinstance(c, np.generic) else c for c in v]}
    if not isinstance(v, tuple) or len(v) not in (2, 3) or v[2:] not in ((), ("log",)):
        raise ValueError(f'space: {name} is {v!r}, want a list of choices, (low, high) or (low, high, "log")')
    numbers = [c.item() if isinstance(c, np.generic) else c for c in v[:2]]
    if not all(isinstance(c, (int, float)) and not isinstance(c, bool) and math.isfinite(c) for c in numbers):
        raise ValueError(f"space: {name} is {v!r}, want finite numbers (a list for choices)")
    whole = all(isinstance(c, int) for c in numbers)
    return {"low": numbers[0], "high": numbers[1], "log": len(v) == 3, "integer": whole}


def _trials(rows: List[dict], options: List[str]) -> Any:
    columns = {
        "trial": np.array([r["number"] for r in rows]),
        "rung": np.array([r["rung"] for r in rows]),
        "epochs": np.array([r["epochs"] for r in rows]),
        "loss": np.array([np.inf if r["loss"] is None else r["loss"] for r in rows]),
    }
    for name in options:
        values = [r["options"][name] for r in rows]
        alike = all(isinstance(v, (int, float)) for v in values) or all(isinstance(v, str) for v in values)
        columns[name if name not in columns else f"option {name}"] = np.array(values if alike else [str(v) for v in values])
    columns["error"] = np.array([r.get("error", "") for r in rows])
    return table(columns)

"""Attributions: what predictions are made of, by Shapley values and by expected gradients."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple, Union

import numpy as np

from .._arrays import vector
from .._errors import ShapeError
from .._native import Progress, call, go, run
from .._progress import Choice, Reporter
from .._table import table
from ._data import Groups, Names, _groups, _json, _known_names, _names, _rows

Output = Union[int, str]


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """What predictions are made of.

    In each row the values of the features sum to ``predicted - base``: exactly those of
    :func:`shapley`, but for what sampling leaves those of :func:`expected_gradients`. A value is in
    the unit of the output. The last axis is there if the model has several outputs. Of
    :func:`shapley` with groups, "feature" stands for a group, of which ``x`` has the column that is
    listed first.
    """

    values: np.ndarray  #: (n, feature[, output]) what each feature adds to the prediction
    err: np.ndarray  #: (n, feature[, output]) standard errors of the values, 0 where nothing was sampled
    base: np.ndarray  #: (n[, output]) expected with no feature known, the same for all rows
    predicted: np.ndarray  #: (n[, output]) with all features known: the model's predictions
    x: np.ndarray  #: (n, feature) the rows
    names: List[str]  #: of the features
    outputs: List[str]  #: names of the outputs

    def output(self, which: Output = 0) -> Attribution:
        """The attribution of one output, by number or name, without the last axis."""
        k = self._number(which)
        parts = self.values, self.err, self.base, self.predicted
        if self.values.ndim == 3:
            parts = tuple(a[..., k] for a in parts)
        return Attribution(*parts, self.x, self.names, [self.outputs[k]])

    def importance(self, output: Output = 0) -> Any:
        """How much the features of one output matter, the one that matters most first.

        Returns a table: feature, importance (the mean over the rows of the absolute value, in the
        unit of the output), err (its standard error, from the scatter of the rows; of a single row
        the error of its value).
        """
        mean, err = self._importance(output)
        order = np.argsort(-mean, kind="stable")
        return table({"feature": np.array(self.names)[order], "importance": mean[order], "err": err[order]})

    def _importance(self, output: Output) -> Tuple[np.ndarray, np.ndarray]:
        """The mean absolute values of the features, in their order, and the standard errors."""
        a = self.output(output)
        size = np.abs(a.values)
        err = size.std(axis=0, ddof=1) / np.sqrt(len(size)) if len(size) > 1 else a.err[0]
        return size.mean(axis=0), err

    def _number(self, which: Output) -> int:
        if isinstance(which, str):
            if which not in self.outputs:
                raise ValueError(f"output: {which!r}, want one of {self.outputs}")
            return self.outputs.index(which)
        if not 0 <= which < len(self.outputs):
            raise ValueError(f"output: {which}, want 0 to {len(self.outputs) - 1}")
        return int(which)

    def __repr__(self) -> str:
        n, features = self.x.shape
        return f"Attribution({n:,} rows, {features} features, outputs: {', '.join(self.outputs)})"

    def _repr_html_(self) -> str:
        columns, most = range(min(6, len(self.outputs))), 12
        parts = [self._importance(k) for k in columns]
        # One order for all outputs, by their shares: units may differ.
        share = sum(mean / (mean.sum() or 1) for mean, _ in parts)
        order = np.argsort(-share, kind="stable")[:most]
        lines = ["<th>feature</th>" + "".join(f"<th>{html.escape(self.outputs[k])}</th>" for k in columns)]
        for i in order:
            cells = "".join(f"<td>{mean[i]:.3g} ± {err[i]:.1g}</td>" for mean, err in parts)
            lines.append(f"<td style='text-align:left'>{html.escape(self.names[i])}</td>{cells}")
        caption = f"mean absolute attribution over {len(self.x):,} rows"
        if len(self.names) > most:
            caption += f", {most} of {len(self.names)} features"
        if len(self.outputs) > len(columns):
            caption += f", {len(columns)} of {len(self.outputs)} outputs"
        return f"<table><caption>{caption}</caption>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def shapley(
    model: Any,
    x: Any,
    background: Any,
    *,
    method: Optional[str] = None,
    budget: Optional[int] = None,
    seed: int = 0,
    conditional: bool = False,
    weights: Any = None,
    draws: Optional[int] = None,
    groups: Groups = None,
    names: Names = None,
    outputs: Names = None,
    std: bool = False,
    threads: Optional[int] = None,
    progress: Choice = True,
) -> Attribution:
    """Shapley values (Shapley 1953; Lundberg & Lee 2017, arXiv:1705.07874, equation 8): how much
    each feature adds to a prediction when it becomes known, averaged over all orders in which
    features can become known.

    Parameters
    ----------
    model : a :class:`goastroml.moment.Network` of tables, which is explained in Go; or a function
        that takes rows (m, feature) float64 and returns (m,) or (m, output) numbers; or an object
        with such a ``predict``, such as scikit-learn's regressors (of classifiers give
        ``model.predict_proba``). It must answer each row alone, whatever rows are beside it.
    x : (n, feature) rows to explain.
    background : (m, feature) rows that say what stands in for unknown features; about 100 that are
        like the training set do. The cost is proportional to m.
    method : "exact", which asks for all 2^feature coalitions, at most 20 features; "kernel", a
        least-squares fit to some of them; or "permutation", walks that learn one feature after the
        other. The default is "exact" up to 12 features, else "permutation", which has no bias at any
        budget; the kernel's errors are smaller at the same budget.
    budget : coalitions whose value a sampled method asks for, a row; each costs an evaluation a row
        of the background. The default is 2 feature + 2048, or what two pairs of walks need.
    seed : of what is sampled.
    conditional : draw unknown features from the Gaussian with the mean and the covariance of the
        background given the known ones (Aas et al. 2021, arXiv:1903.10464), instead of taking them
        from its rows whatever is known. The first shows what the data say, and shares credit among
        features that go together, those included that the model does not look at; the default shows
        what the model does (Janzing et al. 2020, arXiv:1910.13413).
    weights : (m,) weights of the rows of the background, by default 1.
    draws : antithetic pairs of draws where ``conditional``, in place of m; the default is 32.
    groups : sets of features that become known together and share one value, such as those that say
        much the same: a dict of lists of columns, by number or name, or a list of such lists. Other
        features stay alone. The result has a value a group, in the order of their first columns,
        named by the dict's key or "a + b". The limits of ``method`` and ``budget`` count groups: 40
        columns in 20 groups are still exact. Not with ``conditional``.
    names : of the features; by default those of x's columns or of the model, else "0", "1", ...
    outputs : names of the outputs; by default the network's parameters, else "prediction" of answers
        (m,), or "0", "1", ...
    std : explain the network's standard deviations too, as outputs behind the means.
    threads : goroutines that evaluate a network, by default one a processor.
    progress : True shows a bar, a function is called with :class:`goastroml.Progress`.

    Returns
    -------
    An :class:`Attribution`. It has an axis for outputs if the model is a network or returns two
    axes. Linear models are explained exactly by every method. Its errors say what the choice of
    coalitions and draws adds, not that the background is itself a sample.

    Raises
    ------
    ShapeError : the background or the model's answers do not fit the rows.
    ValueError : a number is not finite; an option cannot be met; the covariance is singular.
    """
    names = _known_names(x, background, model, names)
    x = _rows("x", x)
    background = _rows("background", background, x.shape[1])
    names = _names("names", names, x.shape[1])
    options = {"method": method, "budget": budget, "seed": seed, "threads": threads}
    shown = x
    if groups is not None:
        options["groups"], names = _groups(groups, names)
        shown = x[:, [g[0] for g in options["groups"]]]
    stand_in = _background(background, conditional, weights, draws, seed)
    network = _network(model)
    if network is not None:
        known = json.loads(call(network.Info))["names"]
        known += [f"std of {name}" for name in known] if std else []
        outputs = _names("outputs", known if outputs is None else outputs, len(known))
        out = _empty(shown, (len(outputs),))
        with Reporter(progress) as tell:
            run(network.Shapley, *out, x, *x.shape, stand_in, _json(std=bool(std), **options), progress=tell)
        return Attribution(*out, shown, names, outputs)
    if std:
        raise ValueError("std: the model has no standard deviations, want a goastroml.moment.Network")
    f = getattr(model, "predict", model)
    if not callable(f):
        raise TypeError(f"model: {type(model).__name__}, want a function, an object with predict or a moment.Network")
    tail = _answers(f, x[:1].copy(), None).shape[1:]
    if outputs is None and tail == ():
        outputs = ["prediction"]
    outputs = _names("outputs", outputs, int(np.prod(tail)))
    game = call(go.ExplainShapley, x, *x.shape, len(outputs), stand_in, _json(**options))
    with Reporter(progress) as tell:
        _play(f, game, x.shape[1], tail, tell)
    out = _empty(shown, tail)
    call(game.Result, *out)
    return Attribution(*out, shown, names, outputs)


def expected_gradients(
    net: Any,
    x: Any,
    background: Any,
    *,
    parameter: Output = 0,
    samples: Optional[int] = None,
    seed: int = 0,
    names: Names = None,
    threads: Optional[int] = None,
) -> Attribution:
    """Shares out the mean of one parameter by the gradient on the way from the rows of a background
    (Erion et al. 2021, arXiv:1906.10670, equation 5). The cost does not grow with the features.

    Parameters
    ----------
    net : a :class:`goastroml.moment.Network` of tables.
    x : (n, feature) rows to explain.
    background : (m, feature) rows where the ways begin.
    parameter : whose mean is explained, by number or name.
    samples : gradients taken, a row; the default is 256. It is rounded up to the same number for
        each row of the background, at least 4.
    seed : of where they are taken.
    names : of the features; by default those of x's columns or of the network, else "0", "1", ...
    threads : goroutines, by default one a processor.

    Returns
    -------
    An :class:`Attribution` of one output.
    """
    network = _network(net)
    if network is None:
        raise TypeError(f"net: {type(net).__name__}, want a goastroml.moment.Network")
    names = _known_names(x, background, net, names)
    x = _rows("x", x)
    background = _rows("background", background, x.shape[1])
    names = _names("names", names, x.shape[1])
    known = json.loads(call(network.Info))["names"]
    if isinstance(parameter, str):
        if parameter not in known:
            raise ValueError(f"parameter: {parameter!r}, want one of {known}")
        parameter = known.index(parameter)
    out = _empty(x, ())
    options = _json(samples=samples, seed=seed, threads=threads)
    run(network.ExpectedGradients, *out, x, *x.shape, background, len(background), int(parameter), options)
    return Attribution(*out, x, names, [known[parameter]])


def _network(model: Any) -> Any:
    """The Go network of a fitted moment.Network, None of anything else."""
    network = getattr(model, "_go", None)
    return network if isinstance(network, go.MomentNetwork) else None


def _background(rows: np.ndarray, conditional: bool, weights: Any, draws: Optional[int], seed: int) -> Any:
    """The Go object that says what stands in for unknown features."""
    if weights is not None:
        weights = vector("weights", weights, np.float64, len(rows))
    if not conditional:
        if draws is not None:
            raise ValueError("draws: the rows of the background are not drawn, want conditional=True")
        return call(go.ExplainInterventional, rows, weights, *rows.shape)
    if len(rows) < 2:
        raise ShapeError(f"background: {len(rows)} rows, their covariance takes 2 or more")
    mean = np.average(rows, axis=0, weights=weights)
    cov = np.atleast_2d(np.cov(rows, rowvar=False, aweights=weights))
    return call(go.ExplainConditional, mean, np.ascontiguousarray(cov), rows.shape[1], _json(draws=draws, seed=seed))


def _empty(x: np.ndarray, tail: Tuple[int, ...]) -> Tuple[np.ndarray, ...]:
    """Arrays for values, errors, base and predictions."""
    n = len(x)
    return np.empty(x.shape + tail), np.empty(x.shape + tail), np.empty((n, *tail)), np.empty((n, *tail))


def _answers(f: Callable, rows: np.ndarray, tail: Optional[Tuple[int, ...]]) -> np.ndarray:
    """What a function answers to rows: (m,) or (m, output) float64."""
    m = len(rows)
    y = np.asarray(f(rows))
    wanted = f"({m},) or ({m}, output)" if tail is None else f"{(m, *tail)}, as before"
    if y.ndim not in (1, 2) or len(y) != m or y.shape[1:] == (0,) or tail not in (None, y.shape[1:]):
        raise ShapeError(f"model: answers of shape {y.shape} to {m} rows, want {wanted}")
    if y.dtype.kind not in "fiub":
        raise TypeError(f"model: answers of dtype {y.dtype}, want real numbers (of a classifier, model.predict_proba)")
    return np.require(y, np.float64, ["C", "A"])


def _play(f: Callable, game: Any, features: int, tail: Tuple[int, ...], tell: Optional[Callable[[Progress], Any]]) -> None:
    """Asks a function for what a game wants to know, until it knows all."""
    count = np.zeros(2, np.int64)
    n = call(game.Asked)
    while n:
        rows = np.empty((n, features))
        call(game.Rows, rows, n)
        call(game.Take, _answers(f, rows, tail), n)
        if tell is not None:
            call(game.Evaluations, count)
            tell(Progress("explain", 0, *count.tolist()))
        n = call(game.Asked)

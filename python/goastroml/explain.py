"""What an answer came from: which features, how much each, and how sure that is.

    a = aml.explain.shapley(net, x, background)
    a.importance("omega_m")
    aml.plot.shap_swarm(a, "omega_m")

``shapley`` shares a model's predictions out among the features of their rows, exactly or by
sampling with standard errors; ``expected_gradients`` does it for networks of many features.
``retrain`` fits a model anew without features or with few, and compares scores. ``pca`` and
``correlations`` look at the data alone.

Tables are (n, feature) arrays, or data frames, astropy's tables and structured arrays, whose columns
have names. The same input and seed give the same bits on any number of threads.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

import numpy as np

from ._arrays import _numbers, matrix, vector
from ._errors import ShapeError
from ._native import Progress, call, go, run
from ._progress import Choice, Reporter
from ._table import table
from .moment._data import columns_of

__all__ = ["Attribution", "PCA", "correlations", "expected_gradients", "pca", "retrain", "shapley"]

Names = Optional[Sequence[str]]
Output = Union[int, str]


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """What predictions are made of.

    In each row the values of the features sum to ``predicted - base``: exactly those of
    :func:`shapley`, but for what sampling leaves those of :func:`expected_gradients`. A value is in
    the unit of the output. The last axis is there if the model has several outputs.
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
    stand_in = _background(background, conditional, weights, draws, seed)
    network = _network(model)
    if network is not None:
        known = json.loads(call(network.Info))["names"]
        known += [f"std of {name}" for name in known] if std else []
        outputs = _names("outputs", known if outputs is None else outputs, len(known))
        out = _empty(x, (len(outputs),))
        with Reporter(progress) as tell:
            run(network.Shapley, *out, x, *x.shape, stand_in, _json(std=bool(std), **options), progress=tell)
        return Attribution(*out, x, names, outputs)
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
    out = _empty(x, tail)
    call(game.Result, *out)
    return Attribution(*out, x, names, outputs)


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
    names : of all columns.
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


def _json(**options: Any) -> str:
    """Options as JSON; None is the default."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items() if v is not None}
    return json.dumps(plain)


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

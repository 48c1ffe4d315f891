"""The network."""

from __future__ import annotations

import inspect
import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from .._errors import ShapeError
from .._estimator import Estimator
from .._native import call, go, run
from .._progress import Choice, Reporter
from ..stats import r2_score
from ._data import Rows, options_json, targets, training


class Moments(NamedTuple):
    """Central moments of posteriors, in the units of the parameters; None for what was not learnt."""

    mean: np.ndarray  #: (n, p), or (n,) if theta was
    std: np.ndarray  #: as mean: standard deviations
    covariance: Optional[np.ndarray] = None  #: (n, p, p)
    skewness: Optional[np.ndarray] = None  #: as mean
    kurtosis: Optional[np.ndarray] = None  #: as mean; 3 for a normal distribution


class Network(Estimator):
    """Estimates the mean and the standard deviation of the posterior of each parameter.

    It learns from simulations, parameters drawn from a prior and what was simulated with them,
    and needs no likelihood (Jeffrey & Wandelt 2020, arXiv:2011.05991; Villaescusa-Navarro et al.
    2021, arXiv:2109.10360). Several networks are trained, each with a part of the simulations held
    out, on which its standard deviations are calibrated; the answer is their mean.

    None stands for the library's default. The same seed gives the same weights, bit for bit, on
    any number of threads.

    Parameters
    ----------
    network : "mlp" for tables, "profile", "map" (the 19 convolutions of CAMELS) or "cube"; by
        default what suits the axes of x.
    loss : "two_stage" (default), where a network learns the means by squared errors and a second
        one, from rows that the first had not learnt, the variances; "camels", both by the loss of
        Villaescusa-Navarro et al.; "gaussian", both by maximum likelihood.
    covariance : estimate covariances too (two_stage).
    moments : the highest central moment, 2, 3 or 4 (2; above it two_stage).
    seed : of everything that is drawn: weights, order, parts.
    folds : parts of the groups, and networks that are trained (5 for tables and profiles, 1 for
        maps and cubes).
    held_out : fraction of the groups that is held out where folds is 1 (0.2).
    inputs : "linear" (default), "log", the decimal logarithm, or "asinh", before values are brought
        to mean 0 and variance 1.
    bounds : (parameter, 2) lowest and highest values of each parameter, which losses are scaled by
        (those of the training set).
    layers : hidden layers of "mlp" (2).
    hidden : units of a layer of "mlp" (128), channels of the first of "profile" (32), a half of
        those of the first stage of "map" (6) and "cube" (4).
    dropout : fraction of units that a step leaves out (0.2; for maps and cubes none); negative: none.
    augment : turn, mirror and shift maps and cubes at random, over their periodic borders (1);
        negative, or False: no.
    epochs : passes over the training rows, at most (150; for maps and cubes 50).
    batch_size : rows a step (64; for maps and cubes 32).
    learn_rate : largest step of AdamW (0.003).
    settle : fraction of the epochs, at the end, in which the batch normalisation of maps and cubes
        takes running statistics, as predictions do (0.3); negative: none. A run that patience ends
        before does not settle.
    weight_decay : decoupled weight decay of AdamW (0.05).
    patience : epochs without a better held-out loss before training stops (30); negative: all epochs.
    threads : goroutines that compute (the number of processors).
    checkpoint : path that begins the names of files in which the run is kept after each epoch; a
        run that finds them goes on from them and ends in the same bits as one never stopped.

    Attributes
    ----------
    names_ : names of the parameters, by default "0", "1", ...
    feature_names_in_ : names of the columns, if x was a DataFrame or a Table; not kept in files.
    history_ : for each fold a list of one dict an epoch: "loss" and "valid", with two_stage those of
        the means.
    n_parameters_ : number of trained parameters of one fold's network.
    multiply_adds_ : of one row.

    Examples
    --------
    >>> net = aml.moment.Network(seed=1).fit(x, theta, groups=simulation, names=["Omega_m", "sigma_8"])
    >>> mean, std = net.predict(x_observed, return_std=True)
    """

    def __init__(
        self,
        network: Optional[str] = None,
        loss: Optional[str] = None,
        covariance: bool = False,
        moments: Optional[int] = None,
        seed: int = 0,
        folds: Optional[int] = None,
        held_out: Optional[float] = None,
        inputs: Optional[str] = None,
        bounds: Any = None,
        layers: Optional[int] = None,
        hidden: Optional[int] = None,
        dropout: Optional[float] = None,
        augment: Optional[int] = None,
        epochs: Optional[int] = None,
        batch_size: Optional[int] = None,
        learn_rate: Optional[float] = None,
        settle: Optional[float] = None,
        weight_decay: Optional[float] = None,
        patience: Optional[int] = None,
        threads: Optional[int] = None,
        checkpoint: Union[str, os.PathLike, None] = None,
    ):
        self.network = network
        self.loss = loss
        self.covariance = covariance
        self.moments = moments
        self.seed = seed
        self.folds = folds
        self.held_out = held_out
        self.inputs = inputs
        self.bounds = bounds
        self.layers = layers
        self.hidden = hidden
        self.dropout = dropout
        self.augment = augment
        self.epochs = epochs
        self.batch_size = batch_size
        self.learn_rate = learn_rate
        self.settle = settle
        self.weight_decay = weight_decay
        self.patience = patience
        self.threads = threads
        self.checkpoint = checkpoint

    # ---- learning

    def fit(
        self,
        x: Any,
        theta: Any,
        *,
        groups: Any = None,
        folds: Any = None,
        weights: Any = None,
        names: Optional[Sequence[str]] = None,
        progress: Choice = True,
    ) -> Network:
        """Learns from simulations, and returns itself.

        Parameters
        ----------
        x : (n, feature) of tables, also a DataFrame or a Table; (n, channel, bin) of profiles;
            (n, field, y, x) of maps; (n, field, x, y, z) of cubes. float32 in C order, in memory or
            in a mapped file, is not copied.
        theta : (n, parameter) or (n,) parameters; names of columns become those of the parameters.
        groups : (n,) names or numbers, the same for rows that belong together, such as the galaxies
            or the maps of one simulation: they are learnt from or held out as a whole. By default
            each row stands alone.
        folds : (n,) in which part each row is held out, from 0; by default drawn. Rows of one group
            must lie in one part. Without the option ``folds`` there are as many as these name.
        weights : (n,) how much each row counts.
        names : of the parameters.
        progress : True for a bar (with tqdm), a function that gets a :class:`goastroml.Progress`,
            or False.

        Raises
        ------
        ShapeError, ValueError : what came, and what was wanted.
        DivergedError : the loss is no longer finite.
        KeyboardInterrupt : after Ctrl-C, when the training has ended; self is as it was.
        """
        t = training(x, theta, groups, folds, weights, names)
        options = self.get_params()
        if t.folds is not None and self.folds is None and len(t.folds):
            options["folds"] = int(t.folds.max()) + 1
        with Reporter(progress) as report:
            job = run(
                go.MomentTrain,
                *(t.x, t.rows.shape_json(), t.theta, t.theta.shape[1], "" if t.names is None else json.dumps(t.names)),
                *(t.groups, t.folds, t.weights, options_json(options)),
                progress=report,
            )
        self._adopt(call(go.MomentTrained, job), t.single, t.rows.columns)
        return self

    # ---- answers

    def predict(self, x: Any, return_std: bool = False) -> Union[np.ndarray, Tuple[np.ndarray, np.ndarray]]:
        """Posterior means, (n, parameter) float32; (n,) if theta was.

        With ``return_std`` also the standard deviations, alike in shape. A row with NaN has NaN.
        Memory-mapped arrays are read chunk by chunk. A network of one parameter from a file
        answers (n,).
        """
        mean, std = self._ask(x, ["mean", "std"] if return_std else ["mean"])[:2]
        return (mean, std) if return_std else mean

    def predict_moments(self, x: Any) -> Moments:
        """All moments that the network has learnt: see ``covariance`` and ``moments``."""
        config = self._info["config"]
        wanted = ["mean", "std"] + ["covariance"] * bool(config.get("covariance"))
        return self._ask(x, wanted + ["skewness", "kurtosis"][: config["moments"] - 2])

    def gradient(self, x: Any, parameter: Union[int, str]) -> np.ndarray:
        """The derivative of the mean of one parameter by each value of x, float32 of its shape.

        Of a map or a cube it is the saliency map (Simonyan et al. 2013, arXiv:1312.6034). The unit is
        that of the parameter over that of x.

        Parameters
        ----------
        x : rows, as in :meth:`fit`.
        parameter : its index or its name.
        """
        rows = self._rows(x)
        if isinstance(parameter, str):
            names = self.names_.tolist()
            if parameter not in names:
                raise ValueError(f"parameter {parameter!r}, want one of {names}")
            parameter = names.index(parameter)
        out = np.empty(rows.shape, np.float32)
        for lo, hi, part in rows.chunks():
            run(self._model().Gradient, out[lo:hi], part, rows.shape_json(hi - lo), int(parameter))
        return out

    def score(self, x: Any, theta: Any) -> float:
        """R2 of the means, averaged over the parameters: 1 is perfect, 0 no better than the average."""
        mean = self._ask(x, ["mean"]).mean
        truth, _ = targets(theta, len(mean))
        return float(np.mean(r2_score(truth, mean.reshape(len(mean), -1))))

    def _rows(self, x: Any) -> Rows:
        rows = Rows(x)
        known = self.__dict__.get("feature_names_in_")
        if known is not None and rows.columns is not None and rows.columns != known.tolist():
            raise ValueError(f"x: columns {rows.columns}, the network has learnt from {known.tolist()}")
        want = tuple(self._info["shape"])
        if rows.shape[1:] != want:
            raise ShapeError(f"x: shape {rows.shape}, want {('n', *want)}".replace("'", ""))
        return rows

    def _ask(self, x: Any, wanted: Sequence[str]) -> Moments:
        rows = self._rows(x)
        p = len(self.names_)
        shape = {"covariance": (rows.n, p, p)}
        out = {k: np.empty(shape.get(k, (rows.n, p)), np.float32) for k in wanted}
        for lo, hi, part in rows.chunks():
            outputs = [out[k][lo:hi] if k in out else None for k in Moments._fields]
            run(self._model().Moments, *outputs, part, rows.shape_json(hi - lo))
        if self._single:
            out = {k: v if k == "covariance" else v[:, 0] for k, v in out.items()}
        return Moments(**{"std": None, **out})

    # ---- files

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes the network to a safetensors file, whole or not at all. Go and C read it too."""
        call(self._model().Save, os.fspath(path))

    @classmethod
    def load(cls, path: Union[str, os.PathLike]) -> Network:
        """Reads a model file that ``save``, Go or C wrote.

        Raises ``OSError`` if it cannot be opened, ``FormatError`` if it is no such model,
        ``VersionError`` if a newer version wrote it.
        """
        model = call(go.MomentLoad, os.fspath(path))
        info = json.loads(call(model.Info))
        names = set(inspect.signature(cls).parameters) - {"threads", "checkpoint"}
        new = cls(**{k: v for k, v in info["config"].items() if k in names})
        new._adopt(model, len(info["names"]) == 1, None)
        return new

    # ---- scikit-learn's manners

    def _adopt(self, model: Any, single: bool, columns: Optional[List[str]]) -> None:
        info = json.loads(call(model.Info))
        self._go, self._info, self._single = model, info, single
        self.names_ = np.array(info["names"])
        self.history_: List[List[Dict[str, float]]] = info["history"] or []
        self.n_parameters_: int = info["parameters"]
        self.multiply_adds_: int = info["multiply_adds"]
        self.__dict__.pop("feature_names_in_", None)
        if columns is not None:
            self.feature_names_in_ = np.array(columns, object)

    def __getattr__(self, name: str) -> Any:
        if name in ("_go", "_info", "_single", "names_", "history_", "n_parameters_", "multiply_adds_"):
            raise AttributeError(f"this Network has no {name} before fit or load")
        if name == "feature_names_in_":
            raise AttributeError("this Network has no feature_names_in_: x was no DataFrame and no Table")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _about(self) -> Dict[str, str]:
        config = self._info["config"]
        about = {
            "network": f"{config['network']}, loss {config['loss']}, folds {config['folds']}",
            "parameters": ", ".join(self.names_),
            "a row of x": " × ".join(map(str, self._info["shape"])),
            "size": f"{self.n_parameters_:,} weights a fold, {self.multiply_adds_:,} multiply-adds a row",
        }
        if self.history_:
            epochs = ", ".join(str(len(h)) for h in self.history_)
            best = ", ".join(f"{min(e['valid'] for e in h):.4f}" for h in self.history_ if h)
            about["training"] = f"{epochs} epochs, best held-out loss {best}"
        return about

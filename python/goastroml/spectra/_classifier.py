"""The classifier."""

from __future__ import annotations

import inspect
import json
import os
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from .._arrays import Spectra, matrix
from .._errors import ShapeError
from .._estimator import Estimator
from .._native import call, go, run
from .._progress import Choice, Reporter
from .._table import table
from ._labels import class_indices, encode, group_numbers
from ._stream import Trigger, Verdict, rules_json, stream

_ANSWERS = {
    "best": np.int64,
    "total": np.float32,
    "aleatoric": np.float32,
    "epistemic": np.float32,
    "ood": np.float32,
    "flag": np.uint32,
}


class Classifier(Estimator):
    """Classifies spectra, and says how sure it is.

    A strided residual 1-D network (He et al. 2016, arXiv:1512.03385) or GaSNet-II (Zhong et al.
    2024, arXiv:2311.04146), with a Gaussian posterior over its last layer (Daxberger et al. 2021,
    arXiv:2106.14806) for the uncertainty, probabilities calibrated on spectra that training has
    held out, conformal sets, and a score for spectra unlike all it has learnt.

    None stands for the library's default. The same seed gives the same weights, bit for bit, on
    any number of threads.

    Parameters
    ----------
    network : "default", at most five million multiply-adds a spectrum, or "gasnet2".
    seed : of everything that is drawn: weights, order, noise.
    epochs : passes over the training spectra, at most (30).
    batch_size : spectra a step (64).
    learn_rate : largest step of AdamW (0.002).
    weight_decay : decoupled weight decay of AdamW (0.05).
    label_smoothing : probability moved from each label to the other classes (0.02); negative: none.
    patience : epochs without a better held-out loss before training stops (8); negative: all epochs.
    held_out : fraction of each class kept to choose the epoch and to calibrate (0.2).
    pretrain : "none", or "contrastive" for a supervised-contrastive representation first
        (Khosla et al. 2020, arXiv:2004.11362).
    pretrain_epochs : passes of that (10).
    augment : how strongly training spectra are changed at random (1): noise drawn from ivar, masked
        stretches, a tilt of the flux calibration, a jitter in redshift; negative: not at all.
    exposure : fraction of training spectra spoilt at random (1/8), as blank fibres, sky, blends and the
        like, from which the network learns what the classes are not; negative: none.
    class_weight : "balanced", where each class counts alike, or "none".
    threads : goroutines that compute (the number of processors).
    checkpoint : path of a file that keeps the run after each epoch; a run that finds it there goes
        on from it and ends in the same bits as one that was never stopped.

    Attributes
    ----------
    classes_ : names of the classes, in the order of probabilities.
    wave_ : the model's wavelength grid in Å, (pixel,) float64.
    history_ : one dict an epoch: "loss" and "valid", in nats.
    n_parameters_ : number of parameters.
    multiply_adds_ : of one spectrum.

    Examples
    --------
    >>> s = aml.spectra.simulate(per_class=200, seed=1)
    >>> clf = aml.spectra.Classifier(seed=1).fit(s.flux, s.labels, ivar=s.ivar, wave=s.wave)
    >>> clf.classify(s.flux[:5], ivar=s.ivar[:5])
    """

    def __init__(
        self,
        *,
        network: str = "default",
        seed: int = 0,
        epochs: Optional[int] = None,
        batch_size: Optional[int] = None,
        learn_rate: Optional[float] = None,
        weight_decay: Optional[float] = None,
        label_smoothing: Optional[float] = None,
        patience: Optional[int] = None,
        held_out: Optional[float] = None,
        pretrain: str = "none",
        pretrain_epochs: Optional[int] = None,
        augment: Optional[float] = None,
        exposure: Optional[float] = None,
        class_weight: Optional[str] = None,
        threads: Optional[int] = None,
        checkpoint: Union[str, os.PathLike, None] = None,
    ):
        self.network = network
        self.seed = seed
        self.epochs = epochs
        self.batch_size = batch_size
        self.learn_rate = learn_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.patience = patience
        self.held_out = held_out
        self.pretrain = pretrain
        self.pretrain_epochs = pretrain_epochs
        self.augment = augment
        self.exposure = exposure
        self.class_weight = class_weight
        self.threads = threads
        self.checkpoint = checkpoint

    # ---- learning

    def fit(
        self,
        flux: Any,
        labels: Any,
        *,
        ivar: Any = None,
        wave: Any = None,
        loglam: Any = None,
        classes: Optional[Sequence[str]] = None,
        groups: Any = None,
        progress: Choice = True,
    ) -> Classifier:
        """Learns from labelled spectra, and returns itself.

        Parameters
        ----------
        flux : (n, pixel), any unit; NaN is a masked pixel. float32 in C order is not copied.
        labels : (n,) class names, or integers: indices into ``classes`` or, where there are none,
            numbers whose decimal digits become the names.
        ivar : (n, pixel) inverse variances of flux, 0 for a masked pixel.
        wave, loglam : (pixel,) wavelengths in Å, or their log10; one of them.
        classes : names of the classes in the order wanted; by default those in labels, sorted.
        groups : (n,) names or numbers, the same for spectra that belong together, such as those of
            one object: they are learnt from or held out as a whole.
        progress : True for a bar (with tqdm), a function that gets a :class:`goastroml.Progress`,
            or False.

        Raises
        ------
        ShapeError, ValueError : what came, and what was wanted.
        DivergedError : the loss is no longer finite.
        KeyboardInterrupt : after Ctrl-C, when the training has ended; self is as it was.
        """
        x = Spectra(flux, ivar, wave, loglam)
        y, names = encode(labels, classes, x.n)
        g = group_numbers(groups, x.n)
        f, v = x.whole()
        with Reporter(progress) as report:
            job = run(
                go.SpectraTrain,
                *(f, v, x.n, x.wave, x.pixels, y, g, json.dumps(names), self._options()),
                progress=report,
            )
        self._adopt(call(go.SpectraTrained, job))
        return self

    def fine_tune(
        self,
        flux: Any,
        labels: Any,
        *,
        ivar: Any = None,
        wave: Any = None,
        loglam: Any = None,
        groups: Any = None,
        progress: Choice = True,
        **options: Any,
    ) -> Classifier:
        """Goes on learning from other spectra of the same classes; returns a new classifier.

        Labels are class names, or indices into ``classes_``. It is calibrated anew on a part of
        these spectra that is held out. ``options`` are those of the class; what is not given is the
        library's default, but for network.
        """
        new = Classifier(**{"network": self.network, **options})
        x, y = self._labelled(flux, labels, ivar, wave, loglam)
        g = group_numbers(groups, x.n)
        f, v = x.whole()
        with Reporter(progress) as report:
            job = run(
                self._model().FineTune,
                *(f, v, x.n, x.wave, x.pixels, y, g, json.dumps(self.classes_.tolist()), new._options()),
                progress=report,
            )
        new._adopt(call(go.SpectraTrained, job))
        return new

    def calibrate(
        self, flux: Any, labels: Any, *, ivar: Any = None, wave: Any = None, loglam: Any = None
    ) -> Classifier:
        """Returns the classifier with probabilities, sets and OOD scores calibrated on other spectra.

        The weights stay as they are. Labels are class names, or indices into ``classes_``.
        """
        x, y = self._labelled(flux, labels, ivar, wave, loglam)
        f, v = x.whole()
        job = run(
            self._model().CalibrateJob, f, v, x.n, x.wave, x.pixels, y, None, json.dumps(self.classes_.tolist())
        )
        new = Classifier(**self.get_params())
        new._adopt(call(go.SpectraTrained, job))
        return new

    # ---- answers

    def predict_proba(self, flux: Any, *, ivar: Any = None, wave: Any = None, loglam: Any = None) -> np.ndarray:
        """Calibrated probabilities, (n, class) float32; NaN for spectra without data.

        The spectra may lie on any grid that overlaps the model's; without ``wave`` or ``loglam``
        they lie on ``wave_``. Memory-mapped arrays are read chunk by chunk.
        """
        return self._answer(Spectra(flux, ivar, wave, loglam, self.wave_), ["prob"])["prob"]

    def predict(self, flux: Any, *, ivar: Any = None, wave: Any = None, loglam: Any = None) -> np.ndarray:
        """The most probable class of each spectrum, (n,) of names; "" for spectra without data."""
        return self._names(self._answer(Spectra(flux, ivar, wave, loglam, self.wave_), ["best"])["best"])

    def classify(self, flux: Any, *, ivar: Any = None, wave: Any = None, loglam: Any = None) -> Any:
        """A catalogue with one row a spectrum, and these columns:

        class
            the most probable class, "" where flag has ``UNUSABLE``
        prob
            its probability
        total, aleatoric, epistemic
            uncertainty in nats: the entropy of the probabilities, the part of it that more training
            data would not remove, and the part that they would
        ood
            fraction of known spectra that look less unusual: ``ood <= 0.95`` keeps 95 % of the known
        flag
            bits ``UNUSABLE`` and ``PARTLY_COVERED``
        probs
            the probabilities of all classes, (class,)

        It is an ``astropy.table.Table`` where there is astropy, else a structured array.
        """
        a = self._answer(Spectra(flux, ivar, wave, loglam, self.wave_), ["prob", *_ANSWERS])
        columns = {"class": self._names(a["best"]), "prob": _at(a["prob"], a["best"])}
        columns.update((k, a[k]) for k in ("total", "aleatoric", "epistemic", "ood", "flag"))
        columns["probs"] = a["prob"]
        return table(columns, meta={"classes": self.classes_.tolist()})

    def predict_sets(
        self,
        flux: Any,
        *,
        ivar: Any = None,
        wave: Any = None,
        loglam: Any = None,
        coverage: float = 0.9,
        per_class: bool = False,
    ) -> np.ndarray:
        """Conformal sets, (n, class) bool.

        They hold the true class in a fraction ``coverage`` of all spectra; of the spectra of each
        class, with ``per_class``. A set may be empty: then no class is as probable as it should be.
        """
        prob = self.predict_proba(flux, ivar=ivar, wave=wave, loglam=loglam)
        return self.sets(prob, coverage=coverage, per_class=per_class)

    def sets(self, prob: Any, *, coverage: float = 0.9, per_class: bool = False) -> np.ndarray:
        """:meth:`predict_sets` from the probabilities of :meth:`predict_proba`."""
        prob = matrix("prob", prob, np.float32, (None, len(self.classes_)))
        out = np.zeros(prob.shape, bool)
        call(self._model().Sets, out, prob, len(prob), float(coverage), int(per_class))
        return out

    def embed(self, flux: Any, *, ivar: Any = None, wave: Any = None, loglam: Any = None) -> np.ndarray:
        """The representation that the last layer sees, (n, features) float32."""
        x = Spectra(flux, ivar, wave, loglam, self.wave_)
        out = np.empty((x.n, self._info["features"]), np.float32)
        for lo, hi, f, v in x.chunks():
            run(self._model().Embed, out[lo:hi], f, v, hi - lo, x.wave, x.pixels)
        return out

    def profile(self, n: int = 64, *, training: bool = False) -> Any:
        """What each operation of the network costs for a batch of n spectra, in the order of execution.

        Parameters
        ----------
        n : spectra of the batch.
        training : a training step, forward and backward, instead of a prediction.

        Returns
        -------
        A table: ``operation``, ``output`` (its shape), ``seconds`` (the shortest of several runs),
        ``share`` of all of them, ``bytes`` that it reads and writes, and ``gflops`` (1e9 operations
        a second, of convolutions and dense layers).
        """
        costs = json.loads(call(self._model().Profile, int(n), int(training)))
        total = sum(c["seconds"] for c in costs)
        return table(
            {
                "operation": np.array([c["op"] for c in costs]),
                "output": np.array(["×".join(map(str, c["output"] or [1])) for c in costs]),
                "seconds": np.array([c["seconds"] for c in costs]),
                "share": np.array([c["seconds"] / total for c in costs]),
                "bytes": np.array([c["bytes"] for c in costs]),
                "gflops": np.array([1e-9 * c["flops"] / c["seconds"] for c in costs]),
            },
            {"seconds": "s", "bytes": "byte"},
        )

    def stream(
        self, spectra: Iterable[Tuple], rules: Sequence[Trigger] = (), *, batch: int = 256
    ) -> Iterator[Verdict]:
        """Classifies spectra as they come, in order, with bounded memory.

        Parameters
        ----------
        spectra : gives (id, flux, ivar), or (id, flux, ivar, wave) for spectra with grids of their
            own; ivar may be None.
        rules : what each :class:`Verdict` is to be tried on; its ``triggers`` names those that hold.
        batch : spectra that are waited for before the first is answered. More is faster (256 is
            enough), 1 answers each at once.
        """
        return stream(self, spectra, rules, batch)

    def _answer(self, x: Spectra, wanted: Sequence[str], rules: Sequence[Trigger] = ()) -> Dict[str, np.ndarray]:
        model, k = self._model(), len(self.classes_)
        out = {a: np.empty(x.n, _ANSWERS[a]) for a in wanted if a in _ANSWERS}
        if "prob" in wanted:
            out["prob"] = np.empty((x.n, k), np.float32)
        if rules:
            out["triggers"] = np.zeros((x.n, len(rules)), bool)
        text = rules_json(rules)
        for lo, hi, f, v in x.chunks():
            part = {a: o[lo:hi] for a, o in out.items()}
            outputs = [part.get(a) for a in ("prob", *_ANSWERS, "triggers")]
            run(model.ClassifyJob, *outputs, f, v, hi - lo, x.wave, x.pixels, text)
        return out

    def _names(self, best: np.ndarray) -> np.ndarray:
        return np.append(self.classes_, "")[best]

    # ---- files

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes the model to a safetensors file, whole or not at all. Go and C read it too."""
        call(self._model().Save, os.fspath(path))

    @classmethod
    def load(cls, path: Union[str, os.PathLike]) -> Classifier:
        """Reads a model file that ``save``, Go or C wrote.

        Raises ``OSError`` if it cannot be opened, ``FormatError`` if it is no such model,
        ``VersionError`` if a newer version wrote it.
        """
        model = call(go.SpectraLoad, os.fspath(path))
        config = json.loads(call(model.Info))["config"]
        names = inspect.signature(cls).parameters
        new = cls(**{k: v for k, v in config.items() if k in names})
        new._adopt(model)
        return new

    # ---- scikit-learn's manners

    def _options(self) -> str:
        options = {k: _number(v) for k, v in self.get_params().items() if v is not None}
        if "checkpoint" in options:
            options["checkpoint"] = os.fspath(options["checkpoint"])
        return json.dumps(options)

    def _adopt(self, model: Any) -> None:
        info = json.loads(call(model.Info))
        wave = np.empty(info["pixels"])
        call(model.Wave, wave, len(wave))
        self._go, self._info = model, info
        self.classes_ = np.array(info["classes"])
        self.wave_ = wave
        self.history_: List[Dict[str, float]] = info["history"] or []
        self.n_parameters_: int = info["parameters"]
        self.multiply_adds_: int = info["multiply_adds"]

    def _labelled(self, flux: Any, labels: Any, ivar: Any, wave: Any, loglam: Any) -> Tuple[Spectra, np.ndarray]:
        x = Spectra(flux, ivar, wave, loglam, self.wave_)
        return x, class_indices(labels, self.classes_.tolist(), x.n)

    def __getattr__(self, name: str) -> Any:
        if name in ("_go", "_info", "classes_", "wave_", "history_", "n_parameters_", "multiply_adds_"):
            raise AttributeError(f"this Classifier has no {name} before fit or load")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _about(self) -> Dict[str, str]:
        about = {
            "classes": ", ".join(self.classes_),
            "grid": f"{len(self.wave_)} pixels, {self.wave_[0]:.0f}–{self.wave_[-1]:.0f} Å",
            "size": f"{self.n_parameters_:,} parameters, {self.multiply_adds_:,} multiply-adds a spectrum",
        }
        if self.history_:
            best = min(e["valid"] for e in self.history_)
            about["training"] = f"{len(self.history_)} epochs, best held-out loss {best:.4f} nats"
        return about


def _number(v: Any) -> Any:
    """NumPy's numbers as Python's, for JSON."""
    return v.item() if isinstance(v, np.generic) else v


def _at(prob: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The probability of the best class, NaN where there is none."""
    return prob[np.arange(len(prob)), np.maximum(best, 0)]

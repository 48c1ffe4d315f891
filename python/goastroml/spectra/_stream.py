"""Spectra on the fly: triggers and the stream."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .._arrays import Spectra, vector, wavelengths
from .._errors import ShapeError
from ._data import rebin

if TYPE_CHECKING:
    from ._classifier import Classifier


@dataclass(frozen=True)
class Trigger:
    """A rule for spectra. All conditions that are given must hold."""

    name: str
    #: the most probable class is one of these
    classes: Tuple[str, ...] = ()
    #: least summed probability of ``classes`` (of the most probable class, if there are none)
    min_prob: Optional[float] = None
    #: the conformal set at this coverage has no class but ``classes``, and one at least
    coverage: Optional[float] = None
    #: bounds on the out-of-distribution score
    min_ood: Optional[float] = None
    max_ood: Optional[float] = None

    def __init__(
        self,
        name: str,
        *,
        classes: Sequence[str] = (),
        min_prob: Optional[float] = None,
        coverage: Optional[float] = None,
        min_ood: Optional[float] = None,
        max_ood: Optional[float] = None,
    ):
        classes = (classes,) if isinstance(classes, str) else tuple(str(c) for c in classes)
        for k, v in (
            ("name", str(name)),
            ("classes", classes),
            ("min_prob", min_prob),
            ("coverage", coverage),
            ("min_ood", min_ood),
            ("max_ood", max_ood),
        ):
            object.__setattr__(self, k, v if k in ("name", "classes") or v is None else float(v))


def rules_json(rules: Sequence[Trigger]) -> str:
    """Rules as Go reads them."""
    return json.dumps([{k: v for k, v in asdict(r).items() if v not in (None, ())} for r in rules])


class Verdict(NamedTuple):
    """The answer to one spectrum of a stream."""

    id: Any  #: the caller's
    label: str  #: the most probable class, "" where flag has UNUSABLE
    prob: np.ndarray  #: (class,) calibrated probabilities
    total: float  #: nats
    aleatoric: float  #: nats
    epistemic: float  #: nats
    ood: float  #: fraction of known spectra that look less unusual
    flag: int  #: bits UNUSABLE, PARTLY_COVERED
    triggers: Tuple[str, ...]  #: names of the rules that hold


def stream(clf: Classifier, spectra: Iterable[Tuple], rules: Sequence[Trigger], batch: int) -> Iterator[Verdict]:
    """See Classifier.stream."""
    if batch < 1:
        raise ValueError(f"batch: {batch}, want 1 or more")
    rules = tuple(rules)
    clf._model()  # an untrained classifier is an error now, not at the first spectrum
    return _verdicts(clf, spectra, rules, batch)


def _verdicts(clf: Classifier, spectra: Iterable[Tuple], rules: Sequence[Trigger], batch: int) -> Iterator[Verdict]:
    pending: List[Tuple[Any, np.ndarray, Optional[np.ndarray]]] = []
    for item in spectra:
        row = _row(clf.wave_, item)
        # Noise known or not: one call is for one of the two.
        if pending and (row[2] is None) != (pending[0][2] is None):
            yield from _flush(clf, pending, rules)
            pending = []
        pending.append(row)
        if len(pending) == batch:
            yield from _flush(clf, pending, rules)
            pending = []
    if pending:
        yield from _flush(clf, pending, rules)


def _row(grid: np.ndarray, item: Tuple) -> Tuple[Any, np.ndarray, Optional[np.ndarray]]:
    """One spectrum on the model's grid."""
    if len(item) not in (3, 4):
        raise ValueError(f"stream: a tuple of {len(item)}, want (id, flux, ivar) or (id, flux, ivar, wave)")
    name, flux, ivar = item[:3]
    try:
        flux = vector("flux", flux, np.float32)
        ivar = None if ivar is None else vector("ivar", ivar, np.float32, len(flux))
        if len(item) == 4 and item[3] is not None:
            wave = wavelengths(item[3], None, len(flux))
            if not np.array_equal(wave, grid):
                flux, ivar = rebin(flux[None], None if ivar is None else ivar[None], wave, grid)
                flux, ivar = flux[0], None if ivar is None else ivar[0]
        elif len(flux) != len(grid):
            raise ShapeError(f"{len(flux)} pixels, the model has {len(grid)}: want wave")
    except (ShapeError, ValueError, TypeError) as e:
        raise type(e)(f"spectrum {name!r}: {e}") from None
    return name, flux, ivar


def _flush(clf: Classifier, pending: List, rules: Sequence[Trigger]) -> Iterator[Verdict]:
    ids, flux, ivar = zip(*pending)
    x = Spectra(np.stack(flux), None if ivar[0] is None else np.stack(ivar), clf.wave_)
    a = clf._answer(x, ["prob", "best", "total", "aleatoric", "epistemic", "ood", "flag"], rules)
    labels = clf._names(a["best"])
    for i, name in enumerate(ids):
        yield Verdict(
            name,
            str(labels[i]),
            a["prob"][i],
            float(a["total"][i]),
            float(a["aleatoric"][i]),
            float(a["epistemic"][i]),
            float(a["ood"][i]),
            int(a["flag"][i]),
            tuple(r.name for j, r in enumerate(rules) if a["triggers"][i, j]),
        )

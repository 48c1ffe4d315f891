"""Spectra of stars, galaxies and quasars: classification with honest uncertainty.

:class:`Classifier` learns from labelled spectra, :func:`simulate`, :func:`synthesize`
and :func:`outliers` make them, :func:`read` reads the files of SDSS, DESI, LAMOST and
4MOST, :class:`Trigger` says on what a stream of spectra should raise its hand.

Inverse variance 0, and NaN, is a masked pixel. Wavelengths are in Å (vacuum for the
simulator), one grid for all spectra of a call.
"""

from ._classifier import Classifier
from ._data import CLASSES13, OUTLIER_KINDS, SpectraSet, outliers, read, rebin, simulate, synthesize
from ._stream import Trigger, Verdict

__all__ = [
    "CLASSES13",
    "OUTLIER_KINDS",
    "PARTLY_COVERED",
    "UNUSABLE",
    "Classifier",
    "SpectraSet",
    "Trigger",
    "Verdict",
    "outliers",
    "read",
    "rebin",
    "simulate",
    "synthesize",
]

UNUSABLE = 1  #: flag: no pixel of the model's grid has data; probabilities are NaN
PARTLY_COVERED = 2  #: flag: less than half of the model's pixels have data

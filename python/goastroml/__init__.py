"""Machine learning for astrophysics, computed in Go.

    import goastroml as aml

    clf = aml.spectra.Classifier(seed=1).fit(flux, labels, ivar=ivar, wave=wave)
    clf.predict_proba(new_flux, ivar=new_ivar, wave=wave)

``aml.spectra`` classifies spectra, ``aml.moment`` estimates parameters and
their errors from simulations, ``aml.stats`` says how well, ``aml.explain`` what
an answer came from, ``aml.plot`` (with matplotlib) shows it, ``aml.datasets``
fetches public data. ``aml.load`` reads any model file.
"""

from __future__ import annotations

import os
from typing import Any, Union

from ._errors import AstromlError, DivergedError, FormatError, ShapeError, VersionError
from ._native import Progress, call as _call, go as _go
from . import camels, datasets, explain, moment, spectra, stats

__all__ = [
    "AstromlError",
    "DivergedError",
    "FormatError",
    "Progress",
    "ShapeError",
    "VersionError",
    "camels",
    "datasets",
    "explain",
    "load",
    "moment",
    "plot",
    "spectra",
    "stats",
]

__version__: str = _call(_go.Version)

_LOADERS = {"moment.Network": moment.Network.load, "spectra.Classifier": spectra.Classifier.load}


def load(path: Union[str, os.PathLike]) -> Any:
    """Reads a model file of any kind, and returns an object of the class that wrote it.

    Raises ``OSError`` if the file cannot be opened, :class:`FormatError` if it is no model file of
    this library, :class:`VersionError` if a newer version wrote it.
    """
    kind = _call(_go.ModelKind, os.fspath(path))
    if kind not in _LOADERS:
        raise FormatError(f"{os.fspath(path)}: a model of kind {kind!r}, want one of {sorted(_LOADERS)}")
    return _LOADERS[kind](path)


def __getattr__(name: str) -> Any:
    if name == "plot":  # asks for matplotlib, so not before it is wanted
        import importlib

        return importlib.import_module(".plot", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

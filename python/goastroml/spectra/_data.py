"""Spectra to learn from: simulated, read, moved to another grid."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from .._arrays import Spectra, matrix, vector
from .._native import call, go, run
from .._table import from_rows

#: The thirteen classes of the SDSS pipeline that GaSNet-II (Zhong et al. 2024, arXiv:2311.04146)
#: tells apart. GALAXY and QSO are those with a blank subclass.
CLASSES13: List[str] = json.loads(call(go.SpectraNames, "classes13"))

#: What :func:`outliers` makes.
OUTLIER_KINDS: List[str] = json.loads(call(go.SpectraNames, "outliers"))

_UNITS = {
    "ebv": "mag",
    "teff": "K",
    "feh": "dex",
    "dispersion": "km / s",
    "ew_halpha": "Angstrom",
    "fwhm": "km / s",
}


@dataclass
class SpectraSet:
    """Spectra on one grid, and what is known of each."""

    flux: np.ndarray  #: (n, pixel) float32
    ivar: Optional[np.ndarray]  #: (n, pixel) float32, 0 for a masked pixel
    wave: np.ndarray  #: (pixel,) float64, Å
    labels: Optional[np.ndarray]  #: (n,) class names
    classes: Optional[List[str]]  #: names of the classes
    truth: Any  #: a table: what simulated spectra were made of, what a file tells of its own

    def __len__(self) -> int:
        return len(self.flux)

    def __getitem__(self, rows: Any) -> SpectraSet:
        """The spectra that a slice, a mask or a list of indices picks."""
        if isinstance(rows, (int, np.integer)):
            rows = [rows]
        pick = lambda a: None if a is None else a[rows]  # noqa: E731
        return SpectraSet(
            self.flux[rows], pick(self.ivar), self.wave, pick(self.labels), self.classes, self.truth[rows]
        )

    def __repr__(self) -> str:
        kinds = "" if self.classes is None else f", {len(self.classes)} classes"
        return f"<{len(self)} spectra of {len(self.wave)} pixels, {self.wave[0]:.0f}–{self.wave[-1]:.0f} Å{kinds}>"


def _made(job: Any) -> SpectraSet:
    """Copies what a job has made into NumPy's arrays."""
    made = call(go.SpectraMade, job)
    info = json.loads(call(made.Info))
    n, pixels, classes = info["n"], info["pixels"], info["classes"]
    flux, wave = np.empty((n, pixels), np.float32), np.empty(pixels)
    ivar = np.empty_like(flux) if info["ivar"] else None
    labels = np.empty(n, np.int64) if classes else None
    call(made.Copy, flux, ivar, wave, labels, n, pixels)
    names = None if labels is None else np.array(classes)[labels]
    return SpectraSet(flux, ivar, wave, names, classes, from_rows(json.loads(call(made.Rows)), _UNITS))


def _options(wave: Any, **options: Any) -> str:
    if wave is not None:
        options["wave"] = vector("wave", wave, np.float64).tolist()
    return json.dumps({k: v.item() if isinstance(v, np.generic) else v for k, v in options.items() if v is not None})


def simulate(
    per_class: int = 100,
    *,
    seed: int = 0,
    classes: Optional[Sequence[str]] = None,
    wave: Any = None,
    sn_min: Optional[float] = None,
    sn_max: Optional[float] = None,
    resolution: Optional[float] = None,
    hardness: Optional[float] = None,
    noiseless: bool = False,
    threads: Optional[int] = None,
) -> SpectraSet:
    """Labelled spectra of the thirteen classes, ``per_class`` of each, in turn.

    Parameters
    ----------
    per_class : spectra of each class.
    seed : spectrum j of a class depends on seed, the class and j alone.
    classes : some of :data:`CLASSES13`; by default all.
    wave : (pixel,) vacuum wavelengths in Å between 3000 and 12000; by default SDSS's 4000 pixels.
    sn_min, sn_max : bounds of the median signal-to-noise ratio a pixel, log-normal (2, 30).
    resolution : λ/Δλ of the spectrograph (2000).
    hardness : scale of dust, errors of the flux calibration, sky residuals (1); negative: none.
    noiseless : leaves noise, masks and sky residuals away.
    """
    text = _options(
        wave,
        per_class=per_class,
        seed=seed,
        classes=None if classes is None else list(classes),
        sn_min=sn_min,
        sn_max=sn_max,
        resolution=resolution,
        hardness=hardness,
        noiseless=bool(noiseless),
        threads=threads,
    )
    return _made(run(go.SpectraSimulate, text))


def synthesize(
    templates: Iterable[Mapping[str, Any]],
    per_class: int = 100,
    *,
    seed: int = 0,
    wave: Any = None,
    sn_min: Optional[float] = None,
    sn_max: Optional[float] = None,
    resolution: Optional[float] = None,
    hardness: Optional[float] = None,
    noiseless: bool = False,
    mix: Optional[float] = None,
    noise_ivar: Any = None,
    noise_wave: Any = None,
    threads: Optional[int] = None,
) -> SpectraSet:
    """Labelled spectra from any library of templates, ``per_class`` of each class, in turn.

    Each is a template redshifted, brought to the resolution and the pixels of the spectrograph,
    dimmed by dust in the Milky Way, with errors of the flux calibration, noise and masks.

    Parameters
    ----------
    templates : dicts, several for one class if need be, with the keys

        class : name of the class.
        wave : (pixel,) vacuum wavelengths in Å, increasing, in the rest frame.
        flux : (row, pixel) noiseless templates, or the rows of a basis; F_λ in any unit.
        coeff : (set, row) coefficients: each set makes a template of the basis.
        mean, scatter : (row,) of normal coefficients of the basis, in place of coeff.
        z_min, z_max : range of redshifts, uniform in log(1+z) (0, 0).
        resolution : λ/Δλ of the templates (far above the spectrograph's).
        weight : their share in the class (1).
    mix : share of spectra that are the mean of two templates (0): it fills the gaps of a small library.
    noise_ivar, noise_wave : (n, pixel) inverse variances of observed spectra and their grid: each
        spectrum gets the noise pattern and the masks of one of them. By default a model of the SDSS
        spectrographs.
    per_class, seed, wave, sn_min, sn_max, resolution, hardness, noiseless, threads : see :func:`simulate`.
    """
    library = call(go.NewSpectraLibrary)
    for i, t in enumerate(templates):
        _add_template(library, f"templates[{i}]", t)
    text = _options(
        wave,
        per_class=per_class,
        seed=seed,
        sn_min=sn_min,
        sn_max=sn_max,
        resolution=resolution,
        hardness=hardness,
        noiseless=bool(noiseless),
        mix=mix,
        threads=threads,
    )
    if noise_ivar is None:
        return _made(run(go.SpectraSynthesize, library, None, 0, None, 0, text))
    noise = Spectra(noise_ivar, None, noise_wave)
    return _made(run(go.SpectraSynthesize, library, noise.whole()[0], noise.n, noise.wave, noise.pixels, text))


_TEMPLATE_OPTIONS = ("class", "z_min", "z_max", "resolution", "weight")
_TEMPLATE_ARRAYS = ("wave", "flux", "coeff", "mean", "scatter")


def _add_template(library: Any, name: str, t: Mapping[str, Any]) -> None:
    for k in t:
        if k not in _TEMPLATE_OPTIONS + _TEMPLATE_ARRAYS:
            raise ValueError(f"{name}: key {k!r}, want some of {_TEMPLATE_OPTIONS + _TEMPLATE_ARRAYS}")
    for k in ("class", "wave", "flux"):
        if t.get(k) is None:
            raise ValueError(f"{name}: no {k!r}")
    flux = matrix(f"{name}: flux", t["flux"], np.float32)
    rows, pixels = flux.shape
    wave = vector(f"{name}: wave", t["wave"], np.float64, pixels)
    coeff = t.get("coeff")
    if coeff is not None:
        coeff = matrix(f"{name}: coeff", coeff, np.float32, (None, rows))
    mean, scatter = (
        None if t.get(k) is None else vector(f"{name}: {k}", t[k], np.float64, rows) for k in ("mean", "scatter")
    )
    options = json.dumps({k: str(t[k]) if k == "class" else float(t[k]) for k in _TEMPLATE_OPTIONS if k in t})
    sets = 0 if coeff is None else len(coeff)
    call(library.Add, flux, rows, wave, pixels, coeff, sets, mean, scatter, options)


def outliers(
    kind: str,
    n: int = 100,
    *,
    seed: int = 0,
    wave: Any = None,
    sn_min: Optional[float] = None,
    sn_max: Optional[float] = None,
    resolution: Optional[float] = None,
    hardness: Optional[float] = None,
    threads: Optional[int] = None,
) -> SpectraSet:
    """``n`` spectra that belong to none of the thirteen classes, to try OOD scores on.

    ``kind`` is "blank" (noise alone), "sky" (badly subtracted sky), "blend" (two objects of
    different classes) or "unknown" (M dwarfs, carbon stars, white dwarfs, supernovae, broad-
    absorption-line quasars in turn). The set has no labels; ``truth["class"]`` says what each is.
    The other parameters are those of :func:`simulate`.
    """
    text = _options(
        wave,
        per_class=n,
        seed=seed,
        sn_min=sn_min,
        sn_max=sn_max,
        resolution=resolution,
        hardness=hardness,
        threads=threads,
    )
    return _made(run(go.SpectraOutliers, kind, text))


def read(path: Union[str, os.PathLike]) -> SpectraSet:
    """The spectra of a FITS file of SDSS, DESI, LAMOST or 4MOST, also compressed with gzip.

    ``truth`` has the columns id, survey, class, subclass and z, as the survey's own pipeline has
    them ("" and NaN where the file has none); there are no labels. Raises ``OSError`` if the file
    cannot be opened and ``FormatError`` if it is none of these, or damaged.
    """
    return _made(run(go.SpectraRead, os.fspath(path)))


def rebin(flux: Any, ivar: Any, wave: Any, new_wave: Any) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Moves spectra to another wavelength grid; conserves flux.

    A pixel of the result is the mean of the pixels it overlaps, weighted by the overlap; masked
    ones are left out, and a pixel less than half covered is masked.

    Parameters
    ----------
    flux, ivar : (n, pixel); ivar may be None.
    wave, new_wave : wavelengths in Å, increasing.

    Returns
    -------
    flux, ivar : (n, new pixel) float32; without ivar, None, and masked pixels are NaN.
    """
    x = Spectra(flux, ivar, wave)
    grid = vector("new_wave", new_wave, np.float64)
    out = np.empty((x.n, len(grid)), np.float32)
    noise = None if ivar is None else np.empty_like(out)
    for lo, hi, f, v in x.chunks():
        o = None if noise is None else noise[lo:hi]
        call(go.SpectraRebin, out[lo:hi], o, grid, len(grid), f, v, hi - lo, x.wave, x.pixels)
    return out, noise

"""Arrays on their way to Go: shape, dtype, order, and no copy where none is needed."""

from __future__ import annotations

import mmap
from typing import Any, Iterator, Optional, Tuple

import numpy as np

from ._errors import ShapeError

_CHUNK = 64 << 20  # bytes of one chunk of spectra, where they go chunk by chunk


def _numbers(name: str, x: Any, ndim: int, wanted: str) -> Any:
    """Returns x, or the array in it, once it is known to hold real numbers in so many axes."""
    if not all(hasattr(x, a) for a in ("shape", "dtype", "__getitem__")):  # not NumPy's, h5py's, zarr's
        try:
            x = np.asarray(x)
        except ValueError as e:
            raise ShapeError(f"{name}: no rectangular array ({e}), want shape {wanted}") from None
    if np.dtype(x.dtype).kind not in "fiu":
        raise TypeError(f"{name}: dtype {x.dtype}, want real numbers")
    if len(x.shape) != ndim:
        raise ShapeError(f"{name}: shape {tuple(x.shape)}, want {wanted}")
    return x


def _dense(x: Any, dtype: Any) -> np.ndarray:
    """A native, C-ordered array: x itself if it is one. What is masked becomes NaN."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite: a masked pixel
        if isinstance(x, np.ma.MaskedArray):
            return np.ascontiguousarray(np.ma.filled(x.astype(dtype), np.nan))
        return np.require(x, dtype, ["C", "A"])


def vector(name: str, x: Any, dtype: Any, n: Optional[int] = None) -> np.ndarray:
    """A dense vector of n numbers."""
    wanted = f"({'n' if n is None else n},)"
    x = _dense(_numbers(name, x, 1, wanted), dtype)
    if n is not None and len(x) != n:
        raise ShapeError(f"{name}: shape {x.shape}, want {wanted}")
    return x


def matrix(name: str, x: Any, dtype: Any, shape: Tuple[Optional[int], Optional[int]] = (None, None)) -> np.ndarray:
    """A dense matrix; None in shape stands for any number."""
    wanted = f"({', '.join('n' if s is None else str(s) for s in shape)})"
    x = _dense(_numbers(name, x, 2, wanted), dtype)
    if any(want is not None and got != want for got, want in zip(x.shape, shape)):
        raise ShapeError(f"{name}: shape {x.shape}, want {wanted}")
    return x


def wavelengths(wave: Any, loglam: Any, pixels: int) -> np.ndarray:
    """The wavelengths in Å, float64, of either wave or loglam (their log10)."""
    if (wave is None) == (loglam is None):
        raise ValueError("want wave (Å) or loglam (log10 of Å), one of them")
    name, x = ("wave", wave) if loglam is None else ("loglam", loglam)
    if hasattr(x, "to_value") and loglam is None:  # an astropy Quantity
        x = x.to_value("Angstrom")
    if np.ndim(x) == 2:
        raise ShapeError(
            f"{name}: shape {np.shape(x)}, want ({pixels},): one grid for all spectra (rebin them, or see stream)"
        )
    x = vector(name, x, np.float64, pixels)
    return x if loglam is None else 10.0**x


class Spectra:
    """Spectra on their way to Go, at once or chunk by chunk.

    Arrays that are float32, C-ordered and in memory go as they are. Others are
    converted chunk by chunk, and the pages of memory-mapped files given back after
    each chunk, so that files larger than the memory can be classified.
    """

    def __init__(self, flux: Any, ivar: Any, wave: Any = None, loglam: Any = None, grid: Optional[np.ndarray] = None):
        self.flux = _numbers("flux", flux, 2, "(n, pixel); a single spectrum as flux[None]")
        self.n, self.pixels = self.flux.shape
        self.ivar = None
        if ivar is not None:
            self.ivar = _numbers("ivar", ivar, 2, f"{tuple(self.flux.shape)} as flux")
            if tuple(self.ivar.shape) != tuple(self.flux.shape):
                raise ShapeError(f"ivar: shape {tuple(self.ivar.shape)}, want {tuple(self.flux.shape)} as flux")
        if wave is None and loglam is None and grid is not None:
            if self.pixels != len(grid):
                raise ShapeError(f"flux: {self.pixels} pixels, the model has {len(grid)}: want wave or loglam")
            wave = grid
        self.wave = wavelengths(wave, loglam, self.pixels)

    def whole(self) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        """All of flux and ivar, dense float32."""
        return _dense(self.flux, np.float32), None if self.ivar is None else _dense(self.ivar, np.float32)

    def chunks(self) -> Iterator[Tuple[int, int, np.ndarray, Optional[np.ndarray]]]:
        """Runs of spectra: first, last + 1, flux, ivar."""
        parts = [a for a in (self.flux, self.ivar) if a is not None]
        step = max(1, self.n)
        if not all(_ready(a) for a in parts):
            step = max(64, _CHUNK // max(1, 4 * self.pixels))
        for lo in range(0, max(1, self.n), step):
            hi = min(lo + step, self.n)
            yield lo, hi, *(None if a is None else _dense(a[lo:hi], np.float32) for a in (self.flux, self.ivar))
            for a in parts:
                _release(a, lo, hi)


def _ready(a: Any) -> bool:
    """Whether Go can have the array as it is and where it is."""
    return (
        isinstance(a, np.ndarray)
        and not isinstance(a, np.ma.MaskedArray)
        and a.dtype == np.float32
        and a.dtype.isnative
        and a.flags.c_contiguous
        and a.flags.aligned
        and _map(a) is None
    )


def _map(a: Any) -> Optional[mmap.mmap]:
    """The memory map that a is a view of, if its pages can be given back without loss."""
    while isinstance(a, np.ndarray):
        base = a.base.obj if isinstance(a.base, memoryview) else a.base
        if isinstance(base, mmap.mmap):
            # Pages of a private, writeable map ("c") hold the only copy of what was changed.
            shared = getattr(a, "mode", None) in ("r+", "w+")
            return base if shared or not a.flags.writeable else None
        a = base
    return None


def _release(a: Any, lo: int, hi: int) -> None:
    """Gives the pages of rows lo to hi back to the system, if a is a memory map.

    They stay in the system's cache, and are there again when they are touched.
    """
    m = _map(a)
    if m is None or hi <= lo or not hasattr(m, "madvise") or min(a.strides) <= 0:
        return
    rows = a[lo:hi]
    origin = np.frombuffer(m, np.uint8).__array_interface__["data"][0]
    start = rows.__array_interface__["data"][0] - origin
    size = sum((s - 1) * stride for s, stride in zip(rows.shape, rows.strides)) + rows.itemsize
    start, surplus = start // mmap.PAGESIZE * mmap.PAGESIZE, start % mmap.PAGESIZE
    m.madvise(mmap.MADV_DONTNEED, start, size + surplus)

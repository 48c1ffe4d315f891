"""Data of the CAMELS simulations and of IllustrisTNG: galaxies, parameters, maps.

:func:`read_groups` reads galaxies from group catalogues (HDF5 files, with h5py),
:func:`read_params` the parameters of simulations, :func:`read_maps` the maps of the
CAMELS Multifield Dataset. Sources: Villaescusa-Navarro et al. (2021, arXiv:2010.00619;
2022, arXiv:2109.10915), Nelson et al. (2019, arXiv:1812.05609).

What is learnt from them must be tested on simulations that it has not seen: galaxies,
or maps, of one simulation are not independent. So each has the index of its simulation
beside it.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ._errors import FormatError, ShapeError
from ._table import table

__all__ = ["Galaxies", "Header", "Maps", "Params", "read_groups", "read_maps", "read_params"]

Path = Union[str, os.PathLike]

#: The number of maps that the CAMELS Multifield Dataset has of a simulation.
MAPS_PER_SIMULATION = 15

_SIX = ["Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2"]


@dataclass
class Params:
    """The parameters of simulations."""

    names: List[str]  #: of the parameters, which have no units
    values: np.ndarray  #: (simulation, parameter) float32
    runs: Optional[List[str]]  #: names of the simulations, such as LH_0; None if the file has none
    seeds: Optional[np.ndarray]  #: (simulation,) int64 of the initial conditions; None if the file has none

    def __len__(self) -> int:
        return len(self.values)


def read_params(path: Path) -> Params:
    """The parameters in a text file, a line for each simulation.

    ``CosmoAstroSeed_*.txt``, ``CosmoAstro_params.txt``, ``latin_hypercube_params_*.txt``,
    ``params_*.txt``. A line has the name of the simulation, if it begins with no number; the
    parameters; and the seed, if the header says so or there are seven numbers. Lines that begin
    with # are comments; the last one before the numbers that has as many words is the header, and
    names the columns. Without it parameters other than the six of the first sets (Omega_m sigma_8
    A_SN1 A_AGN1 A_SN2 A_AGN2) are p1, p2, ….

    Raises ``OSError`` if the file cannot be opened, ``FormatError`` if it has other lines.
    """
    comments: List[List[str]] = []
    runs: List[str] = []
    rows: List[List[float]] = []
    columns: List[str] = []
    named = seeds = False
    with open(path, encoding="utf-8", errors="replace") as f:
        for i, line in enumerate(f, 1):
            words = line.split()
            if not words:
                continue
            if words[0].startswith("#"):
                if not rows:
                    comments.append(([words[0][1:]] if words[0] != "#" else []) + words[1:])
                continue
            if not rows:
                columns, named, seeds = _columns(words, comments)
            if named:
                runs.append(words.pop(0))
            if not words or len(words) != len(columns):
                raise FormatError(f"camels: {path}: line {i}: {len(words)} numbers, want {max(1, len(columns))}")
            row = [_number(w) for w in words]
            for w, v in zip(words, row):
                if not abs(v) <= float(np.finfo(np.float32).max):
                    raise FormatError(f"camels: {path}: line {i}: {w!r}, want a number")
            if seeds and not (row[-1].is_integer() and abs(row[-1]) <= 2**53):
                raise FormatError(f"camels: {path}: line {i}: seed {words[-1]}, want an integer")
            rows.append(row)
    if not rows:
        raise FormatError(f"camels: {path}: no parameters")
    values = np.array(rows)
    last = len(columns) - seeds
    return Params(
        columns[:last],
        values[:, :last].astype(np.float32),
        runs if named else None,
        values[:, -1].astype(np.int64) if seeds else None,
    )


def _columns(words: List[str], comments: List[List[str]]) -> Tuple[List[str], bool, bool]:
    """The names of the columns of numbers; whether a name comes first, and a seed last."""
    named = math.isnan(_number(words[0]))
    for names in reversed(comments):
        if len(names) == len(words):
            columns = names[named:]
            return columns, named, len(columns) > 1 and columns[-1].lower() == "seed"
    n = len(words) - named
    if n in (6, 7):
        return _SIX + ["seed"] * (n - 6), named, n == 7
    return [f"p{i + 1}" for i in range(n)], named, False


def _number(word: str) -> float:
    """The number that a word is, NaN if it is none."""
    try:
        return float(word) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        return math.nan


@dataclass
class Maps:
    """The maps of one field of a set of simulations."""

    maps: np.ndarray  #: (map, y, x) float32, periodic, mapped from the file
    params: np.ndarray  #: (map, parameter) float32, those of the simulation of each map
    names: List[str]  #: of the parameters
    simulation: np.ndarray  #: (map,) int64: row of its simulation in the file of parameters

    def __len__(self) -> int:
        return len(self.maps)


def read_maps(path: Path, params: Path) -> Maps:
    """Maps such as ``Maps_HI_IllustrisTNG_LH_z=0.00.npy``, and the parameters of their simulations.

    The maps stay in the file until they are used. There are fifteen of each simulation, in the
    order of the parameters (``params_LH_IllustrisTNG.txt``, see :func:`read_params`): maps of one
    simulation belong on one side of a split.

    Raises ``OSError`` if a file cannot be opened, ``FormatError`` if it is damaged or holds other
    numbers than float32, ``ShapeError`` if there are more or fewer maps.
    """
    p = read_params(params)
    try:
        maps = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as e:
        raise FormatError(f"camels: {path}: no array in NumPy's format: {e}") from e
    if not isinstance(maps, np.ndarray):  # an .npz archive
        maps.close()
        raise FormatError(f"camels: {path}: an archive, want an array in NumPy's format")
    if maps.dtype != np.float32:
        raise FormatError(f"camels: {path}: numbers of type {maps.dtype}, want float32")
    n = len(p) * MAPS_PER_SIMULATION
    if maps.ndim != 3 or len(maps) != n:
        wanted = f"({n}, y, x): {MAPS_PER_SIMULATION} maps of each simulation of {params}"
        raise ShapeError(f"camels: {path}: shape {maps.shape}, want {wanted}")
    simulation = np.arange(n) // MAPS_PER_SIMULATION
    return Maps(maps, p.values[simulation], p.names, simulation)


class Header(NamedTuple):
    """What a group catalogue tells of its simulation. What it does not tell is NaN."""

    redshift: float
    time: float  #: the scale factor
    hubble_param: float  #: in 100 km/s/Mpc
    omega0: float
    omega_lambda: float
    box_size: float  #: comoving kpc/h
    subhalos: int  #: in this file
    files: int  #: of this snapshot


@dataclass
class Galaxies:
    """The galaxies of one or more group catalogues."""

    names: List[str]  #: of the features
    units: List[str]  #: of the features; "/h" is little h, lengths are comoving
    values: np.ndarray  #: (galaxy, feature) float32
    simulation: np.ndarray  #: (galaxy,) int64: index in simulations
    #: The folders that the files of each simulation lie in: LH_0, LH_1, … for CAMELS, as in
    #: :attr:`Params.runs`. They are in the order of the paths, which need not be that of the
    #: parameters: sorted by name, LH_10 comes before LH_2.
    simulations: List[str]
    file: np.ndarray  #: (galaxy,) int64: index of its file in the paths
    row: np.ndarray  #: (galaxy,) int64: row of its subhalo in the file
    headers: List[Header]  #: of the files

    def __len__(self) -> int:
        return len(self.values)

    @property
    def table(self) -> Any:
        """A table of a column for each feature, simulation, file and row.

        An ``astropy.table.Table``, whose units have ``littleh`` of ``astropy.cosmology.units``; a
        structured array where there is no astropy.
        """
        columns = dict(zip(self.names, self.values.T))
        columns.update(simulation=self.simulation, file=self.file, row=self.row)
        try:
            units = _astropy_units()
        except ImportError:
            return table(columns)
        return table(columns, {n: units[u] for n, u in zip(self.names, self.units) if u})

    def __repr__(self) -> str:
        return f"<{len(self)} galaxies of {len(self.simulations)} simulations, {len(self.names)} features>"


def _astropy_units() -> Dict[str, Any]:
    """The units of features. Astropy would take the h of Msun/h for hours."""
    import astropy.cosmology.units as cu
    import astropy.units as u

    return {
        "Msun/h": u.solMass / cu.littleh,
        "Msun/yr": u.solMass / u.yr,
        "Mpc/h": u.Mpc / cu.littleh,
        "kpc/h km/s": u.kpc / cu.littleh * u.km / u.s,
        "km/s": u.km / u.s,
        "mag": u.mag,
    }


_GAS, _STARS, _TYPES = 0, 4, 6
_NORM = -1  # in place of a column: the Euclidean norm of all

# Features of Villaescusa-Navarro et al. (2022, arXiv:2201.02202), section 2.2, in their order and
# units: name, unit, dataset of the group Subhalo, columns of the dataset (0: one axis), column,
# scale. Masses in the files are 1e10 Msun/h, lengths kpc/h; magnitudes U B V K g r i z.
_FEATURES: List[Tuple[str, str, str, int, int, float]] = [
    ("M_gas", "Msun/h", "SubhaloMassType", _TYPES, _GAS, 1e10),
    ("M_star", "Msun/h", "SubhaloMassType", _TYPES, _STARS, 1e10),
    ("M_bh", "Msun/h", "SubhaloBHMass", 0, 0, 1e10),
    ("M_tot", "Msun/h", "SubhaloMass", 0, 0, 1e10),
    ("V_max", "km/s", "SubhaloVmax", 0, 0, 1),
    ("sigma_v", "km/s", "SubhaloVelDisp", 0, 0, 1),
    ("Z_gas", "", "SubhaloGasMetallicity", 0, 0, 1),
    ("Z_star", "", "SubhaloStarMetallicity", 0, 0, 1),
    ("SFR", "Msun/yr", "SubhaloSFR", 0, 0, 1),
    ("J", "kpc/h km/s", "SubhaloSpin", 3, _NORM, 1),
    ("V", "km/s", "SubhaloVel", 3, _NORM, 1),
    ("R_star", "Mpc/h", "SubhaloHalfmassRadType", _TYPES, _STARS, 1e-3),
    ("R_tot", "Mpc/h", "SubhaloHalfmassRad", 0, 0, 1e-3),
    ("R_max", "Mpc/h", "SubhaloVmaxRad", 0, 0, 1e-3),
    ("U", "mag", "SubhaloStellarPhotometrics", 8, 0, 1),
    ("K", "mag", "SubhaloStellarPhotometrics", 8, 3, 1),
    ("g", "mag", "SubhaloStellarPhotometrics", 8, 4, 1),
]


def read_groups(
    paths: Union[Path, Sequence[Path]],
    *,
    min_stars: int = 20,
    min_stellar_mass: float = 0,
    keep_flagged: bool = False,
    no_photometry: bool = False,
) -> Galaxies:
    """The galaxies of group catalogues of SUBFIND in the layout of IllustrisTNG. Needs h5py.

    ``fof_subhalo_tab_033.hdf5`` of CAMELS is one file a simulation; of the chunks
    ``fof_subhalo_tab_099.0.hdf5``, … of IllustrisTNG some may be missing. Chunks in one folder are
    one simulation.

    Parameters
    ----------
    paths : the path of a file, or a list of them.
    min_stars : the fewest star particles of a galaxy; 0: none is needed. Villaescusa-Navarro et
        al. (2022, arXiv:2201.02202) take galaxies of more than 20: their sample is that of 21.
    min_stellar_mass : the least stellar mass of a galaxy in Msun/h.
    keep_flagged : keeps subhalos whose SubhaloFlag is 0: IllustrisTNG calls them fragments of
        galaxies. CAMELS has no flag, and keeps all.
    no_photometry : leaves the magnitudes U, K and g away. In SIMBA's catalogues these numbers mean
        nothing.

    Returns
    -------
    Galaxies : with the 17 features M_gas M_star M_bh M_tot (Msun/h) V_max sigma_v (km/s) Z_gas
        Z_star SFR (Msun/yr) J (kpc/h km/s) V (km/s) R_star R_tot R_max (comoving Mpc/h) U K g (mag).

    Raises
    ------
    ImportError : there is no h5py.
    OSError : a file cannot be opened.
    FormatError : it has no such datasets, or is damaged.
    """
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not paths:
        raise ValueError("camels: no files, want one or more")
    wanted = [f for f in _FEATURES if not (no_photometry and f[1] == "mag")]
    seen: Dict[str, int] = {}
    simulations: List[str] = []
    headers, values, simulation, file, row = [], [], [], [], []
    for i, path in enumerate(map(os.fspath, paths)):
        with _open(path) as f:
            header, rows, features = _galaxies(path, f, wanted, min_stars, min_stellar_mass, keep_flagged)
        key = os.path.normpath(path)
        if header.files > 1:
            key = re.sub(r"\.[^./]*\.[^./]*$", "", key)  # the .7.hdf5 of chunk 7
        if key not in seen:
            seen[key] = len(simulations)
            simulations.append(os.path.basename(os.path.dirname(os.path.abspath(path))))
        headers.append(header)
        values.append(features)
        row.append(rows)
        simulation.append(np.full(len(rows), seen[key]))
        file.append(np.full(len(rows), i))
    return Galaxies(
        [f[0] for f in wanted],
        [f[1] for f in wanted],
        np.concatenate(values),
        np.concatenate(simulation),
        simulations,
        np.concatenate(file),
        np.concatenate(row),
        headers,
    )


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    """An HDF5 file. What h5py raises becomes a FormatError."""
    try:
        import h5py
    except ImportError:
        raise ImportError("camels: group catalogues are HDF5 files, which need h5py (pip install h5py)") from None
    with open(path, "rb"):  # what cannot be opened at all is an OSError
        pass
    try:
        with h5py.File(path, "r") as f:
            yield f
    except FormatError:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as e:
        raise FormatError(f"camels: {path}: {e.args[-1] if e.args else e}") from e


def _galaxies(
    path: str, f: Any, wanted: list, min_stars: int, min_stellar_mass: float, keep_flagged: bool
) -> Tuple[Header, np.ndarray, np.ndarray]:
    """The header of a file, the rows of its galaxies and their features."""
    header = _header(path, f["Header"].attrs)
    if header.subhalos == 0:  # chunks without subhalos lack the datasets
        return header, np.empty(0, np.int64), np.empty((0, len(wanted)), np.float32)
    group, columns = f["Subhalo"], {}

    def read(name: str, width: int) -> np.ndarray:
        if name in columns:
            return columns[name]
        shape = (header.subhalos, width) if width else (header.subhalos,)
        data = group[name]
        if getattr(data, "shape", None) != shape or data.dtype.kind not in "fiub":
            raise FormatError(f"camels: {path}: dataset Subhalo/{name} is {data}, want numbers of shape {shape}")
        columns[name] = data[()].astype(np.float64)
        return columns[name]

    good = read("SubhaloLenType", _TYPES)[:, _STARS] >= min_stars
    good &= read("SubhaloMassType", _TYPES)[:, _STARS] * 1e10 >= min_stellar_mass
    if not keep_flagged and "SubhaloFlag" in group:
        good &= read("SubhaloFlag", 0) != 0
    out = np.empty((np.count_nonzero(good), len(wanted)), np.float32)
    for j, (_, _, name, width, column, scale) in enumerate(wanted):
        x = read(name, width)[good]
        if width and column == _NORM:
            x = np.sqrt(x[:, 0] ** 2 + x[:, 1] ** 2 + x[:, 2] ** 2)
        elif width:
            x = x[:, column]
        out[:, j] = x * scale
    return header, np.flatnonzero(good), out


def _header(path: str, attributes: Any) -> Header:
    def number(name: str) -> float:
        v = np.asarray(attributes.get(name, math.nan))
        return float(v.reshape(())) if v.size == 1 and v.dtype.kind in "fiub" else math.nan

    subhalos = number("Nsubgroups_ThisFile")
    if math.isnan(subhalos):
        subhalos = number("Nsubhalos_ThisFile")  # as Gadget-4 calls it
    if not 0 <= subhalos < 2**31:
        raise FormatError(f"camels: {path}: Nsubgroups_ThisFile of Header is {subhalos:g}, want the number of subhalos")
    files = number("NumFiles")
    return Header(
        *map(number, ["Redshift", "Time", "HubbleParam", "Omega0", "OmegaLambda", "BoxSize"]),
        int(subhalos),
        int(files) if 1 <= files < 2**31 else 1,
    )

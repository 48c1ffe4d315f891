"""Toy galaxies, whose posterior is known."""

from __future__ import annotations

import json
from typing import Any, List, NamedTuple, Tuple

import numpy as np

from .._arrays import matrix
from .._native import call, go


class Galaxies(NamedTuple):
    """Toy galaxies of many universes."""

    x: np.ndarray  #: (n, feature) float32, in ``units``
    theta: np.ndarray  #: (n, 2) float32: Omega_m and sigma_8 of each one's universe
    groups: np.ndarray  #: (n,) the number of its universe
    features: List[str]  #: names of the properties
    units: List[str]  #: of the properties
    names: List[str]  #: of the parameters


def galaxies(simulations: int = 200, per_simulation: int = 50, *, seed: int = 0) -> Galaxies:
    """Draws toy galaxies: eight properties of each, for learning what one galaxy knows of its universe.

    The logarithms of the properties are linear in a hidden mass, in Omega_m and in Gaussian scatter;
    none knows of sigma_8. It is no physics, but :func:`galaxy_posterior` knows the answer. It stands
    for the galaxies of Villaescusa-Navarro et al. (2022), arXiv:2201.02202. The same seed gives the
    same galaxies, in Go and here.

    Parameters
    ----------
    simulations : universes, of uniform Omega_m in [0.1, 0.5] and sigma_8 in [0.6, 1.0].
    per_simulation : galaxies of each.
    seed : of all that is drawn.

    Raises
    ------
    ValueError : a number is not positive.
    """
    info = json.loads(call(go.MomentGalaxyInfo))
    n = max(0, int(simulations) * int(per_simulation))
    x = np.empty((n, len(info["features"])), np.float32)
    theta = np.empty((n, len(info["parameters"])), np.float32)
    groups = np.empty(n, np.int64)
    options = {"simulations": int(simulations) or -1, "per_simulation": int(per_simulation) or -1, "seed": seed}
    call(go.MomentGalaxies, x, theta, groups, n, json.dumps(options))
    return Galaxies(x, theta, groups, info["features"], info["units"], info["parameters"])


def galaxy_posterior(x: Any) -> Tuple[np.ndarray, np.ndarray]:
    """The exact posterior mean and standard deviation of Omega_m given one toy galaxy each.

    x is (n, 8) as :func:`galaxies` gives it; the results are (n,) float64. A normal likelihood, cut
    off at the ends of the prior.
    """
    x = matrix("x", x, np.float32, (None, 8))
    mean, std = np.empty(len(x)), np.empty(len(x))
    call(go.MomentGalaxyPosterior, mean, std, x, len(x))
    return mean, std

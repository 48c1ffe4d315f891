"""Moments of posteriors by networks, without a likelihood.

:class:`Network` learns from simulations to estimate the mean and the standard
deviation of each parameter, given a row of a table, a profile, a map or a cube;
:func:`search` tries its options. :func:`galaxies` draws toy galaxies whose posterior
is known.
"""

from ._galaxies import Galaxies, galaxies, galaxy_posterior
from ._network import Moments, Network
from ._search import SearchResult, search

__all__ = ["Galaxies", "Moments", "Network", "SearchResult", "galaxies", "galaxy_posterior", "search"]

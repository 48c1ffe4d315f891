"""Tries the installed wheel, with NumPy and nothing else beside it."""

import importlib.resources
import pathlib
import sys

import numpy as np

import goastroml as aml

home = pathlib.Path(aml.__file__).resolve()
assert home.is_relative_to(pathlib.Path(sys.prefix).resolve()), home
files = importlib.resources.files("goastroml")
assert files.joinpath("py.typed").is_file()
assert "gorgonia.org/gorgonia" in files.joinpath("THIRD_PARTY_LICENSES").read_text()
flux, ivar = aml.spectra.rebin([[1, 3, 5, 7]], [[4, 4, 4, 0]], [5000, 5001, 5002, 5003], [5000.5, 5002.5])
assert np.array_equal(flux, [[2, 5]]) and np.array_equal(ivar, [[8, 4]])
assert len(aml.spectra.simulate(1, seed=1)) == 13
print("wheel:", aml.__version__)

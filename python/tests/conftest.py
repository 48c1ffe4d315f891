"""What the tests share: small simulated spectra, and a classifier that has learnt them a little."""

import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import goastroml as aml

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: 400 pixels of SDSS's logarithmic kind, coarser.
WAVE = 10 ** (3.6 + 8e-4 * np.arange(400))


@pytest.fixture(scope="session")
def testdata():
    return ROOT / "testdata"


@pytest.fixture(scope="session")
def spectra():
    """Ten spectra of each of three classes."""
    return aml.spectra.simulate(10, seed=1, wave=WAVE, classes=["STAR_A0", "GALAXY", "QSO_BROADLINE"], sn_min=10)


@pytest.fixture(scope="session")
def clf(spectra):
    options = dict(seed=1, epochs=2, batch_size=8)
    return aml.spectra.Classifier(**options).fit(
        spectra.flux, spectra.labels, ivar=spectra.ivar, wave=spectra.wave, progress=False
    )


@pytest.fixture
def script(tmp_path):
    """Runs a Python program of its own, and returns what it prints."""

    def run(text, *args, ok=True):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(text))
        done = subprocess.run([sys.executable, path, *map(str, args)], capture_output=True, text=True, timeout=300)
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    return run

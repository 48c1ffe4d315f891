"""Prints the numbers of the moment networks, ours beside what a user would pick
instead, in one run.

    .venv-peers/bin/python benchmarks/moment.py [--quick] [--json] [--only PART ...]

The environment is that of `make peers`. Parts: gaussian, fields (exact
posteriors), power, profiles, galaxies (CAMELS and IllustrisTNG, from
$GOASTROML_DATA or ../shared/data), exact, shap (Shapley values). The training
step of the CAMELS network beside PyTorch is in engine.py.
"""

import sys

import common
import moment_exact
import moment_real

PARTS = {
    "gaussian": ("linear-Gaussian problem, 20 dimensions", moment_exact.gaussian),
    "fields": ("Gaussian fields of unknown amplitude", moment_exact.fields),
    "power": ("CAMELS galaxy power spectra", moment_real.power),
    "profiles": ("CAMELS profiles of haloes", moment_real.profiles),
    "galaxies": ("IllustrisTNG galaxies: total mass", moment_real.galaxies),
    "exact": ("Shapley values beside closed forms", moment_exact.closed),
    "shap": ("exact Shapley values of 17 features", moment_exact.shap),
}

if __name__ == "__main__":
    sys.exit(common.run("Moment networks", PARTS))

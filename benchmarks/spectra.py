"""Prints the numbers of the spectra task, ours beside what a user would pick
instead, in one run.

    .venv-peers/bin/python benchmarks/spectra.py [--quick] [--json] [--only PART ...]

The environment is that of `make peers`. Parts: many, one, torch, border (speed
and memory); classes, sure, strange (simulated spectra); sn, survey (real ones,
from $GOASTROML_DATA or ../shared/data).
"""

import sys

import common
import spectra_real
import spectra_scores
import spectra_speed

PARTS = {
    "many": ("40,000 spectra: time and memory", spectra_speed.many),
    "one": ("one spectrum: latency", spectra_speed.one),
    "torch": ("the networks beside PyTorch", spectra_speed.torch),
    "border": ("border: 100 MB in and out", spectra_speed.border),
    "classes": ("13 simulated classes: balanced accuracy", spectra_scores.classes),
    "sure": ("calibration and conformal sets", spectra_scores.sure),
    "strange": ("blank and sky-only spectra", spectra_scores.strange),
    "sn": ("supernovae: five folds by object", spectra_real.sn),
    "survey": ("STAR / QSO / GALAXY: syntheses to real spectra", spectra_real.survey),
}

if __name__ == "__main__":
    sys.exit(common.run("Spectra", PARTS))

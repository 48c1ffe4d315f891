"""Writes the files of this folder with NumPy.

    python -m venv /tmp/ref && /tmp/ref/bin/pip install numpy==2.4.6
    /tmp/ref/bin/python testdata/npy/make.py

All arrays of shape (2, 3, 4) hold 0, 1, …, 23 in C order, minus 4 if their
type has a sign.
"""

import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
count = np.arange(24).reshape(2, 3, 4)

for t in ["<f4", ">f4", "<f8", ">f8", "|i1", "<i2", ">i4", "<i8"]:
    np.save(here / f"{t[1:]}{'_big' if t[0] == '>' else ''}.npy", (count - 4).astype(t))
for t in ["|u1", ">u2", "<u4", "<u8"]:
    np.save(here / f"{t[1:]}{'_big' if t[0] == '>' else ''}.npy", count.astype(t))
np.save(here / "b1.npy", count % 2 == 1)
np.save(here / "fortran.npy", np.asfortranarray((count - 4).astype("<f4")))
np.save(here / "scalar.npy", np.array(2.5, "<f4"))
np.save(here / "vector.npy", np.array([np.nan, np.inf, -0.0], "<f4"))
np.save(here / "empty.npy", np.zeros((0, 7), "<f4"))
np.save(here / "complex.npy", count.astype("<c8"))
np.save(here / "records.npy", np.zeros(2, [("ra", "<f8"), ("dec", "<f8")]))
np.save(here / "large.npy", np.array([2**64 - 1], "<u8"))
for v in [2, 3]:
    with open(here / f"v{v}.npy", "wb") as f:
        np.lib.format.write_array(f, (count - 4).astype("<f4"), version=(v, 0))

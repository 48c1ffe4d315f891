"""Writes the group catalogues of this folder with h5py, and expected.json.

    python -m venv /tmp/ref && /tmp/ref/bin/pip install numpy==2.4.6 h5py==3.16.0
    /tmp/ref/bin/python testdata/camels/make.py
"""

import json
import pathlib
import shutil

import h5py
import numpy as np

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(20240911)


def subhalos(stars, flags=None):
    """The datasets of subhalos with these numbers of star particles."""
    n = len(stars)
    some = lambda lo, hi, *shape: np.exp(rng.uniform(np.log(lo), np.log(hi), (n, *shape))).astype("<f4")  # noqa: E731
    length = rng.integers(0, 5000, (n, 6)).astype("<i4")
    length[:, 4] = stars
    mass = some(1e-3, 1e2, 6)
    mass[:, 2] = 0
    mass[:, 4] = np.float32(1.3e-3) * length[:, 4]
    mass[::3, 0] = 0  # galaxies without gas
    out = {
        "SubhaloBHMass": np.where(length[:, 5] > 2500, some(1e-5, 1e-1), 0).astype("<f4"),
        "SubhaloGasMetallicity": np.where(mass[:, 0] > 0, some(1e-4, 5e-2), 0).astype("<f4"),
        "SubhaloHalfmassRad": some(1, 200),
        "SubhaloHalfmassRadType": some(0.1, 200, 6),
        "SubhaloLen": length.sum(axis=1).astype("<i4"),
        "SubhaloLenType": length,
        "SubhaloMass": mass.sum(axis=1).astype("<f4"),
        "SubhaloMassType": mass,
        "SubhaloSFR": np.where(mass[:, 0] > 0, some(1e-3, 1e2), 0).astype("<f4"),
        "SubhaloSpin": rng.normal(0, 500, (n, 3)).astype("<f4"),
        "SubhaloStarMetallicity": some(1e-4, 5e-2),
        "SubhaloStellarPhotometrics": rng.uniform(-24, -10, (n, 8)).astype("<f4"),
        "SubhaloVel": rng.normal(0, 300, (n, 3)).astype("<f4"),
        "SubhaloVelDisp": some(10, 500),
        "SubhaloVmax": some(30, 800),
        "SubhaloVmaxRad": some(1, 100),
    }
    if flags is not None:
        out["SubhaloFlag"] = np.array(flags, "<i2")
    return out


def write(path, columns, files, total, redshift):
    path.parent.mkdir(exist_ok=True)
    n = len(columns["SubhaloLen"]) if columns else 0
    # As the simulation codes write it: the oldest layout, no chunks.
    with h5py.File(path, "w", libver=("earliest", "v110")) as f:
        h = f.create_group("Header")
        for name, v in {
            "BoxSize": 25000.0, "HubbleParam": 0.6711, "Omega0": 0.3, "OmegaLambda": 0.7,
            "Redshift": redshift, "Time": 1 / (1 + redshift),
        }.items():  # fmt: skip
            h.attrs[name] = v
        for name, v in {
            "FlagDoubleprecision": 0, "Ngroups_ThisFile": n, "Ngroups_Total": total,
            "Nsubgroups_ThisFile": n, "Nsubgroups_Total": total, "NumFiles": files,
        }.items():  # fmt: skip
            h.attrs[name] = np.int32(v)
        for name in ["Group", "Subhalo"]:
            f.create_group(name)
        for name, x in columns.items():
            f["Subhalo/" + name] = x


def expected(columns, rows):
    """The features of the galaxies in these rows, in double precision."""
    c = {k: v.astype("f8") for k, v in columns.items()}
    norm = lambda x: np.sqrt((x**2).sum(axis=1))  # noqa: E731
    v = [
        c["SubhaloMassType"][:, 0] * 1e10, c["SubhaloMassType"][:, 4] * 1e10, c["SubhaloBHMass"] * 1e10, c["SubhaloMass"] * 1e10,
        c["SubhaloVmax"], c["SubhaloVelDisp"], c["SubhaloGasMetallicity"], c["SubhaloStarMetallicity"], c["SubhaloSFR"],
        norm(c["SubhaloSpin"]), norm(c["SubhaloVel"]),
        c["SubhaloHalfmassRadType"][:, 4] / 1e3, c["SubhaloHalfmassRad"] / 1e3, c["SubhaloVmaxRad"] / 1e3,
        *c["SubhaloStellarPhotometrics"][:, [0, 3, 4]].T,
    ]  # fmt: skip
    return np.transpose(v)[rows].tolist()


for folder in ["LH_3", "LH_8", "groups_099"]:
    shutil.rmtree(here / folder, ignore_errors=True)
first = subhalos([300, 19, 20, 21, 0, 57, 20, 4000])
second = subhalos([0, 25])
chunks = [subhalos([900, 20, 50], [1, 1, 0]), {}, subhalos([3, 40], [1, 1])]
write(here / "LH_3/fof_subhalo_tab_033.hdf5", first, 1, 8, 0.0)
write(here / "LH_8/fof_subhalo_tab_033.hdf5", second, 1, 2, 0.0)
for i, c in enumerate(chunks):
    write(here / f"groups_099/fof_subhalo_tab_099.{i}.hdf5", c, 3, 5, 0.5)
with open(here / "expected.json", "w") as f:
    json.dump(
        {
            "LH_3": {"row": [0, 2, 3, 5, 6, 7], "values": expected(first, [0, 2, 3, 5, 6, 7])},
            "LH_8": {"row": [1], "values": expected(second, [1])},
            "chunk 0": {"row": [0, 1], "values": expected(chunks[0], [0, 1])},
            "chunk 2": {"row": [1], "values": expected(chunks[2], [1])},
        },
        f,
        indent=1,
    )

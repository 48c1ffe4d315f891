"""goastroml.camels against what make.py of testdata/camels computed, as the Go tests do."""

import json
import math
import shutil
import sys

import numpy as np
import pytest

import goastroml as aml
from goastroml import camels

SIX = ["Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2"]
ROWS = "0.309 0.979 3.11234 1.12194 0.6685 0.53182\n0.3026 0.9394 3.42001 3.96137 1.03311 1.1607\n"
TWO = np.array([[float(w) for w in line.split()] for line in ROWS.splitlines()], np.float32)
LH = ["LH_3/fof_subhalo_tab_033.hdf5", "LH_8/fof_subhalo_tab_033.hdf5"]
CHUNKS = [f"groups_099/fof_subhalo_tab_099.{i}.hdf5" for i in range(3)]


@pytest.fixture
def folder(testdata):
    return testdata / "camels"


@pytest.fixture
def text(tmp_path):
    """Writes a file of parameters."""

    def write(s):
        path = tmp_path / "params.txt"
        path.write_text(s)
        return path

    return write


@pytest.mark.parametrize(
    ("paths", "files", "simulations", "simulation", "file", "header"),
    [
        (LH, ["LH_3", "LH_8"], ["LH_3", "LH_8"], [0] * 6 + [1], [0] * 6 + [1], (0, 1, 0.6711, 0.3, 0.7, 25000, 8, 1)),
        (CHUNKS, ["chunk 0", "chunk 2"], ["groups_099"], [0] * 3, [0, 0, 2], (0.5, 1 / 1.5, 0.6711, 0.3, 0.7, 25000, 3, 3)),
    ],
    ids=["CAMELS", "IllustrisTNG"],
)
def test_read_groups(folder, paths, files, simulations, simulation, file, header):
    golden = json.loads((folder / "expected.json").read_text())
    g = camels.read_groups([folder / p for p in paths])
    want = np.concatenate([golden[f]["values"] for f in files])
    assert g.values.dtype == np.float32
    assert np.allclose(g.values, want, rtol=6e-8, atol=0)  # one rounding to float32
    assert g.row.tolist() == sum((golden[f]["row"] for f in files), [])
    assert (g.simulations, g.simulation.tolist(), g.file.tolist()) == (simulations, simulation, file)
    assert len(g.headers) == len(paths) and g.headers[0] == header
    assert len(g) == len(want) and len(g.names) == len(g.units) == 17


@pytest.mark.parametrize(
    ("options", "lh", "tng", "why"),
    [
        ({}, 7, 3, "20 star particles and more"),
        ({"min_stars": 21}, 5, 2, "more than 20, as the paper"),
        ({"min_stars": 0}, 10, 4, "with none too"),
        ({"min_stars": 1}, 8, 4, "a galaxy has a star"),
        ({"keep_flagged": True}, 7, 4, "fragments too"),
        ({"min_stellar_mass": 7e8}, 3, 1, "57 stars of 1.3e7 Msun/h weigh 7.4e8"),
        ({"min_stellar_mass": 1e20}, 0, 0, "an empty catalogue is one"),
    ],
)
def test_options(folder, options, lh, tng, why):
    assert len(camels.read_groups([folder / p for p in LH], **options)) == lh, why
    assert len(camels.read_groups([folder / p for p in CHUNKS], **options)) == tng, why


def test_no_photometry(folder):
    one = str(folder / LH[0])
    all_, some = camels.read_groups(one), camels.read_groups(one, no_photometry=True)
    assert some.names == all_.names[:14]
    assert np.array_equal(some.values, all_.values[:, :14])


def test_chunks_of_two_folders_are_two_simulations(folder, tmp_path):
    shutil.copytree(folder / "groups_099", tmp_path / "other")
    first, last = folder / CHUNKS[0], folder / CHUNKS[2]
    g = camels.read_groups([last, tmp_path / "other" / last.name, folder / LH[1], first, folder / LH[1]])
    assert g.simulation.tolist() == [0, 1, 2, 0, 0, 2]
    assert g.simulations == ["groups_099", "other", "LH_8"]


def test_table(folder, monkeypatch):
    g = camels.read_groups([folder / p for p in LH])
    t = g.table
    assert t.colnames == [*g.names, "simulation", "file", "row"]
    assert np.array_equal(t["M_star"], g.values[:, 1])
    assert t["M_star"].unit.to_string() == "solMass / littleh", "the h of Msun/h is no hour"
    assert t["V_max"].unit == "km / s" and t["U"].unit == "mag" and t["Z_gas"].unit is None
    monkeypatch.setitem(sys.modules, "astropy.table", None)
    assert g.table.dtype.names == (*g.names, "simulation", "file", "row")
    monkeypatch.setitem(sys.modules, "astropy.cosmology.units", None)
    assert np.array_equal(g.table["row"], g.row)
    assert repr(g) == "<7 galaxies of 2 simulations, 17 features>"


def catalogue(path, drop=(), change=None, header=(("Nsubgroups_ThisFile", 2),)):
    """A group catalogue of two subhalos."""
    import h5py

    with h5py.File(path, "w") as f:
        f.create_group("Header").attrs.update(header)
        columns = {name: np.ones((2, width) if width else 2) for _, _, name, width, _, _ in camels._FEATURES}
        columns["SubhaloLenType"] = np.full((2, 6), 30)
        columns.update(change or {})
        for name, x in columns.items():
            if name not in drop:
                f["Subhalo/" + name] = x
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"header": ()}, "Nsubgroups_ThisFile of Header is nan"),
        ({"header": [("Nsubgroups_ThisFile", -1)]}, "is -1, want the number"),
        ({"header": [("Nsubgroups_ThisFile", "two")]}, "is nan, want the number"),
        ({"header": [("Nsubgroups_ThisFile", 3)]}, r"want numbers of shape \(3, 6\)"),
        ({"drop": ["SubhaloVmax"]}, "SubhaloVmax"),
        ({"drop": ["SubhaloLenType"]}, "SubhaloLenType"),
        ({"change": {"SubhaloMassType": np.ones((2, 4))}}, r"SubhaloMassType is .* want numbers of shape \(2, 6\)"),
        ({"change": {"SubhaloVmax": ["a", "b"]}}, "SubhaloVmax is .* want numbers"),
        ({"change": {"SubhaloVmax/x": np.ones(2)}, "drop": ["SubhaloVmax"]}, "SubhaloVmax is .* want numbers"),
    ],
)
def test_what_is_no_group_catalogue(tmp_path, changes, says):
    with pytest.raises(aml.FormatError, match=says):
        camels.read_groups(catalogue(tmp_path / "a.hdf5", **changes))


def test_little_header(tmp_path):
    g = camels.read_groups(catalogue(tmp_path / "a.hdf5", header=[("Nsubhalos_ThisFile", 2), ("Redshift", 1.0)]))
    assert len(g) == 2 and g.headers[0].redshift == 1 and math.isnan(g.headers[0].omega0)


def test_files_that_cannot_be_read(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        camels.read_groups([folder / LH[0], tmp_path / "none"])
    with pytest.raises(IsADirectoryError):
        camels.read_groups(tmp_path)
    with pytest.raises(ValueError, match="no files"):
        camels.read_groups([])
    short = tmp_path / "short.hdf5"
    for b in [b"", b"<!DOCTYPE html>", (folder / LH[0]).read_bytes()[:5000]]:
        short.write_bytes(b)
        with pytest.raises(aml.FormatError):
            camels.read_groups(short)


def test_without_h5py(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        camels.read_groups(folder / LH[0])


def test_import_is_light(script):
    assert script("import sys, goastroml; print('h5py' in sys.modules, 'astropy' in sys.modules)") == "False False"


@pytest.mark.parametrize(
    ("content", "names", "values", "runs", "seeds"),
    [
        ("#Name " + " ".join(SIX) + " seed\n" + "".join(f" LH_{i}  {r} {5000 + i}\n" for i, r in enumerate(ROWS.splitlines())),
         SIX, TWO, ["LH_0", "LH_1"], [5000, 5001]),
        (ROWS, SIX, TWO, None, None),
        ("".join(f"{r} {i}\r\n" for i, r in enumerate(ROWS.splitlines())), SIX, TWO, None, [0, 1]),
        ("# x y\n# a b\n# made by hand\n#\n\n1 2\n# of the second\n3 4\n", ["a", "b"], [[1, 2], [3, 4]], None, None),
        ("SB_0 1 2\nSB_1 3 4", ["p1", "p2"], [[1, 2], [3, 4]], ["SB_0", "SB_1"], None),
        ("# seed\n1\n", ["seed"], [[1]], None, None),
        ("#name x\n1P_p1_n2 5\n", ["x"], [[5]], ["1P_p1_n2"], None),
    ],
    ids=["CosmoAstroSeed", "latin_hypercube", "seven", "comments", "no header", "seed alone", "names"],
)  # fmt: skip
def test_read_params(text, content, names, values, runs, seeds):
    p = camels.read_params(text(content))
    assert (p.names, p.runs) == (names, runs)
    assert p.values.dtype == np.float32 and np.array_equal(p.values, values) and len(p) == len(values)
    assert (None if p.seeds is None else p.seeds.tolist()) == seeds


@pytest.mark.parametrize(
    "content",
    ["", "#Name Omega_m\n", "<!DOCTYPE html>\n<html>", "+------+---------+\n| Name | Omega_m |\n", ROWS + "0.3 0.9 1 1 1",
     ROWS + "0.3 0.9 1 1 1 1 1", ROWS + "LH_2 1 1 1 1 1 1", "LH_0 1 1 1 1 1 1\n" + ROWS, ROWS + "0.3 0.9 x 1 1 1",
     ROWS + "0.3 0.9 nan 1 1 1", ROWS + "0.3 0.9 1e300 1 1 1", ROWS + "0.3 0.9 1_0 1 1 1", "1 1 1 1 1 1 0.5\n", "1 1 1 1 1 1 1e300\n",
     "LH_0\n"],
)  # fmt: skip
def test_what_is_no_file_of_parameters(text, content):
    with pytest.raises(aml.FormatError, match="params.txt"):
        camels.read_params(text(content))


def test_read_maps(text, tmp_path):
    path, x = tmp_path / "Maps_HI_IllustrisTNG_LH_z=0.00.npy", np.arange(180, dtype=np.float32).reshape(30, 2, 3)
    np.save(path, x)
    params = text(ROWS)
    m = camels.read_maps(path, params)
    assert isinstance(m.maps, np.memmap) and np.array_equal(m.maps, x) and len(m) == 30
    assert m.names == SIX and m.simulation.tolist() == [0] * 15 + [1] * 15
    assert np.array_equal(m.params, np.repeat(TWO, 15, axis=0))
    with pytest.raises(ValueError, match="read-only"):
        m.maps[0] = 1


@pytest.mark.parametrize("shape", [(29, 2, 3), (45, 2, 3), (2, 3), (30, 6), (30, 1, 2, 3), (0, 2, 3)])
def test_numbers_of_maps(text, tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(aml.ShapeError, match="15 maps of each simulation"):
        camels.read_maps(tmp_path / "a.npy", text(ROWS))


def test_what_are_no_maps(text, tmp_path):
    params = text(ROWS)
    np.save(tmp_path / "double.npy", np.zeros((30, 2, 3)))
    np.savez(tmp_path / "archive.npz", np.zeros((30, 2, 3), np.float32))
    whole = np.zeros((30, 2, 3), np.float32)
    np.save(tmp_path / "short.npy", whole)
    (tmp_path / "short.npy").write_bytes((tmp_path / "short.npy").read_bytes()[:-1])
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ["double.npy", "archive.npz", "short.npy", "empty.npy", "params.txt"]:
        with pytest.raises(aml.FormatError, match=name):
            camels.read_maps(tmp_path / name, params)
    with pytest.raises(FileNotFoundError):
        camels.read_maps(tmp_path / "none", params)
    with pytest.raises(FileNotFoundError):
        camels.read_maps(tmp_path / "double.npy", tmp_path / "none")

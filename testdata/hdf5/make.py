"""Writes the files of this folder with h5py.

    python -m venv /tmp/ref && /tmp/ref/bin/pip install numpy==2.4.6 h5py==3.16.0
    /tmp/ref/bin/python testdata/hdf5/make.py

All arrays of shape (2, 3, 4) hold 0, 1, …, 23 in C order, minus 4 if their
type has a sign.
"""

import pathlib

import h5py
import numpy as np

here = pathlib.Path(__file__).parent
count = np.arange(24).reshape(2, 3, 4)

with h5py.File(here / "types.hdf5", "w") as f:
    for t in ["<f4", ">f4", "<f8", ">f8", "|i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8"]:
        f[f"read/{t[1:]}{'_big' if t[0] == '>' else ''}"] = (count - 4).astype(t)
    for t in ["|u1", "<u2", ">u2", "<u4", "<u8", ">u8"]:
        f[f"read/{t[1:]}{'_big' if t[0] == '>' else ''}"] = count.astype(t)
    chunked = (count - 4).astype("<f4")
    f.create_dataset("read/chunked", data=chunked, chunks=(1, 2, 3))
    f.create_dataset("read/gzip", data=chunked, chunks=(2, 2, 4), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("read/growing", data=chunked, maxshape=(None, 3, 4))
    f["read/linked"] = h5py.SoftLink("/read/f4")
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    compact.set_obj_track_times(False)
    d = h5py.h5d.create(f["read"].id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 3, 4)), compact)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, chunked)

    f["booleans"] = count % 2 == 1
    f["scalar"] = np.float32(2.5)
    f["empty"] = np.zeros((0, 7), "<f4")
    f["special"] = np.array([np.nan, np.inf, -0.0], "<f4")
    f["double"] = np.array([1e300, 2**-30], "<f8")
    f["large"] = np.array([2**64 - 1], "<u8")
    f["wide"] = np.array([2**40, -1], "<i8")

    f["refused/half"] = count.astype("<f2")
    f["refused/complex"] = count.astype("<c8")
    f["refused/records"] = np.zeros(2, [("ra", "<f8"), ("dec", "<f8")])
    f["refused/strings"] = ["a", "b"]
    f["refused/fixed"] = np.array([b"a", b"b"])
    f["refused/nothing"] = h5py.Empty("<f4")
    f["refused/references"] = np.array([f["scalar"].ref], h5py.ref_dtype)
    lists = f.create_dataset("refused/lists", (2,), h5py.vlen_dtype("<f4"))
    lists[0] = [1, 2]
    f.create_dataset("refused/arrays", (2,), np.dtype(("<f4", 3)))
    f["refused/opaque"] = np.zeros(2, "V5")
    f["refused/dangling"] = h5py.SoftLink("/none")

    header = f.create_group("header")
    header.attrs["redshift"] = 0.5
    header.attrs["files"] = np.int32(448)
    header.attrs["mass"] = np.arange(6.0)
    header.attrs["variable"] = "Ωₘ"
    header.attrs["fixed"] = np.bytes_("TNG100")
    header.attrs["true"] = True
    header.attrs["none"] = h5py.Empty("<f4")
    spaced = h5py.h5t.C_S1.copy()
    spaced.set_size(8)
    spaced.set_strpad(h5py.h5t.STR_SPACEPAD)
    a = h5py.h5a.create(header.id, b"spaced", spaced, h5py.h5s.create(h5py.h5s.SCALAR))
    a.write(np.array(b"TNG     ", "S8"))

# To be damaged: without strings of variable length, whose heap libhdf5 trusts.
with h5py.File(here / "small.hdf5", "w") as f:
    d = f.create_dataset("x", data=np.arange(6, dtype="<f4").reshape(2, 3), chunks=(1, 3), compression="gzip")
    d.attrs["unit"] = np.bytes_("Jy")
    d.attrs["scale"] = 2.0

# The newer layout of groups, which h5py and HDF5 write only when asked.
with h5py.File(here / "latest.hdf5", "w", libver="latest") as f:
    timeless = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    timeless.set_obj_track_times(False)
    h5py.h5g.create(f.id, b"read", gcpl=timeless)
    f["read/f4"] = (count - 4).astype("<f4")
    f["read"].attrs["unit"] = "Jy"

"""Writes the files of this folder with the safetensors package.

    python -m venv /tmp/ref && /tmp/ref/bin/pip install numpy==2.4.6 safetensors==0.8.0
    /tmp/ref/bin/python testdata/model/make.py

With the path of a model file it reads that file instead, and prints what
safetensors finds in it: a check that ours are files for others too.
"""

import pathlib
import sys

import numpy as np
import safetensors
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent


def scale(shape):
    """Numbers that are exact in every type: k/8 - 1."""
    return (np.arange(np.prod(shape)) / 8 - 1).reshape(shape)


def write():
    # A model of ours as another library would write it. Arrays in the order
    # of their names, as ours are.
    arrays = {
        "trunk.0.weight": scale((2, 3, 4)).astype("<f4"),
        "trunk.0.bias": np.array([0.1, -0.0, np.inf, np.nan], "<f4"),
        "échelle": np.array(2.5, "<f4"),
        "none": np.zeros((0, 7), "<f4"),
    }
    meta = {
        "goastroml": "0.1.0",
        "format": "1",
        "kind": "test",
        "config": '{"seed":7,"classes":["STAR","QSO"]}',
        "data": "a \"digest\"\nof <two> lines",
    }
    save_file(arrays, here / "reference.safetensors", metadata=meta)

    # Weights of another library, in all the types we convert.
    bf16 = (scale((4,)).astype("<f4").view("<u4") >> 16).astype("<u2")
    foreign = {
        "f32": ("float32", scale((4,)).astype("<f4")),
        "f64": ("float64", scale((2, 2)).astype("<f8")),
        "f16": ("float16", np.array([-1, 65504, 2.0**-24, np.inf], "<f2")),
        "bf16": ("bfloat16", bf16),
    }
    # NumPy has no bfloat16, so the numbers go by address.
    data = {
        name: safetensors.TensorSpec(dtype=t, shape=a.shape, data_ptr=a.ctypes.data, data_len=a.nbytes)
        for name, (t, a) in foreign.items()
    }
    (here / "foreign.safetensors").write_bytes(safetensors.serialize(data, {"format": "pt"}))

    integers = {"step": np.array([1, 2], "<i8")}
    save_file(integers, here / "integers.safetensors")


def read(path):
    with safetensors.safe_open(path, "numpy") as f:
        print(f.metadata())
        for name in sorted(f.keys()):
            a = f.get_tensor(name)
            print(name, a.dtype, a.shape, a.ravel())


if len(sys.argv) > 1:
    read(sys.argv[1])
else:
    write()

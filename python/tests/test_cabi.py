"""The C library by ctypes, in a process of its own: two Go runtimes in one process are one too many."""

import pytest

PROGRAM = """
import ctypes, pathlib, sys
import numpy as np

lib = ctypes.CDLL(sys.argv[1])
lib.astroml_last_error.restype = ctypes.c_char_p
golden = pathlib.Path(sys.argv[2])
f32, f64, i64 = (np.ctypeslib.ndpointer(t, flags="C") for t in ("f4", "f8", "i8"))
handle, n64 = ctypes.c_uint64, ctypes.c_int64

def check(status):
    assert status == 0, (status, lib.astroml_last_error())

clf = handle()
check(lib.astroml_spectra_load(ctypes.byref(clf), str(golden / "model.safetensors").encode()))
assert lib.astroml_spectra_load(ctypes.byref(clf), b"missing") == -3
assert b"missing" in lib.astroml_last_error()

wave = np.fromfile(golden / "wave.f64")
flux, ivar = (np.fromfile(golden / k, "f4").reshape(-1, len(wave)) for k in ("flux.f32", "ivar.f32"))
want = np.fromfile(golden / "prob.f32", "f4").reshape(len(flux), -1)
prob, best = np.empty_like(want), np.empty(len(flux), "i8")
null = ctypes.c_void_p
job = handle()
start = lib.astroml_spectra_classify_job
start.argtypes = [ctypes.POINTER(handle), f32, i64, *[null] * 6, handle, f32, f32, n64, f64, n64, ctypes.c_char_p]
check(start(job, prob, best, *[None] * 6, clf, flux, ivar, len(flux), wave, len(wave), None))
ended = ctypes.c_int32()
lib.astroml_job_wait.argtypes = [ctypes.POINTER(ctypes.c_int32), handle, n64]
while not ended.value:
    check(lib.astroml_job_wait(ended, job, 50))
lib.astroml_free(job)
lib.astroml_free(clf)
assert np.allclose(prob, want, rtol=0, atol=1e-5, equal_nan=True)
assert np.array_equal(best, np.fromfile(golden / "best.i64", "i8"))
print("ok")
"""


@pytest.mark.parametrize("which", ["libastroml.so.1", "the extension"])
def test_ctypes(script, testdata, which):
    from goastroml._native import go

    lib = testdata.parent / "build" / "lib" / which if which != "the extension" else go._astroml_go.__file__
    if which != "the extension" and not lib.exists():
        pytest.skip("no build/lib/libastroml.so.1: run make lib")
    assert script(PROGRAM, lib, testdata / "golden" / "spectra") == "ok"

"""Arrays on their way to Go: no copy where none is needed, an error where it cannot be."""

import mmap

import numpy as np
import pytest

import goastroml as aml
from goastroml._arrays import Spectra, _dense, _map, matrix, vector, wavelengths

WAVE = np.linspace(4000, 9000, 6)
FLUX = np.arange(24, dtype=np.float32).reshape(4, 6)


def addresses(x):
    return [c[2].__array_interface__["data"][0] for c in x.chunks()]


@pytest.mark.parametrize("name", ["flux", "ivar"])
def test_float32_goes_as_it_is(name):
    x = Spectra(FLUX, FLUX, WAVE)
    for f, v in [x.whole(), *(c[2:] for c in x.chunks())]:
        assert (f if name == "flux" else v).__array_interface__ == FLUX.__array_interface__


@pytest.mark.parametrize(
    "why, x",
    [
        ("float64", FLUX.astype(float)),
        ("big-endian, as in FITS", FLUX.astype(">f4")),
        ("big-endian integers", FLUX.astype(">i2")),
        ("Fortran order", np.asfortranarray(FLUX)),
        ("every second column", np.repeat(FLUX, 2, axis=1)[:, ::2]),
        ("reversed", FLUX[::-1, ::-1][::-1, ::-1].copy()[::-1][::-1]),
        ("unaligned", np.frombuffer(b"x" + FLUX.tobytes(), np.uint8)[1:].view("<f4").reshape(4, 6)),
        ("a list", FLUX.tolist()),
        ("half precision", FLUX.astype(np.float16)),
        ("booleans are no flux, bytes are", FLUX.astype(np.uint8)),
        ("a subclass", np.ma.masked_array(FLUX)),
    ],
)
def test_others_are_converted(why, x):
    x = Spectra(x, x, WAVE)
    assert np.array_equal(x.whole()[0], FLUX), why
    got = np.concatenate([c[2] for c in x.chunks()])
    assert got.dtype == np.float32 and got.dtype.isnative and np.array_equal(got, FLUX), why


def test_masked_is_nan():
    x = np.ma.masked_array(FLUX, FLUX > 20)
    assert np.array_equal(_dense(x, np.float32), np.where(FLUX > 20, np.nan, FLUX), equal_nan=True)


def test_beyond_float32_is_infinite():
    assert np.isinf(_dense(np.array([[1e300]]), np.float32)).all()


@pytest.mark.parametrize(
    "flux, ivar, wave, error, message",
    [
        (FLUX[0], None, WAVE, aml.ShapeError, r"flux: shape \(6,\), want \(n, pixel\)"),
        (FLUX[None], None, WAVE, aml.ShapeError, r"flux: shape \(1, 4, 6\)"),
        (3.0, None, WAVE, aml.ShapeError, r"flux: shape \(\)"),
        ([[1, 2], [3]], None, WAVE, aml.ShapeError, "flux: no rectangular array"),
        (FLUX.astype(complex), None, WAVE, TypeError, "flux: dtype complex128, want real numbers"),
        (FLUX.astype(str), None, WAVE, TypeError, "flux: dtype <U32"),
        (FLUX.astype(object), None, WAVE, TypeError, "flux: dtype object"),
        (FLUX > 3, None, WAVE, TypeError, "flux: dtype bool"),
        (FLUX, FLUX[:3], WAVE, aml.ShapeError, r"ivar: shape \(3, 6\), want \(4, 6\) as flux"),
        (FLUX, FLUX[0], WAVE, aml.ShapeError, r"ivar: shape \(6,\)"),
        (FLUX, None, WAVE[:5], aml.ShapeError, r"wave: shape \(5,\), want \(6,\)"),
        (FLUX, None, np.stack([WAVE] * 4), aml.ShapeError, r"one grid for all spectra"),
        (FLUX, None, WAVE.astype(complex), TypeError, "wave: dtype complex128"),
        (FLUX, None, None, ValueError, "want wave .* or loglam"),
    ],
)
def test_bad_spectra(flux, ivar, wave, error, message):
    with pytest.raises(error, match=message):
        Spectra(flux, ivar, wave)


def test_wavelengths():
    assert wavelengths(WAVE, None, 6) is WAVE
    assert np.allclose(wavelengths(None, np.log10(WAVE), 6), WAVE, rtol=1e-15)
    with pytest.raises(ValueError, match="one of them"):
        wavelengths(WAVE, WAVE, 6)
    units = pytest.importorskip("astropy.units")
    assert np.allclose(wavelengths(WAVE / 10 * units.nm, None, 6), WAVE, rtol=1e-15)


def test_vector_and_matrix():
    assert vector("x", [1, 2], np.float64).dtype == np.float64
    with pytest.raises(aml.ShapeError, match=r"x: shape \(2,\), want \(3,\)"):
        vector("x", [1, 2], np.float64, 3)
    with pytest.raises(aml.ShapeError, match=r"p: shape \(4, 6\), want \(n, 5\)"):
        matrix("p", FLUX, np.float32, (None, 5))


def test_what_h5py_gives_is_read_by_chunks():
    class Dataset:
        shape, dtype, reads = (200, 6), np.dtype(">f8"), 0

        def __getitem__(self, rows):
            self.reads += 1
            return np.broadcast_to(np.arange(6, dtype=">f8"), self.shape)[rows]

    d = Dataset()
    x = Spectra(d, None, WAVE)
    assert d.reads == 0
    assert sum(len(c[2]) for c in x.chunks()) == 200 and d.reads == 1


@pytest.fixture
def npy(tmp_path):
    path = tmp_path / "flux.npy"
    np.save(path, FLUX)
    return path


@pytest.mark.parametrize("mode, released", [("r", True), ("r+", True), ("c", False)])
def test_which_maps_are_given_back(npy, mode, released):
    x = np.load(npy, mmap_mode=mode)
    for view in (x, x[1:], x[:, 2:], np.asarray(x)[::2]):
        assert (_map(view) is not None) == released


def test_other_maps(npy):
    with open(npy, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        x = np.frombuffer(m, "<f4", 24, offset=128).reshape(4, 6)
        assert _map(x) is m
        del x
    with open(npy, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as m:
        x = np.frombuffer(m, "<f4", 24, offset=128).reshape(4, 6)
        assert _map(x) is None  # what was changed there exists nowhere else
        del x
    assert _map(FLUX) is None and _map(FLUX.tolist()) is None


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_maps_are_as_before(npy, mode):
    x = np.load(npy, mmap_mode=mode)
    if mode != "r":
        x[2, 3] = -7
    want = np.array(x)
    for view in (x, x[1:, ::2], x[::-1]):
        got = np.concatenate([c[2] for c in Spectra(view, view, np.arange(1, view.shape[1] + 1)).chunks()])
        assert len(got) == len(view)
    assert np.array_equal(x, want)


MEMORY = """
import sys
import numpy as np
import goastroml as aml

def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) >> 10  # MB

clf = aml.spectra.Classifier.load(sys.argv[1])
m = len(clf.wave_)
"""


@pytest.mark.slow
def test_nothing_is_copied(script, testdata):
    out = script(
        MEMORY
        + """
flux = np.zeros((100_000_000 // 4 // m, m), np.float32)
flux += 0  # touched, so that it counts
out = np.empty_like(flux)
clf.predict_proba(flux[:100])
before = peak()
clf.predict_proba(flux)
print(peak() - before)
""",
        testdata / "golden" / "spectra" / "model.safetensors",
    )
    assert int(out) < 60  # MB, of which probabilities are 2; a copy of flux would be 100


@pytest.mark.slow
def test_maps_larger_than_their_share_of_memory(script, testdata, tmp_path):
    out = script(
        MEMORY
        + """
n = 600_000_000 // 4 // m
flux = np.lib.format.open_memmap(sys.argv[2], "w+", np.float32, (n, m))  # a hole: no disk is used
flux[n // 2] = 1 + np.sin(np.arange(m))
del flux
flux = np.load(sys.argv[2], mmap_mode="r")
clf.predict_proba(np.asarray(flux[:100]))
before = peak()
prob = clf.predict_proba(flux)
assert np.array_equal(prob[n // 2 : n // 2 + 1], clf.predict_proba(flux[n // 2 : n // 2 + 1]))
print(peak() - before)
""",
        testdata / "golden" / "spectra" / "model.safetensors",
        tmp_path / "flux.npy",
    )
    assert int(out) < 200  # MB of 600: a chunk of 64, probabilities, scratch

"""What bad input gets: an error that says what came and what was wanted, and nothing half-written."""

import gzip
import json
import os
import struct

import numpy as np
import pytest

import goastroml as aml

from conftest import WAVE


def fit(flux, labels, **kwargs):
    return aml.spectra.Classifier(epochs=1, batch_size=8).fit(flux, labels, progress=False, **{"wave": WAVE, **kwargs})


def changed(x, at, value):
    y = x.copy()
    y[at] = value
    return y


@pytest.mark.parametrize(
    "why, error, message, call",
    [
        ("wrong shape", aml.ShapeError, "want .n, pixel", lambda s: fit(s.flux[0], s.labels)),
        ("wrong dtype", TypeError, "want real numbers", lambda s: fit(s.flux * 1j, s.labels)),
        ("unsorted wavelengths", ValueError, "increasing", lambda s: fit(s.flux, s.labels, wave=WAVE[::-1])),
        ("equal wavelengths", ValueError, "increasing", lambda s: fit(s.flux, s.labels, wave=changed(WAVE, 5, WAVE[4]))),
        ("zero wavelength", ValueError, "positive", lambda s: fit(s.flux, s.labels, wave=changed(WAVE, 0, 0))),
        ("NaN wavelength", ValueError, "wavelength 7 is NaN", lambda s: fit(s.flux, s.labels, wave=changed(WAVE, 7, np.nan))),
        ("infinite wavelength", ValueError, "positive", lambda s: fit(s.flux, s.labels, wave=changed(WAVE, -1, np.inf))),
        ("one class", ValueError, "class", lambda s: fit(s.flux, ["a"] * 30)),
        ("no class", ValueError, "class", lambda s: fit(s.flux, [0] * 30, classes=[])),
        ("lonely class", ValueError, "one|1", lambda s: fit(s.flux, ["a"] * 29 + ["b"])),
        ("absent class", ValueError, "class", lambda s: fit(s.flux, ["a", "b"] * 15, classes=["a", "b", "c"])),
        ("class twice", ValueError, "class", lambda s: fit(s.flux, [0, 1] * 15, classes=["a", "a"])),
        ("NaN label", ValueError, "label 1 is nan", lambda s: fit(s.flux, [0, np.nan] * 15)),
        ("few labels", aml.ShapeError, "labels", lambda s: fit(s.flux, s.labels[:3])),
        ("negative ivar", ValueError, "inverse variance -", lambda s: fit(s.flux, s.labels, ivar=-s.ivar)),
        ("empty set", ValueError, "spectra", lambda s: fit(s.flux[:0], [], classes=["a", "b"])),
        ("no pixels", ValueError, "wavelengths", lambda s: fit(s.flux[:, :0], s.labels, wave=[])),
    ],
)
def test_training(spectra, why, error, message, call):
    with pytest.raises(error, match=message):
        call(spectra)


@pytest.mark.parametrize(
    "option, message",
    [
        (dict(network="resnet"), 'network "resnet", want "default" or "gasnet2"'),
        (dict(epochs=-1), "epochs -1"),
        (dict(epochs=1.5), "epochs is a number 1.5, want int"),
        (dict(epochs="many"), "epochs is a string, want int"),
        (dict(seed=-1), "seed is a number -1, want uint64"),
        (dict(held_out=2), "held_out 2"),
        (dict(learn_rate=-1.0), "learn_rate -1"),
        (dict(pretrain="x"), 'pretrain "x"'),
        (dict(class_weight="x"), 'class_weight "x"'),
        (dict(exposure=1.0), "exposure 1"),
    ],
)
def test_options(spectra, option, message):
    with pytest.raises(ValueError, match=message):
        aml.spectra.Classifier(**option).fit(spectra.flux, spectra.labels, wave=WAVE, progress=False)


@pytest.mark.parametrize(
    "why, error, message, call",
    [
        ("no overlap", ValueError, "overlap", lambda c, s: c.predict(s.flux, wave=WAVE * 10)),
        ("other pixels", aml.ShapeError, "3 pixels, the model has 400", lambda c, s: c.predict(s.flux[:, :3])),
        ("negative ivar", ValueError, "inverse variance", lambda c, s: c.classify(s.flux, ivar=-s.ivar)),
        ("unsorted", ValueError, "increasing", lambda c, s: c.embed(s.flux, wave=WAVE[::-1])),
        ("coverage", ValueError, "coverage", lambda c, s: c.predict_sets(s.flux, coverage=1.5)),
        ("coverage NaN", ValueError, "coverage", lambda c, s: c.predict_sets(s.flux, coverage=np.nan)),
        ("profile of nothing", aml.ShapeError, "profile of 0 spectra", lambda c, s: c.profile(0)),
        ("training on one", aml.ShapeError, "two", lambda c, s: c.profile(1, training=True)),
        ("prob shape", aml.ShapeError, r"want \(n, 3\)", lambda c, s: c.sets(np.zeros((2, 5)))),
    ],
)
def test_answers(clf, spectra, why, error, message, call):
    with pytest.raises(error, match=message):
        call(clf, spectra)


def test_an_empty_batch_is_an_empty_answer(clf):
    assert clf.predict_proba(np.empty((0, 400))).shape == (0, 3)
    assert len(clf.classify(np.empty((0, 400)))) == 0


# ---- files


@pytest.fixture(scope="module")
def model(testdata):
    return (testdata / "golden" / "spectra" / "model.safetensors").read_bytes()


def header(model):
    size = struct.unpack("<Q", model[:8])[0]
    return json.loads(model[8 : 8 + size]), model[8 + size :]


def with_header(h, body):
    text = json.dumps(h).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def newer(model):
    h, body = header(model)
    h["__metadata__"]["format"] = "99"
    return with_header(h, body)


def other_kind(model):
    h, body = header(model)
    h["__metadata__"]["kind"] = "weather.Forecast"
    return with_header(h, body)


def lost_array(model):
    h, body = header(model)
    h["renamed"] = h.pop("novelty.weight")
    return with_header(h, body)


@pytest.mark.parametrize(
    "why, error, change",
    [
        ("empty", aml.FormatError, lambda m: b""),
        ("short", aml.FormatError, lambda m: m[:5]),
        ("cut in its header", aml.FormatError, lambda m: m[:500]),
        ("cut in its arrays", aml.FormatError, lambda m: m[:-1]),
        ("longer", aml.FormatError, lambda m: m + b"x"),
        ("another file", aml.FormatError, lambda m: b"SIMPLE  =                    T" * 100),
        ("hostile size", aml.FormatError, lambda m: struct.pack("<Q", 2**62) + m[8:]),
        ("another kind", aml.FormatError, other_kind),
        ("lost array", aml.FormatError, lost_array),
        ("newer", aml.VersionError, newer),
    ],
)
def test_model_files(model, tmp_path, why, error, change):
    path = tmp_path / "model.safetensors"
    path.write_bytes(change(model))
    for load in (aml.load, aml.spectra.Classifier.load):
        with pytest.raises(error):
            load(path)


@pytest.mark.parametrize("load", [aml.load, aml.spectra.Classifier.load, aml.spectra.read])
def test_files_that_are_not_there(load, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        load(tmp_path / "missing")
    with pytest.raises((OSError, aml.FormatError), match="regular file"):
        load(tmp_path)


@pytest.fixture(scope="module")
def fits(testdata):
    return (testdata / "fits" / "spec-4055-55359-0596.fits").read_bytes()


@pytest.mark.parametrize(
    "why, change",
    [
        ("empty", lambda b: b""),
        ("cut in a header", lambda b: b[:1000]),
        ("cut in the data", lambda b: b[: len(b) // 3]),
        ("no FITS", lambda b: b"PK\x03\x04" + bytes(5000)),
        ("negative rows", lambda b: b.replace(b"NAXIS2  =", b"NAXIS2  = -5 / ", 1)),
        ("a billion rows", lambda b: b[: b.index(b"XTENSION")] + b[b.index(b"XTENSION") :].replace(b"NAXIS2  =          ", b"NAXIS2  = 9999999999", 1)),
        ("damaged gzip", lambda b: gzip.compress(b)[:-2000]),
    ],
)
def test_fits_files(fits, tmp_path, why, change):
    path = tmp_path / "spec.fits"
    path.write_bytes(change(fits))
    with pytest.raises(aml.FormatError):
        aml.spectra.read(path)


def test_saving_where_one_cannot(clf, tmp_path):
    with pytest.raises(FileNotFoundError):
        clf.save(tmp_path / "no folder" / "model")
    with pytest.raises(OSError):
        clf.save(tmp_path)
    assert os.listdir(tmp_path) == []


def test_full_disk(script, testdata, tmp_path):
    """A file that may not grow is what a full disk is: an OSError, and the old file still whole."""
    folder = tmp_path / "models"
    folder.mkdir()
    out = script(
        """
        import os, resource, sys
        import goastroml as aml
        clf = aml.spectra.Classifier.load(sys.argv[1])
        path = os.path.join(sys.argv[2], "model")
        clf.save(path)
        before = open(path, "rb").read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            clf.save(path)
        except OSError as e:
            print(type(e).__name__, e.errno)
        assert open(path, "rb").read() == before and os.listdir(sys.argv[2]) == ["model"]
        """,
        testdata / "golden" / "spectra" / "model.safetensors",
        folder,
    )
    assert out == "OSError 27"  # EFBIG

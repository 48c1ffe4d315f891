"""The golden numbers: the same from Go (bindings/golden_test.go), C (bindings/ctest/test.c) and Python."""

import numpy as np
import pytest

import goastroml as aml

# As in golden_test.go, which says why.
TOLERANCE, RANK = 1e-5, 0.02


@pytest.fixture(scope="module")
def golden(testdata):
    folder = testdata / "golden" / "spectra"
    kinds = {".f32": "<f4", ".f64": "<f8", ".i64": "<i8", ".u32": "<u4"}
    g = {p.stem: np.fromfile(p, kinds[p.suffix]) for p in folder.iterdir() if p.suffix in kinds}
    g["clf"] = aml.load(folder / "model.safetensors")
    n, m = len(g["best"]), len(g["wave"])
    for k in ("flux", "ivar", "prob"):
        g[k] = g[k].reshape(n, -1)
    assert g["flux"].shape == (n, m)
    return g


def test_batch(golden):
    t = golden["clf"].classify(golden["flux"], ivar=golden["ivar"], wave=golden["wave"])
    assert np.allclose(t["probs"], golden["prob"], rtol=0, atol=TOLERANCE, equal_nan=True)
    for k in ("total", "aleatoric", "epistemic"):
        assert np.allclose(t[k], golden[k], rtol=0, atol=TOLERANCE, equal_nan=True), k
    assert np.allclose(t["ood"], golden["ood"], rtol=0, atol=RANK, equal_nan=True)
    assert np.array_equal(t["flag"], golden["flag"])
    names = np.append(golden["clf"].classes_, "")
    assert np.array_equal(t["class"], names[golden["best"]])


def test_stream(golden):
    rows = zip(range(len(golden["flux"])), golden["flux"], golden["ivar"])
    for v in golden["clf"].stream(((i, f, iv, golden["wave"]) for i, f, iv in rows), batch=5):
        assert np.allclose(v.prob, golden["prob"][v.id], rtol=0, atol=TOLERANCE, equal_nan=True)
        assert v.flag == golden["flag"][v.id]

"""The classifier and its data, as a user would."""

import copy
import json
import pickle

import numpy as np
import pytest

import goastroml as aml
from goastroml import _table
from goastroml.spectra._labels import class_indices, encode, group_numbers

from conftest import WAVE


def test_learnt_attributes(clf, spectra):
    assert clf.classes_.tolist() == sorted(set(spectra.labels))
    assert np.array_equal(clf.wave_, spectra.wave)
    assert len(clf.history_) == 2 and set(clf.history_[0]) >= {"loss", "valid"}
    assert clf.n_parameters_ > 1000 and 0 < clf.multiply_adds_ <= 5_000_000


def test_answers_agree_with_each_other(clf, spectra):
    x = dict(ivar=spectra.ivar, wave=spectra.wave)
    prob = clf.predict_proba(spectra.flux, **x)
    assert prob.shape == (30, 3) and prob.dtype == np.float32
    assert np.allclose(prob.sum(1), 1, atol=1e-5)
    assert np.array_equal(clf.predict(spectra.flux, **x), clf.classes_[prob.argmax(1)])
    t = clf.classify(spectra.flux, **x)
    assert np.array_equal(t["probs"], prob) and np.array_equal(t["prob"], prob.max(1))
    assert np.array_equal(t["class"], clf.predict(spectra.flux, **x))
    assert np.allclose(t["total"], t["aleatoric"] + t["epistemic"], atol=1e-5)
    assert np.allclose(t["total"], aml.stats.entropy(prob), atol=1e-4)
    assert (t["flag"] == 0).all() and (t["ood"] >= 0).all() and (t["ood"] <= 1).all()
    sets = clf.predict_sets(spectra.flux, coverage=0.8, **x)
    assert sets.dtype == bool and sets.shape == (30, 3)
    assert np.array_equal(sets, clf.sets(prob, coverage=0.8))
    assert clf.predict_sets(spectra.flux, coverage=0.8, per_class=True, **x).shape == (30, 3)
    assert clf.embed(spectra.flux, **x).shape[0] == 30


def test_profile_counts_the_multiply_adds(clf):
    t = clf.profile(4)
    flops = float((t["gflops"] * t["seconds"]).sum()) * 1e9
    assert flops == pytest.approx(2 * 4 * clf.multiply_adds_)
    assert float(t["share"].sum()) == pytest.approx(1)
    # A step computes at least twice more: gradients for weights and for inputs.
    step = clf.profile(4, training=True)
    assert float((step["gflops"] * step["seconds"]).sum()) * 1e9 > 2 * flops
    assert "ConvGradW" in step["operation"] and "ConvGradW" not in t["operation"]


def test_the_grid_is_the_models_unless_said(clf, spectra):
    want = clf.predict_proba(spectra.flux, wave=spectra.wave)
    assert np.array_equal(clf.predict_proba(spectra.flux), want)
    assert np.allclose(clf.predict_proba(spectra.flux, loglam=np.log10(spectra.wave)), want, atol=1e-4)
    # Only part of the grid: other pixels count as masked.
    assert np.isfinite(clf.predict_proba(spectra.flux[:, 50:350], wave=spectra.wave[50:350])).all()


def test_dtype_and_order_do_not_matter(clf, spectra):
    want = clf.predict_proba(spectra.flux, ivar=spectra.ivar)
    for convert in (lambda a: a.astype(float), lambda a: a.astype(">f4"), np.asfortranarray, lambda a: a.tolist()):
        assert np.array_equal(clf.predict_proba(convert(spectra.flux), ivar=convert(spectra.ivar)), want)


def test_unusable_spectra_do_not_spoil_the_others(clf, spectra):
    flux, ivar = spectra.flux.copy(), spectra.ivar.copy()
    flux[3] = np.nan
    ivar[7] = 0
    ivar[9, 100:] = 0
    t = clf.classify(flux, ivar=ivar)
    for i in (3, 7):
        assert t["flag"][i] == aml.spectra.UNUSABLE and t["class"][i] == ""
        assert np.isnan(t["probs"][i]).all() and np.isnan(t["prob"][i]) and np.isnan(t["ood"][i])
    assert t["flag"][9] == aml.spectra.PARTLY_COVERED and np.isfinite(t["probs"][9]).all()
    rest = np.delete(np.arange(30), [3, 7, 9])
    assert np.array_equal(t["probs"][rest], clf.predict_proba(spectra.flux, ivar=spectra.ivar)[rest])
    assert not clf.sets(t["probs"])[[3, 7]].any()


def test_same_seed_same_bits(clf, spectra):
    again = aml.spectra.Classifier(seed=1, epochs=2, batch_size=8, threads=1)
    again.fit(spectra.flux, spectra.labels, ivar=spectra.ivar, wave=spectra.wave, progress=False)
    assert np.array_equal(again.predict_proba(spectra.flux), clf.predict_proba(spectra.flux))


def test_save_and_load(clf, spectra, tmp_path):
    path = tmp_path / "model.safetensors"
    clf.save(path)
    for again in (aml.load(path), aml.spectra.Classifier.load(str(path))):
        assert isinstance(again, aml.spectra.Classifier)
        assert np.array_equal(again.predict_proba(spectra.flux), clf.predict_proba(spectra.flux))
        assert again.seed == 1 and again.epochs == 2 and again.classes_.tolist() == clf.classes_.tolist()
        assert again.history_ == clf.history_


def test_fine_tune_and_calibrate(clf, spectra):
    before = clf.predict_proba(spectra.flux)
    tuned = clf.fine_tune(
        spectra.flux, spectra.labels, ivar=spectra.ivar, epochs=1, batch_size=8, seed=3, progress=False
    )
    assert tuned is not clf and not np.array_equal(tuned.predict_proba(spectra.flux), before)
    calibrated = clf.calibrate(spectra.flux, spectra.labels, ivar=spectra.ivar)
    assert np.array_equal(calibrated.embed(spectra.flux), clf.embed(spectra.flux))
    assert np.array_equal(clf.predict_proba(spectra.flux), before)
    with pytest.raises(ValueError, match="class 'X', want one of"):
        clf.fine_tune(spectra.flux, ["X"] * 30)
    with pytest.raises(TypeError, match="epoch"):
        clf.fine_tune(spectra.flux, spectra.labels, epoch=1)


def test_groups(spectra):
    groups = np.repeat(np.arange(15), 2)
    clf = aml.spectra.Classifier(epochs=1, batch_size=8)
    clf.fit(spectra.flux, spectra.labels, wave=spectra.wave, groups=groups % 15, progress=False)
    with pytest.raises(aml.ShapeError, match=r"groups: shape \(3,\), want \(30,\)"):
        clf.fit(spectra.flux, spectra.labels, wave=spectra.wave, groups=[1, 2, 3])


def test_checkpoint(spectra, tmp_path):
    options = dict(seed=1, epochs=2, batch_size=8, checkpoint=tmp_path / "run")
    fit = dict(ivar=spectra.ivar, wave=spectra.wave)

    class Killed(Exception):
        pass

    def stop(p):
        if p.epoch == 1:
            raise Killed

    try:
        aml.spectra.Classifier(**options).fit(spectra.flux, spectra.labels, progress=stop, **fit)
    except Killed:
        pass
    clf = aml.spectra.Classifier(**options).fit(spectra.flux, spectra.labels, progress=False, **fit)
    whole = aml.spectra.Classifier(seed=1, epochs=2, batch_size=8)
    whole.fit(spectra.flux, spectra.labels, progress=False, **fit)
    assert np.array_equal(clf.predict_proba(spectra.flux), whole.predict_proba(spectra.flux))


def test_scikit_learns_manners():
    clf = aml.spectra.Classifier(seed=4, learn_rate=0.1)
    params = clf.get_params()
    assert params["seed"] == 4 and params["learn_rate"] == 0.1 and params["epochs"] is None
    assert aml.spectra.Classifier(**params).get_params() == params
    assert clf.set_params(epochs=3) is clf and clf.epochs == 3
    with pytest.raises(ValueError, match="no option 'epoch'"):
        clf.set_params(epoch=3)
    with pytest.raises(TypeError):
        aml.spectra.Classifier(epoch=3)
    with pytest.raises(AttributeError, match="before fit or load"):
        clf.classes_
    for verb in (clf.predict, clf.classify, clf.embed):
        with pytest.raises(AttributeError, match="before fit or load"):
            verb(np.zeros((1, 400)))
    with pytest.raises(AttributeError, match="before fit or load"):
        clf.stream([])
    with pytest.raises(AttributeError, match="before fit or load"):
        clf.save("x")
    assert repr(clf) == "Classifier(seed=4, epochs=3, learn_rate=0.1)"
    assert copy.deepcopy(clf).get_params() == clf.get_params()
    assert pickle.loads(pickle.dumps(clf)).get_params() == clf.get_params()


def test_pages(clf):
    assert "not fitted" in aml.spectra.Classifier()._repr_html_()
    page = clf._repr_html_()
    assert "QSO_BROADLINE" in page and "400 pixels" in page and "2 epochs" in page
    with pytest.raises(TypeError, match="save"):
        pickle.dumps(clf)


def test_numpy_numbers_are_options(spectra):
    clf = aml.spectra.Classifier(seed=np.uint64(2**63), epochs=np.int64(1), learn_rate=np.float32(0.01), batch_size=8)
    assert json.loads(clf._options())["seed"] == 2**63
    clf.fit(spectra.flux, spectra.labels, wave=spectra.wave, progress=False)


@pytest.mark.parametrize(
    "labels, classes, index, names",
    [
        (["b", "a", "b"], None, [1, 0, 1], ["a", "b"]),
        (["b", "a", "b"], ["b", "a", "c"], [0, 1, 0], ["b", "a", "c"]),
        (np.array([b"b", b"a", b"b"]), None, [1, 0, 1], ["a", "b"]),
        (np.array(["b", "a", "b"], object), None, [1, 0, 1], ["a", "b"]),
        ([7, 3, 7], None, [1, 0, 1], ["3", "7"]),
        ([1, 0, 1], ["x", "y"], [1, 0, 1], ["x", "y"]),
        ([1.0, 0.0, 1.0], ["x", "y"], [1, 0, 1], ["x", "y"]),
        (np.array([1, 0, 1], ">i2"), ["x", "y"], [1, 0, 1], ["x", "y"]),
        (np.array([1, 0, 1], object), None, [1, 0, 1], ["0", "1"]),
    ],
)
def test_labels(labels, classes, index, names):
    got, found = encode(labels, classes, 3)
    assert got.dtype == np.int64 and got.tolist() == index and found == names


@pytest.mark.parametrize(
    "labels, classes, error, message",
    [
        (["a", "b"], None, aml.ShapeError, r"labels: shape \(2,\), want \(3,\)"),
        ([["a", "b", "c"]], None, aml.ShapeError, r"labels: shape \(1, 3\)"),
        ([0, np.nan, 1], None, ValueError, "label 1 is nan"),
        (["a", None, "b"], None, ValueError, "label 1 is None"),
        (np.array(["a", np.nan, "b"], object), None, ValueError, "label 1 is nan"),
        ([0, np.inf, 1], None, ValueError, "fractions"),
        ([0, 0.5, 1], None, ValueError, "fractions"),
        ([0, 1j, 1], None, TypeError, "complex"),
        ([True, False, True], None, TypeError, "bool"),
        (np.ma.masked_array([0, 1, 1], [0, 0, 1]), None, ValueError, "label 2 is masked"),
        (["a", "b", "c"], ["a", "b"], ValueError, r"class 'c', want one of \['a', 'b'\]"),
        ([0, 1, 2], ["a", "b"], ValueError, "label 2 is 2, want 0 to 1"),
        ([0, 1, -1], ["a", "b"], ValueError, "label 2 is -1, want 0 to 1"),
    ],
)
def test_bad_labels(labels, classes, error, message):
    with pytest.raises(error, match=message):
        encode(labels, classes, 3)


def test_group_names():
    assert group_numbers(None, 3) is None
    assert group_numbers(["x", "y", "x"], 3).tolist() == [0, 1, 0]
    assert class_indices([], ["a"], 0).tolist() == []


def stream_of(spectra, wave=None):
    for i in range(len(spectra)):
        row = (f"s{i}", spectra.flux[i], spectra.ivar[i])
        yield row if wave is None else (*row, wave)


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_stream(clf, spectra, batch):
    rules = [
        aml.spectra.Trigger("any"),
        aml.spectra.Trigger("quasar", classes=["QSO_BROADLINE"], min_prob=0.2),
        aml.spectra.Trigger("strange", min_ood=2),
        aml.spectra.Trigger("sure", classes="GALAXY", coverage=0.9, max_ood=0.9),
    ]
    verdicts = list(clf.stream(stream_of(spectra), rules, batch=batch))
    t = clf.classify(spectra.flux, ivar=spectra.ivar)
    assert [v.id for v in verdicts] == [f"s{i}" for i in range(30)]
    assert [v.label for v in verdicts] == t["class"].tolist()
    assert np.array_equal([v.prob for v in verdicts], t["probs"])
    sets = clf.predict_sets(spectra.flux, ivar=spectra.ivar, coverage=0.9)
    for i, v in enumerate(verdicts):
        assert (v.total, v.ood, v.flag) == (t["total"][i], t["ood"][i], t["flag"][i])
        assert "any" in v.triggers and "strange" not in v.triggers
        assert ("quasar" in v.triggers) == (v.label == "QSO_BROADLINE" and v.prob[2] >= 0.2)
        alone = sets[i].tolist() == [True, False, False]
        assert ("sure" in v.triggers) == (v.label == "GALAXY" and alone and v.ood <= 0.9)


def test_stream_reads_no_further_than_a_batch(clf, spectra):
    read = []

    def source():
        for row in stream_of(spectra):
            read.append(row[0])
            yield row

    verdicts = clf.stream(source(), batch=4)
    assert not read
    next(verdicts)
    assert len(read) == 4


def test_stream_with_grids_of_their_own(clf, spectra):
    fine = np.linspace(4100, 8000, 900)
    flux, ivar = aml.spectra.rebin(spectra.flux, None, spectra.wave, fine)
    assert ivar is None
    want = clf.predict_proba(flux, wave=fine)
    got = [v.prob for v in clf.stream((i, f, None, fine) for i, f in enumerate(flux))]
    assert np.allclose(got, want, atol=1e-5)
    same = [v.prob for v in clf.stream(stream_of(spectra, spectra.wave))]
    assert np.array_equal(same, clf.predict_proba(spectra.flux, ivar=spectra.ivar))
    mixed = [(0, spectra.flux[0], None), (1, spectra.flux[1], spectra.ivar[1]), (2, np.full(400, np.nan), None)]
    verdicts = list(clf.stream(mixed))
    assert [v.id for v in verdicts] == [0, 1, 2] and verdicts[2].label == "" and not verdicts[2].triggers
    assert list(clf.stream([])) == []


@pytest.mark.parametrize(
    "row, error, message",
    [
        (("x", np.zeros(400)), ValueError, "tuple of 2"),
        (("x", np.zeros(3), None), aml.ShapeError, "spectrum 'x': 3 pixels, the model has 400: want wave"),
        (("x", np.zeros((2, 400)), None), aml.ShapeError, "spectrum 'x': flux: shape"),
        (("x", np.zeros(400), np.zeros(3)), aml.ShapeError, "spectrum 'x': ivar: shape"),
        (("x", np.zeros(2), None, [2, 1]), ValueError, "spectrum 'x': .*increasing"),
        (("x", np.zeros(2), None, [1, 2]), ValueError, "spectrum 'x': .*overlap"),
    ],
)
def test_bad_streams(clf, row, error, message):
    with pytest.raises(error, match=message):
        list(clf.stream([row]))


def test_bad_rules(clf, spectra):
    with pytest.raises(ValueError, match="names class \"X\""):
        list(clf.stream(stream_of(spectra), [aml.spectra.Trigger("r", classes=["X"])]))
    with pytest.raises(ValueError, match="batch: 0"):
        clf.stream([], batch=0)


def test_simulate():
    s = aml.spectra.simulate(2, seed=3, wave=WAVE)
    assert s.flux.shape == (26, 400) and s.flux.dtype == np.float32 and s.ivar.shape == (26, 400)
    assert s.classes == aml.spectra.CLASSES13 and s.labels[:2].tolist() == s.classes[:2]
    assert np.array_equal(s.wave, WAVE) and len(s) == 26
    assert np.array_equal(np.asarray(s.truth["class"]), s.labels) and (np.asarray(s.truth["sn"]) > 0).all()
    assert np.array_equal(aml.spectra.simulate(2, seed=3, wave=WAVE, threads=1).flux, s.flux)
    assert not np.array_equal(aml.spectra.simulate(2, seed=4, wave=WAVE).flux, s.flux)
    part = s[s.labels == "QSO"]
    assert len(part) == 2 and set(part.labels) == {"QSO"} and len(part.truth) == 2
    assert len(s[3]) == 1 and len(s[2:4]) == 2
    assert "26 spectra of 400 pixels" in repr(s) and "13 classes" in repr(s)
    with pytest.raises(ValueError, match="X"):
        aml.spectra.simulate(1, classes=["X"])
    with pytest.raises(ValueError, match="between 3000 and 12000"):
        aml.spectra.simulate(1, wave=WAVE * 100)


LONG = np.linspace(3000, 12000, 3000)
BASIS = np.stack([np.ones(3000), np.linspace(0, 1, 3000)])


@pytest.mark.parametrize(
    "why, template",
    [
        ("templates", {}),
        ("a basis with coefficients", {"coeff": [[1, 2], [1, 0.5], [2, 1]]}),
        ("a basis with normal coefficients", {"mean": [1, 1], "scatter": [0.1, 0.2]}),
    ],
)
def test_synthesize(why, template):
    red = {"class": "red", "wave": LONG, "flux": BASIS, "z_max": 0.1, **template}
    blue = {"class": "blue", "wave": LONG, "flux": BASIS[:, ::-1], "weight": 2}
    s = aml.spectra.synthesize([red, blue], 3, seed=1, wave=WAVE, mix=0.5)
    assert s.flux.shape == (6, 400) and s.labels.tolist() == ["red", "blue"] * 3 and s.classes == ["red", "blue"]
    assert len(s.truth) == 6 and np.isfinite(s.flux).all()
    assert np.array_equal(aml.spectra.synthesize([red, blue], 3, seed=1, wave=WAVE, mix=0.5, threads=1).flux, s.flux)
    noise = np.ones((2, 400), np.float32)
    noise[:, 100:120] = 0
    s = aml.spectra.synthesize([red, blue], 3, wave=WAVE, noise_ivar=noise, noise_wave=WAVE)
    assert (s.ivar[:, 102:118] == 0).all() and (s.ivar[:, 200:] > 0).all()


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"flux": None}, ValueError, r"templates\[0\]: no 'flux'"),
        ({"flux": BASIS[0]}, aml.ShapeError, r"templates\[0\]: flux: shape \(3000,\)"),
        ({"wave": LONG[:5]}, aml.ShapeError, r"templates\[0\]: wave: shape \(5,\), want \(3000,\)"),
        ({"coeff": [[1, 2, 3]]}, aml.ShapeError, r"coeff: shape \(1, 3\), want \(n, 2\)"),
        ({"z": 1}, ValueError, "key 'z'"),
        ({"wave": LONG[::-1]}, ValueError, "increasing"),
        ({"z_min": 50, "z_max": 60}, ValueError, "class \"x\""),
    ],
)
def test_bad_templates(change, error, message):
    with pytest.raises(error, match=message):
        aml.spectra.synthesize([{"class": "x", "wave": LONG, "flux": BASIS, **change}], 1, wave=WAVE)


@pytest.mark.parametrize("kind", aml.spectra.OUTLIER_KINDS)
def test_outliers(kind):
    o = aml.spectra.outliers(kind, 3, seed=1, wave=WAVE)
    assert len(o) == 3 and o.labels is None and o.classes is None and np.isfinite(o.flux).all()
    assert len(o.truth) == 3 and "classes" not in repr(o)


def test_bad_outliers():
    with pytest.raises(ValueError, match="unknown kind|kind \"x\""):
        aml.spectra.outliers("x")


@pytest.mark.parametrize(
    "name, survey",
    [
        ("spec-4055-55359-0596.fits", "SDSS"),
        ("spec-4055-55359-0596-full.fits", "SDSS"),
        ("coadd-sv3-dark-26065.fits", "DESI"),
        ("spec-55859-F5902_sp01-001.fits.gz", "LAMOST"),
        ("4most-rows.fits", "4MOST"),
    ],
)
def test_read(testdata, name, survey):
    s = aml.spectra.read(testdata / "fits" / name)
    assert len(s) > 0 and s.flux.shape == s.ivar.shape == (len(s), len(s.wave))
    assert (np.diff(s.wave) > 0).all() and s.labels is None
    assert set(np.asarray(s.truth["survey"])) == {survey} and len(s.truth) == len(s)
    assert np.asarray(s.truth["z"]).dtype == float


def test_rebin():
    flux, ivar = aml.spectra.rebin([[1, 3, 5, 7]], [[4, 4, 4, 0]], [5000, 5001, 5002, 5003], [5000.5, 5002.5])
    assert flux.tolist() == [[2, 5]] and ivar.tolist() == [[8, 4]]
    flux, ivar = aml.spectra.rebin([[1, np.nan, np.nan, 7]], None, [5000, 5001, 5002, 5003], [5000.5, 5002.5])
    assert flux[0].tolist() == [1, 7] and ivar is None


def test_tables_without_astropy(monkeypatch):
    import builtins

    real = builtins.__import__

    def no_astropy(name, *args, **kwargs):
        if name.startswith("astropy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_astropy)
    rows = [{"class": "A", "z": 0.5}, {"class": "BCD", "z": None, "teff": 3000.0}]
    t = _table.from_rows(rows)
    assert isinstance(t, np.ndarray) and t["class"].tolist() == ["A", "BCD"]
    assert t["z"][0] == 0.5 and np.isnan(t["z"][1]) and t["teff"].tolist() == [0, 3000]
    probs = _table.table({"p": np.eye(2, dtype=np.float32)})
    assert probs["p"].shape == (2, 2)


def test_tables_of_astropy():
    pytest.importorskip("astropy")
    t = _table.from_rows([{"class": "A", "teff": 3000.0}], {"teff": "K"})
    assert t.colnames == ["class", "teff"] and str(t["teff"].unit) == "K"

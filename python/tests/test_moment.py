"""Networks of posterior moments, as a user would."""

import copy
import inspect
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import goastroml as aml
from goastroml import _native

W = np.array([[2.0, -1, 0], [0.5, 0, 1]], "f4").T
SMALL = dict(seed=1, hidden=8, layers=1, epochs=60, batch_size=20, dropout=-1, folds=2)


def linear(n=240, seed=1, noise=0.1):
    """Features of which two parameters are linear functions but for some noise."""
    r = np.random.default_rng(seed)
    x = r.normal(size=(n, 3)).astype("f4")
    return x, (x @ W + noise * r.normal(size=(n, 2))).astype("f4")


@pytest.fixture(scope="module")
def data():
    return linear()


@pytest.fixture(scope="module")
def net(data):
    return aml.moment.Network(covariance=True, moments=4, **SMALL).fit(*data, names=["a", "b"], progress=False)


def fit(x, theta, options=(), **kwargs):
    return aml.moment.Network(**{**SMALL, "epochs": 1, **dict(options)}).fit(x, theta, progress=False, **kwargs)


def test_learns_a_linear_function(net, data):
    x, theta = linear(400, seed=2)
    mean, std = net.predict(x, return_std=True)
    assert mean.shape == std.shape == (400, 2) and mean.dtype == std.dtype == np.float32
    assert np.array_equal(mean, net.predict(x))
    # The noise is 0.01 of the variance at most; the rest is a network that has learnt from 240 rows.
    assert net.score(x, theta) > 0.97
    chi2 = aml.stats.chi2(theta, mean, std)
    assert (chi2 > 0.5).all() and (chi2 < 2).all()
    assert (std > 0.05).all() and (std < 0.6).all()
    # The mean has the slopes of the function.
    for j, name in enumerate("ab"):
        slope = net.gradient(x, name)
        assert slope.shape == x.shape and slope.dtype == np.float32
        assert np.array_equal(slope, net.gradient(x, j))
        assert np.allclose(slope.mean(0), W[:, j], atol=0.15)


def test_gradient_is_a_finite_difference(net, data):
    x, h = data[0][:20].astype(float), 1e-2
    got = net.gradient(x, 0)
    for i in range(3):
        up, down = x.copy(), x.copy()
        up[:, i] += h
        down[:, i] -= h
        want = (net.predict(up)[:, 0].astype(float) - net.predict(down)[:, 0]) / (2 * h)
        # Units of leaky rectifiers have kinks, where a difference is a mean of two slopes.
        assert np.mean(np.abs(got[:, i] - want) < 2e-3) > 0.8


def test_moments(net, data):
    m = net.predict_moments(data[0])
    assert isinstance(m, aml.moment.Moments)
    mean, std = net.predict(data[0], return_std=True)
    assert np.array_equal(m.mean, mean) and np.array_equal(m.std, std)
    assert m.covariance.shape == (240, 2, 2) and m.skewness.shape == m.kurtosis.shape == (240, 2)
    assert np.allclose(np.sqrt(m.covariance[:, [0, 1], [0, 1]]), std, rtol=1e-4)
    assert np.array_equal(m.covariance[:, 0, 1], m.covariance[:, 1, 0])
    less = fit(*data, options=dict(moments=3)).predict_moments(data[0][:3])
    assert less.covariance is None and less.skewness.shape == (3, 2) and less.kurtosis is None


def test_learnt_attributes(net):
    assert net.names_.tolist() == ["a", "b"]
    assert len(net.history_) == 2 and set(net.history_[0][0]) >= {"loss", "valid"}
    # One hidden layer of 8, and a linear path beside it.
    assert net.n_parameters_ == (3 + 1) * 8 + (8 + 1) * 2 + (3 + 1) * 2
    assert net.multiply_adds_ == 3 * 8 + 8 * 2 + 3 * 2
    assert not hasattr(net, "feature_names_in_")


def test_same_seed_same_bits(data):
    a, b, c = (fit(*data, options=dict(threads=t, seed=s)).predict(data[0], return_std=True) for t, s in ((1, 1), (2, 1), (2, 2)))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


@pytest.mark.parametrize("loss", ["two_stage", "camels", "gaussian"])
def test_one_parameter(data, loss, tmp_path):
    x, theta = data[0], data[1][:, 0]
    net = fit(x, theta, options=dict(loss=loss, epochs=20))
    mean, std = net.predict(x, return_std=True)
    assert mean.shape == std.shape == (240,) and net.names_.tolist() == ["0"]
    assert net.score(x, theta) == pytest.approx(float(aml.stats.r2_score(theta, mean)))
    assert net.predict_moments(x).mean.shape == (240,)
    net.save(tmp_path / "model")
    assert np.array_equal(aml.load(tmp_path / "model").predict(x), mean)
    assert fit(x, theta[:, None], options=dict(loss=loss)).predict(x).shape == (240, 1)


@pytest.mark.parametrize("shape", [(2, 9), (1, 8, 8), (1, 8, 8, 8)])
def test_profiles_maps_and_cubes(shape):
    r = np.random.default_rng(1)
    theta = r.uniform(size=(24, 2)).astype("f4")
    x = (theta[:, :1] * r.normal(size=(24, int(np.prod(shape))))).astype("f4").reshape(24, *shape)
    net = aml.moment.Network(hidden=2, epochs=1, batch_size=4, folds=2).fit(x, theta, progress=False)
    assert net._info["config"]["network"] == {2: "profile", 3: "map", 4: "cube"}[len(shape)]
    assert net.predict(x).shape == (24, 2) and np.isfinite(net.predict(x)).all()
    assert net.gradient(x[:3], 1).shape == (3, *shape)


def test_dtype_and_order_do_not_matter(net, data):
    want = net.predict(data[0])
    for convert in (lambda a: a.astype(float), lambda a: a.astype(">f4"), np.asfortranarray, lambda a: a.tolist()):
        assert np.array_equal(net.predict(convert(data[0])), want)
    again = fit(data[0].astype(float), np.asfortranarray(data[1]))
    assert np.array_equal(again.predict(data[0]), fit(*data).predict(data[0]))


def test_memory_maps(net, data, tmp_path):
    np.save(tmp_path / "x.npy", data[0])
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(net.predict(x), net.predict(data[0]))
    assert np.array_equal(net.gradient(x, 0), net.gradient(data[0], 0))
    assert np.array_equal(fit(x, data[1]).predict(x), fit(*data).predict(data[0]))


def test_chunks(net, monkeypatch):
    x = linear(1300)[0]
    want = net.predict(x)
    monkeypatch.setattr("goastroml.moment._data._CHUNK", 1)
    assert np.allclose(net.predict(x.astype(float)), want, atol=1e-5)


def test_tables(data):
    Table = pytest.importorskip("astropy.table").Table
    x = Table(data[0], names=["mass", "metals", "rate"])
    theta = Table(data[1], names=["Omega_m", "sigma_8"])
    net = fit(x, theta)
    assert net.feature_names_in_.tolist() == ["mass", "metals", "rate"] and net.names_.tolist() == ["Omega_m", "sigma_8"]
    assert np.array_equal(net.predict(x), fit(*data).predict(data[0]))
    assert np.array_equal(net.predict(x), net.predict(data[0]))
    assert np.array_equal(net.predict(x.as_array()), net.predict(x))
    assert net.score(x, theta) == net.score(*data)
    assert fit(x, theta["sigma_8"]).names_.tolist() == ["sigma_8"]
    with pytest.raises(ValueError, match=r"columns \['rate', 'mass', 'metals'\], the network has learnt from \['mass'"):
        net.predict(x["rate", "mass", "metals"])
    x["name"] = "NGC"
    with pytest.raises(TypeError, match="x: column 'name': dtype"):
        fit(x, theta)


class Frame:
    """What of a pandas DataFrame is asked for."""

    def __init__(self, columns):
        self._of, self.columns = columns, list(columns)

    def __getitem__(self, name):
        return self._of[name]

    def to_numpy(self):
        return np.stack(list(self._of.values()), 1)


def test_data_frames(data):
    x = Frame({"mass": data[0][:, 0], 7: data[0][:, 1].astype(float), "rate": data[0][:, 2]})
    net = fit(x, Frame({"a": data[1][:, 0], "b": data[1][:, 1]}))
    assert net.feature_names_in_.tolist() == ["mass", "7", "rate"] and net.names_.tolist() == ["a", "b"]
    assert np.array_equal(net.predict(x), fit(*data).predict(data[0]))


def test_groups_folds_and_weights(data):
    groups = np.repeat([f"LH_{i}" for i in range(60)], 4)
    a = fit(*data, groups=groups)
    assert not np.array_equal(a.predict(data[0]), fit(*data).predict(data[0]))
    folds = np.repeat(np.arange(60) % 3, 4)
    b = fit(*data, groups=groups, folds=folds, options=dict(folds=None))
    assert len(b.history_) == 3  # as many as are named
    assert b.folds is None
    w = fit(*data, weights=np.ones(240))
    assert np.array_equal(w.predict(data[0]), fit(*data).predict(data[0]))
    assert not np.array_equal(fit(*data, weights=np.arange(240)).predict(data[0]), w.predict(data[0]))


def test_save_and_load(net, data, tmp_path):
    net.save(tmp_path / "model.safetensors")
    for again in (aml.load(tmp_path / "model.safetensors"), aml.moment.Network.load(str(tmp_path / "model.safetensors"))):
        assert isinstance(again, aml.moment.Network)
        assert all(np.array_equal(a, b) for a, b in zip(again.predict_moments(data[0]), net.predict_moments(data[0])))
        assert again.seed == 1 and again.hidden == 8 and again.covariance is True and again.threads is None
        assert again.history_ == net.history_ and again.names_.tolist() == ["a", "b"]
        # The same options learn the same.
        assert np.array_equal(again.fit(*data, progress=False).predict(data[0]), net.predict(data[0]))


def test_rows_with_nan_do_not_spoil_the_others(net, data):
    x = data[0].copy()
    x[3, 1] = np.nan
    mean, std = net.predict(x, return_std=True)
    assert np.isnan(mean[3]).all() and np.isnan(std[3]).all()
    rest = np.arange(240) != 3
    assert np.array_equal(mean[rest], net.predict(data[0])[rest])
    masked = np.ma.masked_array(data[0], np.isnan(x))
    assert np.array_equal(net.predict(masked), mean, equal_nan=True)
    assert net.predict(np.empty((0, 3))).shape == (0, 2)


def test_checkpoint(data, tmp_path):
    options = dict(checkpoint=tmp_path / "run", epochs=3)

    class Killed(Exception):
        pass

    def stop(p):
        if p.stage == "means" and p.epoch == 1:
            raise Killed

    try:
        aml.moment.Network(**{**SMALL, **options}).fit(*data, progress=stop)
    except Killed:
        pass
    again = fit(*data, options=options)
    assert os.listdir(tmp_path)
    assert np.array_equal(again.predict(data[0]), fit(*data, options=dict(epochs=3)).predict(data[0]))


def test_scikit_learns_manners(net):
    new = aml.moment.Network(seed=4, learn_rate=0.1, bounds=np.array([[0, 1]]))
    params = new.get_params()
    assert params["seed"] == 4 and params["epochs"] is None and list(params) == list(inspect.signature(aml.moment.Network).parameters)
    assert aml.moment.Network(**params).get_params() == params
    assert new.set_params(epochs=3, bounds=None) is new and new.epochs == 3
    with pytest.raises(ValueError, match="no option 'epoch'"):
        new.set_params(epoch=3)
    for name in ("names_", "history_", "n_parameters_", "multiply_adds_"):
        with pytest.raises(AttributeError, match="before fit or load"):
            getattr(new, name)
    for verb in (new.predict, new.predict_moments, new.save):
        with pytest.raises(AttributeError, match="before fit or load"):
            verb(np.zeros((1, 3)))
    assert repr(new) == "Network(seed=4, epochs=3, learn_rate=0.1)"
    assert copy.deepcopy(new).get_params() == new.get_params() == pickle.loads(pickle.dumps(new)).get_params()
    with pytest.raises(TypeError, match="save"):
        pickle.dumps(net)
    assert "not fitted" in new._repr_html_()
    page = net._repr_html_()
    assert "a, b" in page and "mlp" in page and "multiply-adds" in page


def test_exception_in_progress_cancels(data):
    class Enough(Exception):
        pass

    seen = []

    def progress(p):
        seen.append(p)
        if p.step:
            raise Enough

    net = aml.moment.Network(epochs=1_000_000, patience=-1)
    with pytest.raises(Enough):
        net.fit(*data, progress=progress)
    assert seen[-1].stage == "means" and seen[-1].steps > 0 and not _native._running
    with pytest.raises(Enough):
        aml.moment.search(*data, {"hidden": (2, 4)}, trials=10_000, epochs=1, progress=progress)
    assert seen[-1].stage == "search" and not hasattr(net, "names_") and not _native._running


def test_ctrl_c(tmp_path):
    program = """
        import numpy as np, goastroml as aml
        from goastroml import _native
        x = np.random.default_rng(1).normal(size=(200, 3))
        net = aml.moment.Network(epochs=1_000_000, patience=-1)
        print("ready", flush=True)
        try:
            net.fit(x, x[:, 0], progress=False)
        except KeyboardInterrupt:
            assert not hasattr(net, "names_") and not _native._running
            print("interrupted")
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "ready\n"
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        assert p.stdout.readline() == "interrupted\n"
        assert p.wait(30) == 0


@pytest.mark.parametrize("method", ["random", "halving"])
def test_search(data, method, tmp_path):
    space = {"hidden": (2, 16, "log"), "learn_rate": (1e-4, 1e-2, "log"), "dropout": (0.0, 0.5), "inputs": ["linear", "asinh"]}
    options = dict(trials=5, method=method, epochs=3, seed=3, batch_size=20, layers=1, progress=False)
    found = aml.moment.search(*data, space, **options)
    t, best = found
    loss = np.asarray(t["loss"])
    assert len(t) == 5 and np.isfinite(loss).all()
    rung = np.asarray(t["rung"])
    assert (np.diff(rung) <= 0).all() and all((np.diff(loss[rung == r]) >= 0).all() for r in set(rung))
    assert set(best) == {*space, "batch_size", "layers"} and isinstance(best["hidden"], int) and 2 <= best["hidden"] <= 16
    assert best["learn_rate"] == t["learn_rate"][0] and best["inputs"] == t["inputs"][0]
    aml.moment.Network(epochs=1, **best).fit(*data, progress=False)
    path = tmp_path / "search.json"
    for threads in (1, 2):  # the second one reads what the first has done
        again = aml.moment.search(*data, space, threads=threads, checkpoint=path, **options)
        assert np.array_equal(again.trials["loss"], loss) and again.best == best
    assert json.loads(path.read_text())["trials"]


@pytest.mark.parametrize(
    "space, options, message",
    [
        ({}, {}, "space without options"),
        ({"hiden": (1, 2)}, {}, "no option 'hiden', want one of"),
        ({"hidden": (1, 2)}, {"layer": 1}, "no option 'layer', want one of"),
        ({"hidden": 3}, {}, "hidden is 3, want a list of choices"),
        ({"hidden": (1, 2, "lin")}, {}, "want a list of choices"),
        ({"hidden": ("a", "b")}, {}, "want finite numbers"),
        ({"learn_rate": (0, np.inf)}, {}, "want finite numbers"),
        ({"hidden": (4, 2)}, {}, "low no larger than high"),
        ({"learn_rate": (0.0, 1.0, "log")}, {}, "low above 0"),
        ({"epochs": (1, 9)}, {}, 'option "epochs" cannot be searched'),
        ({"loss": ["camels", "gaussian"]}, {}, 'option "loss" cannot be searched'),
        ({"covariance": [True, False]}, {}, 'option "covariance" cannot be searched'),
        ({"hidden": [-3]}, {}, "hidden -3"),
        ({"hidden": (1, 2)}, {"method": "grid"}, 'method "grid"'),
        ({"hidden": (1, 2)}, {"groups": [1, 2]}, r"groups: shape \(2,\), want \(240,\)"),
    ],
)
def test_bad_searches(data, space, options, message):
    with pytest.raises(ValueError, match=message):
        aml.moment.search(*data, space, **{"trials": 1, "epochs": 1, "progress": False, **options})


def changed(a, at, value):
    a = a.copy()
    a[at] = value
    return a


@pytest.mark.parametrize(
    "why, error, message, call",
    [
        ("NaN in x", ValueError, "feature 1 of row 7 is NaN", lambda x, t: fit(changed(x, (7, 1), np.nan), t)),
        ("infinite x", ValueError, r"feature 1 of row 7 is \+Inf", lambda x, t: fit(changed(x, (7, 1), np.inf), t)),
        ("masked x", ValueError, "feature 0 of row 2 is NaN", lambda x, t: fit(np.ma.masked_array(x, np.arange(720).reshape(240, 3) == 6), t)),
        ("constant feature", ValueError, "feature 2 is 3 in all rows", lambda x, t: fit(changed(x, (slice(None), 2), 3), t)),
        ("NaN in theta", ValueError, r"parameter 1 \(b\) of row 5 is NaN", lambda x, t: fit(x, changed(t, (5, 1), np.nan), names=["a", "b"])),
        ("constant target", ValueError, "parameter 0 is 2 in all 240 rows", lambda x, t: fit(x, changed(t, (slice(None), 0), 2))),
        ("one simulation", ValueError, "1 groups of rows cannot be held out", lambda x, t: fit(x, t, groups=["LH_0"] * 240)),
        ("one row", ValueError, "in all 1 rows", lambda x, t: fit(x[:1], t[:1])),
        ("no rows", aml.ShapeError, "shape", lambda x, t: fit(x[:0], t[:0])),
        ("a group in two folds", ValueError, "group 0 is in folds 0 and 1: what is held out would be known", lambda x, t: fit(x, t, groups=np.arange(240) // 2, folds=np.arange(240) % 2)),
        ("a fold too many", ValueError, "row 239 is in fold 2, with 2 for folds", lambda x, t: fit(x, t, folds=[0] * 120 + [1] * 119 + [2])),
        ("negative fold", ValueError, "is in fold -1, with 2 for folds", lambda x, t: fit(x, t, folds=[0, 1] * 119 + [0, -1])),
        ("folds of fractions", TypeError, "folds: dtype float64", lambda x, t: fit(x, t, folds=np.zeros(240))),
        ("negative weight", ValueError, "weight -1 of row 0", lambda x, t: fit(x, t, weights=-np.ones(240))),
        ("few weights", aml.ShapeError, r"weights: shape \(3,\), want \(240,\)", lambda x, t: fit(x, t, weights=[1, 1, 1])),
        ("few groups", aml.ShapeError, r"groups: shape \(3,\), want \(240,\)", lambda x, t: fit(x, t, groups=[1, 1, 1])),
        ("few names", aml.ShapeError, "names: 1, want 2", lambda x, t: fit(x, t, names=["a"])),
        ("one axis", aml.ShapeError, r"x: shape \(240,\), want \(n, feature\)", lambda x, t: fit(x[:, 0], t)),
        ("six axes", aml.ShapeError, "x: shape", lambda x, t: fit(x.reshape(240, 3, 1, 1, 1, 1), t)),
        ("ragged", aml.ShapeError, "no rectangular array", lambda x, t: fit([[1.0], [1.0, 2.0]], t)),
        ("few targets", aml.ShapeError, r"theta: shape \(3, 2\), want \(240, parameter\)", lambda x, t: fit(x, t[:3])),
        ("three axes of theta", aml.ShapeError, "theta: shape", lambda x, t: fit(x, t[None])),
        ("no parameters", aml.ShapeError, "theta", lambda x, t: fit(x, t[:, :0])),
        ("complex", TypeError, "want real numbers", lambda x, t: fit(x * 1j, t)),
        ("no logarithm", ValueError, "feature 0 has no positive value", lambda x, t: fit(-np.abs(x), t, options=dict(inputs="log"))),
        ("bounds", aml.ShapeError, r"bounds: shape \(2,\), want \(parameter, 2\)", lambda x, t: fit(x, t, options=dict(bounds=[0, 1]))),
        ("bounds of others", aml.ShapeError, "bounds of 1 parameters, there are 2", lambda x, t: fit(x, t, options=dict(bounds=[[0, 1]]))),
        ("network", ValueError, 'network "map" for data of shape .240 3., want "mlp"', lambda x, t: fit(x, t, options=dict(network="map"))),
        ("loss", ValueError, 'loss "l1"', lambda x, t: fit(x, t, options=dict(loss="l1"))),
        ("moments", ValueError, "moments 5, want 2, 3 or 4", lambda x, t: fit(x, t, options=dict(moments=5))),
        ("camels has no covariance", ValueError, "want two_stage for covariances", lambda x, t: fit(x, t, options=dict(loss="camels", covariance=True))),
        ("settle", ValueError, "settle 2, want a fraction of at most 1", lambda x, t: fit(x, t, options=dict(settle=2))),
        ("epochs", ValueError, "epochs is a number 1.5, want int", lambda x, t: fit(x, t, options=dict(epochs=1.5))),
        ("seed", ValueError, "seed is a number -1, want uint64", lambda x, t: fit(x, t, options=dict(seed=-1))),
        ("sides", aml.ShapeError, "sides of .7 7. pixels", lambda x, t: fit(np.ones((240, 1, 7, 7), "f4"), t)),
    ],
)
def test_bad_training_sets(data, why, error, message, call):
    with pytest.raises(error, match=message):
        call(*data)
    assert not _native._running


@pytest.mark.parametrize(
    "why, error, message, call",
    [
        ("other features", aml.ShapeError, r"x: shape \(5, 4\), want \(n, 3\)", lambda n: n.predict(np.zeros((5, 4)))),
        ("other axes", aml.ShapeError, r"x: shape \(5, 1, 3\), want \(n, 3\)", lambda n: n.predict_moments(np.zeros((5, 1, 3)))),
        ("one row", aml.ShapeError, r"a single row as x\[None\]", lambda n: n.predict(np.zeros(3))),
        ("no parameter", ValueError, "parameter 2 of 2", lambda n: n.gradient(np.zeros((1, 3)), 2)),
        ("no name", ValueError, r"parameter 'c', want one of \['a', 'b'\]", lambda n: n.gradient(np.zeros((1, 3)), "c")),
        ("truth of others", aml.ShapeError, "theta: shape", lambda n: n.score(np.zeros((5, 3)), np.zeros((4, 2)))),
        ("folder", FileNotFoundError, "no folder", lambda n: n.save("no folder/model")),
        ("another kind of file", aml.FormatError, "spectra.Classifier", lambda n: n.load("testdata/golden/spectra/model.safetensors")),
    ],
)
def test_bad_questions(net, why, error, message, call, testdata, monkeypatch):
    monkeypatch.chdir(testdata.parent)
    with pytest.raises(error, match=message):
        call(net)


def test_golden_numbers(testdata):
    """The same from Go (bindings/moment_test.go) and C (bindings/ctest/test.c)."""
    folder = testdata / "golden" / "moment"
    golden = {p.stem: np.fromfile(p, "<f4") for p in folder.glob("*.f32")}
    net = aml.load(folder / "model.safetensors")
    x = golden["x"].reshape(-1, 2, 8)
    got = {**net.predict_moments(x)._asdict(), "gradient": net.gradient(x, "index")}
    for k, v in got.items():
        want = golden[k].reshape(v.shape)
        # As in moment_test.go, which says why.
        assert (np.isclose(v, want, rtol=1e-4, atol=1e-4, equal_nan=True)).all(), k
    assert np.isnan(got["mean"][3]).all() and np.isfinite(np.delete(got["mean"], 3, 0)).all()

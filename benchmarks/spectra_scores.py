"""Rows on simulated spectra: thirteen classes, calibration, unusual spectra.

Seeds 1, 2 and 3 make the spectra to learn from, to calibrate on and to test
on. What a class is, and what makes it hard, is in astroml/spectra/simulate.go.
"""

from __future__ import annotations

import functools

import numpy as np

from common import THREADS, Missing, go_benchmark, go_metric, need
from spectra_real import recalls

TRAIN, CALIBRATE, TEST = 1, 2, 3


@functools.cache
def trained(quick: bool):
    """Returns a classifier, and the spectra that it has learnt from."""
    aml = need("goastroml")
    x = aml.spectra.simulate(150 if quick else 2000, seed=TRAIN)
    clf = aml.spectra.Classifier(seed=1, threads=THREADS, epochs=12 if quick else None)
    clf.fit(x.flux, x.labels, ivar=x.ivar, wave=x.wave, classes=x.classes, progress=False)
    return clf, x


@functools.cache
def tested(quick: bool):
    """Returns 10,010 spectra that no one has learnt from (1,300 if quick)."""
    return need("goastroml").spectra.simulate(100 if quick else 770, seed=TEST)


@functools.cache
def calibrated(quick: bool):
    """Returns the classifier calibrated on as many other spectra."""
    x = need("goastroml").spectra.simulate(100 if quick else 770, seed=CALIBRATE)
    return trained(quick)[0].calibrate(x.flux, x.labels, ivar=x.ivar, wave=x.wave)


def indices(x, classes) -> np.ndarray:
    """Returns labels as indices into classes."""
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place[name] for name in x.labels])


def scaled(x) -> np.ndarray:
    """Returns spectra of unit rms, 0 where they are masked: what PCA gets."""
    flux = np.where(x.ivar > 0, x.flux, 0)
    return flux / np.maximum(np.sqrt(np.mean(flux**2, axis=1, keepdims=True)), 1e-30)


def linear(train, test, classes) -> np.ndarray:
    """Returns what PCA(50) and logistic regression say of test."""
    decomposition, preprocessing = need("sklearn.decomposition"), need("sklearn.preprocessing")
    pipeline, linear_model = need("sklearn.pipeline"), need("sklearn.linear_model")
    steps = pipeline.make_pipeline(decomposition.PCA(50, random_state=0), preprocessing.StandardScaler(),
                                   linear_model.LogisticRegression(max_iter=2000))
    return steps.fit(scaled(train), indices(train, classes)).predict(scaled(test))


def classes(table, quick: bool) -> None:
    """Balanced accuracy over thirteen classes, beside PCA and logistic
    regression, and the ceiling that a fit of the very models sets."""
    clf, train = trained(quick)
    test = tested(quick)
    names = list(clf.classes_)
    true = indices(test, names)
    found = recalls(true, clf.predict_proba(test.flux, ivar=test.ivar, wave=test.wave).argmax(1), len(names))
    try:
        peer = float(recalls(true, linear(train, test, names), len(names)).mean())
        table.row("13 classes: PCA(50) + logistic regression", peer, "", at_least=0.75, at_most=0.90,
                  note="the simulator is to be so hard")
    except Missing as why:
        peer = None
        table.skipped("13 classes: PCA(50) + logistic regression", str(why))
    worst = int(found.argmin())
    table.row("13 classes: balanced accuracy", float(found.mean()), "", at_least=0.925,
              peer=None if peer is None else "PCA(50) + logistic regression", peer_value=peer,
              note=f"{len(train):,} spectra to learn from, {len(test):,} to test on; worst {names[worst]} {found[worst]:.3f}")
    if quick:
        return
    try:
        ceiling = go_metric(go_benchmark("astroml/spectra"), "BenchmarkModelFit", "balanced-accuracy")
        table.row("13 classes: the ceiling, a fit of the simulator's models", ceiling, "",
                  note="on the first 390 of the test spectra")
    except Missing as why:
        table.skipped("13 classes: the ceiling", str(why))


def sure(table, quick: bool) -> None:
    """Expected calibration error, and the coverage of conformal sets."""
    aml = need("goastroml")
    clf, test = calibrated(quick), tested(quick)
    true = indices(test, clf.classes_)
    prob = clf.predict_proba(test.flux, ivar=test.ivar, wave=test.wave)
    size = f"{len(test):,} spectra to calibrate on, {len(test):,} others to test on"
    error = aml.stats.expected_calibration_error(prob, true, bins=15)
    table.row("expected calibration error, 15 equal-count bins", error, "", at_most=0.01, note=size)
    sets = clf.sets(prob, coverage=0.9)
    coverage = float(sets[np.arange(len(true)), true].mean())
    table.row("coverage of 90 % conformal sets", 100 * coverage, "%", of=100 * coverage, at_least=89, at_most=91,
              note=f"{sets.sum(1).mean():.3f} classes a set on average; {size}")


def strange(table, quick: bool) -> None:
    """Spectra of no class, at the threshold that keeps 95 % of the known."""
    aml = need("goastroml")
    clf, test = calibrated(quick), tested(quick)

    def accepted(x) -> float:
        ood = np.asarray(clf.classify(x.flux, ivar=x.ivar, wave=x.wave)["ood"])
        return 100 * float(np.mean(ood <= 0.95))

    table.row("known spectra accepted at OOD <= 0.95", accepted(test), "%")
    for kind in aml.spectra.OUTLIER_KINDS:
        x = aml.spectra.outliers(kind, 200 if quick else 2000, seed=TEST)
        bound = 1 if kind in ("blank", "sky") else None
        table.row(f"{kind} spectra accepted at OOD <= 0.95", accepted(x), "%", at_most=bound, note=f"{len(x):,} spectra")

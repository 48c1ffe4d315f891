"""Scores and diagrams: the numbers of the definitions, computed here with NumPy."""

import numpy as np
import pytest

import goastroml as aml

RNG = np.random.default_rng(1)
PROB = RNG.dirichlet(np.ones(4), 200).astype(np.float32)
LABELS = np.array([RNG.choice(4, p=p / p.sum()) for p in PROB.astype(float)])
NAMES = ["a", "b", "c", "d"]


def test_scores():
    best = PROB.argmax(1)
    assert aml.stats.accuracy(PROB, LABELS) == pytest.approx((best == LABELS).mean())
    recall = [(best[LABELS == c] == c).mean() for c in range(4)]
    assert aml.stats.balanced_accuracy(PROB, LABELS) == pytest.approx(np.mean(recall))
    at = PROB[np.arange(200), LABELS].astype(float)
    assert aml.stats.negative_log_likelihood(PROB, LABELS) == pytest.approx(-np.log(at).mean())
    assert aml.stats.brier_score(PROB, LABELS) == pytest.approx(((PROB - np.eye(4)[LABELS]) ** 2).sum(1).mean(), rel=1e-5)
    assert np.allclose(aml.stats.entropy(PROB), -(PROB * np.log(PROB)).sum(1), atol=1e-5)


def test_confusion_matrix():
    want = np.zeros((4, 4), int)
    np.add.at(want, (LABELS, PROB.argmax(1)), 1)
    assert np.array_equal(aml.stats.confusion_matrix(PROB, LABELS), want)
    predicted, true = np.array(NAMES)[PROB.argmax(1)], np.array(NAMES)[LABELS]
    assert np.array_equal(aml.stats.confusion_matrix(predicted, true, classes=NAMES), want)
    assert np.array_equal(aml.stats.confusion_matrix(PROB.argmax(1), LABELS), want)
    assert np.array_equal(aml.stats.confusion_matrix(PROB, true, classes=NAMES), want)
    assert aml.stats.accuracy(predicted, true, classes=NAMES) == aml.stats.accuracy(PROB, LABELS)


def test_reliability():
    r = aml.stats.reliability(PROB, LABELS, bins=10)
    assert (r.count == 20).all() and (np.diff(r.confidence) > 0).all()
    order = np.argsort(PROB.max(1), kind="stable")
    hit = (PROB.argmax(1) == LABELS)[order].reshape(10, 20)
    assert np.allclose(r.accuracy, hit.mean(1)) and np.allclose(r.confidence, PROB.max(1)[order].reshape(10, 20).mean(1))
    ece = np.abs(r.accuracy - r.confidence).mean()
    assert aml.stats.expected_calibration_error(PROB, LABELS, bins=10) == pytest.approx(ece)


def test_auroc():
    score, positive = RNG.normal(size=50), RNG.random(50) < 0.4
    pairs = score[positive][:, None] > score[~positive]
    assert aml.stats.auroc(score, positive) == pytest.approx(pairs.mean())


def test_conformal_sets():
    sets = aml.stats.conformal_sets(PROB[:100], PROB[100:], LABELS[100:], coverage=0.9)
    assert sets.shape == (100, 4) and sets.dtype == bool
    assert sets[np.arange(100), LABELS[:100]].mean() > 0.75  # 0.9 ± 0.03 · √2, three times
    each = aml.stats.conformal_sets(PROB[:100], PROB[100:], LABELS[100:], coverage=0.5, per_class=True)
    assert each.sum() < sets.sum()


@pytest.mark.parametrize(
    "error, message, call",
    [
        (aml.ShapeError, "labels", lambda: aml.stats.accuracy(PROB, LABELS[:3])),
        (ValueError, "want 0 to 3", lambda: aml.stats.accuracy(PROB, LABELS + 1)),
        (ValueError, "classes", lambda: aml.stats.accuracy(["a"], ["b"])),
        (ValueError, "bins", lambda: aml.stats.expected_calibration_error(PROB, LABELS, bins=0)),
        (ValueError, "bins", lambda: aml.stats.reliability(PROB, LABELS, bins=-1)),
        (aml.ShapeError, "prob", lambda: aml.stats.accuracy(PROB, LABELS, classes=["a", "b"])),
        (aml.ShapeError, "positive", lambda: aml.stats.auroc([1, 2, 3], [True])),
        (ValueError, "some of both", lambda: aml.stats.auroc([1, 2], [True, True])),
        (ValueError, "coverage", lambda: aml.stats.conformal_sets(PROB, PROB, LABELS, coverage=-1)),
    ],
)
def test_bad_input(error, message, call):
    with pytest.raises(error, match=message):
        call()

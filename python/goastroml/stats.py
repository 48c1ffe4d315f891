"""How good, and how honest: scores, reliability, conformal sets, and scores of predicted parameters.

Probabilities are (n, class); labels are (n,) indices, or names together with ``classes``.
Where a function takes predictions, they are probabilities or, for accuracy and the
confusion matrix, predicted labels. Computed in Go by the package that calibrates the
classifiers.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ._arrays import matrix, vector
from ._native import call, go
from ._regression import (
    Difference,
    camels_loss,
    chi2,
    coverage,
    gaussian_nll,
    mean_relative_error,
    r2_difference,
    r2_score,
    regression_scores,
    rmse,
)
from .spectra._labels import class_indices

__all__ = [
    "Difference",
    "Reliability",
    "accuracy",
    "auroc",
    "balanced_accuracy",
    "brier_score",
    "camels_loss",
    "chi2",
    "confusion_matrix",
    "conformal_sets",
    "coverage",
    "entropy",
    "expected_calibration_error",
    "gaussian_nll",
    "mean_relative_error",
    "negative_log_likelihood",
    "r2_difference",
    "r2_score",
    "regression_scores",
    "reliability",
    "rmse",
]

Names = Optional[Sequence[str]]


def _pair(predicted: Any, labels: Any, classes: Names) -> Tuple[np.ndarray, np.ndarray]:
    """Probabilities and indices. Predicted labels become probabilities of 0 and 1."""
    if np.ndim(predicted) == 2:
        prob = matrix("prob", predicted, np.float32)
        names = list(map(str, range(prob.shape[1]))) if classes is None else list(map(str, classes))
        if len(names) != prob.shape[1]:
            prob = matrix("prob", prob, np.float32, (None, len(names)))
        return prob, class_indices(labels, names, len(prob))
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if classes is None:
        if labels.dtype.kind not in "iu":
            raise ValueError("classes: want the names of the classes, in order")
        classes = range(int(max(labels.max(initial=-1), predicted.max(initial=-1))) + 1)
    names = list(map(str, classes))
    at = class_indices(predicted, names, len(predicted))
    prob = np.zeros((len(at), len(names)), np.float32)
    prob[np.arange(len(at)), at] = 1
    return prob, class_indices(labels, names, len(at))


def _score(name: str, predicted: Any, labels: Any, classes: Names, bins: int = 0) -> float:
    prob, y = _pair(predicted, labels, classes)
    return call(go.StatsScore, name, prob, y, *prob.shape, bins)


def accuracy(predicted: Any, labels: Any, *, classes: Names = None) -> float:
    """The fraction of objects whose most probable class is the true one."""
    return _score("accuracy", predicted, labels, classes)


def balanced_accuracy(predicted: Any, labels: Any, *, classes: Names = None) -> float:
    """The mean over the classes of the fraction of their objects that are found."""
    return _score("balanced_accuracy", predicted, labels, classes)


def negative_log_likelihood(prob: Any, labels: Any, *, classes: Names = None) -> float:
    """The mean of -log p(true class), in nats."""
    return _score("nll", prob, labels, classes)


def brier_score(prob: Any, labels: Any, *, classes: Names = None) -> float:
    """The mean over the objects of the squared errors of all probabilities, 0 to 2 (Brier 1950)."""
    return _score("brier", prob, labels, classes)


def expected_calibration_error(prob: Any, labels: Any, *, classes: Names = None, bins: int = 15) -> float:
    """Mean distance of accuracy and confidence over bins of equal counts (Naeini et al. 2015; Nixon
    et al. 2019, arXiv:1904.01685)."""
    return _score("ece", prob, labels, classes, bins)


class Reliability(NamedTuple):
    """A reliability diagram, bin by bin."""

    confidence: np.ndarray  #: (bin,) mean probability of the most probable class
    accuracy: np.ndarray  #: (bin,) fraction whose most probable class is the true one
    count: np.ndarray  #: (bin,) objects


def reliability(prob: Any, labels: Any, *, classes: Names = None, bins: int = 15) -> Reliability:
    """How sure the classifier was, beside how often it was right, in bins of equal counts."""
    prob, y = _pair(prob, labels, classes)
    if bins < 1:
        raise ValueError(f"bins: {bins}, want 1 or more")
    r = Reliability(np.empty(bins), np.empty(bins), np.empty(bins, np.int64))
    call(go.StatsReliability, *r, prob, y, *prob.shape, int(bins))
    return r


def confusion_matrix(predicted: Any, labels: Any, *, classes: Names = None) -> np.ndarray:
    """(class, class) counts: row the true class, column the predicted one."""
    prob, y = _pair(predicted, labels, classes)
    k = prob.shape[1]
    out = np.zeros((k, k), np.int64)
    call(go.StatsConfusion, out, prob, y, *prob.shape)
    return out


def entropy(prob: Any) -> np.ndarray:
    """The entropy of each object's probabilities, (n,) float32, in nats."""
    prob = matrix("prob", prob, np.float32)
    out = np.empty(len(prob), np.float32)
    call(go.StatsEntropy, out, prob, *prob.shape)
    return out


def auroc(score: Any, positive: Any) -> float:
    """The probability that a positive object has a higher score than a negative one."""
    score = vector("score", score, np.float32)
    positive = np.ascontiguousarray(np.asarray(positive, bool))
    if positive.shape != score.shape:
        positive = vector("positive", positive.astype(np.uint8), np.uint8, len(score))
    return call(go.StatsAUROC, score, positive, len(score))


def conformal_sets(
    prob: Any,
    calibration_prob: Any,
    calibration_labels: Any,
    *,
    coverage: float = 0.9,
    per_class: bool = False,
    classes: Names = None,
) -> np.ndarray:
    """Split conformal sets, (n, class) bool, for any classifier's probabilities.

    They hold the true class in a fraction ``coverage`` of all objects (of each class's, with
    ``per_class``), if these are like those of the calibration.
    """
    cal, y = _pair(calibration_prob, calibration_labels, classes)
    prob = matrix("prob", prob, np.float32, (None, cal.shape[1]))
    out = np.zeros(prob.shape, bool)
    call(go.StatsConformal, out, prob, len(prob), cal, y, *cal.shape, float(coverage), int(per_class))
    return out

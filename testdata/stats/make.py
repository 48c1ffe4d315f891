"""Writes reference.json with scikit-learn, SciPy and NumPy.

    python -m venv /tmp/ref && /tmp/ref/bin/pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    /tmp/ref/bin/python testdata/stats/make.py
"""

import json
import math
import pathlib

import numpy as np
import scipy
import sklearn
from scipy import optimize, special, stats
from sklearn import calibration, metrics

n, k, bins = 240, 4, 12  # bins divide n: scikit-learn's quantile bins then hold equal counts
rng = np.random.default_rng(20240807)

# A classifier that is too sure, and favours class 2; rarely class 3.
labels = rng.choice(k, n, p=[0.4, 0.3, 0.25, 0.05])
truth = rng.normal(size=(n, k)) + 2 * np.eye(k)[labels]
logits = (2.5 * truth + [0, 0, 1.5, 0]).astype("f4")
prob = special.softmax(logits.astype("f8"), axis=1).astype("f4")
p = prob.astype("f8")
onehot = np.eye(k)[labels]

out = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
    "k": k,
    "bins": bins,
    "labels": labels.tolist(),
    "logits": logits.ravel().astype("f8").tolist(),
    "prob": p.ravel().tolist(),
}

guess = p.argmax(1)
out["accuracy"] = metrics.accuracy_score(labels, guess)
out["balanced_accuracy"] = metrics.balanced_accuracy_score(labels, guess)
out["confusion"] = metrics.confusion_matrix(labels, guess).ravel().tolist()
out["nll"] = metrics.log_loss(labels, p / p.sum(1, keepdims=True))
out["brier"] = metrics.brier_score_loss(labels, p / p.sum(1, keepdims=True), scale_by_half=False)
out["entropy"] = stats.entropy(p, axis=1).tolist()

confidence = p.max(1)
right, sure = calibration.calibration_curve(guess == labels, confidence, n_bins=bins, strategy="quantile")
out["reliability_accuracy"] = right.tolist()
out["reliability_confidence"] = sure.tolist()
out["ece"] = float(np.mean(np.abs(right - sure)))

# Scores with ties.
score = np.round(p[:, 1], 2).astype("f4")
out["score"] = score.astype("f8").tolist()
out["positive"] = (labels == 1).tolist()
out["auroc"] = metrics.roc_auc_score(labels == 1, score)
out["ranks"] = stats.rankdata(score).tolist()
points = np.array([-1, 0, 0.005, 0.5, 0.99, 2], "f4")
out["points"] = points.astype("f8").tolist()
out["ecdf"] = stats.ecdf(score).cdf.evaluate(points).tolist()

# Split conformal prediction, scores 1 - p, section 1 of Angelopoulos & Bates
# (2021), arXiv:2107.07511; thresholds on p. Their code has method="higher",
# which counts ranks from 0 to n - 1 and so takes the next larger score.
def threshold(scores, coverage):
    m = len(scores)
    level = math.ceil((m + 1) * coverage) / m
    return None if level > 1 else 1 - np.quantile(scores, level, method="inverted_cdf")

scores = 1 - p[np.arange(n), labels]
out["coverages"] = [0.5, 0.8, 0.9, 0.95]
out["threshold"] = [threshold(scores, c) for c in out["coverages"]]
out["class_threshold"] = [[threshold(scores[labels == y], c) for y in range(k)] for c in out["coverages"]]

# Temperature scaling, and vector scaling of log-probabilities with the priors
# that the comment of Calibrate states.
z = special.log_softmax(logits.astype("f8"), axis=1)

def nll(z):
    return -special.log_softmax(z, axis=1)[np.arange(n), labels].sum()

tight = {"xtol": 1e-12}
out["temperature"] = 1 / optimize.minimize_scalar(lambda b: nll(b * z), (0.1, 1), options=tight).x
a0 = optimize.minimize_scalar(lambda b: nll(b * z) + (b - 1) ** 2 / 2, (0.1, 1), options=tight).x

def posterior(x):
    s, b = x[:k], x[k:]
    return nll(a0 * (1 + s) * z + b) + (s**2).sum() / (2 * 0.5**2) + (b**2).sum() / 2

best = optimize.minimize(posterior, np.zeros(2 * k), method="BFGS", options={"gtol": 1e-4})
out["scale"] = (a0 * (1 + best.x[:k])).tolist()
out["bias"] = best.x[k:].tolist()
out["calibrated_nll"] = nll(np.array(out["scale"]) * z + out["bias"]) / n

# Percentiles as the bootstrap takes them.
out["percentiles"] = np.percentile(score, [2.5, 97.5]).tolist()

here = pathlib.Path(__file__).parent
(here / "reference.json").write_text(json.dumps(out, allow_nan=False) + "\n")

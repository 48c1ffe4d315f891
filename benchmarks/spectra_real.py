"""Rows on real spectra: supernovae of SNID, and stars, quasars and galaxies of
SDSS and LAMOST.

The folds and the halves are the same for us and for the peers, and an object is
never on both sides.
"""

from __future__ import annotations

import numpy as np

from common import THREADS, Missing, data, need

SN_CLASSES = ["Ia", "Ib", "Ic", "II"]
CLASSES = ["STAR", "QSO", "GALAXY"]
BINS = 256  # of the nearest-neighbour peers


def bins(flux: np.ndarray) -> np.ndarray:
    """Averages spectra into BINS bins; pixels that are NaN do not count."""
    edges = np.linspace(0, flux.shape[1], BINS + 1).round().astype(int)
    good = np.isfinite(flux)
    total = np.add.reduceat(np.where(good, flux, 0), edges[:-1], axis=1)
    count = np.add.reduceat(good.astype(np.float32), edges[:-1], axis=1)
    return total / np.maximum(count, 1)


def neighbours(k: int, train: np.ndarray, labels: np.ndarray, test: np.ndarray, weights: str = "uniform") -> np.ndarray:
    """Returns the labels that k nearest neighbours give."""
    knn = need("sklearn.neighbors").KNeighborsClassifier(k, weights=weights)
    return knn.fit(train, labels).predict(test)


def recalls(true: np.ndarray, given: np.ndarray, k: int) -> np.ndarray:
    """Returns the fraction of each class that is found."""
    return np.array([np.mean(given[true == c] == c) for c in range(k)])


def bootstrap(groups: np.ndarray, statistic: np.ndarray, rounds: int = 4000, seed: int = 0) -> tuple[float, float]:
    """Returns the mean of a per-spectrum number and its standard error, by
    drawing whole groups (objects) with replacement."""
    _, of = np.unique(groups, return_inverse=True)
    total, count = np.bincount(of, statistic), np.bincount(of)
    draws = np.random.default_rng(seed).integers(len(total), size=(rounds, len(total)))
    return statistic.mean(), (total[draws].sum(1) / count[draws].sum(1)).std()


# Supernovae.


def supernovae():
    """Returns flux (n, 1024; NaN outside coverage), wave, labels, objects.

    Outliers are clipped at 3, which one pixel in three thousand exceeds.
    """
    z = np.load(data("spectra/sn_snid.npz"))
    flux = np.where(z["flux"] == 0, np.nan, np.clip(z["flux"], -3, 3)).astype(np.float32)
    labels = np.array([SN_CLASSES.index("II" if t.startswith("II") else t[:2]) for t in z["type"]])
    return flux, z["wave"].astype(np.float64), labels, z["object"]


def folds(labels: np.ndarray, groups: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Returns the fold of each spectrum: objects of a class are shuffled and
    dealt out, the richest first, to the fold that has the fewest spectra of it."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(labels), int)
    for c in np.unique(labels):
        names, count = np.unique(groups[labels == c], return_counts=True)
        order = rng.permutation(len(names))
        order = order[np.argsort(-count[order], kind="stable")]
        filled = np.zeros(k)
        for i in order:
            f = int(np.argmin(filled))
            filled[f] += count[i]
            out[groups == names[i]] = f
    return out


def sn(table, quick: bool) -> None:
    """Ia, Ib, Ic, II: five folds by object, beside 10 nearest neighbours."""
    flux, wave, labels, objects = supernovae()
    fold = folds(labels, objects, 5)
    kept = range(2) if quick else range(5)
    use = np.isin(fold, kept)
    knn = np.full(len(labels), -1)
    # Of six scalings and four ways to count neighbours the best, by two points
    # better than plain fluxes.
    binned = bins(flux)
    binned /= np.maximum(np.linalg.norm(binned, axis=1, keepdims=True), 1e-30)
    binned = np.sign(binned) * np.sqrt(np.abs(binned))
    for f in kept:
        knn[fold == f] = neighbours(10, binned[fold != f], labels[fold != f], binned[fold == f], "distance")
    report = _Report(table, labels[use], objects[use], knn[use])
    try:
        aml = need("goastroml")
    except Missing as why:
        report.peer_alone()
        table.skipped("supernovae: ours", str(why))
        return
    # The network wants 1,500 pixels or more: two for each of SNID's, whose
    # own resolution is coarser than either.
    grid = np.geomspace(wave[0], wave[-1], 2 * len(wave))
    nearest = np.abs(np.log(grid)[:, None] - np.log(wave)[None]).argmin(1)
    fine = flux[:, nearest]
    prob = np.full((len(labels), len(SN_CLASSES)), np.nan)
    for f in kept:
        clf = aml.spectra.Classifier(seed=f, epochs=8 if quick else 30, pretrain="contrastive", exposure=-1,
                                    threads=THREADS)
        clf.fit(fine[fold != f], labels[fold != f], wave=grid, classes=SN_CLASSES, groups=objects[fold != f], progress=False)
        prob[fold == f] = clf.predict_proba(fine[fold == f], wave=grid)
    report.both(prob[use])


class _Report:
    """The rows of the supernovae."""

    def __init__(self, table, labels, objects, knn):
        self.table, self.labels, self.objects, self.knn = table, labels, objects, knn

    def votes(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the classes of the objects, and those that their spectra's
        summed scores (n, class) vote for."""
        names, first, of = np.unique(self.objects, return_index=True, return_inverse=True)
        score = np.zeros((len(names), len(SN_CLASSES)))
        np.add.at(score, of, given)
        return self.labels[first], score.argmax(1)

    def scores(self, given: np.ndarray, votes: np.ndarray) -> list[tuple[str, float]]:
        true, voted = self.votes(votes)
        k = len(SN_CLASSES)
        return [("accuracy", float(np.mean(given == self.labels))),
                ("balanced accuracy", float(recalls(self.labels, given, k).mean())),
                ("accuracy, one vote an object", float(np.mean(voted == true))),
                ("balanced accuracy, one vote an object", float(recalls(true, voted, k).mean()))]

    def peer_alone(self) -> None:
        for name, value in self.scores(self.knn, np.eye(len(SN_CLASSES))[self.knn]):
            self.table.row(f"supernovae: {name}, 10-NN alone", value, "")

    def both(self, prob: np.ndarray) -> None:
        given = prob.argmax(1)
        theirs = self.scores(self.knn, np.eye(len(SN_CLASSES))[self.knn])
        for (name, value), (_, peer) in zip(self.scores(given, prob), theirs):
            self.table.row(f"supernovae: {name}", value, "", peer="10-NN", peer_value=peer)
        gain, error = bootstrap(self.objects, (given == self.labels) * 1.0 - (self.knn == self.labels))
        self.table.row("supernovae: accuracy above 10-NN, in standard errors", gain / error, "s.e.", at_least=2,
                       note=f"{gain:+.4f} ± {error:.4f}, bootstrap over {len(np.unique(self.objects))} objects")


# Stars, quasars, galaxies.


def observed() -> dict:
    """Returns the real spectra of sdss_lamost_real.npz as a dict of arrays,
    with labels as indices into CLASSES."""
    z = np.load(data("spectra/sdss_lamost_real.npz"))
    out = {k: z[k] for k in ("flux", "ivar", "survey", "group")}
    out["wave"] = 10 ** z["loglam"]
    out["labels"] = np.array([CLASSES.index(c) for c in z["cls"]])
    return out


def survey_bins(x: dict) -> np.ndarray:
    """Returns binned spectra of unit norm, for nearest neighbours: of several
    scalings the one that suits them best."""
    b = bins(np.where(x["ivar"] > 0, x["flux"], np.nan))
    return np.tanh(16 * b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-30))


def halves(groups: np.ndarray, rounds: int, seed: int = 0):
    """Yields rounds boolean arrays, True for a random half of the groups."""
    names = np.unique(groups)
    for r in range(rounds):
        order = np.random.default_rng([seed, r]).permutation(len(names))
        yield np.isin(groups, names[order[: len(names) // 2]])


def library() -> list[dict]:
    """Returns noise-free templates to synthesise from, in the words of
    goastroml.spectra.synthesize: class, wave (Å, vacuum, rest frame), flux or a
    basis with coefficients, the range of redshifts, and a weight in the class.

    Stars and galaxies are DESI's bases with the coefficients of real objects;
    main-sequence stars weigh as SDSS and LAMOST find them, roughly. Quasars are
    the archetypes.
    """
    bases = np.load(data("spectra/desi_redrock_templates.npz"))
    archetypes = np.load(data("spectra/desi_archetypes.npz"))
    weights = {"B": 0.3, "A": 1.0, "F": 1.5, "G": 1.5, "K": 1.5, "M": 1.0, "WD": 0.3}
    out = [{"class": "STAR", "wave": bases[f"wave_{t}"], "flux": bases[f"basis_{t}"], "coeff": bases[f"coeff_{t}"],
            "z_min": -0.001, "z_max": 0.001, "weight": w} for t, w in weights.items()]
    out.append({"class": "STAR", "wave": archetypes["wave_star"], "flux": archetypes["flux_star"],
                "z_min": -0.001, "z_max": 0.001, "weight": 0.5})
    out.append({"class": "QSO", "wave": archetypes["wave_qso"], "flux": archetypes["flux_qso"], "z_min": 0.1, "z_max": 4.0})
    out.append({"class": "GALAXY", "wave": bases["wave_GALAXY"], "flux": bases["basis_GALAXY"],
                "coeff": bases["coeff_GALAXY"], "z_min": 0.005, "z_max": 0.7})
    return out


def survey(table, quick: bool) -> None:
    """STAR, QSO, GALAXY: learnt from syntheses, tried on real spectra, then
    fine-tuned on halves of them, beside 5 nearest neighbours."""
    x = observed()
    rounds = 4 if quick else 20
    binned, labels = survey_bins(x), x["labels"]
    knn = [neighbours(5, binned[h], labels[h], binned[~h]) for h in halves(x["group"], rounds)]
    truth = [labels[~h] for h in halves(x["group"], rounds)]
    peer, peer_error = spread([np.mean(k == t) for k, t in zip(knn, truth)])
    peer_galaxy, _ = spread([recalls(t, k, 3)[2] for k, t in zip(knn, truth)])
    try:
        clf = synthetic(x["wave"], quick)
    except Missing as why:
        table.row("real spectra: accuracy, 5-NN alone", peer, "", note=f"± {peer_error:.4f} over {rounds} halves")
        table.row("real spectra: GALAXY recall, 5-NN alone", peer_galaxy, "")
        table.skipped("real spectra: ours", str(why))
        return

    def answer(model, rows) -> np.ndarray:
        return model.predict_proba(x["flux"][rows], ivar=x["ivar"][rows], wave=x["wave"]).argmax(1)

    given = answer(clf, slice(None))
    sdss = x["survey"] != "LAMOST"
    right = given == labels
    table.row("real spectra, learnt from syntheses: accuracy", right.mean(), "", at_least=0.95, note=f"{len(labels)} spectra")
    table.row("real spectra, learnt from syntheses: SDSS alone", right[sdss].mean(), "", note=f"{sdss.sum()} spectra")
    table.row("real spectra, learnt from syntheses: GALAXY recall", recalls(labels, given, 3)[2], "", at_least=0.9,
              note=f"{(labels == 2).sum()} galaxies")
    tuned = []
    for i, h in enumerate(halves(x["group"], rounds)):
        better = clf.fine_tune(x["flux"][h], labels[h], ivar=x["ivar"][h], wave=x["wave"], groups=x["group"][h],
                               seed=i, epochs=10, learn_rate=3e-4, threads=THREADS, progress=False)
        tuned.append(answer(better, ~h))
    ours, error = spread([np.mean(g == t) for g, t in zip(tuned, truth)])
    galaxy, _ = spread([recalls(t, g, 3)[2] for g, t in zip(tuned, truth)])
    table.row("real spectra, fine-tuned on halves: accuracy", ours, "", peer="5-NN", peer_value=peer,
              note=f"± {error:.4f}, 5-NN ± {peer_error:.4f}, {rounds} halves by group")
    table.row("real spectra, fine-tuned on halves: GALAXY recall", galaxy, "", peer="5-NN", peer_value=peer_galaxy)


def synthetic(wave: np.ndarray, quick: bool):
    """Returns a classifier that has seen syntheses alone, between 3800 and 9200 Å
    where both surveys and all templates have data: no edge tells a class."""
    aml = need("goastroml")
    if not hasattr(aml.spectra, "synthesize"):
        raise Missing("this goastroml has no spectra.synthesize: run `make build`")
    wave = wave[(wave > 3800) & (wave < 9200)]
    s = aml.spectra.synthesize(library(), 500 if quick else 4000, seed=1, wave=wave, sn_min=1.5, sn_max=60, mix=0.5)
    clf = aml.spectra.Classifier(seed=1, epochs=8 if quick else None, threads=THREADS)
    return clf.fit(s.flux, s.labels, ivar=s.ivar, wave=s.wave, classes=CLASSES, progress=False)


def spread(values) -> tuple[float, float]:
    """Returns the mean and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))

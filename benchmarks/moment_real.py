"""Moment networks on runs of CAMELS and IllustrisTNG, beside ridge and random forest on the same folds."""

from __future__ import annotations

import numpy as np

import common

FOLDS = 5
PARAMETERS = ["Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2"]


def parts(groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """The fold of each row: groups lie in one."""
    names, at = np.unique(groups, return_inverse=True)
    fold = np.empty(len(names), int)
    fold[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names)) % FOLDS
    return fold[at]


def peers():
    """What an astronomer would try first, with the strength of ridge chosen on the training part for each parameter."""
    common.need("sklearn")
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "ridge": lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15), alpha_per_target=True)),
        "random forest": lambda: RandomForestRegressor(300, min_samples_leaf=2, max_features=0.33, n_jobs=common.THREADS, random_state=1),
    }


def protocol(table: common.Table, title: str, x, theta, groups, names, quick: bool, *, log=True, tolerance=0.15, within=0.01,
             beat=("ridge", "random forest"), **options):
    """Five folds by group; all rows are predicted by models that have not seen their group."""
    aml = common.need("goastroml")
    fold = parts(groups)
    theta = np.asarray(theta, np.float32)
    mean, std = np.empty_like(theta), np.empty_like(theta)
    other = {name: np.empty_like(theta) for name in beat}
    logs = np.log10(np.maximum(x, np.where(x > 0, x, np.inf).min(0))) if log else x  # as ours, column by column
    flat = logs.reshape(len(x), -1)
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        net = aml.moment.Network(seed=k, inputs="log" if log else "linear", **options)
        if quick:
            net.set_params(epochs=20)
        net.fit(x[train], theta[train], groups=groups[train], progress=False)
        m, s = net.predict(x[test], return_std=True)
        mean[test], std[test] = m.reshape(-1, theta.shape[1]), s.reshape(-1, theta.shape[1])
        for name, made in ((n, f) for n, f in peers().items() if n in beat):
            y = theta[train] if theta.shape[1] > 1 else theta[train][:, 0]
            other[name][test] = made().fit(flat[train], y).predict(flat[test]).reshape(-1, theta.shape[1])
    stats = aml.stats
    ours = np.atleast_1d(stats.r2_score(theta, mean))
    for name, y in other.items():
        theirs = np.atleast_1d(stats.r2_score(theta, y))
        d = stats.r2_difference(theta, mean, y, groups=groups, seed=1)
        table.row(f"{title}: mean R²", float(ours.mean()), "", peer=name, peer_value=float(theirs.mean()),
                  of=d.value / d.err, at_least=2, note=f"difference {d.value:.4f} ± {d.err:.4f}")
    best = np.max([np.atleast_1d(stats.r2_score(theta, y)) for y in other.values()], axis=0)
    if len(names) > 1:
        table.row(f"{title}: R² below the better of them, at worst", float(np.max(best - ours)), "", at_most=within,
                  note=", ".join(f"{n} {a:.3f}/{b:.3f}" for n, a, b in zip(names, ours, best)))
    chi2 = np.atleast_1d(stats.chi2(theta, mean, std))
    table.row(f"{title}: χ²", float(chi2[np.argmax(np.abs(chi2 - 1))]), "", at_least=1 - tolerance, at_most=1 + tolerance,
              note=", ".join(f"{n} {v:.2f}" for n, v in zip(names, chi2)))


def power(table: common.Table, quick: bool) -> None:
    """Ω_m, σ_8 and A_SN1 from the galaxies' power spectrum at z = 0."""
    for suite in ("illustristng", "simba"):
        z = np.load(common.data(f"camels/camels_{suite}_galaxy_power.npz"))
        protocol(table, f"power spectra, {suite}", z["ps_snap33"].astype(np.float32), z["params"][:, :3], z["sim"], PARAMETERS[:3], quick)


def _profiles(suite: str):
    """Mean and scatter of the profiles of both mass bins: (simulation, bin and quantity, radius)."""
    z = np.load(common.data(f"camels/camels_{suite}_profiles.npz"))
    columns = [str(c) for c in z["columns"]]
    keep = [columns.index(f"{q}_{k}") for q in ("rho", "pth", "metal", "temp") for k in ("mean", "std")]
    p = z["profiles"][:, :, keep, :]
    return p.reshape(len(p), -1, p.shape[-1]).astype(np.float32), z["params"], z["sim"]


def profiles(table: common.Table, quick: bool) -> None:
    """Six parameters from profiles of halo gas, and how a network of one suite does on the other."""
    aml = common.need("goastroml")
    for suite in ("illustristng", "simba"):
        x, theta, sim = _profiles(suite)
        protocol(table, f"profiles, {suite}", x.reshape(len(x), -1), theta, sim, PARAMETERS, quick)
    (tng, a, groups), (simba, b, others) = _profiles("illustristng"), _profiles("simba")
    shared = min(tng.shape[-1], simba.shape[-1])  # radii, from the inmost on
    tng, simba = (x[:, :, :shared].reshape(len(x), -1) for x in (tng, simba))
    for title, x, t, g, y, u in (("TNG to SIMBA", tng, a, groups, simba, b), ("SIMBA to TNG", simba, b, others, tng, a)):
        net = aml.moment.Network(seed=1, inputs="log", **({"epochs": 20} if quick else {})).fit(x, t, groups=g, progress=False)
        m, s = net.predict(y, return_std=True)
        r2, chi2 = aml.stats.r2_score(u.astype(np.float32), m), aml.stats.chi2(u.astype(np.float32), m, s)
        table.row(f"profiles, {title}: mean R²", float(np.mean(r2)), "",
                  note="; ".join(f"{n} R² {v:.2f}, χ² {c:.0f}" for n, v, c in zip(PARAMETERS, r2, chi2)))


GALAXY = ["M_gas", "M_star", "M_bh", "V_max", "sigma_v", "R_star", "SFR"]
# Properties whose logarithms are correlated by 0.87 to 0.97; across groups by 0.67 at most.
TOGETHER = {"stars and depth": ["M_star", "M_bh", "V_max", "sigma_v"], "gas": ["M_gas", "SFR"], "size": ["R_star"]}


def galaxies(table: common.Table, quick: bool) -> None:
    """log M_total of IllustrisTNG galaxies, and which property carries it."""
    aml = common.need("goastroml")
    z = np.load(common.data("camels/tng100_z0_galaxies.npz"))
    x = np.stack([z[n] for n in GALAXY], axis=1).astype(np.float32)
    y = np.log10(z["M_total"]).astype(np.float32)
    chunk = z["chunk"]
    protocol(table, "TNG100 galaxies, log M_total", x, y[:, None], chunk, ["log M_total"], quick, tolerance=0.1, beat=("ridge",))

    fold = parts(chunk)
    train, test = fold != 0, fold == 0
    few = {"epochs": 20} if quick else {"epochs": 40}
    net = aml.moment.Network(seed=1, inputs="log", **few).fit(x[train], y[train], groups=chunk[train], progress=False)
    r = np.random.default_rng(1)
    rows = r.choice(np.flatnonzero(test), 100 if quick else 200, replace=False)
    background = r.choice(np.flatnonzero(train), 30, replace=False)
    why = lambda **k: aml.explain.shapley(net, x[rows], x[background], method="exact", names=GALAXY, progress=False, **k).importance()  # noqa: E731

    def fit(columns, seed):
        one = aml.moment.Network(seed=seed, inputs="log", folds=2, **few).fit(x[train][:, columns], y[train], groups=chunk[train], progress=False)
        return float(aml.stats.r2_score(y[test], one.predict(x[test][:, columns])))

    def without(fit, names):
        """By how much R² changes without each, the one that is missed most first."""
        t = aml.explain.retrain(fit, names, method="drop", repeats=1 if quick else 3, seed=1, progress=False)
        change = {str(f): float(c) for m, f, c in zip(t["method"], t["feature"], t["change"]) if str(m) == "drop"}
        return dict(sorted(change.items(), key=lambda item: item[1]))

    def compare(importance, change):
        shapley = dict(zip(map(str, importance["feature"]), importance["importance"]))
        note = "Shapley: " + ", ".join(f"{n} {v:.3f}" for n, v in shapley.items())
        return list(shapley)[:3], list(change)[:3], note + "; dropped: " + ", ".join(f"{n} {v:+.4f}" for n, v in change.items())

    by_value, by_change, note = compare(why(), without(fit, GALAXY))
    table.row("TNG100: first three by Shapley values and by retraining", len(set(by_value) & set(by_change)), "shared", at_least=3, note=note)
    members = [[GALAXY.index(n) for n in some] for some in TOGETHER.values()]
    change = without(lambda groups, seed: fit(sorted(c for g in groups for c in members[g]), seed), list(TOGETHER))
    by_value, by_change, note = compare(why(groups=TOGETHER), change)
    table.row("the same, properties that go together taken together", sum(a == b for a, b in zip(by_value, by_change)), "in the same place", at_least=3, note=note)

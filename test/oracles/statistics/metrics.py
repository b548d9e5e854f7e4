"""Metrics, bootstrap weights, calibration, quantile, smoothing, folds, ensemble and stacking by scikit-learn, SciPy and NumPy, as golden/metrics.json.

    /usr/bin/python3 test/oracles/statistics/metrics.py > test/oracles/statistics/golden/metrics.json      (Debian: python3-sklearn, python3-scipy)
"""
import json

import numpy as np
from scipy import optimize
from sklearn import calibration, metrics, model_selection

CLASSES = 6
WEIGHTS = np.array([2, 1, 1, 1, 1, 1]) / 7


def weighted_log_loss(p, y):
    each = [metrics.log_loss(y[:, c], p[:, c], eps=1e-15, labels=[0, 1]) for c in range(CLASSES)]
    return float(WEIGHTS @ each)


def ece(p, y, bins=15):
    at = np.minimum((p * bins).astype(int), bins - 1)
    groups = [(p[at == b], y[at == b]) for b in range(bins) if (at == b).any()]
    return sum(len(a) * abs(a.mean() - b.mean()) for a, b in groups) / len(p)


def ranked(name, p, y):
    fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(y, p)
    return {
        "name": name, "scores": p.tolist(), "labels": y.tolist(),
        "auc": metrics.roc_auc_score(y, p), "averagePrecision": metrics.average_precision_score(y, p),
        "sensitivity": float(tpr[fpr <= 0.1 + 1e-12].max()), "ece": ece(p, y),
        "roc": [fpr.tolist(), tpr.tolist()],
        # scikit-learn appends the point (0, 1) and goes from the loosest threshold: turned round, it dropped.
        "pr": [recall[:-1][::-1].tolist(), precision[:-1][::-1].tolist()],
    }


def smooth(z, p, sigma, reach=3.5):
    d = z[:, None] - z[None, :]
    w = np.where(np.abs(d) <= reach * sigma, np.exp(-0.5 * (d / sigma) ** 2), 0)
    return w @ p / w.sum(1)


def ensemble(models, y):
    logits = [np.log(p) - np.log1p(-p) for p in models]

    def loss(w):
        z = sum(a * b for a, b in zip(w, logits))
        return float(np.mean((np.logaddexp(0, z) - y * z) @ WEIGHTS))

    n = len(models)
    found = optimize.minimize(loss, np.full(n, 1 / n), method="SLSQP", bounds=[(0, 1)] * n,
                              constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-15, "maxiter": 1000})
    return {"weights": found.x.tolist(), "loss": loss(found.x)}


def weighted(rng):
    """What a bootstrap replicate is: samples with the multiplicity of their patient."""
    n, groups = 240, 30
    group = rng.integers(0, groups, n)
    y = (rng.random(n) < 0.25).astype(int)
    p = np.round(np.clip(0.25 + 0.3 * (y - 0.25) + 0.2 * rng.standard_normal(n), 0, 1), 2)
    times = rng.multinomial(groups, np.full(groups, 1 / groups), 8)
    rows = []
    for each in times:
        w = each[group]
        fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False, sample_weight=w)
        rows.append({"times": each.tolist(), "auc": metrics.roc_auc_score(y, p, sample_weight=w),
                     "averagePrecision": metrics.average_precision_score(y, p, sample_weight=w),
                     "sensitivity": float(tpr[fpr <= 0.1 + 1e-9].max()), "ece": ece(np.repeat(p, w), np.repeat(y, w))})
    return {"group": group.tolist(), "scores": p.tolist(), "labels": y.tolist(), "replicates": rows}


def reliability(rng):
    p = rng.random(500)
    y = (rng.random(500) < p**1.5).astype(int)
    observed, predicted = calibration.calibration_curve(y, p, n_bins=10, strategy="uniform")
    return {"scores": p.tolist(), "labels": y.tolist(), "observed": observed.tolist(), "predicted": predicted.tolist()}


def smoothing_fit(rng):
    """The sigma of least log loss for one class, over studies of slices 5 mm apart."""
    studies, slices = 40, 24
    z = np.arange(slices) * 5.0
    y = np.zeros((studies, slices), int)
    for study in y:
        if rng.random() < 0.5:
            start = rng.integers(0, slices - 6)
            study[start:start + 6] = 1
    p = 1 / (1 + np.exp(-(1.2 * (2 * y - 1) + 1.6 * rng.standard_normal(y.shape))))

    def loss(sigma):
        smoothed = np.array([smooth(z, row, sigma) for row in p])
        return float(metrics.log_loss(y.ravel(), smoothed.ravel(), eps=1e-15))

    # The reach of 3.5 sigma makes small steps in the loss: a fine grid first, then Brent between its best point's neighbours.
    grid = np.linspace(1, 20, 191)
    best = int(np.argmin([loss(s) for s in grid]))
    found = optimize.minimize_scalar(loss, bounds=(grid[max(best - 1, 0)], grid[min(best + 1, 190)]), method="bounded", options={"xatol": 1e-9})
    return {"values": p.tolist(), "labels": y.tolist(), "positions": z.tolist(), "loss": min(float(found.fun), loss(grid[best])),
            "untouched": float(metrics.log_loss(y.ravel(), p.ravel(), eps=1e-15))}


def stacking(models, y, ridge=1.0):
    """By class, ridge logistic regression pulled to the equal-weight mean; intercept (almost) free."""
    logits = [np.log(p) - np.log1p(-p) for p in models]
    rows = []
    for c in range(CLASSES):
        x = np.column_stack([np.ones(len(y))] + [l[:, c] for l in logits])
        prior = np.array([0] + [1 / len(models)] * len(models))
        pull = np.array([1e-6] + [ridge] * len(models))

        def loss(b):
            odds = x @ b
            return float(np.sum(np.logaddexp(0, odds) - y[:, c] * odds) + 0.5 * np.sum(pull * (b - prior) ** 2))

        def gradient(b):
            return x.T @ (1 / (1 + np.exp(-(x @ b))) - y[:, c]) + pull * (b - prior)

        def hessian(b):
            p = 1 / (1 + np.exp(-(x @ b)))
            return (x * (p * (1 - p))[:, None]).T @ x + np.diag(pull)

        found = optimize.minimize(loss, prior, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-10})
        b = found.x
        for _ in range(3):  # Newton's steps down to rounding.
            b = b - np.linalg.solve(hessian(b), gradient(b))
        rows.append(b.tolist())
    return rows


def folds(rng):
    """Patients of the competition's kind, and how evenly StratifiedGroupKFold spreads `any`: the sum of squared shares."""
    patients = []
    for _ in range(400):
        images = int(rng.integers(24, 54))
        counts = [int(rng.integers(1, 16)) if rng.random() < r else 0 for r in (0.02, 0.12, 0.09, 0.12, 0.16)]
        patients.append([images, max(counts), *counts])
    group = np.repeat(np.arange(400), [row[0] for row in patients])
    label = np.concatenate([[1] * row[1] + [0] * (row[0] - row[1]) for row in patients])
    split = model_selection.StratifiedGroupKFold(5, shuffle=True, random_state=1).split(label, label, group)
    held = np.array([np.unique(group[valid], return_counts=False).tolist() for _, valid in split], dtype=object)
    table = np.array(patients, float)
    shares = np.array([table[list(own)].sum(0) for own in held]) / table.sum(0)
    return {"patients": patients, "imbalance": (shares**2).sum(0).tolist()}


def main():
    rng = np.random.default_rng(1)
    y = (rng.random((200, CLASSES)) < 0.3).astype(int)
    p = np.clip(0.3 + 0.3 * (y - 0.3) + 0.2 * rng.standard_normal((200, CLASSES)), 0, 1)
    ties = np.round(p[:, 0], 1)
    few = y[:40, 1]
    truth = rng.standard_normal((300, CLASSES))
    yes = (rng.random(truth.shape) < 1 / (1 + np.exp(-truth))).astype(int)
    noisy = [1 / (1 + np.exp(-(a * truth + b * rng.standard_normal(truth.shape)))) for a, b in [(0.8, 0.7), (1.1, 0.9), (0.3, 1.5), (0.9, 0.8)]]
    z = np.sort(rng.uniform(0, 150, 30))
    probability = rng.random(30)
    values = rng.standard_normal(101)
    extra = np.random.default_rng(2)
    print(json.dumps({
        "weighted": weighted(extra), "reliability": reliability(extra), "smoothingFit": smoothing_fit(extra),
        "stacking": stacking(noisy, yes), "folds": folds(extra),
        "logLoss": {"probabilities": p.ravel().tolist(), "labels": y.ravel().tolist(), "expected": weighted_log_loss(p, y)},
        "ranked": [
            ranked("continuous scores", p[:, 2], y[:, 2]),
            ranked("scores with ties", ties, y[:, 0]),
            ranked("two different scores", np.where(few == 1, 0.75, np.where(np.arange(40) % 3 == 0, 0.75, 0.25)), few),
        ],
        "smoothing": {"positions": z.tolist(), "values": probability.tolist(),
                      "expected": {str(s): smooth(z, probability, s).tolist() for s in (1, 4.5, 20)}},
        "ensemble": {"models": [m.ravel().tolist() for m in noisy], "labels": yes.ravel().tolist(), **ensemble(noisy, yes)},
        "quantile": {"values": values.tolist(), "expected": np.quantile(values, [0.025, 0.5, 0.975]).tolist()},
    }))


main()

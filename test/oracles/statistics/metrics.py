"""Metrics, quantile, smoothing and ensemble weights by scikit-learn, SciPy and NumPy, as golden/metrics.json.

    /usr/bin/python3 test/oracles/statistics/metrics.py > test/oracles/statistics/golden/metrics.json      (Debian: python3-sklearn, python3-scipy)
"""
import json

import numpy as np
from scipy import optimize
from sklearn import metrics

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
    print(json.dumps({
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

"""Several methods' answers as one: a convex combination, by how well each did on rows that it did not learn from.

Choosing one method of twenty by a few labelled rows is mostly luck; a blend is seldom worse than the best of them (docs/benchmarks/reuse.md). The
prior is a soft one-standard-error rule: a method whose mean loss lies z standard errors of the paired difference behind the lowest counts
exp(-(z / 1.25)^2 / 2) as much. Around it, shares of least squared error are found (the super learner: van der Laan, Polley and Hubbard, 2007; Breiman, "Stacked Regressions", 1996).
"""

import numpy as np
from scipy.optimize import nnls

from reuse import evidence

SOFTNESS = 1.25  # standard errors; with PULL and LEAST found on wine, sentences, California and avocados, and flat around (docs/benchmarks/reuse.md)
PULL = 1000.0  # towards the prior, divided by the rows that speak for themselves: 100 at 10 rows, 2 at 500
LEAST = 0.03  # a smaller share is not worth carrying a method for
TIED = 1e4  # weight of the equation that the shares sum to 1


def shares(outputs: list[np.ndarray], losses: list[np.ndarray], y: np.ndarray, pull: float = PULL) -> np.ndarray:
    """Shares (m,) >= 0 that sum to 1, for out-of-fold outputs, each (n, classes) probabilities or (n,) values, and the loss of each row (n,).

    min |sum_m w_m P_m - y|^2 / var(y) + pull / n |w - prior|^2 with y one-hot for classes; shares below LEAST are dropped and the others solved again.
    """
    wanted = y.astype(np.float64) if outputs[0].ndim == 1 else np.eye(outputs[0].shape[1])[y.astype(int)].ravel()
    scale = wanted.std() or 1.0
    A, b = np.stack([output.astype(np.float64).ravel() for output in outputs], axis=1) / scale, wanted / scale
    prior, kept = _prior(losses), np.arange(len(outputs))
    while True:
        found = _simplex(A[:, kept], b, prior[kept] / prior[kept].sum(), pull / len(y))
        if (found >= LEAST).all() or len(kept) == 1:
            out = np.zeros(len(outputs))
            out[kept] = found
            return out
        kept = kept[found >= LEAST] if (found >= LEAST).any() else kept[[int(found.argmax())]]


def _prior(losses: list[np.ndarray]) -> np.ndarray:
    best = losses[int(np.argmin([loss.mean() for loss in losses]))]
    behind = [loss - best for loss in losses]
    z = np.array([d.mean() / max(d.std(ddof=1) / np.sqrt(len(d)), 1e-12) if len(d) > 1 else 0.0 for d in behind])
    prior = np.exp(-((np.minimum(z, 50.0) / SOFTNESS) ** 2) / 2)
    return prior / prior.sum()


def _simplex(A: np.ndarray, b: np.ndarray, prior: np.ndarray, ridge: float) -> np.ndarray:
    m = A.shape[1]
    w, _ = nnls(np.vstack([A, np.sqrt(ridge) * np.eye(m), np.full((1, m), TIED)]), np.concatenate([b, np.sqrt(ridge) * prior, [TIED]]))
    return w / w.sum()


def held_out(outputs: list[np.ndarray], losses: list[np.ndarray], y: np.ndarray, classes: bool, *, seed: int) -> np.ndarray:
    """The blend's answer for each row with shares that were found on other rows: (n, classes) or (n,)."""
    found = np.zeros_like(outputs[0], dtype=np.float64)
    for train, test in evidence.folds(y, classes, repeats=1, seed=seed + 7, k=min(5, len(y))):
        w = shares([output[train] for output in outputs], [loss[train] for loss in losses], y[train])
        found[test] = sum(share * output[test] for share, output in zip(w, outputs, strict=True))
    return found

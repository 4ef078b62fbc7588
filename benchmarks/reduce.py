"""Reducing a table to a specification: ours against the `learnware` package and against k-means, same data, same kernel, same K.

MMD² is between the specification and the empirical measure of *all* rows, exact, computed here by one function for every contender. CPU seconds
are of the one call, on one thread each, after a warm-up. Data: Gaussian mixtures whose clusters differ in place and shape; real tables by --real (a CSV).
The kernel is Gaussian with the median distance of the rows as its bandwidth. `peer` is the package's `RKMETableSpecification` as it comes
(k-means, three gradient steps, weights that sum to 1); `k-means` is scikit-learn's with our exact non-negative weights of free mass.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import peers  # noqa: E402
from benchmarks.report import Row, main  # noqa: E402

# (rows, coordinates, repetitions): the peer takes minutes for one run of the largest, so those have fewer.
CASES = ((1_000, 10, 5), (1_000, 64, 5), (1_000, 300, 5), (1_000, 768, 5), (10_000, 10, 5), (10_000, 64, 5), (10_000, 300, 5), (10_000, 768, 3),
         (100_000, 10, 3), (100_000, 64, 3), (100_000, 300, 1), (100_000, 768, 1))
QUICK = ((1_000, 64, 1), (10_000, 64, 1))
POINTS = (10, 100)
SLOW = {(100_000, 300, 100), (100_000, 768, 100)}  # cells that the peer does not finish within some minutes
BLOCK = 4_000


def run(arguments: argparse.Namespace) -> list[Row]:
    rows = []
    for n, d, repeats in QUICK if arguments.quick else CASES:
        found: dict[int, list[Any]] = {K: [] for K in POINTS}
        for seed in range(arguments.seeds or repeats):
            X = clusters(n, d, seed)
            sigma = median_distance(X, seed)
            own = _self_term(X, sigma)
            for K in POINTS:
                if (n, d, K) not in SLOW:
                    found[K].append(measure(X, K, seed, sigma, own, arguments.mode))
            print(f"n={n:,}, d={d}, seed {seed}", file=sys.stderr, flush=True)
        for K, results in found.items():
            if results:
                rows += _rows(f"n={n:,}, d={d}, K={K}", results)
    if arguments.real:
        import pandas as pd

        X = pd.read_csv(arguments.real).select_dtypes("number").dropna(axis=1).to_numpy(dtype=float)
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
        sigma = median_distance(X, 0)
        own = _self_term(X, sigma)
        for K in POINTS:
            rows += _rows(f"{Path(arguments.real).stem}, n={len(X):,}, d={X.shape[1]}, K={K}", [measure(X, K, seed, sigma, own, arguments.mode) for seed in range(arguments.seeds or 5)])
    if not arguments.quick:
        rows += million(arguments.mode)
    return rows


def million(mode: str) -> list[Row]:
    """A million rows in a process of its own, so that its peak memory is its own."""
    code = (
        "import json, os, resource, time\n"
        "for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'): os.environ[name] = '1'\n"
        "import numpy as np, specs\n"
        "from benchmarks.reduce import clusters, median_distance\n"
        "X = clusters(1_000_000, 64, 0)\n"
        "sigma = median_distance(X, 0)\n"
        "specs.reduce(X[:500], sigma=sigma, points=10)\n"
        "def status(key): return next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if line.startswith(key))\n"
        "open('/proc/self/clear_refs', 'w').write('5')\n"
        "held, began = status('VmRSS'), time.process_time()\n"
        f"found = specs.reduce(X, sigma=sigma, points=100, mode={mode!r})\n"
        "print(json.dumps({'cpu': time.process_time() - began, 'peak': status('VmHWM') - held, 'fit': found.fit, 'floor': found.floor}))\n"
    )
    found = [json.loads(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout) for _ in range(3)]
    middle = {key: float(np.median([one[key] for one in found])) for key in found[0]}
    case = "n=1,000,000, d=64, K=100"
    return [
        Row(case, "time", "CPU s", middle["cpu"], limit=5.0, note=f"limit: the goal; its own estimate of MMD² {middle['fit']:.1e}, sampling floor {middle['floor']:.1e}"),
        Row(case, "memory above the data", "MB", middle["peak"] / 1e6, limit=600.0, note="limit: the goal; peak resident less what was held before"),
    ]


def clusters(n: int, d: int, seed: int, k: int = 12) -> np.ndarray:
    """Standardised rows of a mixture of k Gaussians with shapes of their own; (n, d)."""
    rng = np.random.default_rng(seed)
    means = rng.normal(scale=2.0, size=(k, d))
    shapes = rng.normal(size=(k, d, d)) / np.sqrt(d)
    which = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 2.0)))
    X = np.empty((n, d))
    for i in range(k):
        rows = which == i
        X[rows] = means[i] + rng.normal(size=(rows.sum(), d)) @ shapes[i]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def measure(X: np.ndarray, K: int, seed: int, sigma: float, own: float, mode: str) -> dict[str, tuple[float, float]]:
    """{contender: (MMD² to all rows, CPU seconds)}."""
    import specs

    specs.reduce(X[:500], sigma=sigma, points=10)  # what is loaded at the first call is not counted
    began = time.process_time()
    ours = specs.reduce(X, sigma=sigma, points=K, seed=seed, mode=mode)
    took = time.process_time() - began
    with tempfile.TemporaryDirectory(prefix="moorage-peer-") as folder:
        said, theirs = peers.ask("learnware", "peer_learnware.py", {"gamma": 1 / (2 * sigma**2), "points": K, "threads": 1}, {"X": X}, Path(folder))
    began = time.process_time()
    centres, weights = kmeans(X, K, sigma, seed)
    simple = time.process_time() - began
    return {
        "ours": (squared_mmd(X, ours.points.astype(float), ours.weights, sigma, own), took),
        "peer": (squared_mmd(X, theirs["points"], theirs["weights"], sigma, own), said["cpu_s"]),
        "k-means": (squared_mmd(X, centres, weights, sigma, own), simple),
    }


def kmeans(X: np.ndarray, K: int, sigma: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The strong simple way: centres of k-means, weights >= 0 of free mass that are exact against all rows."""
    from scipy.optimize import nnls
    from sklearn.cluster import KMeans

    centres = KMeans(K, n_init=1, random_state=seed).fit(X).cluster_centers_
    gram, cross = gaussian(centres, centres, sigma), _mean_embedding(X, centres, sigma)
    L = np.linalg.cholesky(gram + 1e-10 * np.eye(K))
    return centres, nnls(L.T, np.linalg.solve(L, cross))[0]


def squared_mmd(X: np.ndarray, Z: np.ndarray, w: np.ndarray, sigma: float, own: float) -> float:
    """|| mean embedding of X - sum_k w_k phi(z_k) ||², in float64."""
    return float(own - 2 * w @ _mean_embedding(X, Z, sigma) + w @ gaussian(Z, Z, sigma) @ w)


def gaussian(A: np.ndarray, B: np.ndarray, sigma: float) -> np.ndarray:
    distances = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1)[None, :] - 2 * A @ B.T
    return np.exp(-np.maximum(distances, 0) / (2 * sigma**2))


def median_distance(X: np.ndarray, seed: int) -> float:
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(X[np.random.default_rng(seed).permutation(len(X))[:2000]])))


def _mean_embedding(X: np.ndarray, Z: np.ndarray, sigma: float) -> np.ndarray:
    return np.sum([gaussian(Z, X[i : i + BLOCK], sigma).sum(axis=1) for i in range(0, len(X), BLOCK)], axis=0) / len(X)


def _self_term(X: np.ndarray, sigma: float) -> float:
    """|| mean embedding of X ||²: all pairs, exact; float32 products summed in float64, since n² is large."""
    Y, total = X.astype(np.float32), 0.0
    squares = (Y**2).sum(axis=1)
    for i in range(0, len(Y), BLOCK):
        for j in range(i, len(Y), BLOCK):
            part = squares[i : i + BLOCK, None] + squares[None, j : j + BLOCK] - 2 * Y[i : i + BLOCK] @ Y[j : j + BLOCK].T
            value = np.exp(-np.maximum(part, 0) / np.float32(2 * sigma**2)).sum(dtype=np.float64)
            total += value if i == j else 2 * value
    return total / len(Y) ** 2


def _rows(case: str, found: list[dict[str, tuple[float, float]]]) -> list[Row]:
    def middle(name: str, part: int) -> float:
        return float(np.median([one[name][part] for one in found]))

    return [
        Row(case, "MMD²", "", middle("ours", 0), peer=middle("peer", 0), note="peer: learnware"),
        Row(case, "time", "CPU s", middle("ours", 1), peer=middle("peer", 1), note="peer: learnware"),
        Row(case, "MMD²", "", middle("ours", 0), peer=middle("k-means", 0), note="peer: k-means, weights >= 0 of free mass"),
        Row(case, "time", "CPU s", middle("ours", 1), peer=middle("k-means", 1), note="peer: k-means, weights >= 0 of free mass"),
    ]


def more(parser: Any) -> None:
    parser.add_argument("--mode", default="fast", choices=["fast", "best"])
    parser.add_argument("--real", default="", help="a CSV besides: its numeric columns, standardised")


if __name__ == "__main__":
    main("reduce", run, doc=__doc__, packages=("numpy", "scipy", "scikit-learn", "faiss-cpu"), more=more)

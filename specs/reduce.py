"""From many rows to a few weighted points.

k-means++ start, then L-BFGS jointly on points and positive weights of free mass, then the weights again, exactly, against all
rows. Minimises
    || sum_k w_k k(z_k, .) - sum_i p_i k(x_i, .) ||^2,      p_i the rows' shares (1/n, or sample_weight).
Wu et al., arXiv:2001.07135, fix the mass to 1 and all but fix the points; freeing both brings the squared MMD down by one to two
orders of magnitude at the same number of points (docs/benchmarks/matching.md).

Steps are taken on a small subsample T, whose mean embedding c_T differs from that of all rows, c_F, by sampling noise. After some
steps c_F - c_T and its gradient are computed once, at the points as they are, and added as a linear term (variance reduction:
Johnson and Zhang, 2013), damped by the kernel so that nobody profits from walking away. So a step costs what T costs, and the
optimum is that of all rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.sparse import csr_array

from specs import kernels
from specs.checks import SpecError, positive, whole
from specs.rkme import MAX_MASS, Rkme
from specs.rows import Rows, Sample, gather, typical_gap
from specs.rows import of as rows_of

VERSION = "2"
MIN_MASS_ROWS = 5
SAMPLE_BYTES = 64 * 2**20  # of float32 rows that are held for the steps
SAMPLE_ROWS = 100_000
EXACT_ROWS = 600  # up to here the norm of the data's embedding is summed over all pairs
SCALE = 1e3  # L-BFGS stops on absolute changes; MMD^2 near 1e-5 needs a larger yardstick


@dataclass(frozen=True)
class Effort:
    """How long to look: rows of the subsample (for each point, and at least), first steps on it, rounds of corrected steps, starts that are tried for few points."""

    rows_a_point: int
    rows: int
    steps: int
    rounds: int
    round_steps: int
    starts: int


MODES = {"fast": Effort(20, 1_000, steps=20, rounds=4, round_steps=8, starts=5), "best": Effort(100, 5_000, steps=80, rounds=8, round_steps=15, starts=15)}
Pull = Callable[[np.ndarray, np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Engine:
    """The three heavy sums; specs/torch.py has the same ones for a GPU. `T` is what `put` made of rows and shares."""

    put: Callable[[np.ndarray, np.ndarray], Any]
    pull: Callable[[np.ndarray, Any, float], tuple[np.ndarray, np.ndarray]]
    embed: Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]
    name: str


def reduce(
    X: Any, *, sigma: float, points: int = 100, seed: int = 0, mode: str = "fast", sample_weight: Any = None,
    min_mass: float = MIN_MASS_ROWS, noise: float = 0.0,
) -> Rkme:
    """Reduce X (n, d) to at most `points` weighted points under a Gaussian kernel of bandwidth `sigma`.

    X is an array, a memory map, a path to .npy or .parquet, an iterator of (b, d) batches or a function that starts one; memory beside X stays
    constant. `sample_weight` (n,) gives rows other shares than 1/n. An iterator is read once, so beyond 100,000 rows (64 MB) its weights are
    solved against a uniform sample; every other source is read again.

    `mode` "best" looks several times as long as "fast" for about half the squared MMD, which only pays far above 10,000 rows: below, both
    lie under what sampling alone adds (`Rkme.floor`). Where n allows it (n >= 10 * points), no point stands for fewer than
    `min_mass` rows, since it would tell about single people: points are dropped, or moved and weighted so that none does. With few rows there are at most n // 2 points, so that points can not
    simply repeat rows. `noise` moves each point at random by that many typical nearest-neighbour distances (no formal guarantee: see
    `specs.privacy` for one) before the weights are solved.

    Returns an Rkme with float32 points, weights >= 0 of free mass, n (with sample_weight: of how many equal rows it is worth, Kish), and
    `fit`, its squared MMD to the data: exact up to 600 rows, by random features (within about a third of its size) beyond. The same X, points, mode and
    seed give the same bytes. Raises SpecError for input that is not finite numbers of one width.
    """
    return run(X, CPU, sigma=sigma, points=points, seed=seed, mode=mode, sample_weight=sample_weight, min_mass=min_mass, noise=noise)


def run(X: Any, engine: Engine, *, sigma: float, points: int, seed: int, mode: str, sample_weight: Any, min_mass: float, noise: float) -> Rkme:
    """`reduce` on an engine."""
    sigma = positive(sigma, "sigma")
    K = whole(points, "points", 1, 5_000)
    rng = np.random.default_rng(whole(seed, "seed", 0, 2**32 - 1))
    if mode not in MODES:
        raise SpecError("wrong-mode", f"mode must be one of {', '.join(MODES)}; got {mode!r}.")
    effort = MODES[mode]
    if not 0 <= min_mass < 1e9 or not 0 <= noise <= 100:
        raise SpecError("wrong-number", f"min_mass must be at least 0 and noise from 0 to 100; got {min_mass!r} and {noise!r}.")
    rows = rows_of(X, sample_weight)
    sample = gather(rows, SAMPLE_ROWS if rows.n is not None and rows.n * _width(rows) * 4 <= SAMPLE_BYTES else _most(_width(rows)), rng) if not rows.is_one_shot else _gather_once(rows, rng)
    n = sample.n
    # A one-shot source can not be read again; a sample that is the whole need not be.
    everything = rows if not (rows.is_one_shot or sample.is_whole) else None
    K = min(K, max(1, n // 2))
    # With ten rows a point and more, none may stand for fewer than min_mass of them.
    least = min_mass / sample.effective if n >= 10 * K else 0.0
    Z, shares = start(sample, K, sigma, rng, effort, least)
    Z = refine(sample, Z, shares, sigma, effort, engine, rng, least)
    if noise:
        Z = Z + (rng.standard_normal(Z.shape) * noise * typical_gap(_part(sample, 20_000, rng).rows, rng) / np.sqrt(Z.shape[1])).astype(np.float32)
    c = _embedded(Z, sample, everything, sigma, engine)
    Z, w, c = solve_weights(Z, c, sigma, least)
    fit = _fit(Z, w, c, sample, everything, sigma, rng)
    generator = {"name": "moorage-v", "version": VERSION, "seed": int(seed), "points": int(points), "mode": mode}
    if noise:
        generator["noise"] = float(noise)
    if rows.is_one_shot and not sample.is_whole:
        generator["sampled"] = len(sample.rows)
    return Rkme(points=Z, weights=w, sigma=sigma, n=max(1, round(sample.effective)), fit=fit, generator=generator)


def start(sample: Sample, K: int, sigma: float, rng: np.random.Generator, effort: Effort, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Where the steps begin: k-means++ and Lloyd's algorithm; returns centres (K', d) and their shares (K',).

    With few points the steps end in the valley they began in, so several starts are tried and the nearest kept.
    """
    few = _part(sample, max(20 * K, 1_000), rng)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    tries = effort.starts * (2 if sample.n > 20_000 else 1)
    starts = max(1, min(tries, 10 * tries // K))
    for _ in range(starts):
        Z, shares = lloyd(few, seeds(few, K, rng), 5)
        value = 0.0
        if starts > 1:
            c = kernels.mean_embedding(few.rows, Z, sigma, few.weights)
            kept, w, c = solve_weights(Z, c, sigma)
            value = float(w @ kernels.gaussian(kept.astype(np.float64), kept.astype(np.float64), sigma) @ w - 2 * w @ c)
        if best is None or value < best[0]:
            best = value, Z, shares
    _, Z, shares = best
    many = _part(sample, max(100 * K, 4_000), rng)
    if len(many.rows) > len(few.rows):
        Z, shares = lloyd(many, Z, 2)
    if least and (shares < least).any():
        Z, shares = _without_loners(many, Z, shares, least, rng)
    return Z, shares


def _without_loners(sample: Sample, Z: np.ndarray, shares: np.ndarray, least: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres that hold too few rows sit on single rows, where the kernel is flat all round: no step would take them away. The largest are split in
    their place; what is still too small is dropped."""
    kept, large = shares >= least, np.argsort(-shares, kind="stable")[: int((shares < least).sum())]
    split = Z[large] + (0.1 * rng.standard_normal((len(large), Z.shape[1])) * sample.rows.std(axis=0)).astype(np.float32)
    Z, shares = lloyd(sample, np.concatenate([Z[kept], split]), 3)
    kept = shares >= least
    return (Z[kept], shares[kept] / shares[kept].sum()) if kept.any() else (Z, shares)


def seeds(sample: Sample, K: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ with a few candidates for each centre (Arthur and Vassilvitskii, 2007); at most K distinct rows, (K', d)."""
    X = sample.rows
    squares = np.einsum("nd,nd->n", X, X)
    tries = 2 + int(np.log(K))

    def distances(chosen: np.ndarray) -> np.ndarray:
        D = squares[:, None] + squares[chosen][None, :] - 2 * (X @ X[chosen].T)
        return np.maximum(D, 0, out=D)

    chosen = [int(rng.choice(len(X), p=sample.weights))]
    nearest = distances(np.array(chosen))[:, 0]
    nearest[chosen[0]] = 0.0
    while len(chosen) < K:
        reach = np.cumsum(nearest * sample.weights)
        if not reach[-1] > 0:
            break
        candidates = np.unique(np.minimum(np.searchsorted(reach, rng.random(tries) * reach[-1], side="right"), len(X) - 1))
        D = np.minimum(distances(candidates), nearest[:, None])
        best = int(np.argmin(sample.weights @ D))
        nearest = D[:, best]
        nearest[candidates[best]] = 0.0
        chosen.append(int(candidates[best]))
    return X[np.array(chosen)].copy()


def lloyd(sample: Sample, Z: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm on weighted rows; returns centres (K', d) float32 and their shares (K',). Centres of no row are dropped."""
    X, p = sample.rows, sample.weights
    for _ in range(rounds):
        half = 0.5 * np.einsum("kd,kd->k", Z, Z)
        labels = np.empty(len(X), dtype=np.int64)
        for part in kernels.chunks(len(X), len(Z)):
            labels[part] = np.argmax(X[part] @ Z.T - half, axis=1)
        shares = np.bincount(labels, weights=p, minlength=len(Z))
        member = csr_array((p.astype(np.float32), labels, np.arange(len(X) + 1)), shape=(len(X), len(Z)))
        filled = shares > 0
        Z, shares = (member.T @ X)[filled] / shares[filled, None].astype(np.float32), shares[filled]
    return Z, shares / shares.sum()


def refine(sample: Sample, Z: np.ndarray, shares: np.ndarray, sigma: float, effort: Effort, engine: Engine, rng: np.random.Generator, least: float = 0.0) -> np.ndarray:
    """Move points (K, d) and weights together to lower the MMD to all of the sample; returns points (K, d) float32.

    Weights are `least` and squares of free numbers, so they stay above it and their mass is free. Kernels in float32, sums in float64.
    """
    K, d = Z.shape
    # About the centre float32 differences lose the least.
    centre = (sample.weights @ sample.rows).astype(np.float32)
    some = _part(sample, max(effort.rows, effort.rows_a_point * K), rng)
    T = engine.put(some.rows - centre, some.weights)
    is_whole = len(some.rows) == len(sample.rows)
    F = T if is_whole else engine.put(sample.rows - centre, sample.weights)
    gamma = 0.5 / sigma**2
    # The objective curves by 4 gamma w^2 along a point and by 8 w along a root: without one measure for both, L-BFGS spends its steps on
    # the weights and leaves the points where they were.
    stretch = float(np.sqrt(2.0 * K / gamma))
    Z, w = Z - centre, np.asarray(shares, dtype=np.float64)
    plan = [effort.steps] if is_whole else [effort.steps] + [effort.round_steps] * effort.rounds
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for turn, steps in enumerate(plan):
        correction = None
        if turn:
            here = engine.pull(Z, F, sigma)
            value = _value(Z, w, here[0], sigma)
            if best is not None and value > best[0]:
                # The line was followed beyond where it holds: back, and no farther.
                Z, w = best[1:]
                break
            best = value, Z, w
            correction = _correction(Z, here, engine.pull(Z, T, sigma), sigma)

        def objective(theta: np.ndarray, correction: Any = correction) -> tuple[float, np.ndarray]:
            Z = (stretch * theta[: K * d].reshape(K, d)).astype(np.float32)
            root = theta[K * d :]
            w = least + root**2
            A = kernels.gaussian(Z, Z, sigma)
            c, gc = engine.pull(Z, T, sigma)
            if correction is not None:
                dc, dgc = correction(Z)
                c, gc = c + dc, gc + dgc
            Aw = A.astype(np.float64) @ w
            w32 = w.astype(np.float32)
            self_pull = Z * (A @ w32)[:, None] - A @ (w32[:, None] * Z)
            # d/dz_k = 2 w_k [ -2 gamma sum_j w_j A_kj (z_k - z_j) - d c_k / d z_k ]
            gZ = 2.0 * w[:, None] * (-2.0 * gamma * self_pull.astype(np.float64) - gc)
            value = w @ Aw - 2.0 * w @ c
            return SCALE * value, SCALE * np.concatenate([stretch * gZ.ravel(), 4.0 * (Aw - c) * root])

        begin = np.concatenate([Z.astype(np.float64).ravel() / stretch, np.sqrt(np.maximum(w - least, 0.2 * w))])
        found = minimize(objective, begin, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 10})
        Z, w = (stretch * found.x[: K * d].reshape(K, d)).astype(np.float32), least + found.x[K * d :] ** 2
    if best is not None and _value(Z, w, engine.pull(Z, F, sigma)[0], sigma) > best[0]:
        Z = best[1]
    return Z + centre


def _value(Z: np.ndarray, w: np.ndarray, c: np.ndarray, sigma: float) -> float:
    return float(w @ kernels.gaussian(Z, Z, sigma).astype(np.float64) @ w - 2.0 * w @ c)


def _correction(Z0: np.ndarray, of_all: Any, of_some: Any, sigma: float) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """c_F - c_T near Z0, to first order, with its gradient: (dc + <g, z - z0>) exp(-gamma |z - z0|^2); both pulls are taken at Z0."""
    gamma = 0.5 / sigma**2
    dc, g = of_all[0] - of_some[0], of_all[1] - of_some[1]

    def at(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        D = (Z - Z0).astype(np.float64)
        near = np.exp(-gamma * np.einsum("kd,kd->k", D, D))
        line = dc + np.einsum("kd,kd->k", g, D)
        return line * near, g * near[:, None] - (2 * gamma * line * near)[:, None] * D

    return at


def solve_weights(Z: np.ndarray, c: np.ndarray, sigma: float, least: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of at least `least` and free mass (at most 1.05) for c = the data's mean embedding at Z; returns points, weights, c.

    min w'Aw - 2 c'w is non-negative least squares in the Cholesky factor of A (Lawson and Hanson). A point that would weigh less than half of
    `least` is dropped first; those that stay are then solved with the bound.
    """
    Z64 = Z.astype(np.float64)
    A = kernels.gaussian(Z64, Z64, sigma)
    w = _nnls(A, c)
    keep = w > max(1e-9, 0.5 * least)
    if not keep.any():
        raise SpecError("not-reducible", "The rows lie too far apart for this bandwidth: no point stands for two of them.",
                        "Bring more rows, or found a space from them: this one is made for data that lie closer together.")
    Z, A, w, c = Z[keep], A[np.ix_(keep, keep)], w[keep], c[keep]
    if least and (w < least).any():
        least = min(least, 1.0 / len(w))
        w = least + _nnls(A, c - A @ np.full(len(w), least))
    if w.sum() > MAX_MASS:
        w *= MAX_MASS / w.sum() * (1 - 1e-9)
    return Z, w, c


def _nnls(A: np.ndarray, c: np.ndarray) -> np.ndarray:
    L = np.linalg.cholesky(A + 1e-7 * np.eye(len(A)))
    return nnls(L.T, np.linalg.solve(L, c), maxiter=50 * len(A))[0]


def _embedded(Z: np.ndarray, sample: Sample, everything: Rows | None, sigma: float, engine: Engine) -> np.ndarray:
    """The mean embedding of all rows that can be read, at Z; (K,) float64."""
    if everything is None:
        return engine.embed(sample.rows, sample.weights, Z, sigma)
    total, mass = np.zeros(len(Z)), 0.0
    for x, p in everything.chunks():
        total += engine.embed(x, p, Z, sigma)
        mass += p.sum()
    return total / mass


def _fit(Z: np.ndarray, w: np.ndarray, c: np.ndarray, sample: Sample, everything: Rows | None, sigma: float, rng: np.random.Generator) -> float:
    """The squared MMD between the points and the data: all pairs where they are few, else by orthogonal-free random features.

    || mu_Z - mu_X ||^2 = E_omega | phi_Z(omega) - phi_X(omega) |^2: its error is relative to itself, where that of a sum over sampled pairs would drown it.
    """
    if sample.is_whole and sample.n <= EXACT_ROWS:
        Z64 = Z.astype(np.float64)
        X, p = sample.rows, sample.weights
        norm = sum(float(p[part] @ (kernels.gaussian(X[part], X, sigma) @ p)) for part in kernels.chunks(len(X), len(X)))
        return max(0.0, float(w @ kernels.gaussian(Z64, Z64, sigma) @ w - 2.0 * w @ c + norm))
    n = sample.n if everything is not None else len(sample.rows)
    features = int(np.clip(640_000 // n, 32, 64))
    omega = (rng.standard_normal((Z.shape[1], features)) / sigma).astype(np.float32)
    centre = (sample.weights @ sample.rows).astype(np.float32)
    total, mass = np.zeros(2 * features), 0.0
    for x, p in everything.chunks() if everything is not None else [(sample.rows, sample.weights)]:
        for part in kernels.chunks(len(x), features):
            angles, p32 = (x[part] - centre) @ omega, p[part]
            total += np.concatenate([p32 @ np.cos(angles), p32 @ np.sin(angles)])
        mass += p.sum()
    angles = (Z - centre).astype(np.float64) @ omega
    difference = total / mass - np.concatenate([w @ np.cos(angles), w @ np.sin(angles)])
    return float(difference @ difference / features)


def _part(sample: Sample, most: int, rng: np.random.Generator) -> Sample:
    if len(sample.rows) <= most:
        return sample
    chosen = np.sort(rng.choice(len(sample.rows), most, replace=False))
    weights = sample.weights[chosen]
    if not weights.sum() > 0:
        return sample
    return Sample(sample.rows[chosen], weights / weights.sum(), sample.n, sample.effective)


def _width(rows: Rows) -> int:
    return 0 if rows.at is None else rows.at(np.array([0]))[0].shape[1]


def _most(d: int) -> int:
    return int(np.clip(SAMPLE_BYTES // (4 * max(1, d)), 10_000, SAMPLE_ROWS))


def _gather_once(rows: Rows, rng: np.random.Generator) -> Sample:
    chunks = rows.chunks()
    first = next(chunks, None)
    if first is None:
        raise SpecError("no-rows", "There must be at least one row; the source gave none.")

    def again() -> Any:
        yield first
        yield from chunks

    return gather(Rows(again, is_one_shot=True), _most(first[0].shape[1]), rng)


def _put(X: np.ndarray, p: np.ndarray) -> Any:
    return np.ascontiguousarray(X), p.astype(np.float32), np.einsum("md,md->m", X, X)


def _pull(Z: np.ndarray, T: Any, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """c_k = sum_i p_i k(z_k, x_i) and its gradient by z_k, over the rows of T; (K,) and (K, d) float64."""
    X, p, squares = T
    gamma = np.float32(0.5 / sigma**2)
    own = np.einsum("kd,kd->k", Z, Z)
    c, pulled = np.zeros(len(Z)), np.zeros(Z.shape)
    for part in kernels.chunks(len(X), len(Z)):
        C = Z @ X[part].T
        C *= np.float32(2)
        C -= squares[None, part]
        C -= own[:, None]
        C *= gamma
        np.minimum(C, 0, out=C)
        np.exp(C, out=C)
        C *= p[None, part]
        c += C.sum(axis=1, dtype=np.float64)
        pulled += C @ X[part]
    return c, 2.0 * float(gamma) * (pulled - Z * c[:, None])


CPU = Engine(_put, _pull, lambda X, p, Z, sigma: kernels.weighted_embedding(X, p, Z, sigma), "cpu")

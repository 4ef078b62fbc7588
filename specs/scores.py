"""What a distance means: sampling taken off, how often chance alone would do it, and a verdict.

Two samples of one distribution stand apart by sampling alone. Under equality MMD^2 between samples of n and m rows is distributed as
    (1/n + 1/m) sum_i lambda_i chi^2_1,
lambda the eigenvalues of the centred kernel (Gretton et al., "A Kernel Two-Sample Test", 2012). The eigenvalues are those of the pooled points
of both specifications, their sum is brought to what the rows had ((1 - |mu|^2) a side, and the fits), and the tail is that of the sum itself
(Davies, 1980). Held against random splits of real tables: docs/benchmarks/matching.md.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from specs.kernels import gram
from specs.rkme import Rkme, same_frame
from specs.rkme import squared_mmd as distance
from specs.spectrum import leading

SAME = 0.01  # of two samples of the same data, so few stand farther apart
CLOSE, PARTLY = 0.05, 0.25  # of the distance between data that share nothing
COVERED = 0.8
TOLD = 0.03  # of that distance: where sampling alone explains more, rows are too few to tell anything
LEADING = 40  # eigenvalues
LARGE = 1_000  # points of both sides, from which the leading ones are found without the others
TERMS = 20_000
HANDFUL = 10  # rows
WORDS = ("indistinguishable", "close", "partly", "far")


@dataclass(frozen=True)
class Score:
    """One requirement against one specification.

    `squared_mmd` as measured; `unbiased` with what sampling adds taken off (may be below 0); `noise`, that part; `p_value`: how often two samples of
    one distribution stand at least so far apart; `share`: max(unbiased, 0) over the distance of data that share nothing; `verdict`, one of WORDS.
    """

    squared_mmd: float
    unbiased: float
    noise: float
    p_value: float
    share: float
    verdict: str


def score(a: Rkme, b: Rkme, *, coverage: float = 1.0, squared_mmd: float | None = None) -> Score:
    """All of it; `a` is the requirement. `coverage` as specs.coverage gives it: nothing is close that has not seen most of the requirement."""
    same_frame(a, b)
    squared = distance(a, b) if squared_mmd is None else squared_mmd
    expected = noise(a, b)
    p = p_value(a, b, squared)
    apart = max(a.squared_norm + b.squared_norm, 1e-12)
    share = min(max(squared - expected, 0.0) / apart, 1.0)
    return Score(squared, squared - expected, expected, p, share, _verdict(p, share, expected / apart, coverage))


def unbiased_squared_mmd(a: Rkme, b: Rkme) -> float:
    """MMD^2 less (1 - s_a)/(n_a - 1) and (1 - s_b)/(n_b - 1), s = |mu|^2 of the rows: 0 on average between two samples of one distribution.

    The fits count as sampling does, and no more than it: both are claimed by a file, and nobody comes nearer by claiming to be rough.
    """
    return distance(a, b) - noise(a, b)


def noise(a: Rkme, b: Rkme) -> float:
    """The squared MMD to be expected between two samples of one distribution, of these sizes and reductions."""
    parts = _sampling(a, b), _sampling(b, a)
    return sum(parts) + sum(min(side.fit or 0.0, sum(parts)) for side in (a, b))


def p_value(a: Rkme, b: Rkme, squared_mmd: float | None = None) -> float:
    """How often two samples of one distribution would stand at least this far apart; in [0, 1], uniform where they are that."""
    squared = distance(a, b) if squared_mmd is None else squared_mmd
    mean = noise(a, b)
    values = eigenvalues(a, b, LEADING) * (1.0 / a.n + 1.0 / b.n)
    values = values[values > 1e-6 * values.max(initial=0.0)]
    if mean <= 0 or not len(values):
        return float(squared <= max(mean, 1e-12))
    # What the leading eigenvalues leave of the mean is spread over very many small ones: nearly a constant.
    return weighted_chi_square_tail(squared - (mean - values.sum()), values)


def weighted_chi_square_tail(x: float, weights: np.ndarray) -> float:
    """P(sum_i weights_i chi^2_1 > x) by inverting the characteristic function; weights (m,) above 0. Good to about 1e-5.

    Davies, "The distribution of a linear combination of chi^2 random variables", Applied Statistics 29, 1980: a sum over (k + 1/2) step, whose error is the
    chance of lying 2 pi / step away from x.
    """
    if x <= 0:
        return 1.0
    largest = float(weights.max())
    if x > weights.sum() + 60 * largest:  # e^-30: beyond what the sum can tell
        return 0.0
    step = 2 * np.pi / (x + 60 * largest + float(weights.sum()))
    if len(weights) == 1:
        return float(chdtrc(1, x / largest))
    # |phi(t)| = prod (1 + 4 w^2 t^2)^(-1/4) falls; the sum ends where it is below 1e-7, doubled until it is found.
    t = 1.0 / largest
    while t / step < TERMS and 0.25 * np.log1p(4 * weights**2 * t**2).sum() + np.log(t / step) < 16:
        t *= 1.5
    k = np.arange(min(TERMS, int(t / step) + 16)) + 0.5
    u = 2.0 * step * k[:, None] * weights[None, :]
    angle = 0.5 * np.arctan(u).sum(axis=1) - step * k * x
    below = 0.5 - float((np.sin(angle) * np.exp(-0.25 * np.log1p(u**2).sum(axis=1)) / (np.pi * k)).sum())
    return float(np.clip(1.0 - below, 0.0, 1.0))


def eigenvalues(a: Rkme, b: Rkme, most: int | None = None) -> np.ndarray:
    """Of the kernel centred on both specifications' points, each side weighing as many as its rows; descending, none below 0; with `most` only the largest."""
    # A side that claims a thousand times the rows is not known a thousand times better by its points.
    rows = np.minimum([a.n, b.n], 100 * min(a.n, b.n)).astype(np.float64)
    Z = np.concatenate([a.points, b.points]).astype(np.float64)
    p = np.concatenate([a.distribution * rows[0], b.distribution * rows[1]]) / rows.sum()
    K = gram(Z, a.sigma)
    m = K @ p
    root = np.sqrt(p)
    if most is None or len(Z) < LARGE:
        centred = root[:, None] * (K - m[:, None] - m[None, :] + p @ m) * root[None, :]
        return np.maximum(np.linalg.eigvalsh(centred)[::-1][:most], 0.0)

    def times(V: np.ndarray) -> np.ndarray:
        """The same matrix times V (n, k), without holding it beside K."""
        Y = root[:, None] * V
        total = Y.sum(axis=0)
        out = K @ Y
        out -= np.outer(m, total)
        out += (p @ m) * total - m @ Y
        out *= root[:, None]
        return out

    return np.maximum(leading(times, len(Z), most), 0.0)


def _sampling(rkme: Rkme, other: Rkme) -> float:
    if rkme.n < HANDFUL:  # too few to tell their own spread: under equality the other side's is the same
        return max(0.0, 1.0 - other.squared_norm if other.n >= rkme.n else 1.0) / rkme.n
    return max(0.0, 1.0 - rkme.squared_norm - (rkme.fit or 0.0)) / (rkme.n - 1)


def _verdict(p: float, share: float, blur: float, coverage: float) -> str:
    if p >= SAME and blur <= TOLD:
        return "indistinguishable"
    if share <= CLOSE and coverage >= COVERED and blur <= TOLD:
        return "close"
    # Two handfuls of rows always stand as near as sampling allows: that is no reason to call them alike.
    return "partly" if share <= PARTLY else "far"

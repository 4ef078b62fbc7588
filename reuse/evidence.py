"""Scores with intervals, and the folds that they come from."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Z95 = 1.96
FEW = 40


def losses(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What a choice goes by, per row (n,): squared error; for classes, half the error and half the Brier score.

    Errors alone tie at twenty rows; the Brier score alone would choose calibration over accuracy.
    """
    if output.ndim == 1:
        return (output - y) ** 2
    wrong = output.argmax(axis=1) != y
    return 0.5 * wrong + 0.25 * ((output - np.eye(output.shape[1])[y.astype(int)]) ** 2).sum(axis=1)


def score(output: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """(score, low, high): accuracy or root mean squared error with a 95 % interval over rows."""
    n = len(y)
    if output.ndim == 1:
        squares = (output - y) ** 2
        mean, error = squares.mean(), squares.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0
        return tuple(float(np.sqrt(max(0.0, v))) for v in (mean, mean - Z95 * error, mean + Z95 * error))
    p = float((output.argmax(axis=1) == y).mean())
    # Wilson's interval keeps inside [0, 1] and does not collapse at 0 or 1 (Wilson, 1927).
    middle, half = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n), Z95 / (1 + Z95**2 / n) * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return p, float(middle - half), float(middle + half)


def fold_count(n: int) -> int:
    """Five; ten below FEW rows, where four fifths of them are so much less than all that what must learn looks worse than it is."""
    return max(2, min(10 if n < FEW else 5, n))


def folds(y: np.ndarray, classes: bool, *, repeats: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train, test) row numbers of repeated cross-validation; stratified over classes as far as they reach."""
    rng = np.random.default_rng(seed)
    k = fold_count(len(y))
    for _ in range(repeats):
        order = rng.permutation(len(y))
        if classes:
            order = order[np.argsort(y[order], kind="stable")]
        parts = np.empty(len(y), dtype=int)
        parts[order] = (np.arange(len(y)) + rng.integers(k)) % k
        for part in range(k):
            yield np.flatnonzero(parts != part), np.flatnonzero(parts == part)


def disagreement(outputs: list[np.ndarray]) -> float | None:
    """How far the members differ: mean pairwise share of different classes, or spread of values over their mean size."""
    if len(outputs) < 2:
        return None
    if outputs[0].ndim == 2:
        votes = np.stack([np.nan_to_num(output, nan=-1.0).argmax(axis=1) for output in outputs])
        pairs = [(votes[i] != votes[j]).mean() for i in range(len(votes)) for j in range(i)]
        return float(np.mean(pairs))
    stack = np.stack(outputs)
    return float(stack.std(axis=0).mean() / max(1e-12, stack.mean(axis=0).std()))


def row(address: str, output: np.ndarray, y: np.ndarray, seconds: float, note: str = "") -> dict[str, Any]:
    """One line of a leaderboard."""
    middle, low, high = score(output, y)
    return {"method": address, "score": middle, "low": low, "high": high, "loss": float(losses(output, y).mean()),
            "seconds": round(seconds, 3), "chosen": False, "note": note}

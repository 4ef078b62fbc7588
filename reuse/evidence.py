"""Scores with intervals, and the folds that they come from."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Z95 = 1.96
FEW = 40
LEAST_TEMPERED = 50  # rows; below, a temperature is a guess
MOST_CLASSES = 30  # in a table that a person reads
MOST_PAIRS = 300  # points of a plot
MOST_MEMBERS = 20  # in a table of who differs from whom


def losses(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What a choice goes by, per row (n,): squared error; for classes, half the error and half the Brier score.

    Errors alone tie at twenty rows; the Brier score alone would choose calibration over accuracy.
    """
    if output.ndim == 1:
        return (output - y) ** 2
    wrong = output.argmax(axis=1) != y
    return 0.5 * wrong + 0.25 * ((output - np.eye(output.shape[1])[y.astype(int)]) ** 2).sum(axis=1)


def brier_or_square(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per row (n,): the squared error of a value, or of all the probabilities."""
    return (output - y) ** 2 if output.ndim == 1 else ((output - np.eye(output.shape[1])[y.astype(int)]) ** 2).sum(axis=1)


def score(output: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """(score, low, high): accuracy or root mean squared error with a 95 % interval over rows."""
    n = len(y)
    if output.ndim == 1:
        squares = (output - y) ** 2
        mean, error = squares.mean(), squares.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0
        return tuple(float(np.sqrt(max(0.0, v))) for v in (mean, mean - Z95 * error, mean + Z95 * error))
    hits = int((output.argmax(axis=1) == y).sum())
    return hits / n, *interval(hits, n)


def fold_count(n: int) -> int:
    """Five; ten below FEW rows, where four fifths of them are so much less than all that what must learn looks worse than it is."""
    return max(2, min(10 if n < FEW else 5, n))


def folds(y: np.ndarray, classes: bool, *, repeats: int, seed: int, k: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train, test) row numbers of repeated k-fold cross-validation; stratified over classes as far as they reach."""
    rng = np.random.default_rng(seed)
    k = k or fold_count(len(y))
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


def pairwise(outputs: list[np.ndarray], names: list[str]) -> dict[str, Any] | None:
    """Who differs from whom, of the first MOST_MEMBERS: the share of rows with another class; for values the root mean squared difference over the answers' spread."""
    outputs, names = outputs[:MOST_MEMBERS], names[:MOST_MEMBERS]
    if len(outputs) < 2:
        return None
    if outputs[0].ndim == 2:
        votes = np.stack([np.nan_to_num(output, nan=-1.0).argmax(axis=1) for output in outputs])
        matrix = (votes[:, None] != votes[None]).mean(axis=2)
    else:
        stack = np.stack(outputs)
        matrix = np.stack([np.sqrt(((stack - one) ** 2).mean(axis=1)) for one in stack]) / max(1e-12, stack.mean(axis=0).std())
    return {"members": names, "matrix": matrix.round(4).tolist(), "kind": "share" if outputs[0].ndim == 2 else "spread"}


def reliability(P: np.ndarray, y: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Of each bin of the largest probability that has rows: how sure the answers are on average, how many are right, and how many rows."""
    sure, right = P.max(axis=1), P.argmax(axis=1) == y
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return [{"from": b / bins, "to": (b + 1) / bins, "sure": float(sure[place == b].mean()), "right": float(right[place == b].mean()), "rows": int((place == b).sum())}
            for b in np.unique(place).tolist()]


def row(address: str, output: np.ndarray, y: np.ndarray, seconds: float, note: str = "") -> dict[str, Any]:
    """One line of a leaderboard."""
    middle, low, high = score(output, y)
    return {"method": address, "score": middle, "low": low, "high": high, "loss": float(losses(output, y).mean()),
            "seconds": round(seconds, 3), "chosen": False, "note": note}


def calibration_error(P: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: how far the largest probability is from the share of right answers, over bins of equal width, weighted by their rows.

    Guo et al., "On Calibration of Modern Neural Networks", 2017, eq. 5. P (n, classes), y (n,) class numbers.
    """
    sure, right = P.max(axis=1), P.argmax(axis=1) == y
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return float(sum(abs((sure[place == b] - right[place == b]).mean()) * (place == b).mean() for b in np.unique(place)))


def temperature(P: np.ndarray, y: np.ndarray) -> float:
    """The temperature that makes probabilities P (n, classes), held out from what made them, likeliest; 1 where rows are too few to tell.

    It is pulled towards 1 as by four rows, and taken only where it lowers the log loss by more than a standard error of the difference.
    """
    from scipy.optimize import minimize_scalar

    from reuse.combine import tempered

    if len(y) < LEAST_TEMPERED:
        return 1.0

    def nll(T: float) -> np.ndarray:
        return -np.log(np.maximum(tempered(P, T)[np.arange(len(y)), y.astype(int)], 1e-12))

    found = float(np.exp(minimize_scalar(lambda t: nll(np.exp(t)).sum() + 2 * t**2, bounds=(-1.6, 1.6), method="bounded").x))
    gain = nll(1.0) - nll(found)
    return round(found, 4) if gain.mean() > gain.std(ddof=1) / np.sqrt(len(y)) else 1.0


def details(output: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Where the answers are right and where not: for classes each one's rows, share found and share right, and what was taken for what; for values the residuals,
    and at most MOST_PAIRS of (predicted, actual), evenly out of all rows."""
    if not classes:
        residual = output - y
        some = np.linspace(0, len(y) - 1, min(len(y), MOST_PAIRS)).round().astype(int)
        return {"pairs": [[float(output[i]), float(y[i])] for i in some],
                "residuals": {"mean": float(residual.mean()), "mean_absolute": float(np.abs(residual).mean()),
                              "r2": float(1 - (residual**2).mean() / y.var()) if y.var() > 0 else None,
                              "quantiles": {str(q): float(np.quantile(residual, q / 100)) for q in (5, 25, 50, 75, 95)}}}
    said, seen = output.argmax(axis=1), [c for c in range(len(classes)) if (y == c).any() or (output.argmax(axis=1) == c).any()]
    rows = []
    for c in seen[:MOST_CLASSES]:
        of, called = y == c, said == c
        low, high = interval(int((said[of] == c).sum()), int(of.sum())) if of.any() else (None, None)
        rows.append({"class": classes[c], "rows": int(of.sum()), "found": float((said[of] == c).mean()) if of.any() else None, "low": low, "high": high,
                     "right": float((y[called] == c).mean()) if called.any() else None})
    confusion = [[int(((y == a) & (said == b)).sum()) for b in seen] for a in seen] if len(seen) <= MOST_CLASSES else None
    return {"classes": rows, "confusion": {"classes": [classes[c] for c in seen], "counts": confusion} if confusion else None}


def to_share(found: dict[str, Any]) -> dict[str, Any]:
    """The evidence that goes with a predictor to whoever gets it: without the requester's own labels, row by row."""
    details = found.get("details")
    return found | {"details": {key: value for key, value in details.items() if key != "pairs"}} if details else found


def interval(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: it keeps inside [0, 1] and does not collapse at 0 or 1 (Wilson, 1927)."""
    p = hits / n
    middle, half = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n), Z95 / (1 + Z95**2 / n) * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return min(float(max(0.0, middle - half)), p), max(float(min(1.0, middle + half)), p)

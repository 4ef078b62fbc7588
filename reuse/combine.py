"""Several members' answers as one: aligned by class names, weighted row by row. NumPy alone."""

import numpy as np

UNKNOWN, IMPROBABLE = "unknown", "improbable"


def align(P: np.ndarray, held: tuple[str, ...], classes: tuple[str, ...]) -> np.ndarray:
    """Probabilities (n, held) in the order of `classes`; (n, classes), nan where the member never saw the class."""
    out = np.full((len(P), len(classes)), np.nan)
    for i, name in enumerate(held):
        if name in classes:
            out[:, classes.index(name)] = P[:, i]
    return out


def weighted(outputs: list[np.ndarray], weights: np.ndarray, unseen: str = UNKNOWN) -> np.ndarray:
    """The members' outputs under weights (n, m) or (m,): (n, classes) summing to 1, or (n,) values.

    A class that a member never saw (nan) is *unknown* to it: the others alone speak for that class. Or, where the
    weights say which member's domain a row comes from, it is *improbable* there: the member gives it 0.
    """
    stack = np.stack(outputs)  # (m, n, classes) or (m, n)
    W = np.broadcast_to(np.atleast_2d(weights), (stack.shape[1], len(outputs))).T.astype(np.float64)
    if stack.ndim == 2:
        return (W * stack).sum(axis=0) / W.sum(axis=0)
    known = ~np.isnan(stack)
    filled = np.where(known, stack, 0.0)
    total = (W[:, :, None] * filled).sum(axis=0)
    if unseen == UNKNOWN:
        total = total / np.maximum((W[:, :, None] * known).sum(axis=0), 1e-300)
    sums = total.sum(axis=1, keepdims=True)
    return np.where(sums > 0, total / np.maximum(sums, 1e-300), 1.0 / stack.shape[2])


def softmax(Z: np.ndarray) -> np.ndarray:
    """Rows of logits Z (n, c) as probabilities that sum to 1."""
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def tempered(P: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, classes) softened by a temperature above 1 or sharpened by one below: p^(1/T), summing to 1; values as they are."""
    return P if P.ndim == 1 else softmax(np.log(np.maximum(P, 1e-12)) / temperature)

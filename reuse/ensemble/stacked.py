"""Stacked: a small linear model, trained on the labelled rows, that reads the members' answers.

Wolpert, "Stacked Generalization", 1992. Regularised towards the routed ensemble: with few labels it stays there, with more it corrects it. The
members have never seen the labelled rows, so their answers there are out of fold as they come.
"""

from typing import Any

import numpy as np

from reuse.combine import softmax
from reuse.crowd import Crowd
from reuse.ensemble import routed
from reuse.errors import must

FLOOR = 1e-3


def fit(crowd: Crowd, y: np.ndarray, *, strength: float = 1.0) -> dict[str, Any]:
    """`y` (n,) holds class numbers or values. Returns the linear model as plain numbers."""
    must("strength", "a number above 0", strength > 0, strength)
    return learn(*features(crowd, own=False), y, strength, len(crowd.classes))


def apply(crowd: Crowd, state: dict[str, Any]) -> np.ndarray:
    return answer(*features(crowd, own=False), state)


def learn(F: np.ndarray, start: np.ndarray, y: np.ndarray, strength: float, classes: int) -> dict[str, Any]:
    """A linear model of features F (n, f) on top of the ensemble's logits (n, classes) or values (n,)."""
    centre, scale = F.mean(axis=0), F.std(axis=0) + 1e-9
    G = (F - centre) / scale
    state = {"centre": centre.tolist(), "scale": scale.tolist()}
    if classes:
        Y = np.eye(classes)[y.astype(int)]
        B, b = _logistic(G, Y, start, strength)
        return state | {"B": B.tolist(), "b": b.tolist()}
    B, b = _ridge(G, y - start, strength)
    return state | {"B": B.tolist(), "b": float(b)}


def answer(F: np.ndarray, start: np.ndarray, state: dict[str, Any]) -> np.ndarray:
    """What a learned linear model makes of features and the ensemble's answer."""
    G = (F - np.array(state["centre"])) / np.array(state["scale"])
    out = start + G @ np.array(state["B"]) + np.array(state["b"])
    return softmax(out) if start.ndim == 2 else out


def features(crowd: Crowd, *, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """(the members' answers, and with `own` the row's coordinates (n, f); the routed ensemble's logits (n, classes) or values (n,))."""
    routed_answer = crowd.answer(routed.weigh(crowd), routed.UNSEEN)
    mine = [crowd.X] if own else []
    if crowd.classes:
        logs = np.log(np.maximum(routed_answer, FLOOR))
        parts = [np.log(np.maximum(np.nan_to_num(output, nan=1 / len(crowd.classes)), FLOOR)) for output in crowd.outputs]
        return np.concatenate([*mine, logs, *parts], axis=1), logs
    return np.column_stack([*mine, routed_answer, *crowd.outputs]), routed_answer


def _ridge(G: np.ndarray, r: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """The residual's ridge regression; the penalty by generalised cross-validation (Golub et al., 1979)."""
    mean = r.mean()
    U, s, Vt = np.linalg.svd(G, full_matrices=False)
    z = U.T @ (r - mean)
    best = None
    for penalty in strength * len(r) * np.logspace(-3, 3, 19):
        shrink = s**2 / (s**2 + penalty)
        left = ((r - mean - U @ (shrink * z)) ** 2).sum()
        score = left / max(1e-9, (1 - (shrink.sum() + 1) / len(r))) ** 2 if shrink.sum() + 1 < 0.9 * len(r) else np.inf
        if best is None or score < best[0]:
            best = (score, penalty)
    # A mean of few residuals is a guess too: it is shrunk as a row seen with the same doubt.
    return Vt.T @ (s / (s**2 + best[1]) * z), mean * len(r) / (len(r) + 1)


def _logistic(G: np.ndarray, Y: np.ndarray, start: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression with the ensemble's logits as offset and an L2 penalty towards it."""
    from scipy.optimize import minimize

    f, c = G.shape[1], Y.shape[1]
    penalty = 0.5 * strength * np.sqrt(f)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        B, b = theta[: f * c].reshape(f, c), theta[f * c :]
        P = softmax(start + G @ B + b)
        value = -np.log(np.maximum(P[Y > 0], 1e-300)).sum() + 0.5 * penalty * (B**2).sum() + 0.5 * (b**2).sum()
        residual = P - Y
        return value, np.concatenate([(G.T @ residual + penalty * B).ravel(), residual.sum(axis=0) + b])

    found = minimize(loss, np.zeros(f * c + c), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found[: f * c].reshape(f, c), found[f * c :]

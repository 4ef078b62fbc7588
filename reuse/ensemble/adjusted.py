"""Adjusted: the best of the plain ensembles, put right by a few numbers learned from the labels.

Of values a shift and a stretch; of classes a temperature and one offset a class (Guo et al., "On Calibration of Modern Neural Networks", 2017: vector
scaling with one scale). All are pulled towards changing nothing, so ten rows are enough for a shift and too few for more. What is put right is that of
hedged, near, routed, mixture-weighted and each single member that does best on the labelled rows after the adjustment.
"""

from typing import Any

import numpy as np

from reuse.combine import softmax, weighted
from reuse.crowd import Crowd
from reuse.ensemble import hedged, mixture_weighted, near, routed
from reuse.errors import must
from reuse.evidence import brier_or_square

FLOOR = 1e-3
PLAIN = {"hedged": hedged, "near": near, "routed": routed, "mixture-weighted": mixture_weighted}


def fit(crowd: Crowd, y: np.ndarray, *, strength: float = 2.0) -> dict[str, Any]:
    """`y` (n,) holds class numbers or values; `strength` counts the pull in rows."""
    must("strength", "0 or more", strength >= 0, strength)
    best: tuple[float, dict[str, Any]] | None = None
    trust = hedged.fit(crowd, None)["trust"]
    for base in (*PLAIN, *range(crowd.size)):
        start = _start(crowd, base, trust)
        state = {"base": base, "trust": trust} | (_offsets(start, y, strength) if crowd.classes else _affine(start, y, strength))
        loss = float(brier_or_square(_put_right(start, state), y).mean())
        # A single member must beat the sums of several clearly, not by luck on the same rows.
        loss *= 1.0 if isinstance(base, str) else 1 + 1 / np.sqrt(len(y))
        if best is None or loss < best[0]:
            best = (loss, state)
    state = best[1]
    return state | ({"members": [state["base"]], "base": "first"} if isinstance(state["base"], int) else {})


def apply(crowd: Crowd, state: dict[str, Any]) -> np.ndarray:
    return _put_right(_start(crowd, state["members"][0] if state["base"] == "first" else state["base"], state["trust"]), state)


def _start(crowd: Crowd, base: str | int, trust: float) -> np.ndarray:
    if isinstance(base, int):
        return weighted([crowd.outputs[base]], np.ones(1))
    if base == "hedged":
        return hedged.apply(crowd, {"trust": trust})
    module = PLAIN[base]
    return crowd.answer(module.weigh(crowd), module.UNSEEN)


def _put_right(start: np.ndarray, state: dict[str, Any]) -> np.ndarray:
    if start.ndim == 1:
        return state["centre"] + state["stretch"] * (start - state["centre"]) + state["shift"]
    return softmax(state["scale"] * np.log(np.maximum(start, FLOOR)) + np.array(state["offsets"]))


def _affine(start: np.ndarray, y: np.ndarray, strength: float) -> dict[str, Any]:
    """Ridge regression of the residual on the centred answer: shift towards 0, stretch towards 1."""
    centre, n = float(start.mean()), len(y)
    r = y - start
    shift = float(r.sum() / (n + strength))
    spread = float(((start - centre) ** 2).sum())
    slope = float(((start - centre) * (r - shift)).sum() / (spread + strength * max(spread / n, 1e-12) * 2))
    return {"centre": centre, "shift": shift, "stretch": 1 + slope}


def _offsets(start: np.ndarray, y: np.ndarray, strength: float) -> dict[str, Any]:
    from scipy.optimize import minimize

    logs, Y = np.log(np.maximum(start, FLOOR)), np.eye(start.shape[1])[y.astype(int)]

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        scale, offsets = np.exp(theta[0]), theta[1:]
        P = softmax(scale * logs + offsets)
        value = -np.log(np.maximum(P[Y > 0], 1e-300)).sum() + 0.5 * strength * (theta[0] ** 2 * 4 + (offsets**2).sum())
        R = P - Y
        return value, np.concatenate([[scale * (R * logs).sum() + 4 * strength * theta[0]], R.sum(axis=0) + strength * offsets])

    found = minimize(loss, np.zeros(1 + start.shape[1]), jac=True, method="L-BFGS-B", bounds=[(-2.3, 2.3)] + [(-5, 5)] * start.shape[1]).x
    return {"scale": float(np.exp(found[0])), "offsets": found[1:].tolist()}

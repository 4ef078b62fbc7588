"""Hedged: rows are routed as far as the members' data explain yours, and near members answer for the rest.

Routing trusts the specifications row by row. That is right where the requirement is a mixture of what the members know, and wrong where its
domain is one that nobody offered. How far the mixture explains the requirement decides how much of the weight is routed: trust = coverage x
max(0, 1 - 2 D / S), D the squared MMD that the mixture leaves, S the mean one between the members that it mixes. What is left goes to members
by nearness. No labels are needed.
"""

from typing import Any

import numpy as np

from reuse.crowd import Crowd
from reuse.ensemble import near, routed
from specs import Rkme, coverage, squared_mmd

NEEDS_LABELS = False


def fit(crowd: Crowd, y: np.ndarray | None) -> dict[str, Any]:
    """How far the routing is to be trusted, in [0, 1]; `y` is not looked at."""
    return {"trust": crowd.once("trust", _trust)}


def _trust(crowd: Crowd) -> float:
    if crowd.requirement is None:
        return 1.0
    active = [rkme for rkme, w in zip(crowd.rkmes, crowd.prior, strict=True) if w > 0]
    weights = crowd.prior[crowd.prior > 0]
    mixed = Rkme(points=np.concatenate([rkme.points for rkme in active]), weights=np.concatenate([w * rkme.distribution for w, rkme in zip(weights, active, strict=True)]),
                 sigma=crowd.requirement.sigma, n=sum(rkme.n for rkme in active), space_id=crowd.requirement.space_id)
    if len(active) == 1:
        return 0.0  # nothing to route between
    apart = float(np.mean([squared_mmd(one, other) for i, one in enumerate(active) for other in active[:i]]))
    left = max(0.0, squared_mmd(crowd.requirement, mixed)) / max(apart, 1e-12)
    return float(coverage(crowd.requirement, active, weights) * max(0.0, 1 - 2 * left))


def apply(crowd: Crowd, state: dict[str, Any]) -> np.ndarray:
    weights = state["trust"] * routed.weigh(crowd) + (1 - state["trust"]) * near.weigh(crowd)
    return crowd.answer(weights, routed.UNSEEN if state["trust"] > 0.5 else near.UNSEEN)

"""Pruned by labels: members are added one by one, and again, while the labelled rows get better answers.

Ensemble selection with replacement: from the best member on, each step adds the one that lowers the loss of the mean most; how often a
member was added is its weight. Caruana et al., "Ensemble Selection from Libraries of Models", 2004. A member that helps nowhere is left out.
"""

from typing import Any

import numpy as np

from reuse.combine import weighted
from reuse.crowd import Crowd
from reuse.errors import must
from reuse.evidence import brier_or_square


def fit(crowd: Crowd, y: np.ndarray, *, steps: int = 20) -> dict[str, Any]:
    """`y` (n,) holds class numbers or values. Returns the members that stay and their weights."""
    must("steps", "1 or more", steps >= 1, steps)
    counts = np.zeros(crowd.size)
    best = np.inf
    for _ in range(steps):
        losses = [brier_or_square(weighted(crowd.outputs, counts + unit), y).mean() for unit in np.eye(crowd.size)]
        chosen = int(np.lexsort((crowd.distances, np.round(losses, 9)))[0])
        if losses[chosen] >= best - 1e-9:
            break
        best = losses[chosen]
        counts[chosen] += 1
    members = np.flatnonzero(counts)
    return {"members": [int(i) for i in members], "weights": [float(c) for c in counts[members] / counts.sum()]}


def apply(crowd: Crowd, state: dict[str, Any]) -> np.ndarray:
    return weighted([crowd.outputs[i] for i in state["members"]], np.array(state["weights"]))

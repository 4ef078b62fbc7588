"""Feature augmentation: a small linear model that reads the row itself and the members' answers.

As `stacked`, with the row's own coordinates beside the answers: with labels enough it learns what no member knows. Regularised towards the
routed ensemble.
"""

from typing import Any

import numpy as np

from reuse.crowd import Crowd
from reuse.ensemble import stacked
from reuse.errors import must


def fit(crowd: Crowd, y: np.ndarray, *, strength: float = 1.0) -> dict[str, Any]:
    """`y` (n,) holds class numbers or values. Returns the linear model as plain numbers."""
    must("strength", "a number above 0", strength > 0, strength)
    return stacked.learn(*stacked.features(crowd, own=True), y, strength, len(crowd.classes))


def apply(crowd: Crowd, state: dict[str, Any]) -> np.ndarray:
    return stacked.answer(*stacked.features(crowd, own=True), state)

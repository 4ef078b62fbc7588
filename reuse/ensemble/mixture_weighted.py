"""Mixture-weighted mean: each member counts as much as its share in the mixture.

The weights are those with which the members' data, mixed, come nearest to the requirement's.
"""

import numpy as np

from reuse.crowd import Crowd

UNSEEN = "unknown"


def weigh(crowd: Crowd) -> np.ndarray:
    return crowd.weights / crowd.weights.sum() if crowd.weights.sum() > 0 else np.full(crowd.size, 1 / crowd.size)

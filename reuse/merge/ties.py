"""TIES: drop small changes, elect a sign, average what agrees.

Of each model the largest `density` of its changes stay; at each place the sign of their sum is elected, and the mean of those that have it is
taken. Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", 2023, https://arxiv.org/abs/2306.01708. Sizes are compared over the
whole model as there, or `per_tensor`, as mergekit does. Where the sum is exactly 0 nothing is elected.
"""

from collections.abc import Iterator

import numpy as np

from reuse.errors import ReuseError
from reuse.weights import kernels
from reuse.weights.stack import Stack

NEEDS_BASE = True
SWEEP = {"scale": (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)}


def merge(stack: Stack, *, density: float = 0.2, scale: float = 1.0, per_tensor: bool = False) -> Iterator[np.ndarray]:
    if not 0 < density <= 1:
        raise ReuseError("wrong-parameter", f"density must lie in (0, 1]; got {density}.")
    low = stack.ranked((max(1, int(density * stack.size)) - 1,))[:, 0] if per_tensor else stack.share(density)
    high = np.full(len(stack), np.inf)
    return stack.each(lambda D: np.float32(scale) * kernels.elected(kernels.kept(D, low, high)))

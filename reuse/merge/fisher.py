"""Fisher: the mean of the weights, each number counted by how much its model's answers hang on it.

sum_t F_t W_t / sum_t F_t with F_t the mean squared gradient under the model's own labels. Matena and Raffel, "Merging Models with
Fisher-Weighted Averaging", 2022, https://arxiv.org/abs/2111.09832. F_t comes from the owner, or from the points of the member's specification.
"""

from collections.abc import Iterator

import numpy as np

from reuse.weights import kernels
from reuse.weights.stack import Stack

NEEDS_STATISTICS = "fisher"
FLOOR = 1e-6  # of statistics whose whole has length 1: where no model's answer moves, the plain mean


def merge(stack: Stack) -> Iterator[np.ndarray]:
    fishers = stack.statistic("fisher")
    if fishers is None:
        yield from stack.each(lambda D: kernels.total(D, np.full(len(D), 1 / len(D))))
        return
    F = np.stack([part.reshape(-1) for part in fishers]) + FLOOR
    for start, D in stack.blocks():
        part = F[:, start : start + D.shape[1]]
        yield ((part * D).sum(axis=0) / part.sum(axis=0)).astype(np.float32)

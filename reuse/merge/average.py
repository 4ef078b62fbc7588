"""Average: the mean of the weights.

Wortsman et al., "Model soups", 2022, https://arxiv.org/abs/2203.05482 (the uniform soup).
"""

from collections.abc import Iterator

import numpy as np

from reuse.weights import kernels
from reuse.weights.stack import Stack


def merge(stack: Stack) -> Iterator[np.ndarray]:
    return stack.each(lambda D: kernels.total(D, np.full(len(D), 1 / len(D))))

"""Greedy soup: the mean of those models that each make the mean better on the labelled rows.

Sorted by their own score; each is added if the mean with it scores strictly better than without. Wortsman et al., "Model soups:
averaging weights of multiple fine-tuned models improves accuracy without increasing inference time", 2022, https://arxiv.org/abs/2203.05482 (recipe 1).
"""

from collections.abc import Callable, Iterator

import numpy as np

from reuse.merge import average
from reuse.weights.stack import Stack

NEEDS_LABELS = True


def choose(n: int, score: Callable[[tuple[int, ...]], float]) -> tuple[int, ...]:
    """Numbers of the models that go in; `score(members)` is the loss of their mean."""
    order = sorted(range(n), key=lambda i: (score((i,)), i))
    chosen = (order[0],)
    for candidate in order[1:]:
        if score((*chosen, candidate)) < score(chosen):
            chosen = (*chosen, candidate)
    return chosen


def merge(stack: Stack) -> Iterator[np.ndarray]:
    return average.merge(stack)

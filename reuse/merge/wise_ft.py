"""WiSE-FT: part of the way from the base to the fine-tuned model.

(1 - alpha) W0 + alpha W1 for every tensor, head included; with several fine-tuned models, towards their mean.
Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, https://arxiv.org/abs/2109.01903
"""

from collections.abc import Iterator

import numpy as np

from reuse.weights import kernels
from reuse.weights.stack import Stack

NEEDS_BASE = True
SWEEP = {"alpha": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}


def merge(stack: Stack, *, alpha: float = 0.5) -> Iterator[np.ndarray]:
    return stack.each(lambda D: kernels.total(D, np.full(len(D), alpha / len(D))))

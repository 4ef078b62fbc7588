"""Iso-C: the sum of the changes with all its singular values made equal.

Every direction of the summed change counts as much as the others: each singular value is replaced by their mean. Marczak et al., "No Task Left
Behind: Isotropic Model Merging with Common and Task-Specific Subspaces", 2025, https://arxiv.org/abs/2502.04959. Tensors that are no matrices get the
mean change. The authors' scale for 8 models is 1.5.
"""

from collections.abc import Iterator

import numpy as np

from reuse.weights import kernels, matrices
from reuse.weights.stack import Stack

NEEDS_BASE = True
SWEEP = {"scale": (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)}


def merge(stack: Stack, *, scale: float = 1.0) -> np.ndarray | Iterator[np.ndarray]:
    if not matrices.small_enough(stack):
        return stack.each(lambda D: kernels.total(D, np.full(len(D), scale / len(D))))
    U, s, Vt = matrices.svd(stack.whole().sum(axis=0))
    return scale * s.mean() * (U @ Vt)

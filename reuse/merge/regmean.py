"""RegMean: the linear layer that answers most like every member on the inputs that member knows.

(sum_t W_t G_t) (sum_t G_t)^-1 with G_t = X_t' X_t / n the inner products of a layer's inputs, off the diagonal times `shrink`; tensors without such
inputs get the mean. Jin et al., "Dataless Knowledge Fusion by Merging Weights of Language Models", 2023, https://arxiv.org/abs/2212.09849. G_t
comes from the owner, or from the points of the member's specification: no row of data is needed.
"""

from collections.abc import Iterator

import numpy as np

from reuse.errors import ReuseError
from reuse.weights import kernels
from reuse.weights.stack import Stack

NEEDS_STATISTICS = "gram"
RIDGE = 1e-6  # of the mean diagonal: a unit that never fires leaves its column undetermined


def merge(stack: Stack, *, shrink: float = 0.9) -> np.ndarray | Iterator[np.ndarray]:
    if not 0 <= shrink <= 1:
        raise ReuseError("wrong-parameter", f"shrink must lie in [0, 1]; got {shrink}.")
    grams = stack.statistic("gram") if stack.is_matrix else None
    if grams is None:
        return stack.each(lambda D: kernels.total(D, np.full(len(D), 1 / len(D))))
    shrunk = [shrink * G + (1 - shrink) * np.diag(np.diag(G)) for G in grams]
    W = stack.whole().astype(np.float64)
    total = sum(shrunk)
    ridge = RIDGE * np.trace(total) / len(total) + 1e-12
    # The ridge pulls towards the mean and not towards nothing.
    right = sum(w @ G for w, G in zip(W, shrunk, strict=True)) + ridge * W.mean(axis=0)
    return np.linalg.solve(total + ridge * np.eye(len(total)), right.T).T.astype(np.float32)

"""TSV-Merge: each change keeps its strongest singular directions, and the directions of all are made orthogonal.

Of each of T matrices the top r / T singular triples are kept, put side by side, and both sets of vectors replaced by the nearest orthogonal ones
(the polar factor); directions without a change take no part. Gargiulo et al., "Task Singular Vectors: Reducing Task Interference in Model Merging", 2025, https://arxiv.org/abs/2412.00081. Tensors
that are no matrices get the mean change, and so do matrices whose short side is over 4,096. The best without data in our measurements.
"""

from collections.abc import Iterator

import numpy as np

from reuse.weights import kernels, matrices
from reuse.weights.stack import Stack

NEEDS_BASE = True
SWEEP = {"scale": (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4)}


def merge(stack: Stack, *, scale: float = 1.0) -> np.ndarray | Iterator[np.ndarray]:
    if not matrices.small_enough(stack):
        return stack.each(lambda D: kernels.total(D, np.full(len(D), scale / len(D))))
    kept = max(1, min(stack.shape) // len(stack))
    triples = []
    for tau in stack.whole():
        U, s, Vt = matrices.svd(tau)
        rank = min(kept, int((s > matrices.NOUGHT * max(s[0], 1e-30)).sum()))
        triples.append((U[:, :rank], s[:rank], Vt[:rank]))
    U, s, V = (np.concatenate([triple[i] for triple in triples], axis=axis) for i, axis in ((0, 1), (1, 0), (2, 0)))
    if not len(s):
        return np.zeros(stack.shape, np.float32)
    return scale * (matrices.orthogonal(U) * s) @ matrices.orthogonal(V)

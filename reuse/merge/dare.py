"""DARE: drop most changes at random and blow up the rest, then sum (or elect signs as TIES does).

Each change is dropped with probability `drop`, the others divided by 1 - drop, so that the expectation stays. Yu et al., "Language Models are
Super Mario", 2024, https://arxiv.org/abs/2311.03099. Made for the many tiny changes of fine-tuned language models; for fully fine-tuned
classifiers no gain has been seen. The mask hangs on seed, tensor and a model's place in the list.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from reuse.errors import ReuseError
from reuse.weights import kernels
from reuse.weights.stack import Stack

NEEDS_BASE = True
ORDERED = True
SWEEP = {"scale": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)}


def merge(stack: Stack, *, drop: float = 0.5, scale: float = 0.3, ties: bool = False, density: float = 0.2, seed: int = 0) -> Iterator[np.ndarray]:
    if not (0 <= drop < 1 and 0 < density <= 1):
        raise ReuseError("wrong-parameter", f"drop must lie in [0, 1) and density in (0, 1]; got {drop} and {density}.")
    key = int.from_bytes(hashlib.sha256(f"{seed} {stack.name}".encode()).digest()[:8], "little")
    weights = np.full(len(stack), scale)
    low, high = (stack.share(density), np.full(len(stack), np.inf)) if ties else (None, None)
    for start, D in stack.blocks():
        thin = kernels.thinned(kernels.kept(D, low, high) if ties else D, drop, key, start)
        yield np.float32(scale) * kernels.elected(thin) if ties else kernels.total(thin, weights)

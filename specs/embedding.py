"""Specifications as vectors whose L2 distance is close to their MMD.

Orthogonal random features (Yu et al., 2016, arXiv:1610.09072) of the space's kernel, seeded by the space's id, so
that every process computes the same.
"""

import numpy as np

from specs.rkme import Rkme
from specs.space import Space

FEATURES = 1024


class Embedding:
    """phi(mu) = sum_k w_k phi(z_k), phi(z) = sqrt(1/D) [cos(Wz), sin(Wz)]; ||phi(a) - phi(b)||^2 ~ MMD^2(a, b)."""

    def __init__(self, space: Space, features: int = FEATURES) -> None:
        rng = np.random.default_rng(int(space.id[:16], 16))
        blocks = []
        for _ in range(-(-features // space.d)):
            Q, _ = np.linalg.qr(rng.standard_normal((space.d, space.d)))
            # Rows of a Gaussian matrix have chi-distributed lengths; orthogonal rows are given the same ones.
            lengths = np.sqrt(rng.chisquare(space.d, size=space.d))
            blocks.append(Q * lengths[:, None])
        self.frequencies = (np.concatenate(blocks)[:features] / space.sigma).astype(np.float32)
        self.width = 2 * features

    def vector(self, rkme: Rkme) -> np.ndarray:
        """The (2 * features,) float32 vector of a specification."""
        angles = rkme.points @ self.frequencies.T
        w = rkme.weights.astype(np.float32) / np.float32(np.sqrt(len(self.frequencies)))
        return np.concatenate([w @ np.cos(angles), w @ np.sin(angles)])

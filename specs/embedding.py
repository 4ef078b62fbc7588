"""Specifications as vectors whose L2 distance is close to their MMD.

Orthogonal random features (Yu et al., 2016, arXiv:1610.09072) of the space's kernel, seeded by the space's id, so that every process computes the
same; then the principal components of the space's own specifications, which hold nearly all of what tells them apart in a few coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from specs.checks import SpecError
from specs.rkme import Rkme
from specs.space import Space

FEATURES = 1024
BATCH_POINTS = 2**13  # points embedded at a time: 64 MB of features


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
        return self.vectors([rkme])[0]

    def vectors(self, rkmes: Sequence[Rkme]) -> np.ndarray:
        """(m, 2 * features) float32, a row for each specification."""
        if not rkmes:
            return np.empty((0, self.width), np.float32)
        sizes = [rkme.size for rkme in rkmes]
        return self.of_points(np.concatenate([r.points for r in rkmes]), np.concatenate([r.weights for r in rkmes]), np.array(sizes))

    def of_points(self, points: np.ndarray, weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """The same from points (P, d) and weights (P,) that lie one specification after the other, `sizes` (m,) points each."""
        half = len(self.frequencies)
        out = np.zeros((len(sizes), self.width), np.float32)
        scaled = weights.astype(np.float32) / np.float32(np.sqrt(half))
        ends = np.cumsum(sizes)
        first = 0
        while first < len(sizes):
            begin = ends[first] - sizes[first]
            last = max(first + 1, int(np.searchsorted(ends, begin + BATCH_POINTS, side="right")))
            part = slice(begin, ends[last - 1])
            angles = points[part] @ self.frequencies.T
            # A row for each specification, its weights where its points are: one sparse product sums them.
            within = csr_array((scaled[part], np.arange(len(angles)), np.append(0, ends[first:last] - begin)), shape=(last - first, len(angles)))
            out[first:last, :half] = within @ np.cos(angles)
            out[first:last, half:] = within @ np.sin(angles)
            first = last
        return out

    def leading(self, kept: int) -> "Projection":
        """The first features alone, rescaled: what every process computes the same with nothing fitted."""
        half = len(self.frequencies)
        chosen = np.concatenate([np.arange(kept // 2), half + np.arange(kept // 2)])
        axes = np.zeros((self.width, kept), np.float32)
        axes[chosen, np.arange(kept)] = np.sqrt(half / (kept // 2))
        return Projection(np.zeros(self.width, np.float32), axes)


@dataclass(frozen=True)
class Projection:
    """x -> (x - mean) @ axes: the leading principal components, (width, kept)."""

    mean: np.ndarray
    axes: np.ndarray

    @property
    def kept(self) -> int:
        return self.axes.shape[1]

    @classmethod
    def fit(cls, vectors: np.ndarray, kept: int) -> "Projection":
        """From a sample of vectors (m, width); with few of them the remaining axes are any orthonormal ones, in a fixed order."""
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors.astype(np.float64) - mean
        kept = min(kept, vectors.shape[1])
        if len(vectors) <= vectors.shape[1]:
            values, left = np.linalg.eigh(centred @ centred.T)
            chosen = np.argsort(-values, kind="stable")[:kept]
            chosen = chosen[values[chosen] > 1e-12 * max(values.max(), 1e-300)]
            axes = centred.T @ (left[:, chosen] / np.sqrt(values[chosen]))
        else:
            values, right = np.linalg.eigh(centred.T @ centred)
            axes = right[:, np.argsort(-values, kind="stable")[:kept]]
        if axes.shape[1] < kept:
            # Features themselves, any of them, turned until they are orthogonal to what was found: thirty times quicker than to orthogonalise dense random axes, and as good, since features are as random.
            some = np.random.default_rng(0).permutation(vectors.shape[1])[:kept]
            fill = np.zeros((vectors.shape[1], kept - axes.shape[1]))
            fill[some] = np.linalg.qr(axes[some], mode="complete")[0][:, axes.shape[1] :]
            axes = np.concatenate([axes, fill], axis=1)
        # A sign for each axis, so that the same sample gives the same bytes.
        axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
        return cls(mean.astype(np.float32), axes.astype(np.float32))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(m, width) -> (m, kept) float32."""
        return (vectors - self.mean) @ self.axes

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"mean": self.mean, "axes": self.axes}

    @classmethod
    def from_arrays(cls, arrays: Any) -> "Projection":
        mean, axes = np.asarray(arrays["mean"]), np.asarray(arrays["axes"])
        if mean.ndim != 1 or axes.ndim != 2 or len(mean) != len(axes):
            raise SpecError("wrong-projection", f"A projection must be mean (w,) and axes (w, k); got {mean.shape} and {axes.shape}.")
        return cls(mean, axes)

"""Model Breadcrumbs: leave out each change's outliers and its noise, then sum.

In every tensor the largest `drop_top` of a model's changes are zeroed, and of the rest the largest `keep` of all are kept. Davari and Belilovsky,
"Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks", 2023, https://arxiv.org/abs/2312.06795. Their code calls these gamma and beta
and thresholds each row along the last dimension (`per_row`), which keeps nothing of a 3 x 3 convolution: thresholds here are per tensor, and always
keep one number. Changes as large as the smallest or the largest that is kept are all kept.
"""

from collections.abc import Iterator

import numpy as np

from reuse.errors import ReuseError
from reuse.weights import kernels
from reuse.weights.stack import Stack

NEEDS_BASE = True
SWEEP = {"scale": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)}


def merge(stack: Stack, *, keep: float = 0.85, drop_top: float = 0.01, scale: float = 0.3, per_row: bool = False) -> Iterator[np.ndarray]:
    if not (0 < keep <= 1 and 0 <= drop_top < 1):
        raise ReuseError("wrong-parameter", f"keep must lie in (0, 1] and drop_top in [0, 1); got {keep} and {drop_top}.")
    weights = np.full(len(stack), scale)
    if per_row and stack.shape:
        top, last = _places(stack.shape[-1], keep, drop_top)
        return stack.each_row(lambda D: kernels.total(_of_rows(D, top, last).reshape(len(D), -1), weights))
    top, last = _places(stack.size, keep, drop_top)
    found = stack.ranked((last, top))
    low, high = found[:, 0], np.nextafter(found[:, 1], np.float32(np.inf)) if top else np.full(len(stack), np.inf)
    return stack.each(lambda D: kernels.total(kernels.kept(D, low, high), weights))


def _places(n: int, keep: float, drop_top: float) -> tuple[int, int]:
    """(how many are dropped from the top, the rank of the last that is kept) of n numbers."""
    top = min(int(drop_top * n), n - 1)
    return top, top + max(1, min(int(keep * n), n - top)) - 1


def _of_rows(D: np.ndarray, top: int, last: int) -> np.ndarray:
    """D (m, rows, width) with each row thresholded by itself."""
    A, width = np.abs(D), D.shape[2]
    places = [width - 1 - last, width - 1 - top]
    marks = np.partition(A, sorted(set(places)), axis=2)[:, :, places]
    within = marks[:, :, :1] <= A
    return np.where(within & (marks[:, :, 1:] >= A) if top else within, D, np.float32(0))

"""SLERP: from the first model to the second along the arc between them.

With th the angle between the two tensors, sin((1 - t) th) / sin th of the first plus sin(t th) / sin th of the second; along the straight
line where they are nearly parallel (|cos| > .9995). Shoemake, "Animating Rotation with Quaternion Curves", 1985; in use for language models
through mergekit. No theory says that it should help a classifier.
"""

from collections.abc import Iterator

import numpy as np

from reuse.errors import ReuseError
from reuse.weights import kernels
from reuse.weights.stack import Stack

ORDERED = True
PARALLEL = 0.9995
SWEEP = {"t": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}


def merge(stack: Stack, *, t: float = 0.5) -> Iterator[np.ndarray]:
    if len(stack) != 2:
        raise ReuseError("two-models", f"SLERP goes from one model to one other; got {len(stack)}.", "Name two members, or take merge/average.")
    G = stack.gram
    size = np.sqrt(G[0, 0] * G[1, 1])
    cosine = float(np.clip(G[0, 1] / size, -1, 1)) if size > 0 else 1.0
    weights = np.array([1 - t, t])
    if abs(cosine) <= PARALLEL:
        angle = np.arccos(cosine)
        weights = np.array([np.sin((1 - t) * angle), np.sin(t * angle)]) / np.sin(angle)
    return stack.each(lambda D: kernels.total(D, weights))

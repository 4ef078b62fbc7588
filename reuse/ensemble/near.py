"""Near: every member counts the more, the nearer its data lie to the requirement's.

Weights proportional to 1 / (squared MMD + noise)^power, over the mixture's members and the nearest singles alike. Where no mixture explains the requirement
(its rows come from a domain that nobody offered) this beats both the mixture's weights and routing: measured in docs/benchmarks/reuse.md. Inverse distance
weighting is Shepard, "A two-dimensional interpolation function for irregularly-spaced data", 1968; here the points are specifications.
"""

import numpy as np

from reuse.crowd import Crowd
from reuse.errors import must

UNSEEN = "unknown"


def weigh(crowd: Crowd, *, power: float = 1.5) -> np.ndarray:
    must("power", "0 or more", power >= 0, power)
    noise = np.array([1 / max(rkme.n, 1) for rkme in crowd.rkmes])  # the size of a squared MMD between two samples of one distribution
    far = np.maximum(crowd.distances, 0) + noise
    weights = (far.min() / far) ** power
    return weights / weights.sum()

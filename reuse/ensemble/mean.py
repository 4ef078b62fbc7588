"""Mean: every member of the mixture counts alike.

The mean of the probabilities, or of the values. Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty
Estimation using Deep Ensembles", 2017.
"""

import numpy as np

from reuse.crowd import Crowd

UNSEEN = "unknown"


def weigh(crowd: Crowd) -> np.ndarray:
    chosen = crowd.weights > 0
    return chosen / chosen.sum() if chosen.any() else np.full(crowd.size, 1 / crowd.size)

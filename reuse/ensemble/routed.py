"""Routed by specification: each row goes to the members whose data look like it.

Two estimates of P(member | row), from the specifications alone, are averaged in logarithms. One is the closed form
w_i mu_i(x)^sharpness / sum_j w_j mu_j(x)^sharpness, where mu_i is the kernel mean of member i's specification and w the mixture: at
sharpness 1 the job selector of Wu et al., "Model Reuse with Reduced Kernel Mean Embedding Specification", 2021 (arXiv:2001.07135). The
other is a logistic model that tells the specifications' points apart, which finds the columns along which the domains part.
"""

import numpy as np

from reuse.crowd import Crowd
from reuse.errors import must

UNSEEN = "improbable"


def weigh(crowd: Crowd, *, sharpness: float = 4.0) -> np.ndarray:
    must("sharpness", "0 or more", sharpness >= 0, sharpness)
    # In logarithms, so that a row far from everybody still goes to the nearest instead of to 0 / 0.
    closed = _normal(sharpness * np.log(np.maximum(crowd.densities, 1e-300)) + np.log(np.maximum(crowd.prior, 1e-300)))
    return np.exp(_normal((closed + crowd.borders) / 2))


def _normal(logs: np.ndarray) -> np.ndarray:
    """Log weights that sum to 1 in each row."""
    logs = logs - logs.max(axis=1, keepdims=True)
    return logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))

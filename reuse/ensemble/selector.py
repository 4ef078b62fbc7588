"""Selector: a forest, trained to tell the members' specifications apart, says whose data a row looks like.

Each member stands with the points of its specification, weighted by their mass and its share of the mixture; a row goes to the members in the
proportions in which the trees' leaves hold theirs. Wu et al., "Model Reuse with Reduced Kernel Mean Embedding Specification", 2021
(arXiv:2001.07135), train such a selector on points herded from the mixture; the specifications' own weighted points need no herding.
"""

import numpy as np

from reuse.crowd import Crowd
from reuse.errors import must

UNSEEN = "improbable"


def weigh(crowd: Crowd, *, trees: int = 200, leaf: float = 0.01) -> np.ndarray:
    """(n, m); `leaf` is the least share of the mass that a leaf holds."""
    must("trees", "from 1 to 10,000", 1 <= trees <= 10_000, trees)
    must("leaf", "from 0 to 0.5", 0 <= leaf <= 0.5, leaf)
    return crowd.by_row(("selector", trees, leaf), lambda whole: _shares(whole, trees, leaf))


def _shares(crowd: Crowd, trees: int, leaf: float) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    active = np.flatnonzero(crowd.prior > 0)
    out = np.zeros((len(crowd.X), crowd.size))
    if len(active) == 1:
        out[:, active] = 1.0
        return out
    Z = np.concatenate([crowd.rkmes[i].points for i in active])
    member = np.repeat(np.arange(len(active)), [crowd.rkmes[i].size for i in active])
    mass = np.concatenate([crowd.prior[i] * crowd.rkmes[i].distribution for i in active])
    forest = RandomForestClassifier(trees, min_weight_fraction_leaf=leaf, random_state=0)
    out[:, active] = forest.fit(Z, member, sample_weight=mass / mass.mean()).predict_proba(crowd.X)
    return out

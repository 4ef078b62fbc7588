"""Vote: each member of the mixture has one vote; of values, the median.

A member votes for its most probable class; votes that tie are decided by the mean of the probabilities. One member that is far off moves
neither the vote nor the median. Kuncheva, "Combining Pattern Classifiers", 2014, ch. 4.
"""

import numpy as np

from reuse.combine import weighted
from reuse.crowd import Crowd

TIE = 1e-3  # what the mean of the probabilities counts beside a vote


def answer(crowd: Crowd) -> np.ndarray:
    """(n, classes) shares of the votes, or (n,) medians."""
    chosen = np.flatnonzero(crowd.weights > 0) if (crowd.weights > 0).any() else np.arange(crowd.size)
    outputs = [crowd.outputs[i] for i in chosen]
    if not crowd.classes:
        return np.median(np.stack(outputs), axis=0)
    votes = np.mean([np.eye(len(crowd.classes))[np.nan_to_num(output, nan=-1.0).argmax(axis=1)] for output in outputs], axis=0)
    return (1 - TIE) * votes + TIE * weighted(outputs, np.ones(len(outputs)))

"""Model Breadcrumbs: leave out each change's outliers and its noise, then sum.

In every tensor the largest `drop_top` of a model's changes are zeroed, and of the rest the largest `keep` are kept.
Davari and Belilovsky, "Model Breadcrumbs", 2023, https://arxiv.org/abs/2312.06795. The authors' code thresholds each
row, which keeps nothing of a 3 x 3 convolution; thresholds here are per tensor.
"""

import torch

from reuse.tensors import keep_between

NEEDS_BASE = True


def merge(deltas: torch.Tensor, *, keep: float = 0.85, drop_top: float = 0.01, scale: float = 0.3) -> torch.Tensor:
    return scale * keep_between(deltas, keep, drop_top).sum(dim=0)

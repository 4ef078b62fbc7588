"""Average: the mean of the weights.

Wortsman et al., "Model soups", 2022, https://arxiv.org/abs/2203.05482 (the uniform soup).
"""

import torch


def merge(deltas: torch.Tensor) -> torch.Tensor:
    return deltas.mean(dim=0)

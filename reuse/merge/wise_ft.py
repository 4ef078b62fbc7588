"""WiSE-FT: part of the way from the base to the fine-tuned model.

(1 - alpha) W0 + alpha W1 for every tensor, head included; with several fine-tuned models, towards their mean.
Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, https://arxiv.org/abs/2109.01903
"""

import torch

NEEDS_BASE = True


def merge(deltas: torch.Tensor, *, alpha: float = 0.5) -> torch.Tensor:
    return alpha * deltas.mean(dim=0)

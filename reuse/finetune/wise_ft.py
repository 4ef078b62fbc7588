"""WiSE-FT: fine-tune everything, then go part of the way back to the start.

(1 - alpha) W0 + alpha W1 for every tensor, head included: between the two lie models that do well on your rows and keep more of what
the base could do elsewhere. One training serves every alpha, so the best of SWEEP on held-out rows can be taken; 0.5 where nothing can
be measured. Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, https://arxiv.org/abs/2109.01903
"""

from typing import Any

from reuse.finetune import Phase, Settings

SWEEP = {"alpha": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}


def tune(
    module: Any, *, epochs: int = 60, lr: float = 0.002, weight_decay: float = 0.1, alpha: float = 0.5, balanced: bool = True, seed: int = 0
) -> Settings:
    return Settings((Phase("all", epochs, lr, weight_decay),), 0.2, seed, blend=alpha, balanced=balanced, warmup=0.1, cosine=True)

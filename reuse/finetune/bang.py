"""BANG: fine-tune with softened labels and mixed rows, then go part of the way back to the start.

A fine-tuned model is surer of itself than its base, and drowns it where the two are averaged. Label smoothing
(y' = (1 - e) y + e / K) and mixup (x' = l x_i + (1 - l) x_j, y likewise, l ~ Beta(b, b)) calm it before the weights are averaged as in
WiSE-FT. The condition can be looked at: `overconfident`. The paper publishes no constants: these are ours. On digits in other styles we
found label smoothing level with WiSE-FT and mixup harmful, so compare the two.
Lin et al., "Spurious Feature Diversification Improves Out-of-distribution Generalization", 2024, https://arxiv.org/abs/2309.17230
"""

from typing import Any

import numpy as np

from reuse.finetune import Phase, Settings

SWEEP = {"alpha": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}


def tune(
    module: Any, *, epochs: int = 60, lr: float = 0.002, weight_decay: float = 0.1, label_smoothing: float = 0.1, mixup: float = 0.2, alpha: float = 0.5,
    balanced: bool = True, seed: int = 0,
) -> Settings:
    phase = Phase("all", epochs, lr, weight_decay)
    return Settings((phase,), 0.2, seed, label_smoothing=label_smoothing, mixup=mixup, blend=alpha, balanced=balanced, warmup=0.1, cosine=True)


def overconfident(base_probs: np.ndarray, tuned_probs: np.ndarray) -> float:
    """How much surer the tuned model is than its base on the same rows, which need no labels: the difference of their mean largest probabilities.

    Both are (n, classes); returns a number in (-1, 1). Above 0 BANG's condition holds: the tuned model would drown its base.
    """
    return float(np.max(tuned_probs, axis=1).mean() - np.max(base_probs, axis=1).mean())

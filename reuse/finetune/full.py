"""Fine-tune everything: all layers learn, gently pulled back to where they started.

The pull is L2-SP, Li et al., "Explicit Inductive Bias for Transfer Learning", 2018, https://arxiv.org/abs/1802.01483
"""

from typing import Any

from reuse.finetune import Phase, Settings


def tune(
    module: Any, *, epochs: int = 60, lr: float = 0.001, anchor: float = 0.01, weight_decay: float = 0.0, balanced: bool = True, seed: int = 0
) -> Settings:
    return Settings((Phase("all", epochs, lr, weight_decay, anchor),), 0.2, seed, balanced=balanced)

"""Probe, then fine-tune: the head learns first, then all layers, more slowly.

A head that does not fit yet sends large gradients through the layers below and distorts what they know; once the head fits, they are
small. Worth its time where the model's head is far from the task.
Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022, https://arxiv.org/abs/2202.10054
"""

from typing import Any

from reuse.finetune import Phase, Settings


def tune(
    module: Any, *, probe_epochs: int = 60, probe_lr: float = 0.01, epochs: int = 60, lr: float = 0.0005, anchor: float = 0.01, weight_decay: float = 0.0,
    balanced: bool = True, seed: int = 0,
) -> Settings:
    probe = Phase("head", probe_epochs, probe_lr, weight_decay, anchor)
    return Settings((probe, Phase("all", epochs, lr, weight_decay, anchor)), 0.2, seed, balanced=balanced)

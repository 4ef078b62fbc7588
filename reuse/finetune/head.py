"""Fine-tune the head: the last layer learns, the rest stays.

A linear probe that starts from the model's own head.
"""

from typing import Any

from reuse.finetune import Settings


def tune(module: Any, *, epochs: int = 100, lr: float = 0.01, anchor: float = 0.01, weight_decay: float = 0.0, seed: int = 0) -> Settings:
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    return Settings(epochs, lr, weight_decay, anchor, 0.2, seed)

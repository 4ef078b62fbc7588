"""Fine-tune the head: the last layer learns, the rest stays.

A linear probe that starts from the model's own head.
"""

from typing import Any

from reuse.finetune import Phase, Settings


def tune(
    module: Any, *, epochs: int = 100, lr: float = 0.01, anchor: float = 0.01, weight_decay: float = 0.0, balanced: bool = True, seed: int = 0
) -> Settings:
    return Settings((Phase("head", epochs, lr, weight_decay, anchor),), 0.2, seed, balanced=balanced)

"""Fine-tuning: a torch model goes on learning on the labelled rows.

A file defines `tune(module, *, ...) -> Settings`: it marks what may learn and says how.
`train` does the learning; reuse/recipes.py chooses the model to start from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reuse.errors import Cancelled

LEAST_HELD = 40  # rows; on fewer, early stopping follows their luck and mostly stops too early


@dataclass(frozen=True)
class Settings:
    """How a module learns."""

    epochs: int
    lr: float
    weight_decay: float
    anchor: float  # penalty on the squared distance from the start
    validation: float  # share of the rows on which training is stopped early, where that is LEAST_HELD rows or more
    seed: int


def train(module: Any, X: np.ndarray, y: np.ndarray, classes: int, settings: Settings, *, over: Callable[[], bool] = lambda: False,
          seen: Callable[[int, float], None] = lambda epoch, loss: None) -> Any:
    """Train `module` in place on X (n, d), y (n,) class numbers or values scaled as the module answers; returns it.

    AdamW in batches of at most 64, balanced class weights, an L2 pull towards the start and, with rows enough, early stopping: the
    weights of the best epoch on a held-out split are kept. Runs on CUDA where there is one. Deterministic for a seed.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(X), generator=generator)
    held = int(settings.validation * len(X))
    held = held if held >= LEAST_HELD else 0
    inputs = torch.as_tensor(X, dtype=torch.float32)
    targets = torch.as_tensor(y, dtype=torch.long if classes else torch.float32)
    test, rows = order[:held], order[held:]
    module = module.to(device).train()
    learning = [p for p in module.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in learning]
    optimiser = torch.optim.AdamW(learning, lr=settings.lr, weight_decay=settings.weight_decay)
    counts = torch.bincount(targets, minlength=classes).clamp(min=1).float() if classes else None
    balance = (counts.sum() / (classes * counts)).clamp(max=10).to(device) if classes else None

    def loss_of(part: Any) -> Any:
        out, wanted = module(inputs[part].to(device)), targets[part].to(device)
        if classes:
            return torch.nn.functional.cross_entropy(out, wanted, weight=balance)
        return torch.nn.functional.mse_loss(out[:, 0], wanted)

    best, kept, patience = float("inf"), None, 0
    for epoch in range(settings.epochs):
        if over():
            raise Cancelled
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        for part in shuffled.split(64):
            optimiser.zero_grad()
            pull = sum(((p - s) ** 2).sum() for p, s in zip(learning, start, strict=True))
            loss = loss_of(part) + settings.anchor * pull
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimiser.step()
        if held:
            module.eval()
            with torch.no_grad():
                now = float(loss_of(test))
            module.train()
            if now < best - 1e-5:
                best, kept, patience = now, [p.detach().clone() for p in learning], 0
            elif (patience := patience + 1) >= 20:
                break
            seen(epoch, now)
    if kept is not None:
        with torch.no_grad():
            for p, value in zip(learning, kept, strict=True):
                p.copy_(value)
    return module.cpu().eval()

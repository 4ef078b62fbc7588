"""Fine-tuning: a torch model goes on learning on the labelled rows.

A file defines `tune(module, *, ...) -> Settings`: in which phases the module learns, and how. `train` does the learning
(reuse/finetune/_loop.py); reuse/recipes/finetune.py chooses the model to start from. A method that goes part of the way back to the start names
how far in `Settings.blend`; the caller does that with `blended`, after it has looked at other shares: the file's SWEEP says which.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reuse.errors import ReuseError, must

LEAST_HELD = 40  # rows; on fewer, early stopping follows their luck and mostly stops too early
LEARNS = ("head", "all", "lora")


@dataclass(frozen=True)
class Phase:
    """What learns for a while, and how fast."""

    learns: str  # head: the layer of that name; all; lora: low-rank changes of the layers, and the head
    epochs: int
    lr: float
    weight_decay: float = 0.0
    anchor: float = 0.0  # penalty on the squared distance from where the phase began

    def __post_init__(self) -> None:
        must("learns", "one of head, all, lora", self.learns in LEARNS, self.learns)
        must("epochs", "1 or more", self.epochs >= 1, self.epochs)
        must("lr", "a number above 0", self.lr > 0, self.lr)
        must("weight_decay", "0 or more", self.weight_decay >= 0, self.weight_decay)
        must("anchor", "0 or more", self.anchor >= 0, self.anchor)


@dataclass(frozen=True)
class Settings:
    """How a module learns, one phase after the other."""

    phases: tuple[Phase, ...]
    validation: float  # share of the rows on which training is stopped early, where that is LEAST_HELD rows or more
    seed: int
    label_smoothing: float = 0.0
    mixup: float = 0.0  # b of the Beta(b, b) by which two rows are mixed; 0 mixes none
    blend: float | None = None  # the share of the tuned weights in what the method makes; None is all of it
    rank: int = 0  # of a low-rank change
    scale: float = 1.0  # of a low-rank change, alpha / rank
    balanced: bool = True  # classes weigh alike, however many rows they have
    batch: int = 64
    accumulate: int = 1  # batches to a step
    warmup: float = 0.0  # share of a phase's steps in which lr rises from 0
    cosine: bool = False  # lr falls to 0 along half a cosine
    clip: float = 1.0  # longest gradient
    patience: int = 20  # epochs without a better held-out loss

    def __post_init__(self) -> None:
        must("validation", "in [0, 1)", 0 <= self.validation < 1, self.validation)
        must("seed", "0 or more, and below 2**63", 0 <= self.seed < 2**63, self.seed)
        must("label_smoothing", "in [0, 1)", 0 <= self.label_smoothing < 1, self.label_smoothing)
        must("mixup", "0 or more", self.mixup >= 0, self.mixup)
        must("alpha", "in [0, 1]", self.blend is None or 0 <= self.blend <= 1, self.blend)
        must("rank", "1 or more", self.rank >= 1 or all(phase.learns != "lora" for phase in self.phases), self.rank)
        must("warmup", "in [0, 1]", 0 <= self.warmup <= 1, self.warmup)
        must("clip", "a number above 0", self.clip > 0, self.clip)
        for name in ("batch", "accumulate", "patience"):
            must(name, "1 or more", getattr(self, name) >= 1, getattr(self, name))


@dataclass(frozen=True)
class Trained:
    """A module after it has learned, and how it went."""

    module: Any
    curve: list[dict[str, Any]]  # {"phase": "head", "epoch": 0, "train": loss, "validation": loss or None}; epochs count through all phases
    notes: list[str]  # what the user should know: stopped early, memory ran short
    start: dict[str, Any]  # the state dict before, on the CPU
    tuned: dict[str, Any]  # and after


def train(
    module: Any, X: np.ndarray, y: np.ndarray, classes: int, settings: Settings, *, over: Callable[[], bool] = lambda: False,
    seen: Callable[[dict[str, Any]], None] = lambda row: None, checkpoint: Path | None = None, device: Any = None,
) -> Trained:
    """Train `module` in place on X (n, ...) and y: class numbers (n,), probabilities (n, classes), or, with `classes` 0, values (n,)
    scaled as the module answers. It comes back on the CPU, in eval mode, with the names it had.

    AdamW with clipped gradients. With rows enough a part of them, stratified, is held out, and the weights of its best epoch are kept.
    `seen` gets each row of the curve as it is made, after a resumption those of the earlier attempt first. The file `checkpoint` is
    written every few seconds, at the end of an epoch, and removed at the end of training; one that is there already is
    taken up where it stems from the same rows, settings and weights, and the result is the same to the bit. Deterministic for a seed.
    `settings.blend` is left to the caller. Raises Cancelled once `over` says so, and ReuseError where the loss leaves the numbers.
    """
    from reuse.finetune import _loop

    return _loop.train(module, X, y, classes, settings, over=over, seen=seen, checkpoint=checkpoint, device=device)


def blended(start: dict[str, Any], tuned: dict[str, Any], alpha: float) -> dict[str, Any]:
    """(1 - alpha) start + alpha tuned for every floating tensor of two state dicts; others as tuned has them.

    Sums in float32 or better, written back in the tensor's own type. Raises ReuseError where names or shapes differ.
    """
    must("alpha", "in [0, 1]", 0 <= alpha <= 1, alpha)
    if {name: value.shape for name, value in start.items()} != {name: value.shape for name, value in tuned.items()}:
        raise ReuseError("other-tensors", "Weights can be averaged where their names and shapes are the same; these differ.")
    return {name: _between(start[name], value, alpha) if value.is_floating_point() else value.clone() for name, value in tuned.items()}


def _between(a: Any, b: Any, alpha: float) -> Any:
    low = a if a.element_size() >= 4 else a.float()
    return ((1 - alpha) * low + alpha * b.to(low.dtype)).to(b.dtype)

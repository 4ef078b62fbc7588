"""The training loop behind `reuse.finetune.train`, and the file that lets a second attempt go on where the first was ended."""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, one_hot

from reuse import devices
from reuse.errors import Cancelled, ReuseError
from reuse.finetune import LEAST_HELD, Phase, Settings, Trained, lora

SAVE_EVERY_S = 2.0
ASK_EVERY = 200  # steps; an epoch of many rows must not outlast the patience of the one who cancels
TINY = 8  # rows; the mean and variance of fewer are noise, and batch normalisation would train on them and pass them on
BATCH_NORM = torch.nn.modules.batchnorm._BatchNorm
HEAVIEST = 10.0  # a class with a single row must not drown the others


def train(
    module: Any, X: np.ndarray, y: np.ndarray, classes: int, settings: Settings, *, over: Callable[[], bool], seen: Callable[[dict[str, Any]], None],
    checkpoint: Path | None, device: Any,
) -> Trained:
    """As `reuse.finetune.train`, which says what it does."""
    inputs, targets = _read(X, y, classes)
    start = _copy(module.state_dict())
    device = devices.pick() if device is None else torch.device(device)
    digest = _digest(inputs, targets, classes, settings, start) if checkpoint else ""
    # Dropout draws from torch's own generator, so all chance here does: one state to keep, and the caller's is as it was.
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        torch.manual_seed(settings.seed)
        run = _Run(module, inputs, targets, classes, settings, device, checkpoint, digest)
        try:
            run.go(over, seen)
        finally:
            run.leave()
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return Trained(module, run.curve, run.notes, start, _copy(module.state_dict()))


class _Run:
    """One training: what an epoch hands to the next."""

    def __init__(
        self, module: Any, inputs: torch.Tensor, targets: torch.Tensor, classes: int, settings: Settings, device: Any, path: Path | None, digest: str
    ) -> None:
        self.module, self.inputs, self.targets, self.classes, self.settings = module.to(device), inputs, targets, classes, settings
        self.device, self.path, self.digest, self.saved_at = device, path, digest, time.monotonic()
        self.rows, self.held = split(targets, classes, settings.validation)
        self.weights = row_weights(targets, classes, settings.balanced)
        self.batch = settings.batch
        self.best, self.patience, self.kept = math.inf, 0, None
        self.phase, self.epoch, self.curve, self.notes = 0, 0, [], []
        half = device.type == "cuda"
        self.half = (torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16) if half else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half is torch.float16)
        if settings.validation > 0 and not len(self.held):
            self.note(f"Stopping early needs {LEAST_HELD} rows held out; {int(settings.validation * len(inputs))} could be, so every epoch was run.")
        if settings.label_smoothing and not classes:
            self.note("Label smoothing needs classes: values were learned as they are.")

    def go(self, over: Callable[[], bool], seen: Callable[[dict[str, Any]], None]) -> None:
        """All phases, from the checkpoint's where there is one."""
        saved = self._find()
        for row in self.curve:
            seen(row)
        for number, phase in enumerate(self.settings.phases):
            if saved and number < saved["phase"]:
                continue
            self.phase = number
            self._begin(phase)
            if saved and number == saved["phase"]:
                self._resume(saved)
            while self.epoch < phase.epochs and self.patience < self.settings.patience:
                if over():
                    raise Cancelled
                loss = self._epoch(phase, over)
                self.curve.append(self._judge(phase, loss))
                self.epoch += 1
                seen(self.curve[-1])
                if self.path and time.monotonic() - self.saved_at >= SAVE_EVERY_S:
                    self._save()
            if self.patience >= self.settings.patience:
                self.note(f"{phase.learns}: stopped after {self.epoch} of {phase.epochs} epochs, as the held-out loss no longer fell.")
            self._end(phase)
        if not all(torch.isfinite(value).all() for value in self.module.state_dict().values() if value.is_floating_point()):
            raise self._diverged(phase)

    def leave(self) -> None:
        """Hand the module back as it came: plain, all of it free to learn, on the CPU, in eval mode."""
        lora.merge(self.module)
        self.module.requires_grad_(True).cpu().eval()

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _begin(self, phase: Phase) -> None:
        if phase.learns == "lora":
            lora.attach(self.module, self.settings.rank, self.settings.scale)
        else:
            for name, parameter in self.module.named_parameters():
                parameter.requires_grad_(phase.learns == "all" or name.startswith("head."))
        self.learning = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        if not self.learning:
            raise ReuseError("nothing-to-tune", "The last layer must be called head; this model has no layer of that name.", "Fine-tune all of it.")
        self.anchors = [p.detach().clone() for p in self.learning.values()] if phase.anchor else []
        self.kept = self._moving() if math.isfinite(self.best) else None  # where no epoch does better, the phase leaves no trace
        self.optimiser = torch.optim.AdamW(self.learning.values(), lr=phase.lr, weight_decay=phase.weight_decay, fused=True)
        self.epoch = self.patience = 0

    def _end(self, phase: Phase) -> None:
        if self.kept is not None:
            self.module.load_state_dict(self.kept, strict=False)
        if phase.learns == "lora":
            lora.merge(self.module)

    def _moving(self) -> dict[str, torch.Tensor]:
        """Copies of what a phase changes: the parameters that learn, and buffers such as running means."""
        buffers = dict(self.module.named_buffers())
        return {name: value.detach().clone() for name, value in self.module.state_dict().items() if name in self.learning or name in buffers}

    def _mode(self, phase: Phase) -> None:
        """Train mode, but for what must not drift: frozen layers, and batch normalisation that would see too few rows."""
        self.module.train()
        if phase.learns == "head":
            self.module.eval()
            self.module.head.train()
        step = math.ceil(len(self.rows) / _count(len(self.rows), self.settings.batch * self.settings.accumulate))
        least = step // _count(step, self.batch)
        for layer in self.module.modules():
            if isinstance(layer, BATCH_NORM) and layer.training:
                frozen = not any(p.requires_grad for p in layer.parameters())
                if least < TINY:
                    self.note(f"Batches hold fewer than {TINY} rows, whose mean and variance are noise: batch normalisation kept its statistics.")
                if frozen or least < TINY:
                    layer.eval()

    def _epoch(self, phase: Phase, over: Callable[[], bool]) -> float:
        """One pass over the rows; returns the mean loss, without the pull to the anchor."""
        self._mode(phase)
        settings, n = self.settings, len(self.rows)
        first = self.rows[torch.randperm(n)]
        second, share = None, None
        if settings.mixup:
            second = self.rows[torch.randperm(n)]
            share = torch.distributions.Beta(settings.mixup, settings.mixup, validate_args=False).sample((n,)).float()
        steps = list(torch.arange(n).tensor_split(_count(n, settings.batch * settings.accumulate)))  # even parts: no last step of one row
        total = torch.zeros(())
        for i, part in enumerate(steps):
            if i and i % ASK_EVERY == 0:
                self._must_be_finite(total, phase)
                if over():
                    raise Cancelled
            self._pace(phase, self.epoch * len(steps) + i + 1, phase.epochs * len(steps))
            total += self._step(phase, *_batch(self.inputs, self.targets, self.weights, self.classes, part, first, second, share)) * len(part)
        self._must_be_finite(total, phase)
        return float(total) / n

    def _pace(self, phase: Phase, step: int, steps: int) -> None:
        settings = self.settings
        if settings.warmup or settings.cosine:
            rise = min(1.0, step / max(1.0, settings.warmup * steps))
            fall = 0.5 * (1 + math.cos(math.pi * (step - 1) / steps)) if settings.cosine else 1.0
            self.optimiser.param_groups[0]["lr"] = phase.lr * rise * fall

    def _step(self, phase: Phase, x: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """One step of the optimiser; where the memory runs out it is tried again in smaller parts, with the same gradient."""
        while True:
            try:
                return self._gradient_step(phase, x, wanted, weights)
            except RuntimeError as error:
                if not devices.is_full(error):
                    raise
            self._shrink(len(x))

    def _gradient_step(self, phase: Phase, x: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        self.optimiser.zero_grad()
        everything, parts, total = weights.sum(), _count(len(x), self.batch), torch.zeros(())
        for part in zip(x.tensor_split(parts), wanted.tensor_split(parts), weights.tensor_split(parts)) if parts > 1 else ((x, wanted, weights),):
            some, right, heavy = (tensor.to(self.device, non_blocking=True) for tensor in part)
            with torch.autocast(self.device.type, dtype=self.half, enabled=self.half is not None):
                out = self.module(some)
            loss = (losses(out.float(), right, self.settings.label_smoothing) * heavy).sum() / everything
            self.scaler.scale(loss).backward()
            total = total + loss.detach().cpu()
        self.scaler.unscale_(self.optimiser)
        learning = list(self.learning.values())
        for p, anchor in zip(learning, self.anchors) if phase.anchor else ():
            if p.grad is not None:  # the gradient of anchor * ||p - start||^2, without a graph
                p.grad.add_(p.detach() - anchor, alpha=2 * phase.anchor)
        torch.nn.utils.clip_grad_norm_(learning, self.settings.clip, foreach=True)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return total

    def _shrink(self, rows: int) -> None:
        least = math.ceil(rows / _count(rows, self.batch))
        device, self.batch = devices.shrink(least, self.settings.batch, self.device, self.note)
        if device != self.device:
            self.device, self.half, self.scaler = device, None, torch.amp.GradScaler("cpu", enabled=False)
            self.module.to(device)
            self.anchors = [anchor.to(device) for anchor in self.anchors]
            self.optimiser.load_state_dict(self.optimiser.state_dict())  # casts what it keeps to where the parameters are now

    def _judge(self, phase: Phase, loss: float) -> dict[str, Any]:
        """The row of the curve for the epoch just run; keeps the weights where they are the best so far."""
        row = {"phase": phase.learns, "epoch": len(self.curve), "train": loss, "validation": None}
        if len(self.held):
            self.module.eval()
            with torch.no_grad():
                out = devices.in_batches(lambda part: self.module.to(part.device)(part), self.inputs[self.held], size=1024, device=self.device, note=self.note)
            self.module.to(self.device)
            weights = self.weights[self.held]
            now = row["validation"] = float((losses(out, self.targets[self.held], 0.0) * weights).sum() / weights.sum())
            if not math.isfinite(now):
                raise self._diverged(phase)
            if now < self.best - 1e-5:
                self.best, self.kept, self.patience = now, self._moving(), 0
            else:
                self.patience += 1
        return row

    def _must_be_finite(self, total: torch.Tensor, phase: Phase) -> None:
        if not torch.isfinite(total):
            raise self._diverged(phase)

    def _diverged(self, phase: Phase) -> ReuseError:
        return ReuseError("diverged", f"The loss must stay a finite number; it did not, in epoch {min(self.epoch + 1, phase.epochs)} of {phase.epochs}.",
                          f"Take a learning rate below {phase.lr:g}, and look for values of extreme size in the rows.")

    def _save(self) -> None:
        """Write everything that the next epoch depends on: numbers only, in one file, which is there as a whole or not at all."""
        parts = {"now": self.module.state_dict(), "best": self.kept or {}, "from": dict(zip(self.learning, self.anchors))}
        parts["rng"] = {"cpu": torch.get_rng_state()}
        parts["adam"] = {f"{i}.{key}": value for i, state in self.optimiser.state_dict()["state"].items() for key, value in state.items()}
        if self.device.type == "cuda":
            parts["rng"]["cuda"] = torch.cuda.get_rng_state(self.device)
        kept = {name: getattr(self, name) for name in ("digest", "phase", "epoch", "patience", "batch", "curve", "notes")}
        kept |= {"best": self.best if math.isfinite(self.best) else None, "scaler": self.scaler.state_dict()}
        tensors = {f"{part}:{name}": value.detach().cpu().contiguous().clone() for part, values in parts.items() for name, value in values.items()}
        half_done = self.path.with_name(self.path.name + ".part")
        save_file(tensors, half_done, metadata={"state": json.dumps(kept)})
        with half_done.open("rb+") as file:
            os.fsync(file.fileno())
        half_done.replace(self.path)
        self.saved_at = time.monotonic()

    def _find(self) -> dict[str, Any] | None:
        """What an earlier attempt at the same training left, with the curve and notes taken over; None where there is nothing of use."""
        if not (self.path and self.path.exists()):
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                saved = json.loads(file.metadata()["state"])
                if saved["digest"] != self.digest:
                    return None
                saved["parts"] = {}
                for key in file.keys():  # noqa: SIM118 - no mapping
                    part, _, name = key.partition(":")
                    saved["parts"].setdefault(part, {})[name] = file.get_tensor(key)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            return None  # half a file of another program's making: begin anew
        self.curve, self.notes = saved["curve"], saved["notes"]
        return saved

    def _resume(self, saved: dict[str, Any]) -> None:
        parts = saved["parts"]
        self.module.load_state_dict(parts["now"])
        self.epoch, self.patience, self.batch = saved["epoch"], saved["patience"], saved["batch"]
        self.best = math.inf if saved["best"] is None else saved["best"]
        self.kept = parts.get("best")
        self.anchors = [parts["from"][name].to(self.device) for name in self.learning] if "from" in parts else []
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in parts.get("adam", {}).items():
            number, _, name = key.partition(".")
            state.setdefault(int(number), {})[name] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})
        if saved["scaler"]:
            self.scaler.load_state_dict(saved["scaler"])
        torch.set_rng_state(parts["rng"]["cpu"])
        if self.device.type == "cuda" and "cuda" in parts["rng"]:
            torch.cuda.set_rng_state(parts["rng"]["cuda"], self.device)


def split(targets: torch.Tensor, classes: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows to learn from, rows held out): `share` of them, of each class alike; none where that is less than LEAST_HELD rows."""
    order = torch.randperm(len(targets))
    held = int(share * len(targets))
    if held < LEAST_HELD:
        return order, order[:0]
    if classes and targets.ndim == 1:
        # Each row's place within its class, as a share of the class: the lowest of all are the same share of every class.
        labels = targets[order]
        by_class = labels.argsort(stable=True)
        counts = torch.bincount(labels, minlength=classes)
        begins = counts.cumsum(0) - counts
        place = torch.empty(len(order), dtype=torch.float64)
        place[by_class] = (torch.arange(len(order), dtype=torch.float64) - begins[labels[by_class]] + 0.5) / counts[labels[by_class]]
        order = order[place.argsort(stable=True)]
    return order[held:], order[:held]


def row_weights(targets: torch.Tensor, classes: int, balanced: bool) -> torch.Tensor:
    """What each row counts, (n,): with `balanced`, rows / (classes * rows of its class), 10 at most."""
    if not (classes and balanced):
        return torch.ones(len(targets))
    soft = targets.ndim == 2
    counts = (targets.sum(dim=0) if soft else torch.bincount(targets, minlength=classes).float()).clamp(min=1)
    balance = (len(targets) / (classes * counts)).clamp(max=HEAVIEST)
    return targets @ balance if soft else balance[targets]


def losses(out: torch.Tensor, wanted: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Each row's loss (n,): cross-entropy for class numbers (n,) and probabilities (n, classes), squared error for values (n,)."""
    if wanted.ndim == 1 and wanted.is_floating_point():
        return (out[:, 0] - wanted) ** 2
    return cross_entropy(out, wanted, reduction="none", label_smoothing=smoothing)


def mixed(a: torch.Tensor, b: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """share a + (1 - share) b, row by row; a and b are (n, ...), share is (n,)."""
    share = share.view(-1, *[1] * (a.ndim - 1))
    return share * a + (1 - share) * b


def _batch(
    inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, classes: int, part: torch.Tensor, first: torch.Tensor, second: torch.Tensor | None,
    share: torch.Tensor | None,
) -> Iterator[torch.Tensor]:
    """Inputs, targets and weights of a part of the epoch, mixed where there is a second row for each."""
    a = first[part]
    for values in (inputs, targets, weights):
        if second is None:
            yield values[a]
        else:
            ab = [values[a], values[second[part]]]
            if values is targets and not values.is_floating_point():
                ab = [one_hot(labels, classes).float() for labels in ab]
            yield mixed(*ab, share[part])


def _count(n: int, size: int) -> int:
    return max(1, math.ceil(n / size))


def _read(X: np.ndarray, y: np.ndarray, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    soft = bool(classes) and np.ndim(y) == 2
    if len(X) == 0 or len(X) != len(y):
        raise ReuseError("wrong-data", f"Training needs one target for each of one or more rows; got {len(X)} rows and {len(y)} targets.")
    inputs = torch.from_numpy(np.require(X, np.float32, ["C", "W"]))
    targets = torch.from_numpy(np.require(y, np.int64 if classes and not soft else np.float32, ["C", "W"]))
    if not torch.isfinite(inputs).all() or not torch.isfinite(targets).all():
        raise ReuseError("not-finite", "Rows and targets must be finite numbers; some are NaN, infinite, or too large for 32 bits.")
    return inputs, targets


def _copy(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def _digest(inputs: torch.Tensor, targets: torch.Tensor, classes: int, settings: Settings, start: dict[str, torch.Tensor]) -> str:
    """What a training hangs on, as one word: a checkpoint of anything else must not be taken up."""
    found = hashlib.sha256(repr((torch.__version__, classes, replace(settings, blend=None))).encode())  # blending comes after training
    for name, value in {"X": inputs, "y": targets, **start}.items():
        found.update(repr((name, value.dtype, tuple(value.shape))).encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()

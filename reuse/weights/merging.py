"""A merge from first tensor to last: what each method shares, whatever it does with a tensor."""

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from reuse import registry
from reuse.errors import Cancelled, ReuseError
from reuse.weights import kernels
from reuse.weights.files import Checkpoint, Layout, writing
from reuse.weights.stack import Ranks, Stack

STATISTICS = (".running_mean", ".running_var")  # BatchNorm's: averaged, never part of a task vector, which could make a variance negative
COUNTER = ".num_batches_tracked"
UNLIKE = 0.2  # cosine of weights; fine-tuned from one base they lie near 1, from different starts near 0


class Models:
    """Models of one family and their base, as wholes; `statistics` one mapping a model for methods that need them."""

    def __init__(self, models: list[Checkpoint], base: Checkpoint | None, statistics: list[dict[str, np.ndarray]] | None = None) -> None:
        self.models, self.base, self.statistics = models, base, statistics
        self.layouts = _agreed(models, base)
        self._shares: dict[float, np.ndarray] = {}

    def stack(self, name: str) -> Stack:
        """A tensor of all of them."""
        return Stack(self.layouts[name], self.models, self.base, self)

    def release(self, name: str) -> None:
        """Give a tensor's pages back."""
        for model in (*self.models, *((self.base,) if self.base else ())):
            model.release(name)

    @property
    def learned(self) -> list[str]:
        """The tensors that a method merges: real numbers that are no running statistics."""
        return [name for name, layout in self.layouts.items() if layout.is_floating and not name.endswith(STATISTICS)]

    def share(self, keep: float) -> np.ndarray:
        """The size from which the largest `keep` of each model's differences lie, over all tensors; (m,)."""
        if keep not in self._shares:
            found = Ranks(len(self.models))
            for name in self.learned:
                for _, D in self.stack(name).blocks():
                    found.see(D)
                self.release(name)
            found.narrow((max(1, round(keep * sum(self.layouts[name].size for name in self.learned))) - 1,))
            for name in self.learned:
                for _, D in self.stack(name).blocks():
                    found.look(D)
                self.release(name)
            self._shares[keep] = found.values()[:, 0]
        return self._shares[keep]

    def cosines(self, most: int = 1 << 20) -> np.ndarray:
        """Cosines of the models' weights (base last), over a sample of their matrices' numbers; (m, m)."""
        everyone = [*self.models, *((self.base,) if self.base else ())]
        G, left = np.zeros((len(everyone), len(everyone))), most
        for name in sorted(self.learned, key=lambda name: -self.layouts[name].size):
            if len(self.layouts[name].shape) > 1 and left > 0:
                for _, D in Stack(self.layouts[name], everyone).blocks():
                    kernels.products(D, G)
                    left -= D.shape[1]
                    if left <= 0:
                        break
        size = np.sqrt(np.diag(G))
        told = (size[:, None] > 0) & (size > 0)  # of a model without a matrix, or of one that is all 0, an angle says nothing
        return np.where(told, G / np.where(told, size[:, None] * size, 1.0), 1.0)


def _agreed(models: list[Checkpoint], base: Checkpoint | None) -> dict[str, Layout]:
    """The layouts that all share; raises ReuseError with the name of who differs, and where."""
    first = models[0]
    for other in (*models[1:], *((base,) if base else ())):
        missing = sorted(set(first.layouts) ^ set(other.layouts))
        if missing:
            raise ReuseError("other-family", f"Members must have the same tensors; {first.label} and {other.label} differ in {missing[0]!r} and {len(missing) - 1} more.",
                             "Take an ensemble: it combines any models.")
        for name, layout in first.layouts.items():
            theirs = other.layouts[name]
            if theirs.shape != layout.shape:
                raise ReuseError("other-family", f"Members must have tensors of the same shapes; {name!r} is {list(layout.shape)} in {first.label} and {list(theirs.shape)} in {other.label}.",
                                 "Take an ensemble: it combines any models.")
            if theirs.dtype != layout.dtype:
                raise ReuseError("other-dtype", f"Members must hold their numbers alike; {name!r} is {layout.dtype} in {first.label} and {theirs.dtype} in {other.label}.",
                                 "Convert one of them first.")
    return first.layouts


def merge(models: list[Checkpoint], base: Checkpoint | None, address: str, params: dict[str, Any], path: Path, *,
          statistics: list[dict[str, np.ndarray]] | None = None, shard_bytes: int = 0, metadata: dict[str, str] | None = None,
          over: Callable[[], bool] = lambda: False, seen: Callable[[float, str], None] = lambda done, name: None) -> None:
    """Merge checkpoints by the method at `address` ("merge/ties") and write the result to `path`, one tensor at a time.

    Computes in float32 and writes the members' own types, rounded to nearest even. Memory: a few blocks, or one tensor of each model for methods
    that need it whole. `seen(done, name)` hears of each tensor; `over()` is asked, and Cancelled raised, between blocks. Raises ReuseError
    for members that do not fit each other, for NaN, and when the disk is full; then nothing is left behind.
    """
    method = registry.find(address)
    if method.kind != "merge":
        raise ReuseError("wrong-method", f"Checkpoints are merged by a merge method; {address} is of another kind.", "Take merge/average, merge/ties, merge/tsv, …")
    params = method.read_params(params)
    family = Models(models, base, statistics)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    total, done = max(1, sum(layout.nbytes for layout in family.layouts.values())), 0
    with writing(Path(path), list(family.layouts.values()), shard_bytes=shard_bytes, metadata=metadata) as write:
        for layout in write.order:
            seen(done / total, layout.name)
            write(layout.name, _watched(merged_blocks(family, layout.name, address, params), over))
            family.release(layout.name)
            done += layout.nbytes


def merged(address: str, models: list[dict[str, np.ndarray]], base: dict[str, np.ndarray] | None = None, params: dict[str, Any] | None = None,
           statistics: list[dict[str, np.ndarray]] | None = None) -> dict[str, np.ndarray]:
    """The same in memory: arrays by tensor name in, the merged model's out (float32)."""
    opened = [Checkpoint.of(model, f"model {i}") for i, model in enumerate(models)]
    family = Models(opened, Checkpoint.of(base, "base") if base else None, statistics)
    found = {}
    for name, layout in family.layouts.items():
        blocks = list(merged_blocks(family, name, address, params or {}))
        found[name] = (np.concatenate(blocks) if blocks else np.empty(0, np.float32)).reshape(layout.shape)
    return found


def merged_blocks(family: Models, name: str, address: str, params: dict[str, Any]) -> Iterator[np.ndarray]:
    """A tensor of the merged model, in blocks of raw numbers of its own type."""
    layout = family.layouts[name]
    if layout.size == 0:
        return
    if not layout.is_floating:
        yield _whole_numbers(family, name)
        return
    if name.endswith(STATISTICS):
        stack = Stack(layout, family.models)
        found: Any = stack.each(lambda D: D.mean(axis=0))
    else:
        module, values, stack = *_method(address, tuple(sorted(params.items()))), family.stack(name)
        if not getattr(module, "NEEDS_BASE", False):
            stack = Stack(layout, family.models, None, family)
        elif family.base is None:
            raise ReuseError("no-base", f"{address} needs the base that the members were fine-tuned from.", "Name it, or use merge/average.")
        found = module.merge(stack, **values)
    if isinstance(found, np.ndarray):
        found = iter((np.ascontiguousarray(found, dtype=np.float32).reshape(-1),))
    at = 0
    for delta in found:
        origin = stack.origin(at, at + len(delta))
        at += len(delta)
        block = kernels.encode(np.asarray(delta, np.float32) if origin is None else np.add(delta, origin, dtype=np.float32), layout.dtype)
        if kernels.overflows(block, layout.dtype):
            raise ReuseError("not-finite", f"The merged {name!r} leaves the range of {layout.dtype}.", "Take a smaller scale, or convert the models to a wider type first.")
        yield block


@cache
def _method(address: str, params: tuple) -> tuple[Any, dict[str, Any]]:
    method = registry.find(address)
    return import_module(method.module), method.read_params(dict(params))


def _whole_numbers(family: Models, name: str) -> np.ndarray:
    """A tensor of whole numbers: a counter's largest value; anything else must be the same in all."""
    parts = [model.raw(name) for model in family.models]
    if name.endswith(COUNTER):
        return np.maximum.reduce(parts)
    for model, part in zip(family.models, parts, strict=True):
        if not np.array_equal(part, parts[0]):
            raise ReuseError("other-family", f"Whole numbers are not merged and must agree; {name!r} differs between {family.models[0].label} and {model.label}.",
                             "Take an ensemble: it combines any models.")
    return parts[0]


def _watched(blocks: Iterator[np.ndarray], over: Callable[[], bool]) -> Iterator[np.ndarray]:
    for i, block in enumerate(blocks):
        if i % 64 == 0 and over():
            raise Cancelled
        yield block


def akin(models: list[Checkpoint], base: Checkpoint | None) -> None:
    """Refuse models that can not have come from one start, by the angles between their weights."""
    found = Models(models, base).cosines()
    labels = [model.label for model in (*models, *((base,) if base else ()))]
    i, k = np.unravel_index(np.argmin(found), found.shape)
    if found[i, k] < UNLIKE:
        raise ReuseError("other-base", f"Models from different starts can not be merged (measured: 10 to 17 % accuracy where each had 70); the weights of "
                         f"{labels[i]} and {labels[k]} have a cosine of {found[i, k]:.2f}, and models of one base one near 1.", "Take an ensemble.")

"""Merges: variants of one merged model, each made once and kept; with labelled rows the best of a sweep is taken."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from reuse import evidence, family
from reuse.errors import Cancelled
from reuse.formats import safetensors
from reuse.plan import Member
from reuse.recipes.bench import Bench, points_of
from reuse.recipes.single import Single, derived
from reuse.registry import Method
from reuse.weights import merging

SIZE = 256  # rows; enough for running statistics and Gram matrices


@dataclass(frozen=True)
class Variant:
    """A merged model on disk and in memory, and its answers for all labelled rows (None without labels)."""

    path: Path
    single: Single
    outputs: np.ndarray | None


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Single:
    module = import_module(method.module)
    tuned, base = family.split(bench.plan.members, bench.plan.base, getattr(module, "NEEDS_BASE", False))
    members = tuple(range(len(tuned)))
    _akin(bench, tuned, base)
    if hasattr(module, "choose"):
        members = tuple(sorted(module.choose(len(tuned), lambda some: _loss(bench, _variant(bench, method, params, tuple(sorted(some)), tuned, base), rows))))
        return _variant(bench, method, params, members, tuned, base).single
    sweep = {name: values for name, values in getattr(module, "SWEEP", {}).items() if not _was_given(bench, method, name)}
    if rows is None or not sweep:
        return _variant(bench, method, params, members, tuned, base).single
    (name, values), = sweep.items()
    values = sorted({*values, params[name]})
    found = {value: _variant(bench, method, params | {name: value}, members, tuned, base) for value in values}
    losses = {value: _loss(bench, variant, rows) for value, variant in found.items()}
    best = min(values, key=lambda value: (losses[value], abs(value - params[name])))
    curve = [{"value": value, **dict(zip(("score", "low", "high"), evidence.score(found[value].outputs[rows], bench.y[rows]), strict=True))} for value in values]
    chosen = found[best].single
    return Single(chosen.bench, chosen.model, chosen.manifest, chosen.used, chosen.answer, chosen.file,
                  {"params": params | {name: best}, "curve": {"parameter": name, "chosen": best, "rows": len(rows), "points": curve}})


def _variant(bench: Bench, method: Method, params: dict[str, Any], members: tuple[int, ...], tuned: list[Member], base: Member | None) -> Variant:
    key = ("merge", method.address, tuple(sorted(params.items())), members)
    if key not in bench.kept:
        if bench.over():
            raise Cancelled
        bench.kept[key] = _made(bench, method, params, [tuned[i] for i in members], base, len(bench.kept))
    return bench.kept[key]


def _akin(bench: Bench, tuned: list[Member], base: Member | None) -> None:
    """A declared base may be a lie: the weights themselves must point the same way."""
    key = ("akin", *(m.reference for m in tuned))
    if key not in bench.kept:
        opened = family.opened([*tuned, *([base] if base else [])], tuned[0])
        merging.akin(opened[: len(tuned)], opened[-1] if base else None)
        bench.kept[key] = True


def _made(bench: Bench, method: Method, params: dict[str, Any], tuned: list[Member], base: Member | None, number: int) -> Variant:
    first, plan = tuned[0], bench.plan
    checkpoints = family.opened([*tuned, *([base] if base else [])], first)
    models, origin = checkpoints[: len(tuned)], checkpoints[-1] if base else None
    path = bench.workdir / f"merged-{number}-{method.name}.safetensors"
    kind = getattr(import_module(method.module), "NEEDS_STATISTICS", None)
    statistics = [family.in_the_order_of(first, member, _statistics(bench, member, kind)) for member in tuned] if kind else None
    merging.merge(models, origin, method.address, params, path, statistics=statistics, over=bench.over)
    merged = safetensors.module(path, first.manifest)
    file = path
    if refreshed(merged, bench.free_X):
        bench.note("Running statistics of normalisation layers were estimated anew on rows without labels.")
        file = None
    answer = safetensors.predictor(merged, first.manifest.is_classifier, bench.note)
    single = Single(bench, merged, derived(first, plan), [*tuned, *([base] if base else [])], answer, file, {"params": params})
    return Variant(path, single, single.of(bench.X) if plan.data is not None else None)


def refreshed(module: Any, X: np.ndarray) -> bool:
    """Estimate the running means and variances of BatchNorm layers anew on rows X (n, d), in place; whether there were any.

    The statistics of an averaged network are not the average of its parents' statistics: Jordan et al., "REPAIR", 2023, https://arxiv.org/abs/2211.08403.
    """
    import torch

    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.track_running_stats]
    if not layers or len(X) < 2:
        return False
    rows = torch.as_tensor(np.asarray(X, np.float32))[:: max(1, len(X) // SIZE)]
    held = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches; there is one batch
    with torch.no_grad():
        module.train()(rows)
    for layer, momentum in zip(layers, held, strict=True):
        layer.momentum = momentum
    module.eval()
    return True


def _statistics(bench: Bench, member: Member, kind: str) -> dict[str, np.ndarray]:
    """What the owner published, or what the points of the member's specification tell."""
    from reuse.weights import statistics

    key = ("statistics", kind, member.reference)
    if key not in bench.kept:
        if member.statistics is not None:
            bench.kept[key] = statistics.read(member.statistics)
        else:
            Z, shares = points_of(member.rkme)
            module = safetensors.module(member.path, member.manifest)
            found = statistics.grams(module, Z, shares) if kind == "gram" else statistics.fishers(module, Z, shares, classifier=member.manifest.is_classifier)
            bench.kept[key] = found
    return bench.kept[key]


def _loss(bench: Bench, variant: Variant, rows: np.ndarray) -> float:
    return float(evidence.losses(variant.outputs[rows], bench.y[rows]).mean())


def _was_given(bench: Bench, method: Method, name: str) -> bool:
    """Whether the user set this parameter: then it is not swept."""
    return bench.plan.address == method.address and name in bench.plan.params


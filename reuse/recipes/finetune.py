"""Fine-tuning: the torch member that does best on the labelled rows goes on learning; where a method averages, how far is chosen on held-out rows."""

import copy
from importlib import import_module
from typing import Any

import numpy as np

from reuse import evidence
from reuse.errors import ReuseError
from reuse.finetune import Trained, blended, train
from reuse.formats import safetensors
from reuse.plan import Member
from reuse.recipes.bench import Bench, aligned
from reuse.recipes.single import Single, derived
from reuse.registry import Method
from specs import squared_mmd

LEAST_SWEPT = 40  # rows; below, a quarter of them is too few to choose a share by


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray) -> Single:
    module, start = import_module(method.module), start_of(bench, rows)
    facts: dict[str, Any] = {"params": params, "start": start.reference}
    settings_of = lambda network: module.tune(network, **params)  # noqa: E731
    if hasattr(module, "SWEEP") and not (bench.plan.address == method.address and "alpha" in bench.plan.params) and len(rows) >= LEAST_SWEPT:
        alpha, curve = _chosen(bench, start, settings_of, module.SWEEP["alpha"], params["alpha"], rows)
        params = params | {"alpha": alpha}
        facts |= {"params": params, "curve": curve}
    everything = len(rows) == len(bench.y)
    network, trained = _trained(bench, start, settings_of, rows, method.address if everything else "")
    if hasattr(module, "SWEEP"):
        network.load_state_dict(blended(trained.start, trained.tuned, params["alpha"]))
        facts["untouched"] = trained.tuned  # the tuned weights themselves, for whoever compares
    if bench.plan.address == method.address and everything:
        for words in trained.notes:
            bench.note(words)
    facts["learning"] = trained.curve
    return Single(bench, network, derived(start, bench.plan, base={"sha256": start.manifest.model["sha256"]}), [start],
                  safetensors.predictor(network, start.manifest.is_classifier, bench.note), None, facts)


def start_of(bench: Bench, rows: np.ndarray) -> Member:
    """The safetensors member with the least loss on the labelled rows, among those that know all their classes."""
    plan = bench.plan
    torch_members = [(i, m) for i, m in enumerate(plan.members) if m.manifest.format == "safetensors"]
    if not torch_members:
        raise ReuseError("nothing-to-tune", "Fine-tuning needs a safetensors model; the members have none.", "Take an ensemble, or auto.")
    needed = {plan.classes[i] for i in np.unique(bench.y)} if plan.classes else set()
    knowing = [(i, m) for i, m in torch_members if needed <= set(m.manifest.classes)]
    if not knowing:
        raise ReuseError("other-classes", f"{torch_members[0][1].reference} does not know all classes of the labelled rows, nor does another.", "Take an ensemble: it aligns by class names.")

    def rank(entry: tuple[int, Member]) -> tuple[float, float, float]:
        i, member = entry
        output = np.nan_to_num(bench.crowd.outputs[i][rows])
        far = squared_mmd(plan.requirement, member.rkme) if plan.requirement is not None else 0.0
        return float(evidence.losses(output, bench.y[rows]).mean()), -member.weight, far

    return min(knowing, key=rank)[1]


def _targets(bench: Bench, start: Member, rows: np.ndarray) -> np.ndarray:
    """Labels as the starting model counts them: its own class numbers, or its own scale."""
    y = bench.y[rows]
    if bench.plan.classes:
        return np.array([start.manifest.classes.index(bench.plan.classes[value]) for value in y])
    config = start.manifest.model["architecture"]["config"]
    return (y - config.get("output_location", 0.0)) / config.get("output_scale", 1.0)


def _trained(bench: Bench, start: Member, settings_of: Any, rows: np.ndarray, name: str) -> tuple[Any, Trained]:
    key = ("start", start.reference)
    if key not in bench.kept:
        bench.kept[key] = safetensors.module(start.path, start.manifest)
    network = copy.deepcopy(bench.kept[key])
    checkpoint = bench.checkpoints / f"{name.replace('/', '-')}.safetensors" if name and bench.checkpoints is not None else None
    return network, train(network, bench.X[rows], _targets(bench, start, rows), start.manifest.outputs if bench.plan.classes else 0, settings_of(network),
                          over=bench.over, seen=(lambda row: bench.seen(name, row)) if name else (lambda row: None), checkpoint=checkpoint)


def _chosen(bench: Bench, start: Member, settings_of: Any, alphas: tuple[float, ...], default: float, rows: np.ndarray) -> tuple[float, dict[str, Any]]:
    """(the share of the tuned weights that does best on a quarter of the rows, after training on the others; the curve)."""
    order = np.random.default_rng(bench.plan.seed).permutation(len(rows))
    test, train_rows = rows[order[: len(rows) // 4]], rows[order[len(rows) // 4 :]]
    network, trained = _trained(bench, start, settings_of, np.sort(train_rows), "")
    predictor = safetensors.predictor(network, start.manifest.is_classifier, bench.note)
    points, losses = [], {}
    for alpha in sorted({*alphas, default}):
        network.load_state_dict(blended(trained.start, trained.tuned, alpha))
        output = aligned(predictor(bench.X[test]), start.manifest, bench.plan.classes)
        losses[alpha] = float(evidence.losses(np.nan_to_num(output), bench.y[test]).mean())
        points.append({"value": alpha, **dict(zip(("score", "low", "high"), evidence.score(np.nan_to_num(output), bench.y[test]), strict=True))})
    best = min(losses, key=lambda alpha: (losses[alpha], abs(alpha - default)))
    return best, {"parameter": "alpha", "chosen": best, "rows": len(test), "points": points}

"""Methods made ready to run: each kind's way from a plan and labelled rows to something that predicts and can be saved.

A recipe's `fit(rows)` gives a Fitted: `predict(rows)` for the labelled rows of the bench, and `save(folder)` for good.
"""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reuse import combine, family, formats, sandbox, scratch
from reuse.crowd import Crowd, distances
from reuse.errors import ReuseError
from reuse.finetune import train
from reuse.formats import safetensors
from reuse.manifest import FORMAT, Manifest
from reuse.plan import Member, Plan
from reuse.registry import Method
from specs import Specification


class Fitted(Protocol):
    def predict(self, rows: np.ndarray) -> np.ndarray: ...

    def save(self, folder: Path) -> dict[str, Any]: ...

    used: list[Member]


class Bench:
    """A plan with its labelled rows, if any: coordinates, encoded labels, and the members' answers, each computed once."""

    def __init__(self, plan: Plan, workdir: Path, over: Callable[[], bool] = lambda: False) -> None:
        self.plan, self.workdir, self.over = plan, workdir, over

    @cached_property
    def X(self) -> np.ndarray:
        """Coordinates of the labelled rows, (n, d)."""
        return self.plan.space.encode(self.plan.data.columns)

    @cached_property
    def y(self) -> np.ndarray:
        """Class numbers or values, (n,)."""
        target = np.asarray(self.plan.data.target)
        if not self.plan.classes:
            return target.astype(np.float64)
        numbers = {name: i for i, name in enumerate(self.plan.classes)}
        unknown = sorted({str(label) for label in target} - set(numbers))
        if unknown:
            raise ReuseError("unknown-classes", f"Labels must be classes that the members know; got {unknown[:5]}.", f"They know: {list(numbers)[:20]}.")
        return np.array([numbers[str(label)] for label in target])

    @cached_property
    def crowd(self) -> Crowd:
        """The members' answers for the labelled rows."""
        return crowd_of(self.plan, self.plan.data.columns, self.X)


def crowd_of(plan: Plan, columns: dict[str, np.ndarray], X: np.ndarray) -> Crowd:
    """All members' answers for raw rows, in one child of the sandbox."""
    asked = [{"name": m.reference, "path": str(m.path), "manifest": m.manifest.to_json()} for m in plan.members]
    outputs = sandbox.shared().predict(asked, plan.space.to_json(), columns)
    return Crowd(
        outputs=[aligned(output, m.manifest, plan.classes) for output, m in zip(outputs, plan.members, strict=True)],
        X=X, rkmes=[m.rkme for m in plan.members], weights=np.array([m.weight for m in plan.members], dtype=float),
        distances=distances(plan.requirement, [m.rkme for m in plan.members]), classes=plan.classes,
    )


def aligned(output: np.ndarray, manifest: Manifest, classes: tuple[str, ...]) -> np.ndarray:
    """A member's output in the plan's class order, nan for classes it never saw; values as they are."""
    return combine.align(output, manifest.classes, classes) if classes else output


@dataclass(frozen=True)
class Ensemble:
    """Members left as they are; `state` is what was learned from labels."""

    bench: Bench
    method: Method
    params: dict[str, Any]
    state: dict[str, Any] | None = None

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return apply(self.document(), self.bench.crowd.rows(rows))

    def document(self) -> dict[str, Any]:
        return {"method": self.method.address, "params": self.params, "state": self.state}

    @property
    def used(self) -> list[Member]:
        """Those members whose answers can count."""
        members = self.bench.plan.members
        if self.method.name in ("best-single", "selected"):
            number = self.state["member"] if self.state else self._nearest()
            return [members[number]]
        if self.method.name == "stacked":
            return members
        return [m for m in members if m.weight > 0] or members

    def save(self, folder: Path) -> dict[str, Any]:
        chosen = self.used
        combined = self.document()
        if len(chosen) == 1:
            combined = {"method": "ensemble/mean", "params": {}, "state": None}
        elif self.method.name != "stacked" and len(chosen) < len(self.bench.plan.members):
            combined["state"] = None
        return {"kind": "single" if len(chosen) == 1 else "ensemble", "combine": combined,
                "members": [keep(m, folder, i, self.bench.plan) for i, m in enumerate(chosen)]}

    def _nearest(self) -> int:
        plan = self.bench.plan
        far = distances(plan.requirement, [m.rkme for m in plan.members])
        return int(np.lexsort((-np.array([m.weight for m in plan.members]), far))[0])


def apply(document: dict[str, Any], crowd: Crowd) -> np.ndarray:
    """Combine the members' answers as a predictor's document says; (n, classes) or (n,)."""
    kind, _, name = document["method"].partition("/")
    if kind != "ensemble":
        raise ReuseError("wrong-predictor", f"Answers are combined by an ensemble method; got {document['method']!r}.")
    module = import_module(f"reuse.ensemble.{name.replace('-', '_')}")
    if document.get("state") is not None:
        return module.apply(crowd, document["state"])
    return crowd.answer(module.weigh(crowd, **document["params"]), module.UNSEEN)


@dataclass(frozen=True)
class Single:
    """One model that was made here: merged, tuned, or trained from scratch."""

    bench: Bench
    model: Any
    manifest: Manifest
    used: list[Member]
    answer: Callable[[np.ndarray], np.ndarray]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        plan = self.bench.plan
        output = aligned(self.answer(self.bench.X[rows]), self.manifest, plan.classes)
        return combine.weighted([output], np.ones(1)) if plan.classes else output

    def save(self, folder: Path) -> dict[str, Any]:
        target = folder / "members" / "0"
        target.mkdir(parents=True, exist_ok=True)
        part = formats.export(self.model, target)
        document = self.manifest.to_json() | {"model": part, "parents": [m.reference for m in self.used]}
        spec = Specification(self.bench.plan.space, self.bench.plan.requirement or self.used[0].rkme, {}) if self.bench.plan.requirement or self.used else None
        if spec:
            spec.write(target / "specification.json")
        entry = {"file": f"members/0/{part['file']}", "manifest": document, "weight": 1.0, "reference": None,
                 "specification": "members/0/specification.json" if spec else None}
        return {"kind": "single", "combine": {"method": "ensemble/mean", "params": {}, "state": None}, "members": [entry]}


def keep(member: Member, folder: Path, number: int, plan: Plan) -> dict[str, Any]:
    """Copy a member into a predictor's folder; returns its entry."""
    target = folder / "members" / str(number)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(member.path, target / member.manifest.model["file"])
    Specification(plan.space, member.rkme, {}).write(target / "specification.json")
    return {"file": f"members/{number}/{member.manifest.model['file']}", "manifest": member.manifest.to_json(), "weight": float(member.weight),
            "reference": member.reference, "specification": f"members/{number}/specification.json"}


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Fitted:
    """Make a method ready, learning from the labelled `rows` where it learns at all."""
    return FITS[method.kind](bench, method, params, rows)


def _fit_ensemble(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Fitted:
    module = import_module(method.module)
    if not hasattr(module, "fit"):
        return Ensemble(bench, method, params)
    _labels(bench, method)
    return Ensemble(bench, method, params, module.fit(bench.crowd.rows(rows), bench.y[rows], **params))


def _fit_merge(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Fitted:
    module = import_module(method.module)
    tuned, base = family.split(bench.plan.members, bench.plan.base, getattr(module, "NEEDS_BASE", False))
    path = bench.workdir / f"merged-{method.name}.safetensors"
    first = family.merge(tuned, base, module.merge, params, path)
    merged = safetensors.module(path, first.manifest)
    return Single(bench, merged, _derived(first, bench.plan), [*tuned, *([base] if base else [])], safetensors.predictor(merged, first.manifest.is_classifier))


def _fit_tune(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Fitted:
    _labels(bench, method)
    plan = bench.plan
    torch_members = [m for m in plan.members if m.manifest.format == "safetensors"]
    if not torch_members:
        raise ReuseError("nothing-to-tune", "Fine-tuning needs a safetensors model; the members have none.", "Take an ensemble, or auto.")
    start = max(torch_members, key=lambda m: (m.weight, -distances(plan.requirement, [m.rkme])[0]))
    y = bench.y[rows]
    if plan.classes:
        order = {plan.classes.index(name): i for i, name in enumerate(start.manifest.classes) if name in plan.classes}
        if not set(np.unique(bench.y)) <= set(order):
            raise ReuseError("other-classes", f"{start.reference} does not know all classes of the labelled rows.", "Take an ensemble.")
        y = np.array([order[value] for value in y])
    module = copy.deepcopy(safetensors.module(start.path, start.manifest))
    config = module.architecture["config"]
    if not plan.classes:
        y = (y - config["output_location"]) / config["output_scale"]
    settings = import_module(method.module).tune(module, **params)
    train(module, bench.X[rows], y, start.manifest.outputs if plan.classes else 0, settings, over=bench.over)
    return Single(bench, module, _derived(start, plan, base={"sha256": start.manifest.model["sha256"]}), [start], safetensors.predictor(module, bool(plan.classes)))


def _fit_scratch(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Fitted:
    _labels(bench, method)
    plan = bench.plan
    y = np.array(plan.classes, dtype=object)[bench.y[rows]].astype(str) if plan.classes else bench.y[rows]
    model = scratch.fit(bench.X[rows], y, **params)
    output = dict(plan.output)
    if plan.classes:
        output["classes"] = [str(c) for c in model.classes_]
    manifest = Manifest(
        name="from-scratch", version="1.0.0", task="classification" if plan.classes else "regression",
        input={"space": plan.space.id, "takes": "coordinates"}, output=output,
        model={"format": "skops", "file": "model.skops", "sha256": "0" * 64, "size": 1, "architecture": None}, licence="CC0-1.0",
    )
    return Single(bench, model, manifest, [], formats.member("skops").predictor(model, manifest))


def _derived(member: Member, plan: Plan, base: dict[str, str] | None = None) -> Manifest:
    document = member.manifest.to_json()
    document.update(name="reused", version="1.0.0", title="", card="", evaluation={}, parents=[], base=base or member.manifest.base)
    return Manifest.read({**document, "format": FORMAT})


def _labels(bench: Bench, method: Method) -> None:
    if bench.plan.data is None:
        raise ReuseError("labels-needed", f"{method.address} learns from labelled rows; none came.", "Give a CSV with labels, or take ensemble/routed.")


FITS: dict[str, Callable[..., Fitted]] = {"ensemble": _fit_ensemble, "merge": _fit_merge, "finetune": _fit_tune, "scratch": _fit_scratch}

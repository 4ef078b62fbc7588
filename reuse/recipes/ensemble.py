"""Ensembles: the members as they are; what was learned from labels is a small state in the predictor's document."""

import shutil
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from reuse.crowd import distances
from reuse.errors import ReuseError
from reuse.plan import Member, Plan
from reuse.recipes.bench import Bench, apply, nearest
from reuse.registry import Method
from specs import Specification


@dataclass(frozen=True)
class Ensemble:
    """Members left as they are; `state` is what was learned from labels, `used` the members whose answers can count."""

    bench: Bench
    method: Method
    params: dict[str, Any]
    state: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    temperature: float | None = None

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return apply(self.document(), self.bench.crowd.rows(rows))

    def free(self) -> np.ndarray:
        """The answers for the rows without labels."""
        return apply(self.document(), self.bench.free_crowd)

    def document(self) -> dict[str, Any]:
        """The predictor's "combine" part."""
        return {"method": self.method.address, "params": self.params, "state": self.state} | ({"temperature": self.temperature} if self.temperature else {})

    @property
    def used(self) -> list[Member]:
        """Those members whose answers can count."""
        members = self.bench.plan.members
        if self.state is not None and "members" in self.state:
            return [members[i] for i in self.state["members"]]
        if self.state is not None:
            return members
        if self.method.name == "best-single":
            return [members[nearest(self.bench.plan)]]
        if self.method.name == "near":
            return members
        return [m for m in members if m.weight > 0] or members

    def save(self, folder: Path) -> dict[str, Any]:
        chosen, combined = self.used, self.document()
        # One member, whose own answer is all that is given: then the model itself is the result.
        alone = len(chosen) == 1 and set(self.state or {}) <= {"members", "weights", "trust"} and self.temperature is None
        if alone:
            combined = {"method": "ensemble/mean", "params": {}, "state": None}
        elif self.state is not None and "members" in self.state:
            combined["state"] = self.state | {"members": list(range(len(chosen)))}  # they are the only ones in the folder
        return {"kind": "single" if alone else "ensemble", "combine": combined,
                "members": [keep(m, folder, i, self.bench.plan) for i, m in enumerate(chosen)]}


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Ensemble:
    """An ensemble method over the plan's members."""
    module = import_module(method.module)
    if getattr(module, "TASK", None) == "classification" and not bench.plan.classes:
        raise ReuseError("wrong-method", f"{method.address} is for classes; these models give values.", "Take ensemble/mean.")
    if not hasattr(module, "fit"):
        return Ensemble(bench, method, params)
    if rows is None:
        return Ensemble(bench, method, params, module.fit(bench.free_crowd, None, **params))
    return Ensemble(bench, method, params, module.fit(bench.crowd.rows(rows), bench.y[rows], **params))


def keep(member: Member, folder: Path, number: int, plan: Plan) -> dict[str, Any]:
    """Copy a member into a predictor's folder; returns its entry."""
    target = folder / "members" / str(number)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(member.path, target / member.manifest.model["file"])
    Specification(plan.space, member.rkme, {}).write(target / "specification.json")
    far = float(distances(plan.requirement, [member.rkme])[0])
    return {"file": f"members/{number}/{member.manifest.model['file']}", "manifest": member.manifest.to_json(), "weight": float(member.weight), "distance": far,
            "reference": member.reference, "specification": f"members/{number}/specification.json"}

"""One model that was made here: merged, tuned, distilled, or trained from scratch."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reuse import combine, formats
from reuse.manifest import FORMAT, Manifest
from reuse.plan import Member, Plan
from reuse.recipes.bench import Bench, aligned
from specs import Specification


@dataclass(frozen=True)
class Single:
    """`answer(X)` runs `model` on coordinates; `file`, where given, holds it already and is taken as it is."""

    bench: Bench
    model: Any
    manifest: Manifest
    used: list[Member]
    answer: Callable[[np.ndarray], np.ndarray]
    file: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.of(self.bench.X[rows])

    def free(self) -> np.ndarray:
        """The answers for the rows without labels."""
        return self.of(self.bench.free_X)

    def of(self, X: np.ndarray) -> np.ndarray:
        """The answers for coordinates X (n, d), in the plan's class order."""
        classes = self.bench.plan.classes
        output = aligned(self.answer(X), self.manifest, classes)
        return combine.weighted([output], np.ones(1)) if classes else output

    def save(self, folder: Path) -> dict[str, Any]:
        return {"kind": "single", "combine": {"method": "ensemble/mean", "params": {}, "state": None}, "members": [self.entry(folder, 0)]}

    def entry(self, folder: Path, number: int) -> dict[str, Any]:
        """Write the model into a predictor's folder; returns its entry."""
        target = folder / "members" / str(number)
        target.mkdir(parents=True, exist_ok=True)
        if self.file is not None:
            shutil.copyfile(self.file, target / "model.safetensors")
            part = formats.describe("safetensors", target / "model.safetensors", self.manifest.model["architecture"])
        else:
            part = formats.export(self.model, target)
        document = self.manifest.to_json() | {"model": part, "parents": [m.reference for m in self.used]}
        rkme = self.bench.plan.requirement or (self.used[0].rkme if self.used else None)
        if rkme is not None:
            Specification(self.bench.plan.space, rkme, {}).write(target / "specification.json")
        return {"file": f"members/{number}/{part['file']}", "manifest": document, "weight": 1.0, "reference": None,
                "specification": f"members/{number}/specification.json" if rkme is not None else None}


def derived(member: Member, plan: Plan, base: dict[str, str] | None = None) -> Manifest:
    """The manifest of a model made from `member`, for the plan's question."""
    document = member.manifest.to_json()
    document.update(name="reused", version="1.0.0", title="", card="", evaluation={}, parents=[], base=base or member.manifest.base)
    return Manifest.read({**document, "format": FORMAT})


def fresh(plan: Plan, name: str, file: str, format_name: str, classes: list[str] | None, architecture: dict[str, Any] | None = None) -> Manifest:
    """The manifest of a model that has no parent file; digest and size are filled in when it is saved."""
    output = dict(plan.output) | ({"classes": classes} if classes is not None else {})
    return Manifest(
        name=name, version="1.0.0", task="classification" if plan.classes else "regression", input={"space": plan.space.id, "takes": "coordinates"},
        output=output, model={"format": format_name, "file": file, "sha256": "0" * 64, "size": 1, "architecture": architecture}, licence="CC0-1.0",
    )

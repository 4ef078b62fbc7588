"""What a reuse is asked for and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reuse.manifest import Manifest
from specs import Rkme, Space

Progress = Callable[[str, float, str], None]


@dataclass(frozen=True)
class Member:
    """A model on disk with what is known of it; `weight` is its share in the mixture (0: only a candidate)."""

    reference: str
    path: Path
    manifest: Manifest
    rkme: Rkme
    weight: float = 1.0
    licence: str = "Apache-2.0"
    statistics: Path | None = None  # what its owner published for RegMean and Fisher


@dataclass(frozen=True)
class Labelled:
    """Rows with labels: raw columns of the space, (n,) each, and the target (n,), text for classes or float."""

    columns: dict[str, np.ndarray]
    target: np.ndarray


@dataclass(frozen=True)
class Plan:
    """Which models, which method, which data. `output` is a manifest's output with the union of the classes; `rows` raw columns without labels."""

    members: list[Member]
    kind: str
    method: str
    params: dict[str, Any]
    space: Space
    output: dict[str, Any]
    requirement: Rkme | None = None
    data: Labelled | None = None
    rows: dict[str, np.ndarray] | None = None
    base: Member | None = None
    seed: int = 0
    budget_s: float = 600.0

    @property
    def address(self) -> str:
        """kind/method, or the kind alone where it is the method."""
        return self.kind if self.kind == self.method else f"{self.kind}/{self.method}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The union of the members' classes; empty for values."""
        return tuple(self.output.get("classes", ()))


@dataclass(frozen=True)
class Outcome:
    """The predictor's folder, why it is what it is, and what it is made of."""

    folder: Path
    evidence: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)

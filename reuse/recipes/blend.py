"""A blend made ready: methods fitted each by its own recipe, their answers summed by shares."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reuse import combine
from reuse.plan import Member
from reuse.recipes.bench import Bench, Fitted
from reuse.recipes.ensemble import Ensemble, keep

ADDRESS = "blend"


@dataclass(frozen=True)
class Blend:
    """`parts` are (share, address, the method made ready)."""

    bench: Bench
    parts: list[tuple[float, str, Fitted]]
    facts: dict[str, Any] = field(default_factory=dict)
    temperature: float | None = None

    @property
    def used(self) -> list[Member]:
        """The members that any part needs, in the plan's order."""
        needed = {m.reference for _, _, part in self.parts for m in part.used}
        everyone = {m.reference: m for m in (*self.bench.plan.members, *([self.bench.plan.base] if self.bench.plan.base else []))}
        return [m for reference, m in everyone.items() if reference in needed]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._tempered(sum(share * part.predict(rows) for share, _, part in self.parts))

    def free(self) -> np.ndarray:
        """The answers for the rows without labels."""
        return self._tempered(sum(share * part.free() for share, _, part in self.parts))

    def _tempered(self, output: np.ndarray) -> np.ndarray:
        return combine.tempered(output, self.temperature) if self.temperature else output

    def save(self, folder: Path) -> dict[str, Any]:
        """The plan's members where an ensemble is among the parts, then what was made here; each part says which of them it combines, and how."""
        members, plan = [], self.bench.plan
        if any(isinstance(part, Ensemble) for _, _, part in self.parts):
            members = [keep(m, folder, i, plan) for i, m in enumerate(plan.members)]
        asked, parts = list(range(len(members))), []
        for share, address, part in self.parts:
            if isinstance(part, Ensemble):
                parts.append({"share": share, "address": address, "members": asked, "combine": part.document()})
            else:
                members.append(part.entry(folder, len(members)))
                parts.append({"share": share, "address": address, "members": [len(members) - 1], "combine": {"method": "ensemble/mean", "params": {}, "state": None}})
        document = {"method": ADDRESS, "params": {}, "state": None, "parts": parts}
        return {"kind": "ensemble", "combine": document | ({"temperature": self.temperature} if self.temperature else {}), "members": members}

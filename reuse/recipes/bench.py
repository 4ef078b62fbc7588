"""A plan with its rows: coordinates, encoded labels, and the members' answers, each computed once."""

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reuse import combine, sandbox
from reuse.crowd import Crowd, distances
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from reuse.plan import Member, Plan
from specs import Rkme


class Fitted(Protocol):
    """A method made ready: it answers the bench's labelled rows, and can be saved for good. `facts` is what it found out on its way."""

    used: list[Member]
    facts: dict[str, Any]

    def predict(self, rows: np.ndarray) -> np.ndarray: ...

    def save(self, folder: Path) -> dict[str, Any]: ...


class Bench:
    """`over()` says that the work is no longer wanted; `seen(method, row)` hears of learning curves; `notes` is told to the user at the end; `checkpoints` is a
    folder that outlives this attempt; `heard(place, said)` hears how far each member is with its answers.
    """

    def __init__(self, plan: Plan, workdir: Path, over: Callable[[], bool] = lambda: False, seen: Callable[[str, dict[str, Any]], None] = lambda what, row: None,
                 checkpoints: Path | None = None, heard: Callable[[int, dict[str, Any]], None] = lambda place, said: None) -> None:
        self.plan, self.workdir, self.over, self.seen, self.checkpoints, self.heard = plan, workdir, over, seen, checkpoints, heard
        self.notes: list[str] = []
        self.kept: dict[Any, Any] = {}  # what recipes want to compute once: merged models, statistics

    def note(self, words: str) -> None:
        """Something the user should know, once."""
        if words not in self.notes:
            self.notes.append(words)

    @cached_property
    def X(self) -> np.ndarray:
        """Coordinates of the labelled rows, (n, d)."""
        return self.plan.space.encode(self.plan.data.columns)

    @cached_property
    def y(self) -> np.ndarray:
        """Class numbers or values, (n,)."""
        target = np.asarray(self.plan.data.target)
        if not self.plan.classes:
            values = target.astype(np.float64)
            if not np.isfinite(values).all():
                raise ReuseError("wrong-labels", "Labels must be finite numbers; some are NaN or infinite.", "Leave those rows out.")
            return values
        numbers = {name: i for i, name in enumerate(self.plan.classes)}
        unknown = sorted({str(label) for label in target} - set(numbers))
        if unknown:
            raise ReuseError("unknown-classes", f"Labels must be classes that the members know; got {unknown[:5]}.", f"They know: {list(numbers)[:20]}.")
        return np.array([numbers[str(label)] for label in target])

    @cached_property
    def free(self) -> dict[str, np.ndarray]:
        """Raw columns of rows without labels: those that came, else the labelled ones, else the points of the requirement."""
        if self.plan.rows is not None:
            return self.plan.rows
        if self.plan.data is not None:
            return self.plan.data.columns
        if self.plan.requirement is not None:
            return self.plan.space.decode(self.plan.requirement.points.astype(np.float64))
        rkmes = [member.rkme for member in self.plan.members]
        return self.plan.space.decode(np.concatenate([rkme.points for rkme in rkmes]).astype(np.float64))

    @cached_property
    def free_X(self) -> np.ndarray:
        """Their coordinates, (m, d)."""
        return self.plan.space.encode(self.free)

    @cached_property
    def _crowds(self) -> list[Crowd]:
        """The members before the labelled rows (where there are any) and the free ones: one child of the sandbox, each model loaded once."""
        tables = [self.plan.data.columns] if self.plan.data is not None else []
        if self.free is not (tables[0] if tables else None):
            tables.append(self.free)
        return crowds_of(self.plan, tables, self.note, self.heard)

    @cached_property
    def crowd(self) -> Crowd:
        """The members' answers for the labelled rows."""
        return self._crowds[0]

    @cached_property
    def free_crowd(self) -> Crowd:
        """The members' answers for the rows without labels."""
        return self._crowds[-1]


def crowds_of(plan: Plan, tables: list[dict[str, np.ndarray]], note: Callable[[str], None] = lambda words: None,
              heard: Callable[[int, dict[str, Any]], None] = lambda place, said: None) -> list[Crowd]:
    """All members' answers for the raw rows of each table, in one child of the sandbox."""
    lengths = [len(next(iter(table.values()))) for table in tables]
    whole = {name: np.concatenate([np.asarray(table[name], dtype=object if table[name].dtype.kind in "OU" else None) for table in tables]) for name in tables[0]}
    crowd = crowd_of(plan, whole, plan.space.encode(whole), note, heard)
    ends = np.cumsum([0, *lengths])
    return [crowd.rows(np.arange(start, stop)) for start, stop in zip(ends, ends[1:], strict=False)]


def crowd_of(plan: Plan, columns: dict[str, np.ndarray], X: np.ndarray, note: Callable[[str], None] = lambda words: None,
             heard: Callable[[int, dict[str, Any]], None] = lambda place, said: None) -> Crowd:
    """All members' answers for raw rows, in one child of the sandbox."""
    asked = [{"name": m.reference, "path": str(m.path), "manifest": m.manifest.to_json()} for m in plan.members]
    outputs = sandbox.shared().predict(asked, plan.space.to_json(), columns, note=note, heard=heard)
    return around(plan, [aligned(output, m.manifest, plan.classes) for output, m in zip(outputs, plan.members, strict=True)], X)


def around(plan: Plan, outputs: list[np.ndarray], X: np.ndarray) -> Crowd:
    """The plan's members with their aligned answers for rows X."""
    return Crowd(outputs=outputs, X=X, rkmes=[m.rkme for m in plan.members], weights=np.array([m.weight for m in plan.members], dtype=float),
                 distances=distances(plan.requirement, [m.rkme for m in plan.members]), classes=plan.classes, requirement=plan.requirement)


def aligned(output: np.ndarray, manifest: Manifest, classes: tuple[str, ...]) -> np.ndarray:
    """A member's output in the plan's class order, nan for classes it never saw; values as they are."""
    return combine.align(output, manifest.classes, classes) if classes else output


def apply(document: dict[str, Any], crowd: Crowd) -> np.ndarray:
    """Combine the members' answers as a predictor's document says; (n, classes) or (n,)."""
    if document["method"] == "blend":
        output = sum(part["share"] * apply(part["combine"], crowd.part(part["members"])) for part in document["parts"])
        return combine.tempered(output, document["temperature"]) if document.get("temperature") else output
    kind, _, name = document["method"].partition("/")
    if kind != "ensemble":
        raise ReuseError("wrong-predictor", f"Answers are combined by an ensemble method; got {document['method']!r}.")
    module = import_module(f"reuse.ensemble.{name.replace('-', '_')}")
    if document.get("state") is not None:
        output = module.apply(crowd, document["state"])
    elif hasattr(module, "answer") and not hasattr(module, "fit"):
        output = module.answer(crowd, **document["params"])
    else:
        output = crowd.answer(module.weigh(crowd, **document["params"]), module.UNSEEN)
    return combine.tempered(output, document["temperature"]) if document.get("temperature") else output


def nearest(plan: Plan) -> int:
    """The member whose data lie nearest to the requirement; without one, the heaviest."""
    far = distances(plan.requirement, [m.rkme for m in plan.members])
    return int(np.lexsort((-np.array([m.weight for m in plan.members]), far))[0])


def points_of(rkme: Rkme) -> tuple[np.ndarray, np.ndarray]:
    """A specification's points and their shares, as stand-ins for the rows behind it."""
    return rkme.points.astype(np.float64), rkme.distribution

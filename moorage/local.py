"""The same reuse on the requester's own machine: the models are fetched, the rows stay here."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import specs
from moorage import folders, tables
from moorage.errors import Refused


@dataclass(frozen=True)
class Local:
    """What was made here: the predictor's folder, its evidence and its lineage."""

    folder: Path
    evidence: dict[str, Any]
    lineage: dict[str, Any]


def reuse(
    market: Any, match: Any, out: str | Path, *, data: Any = None, target: str | None = None, rows: Any = None, method: str = "auto",
    params: dict[str, Any] | None = None, budget_s: float = 600.0, seen: Callable[[str, float], None] = lambda words, done: None,
) -> Local:
    """Carry out a reuse of a match on this machine, into the new folder `out`; see Market.reuse_here."""
    try:
        from reuse import engine, registry
        from reuse.errors import ReuseError
        from reuse.manifest import Manifest
        from reuse.sandbox import probe
    except ImportError as error:
        raise Refused(f"Reuse on this machine needs {error.name or 'torch'}, which is not installed.", code="no-reuse", hint='pip install "moorage[reuse]"') from None
    probe.on_own_machine()
    out = Path(out)
    folders.insist_on_new(out)
    proposed = market._wire.get(f"matches/{match.id}/members", method=method)
    output, target = proposed["output"], target or proposed["output"]["target"]
    with tempfile.TemporaryDirectory(prefix="moorage-local-") as scratch:
        space = None

        def fetched(entry: dict[str, Any], number: int) -> Any:
            nonlocal space
            folder = market.download(entry["reference"], Path(scratch) / str(number))
            manifest = Manifest.read_bytes((folder / "learnware.json").read_bytes())
            specification = specs.Specification.read(folder / "specification.json")
            space = space or specification.space
            published = folder / "statistics.safetensors"
            return engine.Member(entry["reference"], folder / manifest.model["file"], manifest, specification.rkme, entry["weight"], manifest.licence,
                                 published if published.is_file() else None)

        members = []
        for i, entry in enumerate(proposed["members"]):
            seen(f"Fetching {entry['reference']}", 0.2 * i / len(proposed["members"]))
            members.append(fetched(entry, i))
        base = fetched({"reference": proposed["base"], "weight": 0.0}, len(members)) if proposed["base"] else None
        found = registry.find(method)
        plan = engine.Plan(
            members=members, kind=found.kind, method=found.name, params=params or {}, space=space, output=output, requirement=match.requirement.rkme if match.requirement else None,
            data=_labelled(data, target, space, output) if data is not None else None, rows=_columns(rows, space) if rows is not None else None, base=base, budget_s=budget_s,
        )
        try:
            outcome = engine.run(plan, workdir=Path(scratch) / "work", progress=lambda stage, done, words: seen(words, 0.2 + 0.8 * done))
        except (ReuseError, specs.SpecError) as error:
            raise Refused(error.message, code=error.code, hint=error.hint) from None
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.rmdir()
        shutil.move(outcome.folder, out)
    return Local(out, outcome.evidence, outcome.lineage)


def _columns(frame: Any, space: specs.Space) -> dict[str, np.ndarray]:
    from specs.columns import numbers, raw_columns, texts

    table = raw_columns(tables.read(frame) if isinstance(frame, str | Path) else frame)
    missing = [column.name for column in space.columns if column.name not in table]
    if missing:
        raise Refused(f"The table must have all {len(space.columns)} columns of the space; missing: {', '.join(missing[:8])}.", code="bad-data", hint="Name the columns as the space does.")
    return {c.name: numbers(table[c.name], c.name) if c.type == "numeric" else texts(table[c.name]) for c in space.columns}


def _labelled(data: Any, target: str, space: specs.Space, output: dict[str, Any]) -> Any:
    from reuse.engine import Labelled
    from reuse.formats.skops import class_name

    frame = tables.read_labelled(data, target) if isinstance(data, str | Path) else data
    tables.check_target(frame, target)
    frame = frame[frame[target].notna()]
    if output["kind"] == "value":
        try:
            labels = frame[target].to_numpy(dtype=float)
        except (TypeError, ValueError):
            raise Refused(f"Column {target!r} must hold numbers: the models predict a value.", code="bad-data", hint="Leave out rows whose label is no number.") from None
    else:
        labels = np.array([_known(class_name(value), output["classes"]) for value in frame[target]], dtype=object)
    return Labelled(_columns(frame, space), labels)


def _known(name: str, classes: list[str]) -> str:
    """pandas reads whole-number labels as 1.0 as soon as one is missing."""
    return name[:-2] if name not in classes and name.endswith(".0") and name[:-2] in classes else name

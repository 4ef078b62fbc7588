"""From a fitted model to a folder that can be pushed: model file, specification.json, learnware.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import specs
from moorage import tables
from moorage.errors import Refused


def prepare(
    market: Any, folder: Path, model: Any, X_train: Any, y_train: Any, *, name: str, licence: str, version: str, title: str, card: str,
    target: str | None, unit: str | None, task: str | None, classes: list[str] | None, takes: str | None, space: specs.Space | str | None, base: str | None, labels: bool = False, statistics: bool = False, evaluation: dict[str, Any] | None = None, scenario: tuple[str, ...] = (),
) -> Path:
    """Write the three files into `folder`; the training rows are reduced here and stay here."""
    from reuse import ReuseError, formats
    from reuse.manifest import FORMAT, Manifest

    frame = as_frame(X_train)
    target = target or getattr(y_train, "name", None) or "target"
    task = task or ("classification" if classes or hasattr(model, "classes_") else tables.task_of(y_train))
    if not isinstance(space, specs.Space):
        space = market._space_for(frame, "found" if space is None else space, name=title or name)
    try:
        part = formats.export(model, folder)
    except ReuseError as error:
        raise Refused(error.message, code=error.code, hint=error.hint) from None
    output = {"kind": "value", "target": target, "unit": unit}
    if task == "classification":
        output = {"kind": "classes", "target": target, "classes": classes or _classes(model, y_train)}
    document = {
        "format": FORMAT, "name": name, "version": version, "title": title, "task": task, "output": output, "model": part,
        "input": {"space": space.id, "takes": takes or ("coordinates" if part["format"] == "safetensors" else "columns")},
        "licence": licence, "base": _base(base), "parents": [], "card": card,
        "evaluation": evaluation or {}, "scenario": list(scenario),
    }
    try:
        manifest = Manifest.read(document)
    except ReuseError as error:
        raise Refused(error.message, code=error.code, hint=error.hint, fields=getattr(error, "fields", None)) from None
    rkme = specs.describe(frame, space)
    if labels:
        rkme = specs.attach(rkme, space.encode(frame), _as_named(y_train, output.get("classes")), kind="values" if task == "regression" else "classes")
    if statistics:
        _publish(model, space.encode(frame), task == "classification", folder)
    specification = specs.Specification(space, rkme, {"task": task, "target": target, "name": name})
    specification.write(folder / "specification.json")
    (folder / "learnware.json").write_text(json.dumps(manifest.to_json(), indent=1))
    return folder


def _publish(model: Any, X: Any, classifier: bool, folder: Path) -> None:
    from reuse.weights import statistics

    if not hasattr(model, "state_dict"):
        raise Refused("Statistics are for merging, and only torch modules are merged.", code="statistics-not-wanted", hint="Leave statistics out.")
    statistics.write(folder / statistics.FILE, statistics.grams(model, X) | statistics.fishers(model, X, classifier=classifier))


def of_predictor(folder: Path, out: Path, *, name: str, licence: str, version: str, title: str, card: str) -> Path:
    """Write the three files for a predictor's folder into `out`; raises Refused where licences clash or a word breaks a rule."""
    from reuse import ReuseError, lineage, offering, predictor
    from specs import SpecError

    try:
        parts = [member["licence"] for member in predictor.load(folder).document["lineage"].get("members", [])]
        due = lineage.licence(parts)
        if due is None:
            raise Refused(f"No licence satisfies all members ({', '.join(sorted(set(parts)))}).", code="licences-clash", hint="Reuse members whose licences agree.")
        if licence and lineage.licence([*parts, licence]) != licence:
            raise Refused(f"The members' licences ask for {due} at least; got {licence}.", code="licence-not-allowed", hint=f"Offer it under {due}.")
        return offering.learnware(folder, out, name=name, licence=licence or due, version=version, title=title, card=card)
    except (ReuseError, SpecError) as error:
        raise Refused(error.message, code=error.code, hint=error.hint, fields=getattr(error, "fields", None)) from None


def read(folder: Path, *, progress: Callable[[str, int, int], None] | None = None) -> tuple[Any, Path, bytes]:
    """(checked manifest, path of the model, bytes of the specification) of a folder; raises Refused before a byte is sent.

    `progress(words, done, total)` is told how far the hashing is.
    """
    from moorage.http import digest
    from reuse import ReuseError, formats
    from reuse.manifest import Manifest

    for file in ("learnware.json", "specification.json"):
        if not (folder / file).is_file():
            hint = "Write one as docs/manifest.md shows." if file == "learnware.json" else "Make it with: moorage describe training.csv -o specification.json"
            raise Refused(f"{folder} has no {file}.", code="no-file", hint=hint)
    try:
        manifest = Manifest.read_bytes((folder / "learnware.json").read_bytes())
        model = folder / manifest.model["file"]
        if not model.is_file():
            raise Refused(f"{folder} has no {model.name}, which learnware.json names.", code="no-file", hint="Put the model file beside it.")
        told = (lambda done, total: progress(f"Hashing {model.name}", done, total)) if progress else None
        if digest(model, told) != manifest.model["sha256"]:
            raise Refused(f"{model.name} is not the file that learnware.json names: their SHA-256 differ.", code="wrong-digest",
                          hint="Write learnware.json again after exporting the model.")
        formats.identify(model)
        specification = specs.Specification.read(folder / "specification.json")
    except (ReuseError, specs.SpecError) as error:
        raise Refused(error.message, code=error.code, hint=error.hint, fields=getattr(error, "fields", None)) from None
    return manifest, model, specification.to_bytes()


def as_frame(X: Any) -> Any:
    """A DataFrame with text column names; an array's columns are called x0, x1, ..."""
    import pandas as pd

    frame = X if hasattr(X, "columns") else pd.DataFrame(X)
    if not hasattr(X, "columns"):
        frame.columns = [f"x{i}" for i in range(frame.shape[1])]
    return frame.rename(columns=str)


def _classes(model: Any, y: Any) -> list[str]:
    import numpy as np

    from reuse.formats.skops import class_name

    labels = model.classes_ if hasattr(model, "classes_") else np.unique(np.asarray(y))
    return [class_name(label) for label in labels]


def _as_named(y: Any, classes: list[str] | None) -> list[Any]:
    """Labels by the names that the manifest gives: numbers 0, 1, ... stand for the classes in order unless they are names themselves."""
    from reuse.formats.skops import class_name

    values = list(y)
    if classes is None:
        return values
    named = [class_name(value) for value in values]
    if set(named) <= set(classes):
        return named
    return [classes[int(value)] for value in values]


def _base(base: str | None) -> dict[str, str] | None:
    if base is None:
        return None
    return {"sha256": base} if "/" not in base else {"learnware": base}

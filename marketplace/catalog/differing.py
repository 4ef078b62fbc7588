"""What changed from one version of a learnware to another: words, signature, evaluation, tensors, data."""

import difflib
import math
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext, gettext_lazy

import specs
import storage
from marketplace.catalog import access, showing, tensors
from marketplace.catalog.models import Version
from specs import scores

WORDS = {  # path in the manifest -> what it is called
    "title": gettext_lazy("Title"), "task": gettext_lazy("Task"), "licence": gettext_lazy("Licence"), "base": gettext_lazy("Base"), "parents": gettext_lazy("Parents"), "scenario": gettext_lazy("Scenarios"),
}
SIGNATURE = {
    "input.space": gettext_lazy("Space"), "input.takes": gettext_lazy("Takes"), "output.kind": gettext_lazy("Gives"), "output.target": gettext_lazy("Target"), "output.unit": gettext_lazy("Unit"), "output.classes": gettext_lazy("Classes"),
    "model.format": gettext_lazy("Format"), "model.architecture.name": gettext_lazy("Architecture"), "model.architecture.config": gettext_lazy("Configuration"),
}
FILE = {"model.file": gettext_lazy("Model file"), "model.size": gettext_lazy("Size"), "model.sha256": "SHA-256"}
AROUND = 3  # unchanged lines shown beside a changed one
MOST_LINES = 2_000


def difference(old: Version, new: Version, visitor: Any) -> dict[str, Any]:
    """Everything that differs, each part empty where nothing does. Both come with `whole()`.

    `fields`, `signature`, `files` and `evaluation` are [{name, path, old, new}]; `card` [{kind, words}] of lines; `tensors` {added, removed, changed};
    `data` the distance of the two specifications, or None with the reason in `apart`.
    """
    was, now = access.manifest(visitor, old), access.manifest(visitor, new)
    data, apart = _data(old, new)
    return {
        "fields": _fields(was, now, WORDS), "signature": _fields(was, now, SIGNATURE), "files": _fields(was, now, FILE),
        "evaluation": _evaluation(was.get("evaluation") or {}, now.get("evaluation") or {}),
        "card": lines(was.get("card", ""), now.get("card", "")), "tensors": _tensors(tensors.of(old), tensors.of(new)), "data": data, "apart": apart,
    }


def tables(found: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]], str]]:
    """The parts of a difference that are tables of old and new: (title, rows, what to say where there are none)."""
    return [
        (gettext("Manifest"), found["fields"], gettext("The same words, licence and ancestors.")),
        (gettext("Signature"), found["signature"], gettext("The same input and output.")),
        (gettext("Evaluation"), found["evaluation"], gettext("The same figures.")),
        (gettext("Model file"), found["files"], gettext("The same bytes.")),
    ]


def lines(old: str, new: str) -> list[dict[str, str]]:
    """A line diff: [{kind, words}], kind one of same, added, removed, gap; empty where both are equal."""
    if old == new:
        return []
    before, after = old.splitlines()[:MOST_LINES], new.splitlines()[:MOST_LINES]
    found = []
    for number, block in enumerate(difflib.SequenceMatcher(None, before, after).get_grouped_opcodes(AROUND)):
        if number:
            found.append({"kind": "gap", "words": "…"})
        for tag, a, b, c, d in block:
            found += [{"kind": "same" if tag == "equal" else "removed", "words": words} for words in before[a:b]]
            found += [{"kind": "added", "words": words} for words in after[c:d] if tag != "equal"]
    return found


def drift(old: Version, new: Version) -> dict[str, Any] | None:
    """How far the data of two versions stand apart: {mmd, share, p_value, verdict}; None where they can not be compared."""
    return _data(old, new)[0]


def _data(old: Version, new: Version) -> tuple[dict[str, Any] | None, str]:
    if old.space_id != new.space_id:
        return None, gettext("They stand in different spaces, and distances across spaces mean nothing.")
    try:
        found = _score(old.specification_id, new.specification_id)
    except (storage.ArtifactMissing, storage.ArtifactDamaged, specs.SpecError):
        return None, gettext("A specification can not be read from the store at the moment.")
    return {"mmd": math.sqrt(found.squared_mmd), "share": found.share, "p_value": found.p_value, "verdict": found.verdict}, ""


@lru_cache(maxsize=4096)
def _score(old: str, new: str) -> scores.Score:
    """How two specifications stand to each other. Bytes never change, so neither does the answer, which takes half a second where they are large."""
    return scores.score(showing.specification(old).rkme, showing.specification(new).rkme)


def _fields(old: dict[str, Any], new: dict[str, Any], names: dict[str, str]) -> list[dict[str, Any]]:
    found = ({"name": str(name), "path": path, "old": _at(old, path), "new": _at(new, path)} for path, name in names.items())
    return [row for row in found if row["old"] != row["new"]]


def _evaluation(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [{"name": name.replace("_", " "), "path": name, "old": old.get(name), "new": new.get(name)} for name in names]


def _tensors(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    before, after = ({t["name"]: {"shape": t["shape"], "dtype": t["dtype"]} for t in rows} for rows in (old, new))
    return {
        "added": [{"name": name} | after[name] for name in after if name not in before],
        "removed": [{"name": name} | before[name] for name in before if name not in after],
        "changed": [{"name": name, "old": before[name], "new": after[name]} for name in after if name in before and before[name] != after[name]],
    }


def _at(document: dict[str, Any], path: str) -> Any:
    value: Any = document
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value if value not in ([], "") else None

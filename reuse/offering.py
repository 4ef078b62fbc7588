"""A result offered again: from a predictor's folder to the three files of a learnware, with its parents and its scores.

A model that was made (merged, tuned, distilled) is offered as itself, so that it can be merged and tuned on; an ensemble as the predictor that it is.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from reuse import cards, formats, predictor
from reuse.errors import ReuseError
from reuse.manifest import FORMAT, Manifest
from specs import Rkme, Space, Specification

SPECIFICATION = "specification.json"
MAX_POINTS = 2_000  # what the specification format holds


def learnware(folder: Path, out: Path, *, name: str, licence: str, version: str = "1.0.0", title: str = "", card: str = "") -> Path:
    """Write learnware.json, specification.json and the model file of the predictor in `folder` into the folder `out`; returns it.

    Raises ReuseError for a folder that is no predictor, and ManifestError for a name, version or licence that breaks a rule.
    """
    found = predictor.load(folder)
    document, evidence, lineage = found.document, found.document.get("evidence") or {}, found.document.get("lineage") or {}
    out.mkdir(parents=True, exist_ok=True)
    single = document.get("kind") == "single"
    if single:
        entry = document["members"][0]
        model = out / Path(entry["file"]).name
        shutil.copyfile(folder / entry["file"], model)
        own = {key: entry["manifest"][key] for key in ("input", "output", "model", "base") if key in entry["manifest"]}
    else:
        model = predictor.pack(folder, out / "predictor.zip")
        own = {"input": {"space": found.space.id, "takes": "columns"}, "output": document["output"], "base": None,
               "model": formats.describe("predictor", model)}
    output = own["output"]
    manifest = Manifest.read({
        "format": FORMAT, "task": "classification" if output["kind"] == "classes" else "regression", "parents": _parents(lineage), "scenario": [],
        "evaluation": _evaluation(evidence), "name": name, "version": version, "licence": licence,
        "title": title or f"{output['target']}: {lineage.get('method', 'reuse')} of {len(lineage.get('members', []))} learnwares"[:160],
        "card": card or cards.card(evidence, lineage, output["target"]), **own,
    })
    (out / "learnware.json").write_text(json.dumps(manifest.to_json(), indent=1))
    semantic = {"task": manifest.task, "target": output["target"], "name": name, "description": manifest.title}
    Specification(found.space, _specification(folder, found), semantic).write(out / SPECIFICATION)
    return out


def _specification(folder: Path, found: predictor.Predictor) -> Rkme:
    """What the result is for: the requirement that it was made for, else its members' data, mixed."""
    if (folder / SPECIFICATION).is_file():
        specification = Specification.read(folder / SPECIFICATION)
        if specification.space.id != found.space.id:
            raise ReuseError("wrong-predictor", "The predictor is refused: its specification stands in another space.", "Download it again.")
        return specification.rkme
    weights = np.array([entry["weight"] for entry in found.document["members"]], dtype=float)
    return mixed(list(found.rkmes), list(weights if weights.sum() > 0 else np.ones(len(weights))))


def mixed(rkmes: list[Rkme], weights: list[float]) -> Rkme:
    """The mixture of specifications as one: all their points, each weight times its member's share; the heaviest if they are too many."""
    shares = np.asarray(weights, dtype=float) / np.sum(weights)
    points = np.concatenate([rkme.points for rkme in rkmes])
    masses = np.concatenate([share * rkme.weights for rkme, share in zip(rkmes, shares, strict=True)])
    kept = np.sort(np.argsort(-masses, kind="stable")[:MAX_POINTS])
    return Rkme(points=points[kept], weights=masses[kept] * (masses.sum() / masses[kept].sum()), sigma=rkmes[0].sigma, n=sum(rkme.n for rkme in rkmes),
                space_id=rkmes[0].space_id, generator={"name": "mixture of members"})


def requirement(space: Space, rkme: Rkme | None, used: list[Any]) -> Specification | None:
    """The specification that a new predictor carries: of the requirement, else of its members' data; None for one trained from scratch without a requirement."""
    if rkme is None and not used:
        return None
    return Specification(space, rkme if rkme is not None else mixed([m.rkme for m in used], [m.weight or 1 / len(used) for m in used]), {})


def _parents(lineage: dict[str, Any]) -> list[str]:
    """References of those that the result is made of; none, where it was trained from scratch."""
    return list(dict.fromkeys(member["reference"] for member in lineage.get("members", [])))


def _evaluation(evidence: dict[str, Any]) -> dict[str, Any]:
    chosen = next((row for row in evidence.get("leaderboard", []) if row.get("chosen")), None)
    if chosen is None:
        return {}
    told = {key: chosen[key] for key in ("method", "score", "low", "high") if key in chosen}
    nested = {"nested": {key: evidence["nested"][key] for key in ("score", "low", "high")}} if evidence.get("nested") else {}
    return {"metric": evidence.get("metric"), "rows": evidence.get("rows"), **told, **nested}

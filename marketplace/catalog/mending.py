"""What is wrong with a learnware.json, field by field, and how to mend it."""

import json
from typing import Any

from marketplace.errors import Refused
from reuse.manifest import FORMAT, LICENCES, MODEL_FORMATS, TAKES, TASKS, Manifest, ManifestError

EXAMPLES = {
    "format": FORMAT, "name": "house-prices", "version": "1.0.0", "title": "House prices in Bonn", "task": TASKS[0], "licence": LICENCES[0],
    "input": {"space": "the space_id of specification.json", "takes": TAKES[1]}, "input.space": "the space_id of specification.json", "input.takes": TAKES[1],
    "output": {"kind": "classes", "target": "kind", "classes": ["flat", "house"]}, "output.kind": "classes", "output.target": "kind", "output.classes": ["flat", "house"],
    "output.unit": "EUR", "model.format": MODEL_FORMATS[0], "model.file": "model.safetensors", "model.size": 20480,
    "model.architecture": {"name": "mlp", "config": {"inputs": 8, "hidden": [32], "outputs": 2}}, "parents": ["alice/flats@1.0.0"], "scenario": ["housing"],
    "base": {"learnware": "alice/flats@1.0.0"},
}
MEASURED = "Run `sha256sum` over the model file, or let the client write learnware.json."


def read(document: Any) -> tuple[dict[str, Any], list[Refused]]:
    """The fields of a parsed learnware.json that stand on their own, and every problem of the others."""
    try:
        Manifest.read(document)
    except ManifestError as error:
        wrong = {path.split(".")[0] for path in error.fields}
        good = {key: value for key, value in document.items() if key not in wrong} if isinstance(document, dict) else {}
        return good, [_problem(path, text) for path, text in error.fields.items()]
    return document, []


def _problem(path: str, text: str) -> Refused:
    return Refused("wrong-manifest", f"learnware.json: {path}: {text}" if path else f"learnware.json: {text}", hint=_fix(path, text), fields={path or "manifest": text})


def _fix(path: str, text: str) -> str:
    if "there is no such field" in text:
        return "Take it out."
    if path in ("model.sha256", "model"):
        return MEASURED
    if path in EXAMPLES:
        return f"Write such as `{json.dumps({path.rsplit('.')[-1]: EXAMPLES[path]})[1:-1]}`."
    return "Let the client write learnware.json: moorage push --help" if not path else "Correct it, or leave it out."


def to_json(problem: Refused) -> dict[str, str]:
    """{field, code, message, fix} of one problem."""
    return {"field": next(iter(problem.fields), ""), "code": problem.code, "message": problem.message, "fix": problem.hint}

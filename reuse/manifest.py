"""learnware.json: what a learnware says of itself. One validator for client, page and server.

docs/manifest.md shows a whole one. Nothing here opens the model.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reuse.errors import ReuseError
from specs import SpecError, strict_json

FORMAT = "moorage.learnware/1"
MAX_BYTES = 1 << 20
MAX_CARD = 64 * 1024
TASKS = ("classification", "regression")
TAKES = ("coordinates", "columns")
MODEL_FORMATS = ("safetensors", "skops", "onnx", "xgboost", "lightgbm", "predictor")
LICENCES = (
    "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0",
    "CC-BY-NC-4.0", "MPL-2.0", "LGPL-3.0", "GPL-2.0", "GPL-3.0", "AGPL-3.0", "ODbL-1.0",
)
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?")
OWNER = re.compile(r"[\w.@+-]{0,150}")
VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
REFERENCE = re.compile(r"[\w.@+-]{1,150}/[a-z0-9-]{1,80}@\d+\.\d+\.\d+")
SHA256 = re.compile(r"[0-9a-f]{64}")
STATISTICS = "statistics.safetensors"  # what owners may publish beside a model
RESERVED = ("learnware.json", "specification.json", STATISTICS)  # what stands beside a model
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ManifestError(ReuseError):
    """A manifest that breaks rules; `fields` maps each path to what is wrong there."""

    def __init__(self, fields: dict[str, str]) -> None:
        first = next(iter(fields.items()))
        more = f" ({len(fields) - 1} more)" if len(fields) > 1 else ""
        super().__init__("wrong-manifest", f"learnware.json is wrong: {first[0]}: {first[1]}{more}",
                         "Mend the fields that are named and offer it again.")
        self.fields = fields


@dataclass(frozen=True)
class Manifest:
    """A checked learnware.json."""

    name: str
    version: str
    task: str
    input: dict[str, str]
    output: dict[str, Any]
    model: dict[str, Any]
    licence: str
    owner: str = ""
    title: str = ""
    base: dict[str, str] | None = None
    parents: tuple[str, ...] = ()
    card: str = ""
    evaluation: dict[str, Any] = field(default_factory=dict)
    scenario: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """The model's format."""
        return self.model["format"]

    @property
    def takes(self) -> str:
        """coordinates or columns."""
        return self.input["takes"]

    @property
    def is_classifier(self) -> bool:
        """Whether it gives probabilities of classes."""
        return self.task == "classification"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the model's outputs; empty for regression."""
        return tuple(self.output.get("classes", ()))

    @property
    def outputs(self) -> int:
        """How many numbers it gives a row."""
        return len(self.classes) or 1

    def to_json(self) -> dict[str, Any]:
        """The document, with every field."""
        return {
            "format": FORMAT, "name": self.name, "owner": self.owner, "version": self.version, "title": self.title, "task": self.task,
            "input": dict(self.input), "output": dict(self.output), "model": dict(self.model), "licence": self.licence,
            "base": self.base, "parents": list(self.parents), "card": self.card, "evaluation": dict(self.evaluation),
            "scenario": list(self.scenario),
        }

    @classmethod
    def read(cls, document: Any) -> "Manifest":
        """Check a parsed learnware.json; raises ManifestError with every field that is wrong."""
        if not isinstance(document, dict):
            raise ManifestError({"": f"it must be an object; got {type(document).__name__}."})
        wrong: dict[str, str] = {}
        _keys(document, KEYS, REQUIRED, "", wrong)
        for key, check in CHECKS.items():
            if key in document and (why := check(document[key])):
                wrong.update({f"{key}.{path}" if path else key: text for path, text in why.items()})
        if not wrong:
            wanted = "classes" if document["task"] == "classification" else "value"
            if document["output"]["kind"] != wanted:
                wrong["output.kind"] = f"a {document['task']} model has output kind {wanted!r}; got {document['output']['kind']!r}."
        if wrong:
            raise ManifestError(wrong)
        values = {key: document[key] for key in KEYS - {"format"} if key in document}
        for key in ("parents", "scenario"):
            values[key] = tuple(values.get(key, ()))
        return cls(**values)

    @classmethod
    def read_bytes(cls, data: bytes) -> "Manifest":
        """Check the bytes of a learnware.json."""
        try:
            return cls.read(strict_json.loads(data, most=MAX_BYTES, what="learnware.json"))
        except SpecError as error:
            raise ManifestError({"": error.message}) from None


def _keys(document: dict, known: set[str], required: set[str], where: str, wrong: dict[str, str]) -> None:
    for key in sorted(required - set(document)):
        wrong[f"{where}{key}"] = "it is required and missing."
    for key in sorted(set(document) - known, key=str):
        wrong[f"{where}{key}"] = f"there is no such field; there are {', '.join(sorted(known))}."


def _text(most: int, least: int = 0) -> Callable[[Any], dict[str, str]]:
    def check(value: Any) -> dict[str, str]:
        if isinstance(value, str) and least <= len(value) <= most:
            return {}
        return {"": f"it must be text of {least} to {most:,} characters; got {_short(value)}."}

    return check


def _matching(pattern: re.Pattern[str], rule: str) -> Callable[[Any], dict[str, str]]:
    def check(value: Any) -> dict[str, str]:
        if isinstance(value, str) and pattern.fullmatch(value):
            return {}
        return {"": f"it must be {rule}; got {_short(value)}."}

    return check


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], dict[str, str]]:
    def check(value: Any) -> dict[str, str]:
        if isinstance(value, str) and value in choices:
            return {}
        return {"": f"it must be one of {', '.join(choices)}; got {_short(value)}."}

    return check


def _object(checks: dict[str, Callable], required: set[str]) -> Callable[[Any], dict[str, str]]:
    def check(value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            return {"": f"it must be an object; got {_short(value)}."}
        wrong: dict[str, str] = {}
        _keys(value, set(checks), required, "", wrong)
        for key, inner in checks.items():
            if key in value:
                wrong.update({f"{key}.{path}" if path else key: why for path, why in inner(value[key]).items()})
        return wrong

    return check


def _output(value: Any) -> dict[str, str]:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "classes":
        return _object({"kind": _text(10), "target": _text(120, 1), "classes": _classes}, {"kind", "target", "classes"})(value)
    if kind == "value":
        checks = {"kind": _text(10), "target": _text(120, 1), "unit": lambda v: {} if v is None else _text(40)(v)}
        return _object(checks, {"kind", "target"})(value)
    return {"kind": f"it must be 'classes' or 'value'; got {_short(kind)}."}


def _classes(value: Any) -> dict[str, str]:
    if not isinstance(value, list) or not 2 <= len(value) <= 1000:
        return {"": "it must be a list of 2 to 1,000 class names."}
    if not all(isinstance(name, str) and 1 <= len(name) <= 200 for name in value):
        return {"": "each class name must be text of 1 to 200 characters."}
    if len(set(value)) != len(value):
        return {"": "each class may stand once; some repeat."}
    return {}


def _file(value: Any) -> dict[str, str]:
    if value in RESERVED:
        return {"": f"{value} is the name of another file of the offer; name it model.safetensors, say."}
    return _matching(FILE, "a plain file name")(value)


def _size(value: Any) -> dict[str, str]:
    return {} if type(value) is int and 0 < value < 2**40 else {"": f"it must be a whole number of bytes; got {_short(value)}."}


def _architecture(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    config = lambda c: {} if isinstance(c, dict) and len(c) <= 30 else {"": "it must be a small object."}  # noqa: E731
    return _object({"name": _matching(re.compile(r"[a-z][a-z0-9_]{0,30}"), "a registered name"), "config": config}, {"name", "config"})(value)


def _model(value: Any) -> dict[str, str]:
    wrong = _object(
        {"format": _one_of(MODEL_FORMATS), "file": _file, "sha256": _matching(SHA256, "64 hex digits"),
         "size": _size, "architecture": _architecture},
        {"format", "file", "sha256", "size"},
    )(value)
    if not wrong and value["format"] == "safetensors" and not value.get("architecture"):
        wrong["architecture"] = "a safetensors model names its architecture (linear, mlp, cnn)."
    return wrong


def _base(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, dict) and len(value) == 1:
        return _object({"learnware": _matching(REFERENCE, "owner/name@1.0.0"), "sha256": _matching(SHA256, "64 hex digits")}, set())(value)
    return {"": "it must be null, {learnware: owner/name@1.0.0} or {sha256: digest}."}


def _references(value: Any) -> dict[str, str]:
    if isinstance(value, list) and len(value) <= 50 and all(isinstance(v, str) and REFERENCE.fullmatch(v) for v in value):
        return {}
    return {"": "it must be a list of at most 50 references such as owner/name@1.0.0."}


def _words(value: Any) -> dict[str, str]:
    if isinstance(value, list) and len(value) <= 20 and all(isinstance(v, str) and 1 <= len(v) <= 40 for v in value):
        return {}
    return {"": "it must be a list of at most 20 short words."}


def _facts(value: Any) -> dict[str, str]:
    return {} if isinstance(value, dict) and len(str(value)) <= 20_000 else {"": "it must be an object of at most 20,000 characters."}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


CHECKS: dict[str, Callable[[Any], dict[str, str]]] = {
    "format": _one_of((FORMAT,)),
    "name": _matching(SLUG, "a slug of 1 to 80 lower-case letters, digits and hyphens"),
    "owner": _matching(OWNER, "a user name, or empty"),
    "version": _matching(VERSION, "three numbers such as 1.0.0"),
    "title": _text(160),
    "task": _one_of(TASKS),
    "input": _object({"space": _matching(SHA256, "the id of a space"), "takes": _one_of(TAKES)}, {"space", "takes"}),
    "output": _output,
    "model": _model,
    "licence": _one_of(LICENCES),
    "base": _base,
    "parents": _references,
    "card": _text(MAX_CARD),
    "evaluation": _facts,
    "scenario": _words,
}
KEYS = set(CHECKS)
REQUIRED = {"format", "name", "version", "task", "input", "output", "model", "licence"}

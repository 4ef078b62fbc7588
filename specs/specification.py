"""The file: a space, an RKME in it, and the words that go with them (docs/specification-format.md)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from specs import strict_json
from specs.checks import SpecError
from specs.labels import Labels
from specs.packed import MAX_BYTES, pack, unpack
from specs.rkme import Rkme
from specs.space import Space, canonical

FORMAT = "moorage.specification/1"
MAX_N = 10**12
MAX_COORDINATE = 1e4  # in scales of the founder's data
TASKS = ("classification", "regression")
KEYS = {"format", "space", "space_id", "generator", "n", "fit", "points", "weights", "semantic"}
OPTIONAL = {"labels"}


@dataclass(frozen=True)
class Specification:
    """A specification or a requirement: the same file, once beside a model, once without one."""

    space: Space
    rkme: Rkme
    semantic: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Canonical JSON; the same content gives the same bytes."""
        document = {
            "format": FORMAT,
            "space": self.space.to_json(),
            "space_id": self.space.id,
            "generator": self.rkme.generator,
            "n": self.rkme.n,
            "fit": self.rkme.fit,
            "points": pack(self.rkme.points, "float32"),
            "weights": pack(self.rkme.weights, "float64"),
            "semantic": self.semantic,
        }
        if self.rkme.labels is not None:
            document["labels"] = self.rkme.labels.to_json()
        return canonical(document)

    def write(self, path: str | Path) -> Path:
        """Write the file; returns its path."""
        path = Path(path)
        path.write_bytes(self.to_bytes())
        return path

    @classmethod
    def read(cls, path: str | Path) -> "Specification":
        """Read and check a file; raises SpecError for whatever is wrong."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise SpecError("no-file", f"{path} can not be read: {error.strerror}.") from None
        return cls.from_bytes(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Specification":
        """Read and check everything; raises SpecError with a reason code for whatever is wrong."""
        document = strict_json.loads(data, most=MAX_BYTES, what="A specification", parts=strict_json.MAX_PARTS)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise SpecError("wrong-format", f"A specification must be an object of format {FORMAT!r}.",
                            "Make one with: moorage describe data.csv -o task.json")
        wrong = (set(document) - OPTIONAL) ^ KEYS
        if wrong:
            raise SpecError("wrong-keys", f"A specification has the keys {', '.join(sorted(KEYS))}; wrong or missing: {', '.join(sorted(wrong))}.")
        space = Space.from_json(document["space"])
        if document["space_id"] != space.id:
            raise SpecError("wrong-space-id", "space_id must be the SHA-256 of the space; it is another one.")
        points = _points(document["points"], space)
        rkme = Rkme(
            points=points,
            weights=unpack(document["weights"], "weights", "float64", 1),
            labels=Labels.from_json(document["labels"], len(points)) if "labels" in document else None,
            sigma=space.sigma,
            n=_n(document["n"]),
            space_id=space.id,
            fit=_fit(document["fit"]),
            generator=_generator(document["generator"]),
        )
        if rkme.n < rkme.size:
            raise SpecError("wrong-n", f"n must be at least the number of points; got {rkme.n} for {rkme.size} points.")
        return cls(space, rkme, _semantic(document["semantic"]))


def _points(document: Any, space: Space) -> np.ndarray:
    points = unpack(document, "points", "float32", 2)
    if points.shape[1] != space.d:
        raise SpecError("wrong-width", f"Points of this space have {space.d} coordinates; got {points.shape[1]}.")
    if np.abs(points).max() > MAX_COORDINATE:
        raise SpecError("implausible-points", f"Coordinates must lie within ±{MAX_COORDINATE:g} scales; got {np.abs(points).max():.3g}.")
    return points


def _n(n: Any) -> int:
    if type(n) is not int or not 1 <= n <= MAX_N:
        raise SpecError("wrong-n", f"n, the rows stood for, must be a whole number from 1 to {MAX_N:,}; got {str(n)[:30]}.")
    return n


def _fit(fit: Any) -> float | None:
    if fit is not None and (isinstance(fit, bool) or not isinstance(fit, int | float) or not 0 <= fit <= 4):
        raise SpecError("wrong-fit", f"fit must be a squared MMD from 0 to 4 or null; got {fit!r}.")
    return None if fit is None else float(fit)


def _generator(generator: Any) -> dict[str, Any]:
    plain = isinstance(generator, dict) and len(generator) <= 8
    if not plain or not all(isinstance(v, str | int | float) and len(str(v)) <= 100 for v in generator.values()):
        raise SpecError("wrong-generator", "generator must be a small object of texts and numbers.")
    return generator


def _semantic(words: Any) -> dict[str, Any]:
    if not isinstance(words, dict) or set(words) - {"task", "target", "name", "description"}:
        raise SpecError("wrong-semantic", "semantic may hold task, target, name and description, and no more.")
    for key, most in (("target", 200), ("name", 200), ("description", 5_000)):
        if words.get(key) is not None and not (isinstance(words[key], str) and len(words[key]) <= most):
            raise SpecError("wrong-semantic", f"semantic.{key} must be text of at most {most:,} characters.")
    if words.get("task") not in (None, *TASKS):
        raise SpecError("wrong-semantic", f"semantic.task must be one of {', '.join(TASKS)}; got {words['task']!r}.")
    return words

"""Specifications of the `learnware` package: its stat.json / rkme.json and zips, read as data and written so that it reads them.

Their kernel is exp(-gamma ||x - y||^2) on raw features. Distances measured in bandwidths, 1 / sqrt(2 gamma), give the same kernel with sigma 1, so
their files stand in a space whose columns are numbers divided by the bandwidth: one space for each (columns, gamma). Nothing that a file names is
imported or called, and models in a zip are not opened.
"""

import json
import math
import zipfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from specs import strict_json
from specs.checks import SpecError
from specs.columns import Column
from specs.rkme import Rkme
from specs.space import MAX_COORDINATES, Space
from specs.specification import MAX_COORDINATE, Specification

MAX_STAT = 64 * 2**20
MAX_ZIP_FILES = 5_000
MAX_YAML = 256 * 2**10
CLASSES = {"RKMETableSpecification", "RKMEStatSpecification", "RKMETextSpecification"}
TASKS = {"Classification": "classification", "Regression": "regression"}


@dataclass(frozen=True)
class Imported:
    """A specification, what was said beside it in their words, the files of the zip, and what had to be mended or left out."""

    specification: Specification
    semantic: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def from_stat_json(data: bytes, *, names: list[str] | None = None, semantic: dict[str, Any] | None = None) -> Imported:
    """Read stat.json or rkme.json: keys z, beta, gamma, num_points, type (missing in old files: a table).

    `names` name the columns (else x0, x1, ...). Raises SpecError for another class, numbers that are not finite, weights below 0 or a gamma out of bounds.
    """
    document = strict_json.loads(data, most=MAX_STAT, what="A learnware specification")
    if not isinstance(document, dict):
        raise SpecError("wrong-stat", "stat.json must be an object.")
    kind = document.get("type", "RKMETableSpecification")
    if kind not in CLASSES:
        raise SpecError("wrong-stat", f"Only {', '.join(sorted(CLASSES))} can be compared as clouds of points; this is a {str(kind)[:60]}.",
                        "Images are whitened per file there and heterogeneous maps live in their market: describe the data anew with: moorage describe")
    gamma, rows = document.get("gamma"), document.get("num_points")
    if isinstance(gamma, bool) or not isinstance(gamma, int | float) or not 1e-12 <= gamma <= 1e12:
        raise SpecError("wrong-stat", f"gamma must be a number from 1e-12 to 1e12; got {str(gamma)[:40]}.")
    z, beta = _array(document.get("z"), "z"), _array(document.get("beta"), "beta")
    if z.ndim < 2 or beta.shape != (len(z),) or 0 in z.shape:
        raise SpecError("wrong-stat", f"z must be (K, ...) and beta (K,); got {z.shape} and {beta.shape}.")
    z = z.reshape(len(z), -1)
    if z.shape[1] > MAX_COORDINATES:
        raise SpecError("wrong-stat", f"A row may have at most {MAX_COORDINATES:,} numbers; got {z.shape[1]:,}.")
    if (beta < 0).any() or not beta.sum() > 0:
        raise SpecError("wrong-stat", "beta must be at least 0 and not all 0.")
    notes = []
    if beta.sum() > 1 + 1e-3:  # a mass below 1 is kept: ours have one, and theirs may be exported from ours
        notes.append(f"beta summed to {beta.sum():.4g}; it was brought to 1.")
        beta = beta / beta.sum()
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        notes.append("num_points is missing: the specification counts as many rows as it has points, so nothing can be told from chance.")
        rows = len(z)
    if kind == "RKMETextSpecification":
        notes.append("These are coordinates of a text encoder (384, multilingual MiniLM); they compare only with others of it.")
    space = raw_space(z.shape[1], float(gamma), names, "text" if kind == "RKMETextSpecification" else "table")
    points = z / space.columns[0].scale
    if np.abs(points).max() > MAX_COORDINATE:
        raise SpecError("implausible-points", f"z must lie within {MAX_COORDINATE:g} bandwidths (1 / sqrt(2 gamma)) of 0; got {np.abs(points).max():.3g}.",
                        "Under this gamma all rows are infinitely far from one another: describe the data anew in a standardised space.")
    kept = beta > 0
    rkme = Rkme(points=points[kept], weights=beta[kept], sigma=1.0, n=max(rows, int(kept.sum())), space_id=space.id, generator={"name": "learnware", "type": str(kind)})
    return Imported(Specification(space, rkme, semantic or {}), {}, (), tuple(notes))


def raw_space(d: int, gamma: float, names: list[str] | None = None, kind: str = "table") -> Space:
    """The space of raw features under exp(-gamma ||x - y||^2): each column a number over the bandwidth."""
    if names is not None and (len(names) != d or len(set(names)) != d):
        raise SpecError("wrong-names", f"There must be {d} different names; got {len(set(names))}.")
    scale = float(f"{1 / math.sqrt(2 * gamma):.12g}")
    columns = tuple(Column(name=name, type="numeric", location=0.0, scale=scale, missing=False) for name in names or [f"x{i}" for i in range(d)])
    return Space(name=f"learnware {kind}, gamma {gamma:.6g}", columns=columns, sigma=1.0)


def to_stat_json(specification: Specification) -> bytes:
    """The same specification as their RKMETableSpecification, which its `load` reads.

    Raises SpecError where it would not be the same: columns that are no plain numbers, or that stand on different scales.
    """
    space, rkme = specification.space, specification.rkme
    other = [column.name for column in space.columns if column.type != "numeric" or column.missing]
    scales = {column.scale for column in space.columns}
    if other or len(scales) > 1:
        why = f"the column {other[0]!r} is no plain number" if other else "columns stand on different scales"
        raise SpecError("not-exportable", f"The learnware package knows raw numbers under one gamma; {why}.", "Only specifications of such spaces export without loss (imported ones do).")
    scale = scales.pop()
    z = rkme.points.astype(np.float64) * scale + np.array([column.location for column in space.columns])
    document = {
        "z": z.tolist(), "beta": rkme.weights.tolist(), "gamma": 1 / (2 * (space.sigma * scale) ** 2), "num_points": rkme.n, "type": "RKMETableSpecification",
    }
    return json.dumps(document, separators=(",", ":")).encode()


def from_zip(data: bytes) -> Imported:
    """Read a zip of the package: its learnware.yaml says where the statistical specification lies; semantic_specification.json gives words.

    Entries are read, never unpacked; absolute paths, `..`, links, encrypted or oversized entries are refused; YAML is read with no tags, anchors or aliases.
    """
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, ValueError) as error:
        raise SpecError("not-zip", f"A learnware comes as a zip; {error}.") from None
    with archive:
        names = archive.namelist()
        if len(names) > MAX_ZIP_FILES or len(set(names)) != len(names):
            raise SpecError("wrong-zip", f"The zip must hold at most {MAX_ZIP_FILES:,} files, each name once; it has {len(names):,}.")
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or (entry.external_attr >> 28) == 0xA or entry.flag_bits & 1:
                raise SpecError("wrong-zip", f"The entry {entry.filename[:80]!r} is absolute, leads outside, is a link or is encrypted.")
        about = [name for name in names if PurePosixPath(name).name == "learnware.yaml" and len(PurePosixPath(name).parts) <= 2]
        if len(about) != 1:
            raise SpecError("wrong-zip", f"The zip must hold one learnware.yaml, at its top or in one folder; it has {len(about)}.")
        folder = PurePosixPath(about[0]).parent
        said = _yaml(_read(archive, about[0], MAX_YAML))
        words, column_names = {}, None
        semantic_name = str(folder / _text(said.get("semantic_specification"), "file_name", "semantic_specification.json"))
        if semantic_name in names:
            words = strict_json.loads(_read(archive, semantic_name, 2**20), most=2**20, what="semantic_specification.json")
        listed = said.get("stat_specifications")
        if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
            raise SpecError("wrong-zip", "learnware.yaml must list stat_specifications.")
        chosen = next((one for one in listed if one.get("class_name") in CLASSES), None)
        if chosen is None:
            kinds = ", ".join(str(one.get("class_name"))[:40] for one in listed)
            raise SpecError("wrong-stat", f"The learnware has no specification of points ({', '.join(sorted(CLASSES))}); it has {kinds}.")
        stat = str(folder / _text(chosen, "file_name", "stat.json"))
        if stat not in names:
            raise SpecError("wrong-zip", f"learnware.yaml names {stat!r}, which the zip does not hold.")
        raw = _read(archive, stat, MAX_STAT)
        column_names = _column_names(words)
        try:
            found = from_stat_json(raw, names=column_names, semantic=_semantic(words))
        except SpecError as error:
            if error.code != "wrong-names":
                raise
            found = from_stat_json(raw, semantic=_semantic(words))
        models = tuple(name for name in names if name not in {about[0], stat, semantic_name} and not name.endswith("/"))
        note = ("Its model is code and was not opened: offer it as safetensors, skops or ONNX (moorage convert).",) if models else ()
        return Imported(found.specification, words if isinstance(words, dict) else {}, models, found.notes + note)


def _array(value: Any, name: str) -> np.ndarray:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SpecError("wrong-stat", f"{name} must be nested lists of numbers of one shape.") from None
    if not np.isfinite(array).all():
        raise SpecError("not-finite", f"{name} must be finite; some numbers are not.")
    return array


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    # The size a zip declares is a claim: what comes out is counted.
    try:
        with archive.open(name) as file:
            data = file.read(most + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise SpecError("wrong-zip", f"{name[:80]!r} can not be read: {str(error)[:100]}.") from None
    if len(data) > most:
        raise SpecError("too-large", f"{name[:80]!r} must be at most {most:,} bytes.")
    return data


def _yaml(data: bytes) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise SpecError("no-yaml", "Zips of the learnware package are read with PyYAML, which is not installed.", "Run: pip install PyYAML") from None

    class Plain(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise yaml.YAMLError("anchors and aliases are not taken")
            return super().compose_node(parent, index)

    try:
        said = yaml.load(data.decode("utf-8"), Plain)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SpecError("wrong-zip", f"learnware.yaml must be plain YAML; {' '.join(str(error).split())[:120]}.") from None
    if not isinstance(said, dict):
        raise SpecError("wrong-zip", "learnware.yaml must be a mapping.")
    return said


def _text(mapping: Any, key: str, default: str) -> str:
    value = mapping.get(key, default) if isinstance(mapping, dict) else default
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise SpecError("wrong-zip", f"learnware.yaml: {key} must be a file's name.")
    return value


def _semantic(words: Any) -> dict[str, Any]:
    def value(key: str) -> Any:
        entry = words.get(key) if isinstance(words, dict) else None
        found = entry.get("Values") if isinstance(entry, dict) else None
        return found[0] if isinstance(found, list) and found else found

    kept = {"task": TASKS.get(value("Task")), "name": value("Name"), "description": value("Description")}
    limits = {"task": 40, "name": 200, "description": 5_000}
    return {key: text[: limits[key]] for key, text in kept.items() if isinstance(text, str) and text}


def _column_names(words: Any) -> list[str] | None:
    """Names of the inputs, where each has one of its own."""
    entry = words.get("Input") if isinstance(words, dict) else None
    said = entry.get("Description") if isinstance(entry, dict) else None
    d = entry.get("Dimension") if isinstance(entry, dict) else None
    if not isinstance(said, dict) or not isinstance(d, int) or isinstance(d, bool) or not 1 <= d <= MAX_COORDINATES:
        return None
    names = [said.get(str(i)) for i in range(d)]
    usable = all(isinstance(name, str) and 1 <= len(name) <= 200 for name in names) and len(set(names)) == d
    return names if usable else None

"""A predictor: a folder with predictor.json, its members' files and their specifications; and the zip of it.

docs/predictor-format.md describes both. Loading checks every file; models run in the sandbox.
"""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from reuse import cards, formats, registry
from reuse.errors import ReuseError
from reuse.manifest import FILE, Manifest
from reuse.plan import Plan
from specs import Rkme, Space, SpecError, Specification, strict_json, strict_zip

FORMAT = "moorage.predictor/1"
MAX_DOCUMENT = 16 << 20
MAX_BYTES = 4 << 30
MAX_MEMBERS = 128
STAMP = (1980, 1, 1, 0, 0, 0)  # equal content gives equal bytes


@dataclass(frozen=True)
class Prediction:
    """For classes `labels` (n,) and `probabilities` (n, classes); for values `values` (n,)."""

    target: str
    classes: tuple[str, ...] = ()
    probabilities: np.ndarray | None = None
    values: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray | None:
        """The most probable class of each row (n,), None for values."""
        return None if self.probabilities is None else np.array(self.classes, dtype=object)[self.probabilities.argmax(axis=1)]


@dataclass(frozen=True)
class Predictor:
    """A checked predictor folder."""

    folder: Path
    document: dict[str, Any]
    space: Space
    manifests: tuple[Manifest, ...]
    rkmes: tuple[Rkme, ...]

    @property
    def target(self) -> str:
        """What it predicts."""
        return self.document["output"]["target"]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of its probabilities; empty for values."""
        return tuple(self.document["output"].get("classes", ()))

    def predict(self, frame: Any) -> Prediction:
        """Predict the rows of a table (DataFrame or mapping of columns); the models run in the sandbox.

        Raises SpecError when columns are missing or of another type, ReuseError when a model fails.
        """
        from reuse import sandbox

        X = self.space.encode(frame)
        columns = self._columns(frame)
        asked = [
            {"name": entry["reference"] or entry["file"], "path": str(self.folder / entry["file"]), "manifest": entry["manifest"]}
            for entry in self.document["members"]
        ]
        return self._prediction(self._combined(sandbox.shared().predict(asked, self.space.to_json(), columns), X))

    def _columns(self, frame: Any) -> dict[str, np.ndarray]:
        from specs.columns import numbers, raw_columns, texts

        table = raw_columns(frame)
        return {c.name: numbers(table[c.name], c.name) if c.type == "numeric" else texts(table[c.name]) for c in self.space.columns}

    def run(self, columns: dict[str, np.ndarray], model: Callable[[Path, Manifest], np.ndarray]) -> np.ndarray:
        """The combined answer with each member run by `model(path, manifest)`: what the sandbox does itself."""
        outputs = [model(self.folder / entry["file"], manifest) for entry, manifest in zip(self.document["members"], self.manifests, strict=True)]
        return self._combined(outputs, self.space.encode(columns))

    def _combined(self, outputs: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        from reuse.crowd import Crowd
        from reuse.recipes import aligned, apply

        entries = self.document["members"]
        crowd = Crowd(
            outputs=[aligned(output, manifest, self.classes) for output, manifest in zip(outputs, self.manifests, strict=True)],
            X=X, rkmes=list(self.rkmes), weights=np.array([entry["weight"] for entry in entries], dtype=float),
            distances=np.array([entry.get("distance", 0.0) for entry in entries], dtype=float), classes=self.classes,
        )
        return apply(self.document["combine"], crowd)

    def _prediction(self, output: np.ndarray) -> Prediction:
        return Prediction(self.target, self.classes, probabilities=output) if self.classes else Prediction(self.target, values=output)


def write(folder: Path, plan: Plan, fitted: Any, evidence: dict[str, Any], lineage: dict[str, Any]) -> Path:
    """Write a fitted recipe as a predictor folder."""
    from reuse import offering

    folder.mkdir(parents=True)
    parts = fitted.save(folder)
    document = {
        "format": FORMAT, **parts, "space": plan.space.to_json(), "output": plan.output, "evidence": _plain(evidence), "lineage": _plain(lineage),
    }
    (folder / "predictor.json").write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False))
    if (specification := offering.requirement(plan.space, plan.requirement, fitted.used)) is not None:
        specification.write(folder / offering.SPECIFICATION)
    (folder / "card.md").write_text(cards.card(document["evidence"], document["lineage"], plan.output["target"]))
    return folder


def load(folder: str | Path) -> Predictor:
    """Read and check a predictor folder; raises ReuseError or SpecError for whatever is wrong."""
    folder = Path(folder)
    try:
        data = (folder / "predictor.json").read_bytes()
    except OSError:
        raise ReuseError("no-predictor", f"{folder} holds no predictor.json.", "Download one with: moorage reuse ... -o folder/") from None
    try:
        document = strict_json.loads(data, most=MAX_DOCUMENT, what="predictor.json")
    except SpecError as error:
        raise _wrong(error.message) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _wrong(f"its format must be {FORMAT!r}.")
    entries = document.get("members")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_MEMBERS or not isinstance(document.get("combine"), dict):
        raise _wrong(f"it must have a combine part and 1 to {MAX_MEMBERS} members.")
    _check_combine(document["combine"], len(entries))
    space = Space.from_json(document.get("space"))
    manifests, rkmes = [], []
    for entry in entries:
        path = _inside(folder, entry.get("file"))
        manifest = Manifest.read(entry.get("manifest"))
        if formats.describe(manifest.format, path)["sha256"] != manifest.model["sha256"]:
            raise _wrong(f"{entry['file']} is not the file that its manifest names.", "Download the predictor again.")
        if manifest.input["space"] != space.id or manifest.format == "predictor":
            raise _wrong(f"{entry['file']} stands in another space, or is a predictor itself.")
        manifests.append(manifest)
        rkmes.append(_specification(folder, entry, space))
        if isinstance(entry.get("weight"), bool) or not isinstance(entry.get("weight"), int | float) or entry["weight"] < 0:
            raise _wrong("each member needs a weight of at least 0.")
    return Predictor(folder, document, space, tuple(manifests), tuple(rkmes))


def _check_combine(combine: dict[str, Any], members: int, *, inner: bool = False) -> None:
    """An ensemble method, or a blend of such over some of the members."""
    temperature = combine.get("temperature", 1.0)
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0.05 < temperature < 20:
        raise _wrong(f"a temperature lies between 0.05 and 20; got {str(temperature)[:40]}.")
    method = combine.get("method")
    if method == "blend" and not inner:
        parts = combine.get("parts")
        if not isinstance(parts, list) or not 1 <= len(parts) <= MAX_MEMBERS:
            raise _wrong(f"a blend has 1 to {MAX_MEMBERS} parts.")
        for part in parts:
            share, chosen = (part.get("share"), part.get("members")) if isinstance(part, dict) else (None, None)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1 or not isinstance(part.get("combine"), dict):
                raise _wrong("each part of a blend has a share from 0 to 1 and says how it combines.")
            if not isinstance(chosen, list) or not chosen or any(type(i) is not int or not 0 <= i < members for i in chosen):
                raise _wrong("each part of a blend names its members by their place.")
            _check_combine(part["combine"], len(chosen), inner=True)
        return
    known = {method.address for method in registry.every() if method.kind == "ensemble"}
    if method not in known or not isinstance(combine.get("params", {}), dict) or not isinstance(combine.get("state"), dict | type(None)):
        raise _wrong(f"it must combine by one of {', '.join(sorted(known))}; got {str(method)[:60]!r}.")
    chosen = (combine.get("state") or {}).get("members", [])
    if not isinstance(chosen, list) or any(type(i) is not int or not 0 <= i < members for i in chosen):
        raise _wrong("what was learned names members that are not there.")


def of_learnware(folder: Path) -> Predictor:
    """A downloaded learnware (learnware.json, specification.json, model file) as a predictor of one member."""
    manifest = Manifest.read_bytes((folder / "learnware.json").read_bytes())
    if manifest.format == "predictor":
        return load(unpack(_inside(folder, manifest.model["file"]), folder / "unpacked"))
    spec = Specification.read(folder / "specification.json")
    path = _inside(folder, manifest.model["file"])
    if formats.describe(manifest.format, path)["sha256"] != manifest.model["sha256"]:
        raise _wrong(f"{path.name} is not the file that its manifest names.", "Download it again.")
    entry = {"file": path.name, "manifest": manifest.to_json(), "weight": 1.0, "reference": manifest.name, "specification": "specification.json"}
    document = {"combine": {"method": "ensemble/mean", "params": {}, "state": None}, "members": [entry], "output": manifest.output}
    return Predictor(folder, document, spec.space, (manifest,), (spec.rkme,))


def _specification(folder: Path, entry: dict[str, Any], space: Space) -> Rkme:
    if entry.get("specification") is None:
        # A model trained here alone is never routed to by its data; one point stands for "anywhere".
        return Rkme(points=np.zeros((1, space.d)), weights=np.ones(1), sigma=space.sigma, n=1, space_id=space.id)
    found = Specification.read(_inside(folder, entry["specification"]))
    if found.space.id != space.id:
        raise _wrong("a member's specification stands in another space.")
    return found.rkme


def pack(folder: Path, path: Path) -> Path:
    """The folder as a zip: stored, sorted, without times, so that equal predictors are equal bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), STAMP)
            info.external_attr = 0o644 << 16
            with file.open("rb") as source, archive.open(info, "w", force_zip64=file.stat().st_size > 2**31) as target:
                shutil.copyfileobj(source, target, 1 << 20)
    return path


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a predictor's zip into `folder`; raises ReuseError for one that this package would not write."""
    try:
        archive = strict_zip.load(path, most_members=4 * MAX_MEMBERS, most_bytes=MAX_BYTES, methods=(strict_zip.STORED,))
        for name in archive.names:
            target = folder / _plain_name(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                for part in archive.parts(name):
                    out.write(part)
    except SpecError as error:
        raise ReuseError(error.code, f"The predictor is refused: {error.message}", "The transfer may have been cut: send it again.") from None
    except OSError as error:
        raise _wrong(f"its zip can not be unpacked; {type(error).__name__}.", "The transfer may have been cut: send it again.") from None
    return folder


def _plain_name(name: Any) -> PurePosixPath:
    path = PurePosixPath(name) if isinstance(name, str) else PurePosixPath("/")
    if path.is_absolute() or not 1 <= len(path.parts) <= 4 or not all(FILE.fullmatch(part) for part in path.parts):
        raise _wrong(f"{str(name)[:60]!r} is no plain relative file name.")
    return path


def _inside(folder: Path, name: Any) -> Path:
    path = folder / _plain_name(name)
    if not path.is_file() or path.is_symlink():
        raise _wrong(f"the file {str(name)[:60]!r} is missing.", "Download the predictor again.")
    return path


def _plain(value: Any) -> Any:
    """numpy as Python, and what is not finite as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _wrong(why: str, hint: str = "") -> ReuseError:
    return ReuseError("wrong-predictor", f"The predictor is refused: {why}", hint)

"""A predictor's zip as a model: how an ensemble is offered again. Each of its members is checked by its own format."""

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reuse import formats
from reuse.errors import ReuseError
from reuse.manifest import Manifest

SUFFIX = ".zip"
OWN = ("predictor.json", "card.md", "specification.json")


def detect(head: bytes, path: Path) -> bool:
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "predictor.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def check(path: Path, manifest: Manifest) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        opened = _open(path, Path(folder), manifest)
        reports = [
            {"file": entry["file"], "reference": entry.get("reference"), "format": held.format} | formats.member(held.format).check(Path(folder) / entry["file"], held)
            for entry, held in zip(opened.document["members"], opened.manifests, strict=True)
        ]
    return {"parameters": sum(report["parameters"] for report in reports), "tensors": [],
            "members": [{key: report[key] for key in ("file", "reference", "format", "parameters")} for report in reports]}


def load(path: Path, manifest: Manifest) -> Callable[[Any], np.ndarray]:
    from reuse.sandbox import work

    folder = Path(tempfile.mkdtemp())
    opened, loaded = _open(path, folder, manifest), {}

    def predict(frame: Any) -> np.ndarray:
        columns = {name: frame[name].to_numpy() for name in frame.columns}
        return opened.run(columns, lambda file, held: work.run(file, held, opened.space, columns, loaded))

    return predict


def _open(path: Path, folder: Path, manifest: Manifest) -> Any:
    from reuse import predictor

    opened = predictor.load(predictor.unpack(path, folder))
    _only_its_own(folder, opened)
    if opened.space.id != manifest.input["space"] or manifest.takes != "columns":
        raise ReuseError("signature-lies", "A predictor takes the raw columns of its own space; the manifest says otherwise.")
    if opened.document["output"].get("classes", []) != list(manifest.classes):
        raise ReuseError("signature-lies", "The manifest declares other classes than the predictor gives.")
    return opened


def _only_its_own(folder: Path, opened: Any) -> None:
    """Refuse files that the predictor does not name: nobody would have looked at them."""
    named = {*OWN, *(entry[key] for entry in opened.document["members"] for key in ("file", "specification") if entry.get(key))}
    more = sorted({path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - named)
    if more:
        raise ReuseError("wrong-predictor", f"The predictor is refused: it holds {', '.join(more[:5])[:120]}, which it does not refer to.", "Pack the folder as it was downloaded.")


def export(model: Path, folder: Path) -> dict[str, Any]:
    path = folder / "predictor.zip"
    shutil.copyfile(model, path)
    return formats.describe("predictor", path)

"""What a child does: the only code that opens a stranger's model. Runs in the zygote's children."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reuse import devices, formats
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from reuse.sandbox import wire
from specs import Space, SpecError, Specification

SUM_TOLERANCE = 1e-3


Told = Callable[[dict[str, Any]], None]


def answer(request: dict[str, Any], arrays: list[np.ndarray], tell: Told = lambda said: None) -> tuple[Any, list[np.ndarray]]:
    """Do what a request asks for; refusals come back as {"error": ...}. `tell` passes on how far each member is."""
    try:
        if request["do"] == "check":
            return {"report": check(Path(request["path"]), request["manifest"], Path(request["specification"]))}, []
        if request["do"] == "predict":
            return {"notes": devices.heard}, predict(request["members"], request["space"], wire.columns_in(request["table"], arrays), tell)
        if request["do"] == "ping":
            return {"pong": True}, []
        raise ReuseError("unknown-request", f"The sandbox does check, predict and ping; got {request['do']!r}.")
    except (ReuseError, SpecError) as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}, []
    except MemoryError:
        return {"error": {"code": "model-too-hungry", "message": "The model needed more memory than a model may have.",
                          "hint": "Offer a smaller model."}}, []
    except Exception as error:  # the edge of a process: whatever a stranger's model raises is its refusal
        return {"error": {"code": "model-failed", "message": f"The model raised {type(error).__name__}: {str(error)[:300]}",
                          "hint": "Load the file and predict a few rows on your own machine first."}}, []


def table(space: Space, columns: dict[str, np.ndarray]) -> Any:
    """The raw columns as a model wants them: a DataFrame in the space's order, numbers as float64."""
    import pandas as pd

    frame = {}
    for column in space.columns:
        if column.name not in columns:
            raise ReuseError("missing-columns", f"The table lacks the column {column.name!r}.")
        if column.type == "numeric":
            frame[column.name] = np.asarray([np.nan if v is None else v for v in columns[column.name]], dtype=np.float64)
        else:
            frame[column.name] = pd.Series(
                [v if v is None or isinstance(v, str) else formats.member("skops").class_name(v) for v in columns[column.name].tolist()], dtype=object)
    return pd.DataFrame(frame)


def inputs(manifest: Manifest, space: Space, columns: dict[str, np.ndarray]) -> Any:
    """What the model takes: coordinates (n, d) float32, or its raw columns."""
    if manifest.takes == "coordinates":
        return space.encode(columns).astype(np.float32)
    frame = table(space, columns)
    if manifest.format == "onnx":
        words = [column.name for column in space.columns if column.type != "numeric"]
        if words:
            raise ReuseError("signature-lies", f"An ONNX model takes numbers; the columns {words[:5]} hold words.",
                             "Declare that the model takes coordinates.")
        return frame.to_numpy(dtype=np.float32)
    return frame


BATCH = 16_384  # rows that a model is given at once


def run(path: Path, manifest: Manifest, space: Space, columns: dict[str, np.ndarray], loaded: dict[str, Any] | None = None, tell: Told = lambda said: None) -> np.ndarray:
    """Load and predict: (n, classes) probabilities or (n,) values, checked. `loaded` keeps models by digest, so that one is loaded once.

    Rows go through in batches, so that what a model needs on the way does not grow with the table; `tell` hears of each.
    """
    began = time.perf_counter()
    key = json.dumps([manifest.model["sha256"], manifest.model.get("architecture"), manifest.output], sort_keys=True)
    loaded = {} if loaded is None else loaded
    if key not in loaded:
        loaded[key] = formats.member(manifest.format).load(path, manifest)
    rows = len(next(iter(columns.values())))
    parts, ready = [], time.perf_counter()
    tell({"state": "answering", "rows": 0, "of": rows, "loading_s": round(ready - began, 3), "answering_s": 0.0})
    for start in range(0, max(rows, 1), BATCH):
        part = {name: values[start : start + BATCH] for name, values in columns.items()}
        parts.append(checked(loaded[key](inputs(manifest, space, part)), manifest, len(next(iter(part.values())))))
        done = min(start + BATCH, rows)
        tell({"state": "answered" if done == rows else "answering", "rows": done, "of": rows, "loading_s": round(ready - began, 3),
              "answering_s": round(time.perf_counter() - ready, 3)})
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def checked(output: Any, manifest: Manifest, rows: int) -> np.ndarray:
    """A model's answer as (n, classes) probabilities or (n,) values; raises ReuseError for anything else."""
    output = np.asarray(output, dtype=np.float64)
    wanted = (rows, manifest.outputs) if manifest.is_classifier else (rows,)
    if output.shape != wanted:
        raise ReuseError("signature-lies", f"The model must answer {wanted}; it answered {output.shape}.",
                         "Declare the classes or the value that the model really gives.")
    if not np.isfinite(output).all():
        raise ReuseError("not-finite", "The model's answers must be finite; some are NaN or infinite.",
                         "Add an imputer for missing values, or train again.")
    if manifest.is_classifier:
        if output.min() < -SUM_TOLERANCE or np.abs(output.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise ReuseError("signature-lies", "A classifier's answers must be probabilities that sum to 1; they do not.",
                             "Export it with its softmax.")
        output = np.clip(output, 0, None)
        output = output / output.sum(axis=1, keepdims=True)
    return output


def predict(members: list[dict[str, Any]], space: dict[str, Any], columns: dict[str, np.ndarray], tell: Told = lambda said: None) -> list[np.ndarray]:
    """Each member's answers for the same rows, each model loaded once; `tell` hears, with the member's place, how far it is."""
    frame, loaded = Space.from_json(space), {}
    found = []
    for place, member in enumerate(members):
        tell({"member": place, "state": "loading"})
        try:
            found.append(run(Path(member["path"]), Manifest.read(member["manifest"]), frame, columns, loaded, lambda said, place=place: tell({"member": place} | said)))
        except (ReuseError, SpecError) as error:
            raise ReuseError(error.code, f"{member.get('name', 'a member')}: {error.message}", error.hint) from None
    return found


def check(path: Path, document: dict[str, Any], specification: Path) -> dict[str, Any]:
    """Structure, load, and a run on the points of the model's own specification."""
    began = time.perf_counter()
    manifest = Manifest.read(document)
    spec = Specification.read(specification)
    found = formats.identify(path, manifest.model["file"])
    if found != manifest.format:
        raise ReuseError("signature-lies", f"The manifest says {manifest.format}; the file is {found}.", "Correct model.format.")
    report = formats.member(found).check(path, manifest)
    columns = spec.space.decode(spec.rkme.points)
    output = run(path, manifest, spec.space, columns)
    again = run(path, manifest, spec.space, {name: values[:1] for name, values in columns.items()})
    if not np.allclose(again[0], output[0], atol=1e-4, rtol=1e-4):
        raise ReuseError("not-deterministic", "A model must answer one row alike, alone or among others; it does not.")
    sample = output[:3].round(6).tolist()
    return report | {"format": found, "seconds": round(time.perf_counter() - began, 3), "points": len(output), "sample": sample,
                     "merge_family": merge_family(manifest, report)}


def merge_family(manifest: Manifest, report: dict[str, Any]) -> str:
    """A digest of architecture, tensor names and shapes: only models of one family can be merged."""
    import hashlib
    import json

    if manifest.format != "safetensors":
        return ""
    config = {k: v for k, v in manifest.model["architecture"]["config"].items() if not k.startswith("output_")}
    shapes = [(t["name"], t["shape"]) for t in report["tensors"]]
    text = json.dumps([manifest.model["architecture"]["name"], config, sorted(shapes)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()

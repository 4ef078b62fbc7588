"""LightGBM's text: parsed in Python, every tree checked, answered from our own tables.

LightGBM's own reader never sees the file: of 22 bad ones 13 end its process, a plain truncation among them.
https://lightgbm.readthedocs.io/en/stable/pythonapi/lightgbm.Booster.html#lightgbm.Booster.save_model
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reuse import boosted, formats
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from specs import SpecError, strict_json

SUFFIX = ".txt"
MAX_BYTES = 128 << 20
VERSIONS = ("v2", "v3", "v4")
MAX_CLASSES = 1_000
WHOLE = re.compile(r"\d{1,9}")
INTS = re.compile(r"-?\d{1,10}( -?\d{1,10})*")
FLOATS = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?( [-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)*", re.IGNORECASE)
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
HEADER = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "average_output", "feature_names", "monotone_constraints",
    "feature_infos", "tree_sizes", "parser_config_str",
}
TREE = {
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count",
    "internal_value", "internal_weight", "internal_count", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage",
}
IDENTITY = ("regression", "regression_l2", "regression_l1", "huber", "fair", "quantile", "mape", "custom")
EXPONENTIAL = ("poisson", "gamma", "tweedie")


@dataclass(frozen=True)
class Objective:
    """What a model answers ("value", "pair" or "classes") and how margins (n, outputs) become that."""

    name: str
    kind: str
    answer: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Model:
    """A checked model."""

    forest: boosted.Forest
    features: tuple[boosted.Feature, ...]
    named: bool
    objective: Objective
    outputs: int
    rounds: int  # that the answer is averaged over; 1 where it is a sum
    version: str

    def __call__(self, X: Any) -> np.ndarray:
        """Its answers to a table or coordinates: (n,) values, or (n, classes) probabilities."""
        margins = boosted.margins(self.forest, boosted.matrix(X, self.features, named=self.named), self.outputs, np.zeros(self.outputs)) / self.rounds
        found = self.objective.answer(margins)
        if self.objective.kind == "classes":
            return found / found.sum(axis=1, keepdims=True)  # one against all: each alone, so together not yet 1
        return boosted.pair(found[:, 0]) if self.objective.kind == "pair" else found[:, 0]


def detect(head: bytes, path: Path) -> bool:
    return head.startswith((b"tree\n", b"tree\r\n"))


def check(path: Path, manifest: Manifest) -> dict[str, Any]:
    model = read(path)
    _agrees(model, manifest)
    return {"parameters": model.forest.nodes, "tensors": [], "trees": len(model.forest.roots), "nodes": model.forest.nodes, "objective": model.objective.name,
            "made_with": f"LightGBM, model format {model.version}"}


def load(path: Path, manifest: Manifest) -> Callable[[Any], np.ndarray]:
    model = read(path)
    _agrees(model, manifest)
    return model


def _agrees(model: Model, manifest: Manifest) -> None:
    kind = model.objective.kind
    gives = {"value": 1, "pair": 2, "classes": model.outputs}[kind]
    if (kind == "value") == manifest.is_classifier or gives != manifest.outputs:
        raise ReuseError("signature-lies", f"The model answers {'a value' if kind == 'value' else f'{gives} classes'} ({model.objective.name}); the manifest declares "
                         f"{f'{manifest.outputs} classes' if manifest.is_classifier else 'a value'}.", "Declare the classes in the order of their numbers, or the value.")


def read(path: Path) -> Model:
    """The checked model in a file; raises ReuseError where it breaks a rule."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ReuseError("too-large", f"A LightGBM file may have {MAX_BYTES >> 20} MB; this one has {size >> 20}.", "Train fewer or smaller trees.")
    head, trees, tail = _parts(path.read_bytes())
    version = head.get("version", "")
    if version not in VERSIONS:
        raise _wrong(f"its version must be one of {', '.join(VERSIONS)}; got {version[:20]!r}.")
    classes, per = _whole(head, "num_class"), _whole(head, "num_tree_per_iteration")
    features = _whole(head, "max_feature_idx") + 1
    if not 1 <= classes <= MAX_CLASSES or not 1 <= per <= MAX_CLASSES or not trees or len(trees) % per:
        raise _wrong(f"its {len(trees):,} trees do not make whole rounds of {per:,}, or its {classes:,} classes are none or over {MAX_CLASSES:,}.")
    if len(trees) > boosted.MAX_TREES or features > boosted.MAX_FEATURES:
        raise ReuseError("too-large", f"A model may have {boosted.MAX_TREES:,} trees and {boosted.MAX_FEATURES:,} features.", "Train fewer or smaller trees.")
    objective = _objective(head.get("objective", "custom"), per)
    names, told = head.get("feature_names", "").split(" "), head.get("feature_infos", "").split(" ")
    if len(names) != features or len(told) != features or len(set(names)) != features:
        raise _wrong(f"it takes {features:,} features, and names or describes others.")
    parts = [_tree(block, number) for number, block in enumerate(trees)]
    levels = _levels(tail, told)
    return Model(
        forest=_forest(parts, features, per), features=tuple(boosted.Feature(name, levels.get(i)) for i, name in enumerate(names)),
        named=names != [f"Column_{i}" for i in range(features)], objective=objective, outputs=per,
        rounds=len(trees) // per if "average_output" in head else 1, version=version,
    )


def _parts(data: bytes) -> tuple[dict[str, str], list[dict[str, str]], str]:
    """(header, trees, what stands behind them), the sizes that the header names held against the trees that are there."""
    if CONTROL.search(data):
        raise _wrong("it holds bytes that no text has.", "Send the file as LightGBM wrote it, with plain line ends.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong("it is no text in UTF-8.") from None
    end = data.find(b"\nend of trees\n")
    first = data.find(b"\n\nTree=0\n")
    if end < 0 or not 0 <= first < end:
        raise _wrong("its trees do not begin, or do not end.", "The upload may be truncated: send it again.")
    head = _pairs(data[:first].decode().split("\n")[1:], HEADER, "header", flags=("average_output",))
    sizes, at, trees = head.get("tree_sizes", ""), first + 2, []
    if not INTS.fullmatch(sizes) or len(sizes.split(" ")) > boosted.MAX_TREES:
        raise _wrong("its tree_sizes must be whole numbers, one for each tree.")
    for number, size in enumerate(map(int, sizes.split(" "))):
        block = data[at : at + max(size, 0)]
        if len(block) != size or at + size > end + 1 or not block.startswith(f"Tree={number}\n".encode()) or b"\nTree=" in block:
            raise _wrong(f"tree {number} does not stand where its size says.", "The upload may be truncated or edited: send it as LightGBM wrote it.")
        trees.append(_pairs(block.decode().split("\n")[1:], TREE, f"tree {number}"))
        at += size
    if data[at : end + 1].strip():
        raise _wrong("something stands between its trees and their end.")
    return head, trees, data[end + len(b"\nend of trees\n") :].decode()


def _pairs(lines: list[str], known: set[str], what: str, flags: tuple[str, ...] = ()) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, lines):
        key, equals, value = line.partition("=")
        if key not in known or key in found or not (equals or key in flags):
            raise _wrong(f"its {what} holds the line {line[:60]!r}, which LightGBM does not write there.")
        found[key] = value
    return found


def _objective(said: str, per: int) -> Objective:
    name, *more = said.split(" ")
    params = dict(part.split(":", 1) for part in more if ":" in part)
    try:
        slope = float(params.get("sigmoid", "1"))
    except ValueError:
        slope = 0.0
    if not 0 < slope < 1e3:
        raise _wrong("its sigmoid must be a number above 0.")
    several = name in ("multiclass", "softmax", "multiclassova", "ova")
    if several != (per > 1) and (several or name != "custom"):
        raise _wrong(f"{name[:40]} does not go with {per} trees a round.")
    if name in IDENTITY and per == 1:
        return Objective(name, "value", (lambda x: np.sign(x) * x * x) if "sqrt" in more else lambda x: x)
    if name in EXPONENTIAL:
        return Objective(name, "value", np.exp)
    if name in ("binary", "cross_entropy", "xentropy"):
        return Objective(name, "pair", lambda x: boosted.sigmoid(slope * x))
    if name in ("multiclass", "softmax"):
        return Objective(name, "classes", boosted.softmax)
    if name in ("multiclassova", "ova"):
        return Objective(name, "classes", lambda x: boosted.sigmoid(slope * x))
    raise ReuseError("objective-refused", f"The objective {name[:60]!r} has no answer that others could use.",
                     f"Train it with one of {', '.join((*IDENTITY[:-1], *EXPONENTIAL, 'binary', 'multiclass', 'multiclassova'))}.")


def _tree(block: dict[str, str], number: int) -> dict[str, np.ndarray]:
    """A tree as one table: its splits first, its leaves behind them."""
    leaves, sets = _whole(block, "num_leaves"), _whole(block, "num_cat")
    if not 1 <= leaves <= boosted.MAX_NODES or _whole(block, "is_linear", "0"):
        raise _wrong(f"tree {number} has no leaves, too many, or linear ones.", "Train it with linear_tree=False.")
    n = leaves - 1
    ints = {key: _numbers(block, key, n, number, INTS) for key in ("split_feature", "decision_type", "left_child", "right_child")}
    threshold, value = _numbers(block, "threshold", n, number, FLOATS), _numbers(block, "leaf_value", leaves, number, FLOATS)
    for key, size in (("split_gain", n), ("internal_value", n), ("internal_weight", n), ("internal_count", n), ("leaf_weight", leaves), ("leaf_count", leaves)):
        if block.get(key) and (key != "split_gain" or n):  # not used here; whoever downloads the file reads them too
            _numbers(block, key, size, number, FLOATS)
    kinds = ints["decision_type"]
    if ((kinds < 0) | (kinds > 15) | ((kinds >> 2) > 2)).any():
        raise _wrong(f"tree {number} has a split of an unknown type.")
    categorical, missing = (kinds & 1) == 1, (kinds >> 2) & 3
    begin, words, bits = _sets(block, sets, number, threshold, categorical)
    children = [np.where(child < 0, n + ~child, child) for child in (ints["left_child"], ints["right_child"])]
    if any(((child < -leaves) | (child >= max(n, 1))).any() for child in (ints["left_child"], ints["right_child"])):
        raise _wrong(f"a child of tree {number} is none of its splits and leaves.")
    behind = np.zeros(leaves)
    column = lambda splits, fill=0: np.concatenate([splits, behind + fill])  # noqa: E731
    return {
        "left": column(children[0]).astype(np.int64), "right": column(children[1]).astype(np.int64), "leaf": column(np.zeros(n), 1).astype(bool),
        "feature": column(ints["split_feature"]).astype(np.int64), "threshold": column(np.where(categorical, 0.0, threshold)),
        # Where a split is of categories, what is missing goes right, whatever its type says.
        "missing": column(np.where(categorical, boosted.NAN, missing)).astype(np.int8), "missing_left": column(((kinds & 2) == 2) & ~categorical).astype(bool),
        "value": np.concatenate([np.zeros(n), value]), "categorical": column(categorical).astype(bool),
        "set_begin": column(begin).astype(np.int64), "set_words": column(words).astype(np.int64), "bits": bits,
    }


def _sets(block: dict[str, str], sets: int, number: int, threshold: np.ndarray, categorical: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not sets:
        if categorical.any():
            raise _wrong(f"tree {number} splits by categories and holds no sets of them.")
        return np.zeros(len(threshold)), np.zeros(len(threshold)), np.zeros(0, dtype=np.uint32)
    bounds = _numbers(block, "cat_boundaries", sets + 1, number, INTS)
    if bounds[0] != 0 or (np.diff(bounds) < 1).any() or bounds[-1] > boosted.MAX_CATEGORY >> 5:
        raise _wrong(f"the sets of categories of tree {number} do not stand one behind the other.")
    bits = _numbers(block, "cat_threshold", int(bounds[-1]), number, INTS)
    if ((bits < 0) | (bits >= 1 << 32)).any():
        raise _wrong(f"a set of categories of tree {number} is out of range.")
    chosen = np.where(categorical, threshold, 0)
    if ((chosen != np.floor(chosen)) | (chosen < 0) | (chosen >= sets)).any():
        raise _wrong(f"a split of tree {number} names a set of categories that is not there.")
    chosen = chosen.astype(np.int64)
    return np.where(categorical, bounds[chosen], 0), np.where(categorical, bounds[chosen + 1] - bounds[chosen], 0), bits.astype(np.uint32)


def _forest(parts: list[dict[str, np.ndarray]], features: int, per: int) -> boosted.Forest:
    offset = 0
    for part in parts:
        part["set_begin"] += offset
        offset += len(part["bits"])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sizes = np.array([len(part["left"]) for part in parts])
    return boosted.checked(boosted.Split(sizes=sizes, groups=np.arange(len(parts)) % per, in_left=True, **columns), features, per, _wrong)


def _levels(tail: str, told: list[str]) -> dict[int, tuple[Any, ...]]:
    """The levels of pandas' categorical columns, by the place of their feature."""
    said = tail.rpartition("\npandas_categorical:")[2].strip() if "\npandas_categorical:" in tail else "null"
    try:
        held = strict_json.loads(said.encode(), most=1 << 22, what="pandas_categorical")
    except SpecError as error:
        raise _wrong(error.message) from None
    if not held:
        return {}
    if not isinstance(held, list) or not all(isinstance(one, list) and all(isinstance(v, str | int | float) for v in one) for one in held):
        raise _wrong("pandas_categorical must be lists of levels.")
    listed = re.search(r"\n\[categorical_feature: ([\d,]+)\]\n", tail)
    places = [int(place) for place in listed[1].split(",") if place] if listed else [i for i, info in enumerate(told) if info != "none" and not info.startswith("[")]
    if len(places) != len(held) or any(place >= len(told) for place in places):
        raise _wrong(f"it names the levels of {len(held)} columns and has {len(places)} columns of categories.")
    return {place: tuple(levels) for place, levels in zip(sorted(places), held, strict=True)}


def _whole(block: dict[str, str], key: str, default: str = "") -> int:
    text = block.get(key, default)
    if not WHOLE.fullmatch(text):
        raise _wrong(f"{key} must be a whole number; got {text[:40]!r}.")
    return int(text)


def _numbers(block: dict[str, str], key: str, size: int, number: int, pattern: re.Pattern[str]) -> np.ndarray:
    text = block.get(key, "").rstrip(" ")
    if size == 0 and not text:
        return np.zeros(0, dtype=np.int64 if pattern is INTS else np.float64)
    if not pattern.fullmatch(text):
        raise _wrong(f"{key} of tree {number} must be finite numbers.")
    found = np.array(text.split(" "), dtype=np.int64 if pattern is INTS else np.float64)
    if len(found) != size:
        raise _wrong(f"{key} of tree {number} must have {size:,} numbers; it has {len(found):,}.", "The upload may be truncated or edited: send it as LightGBM wrote it.")
    return found


def export(model: Any, folder: Path) -> dict[str, Any]:
    path = folder / "model.txt"
    if isinstance(model, Path):
        shutil.copyfile(model, path)
    else:
        getattr(model, "booster_", model).save_model(path)
    read(path)  # better refused here, on the owner's machine, than after the upload
    return formats.describe("lightgbm", path)


def _wrong(why: str, hint: str = "Save the fitted model again: booster.save_model('model.txt')") -> ReuseError:
    return ReuseError("wrong-lightgbm", f"The LightGBM file is refused: {why}", hint)

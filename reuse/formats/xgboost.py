"""XGBoost as JSON or its binary twin (UBJSON): parsed in Python, every tree checked, answered from our own tables.

XGBoost's own reader never sees the file: it crashes on a child or a split index out of range, and a cycle never ends.
https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reuse import boosted, formats, ubjson
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from specs import SpecError, strict_json

SUFFIX = ".json"
MAX_BYTES = 128 << 20
NEWEST = 3  # the last version whose files are known
MAX_GROUPS = 1_000
BEGINS = re.compile(rb'\s*\{\s*"(learner|version)"\s*:\s*[\[{]')
WHOLE = re.compile(r"-?\d{1,10}")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
HELD = {
    "root": {"learner", "version"},
    "learner": {"attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective"},
    "booster": {"model", "name", "gbtree", "weight_drop"},
    "model": {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"},
    "tree": {
        "base_weights", "categories", "categories_nodes", "categories_segments", "categories_sizes", "default_left", "id", "left_children", "loss_changes",
        "parents", "right_children", "split_conditions", "split_indices", "split_type", "sum_hessian", "tree_param",
    },
}
# objective: (what it answers, base score -> margin, margins -> answers)
OBJECTIVES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {}


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _logit(p: np.ndarray) -> np.ndarray:
    return -np.log(1.0 / p - 1.0)


for _name in ("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror", "reg:linear"):
    OBJECTIVES[_name] = ("value", _same, _same)
for _name in ("count:poisson", "reg:gamma", "reg:tweedie"):
    OBJECTIVES[_name] = ("value", np.log, np.exp)
OBJECTIVES["reg:logistic"] = ("value", _logit, boosted.sigmoid)
OBJECTIVES["binary:logistic"] = ("pair", _logit, boosted.sigmoid)
OBJECTIVES["binary:logitraw"] = ("pair", _same, boosted.sigmoid)  # what it starts from is a margin already
OBJECTIVES["multi:softprob"] = OBJECTIVES["multi:softmax"] = ("classes", _same, boosted.softmax)


@dataclass(frozen=True)
class Model:
    """A checked model: its trees, inputs, objective and what it starts from (outputs,)."""

    forest: boosted.Forest
    features: tuple[boosted.Feature, ...]
    named: bool
    objective: str
    start: np.ndarray
    version: str

    def __call__(self, X: Any) -> np.ndarray:
        """Its answers to a table or coordinates: (n,) values, or (n, classes) probabilities."""
        kind, _, answer = OBJECTIVES[self.objective]
        rows = boosted.matrix(X, self.features, named=self.named)
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32).astype(np.float64)  # XGBoost splits in single precision
        found = answer(boosted.margins(self.forest, rows, len(self.start), self.start, np.float32))
        return found if kind == "classes" else boosted.pair(found[:, 0]) if kind == "pair" else found[:, 0]


def detect(head: bytes, path: Path) -> bool:
    return bool(BEGINS.match(head)) or ubjson.is_document(head)


def check(path: Path, manifest: Manifest) -> dict[str, Any]:
    model = read(path)
    _agrees(model, manifest)
    return {"parameters": model.forest.nodes, "tensors": [], "trees": len(model.forest.roots), "nodes": model.forest.nodes, "objective": model.objective,
            "made_with": f"XGBoost {model.version}"}


def load(path: Path, manifest: Manifest) -> Callable[[Any], np.ndarray]:
    model = read(path)
    _agrees(model, manifest)
    return model


def _agrees(model: Model, manifest: Manifest) -> None:
    kind = OBJECTIVES[model.objective][0]
    gives = {"value": 1, "pair": 2, "classes": len(model.start)}[kind]
    if (kind == "value") == manifest.is_classifier or gives != manifest.outputs:
        raise ReuseError("signature-lies", f"The model answers {'a value' if kind == 'value' else f'{gives} classes'} ({model.objective}); the manifest declares "
                         f"{f'{manifest.outputs} classes' if manifest.is_classifier else 'a value'}.", "Declare the classes in the order of their numbers, or the value.")


def document(path: Path) -> dict[str, Any]:
    """The file's document, JSON or UBJSON alike; raises ReuseError for what is neither."""
    if path.stat().st_size > MAX_BYTES:
        raise ReuseError("too-large", f"An XGBoost file may have {MAX_BYTES >> 20} MB; this one has {path.stat().st_size >> 20}.", "Train fewer or smaller trees.")
    data = path.read_bytes()
    try:
        found = ubjson.loads(data) if ubjson.is_document(data[:32]) else strict_json.loads(data, most=MAX_BYTES, what="The file")
    except SpecError as error:
        raise _wrong(error.message) from None
    except (ValueError, RecursionError) as error:
        raise _wrong(f"its binary JSON can not be read; {str(error)[:120] or type(error).__name__}.", "The upload may be truncated: send it again.") from None
    if not isinstance(found, dict):
        raise _wrong("it must be an object.")
    return found


def read(path: Path) -> Model:
    """The checked model in a file; raises ReuseError where it breaks a rule."""
    root = _part(document(path), "root", "learner", "version")
    version = root["version"]
    if not isinstance(version, list | np.ndarray) or not 1 <= len(version) <= 4 or any(isinstance(n, bool) or not isinstance(n, int | np.integer) for n in version):
        raise _wrong("its version must be a list of whole numbers.")
    if not 1 <= version[0] <= NEWEST:
        raise _wrong(f"it was written by XGBoost {version[0]}; files of XGBoost 1 to {NEWEST} are read.", "Save it again with XGBoost 3.")
    learner = _part(root["learner"], "learner", "gradient_booster", "learner_model_param", "objective")
    objective = learner["objective"].get("name") if isinstance(learner["objective"], dict) else None
    if objective not in OBJECTIVES:
        raise ReuseError("objective-refused", f"The objective must be one of {', '.join(OBJECTIVES)}; got {str(objective)[:60]!r}.",
                         "Train it with one of those: ranking, survival and own objectives have no answer that others could use.")
    params = _texts(learner["learner_model_param"], "learner_model_param")
    features, classes = _whole(params, "num_feature"), max(1, _whole(params, "num_class", 0))
    if _whole(params, "num_target", 1) != 1:
        raise _wrong("it has several targets; a learnware has one.")
    if classes > MAX_GROUPS or (OBJECTIVES[objective][0] == "classes") != (classes > 1):
        raise _wrong(f"{objective} does not go with {classes} classes, or they are over {MAX_GROUPS:,}.")
    booster = _part(learner["gradient_booster"], "booster", "name")
    drop = None
    if booster["name"] == "dart":
        drop, booster = _floats(booster, "weight_drop"), _part(booster.get("gbtree"), "booster", "model", "name")
    if booster["name"] != "gbtree":
        raise _wrong(f"its booster must be gbtree or dart; got {str(booster['name'])[:40]!r}.", "Linear boosters: offer them as safetensors or skops.")
    model = _part(booster.get("model"), "model", "gbtree_model_param", "tree_info", "trees")
    named, inputs = _inputs(learner, model, features)
    forest = _forest(model, _kept(learner, model, classes), features, classes, drop)
    return Model(forest, inputs, named, objective, _start(params, objective, classes), ".".join(str(n) for n in version))


def _kept(learner: dict[str, Any], model: dict[str, Any], groups: int) -> int:
    """How many trees answer: all, or those up to the best round, as XGBoost's scikit-learn classes do."""
    trees = model["trees"]
    if not isinstance(trees, list) or not 1 <= len(trees) <= boosted.MAX_TREES:
        raise _wrong(f"it must have 1 to {boosted.MAX_TREES:,} trees.")
    shape = _texts(model["gbtree_model_param"], "gbtree_model_param")
    if _whole(shape, "num_trees") != len(trees):
        raise _wrong(f"it announces {shape['num_trees']} trees and holds {len(trees):,}.")
    per, info = max(1, _whole(shape, "num_parallel_tree", 1)) * groups, _ints(model, "tree_info")
    if len(info) != len(trees):
        raise _wrong("tree_info must name the output of each tree.")
    rounds = _ints(model, "iteration_indptr") if "iteration_indptr" in model else np.arange(0, len(trees) + 1, per)
    if len(rounds) < 2 or rounds[0] != 0 or rounds[-1] != len(trees) or (np.diff(rounds) < 1).any():
        raise _wrong("its rounds must part the trees from the first to the last.")
    said = learner.get("attributes", {})
    best = _texts(said, "attributes").get("best_iteration")
    if best is None:
        return len(trees)
    if not WHOLE.fullmatch(best) or not 0 <= int(best) < len(rounds) - 1:
        raise _wrong("its best_iteration is none of its rounds.")
    return int(rounds[int(best) + 1])


def _forest(model: dict[str, Any], kept: int, features: int, groups: int, drop: np.ndarray | None) -> boosted.Forest:
    parts = [_tree(tree, number, features) for number, tree in enumerate(model["trees"])]
    if drop is not None and len(drop) != len(parts):
        raise _wrong("weight_drop must weigh each tree.")
    offset = 0
    for part in parts:
        part["set_begin"] += offset
        offset += len(part["bits"])
    if drop is not None:
        for part, weight in zip(parts, drop, strict=True):
            part["value"] = (part["value"].astype(np.float32) * np.float32(weight)).astype(np.float64)
    sizes = np.array([len(part["left"]) for part in parts])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    whole = boosted.Split(sizes=sizes, groups=_ints(model, "tree_info"), missing=np.full(sizes.sum(), boosted.NAN, dtype=np.int8), in_left=False, **columns)
    forest = boosted.checked(whole, features, groups, _wrong)  # all trees obey, those that do not answer too
    return forest if kept == len(sizes) else boosted.Forest(whole, forest.roots[:kept], forest.left, forest.right, forest.depth, features)


def _tree(tree: Any, number: int, features: int) -> dict[str, np.ndarray]:
    tree = _part(tree, "tree", "left_children", "right_children", "split_indices", "split_conditions", "default_left", "tree_param")
    shape = _texts(tree["tree_param"], "tree_param")
    n = _whole(shape, "num_nodes")
    if not 1 <= n <= boosted.MAX_NODES or _whole(shape, "num_feature", features) not in (0, features) or _whole(shape, "size_leaf_vector", 1) not in (0, 1):
        raise _wrong(f"tree {number} has {n:,} nodes, other features than the model, or several answers a leaf.")
    found = {name: _ints(tree, key) for name, key in (("left", "left_children"), ("right", "right_children"), ("feature", "split_indices"))}
    condition = _floats(tree, "split_conditions")
    found["missing_left"] = _ints(tree, "default_left").astype(bool)
    kinds = _ints(tree, "split_type") if "split_type" in tree else np.zeros(n, dtype=np.int64)
    if any(len(values) != n for values in (*found.values(), condition, kinds)):
        raise _wrong(f"tree {number} has {n:,} nodes and columns of another length.")
    for key in ("base_weights", "loss_changes", "sum_hessian", "parents"):  # not used here; whoever downloads the file reads them too
        if key in tree and len(_floats(tree, key)) != n:
            raise _wrong(f"tree {number} has {n:,} nodes and {key} of another length.")
    leaf = found["left"] == -1
    if not np.array_equal(leaf, found["right"] == -1):
        raise _wrong(f"a node of tree {number} must have two children or none.")
    if not np.isin(kinds, (0, 1)).all():
        raise _wrong(f"tree {number} has a split that is neither of numbers nor of categories.")
    with np.errstate(over="ignore"):
        single = condition.astype(np.float32)
    if not np.isfinite(single).all():
        raise _wrong(f"tree {number} holds numbers beyond single precision.")
    # x < t in single precision is x <= the number before t.
    threshold = np.nextafter(single, np.float32(-np.inf)).astype(np.float64)
    found |= {"leaf": leaf, "threshold": np.where(leaf, 0.0, threshold), "value": np.where(leaf, single.astype(np.float64), 0.0), "categorical": (kinds == 1) & ~leaf}
    return found | _sets(tree, number, n, found["categorical"])


def _sets(tree: dict[str, Any], number: int, n: int, categorical: np.ndarray) -> dict[str, np.ndarray]:
    """The categories of each split as bits: those that go right."""
    begin, words, bits = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), []
    keys = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    every, nodes, segments, sizes = (_ints(tree, key) if key in tree else np.zeros(0, dtype=np.int64) for key in keys)
    if not len(nodes) == len(segments) == len(sizes) or not np.array_equal(np.sort(nodes), np.flatnonzero(categorical)):
        raise _wrong(f"tree {number} names sets of categories for other nodes than split by them.")
    at = 0
    for node, segment, size in zip(nodes.tolist(), segments.tolist(), sizes.tolist(), strict=True):
        chosen = every[segment : segment + size] if segment >= 0 and size > 0 else every[:0]
        if len(chosen) != size or not len(chosen) or chosen.min() < 0 or chosen.max() >= 1 << 20:
            raise _wrong(f"tree {number} has a set of categories that is empty or out of range.")
        table = np.zeros(int(chosen.max() >> 5) + 1, dtype=np.uint32)
        np.bitwise_or.at(table, chosen >> 5, np.uint32(1) << (chosen & 31).astype(np.uint32))
        begin[node], words[node], at = at, len(table), at + len(table)
        bits.append(table)
    return {"set_begin": begin, "set_words": words, "bits": np.concatenate(bits) if bits else np.zeros(0, dtype=np.uint32)}


def _inputs(learner: dict[str, Any], model: dict[str, Any], features: int) -> tuple[bool, tuple[boosted.Feature, ...]]:
    names, types = learner.get("feature_names", []), learner.get("feature_types", [])
    for what, said in (("feature_names", names), ("feature_types", types)):
        if not isinstance(said, list) or len(said) not in (0, features) or not all(isinstance(word, str) and len(word) <= 300 for word in said):
            raise _wrong(f"its {what} must be short texts, one for each of {features:,} features, or none.")
    if len(set(names)) != len(names):
        raise _wrong("two features bear one name.")
    levels = _levels(model.get("cats"), features)
    return bool(names), tuple(boosted.Feature(names[i] if names else f"f{i}", levels[i]) for i in range(features))


def _levels(cats: Any, features: int) -> list[tuple[Any, ...] | None]:
    """What XGBoost 3.1 and newer remember of a table's columns of words."""
    held = cats.get("enc", []) if isinstance(cats, dict) else []
    if not isinstance(held, list) or len(held) not in (0, features):
        raise _wrong("its categories must be told for each feature, or for none.")
    return [_words(entry) for entry in held] or [None] * features


def _words(entry: Any) -> tuple[Any, ...] | None:
    if not isinstance(entry, dict):
        raise _wrong("the categories of a feature must be an object.")
    values = _ints(entry, "values") if not isinstance(entry.get("values"), list | np.ndarray) or len(entry["values"]) == 0 else _floats(entry, "values")
    if "offsets" not in entry:
        return tuple(values.tolist()) or None
    offsets = _ints(entry, "offsets")
    if len(offsets) == 0:
        return None
    if offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] != len(values) or len(offsets) > 1 << 20 or not np.isin(values, np.arange(-128, 256)).all():
        raise _wrong("the words of a feature's categories do not stand where it says.")
    letters = (values.astype(np.int64) & 255).astype(np.uint8).tobytes()
    try:
        return tuple(letters[a:b].decode("utf-8") for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    except UnicodeDecodeError:
        raise _wrong("a category is no text in UTF-8.") from None


def _start(params: dict[str, str], objective: str, groups: int) -> np.ndarray:
    said = params.get("base_score", "5E-1").strip().removeprefix("[").removesuffix("]").split(",")
    if not all(NUMBER.fullmatch(part.strip()) for part in said) or len(said) not in (1, groups):
        raise _wrong("its base_score must be a number, or one for each class.")
    score = np.array([float(part) for part in said])
    with np.errstate(all="ignore"):
        start = OBJECTIVES[objective][1](score) * np.ones(groups)
    if not np.isfinite(start).all():
        raise _wrong(f"its base_score {params['base_score'][:40]} is none that {objective} can start from.")
    return start


def _part(value: Any, what: str, *needed: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"its {what} must be an object.")
    if lacking := set(needed) - set(value):
        raise _wrong(f"its {what} lacks {', '.join(sorted(lacking))}.")
    if more := set(value) - HELD[what]:
        raise _wrong(f"its {what} holds {', '.join(sorted(map(str, more)))[:120]}, which XGBoost does not write.")
    return value


def _texts(value: Any, what: str) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 200 or not all(isinstance(text, str) and len(text) <= 20_000 for text in value.values()):
        raise _wrong(f"{what} must hold short texts.")
    return value


def _whole(params: dict[str, str], key: str, default: int | None = None) -> int:
    text = params.get(key, None if default is None else str(default))
    if text is None or not WHOLE.fullmatch(text):
        raise _wrong(f"{key} must be a whole number; got {str(text)[:40]!r}.")
    return int(text)


def _floats(tree: dict[str, Any], key: str) -> np.ndarray:
    return _array(tree.get(key), key, "iuf").astype(np.float64)


def _ints(tree: dict[str, Any], key: str) -> np.ndarray:
    found = _array(tree.get(key), key, "iub")
    if found.size and (found.min() < -(1 << 31) or found.max() >= 1 << 31):
        raise _wrong(f"{key} holds a number that is out of range.")
    return found.astype(np.int64)


def _array(value: Any, key: str, kinds: str) -> np.ndarray:
    if isinstance(value, list) and not value:
        return np.zeros(0)
    try:
        found = np.asarray(value) if isinstance(value, list | np.ndarray) else None
    except (ValueError, OverflowError):
        found = None
    if found is None or found.ndim != 1 or found.dtype.kind not in kinds or (isinstance(value, list) and "f" in kinds and any(type(v) is bool for v in value)):
        raise _wrong(f"{key} must be a list of {'numbers' if 'f' in kinds else 'whole numbers'}.")
    return found


def export(model: Any, folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if isinstance(model, Path):
        path.write_text(json.dumps(plain(document(model)), allow_nan=False, separators=(",", ":")))
    else:
        (model.get_booster() if hasattr(model, "get_booster") else model).save_model(path)
    read(path)  # better refused here, on the owner's machine, than after the upload
    return formats.describe("xgboost", path)


def plain(value: Any) -> Any:
    """A document with arrays as lists: what binary JSON is in text. Single precision keeps its short digits."""
    if isinstance(value, np.ndarray):
        return [float(str(n)) for n in value] if value.dtype == np.float32 else value.tolist()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _wrong(why: str, hint: str = "Save the fitted model again: booster.save_model('model.json')") -> ReuseError:
    return ReuseError("wrong-xgboost", f"The XGBoost file is refused: {why}", hint)

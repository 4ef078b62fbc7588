"""XGBoost and LightGBM: our tables answer as the libraries did (golden/, made by make_golden.py), and what would crash their readers is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reuse import ReuseError, formats, ubjson
from reuse.formats import lightgbm, xgboost
from reuse.manifest import Manifest

GOLDEN = Path(__file__).parent / "golden"
MODELS = sorted(path for path in GOLDEN.iterdir() if path.suffix in (".json", ".ubj", ".txt") and "words" not in path.stem)


def member(path):
    return {"xgboost": xgboost, "lightgbm": lightgbm}[path.stem.split("-")[0]]


def answer(path, X):
    found = member(path).read(path)(X)
    return found


def expected(path, P):
    """The library's answer as a learnware gives it: both classes, probabilities that sum to one."""
    if path.stem == "xgboost-binary-raw":
        P = 1 / (1 + np.exp(-P))
    if path.stem == "lightgbm-ova":
        P = P / P.sum(axis=1, keepdims=True)
    return P


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.name)
def test_it_answers_as_the_library_that_made_it(path):
    held = np.load(path.with_suffix(".npz"))
    assert formats.identify(path, "whatever.bin") == path.stem.split("-")[0]
    found, P = answer(path, held["X"]), expected(path, held["P"])
    if found.ndim == 2 and P.ndim == 1:
        assert np.allclose(found.sum(axis=1), 1)
        found = found[:, 1]
    assert found.shape == P.shape
    # XGBoost adds and answers in single precision, LightGBM in double.
    assert np.allclose(found, P, rtol=1e-5 if "xgboost" in path.stem else 1e-12, atol=1e-7 if "xgboost" in path.stem else 1e-12)


@pytest.mark.parametrize(("path", "name"), [(GOLDEN / "xgboost-words.json", "xgboost"), (GOLDEN / "lightgbm-words.txt", "lightgbm")], ids=["xgboost", "lightgbm"])
def test_columns_of_words_become_their_levels_whatever_the_order_of_columns(path, name):
    frame = pd.read_csv(GOLDEN / "words.csv")
    P = np.load(GOLDEN / "words.npz")[name]
    assert np.allclose(answer(path, frame), P, rtol=1e-6)
    assert np.allclose(answer(path, frame[frame.columns[::-1]]), P, rtol=1e-6)
    with pytest.raises(ReuseError, match="colour"):
        answer(path, frame.drop(columns="colour"))


def manifest(kind="classes", classes=("no", "yes"), **model):
    output = {"kind": "classes", "target": "y", "classes": list(classes)} if kind == "classes" else {"kind": "value", "target": "y"}
    return Manifest.read({
        "format": "moorage.learnware/1", "name": "m", "version": "1.0.0", "licence": "MIT", "task": "classification" if kind == "classes" else "regression",
        "input": {"space": "0" * 64, "takes": "coordinates"}, "output": output, "model": {"format": "xgboost", "file": "model.json", "sha256": "0" * 64, "size": 1} | model,
    })


def test_a_model_must_answer_what_its_manifest_declares():
    assert xgboost.check(GOLDEN / "xgboost-binary.json", manifest())["trees"] == 8
    for path, said in [
        ("xgboost-binary.json", manifest("value")), ("xgboost-multi.json", manifest()), ("xgboost-values.json", manifest()),
        ("lightgbm-multi.txt", manifest()), ("lightgbm-values.txt", manifest()), ("lightgbm-binary.txt", manifest("value")),
    ]:
        with pytest.raises(ReuseError) as refused:
            member(GOLDEN / path).check(GOLDEN / path, said)
        assert refused.value.code == "signature-lies"


def test_coordinates_of_another_width_are_refused():
    with pytest.raises(ReuseError, match="takes 4 features"):
        answer(GOLDEN / "xgboost-multi.json", np.zeros((3, 5)))


def tree(document):
    return document["learner"]["gradient_booster"]["model"]["trees"][1]


def put(key, place, value):
    def change(document):
        tree(document)[key][place] = value
    return change


def param(where, key, value):
    def change(document):
        part = document["learner"]
        for step in where:
            part = part[step]
        part[key] = value
    return change


BROKEN = {
    "child out of range": put("left_children", 0, 10**6),
    "negative child": put("right_children", 0, -7),
    "a cycle": put("left_children", 1, 0),
    "its own child": put("left_children", 0, 0),
    "a shared child": put("left_children", 0, 2),
    "one child only": put("left_children", 0, -1),
    "split index out of range": put("split_indices", 0, 10_000),
    "negative split index": put("split_indices", 0, -1),
    "short column": lambda d: tree(d)["split_conditions"].pop(),
    "short unused column": lambda d: tree(d)["sum_hessian"].pop(),
    "words for numbers": put("split_conditions", 0, "1.0"),
    "fractions for nodes": put("left_children", 0, 1.5),
    "beyond single precision": lambda d: tree(d)["split_conditions"].__setitem__(slice(None), [1e300] * len(tree(d)["split_conditions"])),
    "a kind of split that is none": put("split_type", 0, 7),
    "categories without sets": put("split_type", 0, 1),
    "sets without categories": lambda d: tree(d).update(categories=[1], categories_nodes=[0], categories_segments=[0], categories_sizes=[1]),
    "another number of nodes": lambda d: tree(d)["tree_param"].update(num_nodes="999999999"),
    "several answers a leaf": lambda d: tree(d)["tree_param"].update(size_leaf_vector="4"),
    "a thousand million classes": param(["learner_model_param"], "num_class", "1000000000"),
    "a thousand million features": param(["learner_model_param"], "num_feature", "1000000000"),
    "no such objective": lambda d: d["learner"]["objective"].update(name="rank:ndcg"),
    "a base score that is none": param(["learner_model_param"], "base_score", "NaN"),
    "a base score outside": param(["learner_model_param"], "base_score", "1.5E0"),
    "trees that are not announced": param(["gradient_booster", "model", "gbtree_model_param"], "num_trees", "9"),
    "an output that is none": lambda d: d["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 5),
    "rounds that overlap": lambda d: d["learner"]["gradient_booster"]["model"]["iteration_indptr"].__setitem__(1, 0),
    "a best round that is none": lambda d: d["learner"]["attributes"].update(best_iteration="99"),
    "a key of its own": lambda d: tree(d).update(payload="x"),
    "a linear booster": lambda d: d["learner"]["gradient_booster"].update(name="gblinear"),
    "no trees": lambda d: d["learner"]["gradient_booster"]["model"].update(trees=[]),
    "a newer version": lambda d: d.update(version=[9, 0, 0]),
    "a tree that is text": lambda d: d["learner"]["gradient_booster"]["model"]["trees"].__setitem__(0, "tree"),
    "names that are too few": lambda d: d["learner"].update(feature_names=["a"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_xgboost_file_that_breaks_a_rule_is_refused(tmp_path, name):
    document = json.loads((GOLDEN / "xgboost-binary.json").read_text())
    BROKEN[name](document)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ReuseError) as refused:
        xgboost.read(path)
    assert refused.value.code in ("wrong-xgboost", "objective-refused", "too-large") and refused.value.hint


LINES = {
    "left_child out of range": ("left_child=1", "left_child=99"),
    "right_child a leaf that is none": ("right_child=2", "right_child=-77"),
    "a cycle": ("left_child=1", "left_child=0"),
    "feature out of range": ("split_feature=", "split_feature=99"),
    "NaN leaf": ("leaf_value=", "leaf_value=nan "),
    "infinite threshold": ("threshold=", "threshold=inf "),
    "number of leaves": ("num_leaves=9", "num_leaves=8"),
    "a huge number of leaves": ("num_leaves=9", "num_leaves=999999999"),
    "classes": ("num_class=1", "num_class=1000000000"),
    "trees a round": ("num_tree_per_iteration=1", "num_tree_per_iteration=5"),
    "features": ("max_feature_idx=9", "max_feature_idx=3"),
    "tree sizes": ("tree_sizes=", "tree_sizes=9"),
    "decision type": ("decision_type=", "decision_type=77"),
    "linear leaves": ("is_linear=0", "is_linear=1"),
    "an objective that is none": ("objective=binary sigmoid:1", "objective=lambdarank"),
    "a line of its own": ("num_cat=0", "payload=0"),
    "a line twice": ("num_cat=0\n", "num_cat=0\nnum_cat=0\n"),
    "version": ("version=v4", "version=v9"),
    "NUL": ("num_cat=0", "num_cat=\0"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_lightgbm_file_that_breaks_a_rule_is_refused(tmp_path, name):
    text, (old, new) = (GOLDEN / "lightgbm-binary.txt").read_text(), LINES[name]
    assert old in text
    path = tmp_path / "m.txt"
    path.write_text(resized(text.replace(old, new, 1)) if name != "tree sizes" else text.replace(old, new, 1))
    with pytest.raises(ReuseError) as refused:
        lightgbm.read(path)
    assert refused.value.code in ("wrong-lightgbm", "objective-refused", "too-large") and refused.value.hint


def resized(text):
    """The text with tree_sizes that fit it again, so that the change itself is what is refused."""
    head, _, rest = text.partition("\n\nTree=0\n")
    trees, _, tail = ("Tree=0\n" + rest).partition("end of trees")
    parts = ["Tree=" + part for part in trees.split("Tree=")[1:]]
    lines = [f"tree_sizes={' '.join(str(len(part)) for part in parts)}" if line.startswith("tree_sizes=") else line for line in head.split("\n")]
    return "\n".join(lines) + "\n\n" + "".join(parts) + "end of trees" + tail


@pytest.mark.parametrize("path", [GOLDEN / "lightgbm-categories.txt", GOLDEN / "xgboost-values-ubj.ubj", GOLDEN / "xgboost-multi.json"], ids=lambda p: p.name)
def test_a_truncation_is_refused_wherever_it_falls(tmp_path, path):
    data, cut = path.read_bytes(), tmp_path / path.name
    end = data.find(b"end of trees") if path.suffix == ".txt" else len(data)
    for size in np.linspace(20, end - 1, 60).astype(int):
        cut.write_bytes(data[:size])
        with pytest.raises(ReuseError):
            member(path).read(cut)


def test_binary_json_is_json_with_other_bytes():
    document = xgboost.plain(xgboost.document(GOLDEN / "xgboost-multi-ubj.ubj"))
    again = json.loads(json.dumps(document))
    assert again["learner"]["objective"]["name"] == "multi:softprob" and document == again


@pytest.mark.parametrize("data", [b"", b"{", b"{L", b"{i\x01a[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", b"[" * 100, b"{i\x01aZi\x01aZ}", b"{}x", b"[$Z#i\x01", b"d\x7f\xc0\x00\x00", b"{i\xff}", b"N"])
def test_binary_json_that_is_none(data):
    with pytest.raises(ValueError):
        ubjson.loads(data)


def test_the_file_is_written_anew_from_binary_json(tmp_path):
    part = xgboost.export(GOLDEN / "xgboost-values-ubj.ubj", tmp_path)
    held = np.load(GOLDEN / "xgboost-values-ubj.npz")
    assert part["format"] == "xgboost" and np.allclose(xgboost.read(tmp_path / "model.json")(held["X"]), held["P"], rtol=1e-6)

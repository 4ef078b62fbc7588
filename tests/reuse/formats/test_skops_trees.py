"""Trees in skops files: what scikit-learn writes passes, what would crash or hang its walk does not."""

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from reuse import ReuseError, trees
from reuse.formats import skops as format_skops

MODELS = [
    DecisionTreeClassifier(max_leaf_nodes=7), RandomForestClassifier(3), HistGradientBoostingClassifier(max_iter=3), BaggingClassifier(n_estimators=2, max_features=2),
    AdaBoostClassifier(n_estimators=3),
]


def dumped(model, path, data=load_iris):
    skops.io.dump(model.fit(*data(return_X_y=True)), path)
    return path


def edited(path, out, change):
    """The file with `change(array)` done to its first table of nodes."""
    done = False
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith(".npy") and not done:
                array = np.load(io.BytesIO(data), allow_pickle=False)
                if array.dtype.names and len(array) > 1:
                    array, done = change(array.copy()), True
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    data = buffer.getvalue()
            target.writestr(name, data)
    assert done
    return out


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_what_scikit_learn_writes_passes(tmp_path, model):
    assert format_skops.read_schema(dumped(model, tmp_path / "m.skops"))


@pytest.mark.parametrize("model", [ExtraTreesRegressor(2), GradientBoostingRegressor(n_estimators=2), HistGradientBoostingRegressor(max_iter=2)], ids=lambda m: type(m).__name__)
def test_regressors_pass_too(tmp_path, model):
    assert format_skops.read_schema(dumped(model, tmp_path / "m.skops", load_diabetes))


def test_a_histogram_model_with_categories_of_its_own_holds_a_function_and_is_refused(tmp_path):
    """scikit-learn keeps a `partial` in it. An OrdinalEncoder before the model does the same without one."""
    X = np.random.default_rng(0).integers(0, 6, size=(300, 2)).astype(float)
    model = HistGradientBoostingClassifier(max_iter=4, categorical_features=[0]).fit(X, (X[:, 0] % 3 == 0).astype(int))
    skops.io.dump(model, tmp_path / "m.skops")
    with pytest.raises(ReuseError) as refused:
        format_skops.read_schema(tmp_path / "m.skops")
    assert refused.value.code == "class-refused"


def test_a_categorical_split_points_into_its_table():
    nodes = np.zeros(3, dtype=[("is_categorical", "u1"), ("is_leaf", "u1"), ("bitset_idx", "u4")])
    nodes["is_categorical"][0], nodes["is_leaf"][1:], nodes["bitset_idx"][0] = 1, 1, 2
    trees.check_bitsets(nodes, np.zeros((3, 8), dtype=np.uint32))
    for table in (np.zeros((2, 8), dtype=np.uint32), np.zeros((3, 7), dtype=np.uint32), np.zeros((3, 8))):
        with pytest.raises(ReuseError, match="outside"):
            trees.check_bitsets(nodes, table)


def put(field, value, row=0):
    def change(array):
        array[field][row] = value
        return array

    return change


@pytest.mark.parametrize(
    "change",
    [put("left_child", 10**9), put("right_child", -7), put("left_child", 0), put("right_child", 0), put("feature", 400), put("feature", -2), put("left_child", -1), put("threshold", np.nan),
     lambda array: array[:0], lambda array: array[["impurity"]]],
    ids=["child far away", "negative child", "own parent", "root again", "feature far away", "leaf's feature", "half a leaf", "no threshold", "no nodes", "other table"],
)
def test_a_tree_that_would_crash_or_hang_is_refused(tmp_path, change):
    path = dumped(RandomForestClassifier(1, max_depth=3, random_state=0), tmp_path / "m.skops")
    with pytest.raises(ReuseError) as refused:
        format_skops.read_schema(edited(path, tmp_path / "evil.skops", change))
    assert refused.value.code in ("broken-tree", "wrong-skops")


@pytest.mark.parametrize("change", [put("left", 2**31), put("right", 0), put("feature_idx", 77), put("value", np.inf)], ids=["child far away", "root again", "feature", "value"])
def test_a_histogram_tree_that_would_crash_or_hang_is_refused(tmp_path, change):
    path = dumped(HistGradientBoostingClassifier(max_iter=2), tmp_path / "m.skops")
    with pytest.raises(ReuseError) as refused:
        format_skops.read_schema(edited(path, tmp_path / "evil.skops", change))
    assert refused.value.code == "broken-tree"


def test_a_tree_may_not_claim_more_columns_than_its_forest_checks(tmp_path):
    path = dumped(RandomForestClassifier(1, random_state=0), tmp_path / "m.skops")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "evil.skops", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                schema["content"]["content"]["n_features_in_"]["content"] = "1"
                schema["content"]["content"]["n_features_in_"]["__id__"] = 4242
                data = json.dumps(schema).encode()
            target.writestr(name, data)
    with pytest.raises(ReuseError, match="feature"):
        format_skops.read_schema(tmp_path / "evil.skops")


def test_one_name_for_two_objects_is_refused(tmp_path):
    path = dumped(RandomForestClassifier(1, random_state=0), tmp_path / "m.skops")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "evil.skops", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                values = schema["content"]["content"]
                values["n_features_in_"]["__id__"] = values["random_state"]["__id__"] = 4242
                data = json.dumps(schema).encode()
            target.writestr(name, data)
    with pytest.raises(ReuseError, match="__id__"):
        format_skops.read_schema(tmp_path / "evil.skops")

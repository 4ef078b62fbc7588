"""From a fitted model to the three files, without a market."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

import specs
from moorage import offering
from moorage.errors import Refused

PLAIN = {"version": "1.0.0", "title": "", "card": "", "target": None, "unit": None, "task": None, "classes": None, "takes": None, "space": None, "base": None, "licence": "MIT"}


@pytest.fixture
def frame(rng):
    return pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80)})


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def prepare(tmp_path, model, X, y, space, **changes):
    return offering.prepare(None, tmp_path, model, X, y, **(PLAIN | {"name": "mine", "space": space} | changes))


def test_a_regressor_with_its_unit(tmp_path, frame):
    y = pd.Series(frame["a"] * 2, name="price")
    space = specs.Space.from_table(frame, name="t")
    folder = prepare(tmp_path, Ridge().fit(frame, y), frame, y, space, unit="EUR")
    manifest, model, specification = offering.read(folder)
    assert manifest.output == {"kind": "value", "target": "price", "unit": "EUR"} and manifest.takes == "columns" and model.suffix == ".skops"
    read = specs.Specification.from_bytes(specification)
    assert read.space.id == space.id == manifest.input["space"] and read.rkme.n == 80 and read.semantic["target"] == "price"


def test_classes_are_those_of_the_model_in_its_order(tmp_path, frame):
    y = np.where(frame["a"] > 0, "up", "down")
    folder = prepare(tmp_path, LogisticRegression().fit(frame, y), frame, y, specs.Space.from_table(frame, name="t"))
    assert offering.read(folder)[0].classes == ("down", "up")


def test_no_row_of_the_training_data_is_in_the_folder(tmp_path, frame):
    y = frame["a"]
    folder = prepare(tmp_path, Ridge().fit(frame, y), frame, y, specs.Space.from_table(frame, name="t"))
    points = specs.Specification.read(folder / "specification.json").rkme.points
    X = specs.Space.from_table(frame, name="t").encode(frame)
    assert np.sqrt(((X[:, None] - points[None]) ** 2).sum(axis=2)).min() > 1e-6


@pytest.mark.parametrize(("changes", "words"), [({"name": "No Slug"}, "name"), ({"licence": "mine"}, "licence"), ({"version": "one"}, "version")])
def test_a_word_that_breaks_a_rule_is_refused_before_anything_is_sent(tmp_path, frame, changes, words):
    with pytest.raises(Refused) as refused:
        prepare(tmp_path, Ridge().fit(frame, frame["a"]), frame, frame["a"], specs.Space.from_table(frame, name="t"), **changes)
    assert words in refused.value.fields


def test_a_model_that_is_none_is_refused(tmp_path, frame):
    with pytest.raises(Refused, match="estimator of scikit-learn"):
        prepare(tmp_path, object(), frame, frame["a"], specs.Space.from_table(frame, name="t"))


def test_an_array_gets_names_for_its_columns():
    assert list(offering.as_frame(np.zeros((2, 3))).columns) == ["x0", "x1", "x2"]


@pytest.mark.parametrize("missing", ["learnware.json", "specification.json", "model.skops"])
def test_a_folder_that_lacks_a_file_says_which(tmp_path, frame, missing):
    folder = prepare(tmp_path, Ridge().fit(frame, frame["a"]), frame, frame["a"], specs.Space.from_table(frame, name="t"))
    (folder / missing).unlink()
    with pytest.raises(Refused, match=missing):
        offering.read(folder)


def test_what_was_changed_after_packing_is_noticed(tmp_path, frame):
    folder = prepare(tmp_path, Ridge().fit(frame, frame["a"]), frame, frame["a"], specs.Space.from_table(frame, name="t"))
    document = json.loads((folder / "learnware.json").read_text())
    document["model"]["sha256"] = "0" * 64
    (folder / "learnware.json").write_text(json.dumps(document))
    with pytest.raises(Refused, match="SHA-256"):
        offering.read(folder)

"""learnware.json: what is right is read, what is wrong is named field by field, and nothing else happens."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reuse import ReuseError
from reuse.manifest import CHECKS, Manifest, ManifestError

GOOD = {
    "format": "moorage.learnware/1", "name": "homes", "version": "1.0.0", "task": "regression", "input": {"space": "a" * 64, "takes": "columns"},
    "output": {"kind": "value", "target": "price", "unit": "EUR"}, "model": {"format": "skops", "file": "m.skops", "sha256": "b" * 64, "size": 10}, "licence": "MIT",
}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4), max_leaves=12)


def changed(**changes):
    return copy.deepcopy(GOOD) | changes


def test_the_smallest_that_is_allowed_comes_back_whole():
    read = Manifest.read(GOOD)
    assert Manifest.read(read.to_json()) == read and read.classes == () and read.outputs == 1 and not read.is_classifier


def test_a_classifier_has_its_classes_in_order():
    read = Manifest.read(changed(task="classification", output={"kind": "classes", "target": "t", "classes": ["b", "a"]}))
    assert read.classes == ("b", "a") and read.outputs == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Big"}, "name"), ({"name": "a" * 81}, "name"), ({"name": "-a"}, "name"), ({"version": "1.0"}, "version"), ({"version": "01.0.0"}, "version"), ({"owner": "a b"}, "owner"),
        ({"task": "poetry"}, "task"), ({"licence": "WTFPL"}, "licence"), ({"title": "x" * 161}, "title"), ({"card": 3}, "card"), ({"card": "x" * 70_000}, "card"),
        ({"input": {"space": "a" * 63, "takes": "columns"}}, "input.space"), ({"input": {"space": "a" * 64, "takes": "all"}}, "input.takes"), ({"input": {}}, "input.space"),
        ({"output": {"kind": "value"}}, "output.target"), ({"output": {"kind": "shrug", "target": "t"}}, "output.kind"), ({"task": "classification"}, "output.kind"),
        ({"task": "classification", "output": {"kind": "classes", "target": "t", "classes": ["a", "a"]}}, "output.classes"),
        ({"task": "classification", "output": {"kind": "classes", "target": "t", "classes": ["a"]}}, "output.classes"),
        ({"task": "classification", "output": {"kind": "classes", "target": "t", "classes": [1, 2]}}, "output.classes"),
        ({"model": GOOD["model"] | {"file": "../m"}}, "model.file"), ({"model": GOOD["model"] | {"size": True}}, "model.size"), ({"model": GOOD["model"] | {"size": -1}}, "model.size"),
        ({"model": GOOD["model"] | {"format": "pickle"}}, "model.format"), ({"model": GOOD["model"] | {"format": "safetensors"}}, "model.architecture"),
        ({"base": "alice/x@1.0.0"}, "base"), ({"base": {"learnware": "x"}}, "base.learnware"), ({"parents": ["x"]}, "parents"), ({"scenario": ["x" * 41]}, "scenario"),
        ({"evaluation": []}, "evaluation"), ({"surprise": 1}, "surprise"),
    ],
)
def test_each_rule_names_its_field(changes, field):
    with pytest.raises(ManifestError) as refused:
        Manifest.read(changed(**changes))
    assert field in refused.value.fields and refused.value.code == "wrong-manifest" and refused.value.fields[field].endswith(".")


@pytest.mark.parametrize("key", ["format", "name", "version", "task", "input", "output", "model", "licence"])
def test_what_is_required_is_asked_for(key):
    document = changed()
    del document[key]
    with pytest.raises(ManifestError) as refused:
        Manifest.read(document)
    assert "required" in refused.value.fields[key]


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ManifestError) as refused:
        Manifest.read(changed(name="No", licence="No", task="No"))
    assert {"name", "licence", "task"} <= set(refused.value.fields) and "2 more" in str(refused.value)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CHECKS)), JSON)
def test_whatever_stands_in_a_field_is_read_or_refused(key, value):
    try:
        read = Manifest.read(changed(**{key: value}))
    except ManifestError as refused:
        assert refused.fields
    else:
        json.dumps(read.to_json())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_that_are_no_manifest_are_refused(data):
    with pytest.raises(ReuseError):
        Manifest.read_bytes(data)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(0, 2**64 - 1))
def test_no_bytes_make_the_header_of_a_safetensors_file_raise_anything_else(tmp_path_factory, data, length):
    from reuse.formats import safetensors

    path = tmp_path_factory.mktemp("f") / "m.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + data)
    with pytest.raises(ReuseError):
        safetensors.tensors(path)

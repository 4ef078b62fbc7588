import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import specs
from specs import SpecError, Specification


@pytest.fixture(scope="module")
def spec():
    rng = np.random.default_rng(0)
    table = {"a": rng.normal(size=2000), "b": rng.choice(["x", "y"], 2000)}
    space = specs.Space.from_table(table, name="t")
    return Specification(space, specs.describe(table, space, points=20), {"task": "regression", "target": "y"})


def spoilt(spec, **changes):
    document = json.loads(spec.to_bytes())
    for path, value in changes.items():
        value = value(spec.rkme.size) if callable(value) else value
        where, *keys = path.split("__")
        if keys:
            document[where][keys[0]] = value
        else:
            document[where] = value
    return json.dumps(document).encode()


def test_a_file_comes_back_as_it_was_and_byte_for_byte(spec, tmp_path):
    back = Specification.read(spec.write(tmp_path / "s.json"))
    assert back.to_bytes() == spec.to_bytes()
    assert np.array_equal(back.rkme.points, spec.rkme.points) and np.array_equal(back.rkme.weights, spec.rkme.weights)
    assert back.space == spec.space and back.semantic == spec.semantic and back.rkme.fit == spec.rkme.fit


def array(values, dtype="float32"):
    values = np.asarray(values, dtype=dtype)
    return {"dtype": dtype, "shape": list(values.shape), "data": base64.b64encode(values.tobytes()).decode()}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": "pickle"}, "wrong-format"),
        ({"space_id": "0" * 64}, "wrong-space-id"),
        ({"n": 0}, "wrong-n"),
        ({"n": 10**13}, "wrong-n"),
        ({"n": 5}, "wrong-n"),
        ({"n": True}, "wrong-n"),
        ({"fit": -1}, "wrong-fit"),
        ({"points__shape": [10_000_000, 3]}, "too-many-points"),
        ({"points__shape": [20, 10**12]}, "wrong-array"),
        ({"points__data": "AAAA"}, "wrong-array"),
        ({"points__dtype": "object"}, "wrong-array"),
        ({"points": lambda K: array(np.full((K, 3), np.nan))}, "not-finite"),
        ({"points": lambda K: array(np.full((K, 3), 1e9))}, "implausible-points"),
        ({"points": lambda K: array(np.zeros((K, 7)))}, "wrong-width"),
        ({"weights": lambda K: array(np.full(K, -0.1), "float64")}, "wrong-weights"),
        ({"weights": lambda K: array(np.full(K, 1.0), "float64")}, "wrong-mass"),
        ({"weights": lambda K: array(np.zeros(K), "float64")}, "wrong-mass"),
        ({"weights": lambda K: array(np.full(K - 1, 1 / K), "float64")}, "wrong-shape"),
        ({"semantic": {"task": "poetry"}}, "wrong-semantic"),
        ({"semantic": {"colour": "red"}}, "wrong-semantic"),
        ({"generator": {"a": [1]}}, "wrong-generator"),
        ({"surprise": 1}, "wrong-keys"),
    ],
)
def test_each_rule_has_its_reason(spec, changes, code):
    with pytest.raises(SpecError) as refused:
        Specification.from_bytes(spoilt(spec, **changes))
    assert refused.value.code == code


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 5000, b'{"a": 1e999}', b'{"a": "\\ud800"}', b"\x80\x04."])
def test_what_is_no_strict_json_is_refused(data):
    with pytest.raises(SpecError):
        Specification.from_bytes(data)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_mutation_ends_in_another_exception(spec, data):
    whole = bytearray(spec.to_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "repeat"]))
    if kind == "flip":
        whole[at] = data.draw(st.integers(0, 255))
    elif kind == "cut":
        del whole[at : at + data.draw(st.integers(1, 50))]
    else:
        whole[at:at] = whole[at : at + 30]
    try:
        Specification.from_bytes(bytes(whole))
    except SpecError:
        pass


def test_a_file_that_is_not_there_is_a_spec_error(tmp_path):
    with pytest.raises(SpecError, match="can not be read"):
        Specification.read(tmp_path / "none.json")

"""Files of the learnware package, read as data: what is well formed comes in, what is hostile is refused, nothing is run."""

import io
import json
import math
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import specs
from moorage.interchange import to_zip
from specs import SpecError
from specs.interchange import from_stat_json, from_zip, raw_space, to_stat_json

YAML = """model:
  class_name: Model
  kwargs: {}
stat_specifications:
  - module_path: learnware.specification
    class_name: RKMETableSpecification
    file_name: stat.json
    kwargs: {}
semantic_specification:
  file_name: semantic_specification.json
"""
WORDS = {"Data": {"Type": "Class", "Values": ["Table"]}, "Task": {"Type": "Class", "Values": ["Regression"]}, "Name": {"Type": "String", "Values": "theirs"},
         "Description": {"Type": "String", "Values": "about"}, "Input": {"Dimension": 2, "Description": {"0": "age", "1": "bmi"}}}


def stat(**changes):
    return json.dumps({"z": [[0.0, 1.0], [2.0, -1.0]], "beta": [0.4, 0.6], "gamma": 0.1, "num_points": 50, "type": "RKMETableSpecification"} | changes).encode()


def zipped(folder="", **files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in ({"learnware.yaml": YAML, "__init__.py": "raise SystemExit", "stat.json": stat(), "semantic_specification.json": json.dumps(WORDS)} | files).items():
            if data is not None:
                archive.writestr(folder + name, data)
    return out.getvalue()


def test_the_kernel_is_theirs():
    found = from_stat_json(stat()).specification
    by_hand = sum(a * b * math.exp(-0.1 * ((x[0] - y[0]) ** 2 + (x[1] - y[1]) ** 2))
                  for a, x in ((0.4, (0, 1)), (0.6, (2, -1))) for b, y in ((0.4, (0, 1)), (0.6, (2, -1))))
    assert found.rkme.squared_norm == pytest.approx(by_hand, rel=1e-6)
    assert found.rkme.n == 50 and found.space == raw_space(2, 0.1) and from_stat_json(stat(gamma=0.2)).specification.space.id != found.space.id


def test_there_and_back_is_the_same():
    document = json.loads(to_stat_json(from_stat_json(stat()).specification))
    assert document["z"] == [pytest.approx(row, abs=1e-6) for row in ([0, 1], [2, -1])] and document["beta"] == [0.4, 0.6]
    assert document["gamma"] == pytest.approx(0.1, rel=1e-9) and document["num_points"] == 50 and set(document) == {"z", "beta", "gamma", "num_points", "type"}


def test_what_came_in_is_a_specification_as_any_other():
    found = from_stat_json(stat()).specification
    assert specs.Specification.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


def test_rows_of_any_shape_are_flattened_and_old_files_have_no_type():
    document = json.loads(stat(z=[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], cuda_idx=-1, device="cpu"))
    del document["type"]
    assert from_stat_json(json.dumps(document).encode()).specification.rkme.d == 4


@pytest.mark.parametrize(("changes", "code"), [
    ({"gamma": 0}, "wrong-stat"), ({"gamma": -1}, "wrong-stat"), ({"gamma": None}, "wrong-stat"), ({"gamma": True}, "wrong-stat"), ({"gamma": 1e300}, "wrong-stat"), ({"beta": [0.5]}, "wrong-stat"),
    ({"beta": [-0.1, 1.1]}, "wrong-stat"), ({"beta": [0, 0]}, "wrong-stat"), ({"beta": ["a", "b"]}, "wrong-stat"), ({"z": [[1], [2, 3]]}, "wrong-stat"), ({"z": []}, "wrong-stat"), ({"z": 1}, "wrong-stat"),
    ({"z": [[1e200, 0], [0, 0]]}, "implausible-points"), ({"type": "RKMEImageSpecification"}, "wrong-stat"), ({"type": "os.system"}, "wrong-stat"),
])
def test_what_is_no_specification_of_points_is_refused(changes, code):
    with pytest.raises(SpecError) as refused:
        from_stat_json(stat(**changes))
    assert refused.value.code == code


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"z": NaN}', b'{"z": 1, "z": 2}', b"\xff\xfe", b'{"z": [[1e999]], "beta": [1], "gamma": 1}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(SpecError):
        from_stat_json(text)


def test_weights_above_a_mass_of_one_are_mended_with_a_word():
    found = from_stat_json(stat(beta=[2, 2]))
    assert found.specification.rkme.mass == pytest.approx(1) and "brought to 1" in found.notes[0]


def test_a_missing_count_of_rows_makes_no_claim():
    document = json.loads(stat())
    del document["num_points"]
    found = from_stat_json(json.dumps(document).encode())
    assert found.specification.rkme.n == 2 and "num_points" in found.notes[0]


@pytest.mark.parametrize("folder", ["", "theirs/"])
def test_a_zip_is_read_and_its_code_left_alone(folder):
    found = from_zip(zipped(folder, **{"weights.pkl": b"cos\nsystem\n"}))
    assert [column.name for column in found.specification.space.columns] == ["age", "bmi"]
    assert found.specification.semantic == {"task": "regression", "name": "theirs", "description": "about"}
    assert set(found.files) == {folder + "__init__.py", folder + "weights.pkl"} and "was not opened" in found.notes[-1]


@pytest.mark.parametrize("files", [
    {"learnware.yaml": None}, {"stat.json": None}, {"learnware.yaml": "[1]"}, {"learnware.yaml": "a: !!python/object/apply:os.system ['true']"}, {"learnware.yaml": "a: &a [1]\nb: *a"},
    {"learnware.yaml": YAML.replace("stat.json", "../../etc/passwd")}, {"learnware.yaml": YAML.replace("RKMETable", "GenerativeModel")}, {"learnware.yaml": "x: " + "y" * 300_000},
    {"../outside": "x"}, {"/absolute": "x"}, {"other/learnware.yaml": YAML}, {"learnware.yaml": b"\xff\xfe\x00"}, {"learnware.yaml": "{" * 3000},
])
def test_hostile_zips_are_refused(files):
    with pytest.raises(SpecError):
        from_zip(zipped(**files))


def test_a_link_and_a_bomb_are_refused(monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("learnware.yaml")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SpecError, match="is a link"):
        from_zip(out.getvalue())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("learnware.yaml", YAML)
        archive.writestr("stat.json", b"0" * (70 * 2**20))
    assert len(out.getvalue()) < 200_000
    with pytest.raises(SpecError, match="at most"):
        from_zip(out.getvalue())


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_zip_with_a_byte_changed_is_read_or_refused(data):
    content = bytearray(zipped())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert from_zip(bytes(content)).specification.rkme.size <= 2
    except SpecError as refused:
        assert refused.message


def test_our_zip_is_read_by_us_and_is_the_same_each_time(tmp_path):
    spec = from_stat_json(stat(), names=["a", "b"], semantic={"name": "n", "task": "regression"}).specification
    model = tmp_path / "m.onnx"
    model.write_bytes(b"an onnx model")
    data = to_zip(spec, model)
    assert data == to_zip(spec, model)
    back = from_zip(data)
    assert back.specification.space.id == spec.space.id and np.array_equal(back.specification.rkme.points, spec.rkme.points) and "model.onnx" in back.files
    compile(zipfile.ZipFile(io.BytesIO(data)).read("__init__.py"), "__init__.py", "exec")


def test_a_space_that_is_not_theirs_is_not_exported():
    rng = np.random.default_rng(0)
    for table, why in (({"a": rng.normal(size=50), "b": ["x", "y"] * 25}, "is no plain number"), ({"a": rng.normal(size=50), "b": 9 * rng.normal(size=50)}, "different scales")):
        space = specs.Space.from_table(table, name="t")
        with pytest.raises(SpecError, match=why):
            to_stat_json(specs.Specification(space, specs.describe(table, space, points=5)))

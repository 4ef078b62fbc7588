"""What a stranger's model can do in the sandbox: nothing that outlives it."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from reuse import ReuseError, formats
from reuse.manifest import Manifest
from reuse.sandbox import client, shared
from specs import Space
from tests.journeys import models


@pytest.fixture
def sandbox():
    return shared()


@pytest.fixture
def own():
    """One that a test may break."""
    made = client.Sandbox()
    yield made
    made.close()


def manifest_of(path, kind, space, output, takes="columns") -> dict:
    return Manifest.read({
        "format": "moorage.learnware/1", "name": "m", "version": "1.0.0", "licence": "MIT", "task": "classification" if "classes" in output else "regression",
        "input": {"space": space.id, "takes": takes}, "output": output, "model": formats.describe(kind, path),
    }).to_json()


def asked(member):
    return [{"name": member.reference, "path": str(member.path), "manifest": member.manifest.to_json()}]


def columns(n=20):
    frame = models.part(0, 1).head(n).drop(columns=models.TARGET)
    return {name: frame[name].to_numpy() for name in frame}


def test_it_answers_as_the_model_does_here(sandbox, members):
    from reuse.sandbox import work

    found = sandbox.predict(asked(members[0]), models.space().to_json(), columns())
    assert np.allclose(found[0], work.run(members[0].path, members[0].manifest, models.space(), columns()))


def test_it_runs_the_onnx_and_safetensors_members_too(sandbox, members):
    found = sandbox.predict([asked(m)[0] for m in members], models.space().to_json(), columns())
    assert len(found) == 3 and all(np.allclose(f.sum(axis=1), 1) for f in found)


def test_a_signature_that_lies_is_named(sandbox, members):
    document = members[2].manifest.to_json()
    document["output"] = document["output"] | {"classes": ["a", "b", "c"]}
    with pytest.raises(ReuseError) as refused:
        sandbox.predict([{"name": "m", "path": str(members[2].path), "manifest": document}], models.space().to_json(), columns())
    assert refused.value.code == "signature-lies"


def test_the_child_sees_no_secret_of_its_parent(members, monkeypatch):
    monkeypatch.setenv("MOORAGE_SECRET_KEY", "the-key-to-everything")
    sandbox = client.Sandbox()
    try:
        sandbox.warm()
        environment = Path(f"/proc/{sandbox._zygote.process.pid}/environ").read_bytes()
        assert b"the-key-to-everything" not in environment and b"MOORAGE_SECRET" not in environment
    finally:
        sandbox.close()


def test_a_model_that_takes_too_long_is_stopped_and_the_next_one_runs(own, members):
    own.warm()
    limits = client.Limits(wall_s=0.001)
    with pytest.raises(ReuseError) as refused:
        own.predict(asked(members[0]), models.space().to_json(), columns(), limits)
    assert refused.value.code == "model-timeout"
    assert own.predict(asked(members[0]), models.space().to_json(), columns())[0].shape == (20, 2)


def test_a_model_that_wants_too_much_memory_is_refused(sandbox, tmp_path):
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["huge"]),  # 0.6 GB of noughts
        helper.make_node("ReduceSum", ["huge"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["X", "axis"], ["sums"], keepdims=1),
        helper.make_node("Add", ["sums", "total"], ["Y"]),
    ]
    graph = helper.make_graph(
        nodes, "hungry", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 10])], [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("size", TensorProto.INT64, [1], [150_000_000]), helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    path = tmp_path / "hungry.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString())
    manifest = manifest_of(path, "onnx", models.space(), {"kind": "value", "target": "x"}, takes="coordinates")
    with pytest.raises(ReuseError) as refused:
        sandbox.predict([{"name": "hungry", "path": str(path), "manifest": manifest}], models.space().to_json(), columns(), client.Limits(memory=512 << 20))
    assert refused.value.code in ("model-too-hungry", "model-crashed", "model-failed"), refused.value


def test_when_the_zygote_dies_the_next_call_starts_another(own, members):
    own.warm()
    os.kill(own._zygote.process.pid, signal.SIGKILL)
    time.sleep(0.1)
    try:
        own.predict(asked(members[0]), models.space().to_json(), columns())
    except ReuseError as error:
        assert error.code == "model-crashed"
    assert own.predict(asked(members[0]), models.space().to_json(), columns())[0].shape == (20, 2)


def test_nothing_is_left_of_a_call(members, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    own = client.Sandbox()
    try:
        own.predict(asked(members[0]), models.space().to_json(), columns())
        assert list(tmp_path.rglob("*model*")) == []
    finally:
        own.close()


def test_rows_with_missing_values_reach_a_model_that_imputes(sandbox, tmp_path):
    import skops.io
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = models.part(0, 1)
    X = frame.drop(columns=models.TARGET)
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(X, frame[models.TARGET])
    skops.io.dump(model, tmp_path / "m.skops")
    manifest = manifest_of(tmp_path / "m.skops", "skops", models.space(), {"kind": "classes", "target": models.TARGET, "classes": models.CLASSES})
    holes = X.head(30).copy()
    holes.iloc[::2, 0] = np.nan
    found = sandbox.predict([{"name": "m", "path": str(tmp_path / "m.skops"), "manifest": manifest}], models.space().to_json(),
                            {name: holes[name].to_numpy() for name in holes})
    assert np.allclose(found[0], model.predict_proba(holes))


def test_words_reach_a_model_as_words(sandbox, tmp_path):
    import pandas as pd
    import skops.io
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"city": ["Ames", "Boone", None] * 20, "rooms": np.arange(60) % 7})
    space = Space.from_table(frame, name="homes")
    model = make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"), Ridge()).fit(frame, np.arange(60.0))
    skops.io.dump(model, tmp_path / "m.skops")
    manifest = manifest_of(tmp_path / "m.skops", "skops", space, {"kind": "value", "target": "price"})
    found = sandbox.predict([{"name": "m", "path": str(tmp_path / "m.skops"), "manifest": manifest}], space.to_json(),
                            {"city": np.array(["Boone", "Nowhere"], dtype=object), "rooms": np.array([3.0, 4.0])})
    assert np.allclose(found[0], model.predict(pd.DataFrame({"city": ["Boone", "Nowhere"], "rooms": [3, 4]})))

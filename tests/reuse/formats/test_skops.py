import json
import zipfile

import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from reuse import ReuseError
from reuse.formats import skops as format_skops


def rewritten(path, out, change):
    """A skops file with its schema changed by `change(schema)`."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema).encode()
            target.writestr(name, data)
    return out


def deepest(node, **values):
    node["content"] = {"content": node.get("content"), **values} if "content" in node else values


@pytest.mark.parametrize(
    "evil",
    [
        {"__loader__": "FunctionNode", "__module__": "os", "__class__": "system"},
        {"__loader__": "MethodNode", "__module__": "builtins", "__class__": "eval"},
        {"__loader__": "OperatorFuncNode", "__module__": "operator", "__class__": "methodcaller"},
        {"__loader__": "ObjectNode", "__module__": "subprocess", "__class__": "Popen"},
        {"__loader__": "ObjectNode", "__module__": "sklearn.utils._joblib", "__class__": "Parallel"},
        {"__loader__": "PartialNode", "__module__": "functools", "__class__": "partial"},
        {"__loader__": "ReduceNode", "__module__": "sklearn.tree._tree", "__class__": "Tree"},
        {"__loader__": "TypeNode", "__module__": "posix", "__class__": "system"},
    ],
)
def test_nothing_that_can_call_gets_through(tmp_path, members, evil):
    spoilt = rewritten(members[0].path, tmp_path / "evil.skops", lambda schema: schema.setdefault("content", {}).update(evil=dict(evil, __id__=1)))
    with pytest.raises(ReuseError) as refused:
        format_skops.read_schema(spoilt)
    assert refused.value.code == "class-refused" and refused.value.hint


def test_a_pipeline_with_a_function_of_its_own_is_refused(tmp_path):
    path = tmp_path / "own.skops"
    skops.io.dump(make_pipeline(FunctionTransformer(print), StandardScaler()), path)
    with pytest.raises(ReuseError) as refused:
        format_skops.read_schema(path)
    assert refused.value.code == "class-refused"


def test_members_beside_the_schema_are_refused(tmp_path, members):
    path = tmp_path / "more.skops"
    path.write_bytes(members[0].path.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("payload.pkl", b"boom")
    with pytest.raises(ReuseError, match="does not refer to"):
        format_skops.read_schema(path)


def test_columns_that_pass_through_are_no_function(tmp_path):
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import Ridge

    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3.0, 1.0, 2.0]})
    path = tmp_path / "passing.skops"
    skops.io.dump(make_pipeline(make_column_transformer((StandardScaler(), ["a"]), remainder="passthrough"), Ridge()).fit(frame, [1, 2, 3]), path)
    assert "sklearn.preprocessing._function_transformer.FunctionTransformer" in format_skops.read_schema(path)

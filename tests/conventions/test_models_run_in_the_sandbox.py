"""A stranger's model is opened by the sandbox's children and by nobody else: no code of the server loads one, whatever way it may find."""

import ast
from pathlib import Path

import pytest

from reuse import formats

ROOT = Path(__file__).resolve().parents[2]
SERVER = sorted((ROOT / "marketplace").rglob("*.py"))
LIBRARIES = {"onnx", "onnxruntime", "skops", "safetensors", "pickle", "joblib", "dill", "cloudpickle", "xgboost", "lightgbm", "torch", "keras", "tensorflow"}
# Here the owners of the demo train their models; what they offer is opened like anybody else's.
OWNERS = {"marketplace/demo/fitting.py"}
READERS = {"tensors", "MAX_HEADER", "SUFFIX", "detect"}  # of a format: what reads a header and opens nothing
WITHIN = {"reuse/sandbox/work.py", "reuse/formats/predictor.py"}  # run in a child


def trespasses(source: str, *, server: bool) -> list[str]:
    """What a module does that opens a model."""
    tree, members, found = ast.parse(source), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.module == "reuse.formats":
                members |= {name.asname or name.name for name in node.names if name.name in formats.names()}
            names = [node.module or "", *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        else:
            continue
        if server:
            found += [f"imports {name}" for name in names if name.split(".")[0] in LIBRARIES or name == "reuse.sandbox.work" or name.startswith("reuse.sandbox.work.")]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        of_member = isinstance(node.value, ast.Name) and node.value.id in members
        of_any = isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute) and node.value.func.attr == "member"
        if (of_member or of_any) and (node.attr == "load" or (server and node.attr not in READERS)):
            found.append(f"takes .{node.attr} of a format (line {node.lineno})")
    return found


@pytest.mark.parametrize("path", SERVER, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_of_the_server_opens_a_model(path):
    if str(path.relative_to(ROOT)) not in OWNERS:
        assert trespasses(path.read_text(), server=True) == []


@pytest.mark.parametrize("path", sorted((ROOT / "reuse").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_a_child_of_the_sandbox_loads_a_format(path):
    if str(path.relative_to(ROOT)) not in WITHIN:
        assert trespasses(path.read_text(), server=False) == []


@pytest.mark.parametrize("line", [
    "import onnxruntime", "from skops.io import load", "def f():\n    import pickle", "from reuse.sandbox import work", "import torch.nn",
    "from reuse import formats\nformats.member('onnx').load(path, manifest)", "from reuse.formats import safetensors\nsafetensors.module(path, manifest)",
    "from reuse.formats import skops as s\ns.load(path, manifest)",
])
def test_each_way_to_open_a_model_is_seen(line):
    assert trespasses(line, server=True)


def test_reading_a_header_is_no_trespass():
    assert trespasses("from reuse.formats import safetensors\nsafetensors.tensors(path)", server=True) == []

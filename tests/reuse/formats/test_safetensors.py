import json
import struct

import numpy as np
import pytest

from reuse import ReuseError
from reuse.formats import safetensors
from reuse.manifest import Manifest


def file(path, header, data=b"\0" * 32):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


def entry(dtype="F32", shape=(2, 4), offsets=(0, 32)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "header",
    [
        b'{"a": {"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}, "a": {"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}',
        {"a": entry(shape=(2, 5))},
        {"a": entry(offsets=(0, 40))},
        {"a": entry(offsets=(4, 36))},
        {"a": entry(shape=(2, -4))},
        {"a": entry(dtype="PICKLE")},
        {"a": entry(), "b": entry()},
        {"a": entry() | {"exec": "os.system"}},
        {"a": [1, 2]},
        {"a": entry(shape=(2**62, 4))},
        {},
        b"[1, 2]",
        b"{" * 5000,
        b'{"a": NaN}',
    ],
)
def test_a_header_that_breaks_a_rule_is_refused(tmp_path, header):
    with pytest.raises(ReuseError) as refused:
        safetensors.tensors(file(tmp_path / "m.safetensors", header))
    assert refused.value.code == "wrong-safetensors"


def test_a_header_that_claims_more_than_the_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", 2**31) + b'{"a": 1}')
    with pytest.raises(ReuseError, match="header must be"):
        safetensors.tensors(path)


def test_it_reads_what_the_library_writes(members, tmp_path):
    from safetensors.numpy import load_file

    found = safetensors.tensors(members[2].path)
    held = load_file(members[2].path)
    assert {t["name"]: tuple(t["shape"]) for t in found} == {name: value.shape for name, value in held.items()}


def test_weights_that_are_not_finite_are_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "m.safetensors"
    save_file({"head.weight": np.full((2, 10), np.nan, dtype=np.float32), "head.bias": np.zeros(2, dtype=np.float32)}, path)
    with pytest.raises(ReuseError, match="finite"):
        safetensors.state(path)


def test_an_architecture_that_the_tensors_do_not_fit_is_refused(members):
    document = members[2].manifest.to_json()
    document["model"] = document["model"] | {"architecture": {"name": "mlp", "config": {"inputs": 10, "hidden": [4], "outputs": 2}}}
    with pytest.raises(ReuseError) as refused:
        safetensors.module(members[2].path, Manifest.read(document))
    assert refused.value.code == "wrong-architecture"


def test_a_bomb_is_refused_before_anything_is_built(members):
    document = members[2].manifest.to_json()
    document["model"] = document["model"] | {"architecture": {"name": "mlp", "config": {"inputs": 100_000, "hidden": [16_384] * 16, "outputs": 2}}}
    with pytest.raises(ReuseError) as refused:
        safetensors.check(members[2].path, Manifest.read(document))
    assert refused.value.code == "too-large"

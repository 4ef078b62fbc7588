"""The wire format walked by hand, held against protobuf itself: what it writes passes, what is cut, swapped, nested or multiplied does not."""

import random

import numpy as np
import onnx
import pytest
from google.protobuf.descriptor import FieldDescriptor
from onnx import TensorProto, helper, numpy_helper

from reuse import protobuf
from reuse.errors import ReuseError
from reuse.formats.onnx import SCHEMA, check
from reuse.protobuf import BYTES, FIXED32, FIXED64, VARINT
from tests.soak import corpus

HEAD = b"\x08\x08"


def varint(n: int) -> bytes:
    made = bytearray()
    while n >= 0x80:
        made.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*made, n])


def held(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def in_graph(body: bytes) -> bytes:
    return HEAD + held(7, body)


def in_tensor(body: bytes) -> bytes:
    return in_graph(held(5, body))


def in_attribute(body: bytes) -> bytes:
    return in_graph(held(1, held(5, body)))


def walk(data: bytes, **budget: int) -> None:
    protobuf.walk(data, SCHEMA, "ModelProto", protobuf.Budget(**budget) if budget else None)


def trees(n: int) -> bytes:
    ints = {f"nodes_{key}": np.random.default_rng(0).integers(-(2**40), 2**40, n).tolist() for key in ("treeids", "nodeids", "truenodeids")}
    node = helper.make_node("TreeEnsembleClassifier", ["x"], ["l", "y"], domain="ai.onnx.ml", nodes_modes=["BRANCH_LEQ", ""] * (n // 2), nodes_values=np.linspace(-1, 1, n).tolist(), **ints)
    return model([node])


def model(nodes=(), tensors=()) -> bytes:
    graph = helper.make_graph(list(nodes) or [helper.make_node("Identity", ["x"], ["y"])], "g", [helper.make_tensor_value_info("x", 1, [None, 3])], [helper.make_tensor_value_info("y", 1, None)], list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> list[bytes]:
    """Every ONNX file of the corpus that is taken."""
    return [case.model for case in corpus.build(tmp_path_factory.mktemp("corpus") / "marker") if case.where == "usable" and case.model[:1] == b"\x08"]


def test_what_protobuf_writes_passes(good):
    assert len(good) >= 3
    for data in (*good, model(), trees(2), trees(24), trees(26), trees(3000), trees(120_000)):
        walk(data)


@pytest.mark.parametrize("values", [{"int64_data": [-1, 0, 1, 2**62] * 9}, {"int32_data": [-5, 300] * 20}, {"float_data": [1.5] * 33}, {"double_data": [1.5] * 33}, {"uint64_data": [2**64 - 1]},
                                    {"string_data": [b"\xff", b"", b"a" * 300]}, {"raw_data": bytes(1 << 20)}])
def test_each_way_to_hold_numbers_passes(values):
    walk(model(tensors=[TensorProto(name="w", data_type=1, dims=[1] * 60, **values)]))


def test_long_lists_are_counted_as_protobuf_counts_them():
    data = trees(30_000)
    counted = sum(len(a.ints) + len(a.floats) for a in onnx.load_model_from_string(data).graph.node[0].attribute)
    walk(data, numbers=counted + 2)  # the two of the input's shape are no list
    with pytest.raises(protobuf.Wrong, match="numbers"):
        walk(data, numbers=counted - 1)
    with pytest.raises(protobuf.Wrong, match="strings"):
        walk(data, strings=30_000)  # and the names of two inputs and outputs


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEAD + b"\x0b\x0c", "wire type 3"), (HEAD + b"\x0e", "wire type 6"), (HEAD + b"\x00\x01", "no field 0"), (HEAD + held(20, b""), "holds training information"), (HEAD + held(25, b""), "holds functions"), (HEAD + held(27, b""), "no field 27"),
        (HEAD + HEAD, "stands twice"), (HEAD + b"\x12\x05abc", "5 bytes where 3"), (HEAD + b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "are left"), (HEAD + b"\x12", "does not end"),
        (b"\x08\x88\x00", "longer than it need be"), (b"\x08" + b"\xff" * 9 + b"\x7f", "longer"), (b"\x08" + b"\xff" * 12, "does not end"), (b"\x0d\x01\x02\x03\x04", "wire type 5"),
        (HEAD + held(2, b"\xff\xfe"), "not UTF-8"), (HEAD + held(6, b"a" * (1 << 20 | 1)), "it may have"), (in_graph(held(1, held(1, b"\xc3"))), "not UTF-8"),
        (in_tensor(held(9, b"") + held(9, b"")), "stands twice"), (in_tensor(held(4, b"abcde")), "has 5 bytes"), (in_tensor(held(7, b"\x01\x80")), "ends within one"), (in_tensor(held(7, b"\x80" * 11 + b"\x01")), "ten bytes"),
        (in_tensor(b"\x38\x01"), "wire type 0"), (in_tensor(b"\x08\x01" * 40 + b"\x08"), "does not end"), (in_tensor(b"\x08\x01" * 40 + b"\x08" + b"\x81" * 11 + b"\x01"), "ten bytes"),
        (in_attribute(b"\x3d\x00\x00\x00\x00" * 60 + b"\x3d\x00"), "beyond its end"), (in_attribute(b"\x4a\x02a"), "2 bytes where 1"), (in_attribute(b"\x15\x00"), "beyond its end"),
        (in_attribute(held(22, b"")), "sparse tensors"), (in_tensor(held(3, b"")), "in segments"),
    ],
)
def test_what_is_not_as_protobuf_writes_it_is_wrong(data, said):
    with pytest.raises(protobuf.Wrong, match=said):
        walk(data)


def test_the_schema_is_that_of_onnx():
    """Every field that onnx.proto has, written as it says: what a newer one adds has to be taken or refused by name."""
    kinds = {FieldDescriptor.TYPE_FLOAT: FIXED32, FieldDescriptor.TYPE_DOUBLE: FIXED64} | dict.fromkeys((FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE), BYTES)
    inner = {"Tensor": onnx.TypeProto.Tensor, "Sequence": onnx.TypeProto.Sequence, "Map": onnx.TypeProto.Map, "Dimension": onnx.TensorShapeProto.Dimension}
    for name, fields in SCHEMA.items():
        known = inner.get(name, getattr(onnx, name, None)).DESCRIPTOR.fields_by_number
        assert set(known) <= set(fields), name
        for number, theirs in known.items():
            field = fields[number]
            assert field.wire == kinds.get(theirs.type, VARINT), (name, theirs.name)
            if not field.refused:
                holds = theirs.message_type.name.replace("Optional", "Sequence") if theirs.message_type else ""  # both hold one type
                assert field[1:5] == (holds, theirs.is_repeated, theirs.is_packed, theirs.type == FieldDescriptor.TYPE_STRING), (name, theirs.name)


def test_a_long_trace_beside_an_operator_is_no_reason_to_refuse():
    """torch writes where in the source each operator came from: into doc_string, or metadata_props."""
    node = helper.make_node("Identity", ["x"], ["y"], doc_string="File model.py, line 7\n" * 5_000)
    node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File model.py, line 7\n" * 5_000)
    walk(model([node]))


def test_the_newest_version_that_onnx_writes_is_taken(tmp_path):
    newest = onnx.load_model_from_string(model())
    newest.ir_version = onnx.IR_VERSION
    (tmp_path / "model.onnx").write_bytes(newest.SerializeToString())
    check(tmp_path / "model.onnx", None)


def test_what_no_model_may_hold_is_called_by_its_name(tmp_path):
    held = onnx.load_model_from_string(model())
    held.functions.add(name="twice", domain="own")
    (tmp_path / "model.onnx").write_bytes(held.SerializeToString())
    with pytest.raises(ReuseError, match="it holds functions"):
        check(tmp_path / "model.onnx", None)


def test_messages_are_nested_so_deep_and_no_deeper():
    deep = b""
    for _ in range(3):
        deep = held(1, held(5, held(6, deep)))  # a graph's node's attribute's graph
    walk(HEAD + held(7, deep))
    for _ in range(4000):
        deep = held(1, held(5, held(6, deep)))
    with pytest.raises(protobuf.Wrong, match="nested more than 16"):
        walk(HEAD + held(7, deep))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: in_tensor(held(7, b"\x01" * 100_000_001)), "100,000,000 numbers"), (lambda: in_tensor(b"\x32\x00" * 6_000_001), "6,000,000 strings"),
        (lambda: in_graph(held(11, held(2, held(1, held(2, b"\x0a\x00" * 500_001))))), "500,000 messages"), (lambda: in_tensor(b"\x08\x01" * 100_000_001), "100,000,000 numbers"),
    ],
    ids=["packed", "strings", "messages", "numbers"],
)
def test_few_bytes_do_not_become_gigabytes(data, said):
    with pytest.raises(protobuf.Wrong, match=said):
        walk(data())


def test_every_prefix_is_wrong_or_shorter(good):
    """A cut is seen, but where it falls between two fields of the model itself; then protobuf finds the same fields."""
    data = min(good, key=len)
    for cut in range(2, len(data), max(1, len(data) // 600)):
        try:
            walk(data[:cut])
        except protobuf.Wrong:
            continue
        assert onnx.load_model_from_string(data[:cut]).ByteSize() == cut


def test_mutants_that_pass_are_read_by_protobuf_to_the_byte(good):
    """So whatever protobuf does not read, or reads otherwise than it writes, has been refused before it came there; only a number that is written too long is left to the count of bytes."""
    chance, passed, refused = random.Random(0), 0, 0
    for turn in range(6000):
        data = bytearray(good[turn % len(good)])
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    data[at] ^= 1 << chance.randrange(8)
                case 2:
                    del data[at : at + chance.randrange(1, 9)]
                case 3:
                    data[at:at] = chance.randbytes(chance.randrange(1, 9))
            data = data or bytearray(HEAD)
        try:
            walk(bytes(data))
        except protobuf.Wrong:
            refused += 1
            continue
        read = onnx.load_model_from_string(bytes(data))
        read.DiscardUnknownFields()
        assert abs(read.ByteSize() - len(data)) <= 10 * len(data) // 100 + 10
        passed += 1
    assert passed > 500 and refused > 500


def test_large_bodies_are_stepped_over():
    import time

    data = model(tensors=[numpy_helper.from_array(np.zeros((8 << 20,), np.float32), f"w{i}") for i in range(3)])
    begin = time.perf_counter()
    walk(data)
    assert len(data) > 96 << 20 and time.perf_counter() - begin < 0.5

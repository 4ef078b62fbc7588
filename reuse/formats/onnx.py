"""ONNX in a single file: an allow-list of operators, no external data, run from bytes in the sandbox."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reuse import boosted, formats, protobuf
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from reuse.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field

SUFFIX = ".onnx"
MAX_NODES = 20_000
MAX_VALUES = 200_000_000  # numbers of one tensor, kept or made on the way for one row
MAX_TEXT = 64 * 1024  # of descriptions and notes
NEWEST_IR = 14
DOMAINS = {"": 24, "ai.onnx": 24, "ai.onnx.ml": 5}  # the newest operator set of each that is known to be safe
OPERATORS = set(
    """Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Clip Concat Constant ConstantOfShape Conv Cos Div Dropout
    Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual HardSigmoid
    Identity IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mod Mul Neg Not OneHot Or Pow
    Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round Selu Shape Sigmoid Sign Sin Slice Softmax Softplus
    Split Sqrt Squeeze Sub Sum Tanh TopK Transpose Unsqueeze Where""".split()
)
ML_OPERATORS = set(
    """ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
    OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsembleClassifier TreeEnsembleRegressor ZipMap""".split()
)
TYPES = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL", "STRING")
DATA = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
BRANCHES = {b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ"}


def _schema() -> protobuf.Schema:
    """The messages of onnx.proto, with what no model here may hold named: a field that is not listed is one that onnx.proto did not have yet."""
    number, text, body = Field(VARINT), Field(BYTES, text=True), Field(BYTES)
    numbers, texts, bodies = Field(VARINT, repeated=True), Field(BYTES, repeated=True, text=True), Field(BYTES, repeated=True)

    def one(name: str) -> Field:
        return Field(BYTES, name)

    def many(name: str) -> Field:
        return Field(BYTES, name, repeated=True)

    def packed(wire: int) -> Field:
        return Field(wire, repeated=True, packed=True)

    def no(what: str) -> Field:
        return Field(BYTES, refused=what)

    return {
        "ModelProto": {1: number, 2: text, 3: text, 4: text, 5: number, 6: text, 7: one("GraphProto"), 8: many("OperatorSetIdProto"), 14: many("StringStringEntryProto"),
                       20: no("training information"), 25: no("functions"), 26: no("a layout for several devices")},
        "OperatorSetIdProto": {1: text, 2: number},
        "StringStringEntryProto": {1: text, 2: text},
        "GraphProto": {1: many("NodeProto"), 2: text, 5: many("TensorProto"), 10: text, 11: many("ValueInfoProto"), 12: many("ValueInfoProto"), 13: many("ValueInfoProto"),
                       14: many("TensorAnnotation"), 15: no("sparse tensors"), 16: many("StringStringEntryProto")},
        "NodeProto": {1: texts, 2: texts, 3: text, 4: text, 5: many("AttributeProto"), 6: text, 7: text, 8: text, 9: many("StringStringEntryProto"),
                      10: no("a layout for several devices")},
        # A graph within an attribute is walked, so that its operator can be named by who refuses it.
        "AttributeProto": {1: text, 2: Field(FIXED32), 3: number, 4: body, 5: one("TensorProto"), 6: one("GraphProto"), 7: Field(FIXED32, repeated=True), 8: numbers, 9: bodies,
                           10: many("TensorProto"), 11: many("GraphProto"), 13: text, 14: no("a type as an attribute"), 15: no("types as an attribute"), 20: number, 21: text, 22: no("sparse tensors"), 23: no("sparse tensors")},
        "TensorProto": {1: numbers, 2: number, 3: no("a tensor in segments"), 4: packed(FIXED32), 5: packed(VARINT), 6: bodies, 7: packed(VARINT), 8: text, 9: body, 10: packed(FIXED64), 11: packed(VARINT), 12: text,
                        13: many("StringStringEntryProto"), 14: number, 16: many("StringStringEntryProto")},
        "TensorAnnotation": {1: text, 2: many("StringStringEntryProto")},
        "ValueInfoProto": {1: text, 2: one("TypeProto"), 3: text, 4: many("StringStringEntryProto")},
        "TypeProto": {1: one("Tensor"), 4: one("Sequence"), 5: one("Map"), 6: text, 7: no("a type of its own"), 8: no("sparse tensors"), 9: one("Sequence")},
        "Tensor": {1: number, 2: one("TensorShapeProto")},
        "Sequence": {1: one("TypeProto")},  # and Optional, which is written alike
        "Map": {1: number, 2: one("TypeProto")},
        "TensorShapeProto": {1: many("Dimension")},
        "Dimension": {1: number, 2: text, 3: text},
    }


SCHEMA = _schema()


def detect(head: bytes, path: Path) -> bool:
    # A ModelProto begins with field 1 (ir_version, varint): 08 01 to 08 0e; then another known field.
    return len(head) > 4 and head[0] == 0x08 and 1 <= head[1] <= 0x10 and head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def check(path: Path, manifest: Manifest) -> dict[str, Any]:
    import onnx

    data = path.read_bytes()
    try:
        protobuf.walk(data, SCHEMA, "ModelProto")  # before protobuf, whose parser is C++ and makes gigabytes of a few bytes
    except protobuf.Wrong as error:
        raise _wrong(f"{error}.", "Save it with onnx.save as one graph of plain operators without long notes (doc_string, metadata_props); an upload that was cut off is to be sent again.") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf raises its own family, and others, for a broken file
        raise _wrong(f"it can not be read; {type(error).__name__}.", "The upload may be truncated: send it again.") from None
    _check_envelope(model, data)
    graph = model.graph
    if not 1 <= len(graph.node) <= MAX_NODES:
        raise _wrong(f"it must have 1 to {MAX_NODES:,} nodes; it has {len(graph.node):,}.")
    known = {tensor.name for tensor in graph.initializer}
    if len(known) != len(graph.initializer):
        raise _wrong("two of its tensors bear one name.")
    total = sum(_check_tensor(tensor, onnx) for tensor in graph.initializer)
    _check_ends(graph, known, onnx)
    known |= {value.name for value in graph.input}
    for node in graph.node:
        _check_node(node, onnx)
        if not set(node.input) - {""} <= known:
            raise _wrong(f"the operator {node.op_type} takes what no operator before it gives.")
        for name in filter(None, node.output):
            if name in known:
                raise _wrong(f"{name[:60]!r} is given twice.")
            known.add(name)
    if not {value.name for value in graph.output} <= known:
        raise _wrong("an output is given by no operator.")
    _check_sizes(model, onnx)
    return {"parameters": total, "tensors": [{"name": t.name, "dtype": onnx.TensorProto.DataType.Name(t.data_type), "shape": list(t.dims)} for t in graph.initializer][:1000]}


def _check_envelope(model: Any, data: bytes) -> None:
    """What stands around the graph: versions, and nothing that is hidden, repeated, unknown or beyond the graph."""
    if model.functions or model.training_info or not model.HasField("graph"):
        raise _wrong("it must hold one graph, without functions and training information.")
    if not 1 <= model.ir_version <= NEWEST_IR:
        raise _wrong(f"its IR version must be 1 to {NEWEST_IR}; it is {model.ir_version}.", f"Set ir_version to {NEWEST_IR} or less.")
    versions = {(opset.domain or "ai.onnx", opset.version) for opset in model.opset_import}
    if not versions or len({domain for domain, _ in versions}) != len(versions):
        raise _wrong("it must name its operator sets, each in one version.")
    for opset in model.opset_import:
        if opset.domain not in DOMAINS or not 1 <= opset.version <= DOMAINS[opset.domain]:
            raise _wrong(f"the operator set {opset.domain or 'ai.onnx'} {opset.version} is not allowed.", "Export with target_opset=18.")
    graph = model.graph
    if graph.sparse_initializer:
        raise _wrong("it holds sparse initializers.")
    notes = sum(len(item.key) + len(item.value) for item in (*model.metadata_props, *getattr(graph, "metadata_props", ())))
    if notes + len(model.doc_string) + len(graph.doc_string) > MAX_TEXT:
        raise _wrong(f"its descriptions and notes have more than {MAX_TEXT:,} characters.", "Leave doc_string and metadata_props out.")
    if getattr(model, "configuration", None) or any(getattr(node, "device_configurations", None) for node in graph.node):
        raise _wrong("it is laid out for several devices.")
    model.DiscardUnknownFields()
    if model.ByteSize() != len(data):
        raise _wrong(f"of its {len(data):,} bytes {abs(len(data) - model.ByteSize()):,} are no part of the model, or stand twice.", "Save it with onnx.save, unchanged.")


def _check_ends(graph: Any, tensors: set[str], onnx: Any) -> None:
    inputs = [value for value in graph.input if value.name not in tensors]
    if len(inputs) != 1:
        raise ReuseError("signature-lies", f"The model must have one input, a float matrix (n, columns); it has {len(inputs)}.",
                         "Export with one FloatTensorType input.")
    kind = inputs[0].type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT or (kind.HasField("shape") and len(kind.shape.dim) != 2):
        raise ReuseError("signature-lies", "The model's input must be a matrix (n, columns) of 32-bit floats; it is not.", "Export with one FloatTensorType([None, columns]) input.")
    if not 1 <= len(graph.output) <= 2:
        raise ReuseError("signature-lies", f"The model must have one output, or label and probabilities; it has {len(graph.output)}.")


def _check_node(node: Any, onnx: Any) -> None:
    allowed = ML_OPERATORS if node.domain == "ai.onnx.ml" else OPERATORS if node.domain in DOMAINS else ()
    if node.op_type not in allowed or getattr(node, "overload", ""):
        raise ReuseError("operator-refused", f"The ONNX file is refused: the operator {node.domain or 'ai.onnx'}.{node.op_type} is not on the allow-list.",
                         "Use plain ai.onnx and ai.onnx.ml operators, no loops, branches or operators of your own.")
    names = [attribute.name for attribute in node.attribute]
    if len(set(names)) != len(names):
        raise _wrong(f"an attribute of {node.op_type} stands twice.")
    for attribute in node.attribute:
        kind = onnx.AttributeProto
        if attribute.ref_attr_name or attribute.type in (kind.UNDEFINED, kind.GRAPH, kind.GRAPHS, kind.SPARSE_TENSOR, kind.SPARSE_TENSORS, kind.TYPE_PROTO, kind.TYPE_PROTOS):
            raise _wrong(f"the operator {node.op_type} holds a graph, a sparse tensor or a reference.")
        if attribute.HasField("g") or attribute.graphs or attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise _wrong(f"the operator {node.op_type} holds a graph or a sparse tensor under another name.")
        for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
            _check_tensor(tensor, onnx)
        if not np.isfinite(np.asarray([*attribute.floats, attribute.f], dtype=np.float64)).all() and node.op_type != "Imputer":
            raise ReuseError("not-finite", f"Numbers of a model must be finite; {node.op_type}.{attribute.name} holds others.")
    if node.op_type.startswith("TreeEnsemble"):
        _check_trees({attribute.name: attribute for attribute in node.attribute}, node.op_type)


def _check_trees(held: dict[str, Any], what: str) -> None:
    """The trees of an operator: children that are there, no way round. The runtime builds them by following what the file says."""
    ints = {key: np.asarray(held[f"nodes_{key}"].ints if f"nodes_{key}" in held else [], dtype=np.int64) for key in ("treeids", "nodeids", "truenodeids", "falsenodeids", "featureids")}
    modes = list(held["nodes_modes"].strings) if "nodes_modes" in held else []
    n = len(modes)
    if not 1 <= n <= boosted.MAX_NODES or any(len(values) != n for values in ints.values()) or ("nodes_values" in held and len(held["nodes_values"].floats) not in (0, n)):
        raise _trees(f"{what} must have 1 to {boosted.MAX_NODES:,} nodes and as many entries in each of their lists.")
    leaf = np.array([mode == b"LEAF" for mode in modes])
    if not set(modes) <= BRANCHES | {b"LEAF"}:
        raise _trees(f"{what} has a node of an unknown mode.")
    keys = ints["treeids"] * (1 << 32) + ints["nodeids"]
    if (ints["treeids"] < 0).any() or (ints["treeids"] >= 1 << 30).any() or (ints["nodeids"] < 0).any() or (ints["nodeids"] >= 1 << 31).any() or np.unique(keys).size != n:
        raise _trees(f"{what} has two nodes of one number, or numbers out of range.")
    order = np.argsort(keys)
    places = {}
    for side in ("truenodeids", "falsenodeids"):
        wanted = ints["treeids"] * (1 << 32) + ints[side]
        at = np.minimum(np.searchsorted(keys[order], wanted), n - 1)
        found = order[at]
        if (keys[found] != wanted)[~leaf].any():
            raise _trees(f"{what} has a child that is not there.")
        places[side] = np.where(leaf, np.arange(n), found)
    if ((ints["featureids"] < 0) | (ints["featureids"] >= boosted.MAX_FEATURES))[~leaf].any():
        raise _trees(f"{what} asks for a feature that can not be.")
    children = np.concatenate([places["truenodeids"][~leaf], places["falsenodeids"][~leaf]])
    roots = np.setdiff1d(np.arange(n), children)
    _, met = boosted.reach(places["truenodeids"], places["falsenodeids"], ~leaf, roots, lambda why: _trees(f"{what}: {why}"))
    if not met.all() or not np.array_equal(np.sort(ints["treeids"][roots]), np.unique(ints["treeids"])):
        raise _trees(f"{what} has a tree without one root.")
    for key in ("class", "target"):
        lists = [held[f"{key}_{part}"] for part in ("ids", "nodeids", "treeids", "weights") if f"{key}_{part}" in held]
        if len({len(values.ints) + len(values.floats) for values in lists}) > 1:
            raise _trees(f"{what} has lists of answers of different lengths.")
        for part in lists[:1]:
            if part.ints and not 0 <= min(part.ints) <= max(part.ints) < 100_000:
                raise _trees(f"{what} answers for an output that can not be.")


def _check_tensor(tensor: Any, onnx: Any) -> int:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ReuseError("external-data", "The ONNX file is refused: it keeps weights in other files.", "Save it as one file: onnx.save(model, path, save_as_external_data=False).")
    count = int(np.prod(list(tensor.dims), dtype=np.float64)) if tensor.dims else 1
    if count > MAX_VALUES or len(tensor.dims) > 8 or any(n < 0 for n in tensor.dims):
        raise ReuseError("too-large", f"A tensor of shape {list(tensor.dims)[:8]} is over the budget of {MAX_VALUES:,} numbers.")
    name = tensor.name[:60]
    if tensor.data_type not in {onnx.TensorProto.DataType.Value(kind) for kind in TYPES} or tensor.HasField("segment"):
        raise _wrong(f"the tensor {name!r} has a type that is not allowed.")
    if sum(bool(getattr(tensor, field)) for field in DATA) + bool(tensor.raw_data) > 1:
        raise _wrong(f"the tensor {name!r} holds its numbers twice.")
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise _wrong(f"the tensor {name!r} does not hold what its shape says; {str(error)[:100]}.") from None
    if array.size != count:
        raise _wrong(f"the tensor {name!r} does not hold what its shape says.")
    if array.dtype.kind not in "biuUSO" and not np.isfinite(array.astype(np.float64)).all():
        raise ReuseError("not-finite", f"Weights must be finite; {name!r} holds NaN or infinity.")
    return array.size


def _check_sizes(model: Any, onnx: Any) -> None:
    """What the operators make on the way, as far as it can be told without running them."""
    try:
        told = onnx.shape_inference.infer_shapes(model, check_type=True, data_prop=True)
    except Exception as error:  # the library's exceptions share no public base
        raise _wrong(f"its shapes do not fit together; {str(error)[:200]}") from None
    for value in (*told.graph.value_info, *told.graph.output):
        shape = value.type.tensor_type.shape.dim if value.type.HasField("tensor_type") else ()
        size = int(np.prod([max(dim.dim_value, 1) for dim in shape], dtype=np.float64)) if shape else 1
        if size > MAX_VALUES or any(dim.dim_value < 0 for dim in shape):
            raise ReuseError("too-large", f"{value.name[:60]!r} would have {size:,} numbers on the way; the budget is {MAX_VALUES:,}.", "Offer a smaller model.")


def load(path: Path, manifest: Manifest) -> Callable[[Any], np.ndarray]:
    check(path, manifest)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at import; only then is nothing sent
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base
        raise _wrong(f"onnxruntime can not open it; {str(error)[:200]}") from None
    name = session.get_inputs()[0].name

    def predict(X: Any) -> np.ndarray:
        rows = np.ascontiguousarray(np.asarray(X, dtype=np.float32))
        outputs = session.run(None, {name: rows})
        if not manifest.is_classifier:
            return np.asarray(outputs[0], dtype=np.float64).reshape(len(rows))
        return _probabilities(outputs[-1], manifest)

    return predict


def _probabilities(output: Any, manifest: Manifest) -> np.ndarray:
    if isinstance(output, list):  # ZipMap: a list of {class: probability}
        return np.array([[row.get(c, row.get(int(c) if c.lstrip("-").isdigit() else c, 0.0)) for c in manifest.classes] for row in output], dtype=np.float64)
    P = np.asarray(output, dtype=np.float64)
    if P.ndim == 2 and P.shape[1] == manifest.outputs and (P.min() < 0 or np.abs(P.sum(axis=1) - 1).max() > 1e-3):
        P = np.exp(P - P.max(axis=1, keepdims=True))  # logits
        P /= P.sum(axis=1, keepdims=True)
    return P


def export(model: bytes | Path, folder: Path) -> dict[str, Any]:
    path = folder / "model.onnx"
    path.write_bytes(model.read_bytes() if isinstance(model, Path) else model)
    return formats.describe("onnx", path)


def _wrong(why: str, hint: str = "") -> ReuseError:
    return ReuseError("wrong-onnx", f"The ONNX file is refused: {why}", hint)


def _trees(why: str) -> ReuseError:
    return ReuseError("broken-tree", f"A decision tree in the file is refused: {why}", "Export the fitted model again.")

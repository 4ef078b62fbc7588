"""ONNX in a single file: an allow-list of operators, no external data, run from bytes in the sandbox."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reuse import formats
from reuse.errors import ReuseError
from reuse.manifest import Manifest

SUFFIX = ".onnx"
MAX_NODES = 20_000
DOMAINS = {"": 24, "ai.onnx": 24, "ai.onnx.ml": 5}  # the newest operator set of each that is known to be safe
OPERATORS = set(
    """Abs Add And ArgMax ArgMin ArrayFeatureExtractor AveragePool BatchNormalization Binarizer Cast CastLike CategoryMapper
    Ceil Clip Concat Constant ConstantOfShape Conv Cos Div Dropout Elu Equal Erf Exp Expand FeatureVectorizer Flatten Floor
    Gather GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual HardSigmoid Identity Imputer IsNaN
    LabelEncoder LayerNormalization LeakyRelu Less LessOrEqual LinearClassifier LinearRegressor Log LogSoftmax MatMul Max
    MaxPool Mean Min Mod Mul Neg Normalizer Not OneHot OneHotEncoder Or Pow Reciprocal ReduceMax ReduceMean ReduceMin
    ReduceSum ReduceSumSquare Relu Reshape Round SVMClassifier SVMRegressor Scaler Selu Shape Sigmoid Sign Sin Slice Softmax
    Softplus Split Sqrt Squeeze Sub Sum Tanh TopK Transpose TreeEnsembleClassifier TreeEnsembleRegressor Unsqueeze Where
    ZipMap""".split()
)


def detect(head: bytes, path: Path) -> bool:
    # A ModelProto begins with field 1 (ir_version, varint): 08 01 to 08 0d; then another known field.
    return len(head) > 4 and head[0] == 0x08 and 1 <= head[1] <= 0x10 and head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def check(path: Path, manifest: Manifest) -> dict[str, Any]:
    import onnx

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf raises its own family, and others, for a broken file
        raise _wrong(f"it can not be read; {type(error).__name__}.", "The upload may be truncated: send it again.") from None
    if model.functions or model.training_info or not model.HasField("graph"):
        raise _wrong("it must hold one graph, without functions and training information.")
    for opset in model.opset_import:
        if opset.domain not in DOMAINS or not 1 <= opset.version <= DOMAINS[opset.domain]:
            raise _wrong(f"the operator set {opset.domain or 'ai.onnx'} {opset.version} is not allowed.", "Export with target_opset=18.")
    graph = model.graph
    if not 1 <= len(graph.node) <= MAX_NODES:
        raise _wrong(f"it must have 1 to {MAX_NODES:,} nodes; it has {len(graph.node):,}.")
    for node in graph.node:
        _check_node(node, onnx)
    total = sum(_check_tensor(tensor, onnx) for tensor in graph.initializer)
    if graph.sparse_initializer:
        raise _wrong("it holds sparse initializers.")
    inputs = {i.name for i in graph.input} - {t.name for t in graph.initializer}
    if len(inputs) != 1:
        raise ReuseError("signature-lies", f"The model must have one input, a float matrix (n, columns); it has {len(inputs)}.",
                         "Export with one FloatTensorType input.")
    if not 1 <= len(graph.output) <= 2:
        raise ReuseError("signature-lies", f"The model must have one output, or label and probabilities; it has {len(graph.output)}.")
    return {"parameters": total, "tensors": [{"name": t.name, "dtype": onnx.TensorProto.DataType.Name(t.data_type), "shape": list(t.dims)} for t in graph.initializer][:1000]}


def _check_node(node: Any, onnx: Any) -> None:
    if node.domain not in DOMAINS or node.op_type not in OPERATORS:
        raise _wrong(f"the operator {node.domain or 'ai.onnx'}.{node.op_type} is not on the allow-list.",
                     "Use plain ai.onnx and ai.onnx.ml operators.")
    for attribute in node.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS, onnx.AttributeProto.SPARSE_TENSOR, onnx.AttributeProto.SPARSE_TENSORS):
            raise _wrong(f"the operator {node.op_type} holds a graph or sparse tensor.")
        if attribute.type == onnx.AttributeProto.TENSOR:
            _check_tensor(attribute.t, onnx)
        if not np.isfinite(np.asarray(attribute.floats, dtype=np.float64)).all() and node.op_type != "Imputer":
            raise ReuseError("not-finite", f"Numbers of a model must be finite; {node.op_type}.{attribute.name} holds others.")
    if node.op_type == "ConstantOfShape" and len(node.input) == 0:
        raise _wrong("ConstantOfShape without a shape.")


def _check_tensor(tensor: Any, onnx: Any) -> int:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise _wrong("it keeps weights in other files.", "Save it as one file.")
    count = int(np.prod(list(tensor.dims), dtype=np.float64)) if tensor.dims else 1
    if count > 200_000_000 or len(tensor.dims) > 8 or any(n < 0 for n in tensor.dims):
        raise ReuseError("too-large", f"A tensor of shape {list(tensor.dims)} is over the budget.")
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise _wrong(f"the tensor {tensor.name!r} does not hold what its shape says; {error}.") from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ReuseError("not-finite", f"Weights must be finite; {tensor.name!r} holds NaN or infinity.")
    return array.size


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

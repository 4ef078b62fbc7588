"""scikit-learn through skops: our own walk over schema.json first, then skops with a list of named classes.

Nothing that can name a function, an operator or a constructor is let through; whatever is left runs in the sandbox.
"""

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reuse import arrays, formats, trees
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from specs import SpecError, strict_json, strict_zip
from specs.strict_zip import Zip

SUFFIX = ".skops"
MAX_SCHEMA = 64 << 20
MAX_BYTES = 1 << 30
MAX_MEMBERS = 200_000
MAX_DEPTH = 200
MAX_FEATURES = 1_000_000
TREE_MODELS = re.compile("Forest|ExtraTree|DecisionTree|GradientBoosting|AdaBoost|Bagging")
NODES = {
    "ObjectNode", "DictNode", "ListNode", "TupleNode", "SetNode", "JsonNode", "NdArrayNode", "TypeNode", "DTypeNode", "SliceNode",
    "TreeNode", "LossNode", "RandomStateNode", "RandomGeneratorNode", "SparseMatrixNode", "MaskedArrayNode",
}
PLAIN = {
    "builtins": {"dict", "list", "tuple", "set", "str", "int", "float", "bool", "slice", "NoneType", "bytes", "object"},
    "collections": {"OrderedDict", "defaultdict"},
    "numpy": {"ndarray", "dtype", "str_", "bool", "bool_", "object_", "float16", "float32", "float64", "int8", "int16", "int32", "int64",
              "uint8", "uint16", "uint32", "uint64", "intp", "longlong", "ulonglong"},
    "numpy.ma": {"MaskedArray"},
    "numpy.random.mtrand": {"RandomState"},
    "numpy.random._generator": {"Generator"},
    "scipy.sparse._csr": {"csr_matrix", "csr_array"},
    "scipy.sparse._csc": {"csc_matrix", "csc_array"},
}
ESTIMATORS = set(
    """Pipeline FeatureUnion ColumnTransformer TransformedTargetRegressor
    StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer QuantileTransformer PowerTransformer PolynomialFeatures
    SplineTransformer KBinsDiscretizer OneHotEncoder OrdinalEncoder LabelEncoder LabelBinarizer TargetEncoder Binarizer
    SimpleImputer MissingIndicator PCA TruncatedSVD SelectKBest VarianceThreshold
    LogisticRegression LogisticRegressionCV LinearRegression Ridge RidgeCV RidgeClassifier Lasso LassoCV ElasticNet ElasticNetCV
    BayesianRidge ARDRegression HuberRegressor PoissonRegressor GammaRegressor TweedieRegressor SGDClassifier SGDRegressor
    DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor RandomForestClassifier
    RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor GradientBoostingClassifier GradientBoostingRegressor
    HistGradientBoostingClassifier HistGradientBoostingRegressor BaggingClassifier BaggingRegressor AdaBoostClassifier
    AdaBoostRegressor VotingClassifier VotingRegressor StackingClassifier StackingRegressor
    SVC NuSVC LinearSVC SVR NuSVR LinearSVR KNeighborsClassifier KNeighborsRegressor GaussianNB MultinomialNB BernoulliNB
    CategoricalNB ComplementNB LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis MLPClassifier MLPRegressor
    GaussianProcessClassifier GaussianProcessRegressor CalibratedClassifierCV OneVsRestClassifier DummyClassifier DummyRegressor
    _BinMapper TreePredictor Tree KDTree BallTree EuclideanDistance64 EuclideanDistance32 MinkowskiDistance64 ManhattanDistance64
    AdamOptimizer SGDOptimizer Interval IdentityLink LogLink LogitLink HalfLogitLink MultinomialLogit HalfBinomialLoss
    HalfMultinomialLoss HalfSquaredError AbsoluteError PinballLoss HalfPoissonLoss HalfGammaLoss ExponentialLoss HuberLoss
    CyHalfBinomialLoss CyHalfMultinomialLoss CyHalfSquaredError CyAbsoluteError CyHalfPoissonLoss CyPinballLoss
    CyExponentialLoss CyHuberLoss Hinge Log ModifiedHuber SquaredLoss _CalibratedClassifier _SigmoidCalibration IsotonicRegression
    RBF ConstantKernel WhiteKernel Product Sum""".split()
)
SKLEARN = re.compile(r"sklearn(?!.*\b(?:tests|conftest|externals|datasets|experimental)\b)(?:\.[a-z_]+)+")
# What a loader calls with content of the file may be nothing but this.
BUILT = {
    "ListNode": {("builtins", "list")}, "TupleNode": {("builtins", "tuple")}, "SetNode": {("builtins", "set")},
    "DictNode": {("builtins", "dict"), ("collections", "OrderedDict")}, "NdArrayNode": {("numpy", name) for name in PLAIN["numpy"]},
    "TreeNode": {("sklearn.tree._tree", "Tree")}, "RandomStateNode": {("numpy.random.mtrand", "RandomState")},
    "RandomGeneratorNode": {("numpy.random._generator", "Generator")}, "SliceNode": {("builtins", "slice")},
}
PASSTHROUGH = ("sklearn.preprocessing._function_transformer", "FunctionTransformer")
EXTRA = ["numpy.dtype", "sklearn.tree._tree.Tree"]


def detect(head: bytes, path: Path) -> bool:
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "schema.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return False


def check(path: Path, manifest: Manifest) -> dict[str, Any]:
    classes = read_schema(path)
    return {"parameters": 0, "tensors": [], "estimators": sorted(classes)}


def read_schema(path: Path) -> set[str]:
    """The sklearn classes that a skops file names; raises ReuseError when anything in it is not allowed."""
    try:
        archive = strict_zip.load(path, most_members=MAX_MEMBERS, most_bytes=MAX_BYTES)
        if "schema.json" not in archive.names or archive["schema.json"].size > MAX_SCHEMA:
            raise _wrong(f"it must hold a schema.json of at most {MAX_SCHEMA:,} bytes.")
        schema = strict_json.loads(archive.read("schema.json"), most=MAX_SCHEMA, what="schema.json", depth=MAX_DEPTH)
        files, classes = _walk(schema, archive)
    except SpecError as error:
        raise ReuseError("wrong-skops" if error.code == "not-json" else error.code, f"The skops file is refused: {error.message}", error.hint) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, EOFError, OverflowError) as error:
        raise _wrong(f"it can not be read; {type(error).__name__}.", "The upload may be truncated: send it again.") from None
    if set(archive.names) != files:
        raise _wrong("it holds members that its schema does not refer to, or lacks some that it does.")
    return classes


def _walk(schema: Any, archive: Zip) -> tuple[set[str], set[str]]:
    """(files that the schema refers to, classes that it names), every node checked, trees and arrays too."""
    files, classes, known = {"schema.json"}, set(), {}
    stack = [(schema, MAX_FEATURES)]
    while stack:
        node, features = stack.pop()
        if isinstance(node, list):
            stack += [(inner, features) for inner in node]
        elif isinstance(node, dict):
            if "__loader__" in node:
                _check_node(node, classes)
                _same_each_time(node, known)
                if "file" in node:
                    files.add(_member(node, archive))
                    _array(archive, node)
                features = min(features, _features_of(node))
                _check_trees(archive, node, features)
            stack += [(inner, features) for inner in node.values()]
    return files, classes


def _same_each_time(node: dict[str, Any], known: dict[Any, tuple]) -> None:
    # skops gives whoever repeats an __id__ the object that bore it first: what we check must be what it takes.
    plain = node.get("content") if isinstance(node.get("content"), str) else None
    said = (node["__loader__"], node.get("__module__"), node.get("__class__"), node.get("file"), plain)
    if known.setdefault(node.get("__id__"), said) != said and node.get("__id__") is not None:
        raise _wrong("two different objects bear one __id__.")


def _features_of(node: dict[str, Any]) -> int:
    """How many columns a tree model takes, by its own word; no bound for anything else."""
    name = node.get("__class__")
    if not (isinstance(name, str) and TREE_MODELS.search(name) and node["__loader__"] == "ObjectNode"):
        return MAX_FEATURES
    held = node["content"]["content"].get("n_features_in_")
    return int(json.loads(held["content"])) if held else MAX_FEATURES


def _check_trees(archive: Zip, node: dict[str, Any], features: int) -> None:
    name = node.get("__class__")
    if name == "Tree" and node["__loader__"] == "TreeNode":
        own = int(json.loads(node["__reduce__"]["args"]["content"][0]["content"]))
        state = node["content"]["content"]
        nodes, values = _array(archive, state["nodes"]), _array(archive, state["values"])
        trees.check_tree(nodes, values, min(features, own))
        if int(json.loads(state["node_count"]["content"])) != len(nodes):
            raise _wrong("a tree's node_count is not the number of its nodes.")
    elif name == "TreePredictor":
        state = node["content"]["content"]
        nodes = _array(archive, state["nodes"])
        trees.check_predictor(nodes, features)
        for table in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
            trees.check_bitsets(nodes, _array(archive, state[table]))


def _member(node: dict[str, Any], archive: Zip) -> str:
    name = node["file"]
    if not isinstance(name, str) or name not in archive.names or not name.endswith((".npy", ".npz")):
        raise _wrong(f"it refers to {str(name)[:60]!r}, which is no array that it holds.")
    if (node["__loader__"] == "SparseMatrixNode") != name.endswith(".npz") or node["__loader__"] not in ("SparseMatrixNode", "NdArrayNode"):
        raise _wrong(f"a {node['__loader__']} refers to the array {name[:60]!r}.")
    return name


def _array(archive: Zip, node: dict[str, Any]) -> np.ndarray:
    """The array of an NdArrayNode, without pickles; raises ReuseError when its header and its bytes do not agree."""
    name = node["file"]
    if name.endswith(".npy"):
        return arrays.npy(archive.read(name), f"its array {name[:60]!r}", _wrong)
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        for part in archive.parts(name):
            file.write(part)
        file.flush()
        arrays.sparse(Path(file.name), f"its matrix {name[:60]!r}", MAX_BYTES, _wrong)
    return np.empty(0)


def _check_node(node: dict[str, Any], classes: set[str]) -> None:
    loader, module, name = node["__loader__"], node.get("__module__"), node.get("__class__")
    if loader not in NODES:
        raise ReuseError("class-refused", f"The skops file holds a {loader} ({module}.{name}), which can call code.",
                         "Leave functions out of the pipeline (FunctionTransformer, custom scorers, categorical_features of HistGradientBoosting: encode before it).")
    if loader in BUILT and (module, name) not in BUILT[loader]:
        raise ReuseError("class-refused", f"The skops file would build a {module}.{name} by a {loader}, which is not how that is made.",
                         "Write it with skops.io.dump, unchanged.")
    if module in PLAIN and name in PLAIN[module]:
        return
    if isinstance(module, str) and SKLEARN.fullmatch(module) and name in ESTIMATORS:
        classes.add(f"{module}.{name}")
        return
    if (module, name) == PASSTHROUGH and _passes_through(node):
        classes.add(f"{module}.{name}")
        return
    raise ReuseError("class-refused", f"The skops file names {module}.{name}, which is not on the list of classes that may be loaded.",
                     "Use scikit-learn's own transformers and estimators, or export to ONNX.")


def _passes_through(node: dict[str, Any]) -> bool:
    """Whether a FunctionTransformer has no function: what a ColumnTransformer makes of `remainder="passthrough"`."""
    content = node.get("content")
    values = content.get("content") if isinstance(content, dict) else None
    if not isinstance(values, dict):
        return False
    return all(isinstance(values.get(key), dict) and values[key].get("__loader__") == "JsonNode" and values[key].get("content") == "null" for key in ("func", "inverse_func"))


def load(path: Path, manifest: Manifest) -> Callable[[Any], np.ndarray]:
    classes = read_schema(path)
    import skops.io

    model = skops.io.load(path, trusted=EXTRA + sorted(classes))
    return predictor(model, manifest)


def predictor(model: Any, manifest: Manifest) -> Callable[[Any], np.ndarray]:
    """predict(X) of a fitted estimator, its classes put into the manifest's order by name."""
    if not manifest.is_classifier:
        return lambda X: np.asarray(model.predict(X), dtype=np.float64).reshape(len(X))
    if not hasattr(model, "predict_proba"):
        raise ReuseError("no-probabilities", "A classifier must give probabilities (predict_proba); this one does not.",
                         "Wrap it in CalibratedClassifierCV.")
    held = [class_name(c) for c in model.classes_]
    if sorted(held) != sorted(manifest.classes):
        raise ReuseError("signature-lies", f"The manifest declares the classes {list(manifest.classes)[:10]}, the model has {held[:10]}.",
                         "Declare exactly the model's classes.")
    order = [held.index(name) for name in manifest.classes]
    return lambda X: np.asarray(model.predict_proba(X), dtype=np.float64)[:, order]


def class_name(label: Any) -> str:
    """A class as the manifest writes it: text; whole floats lose their '.0'."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def export(model: Any, folder: Path) -> dict[str, Any]:
    path = folder / "model.skops"
    if isinstance(model, Path):
        shutil.copyfile(model, path)
    else:
        import skops.io

        skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    read_schema(path)  # better refused here, on the owner's machine, than after the upload
    return formats.describe("skops", path)


def _wrong(why: str, hint: str = "") -> ReuseError:
    return ReuseError("wrong-skops", f"The skops file is refused: {why}", hint)

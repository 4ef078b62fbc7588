"""Decision trees as arrays: what must hold before compiled code walks them.

scikit-learn's own walk trusts them: a child out of range is a crash, a cycle never ends, a feature out of range reads foreign memory.
"""

import numpy as np

from reuse.errors import ReuseError

LEAF = -1


def check_tree(nodes: np.ndarray, values: np.ndarray, features: int) -> None:
    """sklearn.tree._tree.Tree: `nodes` (n,) structured, `values` (n, outputs, classes); raises ReuseError where a rule is broken."""
    _fields(nodes, {"left_child", "right_child", "feature", "threshold"})
    leaf = nodes["left_child"] == LEAF
    if not np.array_equal(leaf, nodes["right_child"] == LEAF):
        raise _wrong("a node must have two children or none.")
    _structure(nodes["left_child"], nodes["right_child"], nodes["feature"], leaf, features)
    if values.shape[:1] != nodes.shape or values.ndim != 3 or values.dtype != np.float64 or not np.isfinite(values).all():
        raise _wrong(f"its values must be finite, (nodes, outputs, classes); they are {values.shape}.")
    if np.isnan(nodes["threshold"][~leaf]).any():
        raise _wrong("a threshold is not a number.")


def check_predictor(nodes: np.ndarray, features: int) -> None:
    """HistGradientBoosting's TreePredictor: `nodes` (n,) structured; raises ReuseError where a rule is broken."""
    _fields(nodes, {"left", "right", "feature_idx", "is_leaf", "value", "is_categorical", "bitset_idx"})
    leaf = nodes["is_leaf"] == 1
    _structure(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), nodes["feature_idx"].astype(np.int64), leaf, features)
    if not np.isfinite(nodes["value"]).all():
        raise _wrong("its values must be finite.")


def check_bitsets(nodes: np.ndarray, bitsets: np.ndarray) -> None:
    """The categorical splits of a TreePredictor point into `bitsets` (m, 8) uint32."""
    split = (nodes["is_categorical"] == 1) & (nodes["is_leaf"] != 1)
    if bitsets.ndim != 2 or bitsets.shape[1:] != (8,) or bitsets.dtype != np.uint32 or (nodes["bitset_idx"][split] >= len(bitsets)).any():
        raise _wrong("a categorical split points outside its table.")


def _structure(left: np.ndarray, right: np.ndarray, feature: np.ndarray, leaf: np.ndarray, features: int) -> None:
    n, here = len(left), np.arange(len(left))
    if n == 0:
        raise _wrong("it has no nodes.")
    for child in (left, right):
        # Children stand behind their parents, as every builder writes them: then no walk can go round.
        if ((child <= here) | (child >= n))[~leaf].any():
            raise _wrong("a child lies out of range or before its parent.")
    children = np.concatenate([left[~leaf], right[~leaf]])
    if np.unique(children).size != children.size:
        raise _wrong("two splits share a child.")
    if ((feature < 0) | (feature >= features))[~leaf].any():
        raise _wrong(f"a split asks for a feature that is none of {features}.")


def _fields(nodes: np.ndarray, wanted: set[str]) -> None:
    if nodes.ndim != 1 or not wanted <= set(nodes.dtype.names or ()):
        raise _wrong("its nodes are no table of nodes.")


def _wrong(why: str) -> ReuseError:
    return ReuseError("broken-tree", f"A decision tree in the file is refused: {why}", "Export the fitted model again with skops.io.dump.")

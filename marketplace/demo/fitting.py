"""How the demo's models are made. Each maker returns `fit(frame, y, space, start) -> model`.

`frame` holds raw columns, y (n,) text or float, `space` the family's, `start` the fitted base where there is one. Torch
and ONNX models take coordinates, pipelines raw columns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

Fit = Callable[[pd.DataFrame, np.ndarray, Any, Any], Any]


def pipeline(make: Callable[[], Any]) -> Fit:
    """A scikit-learn pipeline on raw columns: numbers imputed and scaled, words one-hot. Becomes a skops file."""

    def fit(frame: pd.DataFrame, y: np.ndarray, space: Any, start: Any) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = [column.name for column in space.columns if column.type == "numeric"]
        words = [column.name for column in space.columns if column.type != "numeric"]
        parts = [("numbers", Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]), numbers)]
        if words:
            parts.append(("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words))
        return Pipeline([("columns", ColumnTransformer(parts)), ("model", make())]).fit(frame[numbers + words], y)

    return fit


def onnx(make: Callable[[], Any]) -> Fit:
    """A scikit-learn estimator on coordinates, exported to ONNX bytes."""

    def fit(frame: pd.DataFrame, y: np.ndarray, space: Any, start: Any) -> bytes:
        from skl2onnx import to_onnx

        X = space.encode(frame).astype(np.float32)
        model = make().fit(X, y)
        options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
        return to_onnx(model, X[:1], options=options, target_opset=18).SerializeToString()

    return fit


def torch_net(architecture: str, config: dict[str, Any], *, epochs: int, lr: float = 2e-3, batch: int = 64, seed: int = 0) -> Fit:
    """A network of `reuse.architectures` on coordinates; begins at the base's weights where one is given."""

    def fit(frame: pd.DataFrame, y: np.ndarray, space: Any, start: Any) -> Any:
        import torch

        from reuse import architectures

        torch.manual_seed(seed)
        classes = sorted(set(y.tolist())) if y.dtype.kind in "OU" else None
        if start is not None:
            module = architectures.build(**start.architecture)
            module.load_state_dict(start.state_dict())
        else:
            full = dict(config, outputs=len(classes) if classes else 1)
            if architecture != "cnn":
                full["inputs"] = space.d
            if not classes:
                full |= {"output_location": float(np.mean(y)), "output_scale": float(np.std(y))}
            module = architectures.build(architecture, full)
        train(module, space.encode(frame).astype(np.float32), coded(y, classes, module), bool(classes), epochs, lr, batch)
        return module

    return fit


def coded(y: np.ndarray, classes: list[str] | None, module: Any) -> np.ndarray:
    """Labels as the network learns them: class numbers (n,), or standardised values (n, 1)."""
    if classes:
        return np.searchsorted(np.array(classes), y.astype(str)).astype(np.int64)
    config = module.architecture["config"]
    return ((y - config["output_location"]) / config["output_scale"]).astype(np.float32)[:, None]


def train(module: Any, X: np.ndarray, y: np.ndarray, classifier: bool, epochs: int, lr: float, batch: int) -> None:
    """Adam on a one-cycle schedule; cross-entropy with a little smoothing, or Huber loss."""
    import torch

    X, y = torch.from_numpy(X), torch.from_numpy(y)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.05) if classifier else torch.nn.HuberLoss()
    steps = max(1, -(-len(X) // batch)) * epochs
    optimiser = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    module.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(batch):
            optimiser.zero_grad()
            loss(module(X[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()
    module.eval()


def predict(model: Any, frame: pd.DataFrame, space: Any, classes: list[str] | None) -> np.ndarray:
    """What a fitted model answers for raw rows: class names or values (n,). For held-out scores on cards."""
    if isinstance(model, bytes):
        import onnxruntime

        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {session.get_inputs()[0].name: space.encode(frame).astype(np.float32)})[0]).reshape(-1)
    if hasattr(model, "state_dict"):
        from reuse.formats import safetensors

        found = safetensors.predictor(model, bool(classes))(space.encode(frame))
        return np.array(classes)[found.argmax(axis=1)] if classes else found
    return np.asarray(model.predict(frame[[column.name for column in space.columns]])).reshape(-1)

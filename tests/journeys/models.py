"""What people offer and bring in the journeys: scikit-learn's breast cancer data, split by the size of the nuclei."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import specs

TARGET = "diagnosis"
CLASSES = ["benign", "malignant"]


@cache
def everything() -> pd.DataFrame:
    raw = load_breast_cancer(as_frame=True)
    frame = raw.data.iloc[:, :10].rename(columns=lambda name: name.replace("mean ", "").replace(" ", "_"))
    frame[TARGET] = np.where(raw.target == 1, "benign", "malignant")
    return frame.sample(frac=1.0, random_state=0).reset_index(drop=True)


@cache
def space() -> specs.Space:
    return specs.Space.from_table(everything(), name="cell nuclei", target=TARGET)


def part(low: float, high: float) -> pd.DataFrame:
    """Rows whose radius lies between two quantiles."""
    frame = everything()
    rank = frame["radius"].rank(pct=True)
    return frame[(rank > low) & (rank <= high)].reset_index(drop=True)


def requirement(frame: pd.DataFrame, **semantic: str) -> dict:
    words = {"task": "classification", "target": TARGET, "name": "", "description": "", **semantic}
    return json.loads(specs.Specification(space(), specs.describe(frame, space(), points=50), words).to_bytes())


def fitted(frame: pd.DataFrame):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(frame.drop(columns=TARGET), frame[TARGET])


def write(folder: Path, name: str, frame: pd.DataFrame, kind: str, **changes) -> dict:
    """Files of an offer: {"manifest": bytes, "model": path, "specification": bytes}."""
    path, architecture, takes = MAKERS[kind](folder / name, frame)
    data = path.read_bytes()
    manifest = {
        "format": "moorage.learnware/1",
        "name": name,
        "version": "1.0.0",
        "title": f"Nuclei: {name}",
        "task": "classification",
        "input": {"space": space().id, "takes": takes},
        "output": {"kind": "classes", "target": TARGET, "classes": CLASSES},
        "model": {"format": kind, "file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "architecture": architecture},
        "licence": "Apache-2.0",
        "card": f"# {name}\n\nFitted on {len(frame)} rows.",
    } | changes
    document = json.dumps(requirement(frame, name=name)).encode()
    return {"manifest": json.dumps(manifest).encode(), "model": path, "specification": document}


def _skops(path: Path, frame: pd.DataFrame):
    import skops.io

    path = path.with_suffix(".skops")
    skops.io.dump(fitted(frame), path)
    return path, None, "columns"


def _onnx(path: Path, frame: pd.DataFrame):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    path = path.with_suffix(".onnx")
    model = fitted(frame)
    proto = to_onnx(model, initial_types=[("X", FloatTensorType([None, 10]))], options={"zipmap": False})
    path.write_bytes(proto.SerializeToString())
    return path, None, "columns"


def _safetensors(path: Path, frame: pd.DataFrame):
    import torch
    from safetensors.torch import save_file

    path = path.with_suffix(".safetensors")
    X = torch.tensor(space().encode(frame), dtype=torch.float32)
    y = torch.tensor((frame[TARGET] == "malignant").to_numpy(), dtype=torch.long)
    torch.manual_seed(0)
    head = torch.nn.Linear(X.shape[1], 2)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(X), y).backward()
        optimiser.step()
    save_file({"head.weight": head.weight.detach().contiguous(), "head.bias": head.bias.detach().contiguous()}, path)
    return path, {"name": "linear", "config": {"inputs": X.shape[1], "outputs": 2}}, "coordinates"


MAKERS = {"skops": _skops, "onnx": _onnx, "safetensors": _safetensors}

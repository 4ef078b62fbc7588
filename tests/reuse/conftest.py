"""Members as a job has them: nuclei of breast tumours, split by size; three formats; a family with a base."""

from pathlib import Path

import numpy as np
import pytest

import specs
from reuse import sandbox
from reuse.engine import Labelled, Member, Plan
from reuse.manifest import Manifest
from specs.columns import raw_columns
from tests.journeys import models


@pytest.fixture(scope="session", autouse=True)
def one_sandbox():
    yield
    sandbox.shared().close()


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """make(name, low, high, kind, weight, **manifest) -> Member."""
    folder = tmp_path_factory.mktemp("members")

    def member(name: str, low: float, high: float, kind: str = "skops", weight: float = 1.0, **changes) -> Member:
        files = models.write(folder, name, models.part(low, high), kind, **changes)
        return Member(f"alice/{name}@1.0.0", Path(files["model"]), Manifest.read_bytes(files["manifest"]),
                      specs.Specification.from_bytes(files["specification"]).rkme, weight)

    return member


@pytest.fixture(scope="session")
def members(make):
    return [make("small", 0, 0.5, "skops", 0.5), make("large", 0.5, 1, "onnx", 0.5), make("middling", 0.3, 0.7, "safetensors", 0.0)]


@pytest.fixture(scope="session")
def labelled():
    return rows(models.part(0, 1).iloc[:60])


@pytest.fixture(scope="session")
def unseen():
    return models.part(0, 1).iloc[60:]


def rows(frame) -> Labelled:
    return Labelled({name: values for name, values in raw_columns(frame).items() if name != models.TARGET}, frame[models.TARGET].to_numpy().astype(str))


def plan(members, address: str, data=None, **more) -> Plan:
    kind, _, name = address.partition("/")
    output = {"kind": "classes", "target": models.TARGET, "classes": list(models.CLASSES)}
    wanted = {"params": {}, "space": models.space(), "output": output, "requirement": specs.describe(models.part(0, 1), models.space(), points=50)} | more
    return Plan(members=list(members), kind=kind, method=name or kind, data=data, **wanted)


def accuracy(prediction, frame) -> float:
    return float((prediction.labels == frame[models.TARGET].to_numpy()).mean())


def stored(folder: Path, name: str, state: dict, config: dict, *, architecture: str = "mlp", base=None, classes=models.CLASSES, frame=None, weight: float = 0.5) -> Member:
    """A safetensors member with the tensors of `state`; of values where there are no classes."""
    import hashlib

    from safetensors.torch import save_file

    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous().clone() for key, value in state.items()}, path)
    output = {"kind": "classes", "target": models.TARGET, "classes": list(classes)} if classes else {"kind": "value", "target": "area"}
    manifest = Manifest.read({
        "format": "moorage.learnware/1", "name": name, "version": "1.0.0", "task": "classification" if classes else "regression", "licence": "MIT",
        "input": {"space": models.space().id, "takes": "coordinates"}, "output": output,
        "model": {"format": "safetensors", "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size,
                  "architecture": {"name": architecture, "config": config}},
        "base": base,
    })
    rkme = specs.describe(models.part(0, 0.5) if frame is None else frame, models.space(), points=20)
    return Member(f"alice/{name}@1.0.0", path, manifest, rkme, weight, "MIT")


@pytest.fixture(scope="session")
def family(tmp_path_factory):
    """(base, [two fine-tuned]) of one small network, regressing nothing: merges only look at tensors."""
    import torch

    from reuse import architectures

    folder, config = tmp_path_factory.mktemp("family"), {"inputs": 10, "hidden": [6], "outputs": 2}
    torch.manual_seed(0)
    base = architectures.build("mlp", config)
    states = [{k: v.clone() for k, v in base.state_dict().items()}]
    for i in range(2):
        generator = torch.Generator().manual_seed(i + 1)
        states.append({k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in states[0].items()})
    found = [stored(folder, f"m{i}", state, config, base={"learnware": "alice/m0@1.0.0"} if i else None) for i, state in enumerate(states)]
    return found[0], found[1:]


@pytest.fixture(scope="session")
def grown(tmp_path_factory):
    """(base, [two fine-tuned]) that were trained: the base on a few rows, the others on the small and the large nuclei."""
    import torch

    from reuse import architectures

    folder, config = tmp_path_factory.mktemp("grown"), {"inputs": 10, "hidden": [8], "outputs": 2}

    def learned(frame, start=None):
        torch.manual_seed(0)
        module = architectures.build("mlp", config)
        if start is not None:
            module.load_state_dict(start)
        X = torch.tensor(models.space().encode(frame), dtype=torch.float32)
        y = torch.tensor((frame[models.TARGET] == "malignant").to_numpy(), dtype=torch.long)
        optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
        for _ in range(100):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(X), y).backward()
            optimiser.step()
        return {name: value.detach().clone() for name, value in module.state_dict().items()}

    few = models.part(0, 1).iloc[200:300]
    start = learned(few)
    base = stored(folder, "g0", start, config, frame=few, weight=0.0)
    parts = [("g1", models.part(0, 0.55)), ("g2", models.part(0.45, 1))]
    return base, [stored(folder, name, learned(frame, start), config, base={"learnware": base.reference}, frame=frame) for name, frame in parts]


@pytest.fixture(scope="session")
def valued(tmp_path_factory):
    """(base, [two fine-tuned], their plan's changes, rows with values): linear models of values, each on a scale of its own."""
    import torch

    folder, rng = tmp_path_factory.mktemp("valued"), np.random.default_rng(0)
    W = rng.normal(size=10)

    def model(name, location, scale, noise, base=None, frame=None):
        V = W + noise * np.random.default_rng(len(name) + int(scale)).normal(size=10)
        state = {"head.weight": torch.tensor(100 * V[None] / scale, dtype=torch.float32), "head.bias": torch.tensor([(1000 - location) / scale], dtype=torch.float32)}
        config = {"inputs": 10, "outputs": 1, "output_location": location, "output_scale": scale}
        return stored(folder, name, state, config, architecture="linear", base=base, classes=None, frame=frame)

    base = model("v0", 0.0, 1.0, 0.5)
    tuned = [model("v1", 1000.0, 100.0, 0.15, {"learnware": base.reference}, models.part(0, 0.6)), model("v2", 500.0, 7.0, 0.15, {"learnware": base.reference}, models.part(0.4, 1))]
    frame = models.part(0, 1)
    y = 1000 + 100 * models.space().encode(frame) @ W + 5 * rng.normal(size=len(frame))
    columns = rows(frame).columns
    return base, tuned, {"output": {"kind": "value", "target": "area"}}, (columns, y)


@pytest.fixture
def plain_scratch(monkeypatch):
    """Training from scratch without a forest and without choosing a penalty: for those who only need it to be there."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression, Ridge

    from reuse import scratch

    def fit(X, y, **params):
        if not scratch.is_classes(y):
            return Ridge(1.0).fit(X, y)
        return (LogisticRegression(max_iter=300) if len(np.unique(y)) > 1 else DummyClassifier(strategy="prior")).fit(X, y)

    monkeypatch.setattr(scratch, "fit", fit)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)

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


@pytest.fixture(scope="session")
def family(tmp_path_factory):
    """(base, [two fine-tuned]) of one small network, regressing nothing: merges only look at tensors."""
    import hashlib

    import torch
    from safetensors.torch import save_file

    from reuse import architectures

    folder, config = tmp_path_factory.mktemp("family"), {"inputs": 10, "hidden": [6], "outputs": 2}
    torch.manual_seed(0)
    base = architectures.build("mlp", config)
    states = [{k: v.clone() for k, v in base.state_dict().items()}]
    for i in range(2):
        generator = torch.Generator().manual_seed(i + 1)
        states.append({k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in states[0].items()})
    found = []
    for i, state in enumerate(states):
        path = folder / f"m{i}.safetensors"
        save_file({k: v.contiguous() for k, v in state.items()}, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest = Manifest.read({
            "format": "moorage.learnware/1", "name": f"m{i}", "version": "1.0.0", "task": "classification", "licence": "MIT",
            "input": {"space": models.space().id, "takes": "coordinates"}, "output": {"kind": "classes", "target": models.TARGET, "classes": list(models.CLASSES)},
            "model": {"format": "safetensors", "file": path.name, "sha256": digest, "size": path.stat().st_size, "architecture": {"name": "mlp", "config": config}},
            "base": None if i == 0 else {"learnware": "alice/m0@1.0.0"},
        })
        rkme = specs.describe(models.part(0, 0.5), models.space(), points=20)
        found.append(Member(f"alice/m{i}@1.0.0", path, manifest, rkme, 0.5, "MIT"))
    return found[0], found[1:]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)

"""The engine on torch gives what NumPy's gives."""

import importlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import specs
from specs import SpecError
from specs.reduce import CPU, MODES

on_torch = importlib.import_module("specs.torch")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)


@pytest.mark.parametrize("device", DEVICES)
def test_its_sums_are_those_of_numpy(digits, device):
    engine, rng = on_torch.engine_on(device), np.random.default_rng(0)
    X, Z = digits.astype(np.float32), digits[:30].astype(np.float32)
    p = rng.dirichlet(np.ones(len(X)))
    for ours, theirs in zip(CPU.pull(Z, CPU.put(X, p), 10.0), engine.pull(Z, engine.put(X, p), 10.0), strict=True):
        assert theirs == pytest.approx(ours, rel=1e-4, abs=1e-6)
    assert engine.embed(X, p, Z, 10.0) == pytest.approx(CPU.embed(X, p, Z, 10.0), rel=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", list(MODES))
def test_its_reduction_is_as_near_and_the_same_each_time(digits, device, mode):
    ours = specs.reduce(digits, sigma=10.0, points=30, mode=mode)
    theirs, again = (on_torch.reduce(digits, sigma=10.0, points=30, mode=mode, device=device) for _ in range(2))
    assert theirs.points.tobytes() == again.points.tobytes()
    assert theirs.fit == pytest.approx(ours.fit, rel=0.35) and specs.squared_mmd(ours, theirs) < 4 * (ours.fit + theirs.fit)


def test_a_device_that_is_not_there_is_named(digits):
    with pytest.raises(SpecError, match="must be one that torch finds here"):
        on_torch.reduce(digits, sigma=10.0, device="cuda:99")

"""Fine-tuning: what may learn learns, what may not stays, and it is the same twice."""

from importlib import import_module

import numpy as np
import pytest
import torch

from reuse import architectures, registry
from reuse.errors import Cancelled
from reuse.finetune import train

METHODS = [m for m in registry.every() if m.kind == "finetune"]


@pytest.fixture
def task(random):
    X = random.normal(size=(120, 6))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def tuned(method, X, y, **params):
    torch.manual_seed(0)
    module = architectures.build("mlp", {"inputs": 6, "hidden": [16], "outputs": 2})
    before = {name: value.clone() for name, value in module.state_dict().items()}
    settings = import_module(method.module).tune(module, **method.read_params(params))
    return before, train(module, X, y, 2, settings)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_it_learns(method, task):
    X, y = task
    _, module = tuned(method, X, y)
    with torch.inference_mode():
        found = module(torch.as_tensor(X, dtype=torch.float32)).argmax(dim=1).numpy()
    assert (found == y).mean() > 0.85


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_it_learns_the_same_twice(method, task):
    one, two = tuned(method, *task)[1].state_dict(), tuned(method, *task)[1].state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_head_alone_learns_where_that_was_asked(task):
    before, module = tuned(registry.find("finetune/head"), *task)
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) == (not name.startswith("head.")) for name in before)


def test_a_strong_pull_keeps_it_where_it_started(task):
    before, module = tuned(registry.find("finetune/full"), *task, anchor=1e4)
    assert all(torch.allclose(before[name], value, atol=0.02) for name, value in module.state_dict().items())


def test_a_value_is_learned_too(random):
    X = random.normal(size=(200, 6))
    y = X[:, 0] - 2 * X[:, 3]
    module = architectures.build("linear", {"inputs": 6, "outputs": 1})
    settings = import_module("reuse.finetune.full").tune(module, epochs=300, lr=0.05, anchor=0.0)
    train(module, X, y, 0, settings)
    with torch.inference_mode():
        found = module(torch.as_tensor(X, dtype=torch.float32))[:, 0].numpy()
    assert np.sqrt(((found - y) ** 2).mean()) < 0.1


def test_it_stops_when_asked(task):
    module = architectures.build("linear", {"inputs": 6, "outputs": 2})
    settings = import_module("reuse.finetune.full").tune(module)
    with pytest.raises(Cancelled):
        train(module, *task, 2, settings, over=lambda: True)

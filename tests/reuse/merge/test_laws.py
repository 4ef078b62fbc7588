"""What every merge obeys, so that a new file in reuse/merge is under test before its author writes one."""

from importlib import import_module

import pytest
import torch

from reuse import registry


@pytest.fixture(params=[m for m in registry.every() if m.kind == "merge"], ids=lambda m: m.name)
def merge(request):
    method = request.param
    function, params = import_module(method.module).merge, method.read_params({})
    return lambda deltas: function(deltas, **params)


@pytest.fixture(params=[(3, 40), (2, 8, 5), (4, 3, 2, 3, 3), (2, 1)], ids=str)
def deltas(request):
    return torch.randn(request.param, generator=torch.Generator().manual_seed(1))


def test_the_result_has_the_shape_of_one_model(merge, deltas):
    assert merge(deltas).shape == deltas.shape[1:] and torch.isfinite(merge(deltas)).all()


def test_inputs_are_left_alone(merge, deltas):
    before = deltas.clone()
    merge(deltas)
    assert torch.equal(deltas, before)


def test_models_that_changed_nothing_change_nothing(merge, deltas):
    assert torch.equal(merge(torch.zeros_like(deltas)), torch.zeros(deltas.shape[1:]))


def test_the_order_of_models_does_not_matter(merge, deltas):
    assert torch.allclose(merge(deltas), merge(deltas.flip(0)), atol=1e-6)


def test_twice_the_change_is_twice_the_result(merge, deltas):
    assert torch.allclose(merge(2 * deltas), 2 * merge(deltas), atol=1e-5)

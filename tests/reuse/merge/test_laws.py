"""What every merge obeys, so that a new file in reuse/merge is under test before its author writes one."""

from importlib import import_module

import numpy as np
import pytest

from reuse import registry
from reuse.weights import Stack, kernels, merged

LAWS = [m for m in registry.every() if m.kind == "merge"]
MODULES = {m.name: import_module(m.module) for m in LAWS}
LONG = kernels.BLOCK + 333


@pytest.fixture(params=LAWS, ids=lambda m: m.name)
def method(request):
    return request.param


def of(method, D, **given):
    """What the method makes of arrays (m, ...): differences from a base, or weights."""
    found = MODULES[method.name].merge(Stack.of(D), **method.read_params(given))
    return np.array(found if isinstance(found, np.ndarray) else np.concatenate(list(found))).reshape(D.shape[1:])


# SLERP is of two models, and Iso-C, TSV and RegMean are of matrices: two models here, and shapes of each kind.
@pytest.fixture(params=[(2, 40), (2, 8, 5), (2, 5, 8), (2, 3, 2, 3, 3), (2, 1), (2, 1, 7), (2, LONG)], ids=str)
def D(request):
    return np.random.default_rng(1).normal(size=request.param).astype(np.float32)


@pytest.fixture(params=[3, 5], ids=lambda m: f"{m} models")
def several(request, method):
    if method.name == "slerp":
        return np.random.default_rng(2).normal(size=(2, 9, 6)).astype(np.float32)
    return np.random.default_rng(2).normal(size=(request.param, 9, 6)).astype(np.float32)


def test_the_result_has_the_shape_of_one_model_and_is_finite(method, D):
    found = of(method, D)
    assert found.shape == D.shape[1:] and found.dtype == np.float32 and np.isfinite(found).all()


def test_inputs_are_left_alone(method, D):
    before = D.copy()
    of(method, D)
    assert np.array_equal(D, before)


def test_models_that_changed_nothing_change_nothing(method, D):
    assert not of(method, np.zeros_like(D)).any()


def test_the_order_of_models_does_not_matter(method, several):
    if getattr(MODULES[method.name], "ORDERED", False):
        assert not np.allclose(of(method, several, **({"t": 0.3} if "t" in method.params else {})), of(method, several[::-1], **({"t": 0.3} if "t" in method.params else {})))
    else:
        for order in (np.arange(len(several))[::-1], np.roll(np.arange(len(several)), 1)):
            assert np.allclose(of(method, several), of(method, several[order]), atol=1e-5)


def test_twice_the_change_is_twice_the_result(method, D):
    assert np.allclose(of(method, 2 * D), 2 * of(method, D), atol=1e-4)


def test_a_change_of_sign_changes_the_sign(method, D):
    assert np.allclose(of(method, -D), -of(method, D), atol=1e-5)


def test_it_is_the_same_twice(method, several):
    assert of(method, several).tobytes() == of(method, several).tobytes()


def test_the_blocks_in_which_a_tensor_is_walked_do_not_matter(method, monkeypatch):
    D = np.random.default_rng(3).normal(size=(2, 500)).astype(np.float32)
    whole = of(method, D)
    for block in (1, 7, 499):
        monkeypatch.setattr(kernels, "BLOCK", block)
        assert np.allclose(of(method, D), whole, rtol=0, atol=1e-6)


def test_one_model_alone_comes_out_in_its_own_direction(method):
    """Nobody stands against it: what is left of its changes keeps their sign, and nothing is moved the other way."""
    if method.name == "slerp":
        return  # of two models
    D = np.random.default_rng(4).normal(size=(1, 12, 7)).astype(np.float32)
    assert (of(method, D) * D[0]).sum() > 0


def test_several_models_that_agree_are_one_model_however_many(method):
    """Averages of equals are the equal; sums are so many times it."""
    if method.name in ("slerp", "dare", "tsv"):
        return  # two models; a mask for each; equal directions can not be made orthogonal
    one = np.random.default_rng(5).normal(size=(1, 12, 7)).astype(np.float32)
    alone, three = of(method, one), of(method, np.repeat(one, 3, axis=0))
    times = 3 if method.name in ("task-arithmetic", "breadcrumbs", "iso-c") else 1
    assert np.allclose(three, times * alone, atol=1e-5)


def test_what_a_method_says_it_needs_is_known():
    for module in MODULES.values():
        assert getattr(module, "NEEDS_STATISTICS", "gram") in ("gram", "fisher")
        assert {name: type(getattr(module, name)) for name in ("NEEDS_BASE", "ORDERED", "NEEDS_LABELS") if hasattr(module, name)} == \
            {name: bool for name in ("NEEDS_BASE", "ORDERED", "NEEDS_LABELS") if hasattr(module, name)}


def test_what_is_swept_is_one_parameter_of_the_method(method):
    sweep = getattr(MODULES[method.name], "SWEEP", {})
    assert len(sweep) <= 1 and set(sweep) <= set(method.params)
    for name, values in sweep.items():
        assert list(values) == sorted(set(values))
        for value in values:
            method.read_params({name: value})


def test_a_merge_of_whole_models_keeps_their_names_and_shapes(method, random):
    def model():
        return {"body.weight": random.normal(size=(6, 4)), "body.bias": random.normal(size=6), "point": random.normal(size=())}

    base = model()
    models = [{name: np.asarray(value + 0.1 * random.normal(size=np.shape(value))) for name, value in base.items()} for _ in range(2)]
    found = merged(f"merge/{method.name}", models, base)
    assert {name: value.shape for name, value in found.items()} == {"body.weight": (6, 4), "body.bias": (6,), "point": ()}
    assert all(np.isfinite(value).all() for value in found.values())


def test_models_that_are_their_base_stay_it(method, random):
    base = {"body.weight": random.normal(size=(6, 4)), "body.bias": random.normal(size=6)}
    found = merged(f"merge/{method.name}", [dict(base), dict(base)], base)
    assert all(np.allclose(found[name], value, atol=1e-6) for name, value in base.items())

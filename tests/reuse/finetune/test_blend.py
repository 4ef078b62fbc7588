"""WiSE-FT and BANG: part of the way back to the start, and whether the tuned model would drown its base."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from reuse import architectures
from reuse.errors import ReuseError
from reuse.finetune import bang, blended, train, wise_ft

START = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3), "h": torch.tensor([1.0, 3.0], dtype=torch.bfloat16)}
TUNED = {"w": torch.tensor([3.0, -2.0]), "n": torch.tensor(9), "h": torch.tensor([2.0, 5.0], dtype=torch.bfloat16)}


def test_a_blend_is_that_by_hand():
    found = blended(START, TUNED, 0.25)
    assert found["w"].tolist() == [1.5, 1.0] and found["h"].tolist() == [1.25, 3.5]
    assert found["n"].item() == 9 and {name: value.dtype for name, value in found.items()} == {name: value.dtype for name, value in TUNED.items()}


def test_the_ends_are_the_models_themselves():
    assert all(torch.equal(blended(START, TUNED, 0.0)[name], START[name]) for name in ("w", "h"))
    assert all(torch.equal(blended(START, TUNED, 1.0)[name], TUNED[name]) for name in TUNED)


def test_a_blend_shares_no_memory_with_its_parts():
    found = blended(START, TUNED, 1.0)
    found["w"].zero_(), found["n"].zero_()
    assert TUNED["w"].tolist() == [3.0, -2.0] and TUNED["n"].item() == 9


@pytest.mark.parametrize("other", [{"w": TUNED["w"]}, TUNED | {"w": torch.zeros(3)}])
def test_other_tensors_are_refused(other):
    with pytest.raises(ReuseError) as error:
        blended(START, other, 0.5)
    assert error.value.code == "other-tensors"


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_the_way_is_refused(alpha):
    with pytest.raises(ReuseError, match="alpha must be in"):
        blended(START, TUNED, alpha)
    with pytest.raises(ReuseError, match="alpha must be in"):
        wise_ft.tune(None, alpha=alpha)


@pytest.mark.parametrize("method", [wise_ft, bang])
def test_training_leaves_the_blend_to_the_caller(method, random):
    X = random.normal(size=(100, 6))
    module = architectures.build("mlp", {"inputs": 6, "hidden": [8], "outputs": 2})
    settings = method.tune(module, epochs=5, alpha=0.3)
    done = train(module, X, (X[:, 0] > 0).astype(int), 2, settings)
    assert settings.blend == 0.3
    module.load_state_dict(blended(done.start, done.tuned, 1.0))
    assert torch.equal(module.head.weight, done.tuned["head.weight"]) and not torch.equal(done.start["head.weight"], done.tuned["head.weight"])


@pytest.mark.parametrize("method", [wise_ft, bang])
def test_the_sweep_goes_all_the_way_and_can_be_read_without_importing(method):
    (node,) = [n for n in ast.parse(Path(method.__file__).read_text()).body if isinstance(n, ast.Assign)]
    assert ast.literal_eval(node.value) == method.SWEEP == {"alpha": tuple(round(0.1 * i, 1) for i in range(11))}


def test_bang_smooths_and_mixes():
    settings = bang.tune(None)
    assert settings.label_smoothing == 0.1 and settings.mixup == 0.2 and settings.blend == 0.5


def test_smoothing_and_mixing_make_a_model_less_sure(random):
    X = random.normal(size=(300, 6))
    y = (X[:, 0] > 0).astype(int)
    probs = []
    for method in (wise_ft, bang):
        torch.manual_seed(0)
        module = train(architectures.build("mlp", {"inputs": 6, "hidden": [8], "outputs": 2}), X, y, 2, method.tune(None)).module
        with torch.inference_mode():
            probs.append(torch.softmax(module(torch.as_tensor(X, dtype=torch.float32)), dim=1).numpy())
    assert bang.overconfident(probs[1], probs[0]) > 0


def test_overconfidence_is_the_difference_of_mean_largest_probabilities():
    base, tuned = np.array([[0.6, 0.4], [0.5, 0.5]]), np.array([[0.1, 0.9], [0.7, 0.3]])
    assert bang.overconfident(base, tuned) == pytest.approx((0.9 + 0.7) / 2 - (0.6 + 0.5) / 2)
    assert bang.overconfident(tuned, base) < 0 and bang.overconfident(base, base) == 0

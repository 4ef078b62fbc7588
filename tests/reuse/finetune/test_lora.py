"""LoRA: the change of a weight has the rank that was asked for, begins at zero, and is added at the end."""

import pytest
import torch

from reuse import architectures
from reuse.errors import ReuseError
from reuse.finetune import Phase, Settings, lora, train


def deep():
    torch.manual_seed(0)
    return architectures.build("mlp", {"inputs": 12, "hidden": [24, 20], "outputs": 3, "norm": True})


def images():
    torch.manual_seed(0)
    return architectures.build("cnn", {"height": 6, "width": 6, "filters": [8, 10], "hidden": 16, "outputs": 3})


@pytest.mark.parametrize(("build", "d"), [(deep, 12), (images, 36)])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_change_has_the_rank_and_only_layers_and_the_head_change(random, build, d, rank):
    X = random.normal(size=(80, d))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    done = train(build(), X, y, 3, lora.tune(None, epochs=15, rank=rank))
    low = 0
    for name, before in done.start.items():
        change = (done.tuned[name] - before).double()
        if name.startswith("head."):
            assert change.abs().max() > 0
        elif before.ndim > 1:
            sizes = torch.linalg.svdvals(change.flatten(1))
            assert sizes[0] > 1e-3 and sizes[rank:].max() < 1e-5 * max(1.0, float(sizes[0]))
            low += 1
        else:
            assert change.abs().max() == 0, name
    assert low >= 2


def test_it_begins_at_zero_and_is_the_product(random):
    module, X = deep(), torch.as_tensor(random.normal(size=(9, 12)), dtype=torch.float32)
    names, before, weight = list(module.state_dict()), module(X).detach(), module.body[0].weight.detach().clone()
    lora.attach(module, 4, 2.5)
    assert torch.equal(module(X), before)
    low = module.body[0].parametrizations.weight[0]
    assert low.A.shape == (4, 12) and low.B.shape == (24, 4)
    with torch.no_grad():
        low.B.normal_()
        changed, wanted = module(X), weight + 2.5 * low.B @ low.A
    lora.merge(module)
    assert torch.allclose(module.body[0].weight, wanted) and torch.allclose(module(X), changed, atol=1e-6)
    assert list(module.state_dict()) == names and type(module.body[0]) is torch.nn.Linear


def test_alpha_is_divided_by_the_rank():
    assert lora.tune(None, rank=4, alpha=10.0).scale == 2.5


def test_a_rank_above_the_layers_own_is_cut():
    module = deep()
    lora.attach(module, 1000, 1.0)
    assert module.body[0].parametrizations.weight[0].A.shape == (12, 12)


def test_a_model_that_is_all_head_learns_its_head(random):
    X = random.normal(size=(80, 4))
    done = train(architectures.build("linear", {"inputs": 4, "outputs": 2}), X, (X[:, 0] > 0).astype(int), 2, lora.tune(None, epochs=5))
    assert not torch.equal(done.start["head.weight"], done.tuned["head.weight"])


@pytest.mark.parametrize("params", [{"rank": 0}, {"alpha": 0.0}])
def test_a_rank_or_alpha_of_nothing_is_refused(params):
    with pytest.raises(ReuseError) as error:
        lora.tune(None, **params)
    assert error.value.code == "wrong-parameter"


def test_settings_without_a_rank_can_not_learn_low_rank_changes():
    with pytest.raises(ReuseError, match="rank must be 1 or more"):
        Settings((Phase("lora", 1, 0.1),), 0.0, 0)

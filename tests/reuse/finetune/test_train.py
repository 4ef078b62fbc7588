"""Fine-tuning: what may learn learns, what may not stays, it is the same twice, and an interrupted training ends as another would."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch

from reuse import architectures, registry
from reuse.errors import Cancelled, ReuseError
from reuse.finetune import Phase, Settings, _loop, train

METHODS = [m for m in registry.every() if m.kind == "finetune"]
ALL = Settings((Phase("all", 6, 0.01),), 0.0, 0)


@pytest.fixture
def task(random):
    X = random.normal(size=(120, 6))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture
def large(random):
    """Rows enough to hold some out."""
    X = random.normal(size=(300, 6))
    return X, (X[:, 0] + X[:, 1] + random.normal(size=300) > 0).astype(int)


def network(outputs=2, seed=0, norm=False):
    torch.manual_seed(seed)
    return architectures.build("mlp", {"inputs": 6, "hidden": [16], "outputs": outputs, "norm": norm})


def settings_of(method, module, **params):
    return import_module(method.module).tune(module, **method.read_params(params))


def tuned(method, X, y, **params):
    module = network()
    return train(module, X, y, 2, settings_of(method, module, **params))


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_it_learns(method, task):
    X, y = task
    done = tuned(method, X, y)
    with torch.inference_mode():
        found = done.module(torch.as_tensor(X, dtype=torch.float32)).argmax(dim=1).numpy()
    assert (found == y).mean() > 0.85
    assert done.curve[-1]["train"] < done.curve[0]["train"]
    assert [row["epoch"] for row in done.curve] == list(range(len(done.curve)))


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_it_learns_the_same_twice(method, task):
    assert same(tuned(method, *task).tuned, tuned(method, *task).tuned)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_module_comes_back_as_it_came(method, task):
    module, chance = network(), torch.get_rng_state()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    done = train(module, *task, 2, settings_of(method, module))
    assert done.module is module and not module.training and all(p.requires_grad for p in module.parameters())
    assert same(done.start, before) and same(done.tuned, module.state_dict())
    assert list(module.state_dict()) == list(before)
    assert torch.equal(chance, torch.get_rng_state())


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_rows_that_may_not_be_written_are_learned_from(method, task):
    X, y = task[0].astype(np.float32), task[1]
    X.flags.writeable = y.flags.writeable = False
    tuned(method, X, y)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("lr", -1.0), ("weight_decay", -0.1), ("seed", -1)])
def test_a_setting_out_of_its_bounds_is_refused(method, name, value):
    with pytest.raises(ReuseError, match=f"{name} must be") as error:
        settings_of(method, network(), **{name: value})
    assert error.value.code == "wrong-parameter"


def test_the_head_alone_learns_where_that_was_asked(task):
    done = tuned(registry.find("finetune/head"), *task)
    assert all(torch.equal(done.start[name], done.tuned[name]) == (not name.startswith("head.")) for name in done.start)


def test_a_probe_comes_before_all_layers_learn(task):
    X, y = task
    done = tuned(registry.find("finetune/lp-ft"), X, y, probe_epochs=5, epochs=3)
    assert [row["phase"] for row in done.curve] == ["head"] * 5 + ["all"] * 3
    assert not any(torch.equal(done.start[name], done.tuned[name]) for name in done.start)


def test_a_strong_pull_keeps_it_where_it_started(task):
    done = tuned(registry.find("finetune/full"), *task, anchor=1e4)
    assert all(torch.allclose(done.start[name], value, atol=0.02) for name, value in done.tuned.items())


def test_the_pull_is_the_gradient_of_the_squared_distance(task):
    """Against one epoch by hand: the first step is free of pull, the second is not."""
    X, y = task
    done = train(network(), X, y, 2, Settings((Phase("all", 2, 0.01, anchor=0.5),), 0.0, 0, balanced=False, batch=200))
    module = network()
    start = [p.detach().clone() for p in module.parameters()]
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(2):
        optimiser.zero_grad()
        pull = sum(((p - s) ** 2).sum() for p, s in zip(module.parameters(), start, strict=True))
        (torch.nn.functional.cross_entropy(module(torch.as_tensor(X, dtype=torch.float32)), torch.as_tensor(y)) + 0.5 * pull).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
    assert all(torch.allclose(value, done.tuned[name], atol=1e-5) for name, value in module.state_dict().items())


def test_a_value_is_learned_too(random):
    X = random.normal(size=(200, 6))
    y = X[:, 0] - 2 * X[:, 3]
    module = architectures.build("linear", {"inputs": 6, "outputs": 1})
    train(module, X, y, 0, import_module("reuse.finetune.full").tune(module, epochs=300, lr=0.05, anchor=0.0))
    with torch.inference_mode():
        found = module(torch.as_tensor(X, dtype=torch.float32))[:, 0].numpy()
    assert np.sqrt(((found - y) ** 2).mean()) < 0.1


def test_values_are_mixed_but_not_smoothed(random):
    X = random.normal(size=(100, 6))
    done = train(network(1), X, X[:, 0], 0, replace(ALL, mixup=0.3, label_smoothing=0.1))
    assert done.curve[-1]["train"] < done.curve[0]["train"] and "Label smoothing needs classes: values were learned as they are." in done.notes


def test_probabilities_can_be_learned(task):
    X, y = task
    hard, soft = (train(network(), X, target, 2, ALL).tuned for target in (y, np.eye(2)[y]))
    assert all(torch.allclose(hard[name], soft[name], atol=1e-5) for name in hard)


# --- what counts how much


def test_smoothed_and_mixed_losses_are_those_by_hand():
    out = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
    log_p = (out - out.exp().sum(dim=1, keepdim=True).log()).numpy()
    hard, e = np.eye(3)[[0, 2]], 0.3
    by_hand = -(((1 - e) * hard + e / 3) * log_p).sum(axis=1)
    assert np.allclose(_loop.losses(out, torch.tensor([0, 2]), e), by_hand, atol=1e-6)
    share, other = torch.tensor([0.25, 0.9]), np.eye(3)[[1, 1]]
    soft = share.numpy()[:, None] * hard + (1 - share.numpy())[:, None] * other
    mixed = _loop.mixed(torch.as_tensor(hard).float(), torch.as_tensor(other).float(), share)
    assert np.allclose(mixed, soft)
    by_hand = -(((1 - e) * soft + e / 3) * log_p).sum(axis=1)
    assert np.allclose(_loop.losses(out, mixed, e), by_hand, atol=1e-6)
    # Mixing labels is mixing losses, since cross-entropy is linear in the label.
    a, b = (_loop.losses(out, torch.as_tensor(labels), 0.0) for labels in ([0, 2], [1, 1]))
    assert torch.allclose(_loop.losses(out, mixed, 0.0), share * a + (1 - share) * b)


def test_values_lose_their_squared_error():
    assert _loop.losses(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 5.0]), 0.0).tolist() == [1.0, 4.0]


def test_classes_weigh_alike_and_the_rarest_no_more_than_ten():
    y = torch.tensor([0] * 90 + [1] * 10)
    weights = _loop.row_weights(y, 2, True)
    assert weights[:90].sum().item() == pytest.approx(weights[90:].sum().item()) == pytest.approx(50)
    assert _loop.row_weights(torch.tensor([0] * 999 + [1]), 2, True).max() == 10
    assert torch.equal(_loop.row_weights(y, 2, False), torch.ones(100))
    soft = torch.nn.functional.one_hot(y, 2).float()
    assert torch.allclose(_loop.row_weights(soft, 2, True), weights)


def test_balanced_losses_are_those_of_torch(task):
    y = torch.as_tensor(task[1])
    out = torch.randn(len(y), 2, generator=torch.Generator().manual_seed(0))
    weights = _loop.row_weights(y, 2, True)
    balance = len(y) / (2 * torch.bincount(y).float())
    assert torch.allclose((_loop.losses(out, y, 0.0) * weights).sum() / weights.sum(), torch.nn.functional.cross_entropy(out, y, weight=balance))


def test_a_rare_class_is_found_where_classes_weigh_alike(random):
    X = random.normal(size=(400, 6))
    y = (X[:, 0] + 0.8 * random.normal(size=400) > 1.8).astype(int)
    recall = {}
    for balanced in (True, False):
        module = train(network(), X, y, 2, Settings((Phase("all", 30, 0.003),), 0.0, 0, balanced=balanced)).module
        with torch.inference_mode():
            recall[balanced] = float(module(torch.as_tensor(X, dtype=torch.float32)).argmax(dim=1).numpy()[y == 1].mean())
    assert recall[True] > recall[False]


def test_steps_gathered_from_small_batches_are_those_of_large_ones(task):
    large, small = (train(network(), *task, 2, replace(ALL, batch=batch, accumulate=count)).tuned for batch, count in ((64, 1), (16, 4)))
    assert all(torch.allclose(large[name], small[name], atol=1e-5) for name in large)


# --- holding out and stopping


def test_each_class_is_held_out_alike():
    torch.manual_seed(0)
    y = torch.tensor([0] * 200 + [1] * 100 + [2] * 10 + [3])
    rows, held = _loop.split(y, 4, 0.2)
    assert sorted([*rows.tolist(), *held.tolist()]) == list(range(311)) and len(held) == 62
    assert torch.bincount(y[held], minlength=4).tolist() == [40, 20, 2, 0]


def test_too_few_rows_are_not_held_out(task):
    rows, held = _loop.split(torch.as_tensor(task[1]), 2, 0.2)
    assert len(rows) == 120 and not len(held)
    done = train(network(), *task, 2, replace(ALL, validation=0.2))
    assert len(done.curve) == 6 and all(row["validation"] is None for row in done.curve) and "24 could be" in done.notes[0]


def test_it_stops_early_and_keeps_the_best(large):
    X, y = large
    done = train(network(), X, y, 2, Settings((Phase("all", 500, 0.02),), 0.3, 0, patience=5))
    found = [row["validation"] for row in done.curve]
    assert len(found) < 500 and len(found) - 1 - int(np.argmin(found)) <= 6 and "stopped after" in done.notes[0]
    targets = torch.as_tensor(y)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        _, held = _loop.split(targets, 2, 0.3)
    weights = _loop.row_weights(targets, 2, True)[held]
    with torch.inference_mode():
        now = (_loop.losses(done.module(torch.as_tensor(X, dtype=torch.float32))[held], targets[held], 0.0) * weights).sum() / weights.sum()
    assert float(now) == pytest.approx(min(found), abs=2e-5)


def test_a_phase_that_does_no_good_leaves_no_trace(large):
    probe = Phase("head", 30, 0.01)
    alone = train(network(), *large, 2, Settings((probe,), 0.3, 0))
    spoiled = train(network(), *large, 2, Settings((probe, Phase("all", 25, 3.0)), 0.3, 0))
    assert same(alone.tuned, spoiled.tuned)


def test_it_stops_when_asked(task):
    module = architectures.build("linear", {"inputs": 6, "outputs": 2})
    with pytest.raises(Cancelled):
        train(module, *task, 2, ALL, over=lambda: True)


def test_it_stops_within_a_long_epoch(random, monkeypatch):
    monkeypatch.setattr(_loop, "ASK_EVERY", 5)
    X, asked = random.normal(size=(400, 6)), []

    def over():
        asked.append(1)
        return len(asked) == 2

    seen = []
    with pytest.raises(Cancelled):
        train(network(), X, (X[:, 0] > 0).astype(int), 2, replace(ALL, batch=10), over=over, seen=seen.append)
    assert len(asked) == 2 and not seen


def test_a_cancelled_module_is_plain_again(task):
    module = network()
    with pytest.raises(Cancelled):
        train(module, *task, 2, Settings((Phase("lora", 5, 0.01),), 0.0, 0, rank=2), over=lambda: True)
    assert list(module.state_dict()) == list(network().state_dict()) and all(p.requires_grad for p in module.parameters())


def test_a_loss_that_leaves_the_numbers_is_said(task):
    X, y = task
    with pytest.raises(ReuseError, match="learning rate below 1e\\+30") as error:
        train(network(), X, y, 2, Settings((Phase("all", 50, 1e30),), 0.0, 0))
    assert error.value.code == "diverged"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_rows_that_are_no_numbers_are_refused(task, bad):
    X, y = task
    X[3, 2] = bad
    with pytest.raises(ReuseError) as error:
        train(network(), X, y, 2, ALL)
    assert error.value.code == "not-finite"


def test_rows_without_targets_are_refused(task):
    for X, y in ((task[0], task[1][:5]), (task[0][:0], task[1][:0])):
        with pytest.raises(ReuseError, match="one target for each"):
            train(network(), X, y, 2, ALL)


def test_a_model_without_a_head_has_none_to_tune(task):
    module = torch.nn.Sequential(torch.nn.Linear(6, 2))
    with pytest.raises(ReuseError) as error:
        train(module, *task, 2, Settings((Phase("head", 1, 0.1),), 0.0, 0))
    assert error.value.code == "nothing-to-tune"


# --- normalisation, memory


class Normed(torch.nn.Module):
    """Batch normalisation and dropout below a head."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2))
        self.head = torch.nn.Linear(8, 2)

    def forward(self, X):
        return self.head(self.body(X))


def normed():
    torch.manual_seed(0)
    return Normed()


@pytest.mark.parametrize(("rows", "learns", "moves"), [(65, "all", True), (7, "all", False), (65, "head", False), (65, "lora", False)])
def test_running_means_move_only_where_batches_say_something(task, rows, learns, moves):
    X, y = task
    done = train(normed(), X[:rows], y[:rows], 2, Settings((Phase(learns, 3, 0.01),), 0.0, 0, rank=2))
    assert torch.equal(done.start["body.1.running_mean"], done.tuned["body.1.running_mean"]) != moves
    assert any("batch normalisation kept" in note for note in done.notes) == (rows < 8)


def test_the_best_epochs_running_means_are_kept_with_its_weights(large):
    many, few = (train(normed(), *large, 2, Settings((Phase("all", epochs, 0.05),), 0.3, 0, patience=8)) for epochs in (100, 1))
    best = int(np.argmin([row["validation"] for row in many.curve]))
    again = train(normed(), *large, 2, Settings((Phase("all", best + 1, 0.05),), 0.3, 0, patience=8))
    assert same(many.tuned, again.tuned) and not same(few.tuned, again.tuned)


class Small(torch.nn.Module):
    """A model whose card holds few rows at once."""

    def __init__(self, most):
        super().__init__()
        torch.manual_seed(0)
        self.head, self.most = torch.nn.Linear(6, 2), most

    def forward(self, X):
        if len(X) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.head(X)


def test_batches_that_do_not_fit_are_halved_and_the_steps_stay_the_same(large):
    settings = replace(ALL, validation=0.2)
    whole, parts = (train(Small(most), *large, 2, settings) for most in (10**6, 20))
    assert all(torch.allclose(whole.tuned[name], parts.tuned[name], atol=1e-5) for name in whole.tuned)
    assert not whole.notes and "it was halved" in parts.notes[0]


def test_a_row_that_does_not_fit_is_said(task):
    with pytest.raises(ReuseError) as error:
        train(Small(0), *task, 2, ALL)
    assert error.value.code == "out-of-memory"


def test_the_rate_rises_and_falls():
    run = object.__new__(_loop._Run)
    run.settings = replace(ALL, warmup=0.1, cosine=True)
    run.optimiser = torch.optim.AdamW(network().parameters(), lr=1.0)
    rates = []
    for step in range(1, 101):
        run._pace(Phase("all", 1, 2.0), step, 100)
        rates.append(run.optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.2) and rates[4] == pytest.approx(1.0, rel=0.01) and max(rates) == pytest.approx(2.0, rel=0.03)
    assert rates[50] == pytest.approx(1.0) and rates[99] < 0.001 and int(np.argmax(rates)) == 9

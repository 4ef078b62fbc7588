"""Checkpoints: a training that was ended and taken up again ends as one that was left alone, to the bit."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

from reuse.finetune import Phase, Settings, _loop, train
from tests.reuse.finetune.test_train import large, normed, same, task  # noqa: F401 - fixtures

PHASES = (Phase("head", 4, 0.02), Phase("lora", 4, 0.01, 0.1), Phase("all", 6, 0.01, 0.01, anchor=0.1))
SETTINGS = Settings(PHASES, 0.3, 3, mixup=0.4, label_smoothing=0.1, rank=2, batch=16, accumulate=2, warmup=0.2, cosine=True, patience=3)


class Died(Exception):
    """The worker was killed."""


@pytest.fixture(autouse=True)
def after_every_epoch(monkeypatch):
    monkeypatch.setattr(_loop, "SAVE_EVERY_S", 0.0)


def killed_after(epochs, path, X, y, settings=SETTINGS):
    """The curve that was seen before the end."""
    asked, seen = count(), []

    def over():
        if next(asked) >= epochs:
            raise Died
        return False

    with pytest.raises(Died):
        train(normed(), X, y, 2, settings, over=over, seen=seen.append, checkpoint=path)
    return seen


@pytest.mark.parametrize("epochs", [1, 3, 4, 5, 8, 9, 12])
@pytest.mark.parametrize("rows", [300, 90], ids=["held out", "too few to hold out"])
def test_a_resumed_training_ends_the_same_to_the_bit(tmp_path, large, epochs, rows):  # noqa: F811
    X, y = large[0][:rows], large[1][:rows]
    path, seen = tmp_path / "state", []
    whole = train(normed(), X, y, 2, SETTINGS)
    if epochs >= len(whole.curve):
        pytest.skip("it has stopped early by then")
    before = killed_after(epochs, path, X, y)
    assert path.exists() and len(before) == epochs
    again = train(normed(), X, y, 2, SETTINGS, seen=seen.append, checkpoint=path)
    assert same(whole.tuned, again.tuned) and same(whole.start, again.start)
    assert whole.curve == again.curve == seen and whole.notes == again.notes
    assert not list(tmp_path.iterdir())


def test_it_can_be_killed_more_than_once_and_goes_on_where_it_was(tmp_path, task):  # noqa: F811
    path = tmp_path / "state"
    whole = train(normed(), *task, 2, SETTINGS)
    for _ in range(4):
        killed_after(3, path, *task)
    calls = []
    again = train(normed(), *task, 2, SETTINGS, over=lambda: bool(calls.append(1)), checkpoint=path)
    assert len(calls) == len(whole.curve) - 12 and same(whole.tuned, again.tuned)


@pytest.mark.parametrize("change", ["rows", "targets", "settings", "weights", "garbage", "empty", "cut"])
def test_a_checkpoint_of_something_else_is_ignored(tmp_path, task, change):  # noqa: F811
    X, y = task
    path, settings, module = tmp_path / "state", SETTINGS, normed()
    killed_after(5, path, X, y)
    if change == "rows":
        X = X + 1e-3
    elif change == "targets":
        y = np.where(np.arange(len(y)) == 0, 1 - y, y)
    elif change == "settings":
        settings = replace(settings, seed=4)
    elif change == "weights":
        torch.nn.init.zeros_(module.head.bias)
    else:
        path.write_bytes({"garbage": b"not a checkpoint at all", "empty": b"", "cut": path.read_bytes()[:-10]}[change])
    seen = []
    done = train(module, X, y, 2, settings, over=lambda: False, seen=seen.append, checkpoint=path)
    fresh = normed()
    fresh.load_state_dict(done.start)
    assert same(done.tuned, train(fresh, X, y, 2, settings).tuned) and not path.exists()


def test_it_holds_numbers_alone_and_stands_there_whole(tmp_path, task, monkeypatch):  # noqa: F811
    from safetensors import safe_open

    path = tmp_path / "state"
    killed_after(2, path, *task)
    with safe_open(path, framework="pt") as file:
        assert {"now:head.weight", "rng:cpu", "adam:0.exp_avg"} <= set(file.keys()) and set(file.metadata()) == {"state"}
    kept = path.read_bytes()

    def full(*args, **kwargs):
        args[1].write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(_loop, "save_file", full)
    with pytest.raises(OSError):
        train(normed(), *task, 2, SETTINGS, checkpoint=path)
    assert path.read_bytes() == kept


def test_a_short_training_writes_nothing(tmp_path, task, monkeypatch):  # noqa: F811
    monkeypatch.setattr(_loop, "SAVE_EVERY_S", 60.0)
    monkeypatch.setattr(_loop._Run, "_save", lambda self: pytest.fail("written"))
    train(normed(), *task, 2, SETTINGS, checkpoint=tmp_path / "state")

"""Devices: the one that was asked for, and smaller batches where the memory runs out."""

import pytest
import torch

from reuse import devices
from reuse.errors import ReuseError

CPU, GPU = torch.device("cpu"), torch.device("meta")  # meta stands for a GPU: no machine of ours has one


class Card:
    """A function of rows that fits no more than `most` of them at once."""

    def __init__(self, most, error=torch.OutOfMemoryError):
        self.most, self.error, self.sizes, self.places = most, error, [], []

    def __call__(self, part):
        self.sizes.append(len(part))
        self.places.append(part.device.type)
        if len(part) > self.most and (part.device != CPU or self.error is not torch.OutOfMemoryError):
            raise self.error("can't allocate memory")
        return 2 * (torch.ones(len(part), 2) if part.device == GPU else part)


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_cards(monkeypatch):
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_without_a_card_it_is_the_cpu(no_cuda):
    assert devices.pick() == CPU and devices.pick("cpu") == CPU


def test_with_a_card_it_is_the_card(two_cards):
    assert devices.pick() == torch.device("cuda:0") and devices.pick("cuda:1") == torch.device("cuda:1") and devices.pick("cpu") == CPU


def test_the_environment_decides_where_the_caller_does_not(two_cards, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "cpu")
    assert devices.pick() == CPU and devices.pick("cuda") == torch.device("cuda:0")


def test_an_unknown_device_is_refused_by_name(no_cuda, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "gpu")
    with pytest.raises(ReuseError, match="'gpu'.*MOORAGE_DEVICE"):
        devices.pick()
    for word in ("cpu:0", "cuda:x", "cuda:-1", ""):
        with pytest.raises(ReuseError) as error:
            devices.pick(word)
        assert error.value.code == "wrong-device"


def test_a_card_that_is_not_there_is_refused(no_cuda):
    with pytest.raises(ReuseError, match="offers 0 CUDA devices"):
        devices.pick("cuda")


@pytest.mark.parametrize("n", [0, 1, 7, 64, 100])
def test_batches_give_what_the_whole_gives(n):
    rows = torch.arange(2.0 * n).view(n, 2)
    card = Card(64)
    assert torch.equal(devices.in_batches(card, rows, size=64, device="cpu"), 2 * rows)
    assert max(card.sizes) <= 64


def test_a_batch_that_does_not_fit_is_halved(random):
    rows, card, notes = torch.as_tensor(random.normal(size=(100, 2))), Card(20, RuntimeError), []
    assert torch.equal(devices.in_batches(card, rows, size=64, device=CPU, note=notes.append), 2 * rows)
    assert card.sizes[:4] == [64, 32, 16, 16] and max(card.sizes[2:]) == 16
    assert len(notes) == 2 and "64 rows" in notes[0]


def test_halving_begins_at_the_rows_that_there_are():
    card = Card(2, RuntimeError)
    devices.in_batches(card, torch.ones(5, 2), size=1 << 20, device=CPU)
    assert card.sizes[:2] == [5, 2]


def test_the_cpu_takes_over_where_one_row_does_not_fit():
    card, notes = Card(0), []
    assert devices.in_batches(card, torch.ones(4, 2), size=4, device=GPU, note=notes.append).tolist() == [[2.0, 2.0]] * 4
    assert card.sizes == [4, 2, 1, 4] and card.places == ["meta"] * 3 + ["cpu"]
    assert "the CPU took over" in notes[-1]


def test_a_row_too_large_for_the_cpu_is_said():
    with pytest.raises(ReuseError) as error:
        devices.in_batches(Card(0, RuntimeError), torch.ones(4, 2), size=4, device=CPU)
    assert error.value.code == "out-of-memory"


def test_other_errors_pass_through():
    def wrong(part):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        devices.in_batches(wrong, torch.ones(4, 2), size=4, device=CPU)

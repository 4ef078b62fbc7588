"""Distillation: the network answers as the ensemble did, also on rows that it never saw, and says how often."""

import numpy as np
import pytest
import torch

from reuse import distil
from reuse.errors import Cancelled, ReuseError
from reuse.formats import safetensors


def softmax(Z):
    found = np.exp(Z - Z.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


@pytest.fixture
def linear(random):
    """(X, the answers of a linear teacher, the teacher)."""
    W = random.normal(size=(5, 3))

    def teacher(X):
        return softmax(X @ W)

    X = random.normal(size=(400, 5))
    return X, teacher(X), teacher


def test_it_answers_as_its_teacher_on_new_rows(linear, random):
    X, answers, teacher = linear
    found = distil.fit(X, answers, 3, epochs=60)
    new = random.normal(size=(1000, 5))
    said = safetensors.predictor(found.module, classifier=True)(new)
    agreement = (said.argmax(axis=1) == teacher(new).argmax(axis=1)).mean()
    assert agreement > 0.93 and found.agreement > 0.9 and found.held == 80
    assert abs(found.agreement - agreement) < 0.08
    assert np.abs(said - teacher(new)).mean() < 0.04  # how sure it is, too: the temperature is undone


def test_few_rows_do(linear, random):
    X, answers, teacher = linear
    found = distil.fit(X[:60], answers[:60], 3, epochs=80)
    new = random.normal(size=(1000, 5))
    said = safetensors.predictor(found.module, classifier=True)(new)
    assert found.held == 12 and (said.argmax(axis=1) == teacher(new).argmax(axis=1)).mean() > 0.85


def test_values_are_learned_on_their_own_scale(random):
    X = random.normal(size=(400, 4))
    answers = 1000 + 50 * (X[:, 0] + np.tanh(X[:, 1]))
    found = distil.fit(X, answers, 0, epochs=60)
    new = random.normal(size=(500, 4))
    wanted = 1000 + 50 * (new[:, 0] + np.tanh(new[:, 1]))
    said = safetensors.predictor(found.module, classifier=False)(new)
    assert 1 - ((said - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum() > 0.95
    assert found.agreement > 0.95


def test_a_teacher_who_always_says_the_same_is_learned(random):
    found = distil.fit(random.normal(size=(40, 3)), np.full(40, 7.0), 0, epochs=5)
    assert found.module.architecture["config"]["output_location"] == 7.0 and found.module.architecture["config"]["output_scale"] == 1.0


def test_it_is_the_same_twice_and_leaves_chance_alone(linear):
    X, answers, _ = linear
    before = torch.get_rng_state()
    one, two = (distil.fit(X[:50], answers[:50], 3, epochs=5).module.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(before, torch.get_rng_state())
    other = distil.fit(X[:50], answers[:50], 3, epochs=5, seed=1).module.state_dict()
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_the_callers_arrays_are_left_alone(linear):
    X, answers, _ = linear
    kept = X.copy(), answers.copy()
    X.flags.writeable = answers.flags.writeable = False
    distil.fit(X, answers, 3, epochs=1)
    assert np.array_equal(X, kept[0]) and np.array_equal(answers, kept[1])


def test_mixtures_lie_between_neighbours_and_keep_a_linear_teachers_word(random):
    X, w = random.normal(size=(30, 4)), random.normal(size=4)
    more, answers = distil.with_neighbours(X, X @ w, seed=0)
    assert more.shape == (30 * (1 + distil.COPIES), 4) and np.array_equal(more[:30], X)
    assert np.allclose(answers, more @ w)
    home = np.tile(X, (1 + distil.COPIES, 1))
    assert np.abs(more - home).sum(axis=1)[30:].min() > 0
    far = np.linalg.norm(X[:, None] - X[None], axis=2)
    tenth = np.sort(far, axis=1)[:, distil.NEIGHBOURS]
    assert (np.linalg.norm(more - home, axis=1) <= 0.5 * np.tile(tenth, 1 + distil.COPIES) + 1e-9).all()


def test_it_stops_when_asked_and_tells_each_epoch(linear):
    X, answers, _ = linear
    told = []
    with pytest.raises(Cancelled):
        distil.fit(X, answers, 3, lambda: len(told) == 3, told.append)
    assert [row["epoch"] for row in told] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda X, T: (X[:19], T[:19], 3, {}), "too-few-rows"),
        (lambda X, T: (X, T[:, :2], 3, {}), "wrong-answers"),
        (lambda X, T: (X, np.full_like(T, np.nan), 3, {}), "wrong-answers"),
        (lambda X, T: (X, -T, 3, {}), "wrong-answers"),
        (lambda X, T: (X, T, 3, {"temperature": 0.0}), "wrong-parameter"),
        (lambda X, T: (X, T, 3, {"layers": -1}), "wrong-parameter"),
        (lambda X, T: (X, T, 3, {"epochs": 0}), "wrong-parameter"),
        (lambda X, T: (X, T, 3, {"hidden": 10**6}), "wrong-architecture"),
    ],
    ids=["rows", "shape", "nan", "negative", "temperature", "layers", "epochs", "hidden"],
)
def test_what_can_not_be_distilled_is_refused(linear, change, code):
    X, answers, classes, params = change(*linear[:2])
    with pytest.raises(ReuseError) as error:
        distil.fit(X, answers, classes, **params)
    assert error.value.code == code

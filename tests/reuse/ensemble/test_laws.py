"""What every ensemble obeys."""

from importlib import import_module

import numpy as np
import pytest

from reuse import combine, registry
from reuse.crowd import Crowd
from specs import Rkme

N, CLASSES = 30, ("a", "b", "c")


@pytest.fixture(params=["classes", "values"])
def crowd(request, random):
    X = random.normal(size=(N, 4))
    rkmes = [Rkme(points=random.normal(loc=i, size=(12, 4)), weights=np.full(12, 1 / 12), sigma=2.0, n=100) for i in range(3)]
    if request.param == "classes":
        outputs, classes = [random.dirichlet(np.ones(3), size=N) for _ in range(3)], CLASSES
    else:
        outputs, classes = [random.normal(size=N) for _ in range(3)], ()
    return Crowd(outputs=outputs, X=X, rkmes=rkmes, weights=np.array([0.5, 0.3, 0.2]), distances=np.array([0.1, 0.2, 0.3]), classes=classes)


@pytest.fixture
def y(crowd, random):
    return random.integers(3, size=N) if crowd.classes else random.normal(size=N)


@pytest.fixture(params=[m for m in registry.every() if m.kind == "ensemble"], ids=lambda m: m.name)
def answer(request):
    method = request.param
    module, params = import_module(method.module), method.read_params({})

    def combined(crowd, y):
        if hasattr(module, "fit"):
            return module.apply(crowd, module.fit(crowd, y, **params))
        return crowd.answer(module.weigh(crowd, **params), module.UNSEEN)

    return combined


def test_the_answer_is_one_models_answer(answer, crowd, y):
    found = answer(crowd, y)
    assert found.shape == crowd.outputs[0].shape and np.isfinite(found).all()
    if crowd.classes:
        assert np.allclose(found.sum(axis=1), 1) and (found >= 0).all()


def test_the_members_answers_are_left_alone(answer, crowd, y):
    before = [output.copy() for output in crowd.outputs]
    answer(crowd, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, crowd.outputs, strict=True))


def test_it_answers_alike_twice(answer, crowd, y):
    assert np.array_equal(answer(crowd, y), answer(crowd, y))


def test_members_that_agree_are_believed(answer, crowd, y):
    same = Crowd([crowd.outputs[0]] * 3, crowd.X, crowd.rkmes, crowd.weights, crowd.distances, crowd.classes)
    found = answer(same, crowd.outputs[0].argmax(axis=1) if crowd.classes else crowd.outputs[0])
    if crowd.classes:
        assert (found.argmax(axis=1) == crowd.outputs[0].argmax(axis=1)).mean() > 0.9
    else:
        assert np.allclose(found, crowd.outputs[0], atol=0.1)


def test_a_class_that_a_member_never_saw_does_not_spoil_the_others(answer, crowd, y):
    if not crowd.classes:
        return  # values have no classes
    blind = crowd.outputs[0].copy()
    blind[:, 2] = np.nan
    found = answer(Crowd([blind, *crowd.outputs[1:]], crowd.X, crowd.rkmes, crowd.weights, crowd.distances, crowd.classes), y)
    assert np.isfinite(found).all() and np.allclose(found.sum(axis=1), 1)


def test_unknown_classes_are_left_to_those_who_know_them():
    one, two = np.array([[0.6, 0.4, np.nan]]), np.array([[0.2, 0.2, 0.6]])
    found = combine.weighted([one, two], np.array([0.5, 0.5]))
    # c is known to the second alone, who gives it 0.6; a and b are averaged; then all is scaled to sum 1.
    assert np.allclose(found, np.array([[0.4, 0.3, 0.6]]) / 1.3)
    assert np.allclose(combine.weighted([one, two], np.array([1.0, 0.0]), combine.IMPROBABLE), [[0.6, 0.4, 0.0]])

"""What every ensemble obeys."""

from importlib import import_module

import numpy as np
import pytest

from reuse import combine, registry
from reuse.crowd import Crowd, distances
from specs import Rkme

N, CLASSES = 30, ("a", "b", "c")


def changed(crowd, **changes):
    """The crowd with other outputs, rows or weights, and nothing remembered."""
    held = {name: getattr(crowd, name) for name in ("outputs", "X", "rkmes", "weights", "distances", "classes", "requirement")}
    return Crowd(**(held | changes))


@pytest.fixture(params=["classes", "values"])
def crowd(request, random):
    X = random.normal(size=(N, 4))
    rkmes = [Rkme(points=random.normal(loc=i, size=(12, 4)), weights=np.full(12, 1 / 12), sigma=2.0, n=100) for i in range(3)]
    if request.param == "classes":
        outputs, classes = [random.dirichlet(np.ones(3), size=N) for _ in range(3)], CLASSES
    else:
        outputs, classes = [random.normal(size=N) for _ in range(3)], ()
    requirement = Rkme(points=random.normal(loc=0.5, size=(12, 4)), weights=np.full(12, 1 / 12), sigma=2.0, n=100)
    return Crowd(outputs=outputs, X=X, rkmes=rkmes, weights=np.array([0.5, 0.3, 0.2]), distances=distances(requirement, rkmes), classes=classes, requirement=requirement)


@pytest.fixture
def y(crowd, random):
    return random.integers(3, size=N) if crowd.classes else random.normal(size=N)


class Method:
    """A method as a recipe uses it: fitted to some rows, applied to any."""

    def __init__(self, method):
        self.module, self.name = import_module(method.module), method.name
        self.params = method.read_params({"trees": 20} if method.name == "selector" else {})

    @property
    def learns(self):
        return hasattr(self.module, "fit")

    def fit(self, crowd, y):
        return self.module.fit(crowd, y, **self.params) if self.learns else None

    def apply(self, crowd, state):
        if self.learns:
            return self.module.apply(crowd, state)
        if hasattr(self.module, "answer"):
            return self.module.answer(crowd, **self.params)
        return crowd.answer(self.module.weigh(crowd, **self.params), self.module.UNSEEN)

    def __call__(self, crowd, y):
        return self.apply(crowd, self.fit(crowd, y))


@pytest.fixture(params=[m for m in registry.every() if m.kind == "ensemble"], ids=lambda m: m.name)
def answer(request):
    return Method(request.param)


def proper(found, crowd):
    return found.shape == crowd.outputs[0].shape and np.isfinite(found).all() and (not crowd.classes or (np.allclose(found.sum(axis=1), 1) and (found >= 0).all()))


def test_the_answer_is_one_models_answer(answer, crowd, y):
    assert proper(answer(crowd, y), crowd)


def test_the_members_answers_are_left_alone(answer, crowd, y):
    before, labels, X = [output.copy() for output in crowd.outputs], y.copy(), crowd.X.copy()
    answer(crowd, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, crowd.outputs, strict=True)) and np.array_equal(labels, y) and np.array_equal(X, crowd.X)


def test_it_answers_alike_twice(answer, crowd, y):
    assert np.array_equal(answer(crowd, y), answer(changed(crowd), y))


def test_rows_in_another_order_are_answered_in_that_order(answer, crowd, y, random):
    order = random.permutation(N)
    state, wanted = answer.fit(crowd, y), answer(crowd, y)[order]
    elsewhere = changed(crowd, outputs=[output[order] for output in crowd.outputs], X=crowd.X[order])
    assert np.allclose(answer.apply(crowd.rows(order), state), wanted)
    assert np.allclose(answer.apply(elsewhere, state), wanted)
    assert np.allclose(answer(elsewhere, y[order]), wanted, atol=1e-3)  # learned from the rows in that order


def test_a_row_is_answered_alone_as_among_others(answer, crowd, y):
    """But for the centre of `stacked` and others, which is kept in the state, nothing hangs on who else was asked."""
    state = answer.fit(crowd, y)
    whole = answer.apply(crowd, state)
    for i in (0, 7):
        alone = changed(crowd, outputs=[output[i : i + 1] for output in crowd.outputs], X=crowd.X[i : i + 1])
        assert np.allclose(answer.apply(alone, state), whole[i : i + 1])


def test_what_it_learned_is_plain_and_survives_a_document(answer, crowd, y):
    import json

    if answer.learns:
        state = answer.fit(crowd, y)
        again = json.loads(json.dumps(state, allow_nan=False))
        assert np.array_equal(answer.apply(crowd, again), answer.apply(crowd, state))


def test_members_that_agree_are_believed(answer, crowd, y):
    same = changed(crowd, outputs=[crowd.outputs[0]] * 3)
    found = answer(same, crowd.outputs[0].argmax(axis=1) if crowd.classes else crowd.outputs[0])
    if crowd.classes:
        assert (found.argmax(axis=1) == crowd.outputs[0].argmax(axis=1)).mean() > 0.9
    else:
        assert np.allclose(found, crowd.outputs[0], atol=0.1)


def test_one_member_alone_speaks_for_itself(answer, crowd, y):
    alone = changed(crowd, outputs=crowd.outputs[:1], rkmes=crowd.rkmes[:1], weights=np.ones(1), distances=np.zeros(1), requirement=None)
    found = answer(alone, y)
    assert proper(found, alone)
    if not answer.learns:
        assert np.allclose(found, crowd.outputs[0], atol=1e-9) or (answer.name == "vote" and np.array_equal(found.argmax(axis=1), crowd.outputs[0].argmax(axis=1)))


def test_a_class_that_a_member_never_saw_does_not_spoil_the_others(answer, crowd, y):
    if not crowd.classes:
        return  # values have no classes
    blind = crowd.outputs[0].copy()
    blind[:, 2] = np.nan
    assert proper(answer(changed(crowd, outputs=[blind, *crowd.outputs[1:]]), y), crowd)


def test_members_of_different_classes_answer_for_all_of_them(answer, crowd, y, random):
    """One knows a and b, one b and c, one c alone: the union is what is answered."""
    if not crowd.classes:
        return  # values have no classes
    outputs = [combine.align(random.dirichlet(np.ones(2), size=N), ("a", "b"), CLASSES), combine.align(random.dirichlet(np.ones(2), size=N), ("c", "b"), CLASSES),
               combine.align(np.ones((N, 1)), ("c",), CLASSES)]
    found = answer(changed(crowd, outputs=outputs), y)
    assert proper(found, crowd)


def test_rows_far_from_everybody_get_an_answer_too(answer, crowd, y):
    state = answer.fit(crowd, y)
    far = changed(crowd, X=crowd.X + 1e4)
    assert proper(answer.apply(far, state), crowd)


def test_without_a_mixture_all_members_count(answer, crowd, y):
    assert proper(answer(changed(crowd, weights=np.zeros(3)), y), crowd)


def test_a_member_outside_the_mixture_is_only_heard_where_labels_speak_for_it(answer, crowd, y):
    """At weight 0 a member is a candidate: what goes by the mixture alone must not hang on its answers."""
    if answer.learns or answer.name in ("best-single", "near"):
        return  # those that go by labels or by distance
    wild = [*crowd.outputs[:2], np.roll(crowd.outputs[2], 1, axis=0)]
    outside = np.array([0.6, 0.4, 0.0])
    assert np.allclose(answer(changed(crowd, weights=outside), y), answer(changed(crowd, weights=outside, outputs=wild), y))


def test_labels_of_one_class_are_no_crash(answer, crowd):
    if crowd.classes:
        found = answer(crowd, np.ones(N, dtype=int))
        assert proper(found, crowd)
        if answer.name in ("stacked", "augmented", "adjusted"):
            assert found[:, 1].mean() > 0.5


def test_two_labelled_rows_are_no_crash(answer, crowd, y):
    few = crowd.rows(np.array([3, 4]))
    assert proper(answer.apply(crowd, answer.fit(few, y[3:5])), crowd)


@pytest.mark.parametrize(("name", "params"), [("pruned", {"steps": 0}), ("pruned", {"steps": -1}), ("selector", {"trees": 0}), ("selector", {"leaf": 0.9}), ("selector", {"leaf": -1.0}),
                                              ("adjusted", {"strength": -10.0}), ("stacked", {"strength": -1.0}), ("augmented", {"strength": -1.0}), ("routed", {"sharpness": -4.0}), ("near", {"power": -1.0})], ids=str)
@pytest.mark.parametrize("crowd", ["classes"], indirect=True)
def test_a_parameter_outside_its_range_is_refused(crowd, y, name, params):
    """Users set them: what makes no sense is said, and no other library's error comes through."""
    from reuse import ReuseError

    method = registry.find(f"ensemble/{name}")
    made = Method(method)
    made.params = method.read_params(params)
    with pytest.raises(ReuseError) as refused:
        made(crowd, y)
    assert refused.value.code == "wrong-parameter"


def test_unknown_classes_are_left_to_those_who_know_them():
    one, two = np.array([[0.6, 0.4, np.nan]]), np.array([[0.2, 0.2, 0.6]])
    found = combine.weighted([one, two], np.array([0.5, 0.5]))
    # c is known to the second alone, who gives it 0.6; a and b are averaged; then all is scaled to sum 1.
    assert np.allclose(found, np.array([[0.4, 0.3, 0.6]]) / 1.3)
    assert np.allclose(combine.weighted([one, two], np.array([1.0, 0.0]), combine.IMPROBABLE), [[0.6, 0.4, 0.0]])


def test_every_ensemble_is_among_them():
    assert {m.name for m in registry.every() if m.kind == "ensemble"} >= {"vote", "pruned", "adjusted", "selector", "stacked", "augmented", "selected"}

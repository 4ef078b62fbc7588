"""Shares of a blend: by how well each method did on rows that it did not learn from."""

import numpy as np
import pytest
from scipy import optimize

from reuse import blend, evidence


def losses(outputs, y):
    return [evidence.losses(output, y) for output in outputs]


def shares(outputs, y, **more):
    return blend.shares(outputs, losses(outputs, y), y, **more)


@pytest.fixture(params=["classes", "values"])
def case(request, random):
    """Four methods' out-of-fold answers and the truth."""
    if request.param == "values":
        y = random.normal(size=80)
        return [y + s * random.normal(size=80) for s in (0.5, 0.6, 0.7, 2.0)], y
    y = random.integers(3, size=80)
    return [(np.eye(3)[y] * a + random.dirichlet(np.ones(3), size=80)) / (1 + a) for a in (0.5, 0.4, 0.3, 0.0)], y


def test_methods_as_good_with_errors_of_their_own_share_alike(random):
    y = random.normal(size=2000)
    assert np.allclose(shares([y + random.normal(size=2000) for _ in range(2)], y), 0.5, atol=0.05)


def test_shares_are_a_mixture_whatever_came(case):
    outputs, y = case
    found = shares(outputs, y)
    assert found.shape == (4,) and (found >= 0).all() and np.isclose(found.sum(), 1) and ((found == 0) | (found >= blend.LEAST)).all()


def test_a_method_that_is_always_right_speaks_alone(random):
    y = random.normal(size=200)
    found = shares([random.normal(size=200), y.copy(), random.normal(size=200)], y)
    assert found[1] == 1.0


def test_one_method_alone_has_all(case):
    outputs, y = case
    assert shares(outputs[:1], y).tolist() == [1.0]


def test_methods_in_another_order_have_the_same_shares(case):
    outputs, y = case
    order = [2, 0, 3, 1]
    assert np.allclose(shares([outputs[i] for i in order], y), shares(outputs, y)[order], atol=1e-6)


def test_the_prior_is_a_soft_rule_of_one_standard_error():
    best, behind = np.zeros(4), np.array([0, 0, 0, 0.4])  # mean difference .1, standard error .2 / 2: one of them
    assert np.allclose(blend._prior([best, behind]), np.array([1, np.exp(-0.32)]) / (1 + np.exp(-0.32)))
    assert np.allclose(blend._prior([best, best]), 0.5) and blend._prior([best, best + 1])[1] < 1e-20
    assert np.allclose(blend._prior([np.zeros(1), np.ones(1)]), 0.5)  # one row tells nothing


def test_under_a_strong_pull_shares_are_the_prior(case):
    outputs, y = case
    prior = blend._prior(losses(outputs, y))
    kept = prior >= blend.LEAST
    assert np.allclose(shares(outputs, y, pull=1e12)[kept], prior[kept] / prior[kept].sum(), atol=1e-3)


def test_shares_solve_their_problem(case):
    """Against a general solver, where none is dropped."""
    outputs, y = case
    outputs = outputs[:2]
    found = shares(outputs, y)
    wanted = y if outputs[0].ndim == 1 else np.eye(3)[y].ravel()
    A, prior = np.stack([output.ravel() for output in outputs], axis=1), blend._prior(losses(outputs, y))

    def value(w):
        return ((A @ w - wanted) ** 2).sum() / wanted.var() + blend.PULL / len(y) * ((w - prior) ** 2).sum()

    best = optimize.minimize(value, np.full(2, 1 / 2), bounds=[(0, 1)] * 2, constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1}], method="SLSQP", options={"ftol": 1e-12}).x
    assert (best >= blend.LEAST).all() and np.allclose(found, best, atol=1e-3)


def test_labels_that_never_change_are_no_crash():
    found = shares([np.full(10, 2.0), np.full(10, 1.0)], np.full(10, 2.0))
    assert np.isfinite(found).all() and np.isclose(found.sum(), 1)
    P = np.tile([0.2, 0.8], (10, 1))
    assert np.isclose(shares([P, P], np.ones(10, dtype=int)).sum(), 1)


def test_a_blend_is_scored_by_shares_found_on_other_rows(case):
    outputs, y = case
    found = blend.held_out(outputs, losses(outputs, y), y, outputs[0].ndim == 2, seed=0)
    assert found.shape == outputs[0].shape and np.isfinite(found).all()
    if found.ndim == 2:
        assert np.allclose(found.sum(axis=1), 1)
    assert evidence.losses(found, y).mean() <= min(loss.mean() for loss in losses(outputs, y)) * 1.1
    # Spoiling the labels of a fold must not move the answers of that fold.
    _, test = next(evidence.folds(y, outputs[0].ndim == 2, repeats=1, seed=7, k=5))
    spoiled = y.copy()
    spoiled[test] = y[test][::-1]
    if outputs[0].ndim == 1:
        held = blend.held_out(outputs, losses(outputs, spoiled), spoiled, False, seed=0)
        assert np.allclose(held[test], found[test])


def test_noise_that_looks_good_by_luck_gains_little(random):
    """Twenty methods that know nothing beside one that does."""
    y = random.normal(size=30)
    outputs = [y + 0.5 * random.normal(size=30), *(random.normal(size=30) for _ in range(20))]
    assert shares(outputs, y)[0] > 0.65

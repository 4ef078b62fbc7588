import numpy as np
import pytest
from scipy.optimize import minimize

import specs
from specs import Rkme, SpecError
from specs.mixture import simplex
from specs.rkme import inner


def cloud(centre, seed=0, n=400, sigma=1.5):
    X = np.random.default_rng(seed).normal(size=(n, 2)) + centre
    return specs.reduce(X, sigma=sigma, points=20)


@pytest.fixture(scope="module")
def catalog():
    return [cloud(np.array([x, y]), seed=i) for i, (x, y) in enumerate([(0, 0), (4, 0), (0, 4), (8, 8), (-6, 2), (1, 1)])]


def test_a_planted_mixture_is_found_with_its_weights(catalog):
    a, b = catalog[1], catalog[3]
    req = Rkme(points=np.concatenate([a.points, b.points]), weights=np.concatenate([0.3 * a.weights, 0.7 * b.weights]), sigma=a.sigma, n=1000)
    found = specs.mixture(req, catalog)
    assert found.members == (3, 1)
    assert found.weights == pytest.approx([0.7, 0.3], abs=1e-3)
    assert found.squared_mmd < 1e-6


def test_it_reaches_the_optimum_that_a_general_solver_finds(catalog):
    req = specs.reduce(np.random.default_rng(9).normal(size=(500, 2)) * 3 + 1, sigma=1.5, points=40)
    found = specs.mixture(req, catalog)
    gram, cross = np.array([[inner(a, b) for b in catalog] for a in catalog]), np.array([inner(req, a) for a in catalog])
    best = minimize(lambda w: w @ gram @ w - 2 * w @ cross, np.full(6, 1 / 6), jac=lambda w: 2 * (gram @ w - cross), bounds=[(0, 1)] * 6,
                    constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-14, "maxiter": 500})
    optimum = best.fun + req.squared_norm
    assert found.squared_mmd == pytest.approx(optimum, abs=2e-3 * optimum + 1e-6)
    assert found.squared_mmd - optimum <= found.gap + 1e-7


def test_weights_sum_to_one_and_the_limit_holds(catalog):
    req = specs.reduce(np.random.default_rng(9).normal(size=(500, 2)) * 5, sigma=1.5, points=40)
    for most in (1, 2, 3):
        found = specs.mixture(req, catalog, max_members=most)
        assert len(found.members) <= most
        assert found.weights.sum() == pytest.approx(1) and (found.weights > 0).all()


def test_with_one_member_it_is_the_nearest_single(catalog):
    req = cloud(np.array([3.5, 0.2]), seed=5)
    found = specs.mixture(req, catalog, max_members=1)
    distances = [specs.squared_mmd(req, candidate) for candidate in catalog]
    assert found.members == (int(np.argmin(distances)),)
    assert found.squared_mmd == pytest.approx(min(distances), abs=1e-9)


def test_the_simplex_solver_agrees_with_a_case_done_by_hand():
    # min (w1 - 0.75)^2 + (w2 - 0.75)^2, sum 1: both 0.5; and a corner
    assert simplex(np.eye(2), np.array([0.75, 0.75])) == pytest.approx([0.5, 0.5], abs=1e-5)
    assert simplex(np.eye(2), np.array([3.0, 0.0])) == pytest.approx([1.0, 0.0], abs=1e-5)


def test_no_candidates_is_refused(catalog):
    with pytest.raises(SpecError, match="at least one candidate"):
        specs.mixture(catalog[0], [])

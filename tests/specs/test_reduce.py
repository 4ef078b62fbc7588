import sys

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics.pairwise import rbf_kernel

import specs
from specs import SpecError, kernels
from specs.rows import Sample

reducing = sys.modules["specs.reduce"]


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)


def squared_mmd_to(X, Z, w, sigma):
    """By scikit-learn's kernel, with nothing of ours."""
    gamma = 0.5 / sigma**2
    return w @ rbf_kernel(Z, Z, gamma) @ w - 2 * w @ rbf_kernel(Z, X, gamma).mean(axis=1) + rbf_kernel(X, X, gamma).mean()


def free_mass(X, Z, sigma):
    from scipy.optimize import nnls

    A = rbf_kernel(Z, Z, 0.5 / sigma**2)
    L = np.linalg.cholesky(A + 1e-9 * np.eye(len(Z)))
    return nnls(L.T, np.linalg.solve(L, rbf_kernel(Z, X, 0.5 / sigma**2).mean(axis=1)))[0]


def test_it_beats_k_means_with_free_mass_weights_many_times_over(digits):
    sigma = 10.0
    ours = specs.reduce(digits, sigma=sigma, points=50)
    centres = KMeans(50, n_init=1, random_state=0).fit(digits).cluster_centers_
    theirs = squared_mmd_to(digits, centres, free_mass(digits, centres, sigma), sigma)
    assert squared_mmd_to(digits, ours.points.astype(float), ours.weights, sigma) < theirs / 3


def test_the_reported_fit_is_the_squared_mmd_to_the_data(digits):
    ours = specs.reduce(digits, sigma=10.0, points=30)
    assert ours.fit == pytest.approx(squared_mmd_to(digits, ours.points.astype(float), ours.weights, 10.0), rel=0.5, abs=1e-7)


def test_weights_are_a_positive_measure_of_free_mass(digits):
    ours = specs.reduce(digits, sigma=10.0)
    assert (ours.weights > 0).all() and 0.5 < ours.mass <= 1.05
    assert ours.points.dtype == np.float32 and ours.points.shape == (ours.size, 64)
    assert ours.n == len(digits)


def test_the_same_input_gives_the_same_bytes_and_another_seed_others(digits):
    a, b, c = (specs.reduce(digits, sigma=10.0, points=20, seed=seed) for seed in (0, 0, 1))
    assert a.points.tobytes() == b.points.tobytes() and a.weights.tobytes() == b.weights.tobytes()
    assert a.points.tobytes() != c.points.tobytes()


def test_the_callers_rows_are_left_alone(digits):
    before = digits.copy()
    specs.reduce(digits, sigma=10.0, points=10)
    assert np.array_equal(before, digits)


def test_points_are_not_copies_of_rows(digits):
    ours = specs.reduce(digits, sigma=10.0)
    assert kernels.squared_distances(ours.points.astype(float), digits).min() > 1e-6


def test_where_rows_abound_no_point_stands_for_fewer_than_five():
    X = load_wine().data
    X = np.tile((X - X.mean(axis=0)) / X.std(axis=0), (12, 1))
    ours = specs.reduce(X, sigma=4.0, points=60)
    assert (ours.weights * len(X)).min() >= 4.5  # re-solved after the small ones went


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_a_handful_of_rows_has_at_most_half_as_many_points(n):
    X = np.random.default_rng(n).normal(size=(n, 3))
    ours = specs.reduce(X, sigma=1.0)
    assert 1 <= ours.size <= max(1, n // 2)


def test_constant_rows_are_one_point():
    ours = specs.reduce(np.ones((50, 2)), sigma=1.0)
    assert ours.size == 1 and ours.points[0] == pytest.approx([1, 1], abs=1e-3)


def test_the_gradient_is_that_of_the_objective(monkeypatch):
    """Against finite differences, through what is handed to the optimiser."""
    seen = {}

    def spy(objective, start, **options):
        seen.update(objective=objective, start=start)
        raise StopIteration

    monkeypatch.setattr(reducing, "minimize", spy)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    with pytest.raises(StopIteration):
        sample = Sample(X, np.full(200, 1 / 200), 200, 200.0)
        reducing.refine(sample, X[:5].copy(), np.full(5, 0.2), 2.0, reducing.MODES["fast"], reducing.CPU, rng)
    value, gradient = seen["objective"](seen["start"])
    for i in (0, 7, 13, 20, 24):
        step = np.zeros_like(gradient)
        step[i] = 1e-3
        up, down = seen["objective"](seen["start"] + step)[0], seen["objective"](seen["start"] - step)[0]
        assert (up - down) / 2e-3 == pytest.approx(gradient[i], rel=0.05, abs=2e-2)


@pytest.mark.parametrize(
    ("X", "code"),
    [
        ([[np.nan, 1.0]], "not-finite"),
        ([[np.inf, 1.0]], "not-finite"),
        ([1.0, 2.0], "wrong-shape"),
        (np.empty((0, 3)), "wrong-shape"),
        ([["a", "b"]], "not-numbers"),
    ],
)
def test_what_is_no_finite_matrix_is_refused(X, code):
    with pytest.raises(SpecError) as refused:
        specs.reduce(X, sigma=1.0)
    assert refused.value.code == code


@pytest.mark.parametrize("given", [{"sigma": 0}, {"sigma": -1}, {"sigma": float("nan")}, {"sigma": 1.0, "points": 0}, {"sigma": 1.0, "seed": -1}])
def test_a_wrong_parameter_is_named(given):
    with pytest.raises(SpecError, match="must be"):
        specs.reduce(np.ones((5, 2)), **given)

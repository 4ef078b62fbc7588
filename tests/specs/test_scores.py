import numpy as np
import pytest

import specs
from specs.scores import noise, p_value


def pairs(d, n, m, times=40, shift=0.0):
    rng = np.random.default_rng(0)
    for _ in range(times):
        a, b = (specs.reduce(rng.normal(size=(size, d)) + move, sigma=float(np.sqrt(2 * d)), points=min(60, size))
                for size, move in ((n, 0.0), (m, shift)))
        yield specs.squared_mmd(a, b), a, b


@pytest.mark.parametrize(("d", "n", "m"), [(2, 200, 200), (8, 400, 100)])
def test_of_equal_data_few_are_unlikely_and_half_are_likely(d, n, m):
    found = np.array([p_value(pair[1], pair[2], pair[0]) for pair in pairs(d, n, m)])
    assert (found < 0.05).mean() <= 0.15
    assert 0.25 <= (found < 0.5).mean() <= 0.75


def test_noise_is_the_mean_between_samples_of_one_distribution():
    found = list(pairs(3, 300, 300))
    assert np.mean([squared for squared, *_ in found]) == pytest.approx(np.mean([noise(a, b) for _, a, b in found]), rel=0.35)


def test_moved_data_are_found_out():
    assert max(p_value(pair[1], pair[2], pair[0]) for pair in pairs(4, 500, 500, times=10, shift=0.5)) < 1e-6


def test_a_claim_to_be_rough_buys_at_most_the_noise_again():
    squared, a, b = next(iter(pairs(4, 500, 500, shift=0.5)))
    rough = specs.Rkme(points=b.points, weights=b.weights, sigma=b.sigma, n=b.n, fit=4.0)
    assert noise(a, rough) <= 2 * noise(a, b)
    assert p_value(a, rough, squared) < 0.01


def test_one_row_against_many_is_a_number_between_0_and_1():
    one = specs.Rkme(points=np.zeros((1, 2)), weights=np.ones(1), sigma=1.0, n=1)
    many = next(iter(pairs(2, 100, 100)))[1]
    many = specs.Rkme(points=many.points, weights=many.weights, sigma=1.0, n=100)
    assert all(0 <= p_value(x, y) <= 1 for x, y in ((one, many), (many, one), (one, one)))

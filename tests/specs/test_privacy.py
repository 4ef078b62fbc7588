"""What a specification gives away is measured; a private release is held against the formula it stands on."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import specs
from specs import SpecError, privacy

SIGMA = 10.0


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)


def test_no_point_repeats_a_row_and_none_stands_for_few(digits):
    found = privacy.exposure(specs.reduce(digits, sigma=SIGMA, points=50), digits)
    assert found.copies == 0 and found.gap > 0.5 and found.smallest >= 5 - 1e-9 and found.rows_a_point == pytest.approx(1797 / 50, rel=0.3)
    assert any("rows a point" in warning for warning in found.warnings)


def test_rows_given_out_as_points_are_called_so(digits):
    leaky = specs.Rkme(points=digits[:20], weights=np.full(20, 0.05), sigma=SIGMA, n=1797)
    found = privacy.exposure(leaky, digits)
    assert found.copies == 1 and found.gap == pytest.approx(0, abs=1e-3) and any("lie on a row" in warning for warning in found.warnings)


def test_noise_moves_points_away_from_rows(digits):
    plain, noisy = (specs.reduce(digits, sigma=SIGMA, points=30, noise=noise) for noise in (0.0, 1.0))
    assert privacy.exposure(noisy, digits).gap > privacy.exposure(plain, digits).gap and plain.fit < noisy.fit < 0.05
    assert noisy.generator["noise"] == 1.0


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_the_noise_is_the_least_that_keeps_the_promise(epsilon, delta):
    def spent(s):  # Balle and Wang, theorem 8, by another library's normal distribution
        return norm.cdf(0.5 / s - epsilon * s) - np.exp(epsilon) * norm.cdf(-0.5 / s - epsilon * s)

    s = privacy.noise_scale(epsilon, delta, 1.0)
    assert spent(s) <= delta * (1 + 1e-6) and spent(0.99 * s) > delta
    assert privacy.noise_scale(epsilon, delta, 0.01) == pytest.approx(0.01 * s)
    if epsilon <= 1:  # the textbook's mechanism, valid there, needs more
        assert s < np.sqrt(2 * np.log(1.25 / delta)) / epsilon


def test_exchanging_a_row_moves_what_is_released_by_at_most_two_over_n(monkeypatch):
    seen = []

    def keep(mean, W, K, rng):
        seen.append(mean)
        return np.zeros((1, W.shape[0]), np.float32), np.ones(1)

    monkeypatch.setattr(privacy, "_points_for", keep)
    monkeypatch.setattr(privacy, "noise_scale", lambda *_: 0.0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    for row in (np.full(4, 1e6), -X[7], np.zeros(4)):
        Y = X.copy()
        Y[7] = row
        for rows in (X, Y):
            privacy.release(rows, sigma=2.0, epsilon=1.0, delta=1e-6, seed=0)
        assert np.linalg.norm(seen[-1] - seen[-2]) <= 2 / 50 + 1e-12


def test_the_mechanism_keeps_its_promise_empirically():
    """The likelihood ratio of neighbours, at the worst case the sensitivity allows: how often epsilon is exceeded stays below delta."""
    epsilon, delta, rng = 1.0, 0.05, np.random.default_rng(0)
    s = privacy.noise_scale(epsilon, delta, 1.0)
    at = rng.normal(scale=s, size=400_000)
    loss = norm.logpdf(at, 0, s) - norm.logpdf(at, 1, s)
    # delta(epsilon) = E[(1 - e^(epsilon - loss))^+]
    assert np.maximum(0, 1 - np.exp(epsilon - loss)).mean() == pytest.approx(delta, rel=0.05)


def test_a_private_release_hides_members_and_still_stands_near(digits):
    rng = np.random.default_rng(0)
    X = np.concatenate([digits + 0.05 * rng.normal(size=digits.shape) for _ in range(12)])
    rng.shuffle(X)
    inside, outside = X[:10_000], X[10_000:12_000]
    private = privacy.release(inside, sigma=SIGMA, epsilon=2.0, delta=1e-6, points=40, seed=3)
    plain = specs.reduce(inside, sigma=SIGMA, points=40)
    assert private.n == 10_000 and private.fit is None and private.generator["epsilon"] == 2.0
    assert specs.squared_mmd(private, plain) < 0.03 * plain.squared_norm + 0.02

    def attack(spec):
        score = np.concatenate([spec.at(inside[:2000]), spec.at(outside)])
        return roc_auc_score(np.repeat([1, 0], 2000), score)

    assert abs(attack(private) - 0.5) < 0.04


def test_the_noise_of_a_release_is_not_to_be_guessed(digits):
    one, other = (privacy.release(digits, sigma=SIGMA, epsilon=1.0, delta=1e-6, points=10) for _ in range(2))
    assert one.points.tobytes() != other.points.tobytes()


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-6), (-1, 1e-6), (1.0, 0.0), (1.0, 0.6), (1.0, "a"), ("a", 1e-6)])
def test_senseless_budgets_are_refused(digits, epsilon, delta):
    with pytest.raises(SpecError):
        privacy.release(digits, sigma=SIGMA, epsilon=epsilon, delta=delta)


def test_labels_do_not_go_with_a_private_release():
    table = {"a": np.arange(50.0), "y": np.arange(50) % 2}
    space = specs.Space.from_table(table, name="t", target="y")
    with pytest.raises(SpecError, match="carries no labels"):
        specs.describe(table, space, target="y", epsilon=1.0)

import numpy as np
import pytest

import specs
from specs import scores, spectrum
from specs.scores import noise, p_value, weighted_chi_square_tail


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


def real_tables():
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine

    for name, load, sizes in (("digits", load_digits, (300, 700)), ("cancer", load_breast_cancer, (200, 200)), ("wine", load_wine, (80, 80))):
        X = load().data
        yield pytest.param((X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9), *sizes, id=name)


@pytest.mark.parametrize(("X", "n", "m"), list(real_tables()))
def test_p_values_of_real_data_split_at_random_are_uniform(X, n, m):
    from scipy.spatial.distance import pdist
    from scipy.stats import kstest

    sigma, rng, found = float(np.median(pdist(X[:400]))), np.random.default_rng(1), []
    for t in range(50):
        order = rng.permutation(len(X))
        a, b = (specs.reduce(X[rows], sigma=sigma, points=100, seed=t) for rows in (order[:n], order[n : n + m]))
        found.append(p_value(a, b))
    assert kstest(found, "uniform").pvalue > 0.01


def test_the_unbiased_distance_of_equal_data_is_nought_on_average():
    found = [specs.unbiased_squared_mmd(a, b) / noise(a, b) for _, a, b in pairs(4, 300, 500)]
    assert abs(np.mean(found)) < 0.15


def test_a_score_holds_together_and_few_rows_tell_nothing():
    rng = np.random.default_rng(0)
    a, near, far = (specs.reduce(rng.normal(size=(1500, 3)) + shift, sigma=2.5, points=60) for shift in (0.0, 0.0, 5.0))
    assert specs.score(a, near).verdict == "indistinguishable" and specs.score(a, far).verdict == "far" and specs.score(a, far).share > 0.8
    handful = specs.reduce(rng.normal(size=(4, 3)), sigma=2.5)
    assert specs.score(a, handful).verdict in ("partly", "far")


def test_who_claims_few_rows_is_not_called_the_same():
    rng = np.random.default_rng(0)
    a, b = (specs.reduce(rng.normal(size=(1000, 3)) + shift, sigma=2.5, points=60) for shift in (0.0, 1.5))
    liar = specs.Rkme(points=b.points, weights=b.weights, sigma=b.sigma, n=2)
    assert specs.score(a, b).verdict in ("partly", "far") and specs.score(a, liar).verdict in ("partly", "far")


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5], [1.0, 0.1, 0.01], [0.3] * 20, [2.0, *np.geomspace(1, 1e-4, 30)]])
def test_the_tail_of_weighted_chi_squares_is_that_of_draws_and_of_closed_forms(weights):
    from scipy.stats import chi2

    weights = np.array(weights)
    drawn = np.sort(np.random.default_rng(0).chisquare(1, size=(400_000, len(weights))) @ weights)
    for share in (0.999, 0.9, 0.5, 0.1, 0.01):
        x = drawn[int((1 - share) * len(drawn))]
        assert weighted_chi_square_tail(x, weights) == pytest.approx(share, abs=0.004)
    if np.ptp(weights) == 0:
        for x in (0.01, 1.0, 5.0, 30.0):
            assert weighted_chi_square_tail(x, weights) == pytest.approx(chi2.sf(x / weights[0], len(weights)), abs=2e-3 if len(weights) == 1 else 1e-5)
    assert weighted_chi_square_tail(0.0, weights) == 1.0 and weighted_chi_square_tail(1e6, weights) < 1e-5


def clouds(kind, size=600):
    """Two specifications that are looked at as large, of spectra that fall fast, slowly, or hardly at all."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(5)
    if kind == "digits":
        X = load_digits().data / 16
        parts = [X[rng.permutation(len(X))[:size]] for _ in range(2)]
    else:
        d = {"embeddings": 256, "few columns": 4}.get(kind, 32)
        parts = [rng.normal(size=(size, d)) + shift for shift in (0.0, 0.1)]
    if kind == "clusters":
        parts = [0.05 * X + 3 * rng.integers(0, 3, size=X.shape) for X in parts]
    if kind == "few that repeat":
        parts = [X[rng.integers(0, 5, size)] for X in parts]
    sigma = 0.01 if kind == "nothing in common" else float(np.sqrt(parts[0].shape[1]) * parts[0].std())
    return [specs.Rkme(points=X, weights=rng.dirichlet(np.full(size, 2.0)), sigma=sigma, n=n) for X, n in zip(parts, (6_000, 40_000), strict=True)]


KINDS = ["few columns", "digits", "clusters", "few that repeat", "embeddings", "nothing in common"]


@pytest.mark.parametrize("kind", KINDS)
def test_large_specifications_have_the_p_values_of_the_full_decomposition(kind):
    a, b = clouds(kind)
    every = scores.eigenvalues(a, b)
    found = scores.eigenvalues(a, b, scores.LEADING)
    assert len(every) == 1200 >= scores.LARGE and len(found) == scores.LEADING
    scale = 1 / a.n + 1 / b.n
    mean, deviation = every.sum() * scale, np.sqrt(2 * (every**2).sum()) * scale
    is_flat = kind == "nothing in common"  # hundreds of eigenvalues all but equal: no data look like this, and Davies' sum itself is good to 1e-5
    assert found == pytest.approx(every[: scores.LEADING], rel=0, abs=every[0] * (1e-3 if is_flat else 1e-9))
    for x in mean + deviation * np.linspace(-1.5, 4, 12):
        exact, quick = (weighted_chi_square_tail(x - (mean - values.sum() * scale), values * scale) for values in (every[: scores.LEADING][every[: scores.LEADING] > 1e-9], found[found > 1e-9]))
        assert quick == pytest.approx(exact, rel=0, abs=1e-5 if is_flat else 1e-9)


@pytest.mark.parametrize("kind", ["digits", "nothing in common"])
def test_of_large_specifications_no_full_spectrum_is_computed(kind, monkeypatch):
    sizes, whole = [], np.linalg.eigvalsh
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda A: sizes.append(len(A)) or whole(A))
    a, b = clouds(kind)
    first = p_value(a, b)
    assert max(sizes) <= spectrum.STEPS * spectrum.WIDTH < a.size + b.size and len(sizes) <= spectrum.STEPS
    assert p_value(a, b) == first  # chance has a seed


def test_small_specifications_are_decomposed_whole():
    _, a, b = next(iter(pairs(3, 300, 300)))
    assert scores.eigenvalues(a, b, 7) == pytest.approx(scores.eigenvalues(a, b)[:7], rel=0, abs=0) and len(scores.eigenvalues(a, b)) == a.size + b.size

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

import specs
from specs import Rkme, SpecError


def random(seed: int, K: int = 6, d: int = 3, **given) -> Rkme:
    rng = np.random.default_rng(seed)
    w = rng.random(K)
    return Rkme(**{"points": rng.normal(size=(K, d)), "weights": w / w.sum(), "sigma": 1.5, "n": 100} | given)


def test_one_point_each_is_the_closed_form():
    a = Rkme(points=[[0.0]], weights=[1.0], sigma=1.0, n=1)
    b = Rkme(points=[[2.0]], weights=[1.0], sigma=1.0, n=1)
    assert specs.squared_mmd(a, b) == pytest.approx(2 - 2 * np.exp(-2))


def test_it_agrees_with_scikit_learns_kernel():
    a, b = random(0), random(1, K=9)
    gamma = 0.5 / a.sigma**2
    wanted = (
        a.weights @ rbf_kernel(a.points, gamma=gamma) @ a.weights
        - 2 * a.weights @ rbf_kernel(a.points, b.points, gamma) @ b.weights
        + b.weights @ rbf_kernel(b.points, gamma=gamma) @ b.weights
    )
    assert specs.squared_mmd(a, b) == pytest.approx(wanted, rel=1e-5)


def test_it_is_symmetric_and_zero_to_itself():
    a, b = random(0), random(1)
    assert specs.squared_mmd(a, b) == pytest.approx(specs.squared_mmd(b, a))
    assert specs.squared_mmd(a, a) == pytest.approx(0, abs=1e-12)


def test_specifications_of_two_spaces_are_never_compared():
    with pytest.raises(SpecError) as refused:
        specs.squared_mmd(random(0, space_id="a" * 64), random(1, space_id="b" * 64))
    assert refused.value.code == "other-space"
    with pytest.raises(SpecError):
        specs.squared_mmd(random(0), random(1, sigma=2.0))
    with pytest.raises(SpecError):
        specs.squared_mmd(random(0), random(1, d=4))


@pytest.mark.parametrize("weights", [[-0.1, 1.0], [np.nan, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0]])
def test_weights_that_are_no_measure_are_refused(weights):
    with pytest.raises(SpecError):
        Rkme(points=[[0.0], [1.0]], weights=weights, sigma=1.0, n=2)


def test_the_density_is_largest_at_the_point_and_falls_as_the_kernel_does():
    a = Rkme(points=[[0.0, 0.0]], weights=[0.9], sigma=1.0, n=1)
    assert a.at(np.array([[0.0, 0.0], [1.0, 0.0]])) == pytest.approx([1.0, np.exp(-0.5)])

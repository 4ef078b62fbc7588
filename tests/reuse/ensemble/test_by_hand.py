"""Single ensembles against cases done by hand."""

import numpy as np
import pytest

from reuse.crowd import Crowd
from reuse.ensemble import best_single, mean, mixture_weighted, routed, selected, stacked
from specs import Rkme


def at(place: float, d: int = 2) -> Rkme:
    return Rkme(points=place + np.random.default_rng(0).normal(scale=0.3, size=(20, d)), weights=np.full(20, 1 / 20), sigma=1.0, n=100)


@pytest.fixture
def crowd():
    """Two members of values: one lives at 0, one at 6; each row stands at one of the two."""
    X = np.array([[0.0, 0.0], [6.0, 6.0], [0.2, -0.1], [5.9, 6.1]])
    return Crowd([np.full(4, 1.0), np.full(4, 2.0)], X, [at(0), at(6)], np.array([0.75, 0.25]), np.array([0.3, 0.1]), ())


def test_the_mean_forgets_weights_and_the_mixture_does_not(crowd):
    assert np.allclose(crowd.answer(mean.weigh(crowd), mean.UNSEEN), 1.5)
    assert np.allclose(crowd.answer(mixture_weighted.weigh(crowd), mixture_weighted.UNSEEN), 1.25)


def test_best_single_is_the_nearest_one(crowd):
    assert np.allclose(crowd.answer(best_single.weigh(crowd), best_single.UNSEEN), 2.0)


def test_each_row_is_routed_to_the_member_that_lives_there(crowd):
    assert np.allclose(crowd.answer(routed.weigh(crowd), routed.UNSEEN), [1, 2, 1, 2], atol=1e-3)


def test_a_row_far_from_everybody_still_goes_to_the_nearest(crowd):
    far = Crowd([np.full(1, 1.0), np.full(1, 2.0)], np.array([[400.0, 400.0]]), crowd.rkmes, crowd.weights, crowd.distances, ())
    weights = routed.weigh(far)
    assert np.isfinite(weights).all() and np.allclose(weights.sum(axis=1), 1) and weights[0, 1] > 0.9


def test_routing_gives_nothing_to_a_member_outside_the_mixture(crowd):
    only = Crowd(crowd.outputs, crowd.X, crowd.rkmes, np.array([1.0, 0.0]), crowd.distances, ())
    assert np.allclose(routed.weigh(only), [[1, 0]] * 4)


def test_selection_goes_by_the_labels_and_not_by_the_distance(crowd):
    assert selected.fit(crowd, np.full(4, 1.1)) == {"member": 0}
    assert selected.fit(crowd, np.full(4, 2.1)) == {"member": 1}


def test_stacking_mends_what_all_members_get_wrong(random):
    X = random.normal(size=(200, 2))
    y = 3 * X[:, 0] + 5
    crowd = Crowd([X[:, 0], X[:, 1]], X, [at(0), at(0)], np.array([0.5, 0.5]), np.zeros(2), ())
    found = stacked.apply(crowd, stacked.fit(crowd, y))
    assert np.sqrt(((found - y) ** 2).mean()) < 0.1 * y.std()

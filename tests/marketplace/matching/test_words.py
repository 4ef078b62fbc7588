import numpy as np
import pytest

import specs
from marketplace.matching import words


@pytest.fixture(scope="module")
def clouds():
    rng = np.random.default_rng(0)

    def cloud(shift, n=2000):
        return specs.reduce(rng.normal(size=(n, 3)) + shift, sigma=2.0, points=50)

    return cloud


def test_two_samples_of_the_same_data_are_called_same(clouds):
    a, b = clouds(0.0), clouds(0.0)
    assert specs.score(a, b).verdict == "indistinguishable"


@pytest.mark.parametrize(("shift", "word"), [(0.3, "close"), (1.0, "partly"), (3.0, "far")])
def test_the_word_worsens_with_the_distance(clouds, shift, word):
    a, b = clouds(0.0), clouds(shift)
    assert specs.score(a, b).verdict == word


def test_a_single_row_on_one_side_makes_everything_possible(clouds):
    a = clouds(0.0)
    one = specs.Rkme(points=np.full((1, 3), 1.0), weights=np.ones(1), sigma=2.0, n=1)
    assert specs.score(a, one).verdict in {"partly", "far"}


def test_the_columns_that_differ_are_named():
    said = words.columns_sentence([{"column": "a", "squared_mmd": 0.5}, {"column": "b", "squared_mmd": 0.4}, {"column": "c", "squared_mmd": 0.0}])
    assert said == "Differs most in a and b (100 % of what single columns show)."


def test_a_mixture_says_how_much_closer_it_is():
    assert "5.0 times closer" in words.mixture_sentence(3, 0.01, 0.25, 0.9) and "(a distance of 0.100 against 0.500)" in words.mixture_sentence(3, 0.01, 0.25, 0.9)
    assert "hardly closer" in words.mixture_sentence(2, 0.60, 0.64, 0.0)
    assert "alone" in words.mixture_sentence(1, 0.01, 0.01, 0.9)
    assert "over 100 times" in words.mixture_sentence(2, 0.0, 0.05, 0.9)


def test_nothing_is_close_that_has_not_seen_most_of_the_data():
    rng = np.random.default_rng(0)
    a, b = (specs.reduce(rng.normal(loc=shift, size=(3000, 3)), sigma=2.5) for shift in (0.0, 0.3))
    near = specs.squared_mmd(a, b)
    assert specs.score(a, b).verdict == "close" and specs.score(a, b, coverage=0.5, squared_mmd=near).verdict == "partly"

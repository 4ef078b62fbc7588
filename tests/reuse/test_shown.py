"""What a page draws of a job: who differs from whom, how sure against how right, predicted against actual, and who may see it."""

import numpy as np
import pytest

from reuse import evidence


def test_pairs_that_differ_by_hand():
    P = [np.eye(2)[votes] for votes in ([0, 0, 1, 1], [0, 0, 1, 0], [1, 1, 0, 0])]
    found = evidence.pairwise(P, ["a", "b", "c"])
    assert found["matrix"] == [[0, 0.25, 1], [0.25, 0, 0.75], [1, 0.75, 0]] and (found["members"], found["kind"]) == (["a", "b", "c"], "share")
    apart = [found["matrix"][i][j] for i in range(3) for j in range(i)]
    assert np.mean(apart) == pytest.approx(evidence.disagreement(P))


def test_values_differ_as_parts_of_their_spread():
    a = np.array([0.0, 2.0])
    found = evidence.pairwise([a, a + 1], ["a", "b"])
    assert found["matrix"] == [[0, 1], [1, 0]] and found["kind"] == "spread"  # one apart, and their mean spreads by one


def test_one_member_differs_from_nobody_and_a_crowd_is_cut():
    assert evidence.pairwise([np.zeros(3)], ["a"]) is None
    assert len(evidence.pairwise([np.arange(3.0)] * 40, [str(i) for i in range(40)])["matrix"]) == evidence.MOST_MEMBERS


def test_a_member_that_never_saw_a_class_does_not_say_it():
    blind = np.array([[1.0, np.nan], [1.0, np.nan]])
    assert evidence.pairwise([blind, np.eye(2)], ["a", "b"])["matrix"][0][1] == 0.5


def test_the_bins_add_up_to_the_calibration_error(random):
    P = random.dirichlet([1, 1, 1], size=200)
    y = random.integers(3, size=200)
    bins = evidence.reliability(P, y)
    assert sum(row["rows"] for row in bins) == 200
    assert sum(abs(row["sure"] - row["right"]) * row["rows"] for row in bins) / 200 == pytest.approx(evidence.calibration_error(P, y))


def test_pairs_of_values_are_few_whatever_comes(random):
    y = random.normal(size=5_000)
    pairs = evidence.details(y + 1, y, ())["pairs"]
    assert len(pairs) == evidence.MOST_PAIRS and all(predicted - actual == pytest.approx(1) for predicted, actual in pairs)
    assert pairs[0] == [y[0] + 1, y[0]] and pairs[-1] == [y[-1] + 1, y[-1]]
    assert evidence.details(np.ones(2), np.zeros(2), ())["pairs"] == [[1, 0], [1, 0]]


def test_labels_of_single_rows_do_not_leave_with_the_predictor(random):
    found = {"metric": "rmse", "details": evidence.details(np.ones(9), random.normal(size=9), ())}
    shared = evidence.to_share(found)
    assert "pairs" in found["details"] and "pairs" not in shared["details"] and shared["details"]["residuals"] == found["details"]["residuals"]
    assert evidence.to_share({"metric": "rmse"}) == {"metric": "rmse"}

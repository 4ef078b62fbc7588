"""Scores, intervals, folds and calibration against closed forms, scipy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from reuse import combine, evidence


def test_wilsons_interval_agrees_with_scipy():
    y = np.array([1] * 17 + [0] * 3)
    output = np.tile([0.1, 0.9], (20, 1))
    score, low, high = evidence.score(output, y)
    known = stats.binomtest(17, 20).proportion_ci(0.95, method="wilson")
    assert score == 0.85 and low == pytest.approx(known.low, abs=1e-4) and high == pytest.approx(known.high, abs=1e-4)


@settings(deadline=None)
@given(st.integers(1, 500), st.data())
def test_the_interval_agrees_with_scipy_and_stays_a_share(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = evidence.interval(hits, n)
    known = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert low == pytest.approx(known.low, abs=1e-4) and high == pytest.approx(known.high, abs=1e-4)
    assert -1e-12 <= low <= hits / n + 1e-12 and hits / n - 1e-12 <= high <= 1 + 1e-12


def test_wilsons_interval_by_hand():
    """Nine of ten: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n) with z = 1.96."""
    assert evidence.interval(9, 10) == pytest.approx((0.59585, 0.98212), abs=1e-5)


def test_rmse_and_its_interval_hold_the_truth():
    score, low, high = evidence.score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
    assert score == pytest.approx(np.sqrt(4 / 3)) and low <= score <= high


def test_the_interval_of_an_rmse_holds_it_in_nineteen_of_twenty_samples(random):
    held = 0
    for _ in range(400):
        _, low, high = evidence.score(random.normal(scale=2.0, size=200), np.zeros(200))
        held += low <= 2.0 <= high
    assert held / 400 == pytest.approx(0.95, abs=0.04)


def test_one_row_has_a_score():
    assert evidence.score(np.array([1.0]), np.array([3.0])) == (2.0, 2.0, 2.0)
    assert evidence.score(np.array([[0.2, 0.8]]), np.array([1]))[0] == 1.0


def test_losses_by_hand():
    P, y = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]]), np.array([0, 2])
    # Right: half of nothing, a quarter of .09 + .04 + .01; wrong: one half, a quarter of .25 + .09 + .64.
    assert np.allclose(evidence.losses(P, y), [0.035, 0.745]) and np.allclose(evidence.brier_or_square(P, y), [0.14, 0.98])
    assert np.allclose(evidence.losses(np.array([1.0, 2.0]), np.array([1.0, 5.0])), [0, 9]) and np.allclose(evidence.brier_or_square(np.array([2.0]), np.array([5.0])), [9])


@pytest.mark.parametrize("n", [2, 4, 7, 20, 39, 40, 100])
def test_folds_part_the_rows(n):
    y = np.arange(n) % 3
    parts = list(evidence.folds(y, True, repeats=2, seed=0))
    assert len(parts) == 2 * evidence.fold_count(n)
    for train, test in parts:
        assert set(train) | set(test) == set(range(n)) and not set(train) & set(test) and len(test)
    assert np.array_equal(np.sort(np.concatenate([test for _, test in parts])), np.repeat(np.arange(n), 2))


@pytest.mark.parametrize("k", [2, 3, 5])
def test_as_many_folds_as_are_asked_for_of_nearly_one_size(k):
    parts = list(evidence.folds(np.arange(23.0), False, repeats=1, seed=0, k=k))
    assert len(parts) == k and max(len(test) for _, test in parts) - min(len(test) for _, test in parts) <= 1


def test_folds_are_stratified():
    y = np.array([0] * 80 + [1] * 20)
    assert all(abs(y[test].mean() - 0.2) < 0.06 for _, test in evidence.folds(y, True, repeats=1, seed=3))


def test_folds_hang_on_the_seed_alone():
    y = np.arange(30) % 2
    once, again, other = ([test.tolist() for _, test in evidence.folds(y, True, repeats=1, seed=seed)] for seed in (1, 1, 2))
    assert once == again != other


def test_disagreement_by_hand():
    one, two = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.8, 0.2], [0.7, 0.3]])
    assert evidence.disagreement([one, two]) == 0.5
    assert evidence.disagreement([one]) is None
    # Values: the mean deviation is .5; the means 1.5, 2.5, 3.5 deviate by sqrt(2 / 3).
    assert evidence.disagreement([np.array([1.0, 2, 3]), np.array([2.0, 3, 4])]) == pytest.approx(0.5 / np.sqrt(2 / 3))


def test_a_row_of_the_board_has_all_that_the_table_shows():
    found = evidence.row("ensemble/mean", np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), 1.23456, "a note")
    assert found["score"] == 0.5 and found["low"] < 0.5 < found["high"] and found["loss"] == pytest.approx((0.25 * 0.02 + 0.5 + 0.25 * 0.72) / 2)
    assert (found["method"], found["seconds"], found["chosen"], found["note"]) == ("ensemble/mean", 1.235, False, "a note")


# -- calibration ------------------------------------------------------------------------------


def test_the_calibration_error_by_hand():
    P = np.array([[0.95, 0.05], [0.92, 0.08], [0.55, 0.45], [0.42, 0.58], [0.7, 0.3]])
    y = np.array([0, 1, 0, 0, 0])
    # [.9, 1]: sure .935, right half of the time; [.5, .6): sure .565, right half; [.7, .8): sure .7, right
    assert evidence.calibration_error(P, y) == pytest.approx((2 * 0.435 + 2 * 0.065 + 0.3) / 5)
    assert evidence.calibration_error(np.eye(2)[[0, 1, 1]], np.array([0, 1, 1])) == 0
    assert evidence.calibration_error(np.eye(2)[[0, 1, 1]], np.array([1, 0, 0])) == 1


def tempting(random, n, T):
    """(probabilities sharpened by T, labels drawn from the true ones)."""
    P = random.dirichlet(np.ones(3), size=n)
    return combine.tempered(P, 1 / T), np.array([random.choice(3, p=p) for p in P])


@pytest.mark.parametrize("T", [0.5, 1.5, 2.0, 3.0])
def test_the_temperature_is_found_again(random, T):
    sharp, y = tempting(random, 3000, T)
    assert evidence.temperature(sharp, y) == pytest.approx(T, rel=0.12)


def test_true_probabilities_are_left_alone(random):
    assert [evidence.temperature(*tempting(np.random.default_rng(seed), 400, 1.0)) for seed in range(8)].count(1.0) >= 6


def test_a_temperature_makes_probabilities_truer_on_other_rows(random):
    sharp, y = tempting(random, 2000, 3.0)
    T = evidence.temperature(sharp[:1000], y[:1000])
    assert evidence.calibration_error(combine.tempered(sharp[1000:], T), y[1000:]) < 0.5 * evidence.calibration_error(sharp[1000:], y[1000:])


def test_few_rows_are_no_ground_for_a_temperature(random):
    sharp, y = tempting(random, evidence.LEAST_TEMPERED - 1, 3.0)
    assert evidence.temperature(sharp, y) == 1.0


def test_a_class_said_to_be_impossible_is_no_crash():
    P = np.tile([1.0, 0.0], (60, 1))
    assert np.isfinite(evidence.temperature(P, np.arange(60) % 2)) and evidence.temperature(P, np.arange(60) % 2) > 1


def test_softening_by_hand():
    P = np.array([[0.8, 0.2]])
    assert np.allclose(combine.tempered(P, 2.0), np.sqrt(P) / np.sqrt(P).sum()) and np.allclose(combine.tempered(P, 1.0), P)
    assert np.array_equal(combine.tempered(np.array([3.0]), 2.0), [3.0])


# -- details ----------------------------------------------------------------------------------


def test_details_of_classes_agree_with_scikit_learn(random):
    classes = ("a", "b", "c", "never")
    P, y = random.dirichlet([1, 1, 1, 1e-9], size=200), random.integers(3, size=200)
    P[:, 3] = 0
    found, said = evidence.details(P, y, classes), P.argmax(axis=1)
    precision, recall, _, support = metrics.precision_recall_fscore_support(y, said, labels=[0, 1, 2])
    assert [row["class"] for row in found["classes"]] == ["a", "b", "c"]
    for row, right, share, n in zip(found["classes"], precision, recall, support, strict=True):
        assert row["rows"] == n and row["found"] == pytest.approx(share) and row["right"] == pytest.approx(right)
        known = stats.binomtest(round(share * n), int(n)).proportion_ci(0.95, method="wilson")
        assert row["low"] == pytest.approx(known.low, abs=1e-4) and row["high"] == pytest.approx(known.high, abs=1e-4)
    assert found["confusion"] == {"classes": ["a", "b", "c"], "counts": metrics.confusion_matrix(y, said, labels=[0, 1, 2]).tolist()}


def test_a_class_that_was_only_said_or_only_there_has_no_share():
    P = np.eye(3)[[0, 0, 2]]
    found = {row["class"]: row for row in evidence.details(P, np.array([0, 1, 0]), ("a", "b", "c"))["classes"]}
    assert found["c"] == {"class": "c", "rows": 0, "found": None, "low": None, "high": None, "right": 0.0}
    assert found["b"]["found"] == 0.0 and found["b"]["right"] is None and found["a"]["found"] == 0.5 == found["a"]["right"]


def test_of_many_classes_the_first_are_shown_and_no_confusion(random):
    n = evidence.MOST_CLASSES + 5
    found = evidence.details(np.eye(n), np.arange(n), tuple(f"c{i}" for i in range(n)))
    assert len(found["classes"]) == evidence.MOST_CLASSES and found["confusion"] is None


def test_details_of_values_by_hand():
    found = evidence.details(np.array([1.0, 3.0, 2.0]), np.array([1.0, 1.0, 4.0]), ())["residuals"]
    assert found["mean"] == 0 and found["mean_absolute"] == pytest.approx(4 / 3) and found["quantiles"]["50"] == 0
    assert found["r2"] == pytest.approx(metrics.r2_score([1, 1, 4], [1, 3, 2])) and list(found["quantiles"]) == ["5", "25", "50", "75", "95"]
    assert evidence.details(np.array([1.0, 2.0]), np.array([3.0, 3.0]), ())["residuals"]["r2"] is None


def test_details_are_plain_enough_for_a_document(random):
    import json

    json.dumps(evidence.details(random.dirichlet(np.ones(2), 9), random.integers(2, size=9), ("a", "b")), allow_nan=False)
    json.dumps(evidence.details(random.normal(size=9), random.normal(size=9), ()), allow_nan=False)

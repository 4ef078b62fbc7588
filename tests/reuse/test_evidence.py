import numpy as np
import pytest
from scipy import stats

from reuse import evidence


def test_wilsons_interval_agrees_with_scipy():
    y = np.array([1] * 17 + [0] * 3)
    output = np.tile([0.1, 0.9], (20, 1))
    score, low, high = evidence.score(output, y)
    known = stats.binomtest(17, 20).proportion_ci(0.95, method="wilson")
    assert score == 0.85 and low == pytest.approx(known.low, abs=1e-4) and high == pytest.approx(known.high, abs=1e-4)


def test_rmse_and_its_interval_hold_the_truth():
    score, low, high = evidence.score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
    assert score == pytest.approx(np.sqrt(4 / 3)) and low <= score <= high


@pytest.mark.parametrize("n", [2, 7, 20, 39, 40, 100])
def test_folds_part_the_rows(n):
    y = np.arange(n) % 3
    parts = list(evidence.folds(y, True, repeats=2, seed=0))
    assert len(parts) == 2 * evidence.fold_count(n)
    for train, test in parts:
        assert set(train) | set(test) == set(range(n)) and not set(train) & set(test)
    assert np.array_equal(np.sort(np.concatenate([test for _, test in parts])), np.repeat(np.arange(n), 2))


def test_folds_are_stratified():
    y = np.array([0] * 80 + [1] * 20)
    assert all(abs(y[test].mean() - 0.2) < 0.06 for _, test in evidence.folds(y, True, repeats=1, seed=3))


def test_disagreement_by_hand():
    one, two = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.8, 0.2], [0.7, 0.3]])
    assert evidence.disagreement([one, two]) == 0.5
    assert evidence.disagreement([one]) is None

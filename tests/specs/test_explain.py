import numpy as np
import pytest

import specs


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return {"age": rng.normal(40, 10, 600), "income": rng.normal(3000, 500, 600), "town": rng.choice(["Bonn", "Kiel", "Ulm"], 600)}


@pytest.fixture(scope="module")
def space(table):
    return specs.Space.from_table(table, name="people")


def test_data_cover_themselves_and_strangers_do_not(table, space):
    here = specs.describe(table, space)
    far = specs.describe({**table, "age": table["age"] + 200}, space)
    assert specs.coverage(here, [here]) == pytest.approx(1)
    assert specs.coverage(here, [far]) < 0.05
    assert specs.coverage(here, []) == 0.0


def test_half_the_data_cover_about_half(table, space):
    young = {name: values[table["age"] < 40] for name, values in table.items()}
    far = {**table, "age": table["age"] + 300}
    both = {name: np.concatenate([young[name], far[name][: len(young["age"])]]) for name in table}
    found = specs.coverage(specs.describe(both, space), [specs.describe(young, space)])
    assert 0.4 < found < 0.65


def test_the_column_that_was_moved_comes_first(table, space):
    here = specs.describe(table, space)
    moved = specs.describe({**table, "income": table["income"] + 1500}, space)
    found = specs.explain(here, moved, space)
    assert found[0].column == "income" and found[0].squared_mmd > 5 * found[1].squared_mmd
    assert found[0].requirement["mean"] == pytest.approx(3000, abs=80)
    assert found[0].other["mean"] == pytest.approx(4500, abs=80)


def test_shares_of_levels_are_told_in_raw_words(table, space):
    here = specs.describe(table, space)
    kiel = specs.describe({**table, "town": np.array(["Kiel"] * 600)}, space)
    found = {difference.column: difference for difference in specs.explain(here, kiel, space)}["town"]
    assert found.other["levels"]["Kiel"] == pytest.approx(1, abs=0.05)
    assert found.requirement["levels"]["Kiel"] == pytest.approx((table["town"] == "Kiel").mean(), abs=0.06)


def test_one_column_outside_is_not_covered_however_many_agree():
    """Thirty columns alike and one far off: the kernel hardly sees it, the requester's rows lie where the model never was."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 31))
    shifted = X.copy()
    shifted[:, 7] += 6
    sigma = 8.0
    a, b = specs.reduce(X[:1000], sigma=sigma), specs.reduce(shifted[1000:], sigma=sigma)
    assert specs.coverage(a, [b]) < 0.1 and specs.coverage(a, [specs.reduce(X[1000:], sigma=sigma)]) > 0.95


def test_a_mixture_covers_what_its_members_cover_together():
    rng = np.random.default_rng(1)
    left, right = rng.normal(-5, 1, size=(800, 2)), rng.normal(5, 1, size=(800, 2))
    both = specs.reduce(np.concatenate([left, right]), sigma=3.0)
    members = [specs.reduce(left, sigma=3.0), specs.reduce(right, sigma=3.0)]
    assert specs.coverage(both, members, [0.5, 0.5]) > 0.95
    assert 0.4 < specs.coverage(both, members[:1]) < 0.6
    assert specs.coverage(both, members, [1.0, 0.0]) < 0.6


def test_coverage_is_about_the_share_that_was_seen():
    """Parts of real tables whose true share is known: digits by class, nuclei by their radius."""
    from sklearn.datasets import load_breast_cancer, load_digits

    digits = load_digits()
    mixed = np.random.default_rng(0).permutation(len(digits.data))
    X, y = ((digits.data - digits.data.mean(axis=0)) / (digits.data.std(axis=0) + 1e-9))[mixed], digits.target[mixed]
    nuclei = load_breast_cancer().data
    Y = (nuclei - nuclei.mean(axis=0)) / nuclei.std(axis=0)
    size = np.argsort(np.argsort(nuclei[:, 0])) / len(nuclei)
    whole_digits, whole_nuclei = specs.reduce(X[:900], sigma=10.0), specs.reduce(Y, sigma=7.0)
    for requirement, rows, truth in (
        (whole_digits, X[900:][y[900:] < 5], 0.5), (whole_digits, X[900:][y[900:] < 2], 0.2), (whole_digits, X[900:], 1.0),
        (whole_nuclei, Y[size > 0.6], 0.4), (whole_nuclei, Y[size < 0.7], 0.7),
    ):
        assert specs.coverage(requirement, [specs.reduce(rows, sigma=requirement.sigma)]) == pytest.approx(truth, abs=0.25)

import sys
from uuid import uuid4

import numpy as np
import pytest
from sklearn.datasets import load_digits

import specs
from specs.embedding import Embedding
from specs.index import SpaceIndex


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    table = {f"p{i}": X[:, i] for i in range(64)}
    space = specs.Space.from_table(table, name="digits")
    rng = np.random.default_rng(0)
    rkmes = []
    for _ in range(160):
        kept = np.isin(y, rng.choice(10, rng.integers(1, 5), replace=False))
        rows = rng.choice(np.flatnonzero(kept), 60, replace=False)
        rkmes.append(specs.describe({name: values[rows] for name, values in table.items()}, space, points=10))
    return space, rkmes


def test_the_embedding_keeps_distances(digits):
    space, rkmes = digits
    phi = Embedding(space)
    exact = np.array([specs.squared_mmd(rkmes[0], other) for other in rkmes[1:60]])
    near = np.array([((phi.vector(rkmes[0]) - phi.vector(other)) ** 2).sum() for other in rkmes[1:60]])
    assert np.abs(near - exact).max() < 0.15 * exact.max()
    assert np.corrcoef(near, exact)[0, 1] > 0.99


def test_two_processes_compute_the_same_vector(digits):
    space, rkmes = digits
    assert np.array_equal(Embedding(space).vector(rkmes[0]), Embedding(specs.Space.from_json(space.to_json())).vector(rkmes[0]))


def test_the_search_finds_the_exact_top_ten(digits):
    space, rkmes = digits
    index = SpaceIndex(space)
    for key, rkme in enumerate(rkmes[:150]):
        index.add(key, rkme)
    for query in rkmes[150:]:
        exact = sorted(range(150), key=lambda key: specs.squared_mmd(query, rkmes[key]))[:10]
        found = index.search(query, top=10)
        assert [key for key, _ in found] == exact
        assert [value for _, value in found] == pytest.approx([specs.squared_mmd(query, rkmes[key]) for key in exact])


def test_only_allowed_keys_are_found(digits):
    space, rkmes = digits
    index = SpaceIndex(space)
    for key, rkme in enumerate(rkmes[:150]):
        index.add(key, rkme)
    allowed = set(range(0, 150, 7))
    assert {key for key, _ in index.search(rkmes[151], top=50, allowed=allowed)} <= allowed
    keys, weights, squared, _ = index.mixture(rkmes[151], allowed=allowed)
    assert set(keys) <= allowed and weights.sum() == pytest.approx(1)
    assert index.search(rkmes[151], allowed=set()) == []


def test_what_is_removed_is_gone_and_what_is_added_again_is_replaced(digits):
    space, rkmes = digits
    index = SpaceIndex(space)
    a, b = uuid4(), uuid4()
    index.add(a, rkmes[0])
    index.add(b, rkmes[1])
    index.add(a, rkmes[2])
    assert len(index) == 2 and a in index
    assert index.search(rkmes[2], top=1)[0] == (a, pytest.approx(0, abs=1e-9))
    index.remove(a)
    index.remove(a)
    assert [key for key, _ in index.search(rkmes[2])] == [b] and a not in index


def test_the_mixture_over_the_index_is_that_over_the_list(digits):
    space, rkmes = digits
    index = SpaceIndex(space)
    for key, rkme in enumerate(rkmes[:40]):
        index.add(key, rkme)
    keys, weights, squared, gap = index.mixture(rkmes[159])
    plain = specs.mixture(rkmes[159], rkmes[:40])
    assert tuple(keys) == plain.members and weights == pytest.approx(plain.weights) and squared == pytest.approx(plain.squared_mmd)


def test_the_reported_gap_is_true_and_members_obey_who_is_asked(digits):
    space, rkmes = digits
    index = SpaceIndex(space)
    index.add_all(range(150), rkmes[:150])
    for asked in rkmes[150:]:
        found = index.mix(asked)
        best = index.mix(asked, max_members=100)
        assert found.is_gap_exact and found.squared_mmd - best.squared_mmd <= found.gap + 1e-9 and best.squared_mmd <= found.squared_mmd + 1e-9
        odd = index.mixture(asked, accept=lambda keys: [key for key in keys if key % 2])
        assert all(key % 2 for key in odd[0]) and [key for key, _ in index.search(asked, 5, accept=lambda keys: {7, 9} & set(keys))] in ([7, 9], [9, 7])
        assert index.mixture(asked)[0] == index.mixture(asked)[0]


def test_the_gap_counts_in_what_the_oracle_may_have_missed(digits, monkeypatch):
    space, rkmes = digits
    index = SpaceIndex(space)
    index.add_all(range(150), rkmes[:150])
    mixing = sys.modules["specs.mixture"]
    monkeypatch.setattr(mixing, "SHORTLIST", 8)
    store = index._store
    for asked in rkmes[150:]:
        found = mixing.frank_wolfe(asked, store.block, lambda residual, most: index._pull.search(residual @ index._pull_axes.axes, most), index._embedding,
                                   max_members=8, everything=None, approximate=index._approximate)
        exact = mixing.frank_wolfe(asked, store.block, lambda residual, most: store.alive(), None, max_members=100, everything=store.alive)
        assert not found.is_gap_exact and found.squared_mmd - exact.squared_mmd <= found.gap + 1e-9


def test_an_accept_that_refuses_the_nearest_is_asked_further(digits):
    space, rkmes = digits
    index = SpaceIndex(space)
    index.add_all(range(160), rkmes)
    order = [key for key, _ in index.search(rkmes[0], 160)]
    far = set(order[140:])
    assert [key for key, _ in index.search(rkmes[0], 5, accept=lambda keys: far & set(keys))] == order[140:145]

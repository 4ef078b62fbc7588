"""Engines propose: laws that hold for each of them, and the same ten nearest from all after exact re-ranking."""

from uuid import uuid4

import numpy as np
import pytest
from sklearn.datasets import load_digits

import specs
from specs import SpecError
from specs.engines import connect
from specs.engines import faiss as local
from specs.index import SpaceIndex


@pytest.fixture(autouse=True, scope="module")
def servers():
    """milvus-lite starts a server for each file; they end with the module, not at the interpreter's exit, when pytest's streams are closed."""
    yield
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_all()


@pytest.fixture(params=["faiss:", "faiss: coded", "milvus:"])
def engine(request, tmp_path, monkeypatch):
    if request.param == "faiss: coded":
        monkeypatch.setattr(local, "FLAT", 50)
        monkeypatch.setattr(local, "EXPECTED", 4_096)

    def make(metric="l2"):
        url = f"milvus://{tmp_path}/vectors.db" if request.param == "milvus:" else "faiss:"
        made = connect(url, name=f"test_{metric}", width=16, metric=metric)
        made.is_exact = request.param != "faiss: coded"
        opened.append(made)
        return made

    opened = []
    yield make
    for made in opened:
        made.close()


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)


def test_the_nearest_come_first(engine, vectors):
    index = engine()
    index.add(np.arange(300), vectors)
    assert len(index) == 300
    exact = np.argsort(((vectors - vectors[7]) ** 2).sum(axis=1))[:10]
    found = index.search(vectors[7], 10)
    assert found[0] == 7 and (list(found) == list(exact) if index.is_exact else len(set(found) & set(exact)) >= 7)


def test_by_inner_product_the_largest_come_first(engine, vectors):
    index = engine("ip")
    index.add(np.arange(300), vectors)
    exact = np.argsort(-vectors @ vectors[3])[:10]
    assert len(set(index.search(vectors[3], 10).tolist()) & set(exact.tolist())) >= 9


def test_only_what_is_allowed_is_proposed(engine, vectors):
    index = engine()
    index.add(np.arange(300), vectors)
    allowed = np.arange(0, 300, 9)
    assert set(index.search(vectors[1], 20, allowed).tolist()) <= set(allowed.tolist())
    assert len(index.search(vectors[1], 20, np.empty(0, np.int64))) == 0


def test_what_is_removed_is_not_proposed_again(engine, vectors):
    index = engine()
    index.add(np.arange(300), vectors)
    index.remove(np.array([7, 8]))
    assert len(index) == 298 and not {7, 8} & set(index.search(vectors[7], 300).tolist())
    index.remove(np.arange(100, 250))
    assert len(index) == 148 and set(index.search(vectors[7], 300).tolist()) <= {*range(100), *range(250, 300)}


def test_an_empty_one_proposes_nothing(engine, vectors):
    assert len(engine().search(vectors[0], 5)) == 0


def test_an_unknown_engine_is_refused():
    with pytest.raises(SpecError, match="must be one of faiss, milvus"):
        connect("pinecone://x", name="a", width=4)


@pytest.fixture(scope="module")
def catalog():
    data, y = load_digits(return_X_y=True)
    table = {f"p{i}": data[:, i] for i in range(64)}
    space = specs.Space.from_table(table, name="digits")
    X, rng = space.encode(table), np.random.default_rng(0)
    rkmes = [specs.reduce(X[rng.choice(np.flatnonzero(np.isin(y, rng.choice(10, 3, replace=False))), 80)], sigma=space.sigma, points=8, seed=i) for i in range(180)]
    return space, rkmes


def test_milvus_and_faiss_give_the_same_ten_after_re_ranking_and_the_same_mixture(catalog, tmp_path):
    space, rkmes = catalog
    keys = [uuid4() for _ in range(170)]
    one, other = SpaceIndex(space), SpaceIndex(space, engine=f"milvus://{tmp_path}/m.db")
    for index in (one, other):
        index.add_all(keys, rkmes[:170])
        index.remove(keys[5])
    for asked in rkmes[170:]:
        assert one.search(asked, 10) == other.search(asked, 10)
        assert one.search(asked, 10, allowed=keys[:60]) == other.search(asked, 10, allowed=keys[:60])
        ours, theirs = one.mixture(asked), other.mixture(asked)
        assert theirs[2] == pytest.approx(ours[2], rel=0.05) and theirs[3] == pytest.approx(ours[3], rel=0.2, abs=1e-4)
    other.close()


def test_two_processes_share_a_milvus(catalog, tmp_path):
    space, rkmes = catalog
    url, keys = f"milvus://{tmp_path}/m.db", [uuid4() for _ in range(20)]
    one, other = SpaceIndex(space, engine=url), SpaceIndex(space, engine=url)
    one.add_all(keys, rkmes[:20])
    other.add_all(keys[:10], rkmes[:10])  # has read less of the catalog so far
    assert len(one._near) == 20 and one.search(rkmes[30], 5)[0][0] in keys
    assert {key for key, _ in other.search(rkmes[30], 20)} <= set(keys[:10])

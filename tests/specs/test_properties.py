"""Properties that hold for whatever table comes, with hypothesis: encode and decode, distances, mixtures, files."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import specs
from specs import SpecError

FINITE = st.floats(-1e6, 1e6, allow_nan=False, width=64)
CELLS = st.one_of(FINITE, st.none())
WORDS = st.one_of(st.text(max_size=8), st.none())
quick = settings(max_examples=40, deadline=None)


@st.composite
def tables(draw):
    n = draw(st.integers(2, 30))
    frame = {}
    for i in range(draw(st.integers(1, 4))):
        frame[f"c{i}"] = draw(st.lists(draw(st.sampled_from([CELLS, WORDS, FINITE])), min_size=n, max_size=n))
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in frame.items()})


@st.composite
def measures(draw, d=3):
    k = draw(st.integers(1, 8))
    points = draw(arrays.arrays(np.float32, (k, d), elements=st.floats(-5, 5, width=32)))
    weights = draw(arrays.arrays(np.float64, k, elements=st.floats(0.01, 1.0)))
    return specs.Rkme(points=points, weights=weights / weights.sum(), sigma=2.0, n=100)


@quick
@given(tables())
def test_a_table_is_encoded_to_finite_coordinates_or_refused_with_words(frame):
    before = frame.copy(deep=True)
    try:
        space = specs.Space.from_table(frame, name="t")
    except SpecError as refused:
        assert refused.code and refused.message
    else:
        X = space.encode(frame)
        assert X.shape == (len(frame), space.d) and np.isfinite(X).all()
        assert specs.Space.from_json(space.to_json()) == space and specs.Space.from_json(space.to_json()).id == space.id
    pd.testing.assert_frame_equal(frame, before)


@quick
@given(tables())
def test_what_is_decoded_is_encoded_to_the_same_coordinates(frame):
    try:
        space = specs.Space.from_table(frame, name="t")
    except SpecError:
        return
    raw = space.decode(space.encode(frame))
    again = space.decode(space.encode(raw))
    for name in raw:
        for one, two in zip(raw[name], again[name], strict=True):
            assert one == two or (one != one and two != two) or one == pytest.approx(two, rel=1e-6, abs=1e-6)


@quick
@given(measures(), measures(), measures())
def test_mmd_is_a_distance(a, b, c):
    ab, ba, ac, cb = (np.sqrt(specs.squared_mmd(*pair)) for pair in ((a, b), (b, a), (a, c), (c, b)))
    assert ab == pytest.approx(ba, abs=1e-6) and ab >= 0 and ab <= ac + cb + 1e-5
    assert specs.squared_mmd(a, a) == pytest.approx(0, abs=1e-9)
    assert specs.squared_mmd(a, b) <= a.squared_norm + b.squared_norm + 1e-9


@quick
@given(measures(), st.lists(measures(), min_size=1, max_size=5))
def test_a_mixture_is_never_farther_than_the_best_single(requirement, candidates):
    found = specs.mixture(requirement, candidates)
    assert found.weights.sum() == pytest.approx(1) and (np.asarray(found.weights) >= 0).all() and len(found.members) == len(set(found.members)) <= 8
    best = min(specs.squared_mmd(requirement, candidate) for candidate in candidates)
    assert found.squared_mmd <= best + 1e-6 and found.gap >= -1e-9


@quick
@given(measures(), st.lists(measures(), min_size=1, max_size=4))
def test_coverage_is_a_share_and_more_candidates_cover_no_less(requirement, candidates):
    share = specs.coverage(requirement, candidates)
    assert 0 <= share <= 1 + 1e-9
    assert specs.coverage(requirement, [*candidates, requirement]) == pytest.approx(1) and specs.coverage(requirement, candidates[:1]) <= share + 1e-9


@quick
@given(arrays.arrays(np.float64, st.tuples(st.integers(2, 40), st.integers(1, 5)), elements=st.floats(-50, 50)), st.integers(1, 20), st.integers(0, 5))
def test_a_reduction_is_a_measure_of_the_rows(X, points, seed):
    before = X.copy()
    try:
        rkme = specs.reduce(X, sigma=5.0, points=points, seed=seed)
    except SpecError as refused:  # a few rows, each alone: the points would be the rows
        assert refused.code == "not-reducible" and len(X) < 10 and np.array_equal(X, before)
        return
    assert np.array_equal(X, before) and 1 <= rkme.size <= max(1, min(points, len(X) // 2)) and rkme.n == len(X)
    assert 0 < rkme.mass <= 1.05 and np.isfinite(rkme.points).all() and rkme.fit >= 0
    again = specs.reduce(X, sigma=5.0, points=points, seed=seed)
    assert np.array_equal(rkme.points, again.points) and np.array_equal(rkme.weights, again.weights)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda X: X[::-1], lambda X: X.astype(np.float32), lambda X: np.lib.stride_tricks.as_strided(X), lambda X: X.tolist()],
                         ids=["fortran", "reversed", "float32", "strided", "lists"])
def test_however_the_rows_lie_in_memory(make):
    X = np.random.default_rng(0).normal(size=(200, 3))
    Y = make(X)
    assert specs.reduce(Y, sigma=2.0, points=10).n == 200


def test_rows_that_may_not_be_written_are_read():
    X = np.random.default_rng(0).normal(size=(200, 3))
    X.setflags(write=False)
    assert specs.reduce(X, sigma=2.0, points=10).n == 200


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "category", "string", "int8", "float32", "bool"])
def test_pandas_own_types(dtype):
    values = pd.Series(["a", "b", None, "a"], dtype=dtype) if dtype in ("category", "string") else pd.Series([1, 0, 1, 1], dtype=dtype)
    frame = pd.DataFrame({"c": values, "x": [1.0, 2.0, 3.0, 4.0]})
    assert np.isfinite(specs.Space.from_table(frame, name="t").encode(frame)).all()


def test_a_number_that_overflows_in_its_space_is_refused():
    space = specs.Space.from_table(pd.DataFrame({"x": [1e-6, 2e-6, 3e-6]}), name="t")
    with pytest.raises(SpecError, match="'x' must lie within") as refused:
        space.encode(pd.DataFrame({"x": [1e-6, 1e308]}))
    assert refused.value.code == "too-large" and "row 1" in refused.value.message


@pytest.mark.parametrize("values", [[1e308, -1e308, 1.0], [5e-324, 0.0, 1e-320], [1e300, 1e300, 1e300]])
def test_numbers_at_the_edge_are_encoded_or_refused(values):
    frame = pd.DataFrame({"x": values, "y": [1.0, 2.0, 3.0]})
    try:
        X = specs.Space.from_table(frame, name="t").encode(frame)
    except SpecError as refused:
        assert refused.message
    else:
        assert np.isfinite(X).all()

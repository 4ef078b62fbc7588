"""Rows from wherever they come: the same reduction, checked the same way, the caller's arrays left alone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits

import specs
from specs import SpecError
from specs.rows import gather, of

SIGMA = 10.0


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)


def split(X, *at):
    return np.split(X, at)


def test_files_and_restartable_iterators_give_what_the_array_gives(digits, tmp_path):
    np.save(tmp_path / "x.npy", digits)
    pd.DataFrame(digits, columns=[f"p{i}" for i in range(64)]).to_parquet(tmp_path / "x.parquet", row_group_size=400)
    plain = specs.reduce(digits, sigma=SIGMA, points=20)
    for source in (tmp_path / "x.npy", np.load(tmp_path / "x.npy", mmap_mode="r"), pd.DataFrame(digits)):
        assert specs.reduce(source, sigma=SIGMA, points=20).points.tobytes() == plain.points.tobytes()
    for source in (tmp_path / "x.parquet", lambda: iter(split(digits, 100, 101, 900))):
        streamed = specs.reduce(source, sigma=SIGMA, points=20)
        assert streamed.n == 1797 and streamed.fit < 3 * plain.fit


def test_a_stream_is_reduced_the_same_however_it_is_cut(digits):
    one, other = (specs.reduce(iter(split(digits, *at)), sigma=SIGMA, points=20) for at in ((1, 2, 3), (600, 1200)))
    assert one.points.tobytes() == other.points.tobytes()


def test_a_reservoir_is_a_uniform_sample_whatever_the_batches():
    X = np.arange(20_000, dtype=float)[:, None]
    for batches in (split(X, 5, 17), split(X, *range(100, 20_000, 100))):
        sample = gather(of(iter(batches)), 2_000, np.random.default_rng(0))
        assert sample.n == 20_000 and len(np.unique(sample.rows)) == 2_000
        assert sample.rows.mean() == pytest.approx(9_999.5, rel=0.05) and sample.weights.sum() == pytest.approx(1)


def test_memory_does_not_grow_with_the_stream():
    import tracemalloc

    rng = np.random.default_rng(0)
    block = rng.normal(size=(20_000, 8))

    def peak(times):
        tracemalloc.start()
        specs.reduce(iter([block] * times), sigma=4.0, points=10)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(40) < 1.3 * peak(10)


def test_weights_count_as_repeated_rows_do(digits):
    X = digits[:200]
    times = np.random.default_rng(0).integers(1, 5, 200)
    weighted = specs.reduce(X, sigma=SIGMA, points=20, sample_weight=times)
    repeated = np.repeat(X, times, axis=0)
    from sklearn.metrics.pairwise import rbf_kernel

    gamma = 0.5 / SIGMA**2
    Z, w = weighted.points.astype(float), weighted.weights
    exact = w @ rbf_kernel(Z, Z, gamma) @ w - 2 * w @ rbf_kernel(Z, repeated, gamma).mean(axis=1) + rbf_kernel(repeated, repeated, gamma).mean()
    assert weighted.fit == pytest.approx(exact, rel=1e-2, abs=1e-6)
    assert weighted.n == round(times.sum() ** 2 / (times**2).sum())


def test_rows_of_weight_nought_are_as_good_as_absent(digits):
    weights = np.ones(1797)
    weights[:900] = 0
    some, rest = specs.reduce(digits, sigma=SIGMA, points=30, sample_weight=weights), specs.reduce(digits[900:], sigma=SIGMA, points=30)
    assert specs.squared_mmd(some, rest) < 5 * (some.fit + rest.fit) and some.n == 897


@pytest.mark.parametrize(("source", "code"), [
    (np.ones(3), "wrong-shape"), (np.ones((0, 3)), "wrong-shape"), (np.ones((3, 0)), "wrong-shape"), ([["a"]], "not-numbers"), ("nothing.npy", "no-file"),
    (iter([]), "no-rows"), (iter([np.ones((2, 3)), np.ones((2, 4))]), "wrong-shape"), (np.array([[1.0, np.nan]] * 3), "not-finite"), (np.full((4, 2), 1e308), "too-large"),
    (iter([np.array([[np.inf]])]), "not-finite"),
])
def test_what_is_no_table_of_numbers_is_refused_with_a_reason(source, code):
    with pytest.raises(SpecError) as refused:
        specs.reduce(source, sigma=1.0)
    assert refused.value.code == code


def test_wrong_files_are_refused(tmp_path):
    for name, content in (("x.npy", b"no numbers"), ("x.parquet", b"PAR1 not"), ("x.csv", b"a,b")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SpecError) as refused:
            specs.reduce(tmp_path / name, sigma=1.0)
        assert refused.value.code == "wrong-file"


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1, 1], [np.nan, 1, 1], [0.0, 0, 0], ["a", "b", "c"]])
def test_wrong_weights_are_refused(weights):
    with pytest.raises(SpecError) as refused:
        specs.reduce(np.eye(3), sigma=1.0, sample_weight=weights)
    assert refused.value.code == "wrong-weights"


def test_not_finite_is_found_wherever_it_stands_even_where_rows_are_only_sampled():
    X = np.zeros((150_000, 2), np.float32)
    X[149_999, 1] = np.inf
    with pytest.raises(SpecError, match="row 149999, column 1"):
        specs.reduce(X, sigma=1.0, points=5)


shapes = st.tuples(st.integers(1, 60), st.integers(1, 6))
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, shapes, elements=numbers), st.integers(1, 30), st.sampled_from(["plain", "strided", "readonly", "fortran", "int", "float32", "bool"]))
def test_whatever_numbers_come_are_reduced_or_refused_and_never_written_to(X, points, form):
    if form == "strided":
        X = np.repeat(X, 2, axis=0)[::2]
    elif form == "readonly":
        X.setflags(write=False)
    elif form == "fortran":
        X = np.asfortranarray(X)
    elif form != "plain":
        with np.errstate(all="ignore"):
            X = np.clip(X, -1e9, 1e9).astype({"int": np.int64, "float32": np.float32, "bool": bool}[form])
    before = X.copy()
    try:
        found = specs.reduce(X, sigma=3.0, points=points)
    except SpecError as refused:
        assert refused.code in {"too-large", "not-reducible"}
    else:
        assert 1 <= found.size <= points and np.isfinite(found.points).all() and 0 < found.mass <= 1.05 and found.n == len(X)
        assert found.fit is not None and 0 <= found.fit <= 4
    assert np.array_equal(X, before)


@pytest.mark.parametrize("X", [np.zeros((50, 3)), np.repeat(np.eye(3), 20, axis=0), np.full((40, 2), 1e-310), np.array([[1.0, 2.0]]), np.ones((3, 4_000))])
def test_constant_repeated_denormal_single_and_wide_rows_have_a_meaning(X):
    found = specs.reduce(X, sigma=1.0, points=10)
    assert found.size <= 10 and found.fit < 1e-2


def test_pandas_extension_types_are_numbers_too():
    frame = pd.DataFrame({"a": pd.array([1, 2, 3, 4], dtype="Int64"), "b": pd.array([0.5, 1.5, 2.5, 3.5], dtype="Float64")})
    assert specs.reduce(frame, sigma=1.0, points=2).d == 2
    with pytest.raises(SpecError):
        specs.reduce(frame.assign(a=pd.array([1, None, 3, 4], dtype="Int64")), sigma=1.0)


def test_parts_of_a_table_are_described_as_the_whole_is():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=3000), "b": rng.choice(["x", "y"], 3000)})
    space = specs.Space.from_table(frame, name="t")
    whole = specs.describe(frame, space, points=20)
    parts = specs.describe(lambda: (frame[i : i + 700] for i in range(0, 3000, 700)), space, points=20)
    assert parts.n == 3000 and specs.squared_mmd(whole, parts) < 1e-4
    with pytest.raises(SpecError, match="at least 2 rows"):
        specs.describe(iter([frame[:1]]), space)
    with pytest.raises(SpecError, match="'a' must hold at least one value"):
        specs.describe(lambda: iter([frame.assign(a=np.nan)]), space)

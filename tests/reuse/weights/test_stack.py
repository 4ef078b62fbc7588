"""One tensor of several models: walked in blocks, and measured without sorting."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reuse.errors import ReuseError
from reuse.weights import kernels, stack
from reuse.weights.files import Checkpoint
from reuse.weights.stack import Ranks, Stack

LONG = 2 * kernels.BLOCK + 777


def based(D, origin):
    """A stack of models origin + D over their base."""
    models = [Checkpoint.of({"x": origin + part}, f"m{i}") for i, part in enumerate(D)]
    return Stack(models[0].layouts["x"], models, Checkpoint.of({"x": origin}, "base"))


def ranked(D, ranks, cuts=()):
    """|D| by rank through the histograms, the blocks cut at `cuts`."""
    found, blocks = Ranks(len(D)), [np.ascontiguousarray(part) for part in np.split(D, cuts, axis=1)]
    for block in blocks:
        found.see(block)
    found.narrow(ranks)
    for block in blocks:
        found.look(block)
    return found.values()


@pytest.mark.parametrize("shape", [(), (1,), (7, 5), (kernels.BLOCK,), (kernels.BLOCK + 1,), (LONG,)], ids=str)
def test_blocks_put_together_are_the_whole(random, shape):
    D = random.normal(size=(2, *shape)).astype(np.float32)
    found = [(start, block.copy()) for start, block in Stack.of(D).blocks()]
    assert [start for start, _ in found] == list(range(0, D[0].size, kernels.BLOCK))
    assert np.array_equal(np.concatenate([block for _, block in found], axis=1).reshape(D.shape), D)
    assert np.array_equal(Stack.of(D).whole(), D)


def test_with_a_base_they_are_differences_and_the_base_is_at_hand(random):
    D, origin = random.normal(size=(2, LONG)).astype(np.float32), random.normal(size=LONG).astype(np.float32)
    walked = based(D, origin)
    wanted = (origin + D) - origin
    for start, block in walked.blocks():
        assert np.array_equal(block, wanted[:, start : start + block.shape[1]])
        assert np.array_equal(walked.origin(start, start + block.shape[1]), origin[start : start + block.shape[1]])
    assert np.array_equal(walked.origin(5, 9), origin[5:9])  # out of turn
    assert Stack.of(D).origin(0, 3) is None


def test_rows_are_never_cut(random):
    width = 4_099
    D = random.normal(size=(2, 30, width)).astype(np.float32)
    assert all(block.shape[1] % width == 0 for _, block in Stack.of(D).blocks(width))
    seen = []
    out = np.concatenate(list(Stack.of(D).each_row(lambda part: seen.append(part.shape) or part.sum(axis=0))))
    assert np.allclose(out.reshape(30, width), D.sum(axis=0)) and all(shape[2] == width for shape in seen) and len(seen) > 1


def test_a_row_longer_than_a_block_is_walked_whole(random):
    D = random.normal(size=(2, 3, kernels.BLOCK + 5)).astype(np.float32)
    assert [block.shape[1] for _, block in Stack.of(D).blocks(kernels.BLOCK + 5)] == [kernels.BLOCK + 5] * 3


def test_pages_given_back_on_the_way_change_nothing(random, tmp_path, monkeypatch):
    from safetensors.numpy import save_file

    D = random.normal(size=(2, LONG)).astype(np.float32)
    models = []
    for i, part in enumerate(D):
        save_file({"x": part}, tmp_path / f"{i}.safetensors")
        models.append(Checkpoint.open(tmp_path / f"{i}.safetensors"))
    monkeypatch.setattr(stack, "RELEASE", kernels.BLOCK)
    for _ in range(2):
        assert np.array_equal(Stack(models[0].layouts["x"], models).whole(), D)


def test_a_tensor_put_in_the_files_place_is_read_instead(random):
    model = Checkpoint.of({"x": np.zeros((2, 3))})
    model.changed["x"] = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert Stack(model.layouts["x"], [model]).whole().tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert model.values("x").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_names_model_and_tensor(bad):
    values = np.zeros((3, kernels.BLOCK + 9))
    values[1, -1] = bad
    models = [Checkpoint.of({"body.weight": part}, f"alice/m{i}@1.0.0") for i, part in enumerate(values)]
    with pytest.raises(ReuseError, match=r"alice/m1@1\.0\.0 .*'body\.weight'") as refused:
        Stack(models[0].layouts["body.weight"], models).whole()
    assert refused.value.code == "not-finite"


@pytest.mark.parametrize("size", [1, 2, 1000, stack.SORTED, stack.SORTED + 1, LONG], ids=str)
def test_ranks_are_those_of_a_sort(random, size):
    D = random.normal(size=(3, size)).astype(np.float32)
    ranks = (size - 1, 0, size // 3)
    assert np.array_equal(Stack.of(D).ranked(ranks), np.sort(np.abs(D), axis=1)[:, ::-1][:, ranks])


numbers = st.one_of(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38]))


@settings(max_examples=120, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=150), st.data())
@example([0.0] * 9, None)
@example([-0.0, 0.0, 1e-45, -1e-45], None)
def test_ranks_are_those_of_a_sort_whatever_the_numbers(values, data):
    D = np.array([values, values[::-1]], np.float32)
    n = len(values)
    ranks = tuple(range(n)) if data is None else tuple(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=4)))
    cuts = [] if data is None else sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    assert np.array_equal(ranked(D, ranks[:4], cuts), np.sort(np.abs(D), axis=1)[:, ::-1][:, ranks[:4]])


def test_ranks_among_duplicates_and_denormals(random):
    for D in (random.integers(-3, 4, (2, 70_000)).astype(np.float32), (random.integers(-9, 9, (2, 5000)) * np.float32(1e-45)).astype(np.float32)):
        ranks = (0, 17, D.shape[1] // 2, D.shape[1] - 1)
        assert np.array_equal(ranked(D, ranks, [1, 1023, 1024, 1025]), np.sort(np.abs(D), axis=1)[:, ::-1][:, ranks])


def test_a_share_without_a_family_is_of_the_tensor_alone():
    D = np.array([[4, -3, 2, 1, 0]], np.float32)
    assert [float(Stack.of(D).share(keep)[0]) for keep in (0.2, 0.4, 1.0, 0.01)] == [4, 3, 0, 4]


def test_inner_products_agree_with_numpy(random):
    D = random.normal(size=(3, LONG)).astype(np.float32)
    assert np.allclose(Stack.of(D).gram, D.astype(np.float64) @ D.astype(np.float64).T)


@pytest.mark.parametrize(("shape", "answer"), [((3, 4), True), ((1, 4), False), ((4,), False), ((2, 3, 3), False), ((), False)], ids=str)
def test_a_matrix_has_two_dimensions_over_one(shape, answer):
    assert Stack.of(np.zeros((2, *shape))).is_matrix is answer

"""Compiled loops against plain NumPy and torch."""

import numpy as np
import pytest
import torch

from reuse.weights import kernels


@pytest.fixture
def D(random):
    return random.normal(size=(3, 5000)).astype(np.float32)


def test_any_bits_become_the_bfloat16_that_torch_rounds_to(random):
    bits = random.integers(0, 1 << 32, 200_000, dtype=np.uint32)
    # Ties, both ways, and what carries into the exponent.
    bits[:6] = 0x3F808000, 0x3F818000, 0x3F80FFFF, 0x7F7FFFFF, 0x00008000, 0x80000000
    values = bits[(bits & 0x7F800000) != 0x7F800000].view(np.float32)
    assert np.array_equal(kernels.encode(values, "BF16"), torch.from_numpy(values).to(torch.bfloat16).view(torch.uint16).numpy())


def test_every_bfloat16_comes_back_as_it_went(random):
    raw = np.arange(1 << 16, dtype=np.uint16)
    raw = raw[(raw & 0x7F80) != 0x7F80]
    values = np.empty(len(raw), np.float32)
    kernels.decode(raw, values)
    assert np.array_equal(values, torch.from_numpy(raw).view(torch.bfloat16).float().numpy()) and np.array_equal(kernels.encode(values, "BF16"), raw)


@pytest.mark.parametrize(("dtype", "theirs"), [("F16", torch.float16), ("F64", torch.float64), ("F32", torch.float32)])
def test_other_types_are_rounded_as_torch_rounds(random, dtype, theirs):
    values = np.concatenate([random.normal(scale=s, size=20_000) for s in (1e-7, 1e-4, 1, 1e3)]).astype(np.float32)
    raw = kernels.encode(values, dtype)
    assert np.array_equal(raw, torch.from_numpy(values).to(theirs).numpy())
    back = np.empty_like(values)
    kernels.decode(raw, back)
    assert np.array_equal(back, torch.from_numpy(values).to(theirs).float().numpy())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 2500, 4999])
def test_one_number_that_is_none_is_found(D, bad, place):
    assert kernels.finite(D[0].view(np.uint32))
    D[0, place] = bad
    assert not kernels.finite(D[0].view(np.uint32))


def test_the_largest_and_the_smallest_numbers_are_finite():
    assert kernels.finite(np.array([3.4028235e38, -3.4028235e38, 1e-45, -0.0], np.float32).view(np.uint32))


def test_a_total_is_the_weighted_sum(D):
    weights = np.array([0.5, -1.0, 2.0])
    assert np.allclose(kernels.total(D, weights), weights @ D.astype(np.float64), atol=1e-6)


def test_kept_lies_from_the_lower_mark_up_to_below_the_upper():
    D = np.array([[0.1, -0.2, 0.3, -0.4], [1, 2, 3, 4]], np.float32)
    found = kernels.kept(D, np.array([0.2, 0], np.float32), np.array([0.4, np.inf], np.float32))
    assert found.tolist() == np.array([[0, -0.2, 0.3, 0], [1, 2, 3, 4]], np.float32).tolist()


def test_the_elected_sign_is_that_of_the_sum():
    D = np.array([[1, -1, 2, 0, 1e-30], [3, -3, -1, 0, 1e-30], [-2, 1, -1, 0, -1e-30]], np.float32)
    # 2 elects plus: (1 + 3) / 2; -3: minus, (-1 - 3) / 2; 0 elects nothing; 0; numbers whose product is 0 in float32 all the same
    assert np.allclose(kernels.elected(D)[:4], [2, -2, 0, 0])


def test_tiny_changes_elect_a_sign_as_large_ones_do():
    D = np.array([[1.0, -2.0], [3.0, -1.0], [-1.0, 4.0]], np.float32)
    assert np.allclose(kernels.elected(np.float32(1e-25) * D), np.float32(1e-25) * kernels.elected(D), rtol=1e-5, atol=0)


def test_products_are_inner_products_in_double_precision(random):
    D = (1e4 + random.normal(size=(3, 30_000))).astype(np.float32)
    G = np.zeros((3, 3))
    for part in np.split(D, 3, axis=1):
        kernels.products(np.ascontiguousarray(part), G)
    assert np.allclose(G, D.astype(np.float64) @ D.astype(np.float64).T, rtol=1e-12)


def test_thinning_is_the_same_in_whatever_blocks(D):
    whole = kernels.thinned(D, 0.3, 7, 0)
    parts = [kernels.thinned(np.ascontiguousarray(D[:, a:b]), 0.3, 7, a) for a, b in ((0, 1), (1, 777), (777, 5000))]
    assert np.array_equal(whole, np.concatenate(parts, axis=1))


@pytest.mark.parametrize("drop", [0.0, 0.1, 0.5, 0.9])
def test_thinning_drops_its_share_and_blows_up_the_rest(drop):
    D = np.ones((4, 200_000), np.float32)
    found = kernels.thinned(D, drop, 3, 0)
    assert set(np.unique(found)) <= {np.float32(0), np.float32(1 / (1 - drop))}
    # Four standard errors of a share.
    assert np.allclose((found == 0).mean(axis=1), drop, atol=4 * np.sqrt(drop * (1 - drop) / D.shape[1]))


def test_masks_of_models_and_seeds_are_independent():
    D = np.ones((2, 200_000), np.float32)
    one, other = kernels.thinned(D, 0.5, 3, 0) > 0, kernels.thinned(D, 0.5, 4, 0) > 0
    for a, b in ((one[0], one[1]), (one[0], other[0]), (one[0][1:], one[0][:-1]), (one[0][2:], one[0][:-2])):
        assert abs((a & b).mean() - 0.25) < 0.005


def test_what_came_is_left_alone(D):
    before = D.copy()
    kernels.total(D, np.ones(3)), kernels.kept(D, np.ones(3), np.full(3, 2)), kernels.elected(D), kernels.thinned(D, 0.5, 0, 0)
    kernels.products(D, np.zeros((3, 3)))
    assert np.array_equal(D, before)

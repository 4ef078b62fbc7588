"""Each merge against a case done by hand."""

import pytest
import torch

from reuse import ReuseError
from reuse.merge import average, breadcrumbs, task_arithmetic, wise_ft
from reuse.tensors import keep_between

DELTAS = torch.tensor([[1.0, -2.0, 3.0, 0.0], [3.0, 2.0, -1.0, 4.0]])


def test_average_is_the_mean_of_the_weights():
    assert average.merge(DELTAS).tolist() == [2.0, 0.0, 1.0, 2.0]


def test_task_arithmetic_adds_scaled_task_vectors():
    assert torch.allclose(task_arithmetic.merge(DELTAS, scale=0.5), torch.tensor([2.0, 0.0, 1.0, 2.0]))


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, [0, 0, 0, 0]), (0.5, [1, 0, 0.5, 1]), (1.0, [2, 0, 1, 2])])
def test_wise_ft_walks_from_the_base_to_the_tuned(alpha, expected):
    assert wise_ft.merge(DELTAS, alpha=alpha).tolist() == expected


def test_breadcrumbs_drop_the_outlier_and_the_noise():
    one = torch.tensor([[0.1, -0.2, 9.0, 0.3, -0.4, 0.5, 0.6, -0.7, 0.8, 1.0]])
    # The largest tenth (9.0) goes, then the largest five of the rest stay.
    expected = torch.tensor([0, 0, 0, 0, 0, 0.5, 0.6, -0.7, 0.8, 1.0])
    assert torch.allclose(breadcrumbs.merge(one, keep=0.5, drop_top=0.1, scale=1.0), expected)


def test_breadcrumbs_threshold_a_whole_tensor_so_that_small_kernels_survive():
    kernels = torch.randn((1, 8, 4, 3, 3), generator=torch.Generator().manual_seed(0))
    assert (breadcrumbs.merge(kernels) != 0).float().mean() > 0.8


@pytest.mark.parametrize(("keep", "drop"), [(0.0, 0.0), (1.5, 0.0), (0.5, 1.0), (0.5, -0.1)])
def test_shares_outside_their_range_are_refused(keep, drop):
    with pytest.raises(ReuseError, match="keep must lie"):
        keep_between(DELTAS, keep, drop)

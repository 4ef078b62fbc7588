"""Verbs that merge methods share; each takes stacked tensors (m, ...) and leaves its input alone."""

import torch

from reuse.errors import ReuseError


def keep_between(deltas: torch.Tensor, keep: float, drop_top: float) -> torch.Tensor:
    """Each of the m tensors with its largest `drop_top` share zeroed, and all but the next largest `keep` share.

    A tensor so small that a share of it is less than one number keeps at least one.
    """
    if not (0 < keep <= 1 and 0 <= drop_top < 1):
        raise ReuseError("wrong-parameter", f"keep must lie in (0, 1] and drop_top in [0, 1); got {keep} and {drop_top}.")
    flat = deltas.reshape(len(deltas), -1)
    n = flat.shape[1]
    top = min(int(drop_top * n), n - 1)
    kept = max(1, min(int(keep * n), n - top))
    order = flat.abs().argsort(dim=1, descending=True, stable=True)
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask.scatter_(1, order[:, top : top + kept], True)
    return torch.where(mask, flat, torch.zeros_like(flat)).reshape(deltas.shape)

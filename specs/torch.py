"""The same reduction with its sums on a GPU. The only file of `specs` that loads torch.

Points and weights are still moved by the same L-BFGS on the CPU (they are few); rows stay on the device, kernels are float32, sums float64.
"""

from typing import Any

import numpy as np
import torch

from specs.checks import SpecError
from specs.reduce import MIN_MASS_ROWS, Engine, run
from specs.rkme import Rkme

ELEMENTS = 2**26  # kernel values held at a time: 256 MB


def reduce(
    X: Any, *, sigma: float, points: int = 100, seed: int = 0, mode: str = "fast", sample_weight: Any = None,
    min_mass: float = MIN_MASS_ROWS, noise: float = 0.0, device: str | None = None,
) -> Rkme:
    """As `specs.reduce`, on `device` (default: CUDA where it is, else the CPU). Equal to it up to rounding, and to itself on one device.

    Raises SpecError for a device that is not there, besides what `specs.reduce` raises.
    """
    engine = engine_on(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return run(X, engine, sigma=sigma, points=points, seed=seed, mode=mode, sample_weight=sample_weight, min_mass=min_mass, noise=noise)


def engine_on(device: str) -> Engine:
    """The heavy sums of `specs.reduce` on a torch device."""
    try:
        place = torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise SpecError("no-device", f"device must be one that torch finds here; got {device!r} ({str(error)[:80]}).", "Leave it out to take what there is.") from None

    def put(X: np.ndarray, p: np.ndarray) -> Any:
        rows = torch.as_tensor(np.ascontiguousarray(X), device=place)
        return rows, torch.as_tensor(p.astype(np.float32), device=place), (rows * rows).sum(dim=1)

    def kernel(Z: torch.Tensor, X: torch.Tensor, squares: torch.Tensor, sigma: float) -> torch.Tensor:
        C = torch.addmm(squares[None, :], Z, X.T, beta=-1.0, alpha=2.0)
        C -= (Z * Z).sum(dim=1)[:, None]
        return C.mul_(0.5 / sigma**2).clamp_(max=0).exp_()

    def pull(Z: np.ndarray, T: Any, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        X, p, squares = T
        at = torch.as_tensor(np.ascontiguousarray(Z), device=place)
        c = torch.zeros(len(Z), dtype=torch.float64, device=place)
        pulled = torch.zeros(Z.shape, dtype=torch.float64, device=place)
        step = max(1, ELEMENTS // len(Z))
        for start in range(0, len(X), step):
            part = slice(start, start + step)
            C = kernel(at, X[part], squares[part], sigma) * p[None, part]
            c += C.sum(dim=1, dtype=torch.float64)
            pulled += C @ X[part]
        gradient = (pulled - at * c[:, None]) / sigma**2
        return c.cpu().numpy(), gradient.cpu().numpy()

    def embed(X: np.ndarray, p: np.ndarray, Z: np.ndarray, sigma: float) -> np.ndarray:
        at = torch.as_tensor(np.ascontiguousarray(Z, dtype=np.float32), device=place)
        total = torch.zeros(len(Z), dtype=torch.float64, device=place)
        step = max(1, ELEMENTS // len(Z))
        for start in range(0, len(X), step):
            rows, shares, squares = put(X[start : start + step], p[start : start + step])
            total += (kernel(at, rows, squares, sigma) * shares[None, :]).sum(dim=1, dtype=torch.float64)
        return total.cpu().numpy()

    return Engine(put, pull, embed, str(place))

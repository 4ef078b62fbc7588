"""Linear algebra on whole matrices, on the GPU where there is one."""

import numpy as np

from reuse.weights.stack import Stack

NOUGHT = 1e-6  # of the largest singular value: below, a direction is rounding
LONGEST = 4_096  # of the short side: beyond, one singular value decomposition takes minutes


def small_enough(stack: Stack) -> bool:
    """Whether a tensor is a matrix that can be decomposed in seconds."""
    return stack.is_matrix and min(stack.shape) <= LONGEST


def svd(M: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U (a, r), s (r,), Vt (r, b) of M (a, b), r the short side; signs fixed, so that equal input gives equal output."""
    import torch

    A = torch.from_numpy(np.ascontiguousarray(M, np.float32))
    U, s, Vt = (part.cpu().numpy() for part in torch.linalg.svd(A.cuda() if torch.cuda.is_available() else A, full_matrices=False))
    signs = np.sign(U[np.abs(U).argmax(axis=0), np.arange(U.shape[1])])
    signs[signs == 0] = 1
    return U * signs, s, Vt * signs[:, None]


def orthogonal(M: np.ndarray) -> np.ndarray:
    """The matrix nearest to M with orthonormal columns (or rows, where it is wide): its polar factor, on the directions that M has."""
    U, s, Vt = svd(M)
    has = s > NOUGHT * s.max(initial=0)
    return U[:, has] @ Vt[has]

"""Weights as files: models read and written tensor by tensor, and what merging methods share. NumPy and numba; no torch.

`files` reads and writes safetensors, one file or several; `stack` lays one tensor of several models side by side, block by
block; `kernels` are the loops; `matrices` what needs linear algebra; `statistics` what RegMean and Fisher need to know.
"""

from reuse.weights.files import Checkpoint, Layout, Writer
from reuse.weights.merging import merge, merged
from reuse.weights.stack import Stack

__all__ = ["Checkpoint", "Layout", "Stack", "Writer", "merge", "merged"]

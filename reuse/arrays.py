"""Arrays from strangers: .npy and sparse .npz, the header believed only where it agrees with the bytes behind it.

`numpy.load` makes room for whatever a header claims; SciPy's compiled products trust a sparse matrix's indices.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reuse.errors import ReuseError
from specs import SpecError, strict_zip

MAX_DIMS = 8
KINDS = "biufUSV"  # V: tables such as a tree's nodes, of the same kinds
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
SPARSE = {"csr", "csc"}

Wrong = Callable[[str], ReuseError]


def npy(data: bytes, what: str, wrong: Wrong) -> np.ndarray:
    """The array in the bytes of a .npy file; raises `wrong(why)` for objects, and where header and bytes do not agree."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        shape, fortran, dtype = HEADERS[version](file)
    except (ValueError, KeyError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError, OverflowError):
        raise wrong(f"{what} has no header that can be read.") from None
    if not _plain(dtype):
        raise wrong(f"{what} holds objects, which can carry code.")
    count = 1
    for n in shape:
        count *= n
    if len(shape) > MAX_DIMS or any(n < 0 for n in shape) or count * dtype.itemsize != len(data) - file.tell():
        raise wrong(f"{what} of shape {str(shape)[:60]} needs {count * dtype.itemsize:,} bytes; it has {len(data) - file.tell():,}.")
    return np.frombuffer(data, dtype=dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C") if count and dtype.itemsize else np.empty(shape, dtype)


def _plain(dtype: np.dtype) -> bool:
    if dtype.names is not None:
        return all(_plain(dtype.fields[name][0]) for name in dtype.names)
    return not dtype.hasobject and dtype.kind in KINDS


def sparse(path: Path, what: str, most_bytes: int, wrong: Wrong) -> None:
    """Refuse a sparse .npz whose parts disagree, or whose indices lie outside its shape."""
    try:
        archive = strict_zip.load(path, most_members=8, most_bytes=most_bytes)
        held = {name: npy(archive.read(name), what, wrong) for name in archive.names}
    except SpecError as error:
        raise wrong(f"{what}: {error.message}") from None
    if not {"indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy"} <= set(held) <= {
        "indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy", "_is_array.npy",
    }:
        raise wrong(f"{what} is no compressed matrix as SciPy writes it.")
    kind, shape = held["format.npy"], held["shape.npy"]
    indices, pointers, data = held["indices.npy"], held["indptr.npy"], held["data.npy"]
    if kind.shape != () or str(kind.astype(str)) not in SPARSE or shape.shape != (2,) or any(array.ndim != 1 or array.dtype.kind not in "iu" for array in (indices, pointers, shape)):
        raise wrong(f"{what} is no compressed matrix of rows or columns.")
    long, wide = (int(n) for n in (shape if str(kind.astype(str)) == "csr" else shape[::-1]))
    if data.ndim != 1 or data.dtype.kind not in "biuf" or len(data) != len(indices) or len(pointers) != long + 1:
        raise wrong(f"{what} has parts of different lengths.")
    if pointers[0] != 0 or pointers[-1] != len(indices) or (np.diff(pointers.astype(np.int64)) < 0).any() or (len(indices) and (indices.min() < 0 or indices.max() >= wide)):
        raise wrong(f"{what} has indices outside its shape.")

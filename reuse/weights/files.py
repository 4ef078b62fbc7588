"""safetensors checkpoints, in one file or in shards: read by memory map, written tensor by tensor.

Nothing is loaded whole: a tensor is a view of its file until somebody reads a block of it, and `release` gives its pages back. What is
written appears under its name only once it is complete; until then it is a temporary file beside it, which an error removes.
"""

import errno
import json
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reuse.errors import ReuseError
from reuse.formats import safetensors

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
# How raw bytes are seen by NumPy, which has no bfloat16.
RAW = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
       "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_}
ORDER = ("BOOL", "U8", "I8", "I16", "F16", "BF16", "I32", "F32", "F64", "I64")
FLOATING = ("F64", "F32", "F16", "BF16")
MAX_INDEX = 16 << 20


class Layout(NamedTuple):
    """A tensor's name, dtype (as safetensors writes it) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""
        return self.size * safetensors.SIZES[self.dtype]

    @property
    def is_floating(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype in FLOATING


@dataclass(eq=False)
class Checkpoint:
    """A model's tensors. `label` is what messages call it; `changed` holds tensors that stand in for the file's (float32)."""

    label: str
    layouts: dict[str, Layout]
    changed: dict[str, np.ndarray] = field(default_factory=dict)
    _views: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _maps: dict[str, tuple[mmap.mmap, int, int]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str | Path, label: str = "") -> "Checkpoint":
        """A .safetensors file, its index.json, or a folder that holds either; raises ReuseError for what breaks a rule."""
        path = Path(path)
        found = cls(label or path.name, {})
        files, promised = _files(path)
        for file in files:
            found._add(file)
        if lost := sorted(promised - set(found.layouts)):
            raise ReuseError("missing-tensors", f"The index of {found.label} promises {len(promised):,} tensors; no shard holds {lost[0]!r}" + (f" and {len(lost) - 1} more." if len(lost) > 1 else "."),
                             "Download the checkpoint again.")
        return found

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray], label: str = "model") -> "Checkpoint":
        """Arrays in memory as a checkpoint: real numbers as float32, whole numbers as they are."""
        arrays = {name: np.array(a, np.float32 if np.issubdtype(np.asarray(a).dtype, np.floating) else None, order="C", copy=None) for name, a in tensors.items()}
        kinds = {np.dtype(raw): name for name, raw in RAW.items() if name != "BF16"}
        return cls(label, {name: Layout(name, kinds[a.dtype], a.shape) for name, a in arrays.items()}, {}, {name: a.reshape(-1) for name, a in arrays.items()})

    @property
    def nbytes(self) -> int:
        """The bytes of all its tensors."""
        return sum(layout.nbytes for layout in self.layouts.values())

    def raw(self, name: str) -> np.ndarray:
        """A tensor's numbers as they lie in the file, flat and read-only; bfloat16 as uint16."""
        return self._views[name]

    def values(self, name: str) -> np.ndarray:
        """A tensor whole as float32 (or its own whole-number type), in its shape; a copy."""
        from reuse.weights import kernels

        if name in self.changed:
            return self.changed[name].copy()
        layout, raw = self.layouts[name], self.raw(name)
        if not layout.is_floating:
            return raw.reshape(layout.shape).copy()
        out = np.empty(layout.size, np.float32)
        kernels.decode(raw, out)
        return out.reshape(layout.shape)

    def release(self, name: str, stop: int | None = None) -> None:
        """Give a tensor's pages back to the system, those of its first `stop` numbers alone where given; the next reading fetches them anew."""
        if name in self._maps:
            held, begin, end = self._maps[name]
            if stop is not None:
                end = min(end, begin + stop * safetensors.SIZES[self.layouts[name].dtype])
            first = begin // mmap.PAGESIZE * mmap.PAGESIZE
            last = end // mmap.PAGESIZE * mmap.PAGESIZE
            if last > first:
                held.madvise(mmap.MADV_DONTNEED, first, last - first)

    def _add(self, path: Path) -> None:
        entries = safetensors.tensors(path)
        with path.open("rb") as file:
            held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for entry in entries:
            name, dtype = entry["name"], entry["dtype"]
            if name in self.layouts:
                raise ReuseError("wrong-safetensors", f"{self.label}: {name!r} stands in two shards.", "Write the checkpoint again.")
            layout = Layout(name, dtype, tuple(entry["shape"]))
            # Some writers leave the data unaligned: then a tensor is copied when it is read.
            unit, offset = safetensors.SIZES[dtype], entry["offset"]
            view = np.frombuffer(held, RAW[dtype], layout.size, offset) if offset % unit == 0 else np.frombuffer(bytes(held[offset : offset + layout.nbytes]), RAW[dtype])
            self.layouts[name], self._views[name] = layout, view
            self._maps[name] = (held, offset, offset + layout.nbytes)


def _files(path: Path) -> tuple[list[Path], set[str]]:
    """(the safetensors files of a checkpoint, the tensors that its index promises)."""
    if path.is_dir():
        path = next((path / name for name in (SINGLE, INDEX) if (path / name).is_file()), path / SINGLE)
    if not path.is_file():
        raise ReuseError("no-model", f"A model is a .safetensors file, or a folder with {SINGLE} or {INDEX}; {path} is none.",
                         "moorage convert makes one of a torch state dict.")
    if not path.name.endswith(".json"):
        return [path], set()
    try:
        document = json.loads(path.read_text()) if path.stat().st_size <= MAX_INDEX else None
        names = sorted(set(document["weight_map"].values()))
        files = [path.parent / Path(name).name for name in names]
        if not files:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ReuseError("wrong-index", f"{path} must be an index with a weight_map of tensor names to shard files.", "Write the checkpoint again.") from None
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ReuseError("missing-shards", f"{path.parent} lacks {len(missing)} of {len(files)} shards; the first is {missing[0]}.", "Download the checkpoint again.")
    return files, set(document["weight_map"])


class Writer:
    """Writes a checkpoint tensor by tensor, in `order`; see `writing`."""

    def __init__(self, files: list[tuple[Path, list[Layout]]], metadata: dict[str, str]) -> None:
        self._files, self._metadata = files, metadata
        self._open: tuple[Any, list[Layout]] | None = None
        self.temporary: list[Path] = []

    @property
    def order(self) -> list[Layout]:
        """The order in which tensors must be written: the canonical one of safetensors."""
        return [layout for _, part in self._files for layout in part]

    def __call__(self, name: str, blocks: Iterator[np.ndarray]) -> None:
        """Write a tensor: its raw numbers in the layout's type, in blocks."""
        if self._open is None or not self._open[1]:
            self._next()
        file, waiting = self._open
        if waiting[0].name != name:
            raise ValueError(f"{name} is out of order")
        written = 0
        for block in blocks:
            file.write(block.data if block.flags.c_contiguous else block.tobytes())
            written += block.nbytes
        if written != waiting[0].nbytes:
            raise ValueError(f"{name} needs {waiting[0].nbytes} bytes; {written} were written")
        waiting.pop(0)

    def _next(self) -> None:
        self.close()
        path, part = self._files[len(self.temporary)]
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        self.temporary.append(Path(name))
        os.fchmod(descriptor, 0o644)
        file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        head = header(part, self._metadata)
        try:
            # All of it now, so that a full disk is met before the work and not in the middle.
            os.posix_fallocate(descriptor, 0, len(head) + sum(layout.nbytes for layout in part))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP and error.errno != errno.EINVAL:
                file.close()
                raise
        file.write(head)
        self._open = (file, list(part))

    def close(self) -> None:
        """End the file that is open, and have it on the disk."""
        if self._open is not None:
            file, waiting = self._open
            if waiting:
                raise ValueError(f"{len(waiting)} tensors were not written")
            self._open = None
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def drop(self) -> None:
        """Remove whatever has been written."""
        if self._open is not None:
            try:
                self._open[0].close()
            except OSError:
                pass
        for path in self.temporary:
            path.unlink(missing_ok=True)


@contextmanager
def writing(path: Path, layouts: list[Layout], *, shard_bytes: int = 0, metadata: dict[str, str] | None = None) -> Iterator[Writer]:
    """A Writer for a .safetensors file at `path`; with `shard_bytes`, `path` is a folder of shards with an index.

    The files appear once all tensors are written; after an error nothing is left. Raises ReuseError("disk-full") when there is no room.
    """
    plan = _plan(Path(path), canonical(layouts), shard_bytes)
    writer = Writer(plan, metadata or {"format": "pt"})
    made, final_ones = not path.exists() and bool(shard_bytes), []
    if shard_bytes:
        path.mkdir(parents=True, exist_ok=True)
    try:
        yield writer
        writer.close()
        if len(writer.temporary) != len(plan):
            raise ValueError("not all tensors were written")
        for temporary, (final, _) in zip(writer.temporary, plan, strict=True):
            new = not final.exists()
            temporary.replace(final)
            final_ones += [final] if new else []
        if shard_bytes and len(plan) > 1:
            index = {"metadata": {"total_size": sum(layout.nbytes for layout in layouts)}, "weight_map": {layout.name: file.name for file, part in plan for layout in part}}
            final_ones += [path / INDEX] if not (path / INDEX).exists() else []
            (path / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True))
    except BaseException as error:
        writer.drop()
        for final in final_ones:
            final.unlink(missing_ok=True)
        if made:
            try:
                path.rmdir()
            except OSError:
                pass
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            need = sum(layout.nbytes for layout in layouts)
            raise ReuseError("disk-full", f"The merged model needs {need:,} bytes in {path.parent}; there is no room for it.", "Make room, or write elsewhere.") from None
        raise


def canonical(layouts: list[Layout]) -> list[Layout]:
    """The order that safetensors' own writer takes: by its list of types, wide ones first, then by name."""
    return sorted(layouts, key=lambda layout: (-ORDER.index(layout.dtype), layout.name))


def header(layouts: list[Layout], metadata: dict[str, str]) -> bytes:
    """The head of a safetensors file, padded to 8 bytes with spaces as its own writer does."""
    document: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for layout in layouts:
        document[layout.name] = {"dtype": layout.dtype, "shape": list(layout.shape), "data_offsets": [at, at + layout.nbytes]}
        at += layout.nbytes
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _plan(path: Path, layouts: list[Layout], shard_bytes: int) -> list[tuple[Path, list[Layout]]]:
    """[(file, its tensors)] with shards of at most `shard_bytes`, a larger tensor alone."""
    if not shard_bytes:
        return [(path, layouts)]
    parts: list[list[Layout]] = [[]]
    held = 0
    for layout in layouts:
        if parts[-1] and held + layout.nbytes > shard_bytes:
            parts.append([])
            held = 0
        parts[-1].append(layout)
        held += layout.nbytes
    if len(parts) == 1:
        return [(path / SINGLE, parts[0])]
    return [(path / f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors", part) for i, part in enumerate(parts)]

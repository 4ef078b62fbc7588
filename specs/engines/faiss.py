"""FAISS in this process: flat while vectors are few, inverted lists of 8-bit codes beyond.

Johnson et al., "Billion-scale similarity search with GPUs", 2017 (arXiv:1702.08734). The size decides: up to 50,000 vectors an exact scan takes a
few milliseconds; beyond, a search looks into a sixteenth of 1,024 lists, and at 64,000 codes at least; a byte a coordinate, 8 bytes for the number.
"""

from pathlib import Path

import faiss
import numpy as np

from specs.checks import SpecError

FLAT = 50_000
TRAIN = 64  # vectors a list to train on
SCANNED = 64_000  # codes that a search looks at, at least: half a millisecond
EXPECTED = 1_000_000  # lists are chosen for this many: right within a factor of ten either way


def connect(url: str, name: str, width: int, metric: str) -> "FaissEngine":
    """`faiss:` is the only URL; `name` is of no use here."""
    return FaissEngine(width, metric)


class FaissEngine:
    """Safe to search from several threads while nobody adds; SpaceIndex holds the lock."""

    is_local = True

    def __init__(self, width: int, metric: str = "l2") -> None:
        self.width = width
        self._metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self._index = self._flat()
        self._base: faiss.Index | None = None  # codes of a snapshot, mapped from its file
        self._base_path = Path()
        self._is_coded = False
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return self._index.ntotal + (self._base.ntotal if self._base is not None else 0) - len(self._gone)

    @property
    def bytes_a_vector(self) -> int:
        """Resident: codes and numbers."""
        return self.width + 8 if self._is_coded else 4 * self.width + 8

    def add(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if not self._is_coded and self._index.ntotal + len(vectors) > FLAT:
            self._quantise(numbers, vectors)
            self._is_coded = True
            return
        self._index.add_with_ids(vectors, np.ascontiguousarray(numbers, dtype=np.int64))

    def remove(self, numbers: np.ndarray) -> None:
        # Taking a number out of inverted lists or a mapped file looks through all of them: left out at each search, and swept in bulk.
        self._gone.update(np.asarray(numbers).tolist())
        if self._base is None and len(self._gone) > max(100, len(self) // 20):
            self._sweep()

    def search(self, vector: np.ndarray, most: int, allowed: np.ndarray | None = None) -> np.ndarray:
        if len(self) <= 0 or (allowed is not None and not len(allowed)):
            return np.empty(0, np.int64)
        vector = np.ascontiguousarray(vector, dtype=np.float32)[None, :]
        selector = None if allowed is None else faiss.IDSelectorBatch(np.ascontiguousarray(allowed, dtype=np.int64))
        parts = []
        for index in (self._index, self._base):
            if index is None or not index.ntotal:
                continue
            parameters = faiss.SearchParameters(sel=selector) if selector is not None else None
            if isinstance(index, faiss.IndexIVF):
                # Where few are allowed, the lists nearby may hold none of them.
                share = 1.0 if allowed is None else len(allowed) / len(self)
                least = max(index.nprobe, SCANNED * index.nlist // index.ntotal)
                probes = min(index.nlist, int(least * np.clip(0.25 / max(share, 1e-9), 1, 16)))
                parameters = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
            parts.append([found[0] for found in index.search(vector, min(most + len(self._gone), index.ntotal), params=parameters)])
        distances, ids = (np.concatenate(both) for both in zip(*parts, strict=True))
        ids = ids[np.argsort(distances if self._metric == faiss.METRIC_L2 else -distances, kind="stable")] if len(parts) > 1 else ids
        ids = ids[ids >= 0]
        if self._gone:
            ids = ids[~np.isin(ids, np.fromiter(self._gone, np.int64, len(self._gone)))]
        return ids[:most]

    def write(self, path: Path, kept: np.ndarray) -> None:
        """What is in use (`kept`, ascending numbers), numbered anew from 0 in that order."""
        self._sweep()
        whole = self._index
        if self._base is not None:
            whole = faiss.read_index(str(self._base_path))  # a copy of its own: the mapped one can not grow
            whole.add_with_ids(self._index.index.reconstruct_n(0, self._index.ntotal), faiss.vector_to_array(self._index.id_map)) if self._index.ntotal else None
            whole.remove_ids(np.array(sorted(self._gone), dtype=np.int64))
        place = np.full(int(kept[-1]) + 1 if len(kept) else 0, -1, np.int64)
        place[kept] = np.arange(len(kept))
        renumbered = faiss.clone_index(whole)
        if isinstance(renumbered, faiss.IndexIVF):
            for number in range(renumbered.nlist):
                size = renumbered.invlists.list_size(number)
                if size:
                    ids = faiss.rev_swig_ptr(renumbered.invlists.get_ids(number), size)
                    ids[:] = place[ids]
        else:
            faiss.copy_array_to_vector(place[faiss.vector_to_array(renumbered.id_map)], renumbered.id_map)
        faiss.write_index(renumbered, str(path))

    def read(self, path: Path) -> None:
        """Bytes must have been verified by who calls: FAISS trusts what it reads. Flat codes stay in the file, mapped; what is added goes beside them."""
        index = faiss.read_index(str(path), 0 if self._metric == faiss.METRIC_L2 else faiss.IO_FLAG_MMAP_IFC)
        if index.d != self.width:
            raise SpecError("wrong-snapshot", f"The snapshot's vectors have {index.d} coordinates; this index has {self.width}.")
        self._gone = set()
        if self._metric == faiss.METRIC_L2:
            self._index, self._is_coded = index, isinstance(index, faiss.IndexIVF)
        else:
            self._base, self._base_path, self._index = index, path, self._flat()

    def close(self) -> None:
        """Nothing is held outside this process."""

    def _flat(self) -> faiss.Index:
        return faiss.IndexIDMap(faiss.IndexFlat(self.width, self._metric))

    def _quantise(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Pass from exact numbers to codes: train on what there is, then move it over."""
        had = self._index.ntotal
        old = self._index.index.reconstruct_n(0, had) if had else np.empty((0, self.width), np.float32)
        ids = faiss.vector_to_array(self._index.id_map).copy() if had else np.empty(0, np.int64)
        every, all_ids = np.concatenate([old, vectors]), np.concatenate([ids, np.asarray(numbers, dtype=np.int64)])
        lists = 2 ** int(np.clip(np.round(np.log2(max(1, EXPECTED) ** 0.5)), 6, 12))
        if self._metric == faiss.METRIC_L2:
            index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlat(self.width, self._metric), self.width, lists, faiss.ScalarQuantizer.QT_8bit, self._metric)
            index.cp.min_points_per_centroid = 1
            index.nprobe = lists // 16
        else:
            # The oracle of mixtures asks in directions that no list lies near: its codes are scanned.
            index = faiss.IndexIDMap(faiss.IndexScalarQuantizer(self.width, faiss.ScalarQuantizer.QT_8bit, self._metric))
        chosen = np.random.default_rng(0).choice(len(every), min(len(every), TRAIN * lists), replace=False)
        index.train(every[np.sort(chosen)])
        index.add_with_ids(every, all_ids)
        self._index = index

    def _sweep(self) -> None:
        if self._gone:
            self._index.remove_ids(np.array(sorted(self._gone), dtype=np.int64))
            self._gone.clear()

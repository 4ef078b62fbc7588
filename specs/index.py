"""One space's specifications, searched: an engine proposes by vectors, exact kernel distances rank.

Two engines over the same numbers: "near" holds 64 principal components under L2 (singles), "pull" holds 512 under the inner product (the oracle
of mixtures). Points lie in a PointStore, in memory or in files. The only file of `specs` besides the engines that loads faiss.
"""

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from math import isclose
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from specs.checks import SpecError
from specs.embedding import Embedding, Projection
from specs.engines import connect
from specs.labels import Labels, label_distance
from specs.mixture import Found, frank_wolfe
from specs.points import Block, Key, PointStore
from specs.rkme import Rkme, squared_mmd
from specs.space import Space

PROPOSED = 100  # recall@10 of the exact order is .999 and more at this depth (docs/benchmarks/matching.md)
LABELLED = 1_000  # where labels decide among many whose inputs look the same
FIT_ON = 10_000  # specifications that the components are fitted on
FEW = 2_000  # up to here every allowed specification is looked at exactly
PULL = 512
SNAPSHOT = "moorage.index/1"
Accept = Callable[[Sequence[Key]], Collection[Key]]


def near_width(d: int) -> int:
    """How many components tell specifications of d coordinates apart: 64, and 256 for the many coordinates of encoders."""
    return 64 if d <= 128 else 256


class SpaceIndex:
    """Keys (UUIDs or whole numbers) and their RKMEs; safe to use from several threads.

    `folder` keeps the points in files; `engine` is an engine's URL. Components are fitted anew when the index has grown fourfold since, up to
    10,000 specifications; so the first thousand see a few short rebuilds and no later one.
    """

    def __init__(self, space: Space, *, folder: Path | None = None, engine: str = "faiss:") -> None:
        self.space, self.folder, self._url = space, folder, engine
        self._embedding = Embedding(space)
        self._store = PointStore(space.d, space.sigma, folder)
        self._fitted = 0  # specifications that the projections were fitted on
        self._near_axes: Projection | None = None
        self._pull_axes: Projection | None = None
        self._near: Any = None
        self._pull: Any = None
        self._of_ids: dict[int, int] = {}  # a shared engine's ids -> numbers here
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._store)

    def __contains__(self, key: Key) -> bool:
        return self._store.find(key) is not None

    def add(self, key: Key, rkme: Rkme) -> None:
        """Add a specification, or replace the one of the same key."""
        self.add_all([key], [rkme])

    def add_all(self, keys: Sequence[Key], rkmes: Sequence[Rkme]) -> None:
        """Add many at once: much quicker than one by one."""
        if not keys:
            return
        with self._lock:
            self.remove_all(keys)
            numbers = self._store.add(keys, rkmes)
            self._index(numbers, self._embedding.vectors(rkmes))

    def add_packed(self, keys: Sequence[Key], points: np.ndarray, weights: np.ndarray, sizes: np.ndarray, rows: np.ndarray) -> None:
        """The same for specifications that lie packed: points (P, d), weights (P,), sizes (m,) and rows (m,); keys must be new."""
        with self._lock:
            norms = _norms(points, weights, sizes, self.space.sigma)
            numbers = self._store.add_packed(keys, points, weights, sizes, norms, rows, np.full(len(sizes), np.nan))
            self._index(numbers, self._embedding.of_points(points, weights, sizes))

    def remove(self, key: Key) -> None:
        """Forget a key; one that is not there is no error."""
        self.remove_all([key])

    def remove_all(self, keys: Sequence[Key]) -> None:
        with self._lock:
            numbers = self._store.find_all(keys)
            if len(numbers) and self._near is not None:
                ids = self._ids(numbers)
                self._near.remove(ids)
                self._pull.remove(ids)
                if self._is_shared:
                    for i in ids.tolist():
                        self._of_ids.pop(i, None)
            for number in numbers.tolist():
                self._store.remove(number)

    def close(self) -> None:
        """Leave the engines' servers, where there are any."""
        for engine in (self._near, self._pull):
            if engine is not None:
                engine.close()

    def rkme(self, key: Key) -> Rkme:
        """The specification of a key; KeyError where there is none."""
        number = self._store.find(key)
        if number is None:
            raise KeyError(key)
        return self._store.rkme(number, self.space.id)

    def search(
        self, rkme: Rkme, top: int = 10, allowed: Collection[Key] | None = None, *, accept: Accept | None = None, use_labels: bool = True,
    ) -> list[tuple[Key, float]]:
        """The `top` nearest keys with their exact squared MMD, nearest first.

        `allowed` restricts to these keys. `accept` is asked of what is proposed and returns what may be shown: it is how a caller holds every hit
        against its database without naming the whole catalog; more is proposed until enough is accepted. Where the requirement carries labels,
        order is by the joint distance: squared MMD plus how far the labels stand apart (specs.labels); the number returned is still the squared MMD.
        """
        self._check(rkme)
        is_labelled = use_labels and rkme.labels is not None
        most = max(PROPOSED, 4 * top, LABELLED if is_labelled else 0)
        vector = self._embedding.vector(rkme)[None, :]
        with self._lock:
            if not len(self):
                return []
            numbers = self._store.find_all(list(allowed)) if allowed is not None else None
        while True:
            # The lock is for what changes: engines, axes, which key is which number. Distances are computed beside it, so that a large search keeps none waiting.
            with self._lock:
                proposed = numbers if numbers is not None and len(numbers) <= FEW else self._ask(self._near, self._near_axes.apply(vector)[0], most, numbers)
            found = self._ranked(rkme, proposed, is_labelled)
            shown = found if accept is None else self._accepted(found, accept, top)
            if len(shown) >= top or len(proposed) < most or most >= len(self):
                return self._exact(rkme, shown[: top + 10], is_labelled)[:top]
            most *= 4

    def mixture(
        self, rkme: Rkme, allowed: Collection[Key] | None = None, max_members: int = 8, *, accept: Accept | None = None,
    ) -> tuple[list[Key], np.ndarray, float, float]:
        """Keys, weights (sum 1), squared MMD and duality gap of the best mixture over all allowed specifications.

        Fully corrective Frank-Wolfe (specs.mixture) whose oracle asks the engine for what the mixture so far leaves over. `accept` as in `search`;
        it holds for every member. The gap is exact up to 20,000 specifications, and beyond counts the oracle's error in.
        """
        found = self.mix(rkme, allowed, max_members, accept=accept)
        return [self._store.key(n) for n in found.members], found.weights, found.squared_mmd, found.gap

    def mix(self, rkme: Rkme, allowed: Collection[Key] | None = None, max_members: int = 8, *, accept: Accept | None = None) -> Found:
        """`mixture` with numbers for keys and how many rounds it took."""
        self._check(rkme)
        with self._lock:
            if not len(self):
                return Found.nothing()
            numbers = self._store.find_all(list(allowed)) if allowed is not None else None
            everything = numbers if numbers is not None else (self._store.alive() if len(self) <= 20_000 else None)
        asked: dict[int, bool] = {}

        def may(proposed: np.ndarray) -> np.ndarray:
            if accept is None:
                return proposed
            unknown = [n for n in proposed.tolist() if n not in asked]
            keys = {self._store.key(n): n for n in unknown}
            accepted = set(accept(list(keys))) if keys else set()
            asked.update({number: key in accepted for key, number in keys.items()})
            return np.array([n for n in proposed.tolist() if asked[n]], dtype=np.int64)

        def oracle(residual: np.ndarray, most: int) -> np.ndarray:
            if numbers is not None and len(numbers) <= FEW:
                return may(numbers)
            asked_for = most
            while True:
                with self._lock:  # for the asking alone, as in `search`
                    proposed = self._ask(self._pull, residual @ self._pull_axes.axes, asked_for, numbers)
                kept = may(proposed)
                if len(kept) >= most // 2 or len(proposed) < asked_for or asked_for >= len(self):
                    return kept[:most]
                asked_for *= 4

        return frank_wolfe(
            rkme, self._store.block, oracle, self._embedding, max_members=max_members,
            everything=None if everything is None or len(everything) > 20_000 else (lambda: may(everything)),
            approximate=lambda residual, chosen: self._approximate(residual, chosen),
        )

    # -- snapshots

    def snapshot(self, folder: Path, *, generation: int, last: int) -> str:
        """Write the whole index to a new folder; returns the SHA-256 of its table of contents, which holds the digest of every file.

        `generation` and `last` (the number of the last change it has seen) are for who brings it level again. The folder is written beside and
        renamed, so it is whole or not there. What was removed is left out. SpecError("no-snapshot") where nothing can be written, and nothing is left of it.
        """
        with self._lock:
            if self._near is None or not self._near.is_local:
                raise SpecError("no-snapshot", "Only an index with something in it, on an engine of this process, can be written.")
            # A name of its own: another process of this machine may be writing the same.
            draft = folder.with_name(f"{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.draft")
            draft.mkdir(parents=True)
            try:
                return self._write(draft, folder, generation, last)
            except (OSError, RuntimeError) as error:  # faiss says RuntimeError of a file that is not there
                raise SpecError("no-snapshot", f"The index could not be written: {error}.", "The files that it was opened from may be gone: open the newest snapshot.") from error
            finally:
                shutil.rmtree(draft, ignore_errors=True)  # renamed where all went well

    def _write(self, draft: Path, folder: Path, generation: int, last: int) -> str:
        kept = self._store.alive()
        lengths = self._store.write(draft)
        np.savez(draft / "axes.npz", near_mean=self._near_axes.mean, near_axes=self._near_axes.axes, pull_mean=self._pull_axes.mean, pull_axes=self._pull_axes.axes)
        self._near.write(draft / "near.faiss", kept)
        self._pull.write(draft / "pull.faiss", kept)
        places = {int(number): place for place, number in enumerate(kept)} if self._store.extras else {}
        (draft / "labels.json").write_text(json.dumps({str(places[n]): labels.to_json() for n, labels in self._store.extras.items()}, sort_keys=True))
        contents = {
            "format": SNAPSHOT, "space": self.space.id, "generation": generation, "last": last, "fitted": self._fitted,
            "lengths": lengths, "files": {path.name: _sha256(path) for path in sorted(draft.iterdir())},
        }
        data = json.dumps(contents, sort_keys=True).encode()
        (draft / "contents.json").write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        return hashlib.sha256(data).hexdigest()

    @classmethod
    def open(cls, space: Space, folder: Path, sha256: str) -> tuple["SpaceIndex", int, int]:
        """An index from a snapshot, with its generation and last change; its points stay in the folder's files, which are never written to.

        Every byte is held against `sha256` first, which the caller kept elsewhere: a flipped bit, a cut file or another space raises
        SpecError("damaged-snapshot") and nothing of it is used.
        """
        try:
            data = (folder / "contents.json").read_bytes()
            if hashlib.sha256(data).hexdigest() != sha256:
                raise _damaged(folder, "its table of contents is another one")
            contents = json.loads(data)
            for name, wanted in contents["files"].items():
                if Path(name).name != name or _sha256(folder / name) != wanted:
                    raise _damaged(folder, f"{name} is not as it was written")
        except OSError as error:
            raise _damaged(folder, f"{error.strerror}: {Path(error.filename or '').name}") from None
        if contents["format"] != SNAPSHOT or contents["space"] != space.id:
            raise _damaged(folder, "it is of another space or format")
        index = cls(space)
        index._fitted = contents["fitted"]
        index._store = PointStore(space.d, space.sigma, base=folder, lengths=contents["lengths"])
        index._store.extras = {int(n): Labels.from_json(document, None) for n, document in json.loads((folder / "labels.json").read_text()).items()}
        with np.load(folder / "axes.npz", allow_pickle=False) as axes:
            index._near_axes, index._pull_axes = Projection(axes["near_mean"], axes["near_axes"]), Projection(axes["pull_mean"], axes["pull_axes"])
        index._near, index._pull = index._engines()
        index._near.read(folder / "near.faiss")
        index._pull.read(folder / "pull.faiss")
        return index, contents["generation"], contents["last"]

    # -- inside

    def _check(self, rkme: Rkme) -> None:
        space = self.space
        if rkme.d != space.d or not isclose(rkme.sigma, space.sigma, rel_tol=1e-6) or (rkme.space_id and rkme.space_id != space.id):
            raise SpecError("other-space", f"This index holds specifications of the space {space.name!r} ({space.d} coordinates); this one stands in another.",
                            "Describe the data again in this space.")

    def _index(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        if self._is_shared and self._near is None:
            # Every process must compute the same vectors: the features themselves, fewer of them, in place of components of what one process saw.
            self._near_axes, self._pull_axes = self._embedding.leading(256), self._embedding.leading(1024)
            self._near, self._pull = self._engines()
        if self._near is not None and (self._is_shared or not (self._fitted < FIT_ON and len(self) > 4 * self._fitted)):
            self._near.add(self._ids(numbers), self._near_axes.apply(vectors))
            self._pull.add(self._ids(numbers), self._pull_axes.apply(vectors))
            return
        self._refit()

    @property
    def _is_shared(self) -> bool:
        return not self._url.startswith("faiss:")

    def _ids(self, numbers: np.ndarray) -> np.ndarray:
        """What the engine calls these: their numbers, or, where processes share it, 63 bits of their keys."""
        if not self._is_shared:
            return numbers
        ids = [key.int >> 65 if isinstance(key, UUID) else key for key in map(self._store.key, numbers.tolist())]
        self._of_ids.update(zip(ids, numbers.tolist(), strict=True))
        return np.array(ids, dtype=np.int64)

    def _ask(self, engine: Any, vector: np.ndarray, most: int, numbers: np.ndarray | None) -> np.ndarray:
        if not self._is_shared:
            return engine.search(vector, most, numbers)
        found = engine.search(vector, most, None if numbers is None else self._ids(numbers))
        # What another process added and this one has not read yet is not known here.
        return np.array([self._of_ids[i] for i in found.tolist() if i in self._of_ids], dtype=np.int64)

    def _refit(self) -> None:
        """Fit the components to what there is now, and index everything in them."""
        numbers = self._store.alive()
        chosen = numbers if len(numbers) <= FIT_ON else np.sort(np.random.default_rng(0).choice(numbers, FIT_ON, replace=False))
        sample = self._vectors(chosen)
        self._near_axes = Projection.fit(sample, near_width(self.space.d))
        self._pull_axes = Projection.fit(sample, PULL)
        self._near, self._pull = self._engines()
        self._fitted = len(chosen)
        for part in np.array_split(numbers, 1 + len(numbers) // 20_000):
            vectors = self._vectors(part)
            self._near.add(part, self._near_axes.apply(vectors))
            self._pull.add(part, self._pull_axes.apply(vectors))

    def _engines(self) -> tuple[Any, Any]:
        name = f"moorage_{self.space.id[:16]}"
        return (connect(self._url, name=f"{name}_near", width=self._near_axes.kept), connect(self._url, name=f"{name}_pull", width=self._pull_axes.kept, metric="ip"))

    def _vectors(self, numbers: np.ndarray) -> np.ndarray:
        block = self._store.block(numbers)
        return self._embedding.of_points(block.points, block.weights, self._store.sizes(numbers))

    def _approximate(self, residual: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """What the oracle saw of these: inner products in its own coordinates, without quantisation."""
        vectors, axes = self._vectors(numbers), self._pull_axes  # once: another thread may fit them anew
        return axes.apply(vectors) @ (residual @ axes.axes) + float(axes.mean @ residual)

    def _ranked(self, rkme: Rkme, numbers: np.ndarray, is_labelled: bool) -> list[tuple[int, float]]:
        numbers = np.asarray(numbers, dtype=np.int64)
        if not len(numbers):
            return []
        block: Block = self._store.block(numbers)
        squared = np.maximum(0.0, rkme.squared_norm - 2.0 * block.inner(rkme.points, rkme.weights, rkme.sigma) + block.norms)
        order = squared
        if is_labelled:
            order = squared + np.array([self._label_distance(rkme, n) for n in numbers.tolist()])
            # Without labels nothing is known of the concept: such models stand behind those that are known, by their inputs.
            order = np.where(np.isfinite(order), order, squared + 4.0)
        ranks = np.lexsort((numbers, order))
        return [(int(numbers[i]), float(squared[i])) for i in ranks]

    def _label_distance(self, rkme: Rkme, number: int) -> float:
        if number not in self._store.extras:
            return np.inf
        other = self._store.rkme(number)
        found = label_distance(rkme, other)
        with self._lock:
            if number in self._store.extras:  # it was not removed meanwhile
                self._store.label_norms[number] = other.label_squared_norm
        return found

    def _exact(self, rkme: Rkme, found: list[tuple[int, float]], is_labelled: bool) -> list[tuple[Key, float]]:
        """The last word on the few that are shown, in float64: kernels in float32 tell distances apart down to some 1e-7."""
        exact = [(self._store.key(number), squared_mmd(rkme, self._store.rkme(number))) for number, _ in found]
        return exact if is_labelled else sorted(exact, key=lambda pair: pair[1])

    def _accepted(self, found: list[tuple[int, float]], accept: Accept, top: int) -> list[tuple[int, float]]:
        kept: list[tuple[int, float]] = []
        step = max(PROPOSED, 4 * top)
        for start in range(0, len(found), step):
            part = [(number, squared, self._store.key(number)) for number, squared in found[start : start + step]]
            accepted = set(accept([key for *_, key in part]))
            kept += [(number, squared) for number, squared, key in part if key in accepted]
            if len(kept) >= top + 10:
                break
        return kept


def _norms(points: np.ndarray, weights: np.ndarray, sizes: np.ndarray, sigma: float) -> np.ndarray:
    """||mu_i||^2 of packed specifications, many of one size at a time; (m,)."""
    out, ends = np.empty(len(sizes)), np.cumsum(sizes)
    for K in np.unique(sizes):
        for chosen in np.array_split(np.flatnonzero(sizes == K), 1 + int((sizes == K).sum()) * K * K // 2**22):
            at = (ends[chosen] - K)[:, None] + np.arange(K)
            Z, w = points[at].astype(np.float64), weights[at]
            squares = np.einsum("mkd,mkd->mk", Z, Z)
            D = squares[:, :, None] + squares[:, None, :] - 2.0 * (Z @ Z.transpose(0, 2, 1))
            out[chosen] = np.einsum("mk,mkl,ml->m", w, np.exp(np.maximum(D, 0.0) * (-0.5 / sigma**2)), w, optimize=True)
    return out


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(folder: Path, why: str) -> SpecError:
    return SpecError("damaged-snapshot", f"The index snapshot {folder.name} can not be used: {why}.", "It is built anew from the catalog.")

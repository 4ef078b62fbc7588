"""The index of one process: for each space what is findable in it, kept level with the change log.

A cache of the catalog's tables and nothing more: it can be thrown away at any time and nobody has to tell it anything. What it proposes
is shown only after the caller has asked the database of every single hit. So an index that is behind can be incomplete for a moment, never leak.
"""

import fcntl
import logging
import shutil
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Q

import specs
from marketplace.catalog import artifacts
from marketplace.catalog.models import Change, Space, Version
from marketplace.matching.models import IndexSnapshot
from specs.index import SpaceIndex
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)

# Sequence numbers are given before the commit that shows them: on PostgreSQL a change may appear
# after one with a higher number was applied. So the last few numbers are looked at again.
LOOK_BACK = 256
WARMED = 100  # spaces
BATCH = 500  # specifications read and embedded at a time
WORTH_A_SNAPSHOT = 1_000  # specifications that would have to be read again without one
Accept = Callable[[Sequence[UUID]], Collection[UUID]]


@dataclass
class Indexed:
    """One space's index in this process. `lock` is held while it is brought level or written; the index has a lock of its own."""

    space: Any  # specs.Space
    index: SpaceIndex
    lock: threading.RLock = field(default_factory=threading.RLock)
    applied: set[int] = field(default_factory=set)  # the last changes that were applied
    last: int = 0
    is_filled: bool = False
    generation: int = 0
    fresh: int = 0  # specifications read since the snapshot it began from


_spaces: dict[str, Indexed] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Hit:
    """A version that an index found: its exact squared MMD (singles) or its weight (members of a mixture)."""

    version_id: UUID
    rkme: Any  # specs.Rkme
    value: float


@dataclass(frozen=True)
class Mixed:
    members: list[Hit]
    squared_mmd: float
    gap: float


def singles(space_id: str, rkme: Any, *, top: int, allowed: Collection[UUID] | None = None, accept: Accept | None = None) -> list[Hit]:
    """The nearest versions with their exact squared MMD, nearest first. `allowed` names all that may be shown, where they are few; `accept` is
    asked of every hit."""
    hits = []
    held = _searchable(space_id)
    for key, squared_mmd in held.search(rkme, top=top, allowed=allowed, accept=accept):
        with suppress(KeyError):  # it went while the others were looked at
            hits.append(Hit(key, held.rkme(key), squared_mmd))
    return hits


def mixture(space_id: str, rkme: Any, *, allowed: Collection[UUID] | None = None, accept: Accept | None = None, max_members: int = 8) -> Mixed:
    """The best mixture among what is allowed and accepted; its members heaviest first, their weights sum to 1."""
    for _ in range(3):  # again where a member went while the others were looked at
        held = _searchable(space_id)
        keys, weights, squared_mmd, gap = held.mixture(rkme, allowed=allowed, accept=accept, max_members=max_members)
        if not keys:
            break
        with suppress(KeyError):
            return Mixed([Hit(key, held.rkme(key), float(w)) for key, w in zip(keys, weights, strict=True)], squared_mmd, gap)
    return Mixed([], 0.0, 0.0)


def _searchable(space_id: str) -> SpaceIndex:
    """The space's index, level with the change log. It guards itself: a search takes long, and holds nobody's up."""
    with _level(space_id) as indexed:
        return indexed.index


def warm(most: int = WARMED) -> None:
    """Load faiss and fill the indexes of the spaces with the most learnwares, so that the first search need not; keep snapshots of large ones."""
    try:
        known = Space.objects.annotate(n=Count("versions", filter=Q(versions__is_latest=True))).order_by("-n", "pk")
        for space_id in known.values_list("pk", flat=True)[:most]:
            with _level(space_id) as indexed:
                is_due = indexed.fresh >= max(WORTH_A_SNAPSHOT, len(indexed.index) // 10)
            if is_due:
                snapshot(space_id)
    except DatabaseError as error:  # no tables yet, or no database: the first search will say so to whoever asks
        log.warning("indexes were not warmed: %s", error)
    finally:
        connection.close()


def snapshot(space_id: str) -> IndexSnapshot | None:
    """Write this space's index to this machine's folder, for the next process that starts; None where there is nothing to write, or another process is writing it."""
    folder = _folder(space_id)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it goes with the process, however that ends
        except BlockingIOError:
            return None
        return _write(space_id, folder)


def _write(space_id: str, folder: Path) -> IndexSnapshot | None:
    with _level(space_id) as indexed:
        if not len(indexed.index) or settings.INDEX_URL != "faiss:":
            return None
        # Never a generation that stands: a process may have opened it, and until the row says otherwise it is the one in use.
        held = IndexSnapshot.objects.filter(space_id=space_id, host=socket.gethostname()).values_list("generation", flat=True).first() or 0
        generation = max(indexed.generation, held, *(int(old.name) for old in folder.iterdir() if old.name.isdecimal()), 0) + 1
        try:
            sha256 = indexed.index.snapshot(folder / f"{generation}", generation=generation, last=indexed.last)
        except specs.SpecError as error:  # such as when another process has replaced the generation that this one reads
            log.warning("no snapshot of the space %s: %s", space_id, error)
            return None
        row, _ = IndexSnapshot.objects.update_or_create(
            space_id=space_id, host=socket.gethostname(), defaults={"generation": generation, "sha256": sha256, "last_change": indexed.last, "size": len(indexed.index)},
        )
        indexed.generation, indexed.fresh = generation, 0
    for old in folder.iterdir():
        # The one before stays: a process may be opening it now. Drafts are those of processes that were killed: the lock is ours.
        if old.is_dir() and old.name != f"{generation}" and old.name != f"{held}":
            shutil.rmtree(old, ignore_errors=True)
    return row


def size(space_id: str) -> int:
    """How many specifications of a space can be found, in the index of this process once it is level."""
    with _level(space_id) as indexed:
        return len(indexed.index)


def standing() -> list[tuple[str, int, int]]:
    """(space, specifications, the last change that was applied) of what this process holds now; nothing is read for it."""
    with _lock:
        held = list(_spaces.items())
    return [(space_id, len(indexed.index), indexed.last) for space_id, indexed in held]


def forget() -> None:
    """Throw every index of this process away; the next search builds anew."""
    with _lock:
        _spaces.clear()


class _level:
    """with _level(space_id) as indexed: locked, and level with the change log."""

    def __init__(self, space_id: str) -> None:
        self.space_id = space_id

    def __enter__(self) -> Indexed:
        with _lock:
            if self.space_id not in _spaces:
                _spaces[self.space_id] = _begun(self.space_id)
            self.indexed = _spaces[self.space_id]
        self.indexed.lock.acquire()
        try:
            _catch_up(self.space_id, self.indexed)
        except BaseException:
            self.indexed.lock.release()
            raise
        return self.indexed

    def __exit__(self, *_: object) -> None:
        self.indexed.lock.release()


def _begun(space_id: str) -> Indexed:
    """An index from this machine's snapshot where the database vouches for its bytes, else an empty one."""
    space = specs.Space.from_json(Space.objects.get(pk=space_id).document)
    row = IndexSnapshot.objects.filter(space_id=space_id, host=socket.gethostname()).first()
    if row is not None and settings.INDEX_URL == "faiss:":
        try:
            index, generation, last = SpaceIndex.open(space, _folder(space_id) / f"{row.generation}", row.sha256)
        except specs.SpecError as error:
            log.error("%s", error)
        else:
            return Indexed(space, index, last=last, is_filled=True, generation=generation)
    return Indexed(space, SpaceIndex(space, engine=settings.INDEX_URL))


def _catch_up(space_id: str, indexed: Indexed) -> None:
    changes = Change.objects.filter(space_id=space_id, id__gt=max(0, indexed.last - LOOK_BACK)).values_list("id", "version__learnware_id")

    def unread() -> list[tuple[int, UUID | None]]:
        return [row for row in changes.all() if row[0] not in indexed.applied]  # asked anew each time

    # Most searches find nothing new, and take no lock to find that: a transaction of SQLite is a writer's, and writers wait for one another.
    if indexed.is_filled and not unread():
        return
    with transaction.atomic():  # the changes and the rows they speak of are read in one view
        fresh = unread()
        versions = Version.objects.latest().filter(space_id=space_id)
        stale: set[UUID] = set()
        if indexed.is_filled:
            # A new version pushes an older one of the same learnware out, so the learnware is what is read again.
            touched = {learnware for _, learnware in fresh if learnware}
            versions = versions.filter(learnware_id__in=touched)
            stale = set(Version.objects.filter(learnware_id__in=touched).values_list("id", flat=True))
        wanted = dict(versions.values_list("id", "specification_id"))
    index = indexed.index
    index.remove_all([key for key in stale if key not in wanted])
    new = [(key, sha256) for key, sha256 in wanted.items() if key not in index]
    for start in range(0, len(new), BATCH):
        read = list(_read(new[start : start + BATCH]))
        index.add_all([key for key, _ in read], [rkme for _, rkme in read])
        indexed.fresh += len(read)
    indexed.is_filled = True
    indexed.last = max([indexed.last, *(number for number, _ in fresh)])
    indexed.applied = {n for n in indexed.applied if n > indexed.last - LOOK_BACK} | {number for number, _ in fresh}


def _read(wanted: Iterable[tuple[UUID, str]]) -> Iterator[tuple[UUID, Any]]:
    """Specifications from the store. One that can not be read is left out, loudly: the rest still matches."""
    for key, sha256 in wanted:
        try:
            yield key, specs.Specification.from_bytes(artifacts.read(sha256)).rkme
        except (ArtifactMissing, ArtifactDamaged, specs.SpecError):
            log.exception("the specification of version %s can not be read; it is not findable", key)


def _folder(space_id: str) -> Path:
    return settings.HOME / "index" / space_id[:32]

"""The index of one process: for each space what is findable in it, kept level with the change log.

A cache of the catalog's tables and nothing more: it can be thrown away at any time, nobody has to
tell it anything, and what it proposes is only ever taken from the keys that the caller allows,
who has asked the database. So an index that is behind can be incomplete for a moment, never leak.
"""

import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Q

import specs
from marketplace.catalog import artifacts
from marketplace.catalog.models import Change, Space, Version
from specs.index import SpaceIndex
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)

# Sequence numbers are given before the commit that shows them: on PostgreSQL a change may appear
# after one with a higher number was applied. So the last few numbers are looked at again.
LOOK_BACK = 256
WARMED = 100  # spaces


@dataclass
class Indexed:
    """One space's index in this process. `lock` is held while it is searched or brought level."""

    space: Any  # specs.Space
    index: SpaceIndex
    lock: threading.RLock = field(default_factory=threading.RLock)
    rkmes: dict[UUID, Any] = field(default_factory=dict)  # version id -> specs.Rkme
    applied: set[int] = field(default_factory=set)  # the last changes that were applied
    last: int = 0
    is_filled: bool = False


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


def singles(space_id: str, rkme: Any, *, allowed: Collection[UUID], top: int) -> list[Hit]:
    """The nearest versions with their exact squared MMD, nearest first."""
    with _level(space_id) as indexed:
        keys = indexed.rkmes.keys() & set(allowed)
        found = indexed.index.search(rkme, top=top, allowed=keys) if keys else []
        return [Hit(key, indexed.rkmes[key], max(float(squared_mmd), 0.0)) for key, squared_mmd in found]


def mixture(space_id: str, rkme: Any, *, allowed: Collection[UUID], max_members: int = 8) -> Mixed:
    """The best mixture among what is allowed; its members heaviest first, their weights sum to 1."""
    with _level(space_id) as indexed:
        keys = indexed.rkmes.keys() & set(allowed)
        if not keys:
            return Mixed([], 0.0, 0.0)
        ids, weights, squared_mmd, gap = indexed.index.mixture(rkme, allowed=keys, max_members=max_members)
        total = float(sum(weights)) or 1.0
        members = [Hit(i, indexed.rkmes[i], float(w) / total) for i, w in zip(ids, weights, strict=True) if w > 0]
        return Mixed(sorted(members, key=lambda hit: -hit.value), max(float(squared_mmd), 0.0), float(gap))


def warm(most: int = WARMED) -> None:
    """Load faiss and fill the indexes of the spaces with the most learnwares, so that the first search need not."""
    try:
        known = Space.objects.annotate(n=Count("versions", filter=Q(versions__is_latest=True))).order_by("-n", "pk")
        for space_id in known.values_list("pk", flat=True)[:most]:
            with _level(space_id):
                pass
    except DatabaseError as error:  # no tables yet, or no database: the first search will say so to whoever asks
        log.warning("indexes were not warmed: %s", error)
    finally:
        connection.close()


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
                space = specs.Space.from_json(Space.objects.get(pk=self.space_id).document)
                _spaces[self.space_id] = Indexed(space, SpaceIndex(space))
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


def _catch_up(space_id: str, indexed: Indexed) -> None:
    changes = Change.objects.filter(space_id=space_id, id__gt=max(0, indexed.last - LOOK_BACK))
    with transaction.atomic():  # the changes and the rows they speak of are read in one view
        fresh = [row for row in changes.values_list("id", "version__learnware_id") if row[0] not in indexed.applied]
        if indexed.is_filled and not fresh:
            return
        versions = Version.objects.latest().filter(space_id=space_id)
        touched = None
        if indexed.is_filled:
            # A new version pushes an older one of the same learnware out, so the learnware is what is read again.
            touched = {learnware for _, learnware in fresh if learnware}
            versions = versions.filter(learnware_id__in=touched)
        wanted = dict(versions.values_list("id", "specification_id"))
        if touched is None:
            stale = set(indexed.rkmes) - set(wanted)
        else:
            known = Version.objects.filter(learnware_id__in=touched).values_list("id", flat=True)
            stale = (set(known) & set(indexed.rkmes)) - set(wanted)
    for key in stale:
        indexed.index.remove(key)
        del indexed.rkmes[key]
    for key, rkme in _read((key, sha256) for key, sha256 in wanted.items() if key not in indexed.rkmes):
        indexed.index.add(key, rkme)
        indexed.rkmes[key] = rkme
    indexed.is_filled = True
    indexed.last = max([indexed.last, *(number for number, _ in fresh)])
    indexed.applied = {n for n in indexed.applied if n > indexed.last - LOOK_BACK} | {number for number, _ in fresh}


def _read(wanted: Iterable[tuple[UUID, str]]) -> Iterable[tuple[UUID, Any]]:
    """Specifications from the store. One that can not be read is left out, loudly: the rest still matches."""
    for key, sha256 in wanted:
        try:
            yield key, specs.Specification.from_bytes(artifacts.read(sha256)).rkme
        except (ArtifactMissing, ArtifactDamaged, specs.SpecError):
            log.exception("the specification of version %s can not be read; it is not findable", key)

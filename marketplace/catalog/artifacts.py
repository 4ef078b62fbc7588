"""The store as the apps use it: bytes and their rows together, and the sweeping of what nothing refers to."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.cache import cache
from django.db.models import ProtectedError
from django.utils import timezone

import storage
from marketplace.catalog.models import Artifact
from storage import Store, Stored

GRACE = timedelta(hours=24)
HOLD_S = 300
HELD = "artifacts-held-back"


@lru_cache(maxsize=4)
def _connected(url: str) -> Store:
    return storage.connect(url)


def store() -> Store:
    return _connected(settings.STORAGE_URL)


def put(content: bytes | BinaryIO) -> Stored:
    """Keep the bytes, before any row refers to them: a row never points at bytes that are not there."""
    if hasattr(content, "seek"):
        content.seek(0)
    return store().put(content)


def row(stored: Stored) -> Artifact:
    """The row of bytes that have been put."""
    return Artifact.objects.get_or_create(sha256=stored.sha256, defaults={"size": stored.size})[0]


def open(sha256: str) -> BinaryIO:
    return store().open(sha256)


def read(sha256: str) -> bytes:
    with open(sha256) as file:
        return file.read()


def copy(sha256: str, path: Path) -> None:
    """Copy verified bytes to a file for a worker."""
    with open(sha256) as file, path.open("wb") as target:
        shutil.copyfileobj(file, target, 1 << 20)


def drop(stored: Stored | None) -> None:
    """Forget bytes whose row was never written; those that some row refers to stay."""
    if stored is not None and not Artifact.objects.filter(pk=stored.sha256).exists():
        store().delete(stored.sha256)


def hold_back() -> None:
    """Have every process delete no artifact for a while: somebody copies them (operations/backing.py)."""
    cache.set(HELD, True, HOLD_S)


def let_go() -> None:
    cache.delete(HELD)


def held_back() -> bool:
    """Whether what nothing refers to must stay for now; the sweeper comes for it later."""
    return bool(cache.get(HELD))


def sweep() -> int:
    """Delete artifacts older than a day that nothing refers to, and bytes as old that no row knows; returns how many.

    Rows go first, and bytes only when their last put is a day old: putting them again makes them young, so what is on its way to a new
    row stays. A kill in between leaves bytes without a row, which the next sweep finds, never a row without bytes.
    """
    if held_back():
        return 0
    old = timezone.now() - GRACE
    for artifact in Artifact.objects.filter(created__lt=old).iterator():
        try:
            artifact.delete()
        except ProtectedError:
            continue
    swept = 0
    for some in batched((sha256 for sha256, put in store().held() if put < old), 500):
        known = set(Artifact.objects.filter(pk__in=some).values_list("pk", flat=True))
        for sha256 in set(some) - known:
            store().delete(sha256)
            swept += 1
    return swept + store().sweep()


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """itertools.batched, which Python 3.11 lacks."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some

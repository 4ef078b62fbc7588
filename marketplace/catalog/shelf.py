"""The catalog in columns: what explore, the map and the home page count, in each process's memory and level with the database.

A facet with its counts is a pass over every learnware that is left, a dozen times a page. At a hundred thousand learnwares the database takes seconds for that,
arrays of small numbers take milliseconds. The shelf is a cache of the catalog's tables and nothing more: before each look it reads the log of changes, as the
indexes do, and asks how many there are, so one that has missed something is loaded anew. Two things it never decides: who may see what is private is asked
of the database at every look, and the rows that a page shows are read from there, through `visible_to`.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
from django.db import DatabaseError, connection
from django.db.models import Count, Max, Q, Sum
from django.utils.translation import gettext_noop

from marketplace.catalog import fulltext
from marketplace.catalog.models import Change, Island, Learnware, Place, Version

log = logging.getLogger(__name__)

# What no change tells of (likes, uses, a new name) is read again after so many times what reading took: half a percent of a processor, whatever the size.
PATIENCE = 200
LARGE = 20_000  # learnwares; from here on that happens beside the requests
FEW = 500  # rows that are asked for one by one
LOOK_BACK = 256  # numbers are given before the commit that shows them (marketplace/matching/index.py)

KB, MB = 10**3, 10**6
SIZES = (  # the words are values in addresses too, so they are marked here and said in exploring.py
    (100 * KB, gettext_noop("under 100 kB")), (MB, gettext_noop("100 kB to 1 MB")), (10 * MB, gettext_noop("1 to 10 MB")), (100 * MB, gettext_noop("10 to 100 MB")),
    (np.inf, gettext_noop("100 MB and more")),
)
PARAMETERS = (
    (1e3, gettext_noop("under 1,000")), (1e4, gettext_noop("1,000 to 10,000")), (1e5, gettext_noop("10,000 to 100,000")), (1e6, gettext_noop("100,000 to 1 million")),
    (1e7, gettext_noop("1 to 10 million")), (np.inf, gettext_noop("10 million and more")),
)
SORTS = ("newest", "used", "liked", "downloaded", "name")
READ = (
    "pk", "learnware_id", "task", "target", "format", "licence", "learnware__owner__username", "space_id", "model__size", "report__parameters", "merge_family",
    "learnware__is_gated", "learnware__name", "created", "downloads", "learnware__likes_count", "place__x", "place__y",
)  # fmt: skip
FACETS = ("task", "target", "format", "licence", "owner", "space", "size", "parameters", "merge", "access")


@dataclass(frozen=True)
class Shelf:
    """One row for each learnware's latest usable version. `codes` number the values of a facet by `values[facet]`; rows that have gone are not `alive`."""

    ids: np.ndarray  # (n,) hexadecimal
    learnwares: np.ndarray  # (n,) hexadecimal
    names: np.ndarray  # (n,) text
    codes: dict[str, np.ndarray]  # facet -> (n,) int32
    numbers: dict[str, np.ndarray]  # created, uses, likes, downloads, x, y -> (n,) float64; without a place x and y are nan
    alive: np.ndarray  # (n,) bool
    values: dict[str, dict[str, int]]  # facet -> value -> code; grows, never shrinks

    @classmethod
    def of(cls, rows: Sequence[tuple], uses: dict[UUID, int], values: dict[str, dict[str, int]] | None = None) -> "Shelf":
        """From rows of READ."""
        values = values if values is not None else {name: {} for name in FACETS}
        columns = dict(zip(READ, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(READ, ())
        said = {
            **{name: columns[name] for name in ("task", "target", "format", "licence")},
            "owner": columns["learnware__owner__username"],
            "space": columns["space_id"],
            "size": [_class(SIZES, size) for size in columns["model__size"]],
            "parameters": [_class(PARAMETERS, count) for count in columns["report__parameters"]],
            "merge": ["yes" if family else "no" for family in columns["merge_family"]],
            "access": ["gated" if gated else "open" for gated in columns["learnware__is_gated"]],
        }
        numbers = {
            "created": [at.timestamp() for at in columns["created"]],
            "uses": [uses.get(pk, 0) for pk in columns["pk"]],
            "likes": columns["learnware__likes_count"],
            "downloads": columns["downloads"],
            "x": [np.nan if x is None else x for x in columns["place__x"]],
            "y": [np.nan if y is None else y for y in columns["place__y"]],
        }
        return cls(
            ids=np.array([pk.hex for pk in columns["pk"]], dtype=object),
            learnwares=np.array([pk.hex for pk in columns["learnware_id"]], dtype=object),
            names=np.array(columns["learnware__name"], dtype=object),
            codes={name: np.array([values[name].setdefault(value, len(values[name])) for value in said[name]], dtype=np.int32) for name in FACETS},
            numbers={name: np.array(column, dtype=np.float64) for name, column in numbers.items()},
            alive=np.ones(len(rows), dtype=bool),
            values=values,
        )

    def __len__(self) -> int:
        return int(self.alive.sum())

    @cached_property
    def where(self) -> dict[str, int]:
        """id -> row, of those alive."""
        rows = np.flatnonzero(self.alive)
        return dict(zip(self.ids[rows].tolist(), rows.tolist(), strict=True))

    @cached_property
    def held(self) -> dict[str, int]:
        """learnware -> row, of those alive."""
        rows = np.flatnonzero(self.alive)
        return dict(zip(self.learnwares[rows].tolist(), rows.tolist(), strict=True))

    @cached_property
    def rank(self) -> np.ndarray:
        """(n,) places in the order of names."""
        rank = np.empty(len(self.ids), dtype=np.int64)
        rank[np.argsort(self.names.astype(str), kind="stable")] = np.arange(len(self.ids))
        return rank

    def named(self, facet: str) -> list[str]:
        return list(self.values[facet])

    def without(self, learnwares: set[str]) -> "Shelf":
        """The rows of these learnwares gone."""
        alive = self.alive & ~np.isin(self.learnwares, list(learnwares)) if learnwares else self.alive
        return Shelf(self.ids, self.learnwares, self.names, self.codes, self.numbers, alive, self.values)

    def joined(self, rows: Sequence[tuple], uses: dict[UUID, int]) -> "Shelf":
        """With more rows of READ behind."""
        more = Shelf.of(rows, uses, self.values)
        both = lambda a, b: np.concatenate([a, b])  # noqa: E731
        return Shelf(
            both(self.ids, more.ids), both(self.learnwares, more.learnwares), both(self.names, more.names),
            {name: both(self.codes[name], more.codes[name]) for name in FACETS}, {name: both(column, more.numbers[name]) for name, column in self.numbers.items()},
            both(self.alive, more.alive), self.values,
        )  # fmt: skip

    def placed(self, *, everyone: bool) -> "Shelf":
        """With the places that the map has now, of everyone or of those that had none."""
        rows = np.flatnonzero(self.alive if everyone else self.alive & np.isnan(self.numbers["x"]))
        read = Place.objects.filter(version__in=[UUID(key) for key in self.ids[rows]]) if len(rows) < FEW else Place.objects.all()
        numbers = self.numbers | {name: self.numbers[name].copy() for name in ("x", "y")}
        if everyone:
            numbers["x"][:] = numbers["y"][:] = np.nan
        for key, x, y in read.values_list("version_id", "x", "y"):
            if (row := self.where.get(key.hex)) is not None:
                numbers["x"][row], numbers["y"][row] = x, y
        return Shelf(self.ids, self.learnwares, self.names, self.codes, numbers, self.alive, self.values)

    def rows_of(self, keys: Iterable[str], where: dict[str, int] | None = None) -> np.ndarray:
        """(n,) bool: which rows have one of these ids (or, with `where=shelf.held`, learnwares)."""
        mask = np.zeros(len(self.ids), dtype=bool)
        where = self.where if where is None else where
        mask[[where[key] for key in keys if key in where]] = True
        return mask


@dataclass(frozen=True)
class Found(Sequence):
    """What a look found: its length, its versions in the order asked for (by slices), and the counts of each facet."""

    shelf: Shelf
    user: Any
    rows: np.ndarray  # row numbers, in order
    kept: dict[str, np.ndarray]  # what each filter keeps, (n,) bool: facets that are chosen, "q", "lasso"
    seen: np.ndarray  # what this user may see at all

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        return self.versions(self.rows[at]) if isinstance(at, slice) else self.versions(self.rows[at : at + 1])[0]

    def versions(self, rows: np.ndarray) -> list[Version]:
        """The versions in these rows as the database has them now; one that this user may not see any more is left out. Each says its `uses`."""
        ids = [UUID(key) for key in self.shelf.ids[rows]]
        read = Version.objects.latest().visible_to(self.user).whole().select_related("model").defer("words", "card_html", "learnware__card", "learnware__card_html")
        found = {version.pk: version for version in read.filter(pk__in=ids)}
        for key, row in zip(ids, rows, strict=True):
            if key in found:
                found[key].uses = int(self.shelf.numbers["uses"][row])
        return [found[key] for key in ids if key in found]

    def by(self, sort: str) -> "Found":
        """The same in another order."""
        return replace(self, rows=self.rows[_order(self.shelf, self.rows, sort)])

    def mask(self, *, but: str = "") -> np.ndarray:
        """(n,) bool: what every filter keeps, but one."""
        mask = self.seen.copy()
        for name, kept in self.kept.items():
            if name != but:
                mask &= kept
        return mask

    def count(self, *, but: str = "") -> int:
        """How many all filters keep, but one."""
        return int(self.mask(but=but).sum())

    def facets(self, names: Iterable[str] = FACETS) -> dict[str, dict[str, int]]:
        """How many have each value, most first. A facet that is chosen counts what the others leave, so that one can change it."""
        counted, whole = {}, self.mask()
        for name in names:
            codes = self.shelf.codes[name][self.mask(but=name) if name in self.kept else whole]
            counts = np.bincount(codes, minlength=len(self.shelf.values[name]))
            said = [(value, int(n)) for value, n in zip(self.shelf.named(name), counts, strict=False) if n and value]
            counted[name] = dict(sorted(said, key=lambda pair: (-pair[1], pair[0])))
        return counted


def look(user: Any, *, q: str = "", sort: str = "newest", lasso: np.ndarray | None = None, **chosen: str | Sequence[str]) -> Found:
    """What the words, the lasso and the chosen values of facets leave of what this user may see. Several values of one facet widen it."""
    shelf = level()
    kept: dict[str, np.ndarray] = {}
    for name, wanted in chosen.items():
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        if any(wanted):
            kept[name] = np.isin(shelf.codes[name], [shelf.values[name][value] for value in wanted if value in shelf.values[name]])
    if fulltext.words_of(q):
        kept["q"] = shelf.rows_of(fulltext.keys(q, Version.objects.latest()))
    if lasso is not None:
        kept["lasso"] = inside(shelf.numbers["x"], shelf.numbers["y"], lasso)
    found = Found(shelf, user, np.empty(0, int), kept, shelf.alive & ~shelf.rows_of(_hidden(user), shelf.held))
    return replace(found, rows=np.flatnonzero(found.mask())).by(sort)


def inside(x: np.ndarray, y: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points (n,) lie in a polygon (v, 2), by how often a ray to the right crosses its sides; what has no place does not."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    px, py, odd = x[near], y[near], np.zeros(len(near), dtype=bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 != y2:
            odd ^= ((y1 > py) != (y2 > py)) & (px < (x2 - x1) * (py - y1) / (y2 - y1) + x1)
    mask = np.zeros(len(x), dtype=bool)
    mask[near[odd]] = True
    return mask


def _order(shelf: Shelf, rows: np.ndarray, sort: str) -> np.ndarray:
    newest = -shelf.numbers["created"][rows]
    if sort == "name":
        return np.argsort(shelf.rank[rows], kind="stable")
    by = {"used": "uses", "liked": "likes", "downloaded": "downloads"}.get(sort)
    return np.lexsort((newest, -shelf.numbers[by][rows])) if by else np.argsort(newest, kind="stable")


def _hidden(user: Any) -> set[str]:
    """The learnwares that are private and not for this user, asked of the database at every look."""
    private = Learnware.objects.filter(visibility=Learnware.Visibility.PRIVATE)
    hidden = set(private.values_list("pk", flat=True))
    if hidden and user is not None and user.is_authenticated:  # a stranger sees none of them
        # Who may see one version of a private learnware may see its latest: it is the learnware that is shared.
        hidden -= set(Version.objects.filter(learnware__in=private).visible_to(user).order_by().values_list("learnware_id", flat=True))
    return {pk.hex for pk in hidden}


def _class(classes: tuple, value: Any) -> str:
    """The class that a number belongs to; nothing where it is not known (0 parameters: the format does not tell)."""
    if not isinstance(value, int | float) or value <= 0:
        return ""
    return next(words for most, words in classes if value < most)


# --- level with the database --------------------------------------------------------------------


@dataclass
class _Held:
    shelf: Shelf
    applied: dict[int, UUID | None] = field(default_factory=dict)  # the last changes: number -> version
    map: tuple = ()  # _map_stamp
    took: float = 0.0
    at: float = field(default_factory=time.monotonic)

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self.at > PATIENCE * max(self.took, 0.005)


_held: _Held | None = None
_lock = threading.Lock()
_reading = threading.Lock()


def level() -> Shelf:
    """The shelf, with every change that is committed."""
    global _held
    with _lock:
        if _held is None or (_held.is_old and len(_held.shelf) < LARGE):
            _held = _load()
        elif _held.is_old:
            _held.at = time.monotonic()
            threading.Thread(target=_load_beside, name="read-shelf", daemon=True).start()
        if not _catch_up(_held):
            _held = _load()
        return _held.shelf


def forget() -> None:
    """Throw the shelf of this process away; the next look reads anew."""
    global _held
    with _lock:
        _held = None


def warm() -> None:
    """Read the shelf, so that the first visitor need not wait for it."""
    try:
        level()
    except DatabaseError as error:  # no tables yet, or no database: the first visitor will hear of it
        log.warning("the shelf was not read: %s", error)
    finally:
        connection.close()


def _load() -> _Held:
    begun, processor = time.monotonic(), time.thread_time()
    last = Change.objects.aggregate(n=Max("id"))["n"] or 0
    applied = dict(Change.objects.filter(id__gt=last - LOOK_BACK).values_list("id", "version_id"))
    stamp = _map_stamp()
    rows = list(Version.objects.latest().order_by().values_list(*READ))
    return _Held(Shelf.of(rows, _uses(Version.objects.latest())), applied, stamp, time.thread_time() - processor, begun)


def _load_beside() -> None:
    global _held
    if not _reading.acquire(blocking=False):
        return
    try:
        fresh = _load()
        with _lock:
            _held = fresh
    except DatabaseError as error:
        log.warning("the shelf was not read again: %s", error)
    finally:
        _reading.release()
        connection.close()


def _catch_up(held: _Held) -> bool:
    """Apply the changes since; False where the shelf and the database disagree all the same."""
    last = max(held.applied, default=0)
    recent = {number: (version, learnware) for number, version, learnware in
              Change.objects.filter(id__gt=last - LOOK_BACK).values_list("id", "version_id", "version__learnware_id")}  # fmt: skip
    if any(number not in recent or recent[number][0] != version for number, version in held.applied.items() if number > last - LOOK_BACK):
        return False  # another database's log, or a version was deleted
    touched = {learnware for number, (_, learnware) in recent.items() if number not in held.applied and learnware}
    if touched:
        changed = Version.objects.latest().filter(learnware_id__in=touched)
        held.shelf = held.shelf.without({key.hex for key in touched}).joined(list(changed.order_by().values_list(*READ)), _uses(changed))
    newest = max([last, *recent])
    held.applied = {number: version for number, (version, _) in recent.items() if number > newest - LOOK_BACK}
    if (stamp := _map_stamp()) != held.map:
        held.shelf, held.map = held.shelf.placed(everyone=stamp[1] != held.map[1]), stamp
    said = Version.objects.latest().order_by().aggregate(n=Count("*"), at=Max("created"))
    alive = held.shelf.numbers["created"][held.shelf.alive]
    return said["n"] == len(alive) and (not said["n"] or abs(said["at"].timestamp() - alive.max()) < 1e-3)


def _map_stamp() -> tuple:
    """What changes when the map does: how many have a place, and the islands' generations together."""
    return Place.objects.count(), Island.objects.aggregate(n=Sum("generation"))["n"]


def _uses(versions: Any) -> dict[UUID, int]:
    """Of those that jobs have used, how often."""
    return dict(versions.order_by().filter(Q(used_in__isnull=False)).values_list("pk").annotate(n=Count("used_in")))

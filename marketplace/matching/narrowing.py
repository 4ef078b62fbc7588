"""What a requirement and its words leave of the catalog: reading both, finding the space, asking the database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import specs
from marketplace.catalog import services as catalog
from marketplace.catalog.models import Space, Version, VersionQuerySet
from marketplace.errors import Refused

FILTERS = ("task", "target", "licence", "format", "q")
FEW = 2_000  # versions that are named to the index one by one
MAX_TOP = 100
MAX_LABELS = 200_000  # of a requirement: points times classes
MAX_COMPARED = 40_000  # singles times the requirement's points: what one search may cost


@dataclass
class Narrowed:
    """What the words leave of the catalog (a question to the database, not its answer), and which of the requirement's own words had to give way."""

    versions: VersionQuerySet
    searched: int
    used: dict[str, str]
    relaxed: list[dict] = field(default_factory=list)
    is_space_empty: bool = False  # for who asks: what they may not see is not there
    user: Any = None

    def mixable(self) -> VersionQuerySet:
        """Of all that is found, what who asks may also use: gated learnwares are members only for whoever was let in."""
        return self.versions.usable_by(self.user).order_by()

    def few(self) -> list[UUID] | None:
        """All of them by name where they are few, so that each is looked at; None where they are many."""
        return list(self.versions.order_by().values_list("pk", flat=True)) if self.searched <= FEW else None

    def accept(self, keys: Sequence[UUID]) -> set[UUID]:
        """Which of these may be shown now: every hit of an index passes through here, so one that is behind can not show what is gone."""
        found: set[UUID] = set()
        for start in range(0, len(keys), 500):  # SQLite takes some thousand parameters
            found |= set(self.versions.order_by().filter(pk__in=keys[start : start + 500]).values_list("pk", flat=True))
        return found

    def whole(self, keys: Sequence[UUID]) -> dict[UUID, Version]:
        return {version.pk: version for version in self.versions.order_by().filter(pk__in=keys)}


def read_requirement(specification: bytes | dict) -> Any:
    """specs.Specification of the document, or Refused with what is wrong with it."""
    data = specification if isinstance(specification, bytes) else json.dumps(specification).encode()
    try:
        found = specs.Specification.from_bytes(data)
    except specs.SpecError as error:
        raise Refused(error.code, error.message, hint=error.hint, fields={"specification": error.message}) from error
    points, classes = found.rkme.size, len(found.rkme.labels.classes) if found.rkme.labels is not None else 0
    if points * classes > MAX_LABELS:
        # Only what is searched with: what is offered keeps the labels that its format allows.
        raise Refused("too-many-labels", f"The points of a requirement times its classes must be at most {MAX_LABELS:,}; got {points:,} times {classes:,}.",
                      hint="Describe the data in fewer points, or leave the labels out.", fields={"specification": "Too many labels."})
    return found


def read_filters(filters: dict | None) -> dict[str, str]:
    """The filters that say something, each a string under a known name."""
    came = filters or {}
    if not isinstance(came, dict):
        raise Refused("bad-filters", f"filters must be an object; got {type(came).__name__}.")
    for name, value in came.items():
        if name not in FILTERS:
            raise Refused("unknown-filter", f"A filter must be one of {', '.join(FILTERS)}; got {name!r}.",
                          fields={"filters": f"Unknown: {name}."})
        if value is not None and (not isinstance(value, str) or len(value) > 200 or "\0" in value):
            raise Refused("bad-filter", f"Filter {name} must be a text of up to 200 characters.",
                          fields={"filters": f"Bad value for {name}."})
    return {name: value.strip() for name, value in came.items() if value and value.strip()}


def known_space(space: Any, user: Any = None) -> Space:
    """The published space of a specification; Refused with the nearest ones that the user may know of if nobody has founded it."""
    row = Space.objects.filter(pk=space.id).first()
    if row is not None:
        return row
    columns = [{"name": column.name, "type": column.type} for column in space.columns]
    near = [said for _, said in sorted(_nearness(known, columns) for known in catalog.spaces_for(user))[:3]]
    hint = (
        "Describe your data in a space that is published (moorage describe asks the market which fits)."
        + (f" Nearest: {'; '.join(near)}." if near else " This market has no space yet; the first offer founds one.")
    )
    raise Refused("unknown-space", f"A requirement must stand in a published space; got {space.name!r} ({space.id[:10]}…).",
                  hint=hint, status=422, fields={"specification": "Unknown space."})


def _nearness(row: Space, columns: list[dict]) -> tuple[tuple[int, int], str]:
    """((misses, extras), what is said of the space), for sorting: fewer differences first."""
    fit = specs.Space.from_json(row.document).compare(columns)
    misses = len(fit.missing) + len(fit.wrong_type)
    parts = [f"{label} {', '.join(map(str, names[:5]))}" for label, names in
             (("lacks", fit.missing), ("has besides", fit.extra), ("other type", fit.wrong_type)) if names]
    said = f"{row.name} ({row.id[:10]}…): your table {'; '.join(parts) if parts else 'has its columns, on another scale'}"
    return (misses, len(fit.extra)), said


def narrow(user: Any, space: Space, asked: dict[str, str], semantic: dict) -> Narrowed:
    """The versions that the words leave. The requirement's own words give way, the user's filters never do."""
    own = {name: semantic[name] for name in ("task", "target") if semantic.get(name) and name not in asked}
    relaxed = []
    while True:
        used = {**own, **asked}
        versions = _search(user, space, used)
        searched = versions.order_by().count()
        if searched or not own:
            return Narrowed(versions, searched, used, relaxed, is_space_empty=not searched and not _search(user, space, {}).exists(), user=user)
        name, value = own.popitem()  # target first, then task
        if not _search(user, space, asked).exists():
            # Not the requirement's own words are to blame: the filters alone leave nothing.
            return Narrowed(versions, 0, used, relaxed, is_space_empty=not _search(user, space, {}).exists(), user=user)
        relaxed.append({
            "filter": name,
            "value": value,
            "message": f"No usable learnware of this space has {name} {value!r}, so it was not asked for.",  # words.relaxed says it on pages
        })


def _search(user: Any, space: Space, used: dict[str, str]) -> VersionQuerySet:
    # Usable, latest: asked of the database at every search, so an index can not show what is gone.
    return catalog.search(user=user, space=space.pk, **used).latest().whole()


def blame(user: Any, space: Space, asked: dict[str, str]) -> dict[str, Any] | None:
    """The filter that removed the last hits: {"filter", "value", "had"}, `had` what was left before it; None where something is left, or nothing was there to begin with."""
    used: dict[str, str] = {}
    had = _search(user, space, used).order_by().count()
    if not had:
        return None
    for name in (name for name in FILTERS if asked.get(name)):
        used[name] = asked[name]
        left = _search(user, space, used).order_by().count()
        if not left:
            return {"filter": name, "value": asked[name], "had": had}
        had = left
    return None


def most_of(points: int) -> int:
    """How many singles a requirement of so many points may ask for."""
    return max(1, min(MAX_TOP, MAX_COMPARED // points))


def read_top(top: Any, points: int = 1) -> int:
    """How many singles are asked for, or Refused; `points` are the requirement's, each of which is held against those of every single."""
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= MAX_TOP:
        raise Refused("bad-top", f"top must be a whole number from 1 to {MAX_TOP}; got {str(top)[:20]!r}.", fields={"top": "Out of range."})
    if top > most_of(points):
        raise Refused(
            "top-too-large", f"top times the points of the requirement must be at most {MAX_COMPARED:,}; got {top} times {points:,}.",
            hint=f"Ask for a top of at most {most_of(points)}, or describe the data in fewer points.", fields={"top": f"At most {most_of(points)} for {points:,} points."},
        )
    return top


def answers_like(version: Version, other: Version) -> bool:
    """Whether two versions answer the same question, so that their outputs can stand together."""
    return (
        version.space_id == other.space_id
        and version.task == other.task
        and version.target == other.target
        and version.output.get("unit") == other.output.get("unit")
    )

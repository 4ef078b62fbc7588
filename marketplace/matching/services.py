"""What a user does here: search the catalog with data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

import specs
from marketplace.catalog import artifacts
from marketplace.catalog import services as catalog
from marketplace.catalog.models import Space, Version, VersionQuerySet
from marketplace.errors import Refused
from marketplace.matching import index, words
from marketplace.matching.models import Match
from specs.labels import label_distance

FILTERS = ("task", "target", "licence", "format", "q")
MAX_MEMBERS = 8
MAX_TOP = 100
FEW = 2_000  # versions that are named to the index one by one
EXPLAINED = 10  # singles that are compared column by column


@dataclass
class Narrowed:
    """What the words leave of the catalog (a question to the database, not its answer), and which of the requirement's own words had to give way."""

    versions: VersionQuerySet
    searched: int
    used: dict[str, str]
    relaxed: list[dict] = field(default_factory=list)

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


def match(*, user: Any, specification: bytes | dict, filters: dict | None = None, top: int = 10) -> Match:
    """Rank single learnwares and solve a mixture for a requirement; the answer is kept as a row."""
    requirement = read_requirement(specification)
    asked = read_filters(filters)
    if not isinstance(top, int) or not 1 <= top <= MAX_TOP:
        raise Refused("bad-top", f"top must be a whole number from 1 to {MAX_TOP}; got {top!r}.", fields={"top": "Out of range."})
    space = known_space(requirement.space)
    narrowed = _narrow(user, space, asked, requirement.semantic)
    result = _answer(requirement, space, narrowed, top)
    stored = artifacts.put(requirement.to_bytes())
    try:
        with transaction.atomic():
            return Match.objects.create(
                owner=user if user is not None and user.is_authenticated else None,
                space=space,
                specification=artifacts.row(stored),
                semantic=requirement.semantic,
                filters=asked,
                result=result,
            )
    except BaseException:
        artifacts.drop(stored)
        raise


def read_requirement(specification: bytes | dict) -> Any:
    """specs.Specification of the document, or Refused with what is wrong with it."""
    data = specification if isinstance(specification, bytes) else json.dumps(specification).encode()
    try:
        return specs.Specification.from_bytes(data)
    except specs.SpecError as error:
        raise Refused(error.code, error.message, hint=error.hint, fields={"specification": error.message}) from error


def read_filters(filters: dict | None) -> dict[str, str]:
    """The filters that say something, each a string under a known name."""
    came = filters or {}
    if not isinstance(came, dict):
        raise Refused("bad-filters", f"filters must be an object; got {type(came).__name__}.")
    for name, value in came.items():
        if name not in FILTERS:
            raise Refused("unknown-filter", f"A filter must be one of {', '.join(FILTERS)}; got {name!r}.",
                          fields={"filters": f"Unknown: {name}."})
        if value is not None and (not isinstance(value, str) or len(value) > 200):
            raise Refused("bad-filter", f"Filter {name} must be a text of up to 200 characters.",
                          fields={"filters": f"Bad value for {name}."})
    return {name: value.strip() for name, value in came.items() if value and value.strip()}


def known_space(space: Any) -> Space:
    """The published space of a specification; Refused with the nearest ones if nobody has founded it."""
    row = Space.objects.filter(pk=space.id).first()
    if row is not None:
        return row
    columns = [{"name": column.name, "type": column.type} for column in space.columns]
    near = [said for _, said in sorted(_nearness(known, columns) for known in Space.objects.all())[:3]]
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


def _narrow(user: Any, space: Space, asked: dict[str, str], semantic: dict) -> Narrowed:
    """The versions that the words leave. The requirement's own words give way, the user's filters never do."""
    own = {name: semantic[name] for name in ("task", "target") if semantic.get(name) and name not in asked}
    relaxed = []
    while True:
        used = {**own, **asked}
        versions = _search(user, space, used)
        searched = versions.order_by().count()
        if searched or not own:
            return Narrowed(versions, searched, used, relaxed)
        name, value = own.popitem()  # target first, then task
        if not _search(user, space, asked).exists():
            # Not the requirement's own words are to blame: the filters alone leave nothing.
            return Narrowed(versions, 0, used, relaxed)
        relaxed.append({
            "filter": name,
            "value": value,
            "message": f"No usable learnware of this space has {name} {value!r}, so it was not asked for.",
        })


def _search(user: Any, space: Space, used: dict[str, str]) -> VersionQuerySet:
    # Usable, latest: asked of the database at every search, so an index can not show what is gone.
    return catalog.search(user=user, space=space.pk, **used).latest().whole()


def _answer(requirement: Any, space: Space, narrowed: Narrowed, top: int) -> dict:
    hits = index.singles(space.pk, requirement.rkme, top=top, allowed=narrowed.few(), accept=narrowed.accept) if narrowed.searched else []
    versions = narrowed.whole([hit.version_id for hit in hits])
    hits = [hit for hit in hits if hit.version_id in versions]
    singles = [_single(rank, versions[hit.version_id], hit, requirement) for rank, hit in enumerate(hits, start=1)]
    return {
        "space": {"id": space.pk, "name": space.name},
        "searched": narrowed.searched,
        "filters": narrowed.used,
        "relaxed": narrowed.relaxed,
        "by_labels": requirement.rkme.labels is not None,
        "singles": singles,
        "mixture": _mixture(requirement, space, narrowed, hits, versions[hits[0].version_id] if hits else None),
        "advice": _advice(space, narrowed, singles, requirement),
    }


def _single(rank: int, version: Version, hit: index.Hit, requirement: Any) -> dict:
    squared_mmd, rkme = hit.value, hit.rkme
    coverage = float(specs.coverage(requirement.rkme, [rkme]))
    score = specs.score(requirement.rkme, rkme, coverage=coverage, squared_mmd=squared_mmd)
    columns = []
    if rank <= EXPLAINED:
        columns = [
            {"column": c.column, "squared_mmd": c.squared_mmd, "share": c.share, "requirement": c.requirement, "other": c.other}
            for c in specs.explain(requirement.rkme, rkme, requirement.space)
        ]
    sentences = [words.verdict(score), words.chance_sentence(score.p_value), words.coverage_sentence(coverage)]
    if columns and score.verdict != "indistinguishable":
        sentences.append(words.columns_sentence(columns))
    if requirement.rkme.labels is not None:
        sentences.append(words.labels_sentence(label_distance(requirement.rkme, rkme)))
    return {
        "rank": rank,
        **_named(version),
        "squared_mmd": squared_mmd,
        "mmd": words.mmd(squared_mmd),
        "unbiased": score.unbiased,
        "noise": score.noise,
        "p_value": score.p_value,
        "coverage": coverage,
        "verdict": score.verdict,
        "sentences": sentences,
        "columns": columns,
    }


def _mixture(requirement: Any, space: Space, narrowed: Narrowed, hits: list[index.Hit], best: Version | None) -> dict:
    """The mixture among the versions that answer the same question as the best single one."""
    nothing = {"squared_mmd": None, "mmd": None, "coverage": 0.0, "gap": None, "closer": None, "task": None,
               "target": None, "members": [], "sentences": ["No learnware is left to mix."]}
    if best is None:
        return nothing

    def accept(keys: Sequence[UUID]) -> set[UUID]:
        # A predictor is a mixture already, and does not nest.
        found = (version for start in range(0, len(keys), 500) for version in like.filter(pk__in=keys[start : start + 500]))
        return {version.pk for version in found if answers_like(version, best)}

    like = narrowed.versions.order_by().filter(task=best.task, target=best.target).exclude(format="predictor")
    allowed = list(accept(few)) if (few := narrowed.few()) is not None else None
    mixed = index.mixture(space.pk, requirement.rkme, allowed=allowed, accept=None if allowed is not None else accept, max_members=MAX_MEMBERS)
    versions = narrowed.whole([hit.version_id for hit in mixed.members])
    if not mixed.members or len(versions) < len(mixed.members):
        return nothing
    rkmes, weights = [hit.rkme for hit in mixed.members], [hit.value for hit in mixed.members]
    coverage = float(specs.coverage(requirement.rkme, rkmes, weights))
    nearest = min(hit.value for hit in hits)
    return {
        "squared_mmd": mixed.squared_mmd,
        "mmd": words.mmd(mixed.squared_mmd),
        "coverage": coverage,
        "gap": mixed.gap,
        "closer": nearest / mixed.squared_mmd if mixed.squared_mmd > 0 else None,
        "task": best.task,
        "target": best.target,
        "members": [{**_named(versions[hit.version_id]), "weight": hit.value} for hit in mixed.members],
        "sentences": [words.mixture_sentence(len(rkmes), mixed.squared_mmd, nearest, coverage), words.gap_sentence(mixed.squared_mmd, mixed.gap)],
    }


def answers_like(version: Version, other: Version) -> bool:
    """Whether two versions answer the same question, so that their outputs can stand together."""
    return (
        version.space_id == other.space_id
        and version.task == other.task
        and version.target == other.target
        and version.output.get("unit") == other.output.get("unit")
    )


def _named(version: Version) -> dict:
    return {
        "id": str(version.pk),
        "reference": version.reference,
        "title": version.title,
        "task": version.task,
        "target": version.target,
        "format": version.format,
        "licence": version.licence,
        "url": version.get_absolute_url(),
    }


def _advice(space: Space, narrowed: Narrowed, singles: list[dict], requirement: Any) -> list[str]:
    """What to do next when the answer is thin; empty when there is nothing to say."""
    if not narrowed.searched:
        if not Version.objects.latest().filter(space=space).exists():
            return [f"Nobody offers a usable learnware in the space {space.name!r} yet. Offer the first, or look again later."]
        said = ", ".join(f"{name} {value!r}" for name, value in narrowed.used.items())
        return [f"No usable learnware passes the filters ({said}). Take one away and search again."]
    if singles and singles[0]["verdict"] == "far" and singles[0]["coverage"] < 0.3:
        said = "Little of your data lies where any model has seen data: a model trained from scratch may well be better."
        return [f"{said} Reuse with labelled rows and method auto compares both."]
    if len(singles) > 1 and requirement.rkme.labels is not None:
        return ["Ranked by your labels too. A job with method ensemble/selected runs the best few on your labelled rows and takes the one that does best."]
    return []

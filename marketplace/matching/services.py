"""What a user does here: search the catalog with data."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

import specs
from marketplace.catalog import artifacts
from marketplace.catalog import services as catalog
from marketplace.catalog.models import Space, Version, VersionQuerySet
from marketplace.errors import Refused
from marketplace.matching import chance, index, words
from marketplace.matching.models import Match

FILTERS = ("task", "target", "licence", "format", "q")
MAX_MEMBERS = 8
MAX_TOP = 100
EXPLAINED = 10  # singles that are compared column by column


@dataclass
class Narrowed:
    """What the words leave of the catalog, and which of the requirement's own words had to give way."""

    versions: dict[UUID, Version]
    used: dict[str, str]
    relaxed: list[dict] = field(default_factory=list)


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
        versions = {version.pk: version for version in _search(user, space, used)}
        if versions or not own:
            return Narrowed(versions, used, relaxed)
        name, value = own.popitem()  # target first, then task
        if not _search(user, space, asked).exists():
            # Not the requirement's own words are to blame: the filters alone leave nothing.
            return Narrowed({}, used, relaxed)
        relaxed.append({
            "filter": name,
            "value": value,
            "message": f"No usable learnware of this space has {name} {value!r}, so it was not asked for.",
        })


def _search(user: Any, space: Space, used: dict[str, str]) -> VersionQuerySet:
    # Usable, latest: asked of the database at every search, so an index can not show what is gone.
    return catalog.search(user=user, space=space.pk, **used).latest().whole()


def _answer(requirement: Any, space: Space, narrowed: Narrowed, top: int) -> dict:
    hits = index.singles(space.pk, requirement.rkme, allowed=narrowed.versions.keys(), top=top)
    singles = [_single(rank, narrowed.versions[hit.version_id], hit, requirement) for rank, hit in enumerate(hits, start=1)]
    return {
        "space": {"id": space.pk, "name": space.name},
        "searched": len(narrowed.versions),
        "filters": narrowed.used,
        "relaxed": narrowed.relaxed,
        "singles": singles,
        "mixture": _mixture(requirement, space, narrowed, hits),
        "advice": _advice(space, narrowed, singles),
    }


def _single(rank: int, version: Version, hit: index.Hit, requirement: Any) -> dict:
    squared_mmd, rkme = hit.value, hit.rkme
    coverage = float(specs.coverage(requirement.rkme, [rkme]))
    word, sentence = words.verdict(squared_mmd, requirement.rkme, rkme, coverage)
    columns = []
    if rank <= EXPLAINED:
        columns = [
            {"column": c.column, "squared_mmd": float(c.squared_mmd), "requirement": c.requirement, "other": c.other}
            for c in specs.explain(requirement.rkme, rkme, requirement.space)
        ]
    sentences = [sentence, words.coverage_sentence(coverage)]
    if columns and word != "same":
        sentences.append(words.columns_sentence(columns))
    return {
        "rank": rank,
        **_named(version),
        "squared_mmd": squared_mmd,
        "mmd": words.mmd(squared_mmd),
        "noise": chance.noise(requirement.rkme, rkme),
        "chance": chance.chance(squared_mmd, requirement.rkme, rkme),
        "coverage": coverage,
        "verdict": word,
        "sentences": sentences,
        "columns": columns,
    }


def _mixture(requirement: Any, space: Space, narrowed: Narrowed, hits: list[index.Hit]) -> dict:
    """The mixture among the versions that answer the same question as the best single one."""
    best = narrowed.versions[hits[0].version_id] if hits else None
    # A predictor is a mixture already, and does not nest.
    allowed = [
        key for key, version in narrowed.versions.items()
        if best and answers_like(version, best) and version.format != "predictor"
    ]
    mixed = index.mixture(space.pk, requirement.rkme, allowed=allowed, max_members=MAX_MEMBERS)
    if best is None or not mixed.members:
        return {"squared_mmd": None, "mmd": None, "coverage": 0.0, "gap": None, "closer": None, "task": None,
                "target": None, "members": [], "sentences": ["No learnware is left to mix."]}
    rkmes, weights = [hit.rkme for hit in mixed.members], [hit.value for hit in mixed.members]
    coverage = float(specs.coverage(requirement.rkme, rkmes, weights))
    sentence = words.mixture_sentence(len(rkmes), mixed.squared_mmd, hits[0].value, coverage)
    return {
        "squared_mmd": mixed.squared_mmd,
        "mmd": words.mmd(mixed.squared_mmd),
        "coverage": coverage,
        "gap": mixed.gap,
        "closer": hits[0].value / mixed.squared_mmd if mixed.squared_mmd > 0 else None,
        "task": best.task,
        "target": best.target,
        "members": [{**_named(narrowed.versions[hit.version_id]), "weight": hit.value} for hit in mixed.members],
        "sentences": [sentence],
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


def _advice(space: Space, narrowed: Narrowed, singles: list[dict]) -> list[str]:
    """What to do next when the answer is thin; empty when there is nothing to say."""
    if not narrowed.versions:
        if not Version.objects.latest().filter(space=space).exists():
            return [f"Nobody offers a usable learnware in the space {space.name!r} yet. Offer the first, or look again later."]
        said = ", ".join(f"{name} {value!r}" for name, value in narrowed.used.items())
        return [f"No usable learnware passes the filters ({said}). Take one away and search again."]
    if singles and singles[0]["verdict"] == "far" and singles[0]["coverage"] < 0.3:
        said = "Little of your data lies where any model has seen data: a model trained from scratch may well be better."
        return [f"{said} Reuse with labelled rows and method auto compares both."]
    return []

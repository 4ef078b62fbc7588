"""What a user does here: search the catalog with data."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext_noop

import specs
from marketplace.catalog import artifacts, showing
from marketplace.catalog.models import Space, Version
from marketplace.matching import index, mixing, words
from marketplace.matching.mixing import MAX_MEMBERS, Choice
from marketplace.matching.models import Match
from marketplace.matching.narrowing import FILTERS, MAX_TOP, Narrowed, answers_like, known_space, most_of, narrow, read_filters, read_requirement, read_top
from marketplace.matching.wanting import ask_for, close, near_misses, requests_served_by, tell_of
from specs.labels import label_distance

__all__ = [
    "FILTERS", "MAX_MEMBERS", "MAX_TOP", "Choice", "Filtered", "answers_like", "ask_for", "check_top", "close", "known_space", "match", "most_of", "near_misses", "read_requirement",
    "remix", "requests_served_by", "rerank", "searched", "tell_of",
]
EXPLAINED = 10  # singles that are compared column by column


@dataclass(frozen=True)
class Filtered:
    """A match asked anew: the user's filters, and which of the requirement's own words (task, target) were taken away."""

    filters: dict[str, str]
    dropped: frozenset[str] = frozenset()
    top: int = 10

    @classmethod
    def of(cls, row: Match) -> "Filtered":
        """As the match was asked when it was made."""
        return cls(row.filters)

    def narrow(self, row: Match, user: Any) -> Narrowed:
        own = {name: value for name, value in row.semantic.items() if name not in self.dropped}
        return narrow(user, row.space, read_filters(self.filters), own)


def match(*, user: Any, specification: bytes | dict, filters: dict | None = None, top: int = 10) -> Match:
    """Rank single learnwares and solve a mixture for a requirement; the answer is kept as a row."""
    requirement = read_requirement(specification)
    asked = read_filters(filters)
    read_top(top, requirement.rkme.size)
    space = known_space(requirement.space, user)
    narrowed = narrow(user, space, asked, requirement.semantic)
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


def rerank(*, row: Match, user: Any, asked: Filtered) -> dict:
    """The answer of a match under other filters, as `match` stores it. Nothing is kept: the address that asks for it says it all."""
    requirement = showing.specification(row.specification_id)
    return _answer(requirement, row.space, asked.narrow(row, user), read_top(asked.top, requirement.rkme.size), sha256=row.specification_id)


def check_top(*, row: Match, top: int) -> None:
    """Refused where a match may not be asked for so many."""
    read_top(top, showing.specification(row.specification_id).rkme.size)


def searched(*, row: Match, user: Any) -> int:
    """How many learnwares this user's search would have looked through."""
    return Filtered.of(row).narrow(row, user).searched


def remix(*, row: Match, user: Any, asked: Filtered, choice: Choice) -> dict:
    """The mixture of a match without some learnwares and with some others, over all else that its filters leave."""
    requirement = showing.specification(row.specification_id)
    return mixing.mixture(requirement, row.space, asked.narrow(row, user), choice)


def _answer(requirement: Any, space: Space, narrowed: Narrowed, top: int, *, sha256: str = "") -> dict:
    hits = index.singles(space.pk, requirement.rkme, top=top, allowed=narrowed.few(), accept=narrowed.accept) if narrowed.searched else []
    versions = narrowed.whole([hit.version_id for hit in hits])
    hits = [hit for hit in hits if hit.version_id in versions]
    singles = [_single(rank, versions[hit.version_id], hit, requirement, sha256) for rank, hit in enumerate(hits, start=1)]
    advice = _advice(space, narrowed, singles, requirement)
    return {
        "space": {"id": space.pk, "name": space.name},
        "searched": narrowed.searched,
        "filters": narrowed.used,
        "relaxed": narrowed.relaxed,
        "by_labels": requirement.rkme.labels is not None,
        "singles": singles,
        "mixture": mixing.mixture(requirement, space, narrowed, hits=hits, versions=versions),
        "advice": [sentence % values for sentence, values in advice],
        "advice_parts": advice,
    }


def _single(rank: int, version: Version, hit: index.Hit, requirement: Any, sha256: str) -> dict:
    is_explained = rank <= EXPLAINED
    measured = _remembered(sha256, version.specification_id, is_explained) if sha256 else _measure(requirement, hit.rkme, is_explained, hit.value)
    return {"rank": rank, **mixing.named(version), **measured}


@lru_cache(maxsize=2048)
def _remembered(requirement_sha256: str, version_sha256: str, is_explained: bool) -> dict:
    """`_measure` of kept specifications: bytes never change, so neither does the answer, and other filters need not wait for it."""
    return _measure(showing.specification(requirement_sha256), showing.specification(version_sha256).rkme, is_explained)


def _measure(requirement: Any, rkme: Any, is_explained: bool, squared_mmd: float | None = None) -> dict:
    """All that two specifications say of each other: distance (where it is not known yet), score, coverage, columns where they are to be explained, and the same in words."""
    squared_mmd = specs.squared_mmd(requirement.rkme, rkme) if squared_mmd is None else squared_mmd
    coverage = float(specs.coverage(requirement.rkme, [rkme]))
    score = specs.score(requirement.rkme, rkme, coverage=coverage, squared_mmd=squared_mmd)
    columns = [
        {"column": c.column, "squared_mmd": c.squared_mmd, "share": c.share, "requirement": c.requirement, "other": c.other}
        for c in (specs.explain(requirement.rkme, rkme, requirement.space) if is_explained else [])
    ]
    measured = {
        "squared_mmd": squared_mmd,
        "mmd": words.mmd(squared_mmd),
        "unbiased": score.unbiased,
        "noise": score.noise,
        "p_value": score.p_value,
        "coverage": coverage,
        "share": score.share,
        "verdict": score.verdict,
        "columns": columns,
    }
    if requirement.rkme.labels is not None:
        apart = label_distance(requirement.rkme, rkme)
        measured["label_distance"] = float(apart) if isfinite(apart) else None  # JSON knows no infinity
    with translation.override("en"):  # what is kept is English; pages say it anew
        return measured | {"sentences": words.of_single(measured)}


def _advice(space: Space, narrowed: Narrowed, singles: list[dict], requirement: Any) -> list[tuple[str, dict[str, str]]]:
    """What to do next when the answer is thin, as English sentences and the values in them; empty when there is nothing to say."""
    if not narrowed.searched:
        if narrowed.is_space_empty:
            return [(gettext_noop("Nobody offers a usable learnware in the space %(space)s yet. Offer the first, or look again later."), {"space": repr(space.name)})]
        said = ", ".join(f"{name} {value!r}" for name, value in narrowed.used.items())
        return [(gettext_noop("No usable learnware passes the filters (%(filters)s). Take one away and search again."), {"filters": said})]
    if singles and singles[0]["verdict"] == "far" and singles[0]["coverage"] < 0.3:
        return [(gettext_noop("Little of your data lies where any model has seen data: a model trained from scratch may well be better. "
                              "Reuse with labelled rows and method auto compares both."), {})]
    if len(singles) > 1 and requirement.rkme.labels is not None:
        return [(gettext_noop("Ranked by your labels too. A job with method ensemble/selected runs the best few on your labelled rows and takes the one that does best."), {})]
    return []

"""The mixture for a requirement: the best there is, or the best that a user's choice of members leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.utils import translation

import specs
from marketplace.catalog import showing
from marketplace.catalog.models import Space, Version
from marketplace.matching import index, words
from marketplace.matching.narrowing import Narrowed
from specs.mixture import simplex
from specs.rkme import inner

MAX_MEMBERS = 8
MAX_INCLUDED = 8
LEAST = 0.05  # the weight that a member has at least when a user asked for it
NOTHING = {
    "squared_mmd": None, "mmd": None, "coverage": 0.0, "gap": None, "closer": None, "task": None, "target": None, "members": [],
    "sentences": ["No learnware is left to mix."],
}


@dataclass(frozen=True)
class Choice:
    """What a user takes out of a mixture, and what is to be in it whatever the distance says."""

    included: tuple[UUID, ...] = ()
    excluded: tuple[UUID, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.included or self.excluded)


def mixture(
    requirement: Any, space: Space, narrowed: Narrowed, choice: Choice | None = None, *, hits: list[index.Hit] | None = None, versions: Mapping[UUID, Version] | None = None,
) -> dict:
    """The mixture among the versions that answer the same question as the first hit that is not taken out.

    As the API answers it; with a choice each member also says whether it was `asked_for`. `hits` saves the search where the caller has made it, and
    `versions` the reading of their rows.
    """
    is_chosen, choice = choice is not None, choice or Choice()
    few = narrowed.few()
    left = None if few is None else [key for key in few if key not in choice.excluded]
    if hits is None:
        hits = _hits(requirement, space, narrowed, choice, left)
    versions = dict(versions or {})
    best = _whole(narrowed, versions, [hits[0].version_id]).get(hits[0].version_id) if hits else None
    if best is None:
        return dict(NOTHING)

    def accept(keys: Sequence[UUID]) -> set[UUID]:
        # Of thousands of rows only the two columns that decide are read.
        found = (row for start in range(0, len(keys), 500) for row in like.filter(pk__in=keys[start : start + 500]).values_list("pk", "manifest__output__unit"))
        return {pk for pk, unit in found if unit == best.output.get("unit")} - set(choice.excluded)

    # All that `answers_like` asks of two versions but the unit. A predictor is a mixture already, and does not nest.
    like = narrowed.mixable().filter(task=best.task, target=best.target).exclude(format="predictor")
    allowed = list(accept(left)) if left is not None else None
    mixed = index.mixture(space.pk, requirement.rkme, allowed=allowed, accept=None if allowed is not None else accept, max_members=MAX_MEMBERS)
    wanted = sorted(accept(list(choice.included[:MAX_INCLUDED])))
    versions = _whole(narrowed, versions, [*(hit.version_id for hit in mixed.members), *wanted])
    if not mixed.members or any(hit.version_id not in versions for hit in mixed.members):
        return dict(NOTHING)
    if wanted:
        mixed = with_at_least(requirement.rkme, mixed, {key: showing.specification(versions[key].specification_id).rkme for key in wanted})
    rkmes, weights = [hit.rkme for hit in mixed.members], [hit.value for hit in mixed.members]
    coverage = float(specs.coverage(requirement.rkme, rkmes, weights))
    nearest = min(hit.value for hit in hits)
    found = {
        "squared_mmd": mixed.squared_mmd,
        "mmd": words.mmd(mixed.squared_mmd),
        "coverage": coverage,
        "gap": None if wanted else mixed.gap,
        "closer": nearest / mixed.squared_mmd if mixed.squared_mmd > 0 else None,
        "nearest": nearest,
        "task": best.task,
        "target": best.target,
        "members": [
            {**named(versions[hit.version_id]), "weight": hit.value, **({"asked_for": hit.version_id in wanted} if is_chosen else {})} for hit in mixed.members
        ],
    }
    with translation.override("en"):  # what is kept is English; pages say it anew
        return found | {"sentences": words.of_mixture(found)}


def _whole(narrowed: Narrowed, held: Mapping[UUID, Version], keys: Sequence[UUID]) -> dict[UUID, Version]:
    """The rows that this request has read already, and the others of these."""
    missing = [key for key in keys if key not in held]
    return {**held, **(narrowed.whole(missing) if missing else {})}


def with_at_least(requirement: Any, mixed: index.Mixed, wanted: dict[UUID, Any], least: float = LEAST) -> index.Mixed:
    """The mixture of its members and the wanted ones in which each wanted one weighs at least `least`; heaviest first.

    With f the floor and w = f + (1 - |f|) v, v lies on the simplex again:
    ||mu - sum f_i mu_i - (1 - |f|) sum v_i mu_i||^2 is the same small quadratic problem with another right side.
    """
    held = {hit.version_id: hit.rkme for hit in mixed.members} | wanted
    rkmes = list(held.values())
    gram = np.array([[inner(a, b) for b in rkmes] for a in rkmes])
    cross = np.array([inner(requirement, rkme) for rkme in rkmes])
    floor = np.array([least if key in wanted else 0.0 for key in held])
    rest = 1.0 - floor.sum()
    w = floor + rest * simplex(rest**2 * gram, rest * (cross - gram @ floor))
    w = np.where(w > 1e-4, w, 0.0) / w[w > 1e-4].sum()
    squared = float(max(0.0, requirement.squared_norm + w @ gram @ w - 2.0 * w @ cross))
    hits = [index.Hit(key, rkme, float(weight)) for (key, rkme), weight in zip(held.items(), w, strict=True) if weight > 0]
    return index.Mixed(sorted(hits, key=lambda hit: (-hit.value, str(hit.version_id))), squared, 0.0)


def named(version: Version) -> dict:
    """How answers name a version."""
    return {
        "id": str(version.pk),
        "reference": version.reference,
        "title": version.title,
        "task": version.task,
        "target": version.target,
        "format": version.format,
        "licence": version.licence,
        "gated": version.learnware.is_gated,
        "url": version.get_absolute_url(),
    }


def _hits(requirement: Any, space: Space, narrowed: Narrowed, choice: Choice, left: list[UUID] | None) -> list[index.Hit]:
    def accept(keys: Sequence[UUID]) -> set[UUID]:
        return narrowed.accept(keys) - set(choice.excluded)

    return index.singles(space.pk, requirement.rkme, top=1, allowed=left, accept=accept) if narrowed.searched and left != [] else []

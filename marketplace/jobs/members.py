"""Which versions a job reuses: those of a match, or those that the user names."""

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from typing import Any
from uuid import UUID

from marketplace.catalog import access
from marketplace.catalog.models import Version
from marketplace.errors import Refused
from marketplace.jobs.models import ReuseMethod
from marketplace.matching.models import Match
from marketplace.matching.services import answers_like

NEAREST = 8  # singles that join a mixture as candidates, so that auto has something to choose from
LABELLED = 10  # models that a match by labels proposes to run
MAX_MEMBERS = 16


@dataclass(frozen=True)
class Chosen:
    version: Version
    weight: float  # in the mixture; 0: a candidate that only auto may pick


def of_match(match: Match, user: Any) -> list[Chosen]:
    """The mixture's members with their weights, and the nearest singles that answer the same question; all of them such as the user may use."""
    mixture = match.result["mixture"]
    weights = {UUID(member["id"]): member["weight"] for member in mixture["members"]}
    near = [UUID(single["id"]) for single in match.result["singles"]]
    versions = {key: version for key, version in _usable([*weights, *near], user, needed=weights).items() if can_be_member(version)}
    if match.result.get("by_labels"):
        # Inputs that look alike may hide other concepts: the labels' order proposes, and few are run.
        first = [key for key in near if key in versions][:LABELLED]
        if first:
            like = [key for key in first if answers_like(versions[key], versions[first[0]])]
            given = {key: weights.get(key, 0.0) for key in like}
            total = sum(given.values())
            return [Chosen(versions[key], weight / total if total else 1 / len(like)) for key, weight in given.items()]
    still = {key: weight for key, weight in weights.items() if key in versions}
    if not still:
        # Nothing of the mixture is left (or there was none): the nearest single that is left stands for it.
        first = next((key for key in near if key in versions), None)
        if first is None:
            raise Refused("nothing-to-reuse", "A job needs at least one usable model; this match has none (any more).",
                          hint="Search again with the same requirement. A predictor that was found is downloaded as it is.",
                          fields={"match": "No usable member."})
        still = {first: 1.0}
    lead = versions[max(still, key=still.get)]
    total = sum(still.values())
    chosen = [Chosen(versions[key], weight / total) for key, weight in still.items()]
    others = [key for key in near if key in versions and key not in still and answers_like(versions[key], lead)]
    return chosen + [Chosen(versions[key], 0.0) for key in others[:NEAREST]]


def named(entries: Any, user: Any) -> list[Chosen]:
    """The versions of [{"reference", "weight"}], weights made to sum to 1 (all left out: equal)."""
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_MEMBERS:
        raise _no(f"members must be a list of 1 to {MAX_MEMBERS} learnwares.", 'Write [{"reference": "owner/name@1.0.0", "weight": 1}].')
    weights: dict[str, float] = {}
    for entry in entries:
        reference, weight = _entry(entry)
        if reference in weights:
            raise _no(f"A member may be named once; {reference} stands there twice.", "Give it the sum of both weights.")
        weights[reference] = weight
    total = sum(weights.values())
    if total <= 0:
        raise _no("Weights must sum to more than 0.", "Leave them out for equal weights.")
    versions = {reference: _by_reference(reference, user) for reference in weights}
    return [Chosen(versions[reference], weight / total) for reference, weight in weights.items()]


def can_be_member(version: Version) -> bool:
    """A predictor holds models already, and does not nest."""
    return version.format != "predictor"


def agree(chosen: list[Chosen]) -> dict:
    """The output signature that all members share; Refused when they answer different questions.

    Classes may differ between members: the answer has the union, in order of first appearance.
    """
    first = chosen[0].version
    for other in (member.version for member in chosen[1:]):
        if other.space_id != first.space_id:
            raise _no(f"Members must stand in one space; {first} and {other} do not.", "Match with data: it finds members of one space.")
        if not answers_like(other, first):
            raise _no(f"Members must answer the same question; {first} answers {_question(first)}, {other} {_question(other)}.",
                      "Take members with the same task, target and unit.")
    output = dict(first.output)
    if output["kind"] == "classes":
        output["classes"] = list(dict.fromkeys(name for member in chosen for name in member.version.output["classes"]))
    return output


def fit_for(method: ReuseMethod, chosen: list[Chosen], *, were_named: bool) -> list[Chosen]:
    """The members a method can take: what the user named must fit as it is, what a match proposed is narrowed."""
    if method.kind == "finetune" and not any(member.version.format == "safetensors" for member in chosen):
        raise _no(f"{method.address} trains a safetensors model further; none of the members is one.", "Take auto or an ensemble method.")
    if not method.needs_family:
        return chosen
    lead = next((m.version for m in sorted(chosen, key=lambda m: -m.weight) if _origin(m.version)), None)
    family = [m for m in chosen if lead and (_origin(m.version) == _origin(lead) or m.version.pk == lead.base_id)]
    if not family or (were_named and len(family) < len(chosen)):
        raise _no(f"{method.address} merges models that were fine-tuned from one base; these were not.",
                  "Take auto or an ensemble method, or members that name the same base.")
    total = sum(member.weight for member in family)
    return [Chosen(m.version, m.weight / total if total else 1 / len(family)) for m in family]


def base_of(chosen: list[Chosen], user: Any) -> Version | None:
    """The one base that the members were fine-tuned from, where it is in the market, the user may use it, and it is not among them."""
    bases = {member.version.base for member in chosen if member.version.base_id}
    base = bases.pop() if len(bases) == 1 else None
    checked = (Version.Status.USABLE, Version.Status.WITHDRAWN)
    if base is None or base.status not in checked or base in {member.version for member in chosen}:
        return None
    if not Version.objects.usable_by(user).filter(pk=base.pk).exists():
        return None
    return base


def _origin(version: Version) -> tuple[str, str] | None:
    """What two versions must share to be merged: shapes and the declared base. None: it can not be merged."""
    if not version.merge_family or not version.manifest.get("base"):
        return None
    return version.merge_family, str(version.base_id or sorted(version.manifest["base"].items()))


def _entry(entry: Any) -> tuple[str, float]:
    if isinstance(entry, str):
        entry = {"reference": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("reference"), str) or set(entry) - {"reference", "weight"}:
        raise _no(f"A member must be an object with reference and weight; got {str(entry)[:60]!r}.",
                  'Write {"reference": "owner/name@1.0.0", "weight": 1}.')
    weight = entry.get("weight", 1.0)
    if weight is None:
        weight = 1.0
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight) or weight < 0:
        raise _no(f"A weight must be a number of at least 0; got {weight!r}.", "Leave it out for equal weights.")
    return entry["reference"].strip(), float(weight)


def _by_reference(reference: str, user: Any) -> Version:
    owner, slash, rest = reference.partition("/")
    name, at, number = rest.partition("@")
    found = None
    if slash and owner and name:
        versions = Version.objects.usable().visible_to(user).whole().filter(learnware__owner__username=owner, learnware__name=name)
        found = versions.filter(number=number).first() if at else versions.filter(is_latest=True).first()
    if found is not None and not can_be_member(found):
        raise _no(f"A member must be a model; {reference[:120]} is a predictor of several.", "Download it as it is, or reuse its parents.")
    if found is None:
        raise _no(f"A member must be a usable learnware, as owner/name@1.0.0; {reference[:120]!r} is none.",
                  "Look it up under /explore/, or take the members of a match.")
    access.insist(user, found)
    return found


def _usable(keys: list[UUID], user: Any, *, needed: Collection[UUID]) -> dict[UUID, Version]:
    """Those that the user may use. One that is needed and gated is refused by name; one that they may not see is as good as gone."""
    seen = {version.pk: version for version in Version.objects.usable().visible_to(user).whole().filter(pk__in=keys)}
    may = set(Version.objects.usable_by(user).filter(pk__in=seen).values_list("pk", flat=True))
    for key in needed:
        if key in seen and key not in may:
            raise access.gated(seen[key])
    return {key: version for key, version in seen.items() if key in may}


def _question(version: Version) -> str:
    unit = version.output.get("unit")
    return f"{version.task} of {version.target!r}" + (f" in {unit}" if unit else "")


def _no(message: str, hint: str) -> Refused:
    return Refused("bad-members", message, hint=hint, fields={"members": message})

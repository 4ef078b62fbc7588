"""The request board: models that are asked for, what comes near them now, and who hears of what comes."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.db.models import Max, Min
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, ngettext_lazy

import specs
from marketplace.accounts.notices import tell
from marketplace.catalog import artifacts, quota, showing
from marketplace.catalog.models import Change, Version, WrongState
from marketplace.errors import Refused
from marketplace.matching import index, words
from marketplace.matching.models import Match, Wanted
from marketplace.matching.narrowing import Narrowed, known_space, narrow, read_requirement
from specs.scores import Score
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)
MOST_OPEN = 20  # requests of one person
NEAR_MISSES = 5
KEPT_S = 3600
NEARER = 0.9  # of what was nearest when it was asked: a hair nearer is no news
HELD = 500  # open requests of a space that a version is held against
TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Near:
    """A learnware beside a request: its score, what part of the request's data it covers, and the verdict in words."""

    version: Version
    score: Score
    coverage: float

    @property
    def mmd(self) -> float:
        return words.mmd(self.score.squared_mmd)

    @property
    def verdict_words(self) -> str:
        return words.VERDICTS[self.score.verdict]

    @property
    def sentence(self) -> str:
        return words.verdict(self.score)


@dataclass(frozen=True)
class Served:
    wanted: Wanted
    near: Near


def ask_for(
    *, owner: Any, title: str, task: str, target: str, words: str = "", unit: str = "", is_anonymous: bool = False, match: Match | None = None,
    specification: bytes | dict | None = None,
) -> Wanted:
    """Publish a requirement as an open request and return it. It comes from a match of the owner's, or as a document.

    What is published is the space, the points and their weights: names, descriptions and labels of the requirement are taken off.
    """
    if (match is None) == (specification is None):
        raise Refused("bad-request", "A request needs a match or a specification, one of the two.", fields={"match": "Give match or specification."})
    if match is not None and match.owner_id != owner.pk:
        raise Refused("not-yours", "Only who brought a requirement may publish it.", hint="Match with your own specification, signed in, and ask from there.", status=403)
    title, task, target = title.strip(), task.strip(), target.strip()
    wrong = {name: "Fill this in." for name, value in (("title", title), ("target", target)) if not value}
    if task not in TASKS:
        wrong["task"] = f"One of {', '.join(TASKS)}."
    if wrong:
        raise Refused("wrong-fields", "A request says what it is called, its task and what should be predicted.", fields=wrong)
    came = showing.specification(match.specification_id) if match is not None else read_requirement(specification)
    space = known_space(came.space, owner)
    stored = artifacts.put(published(came, task, target))
    try:
        with transaction.atomic():
            # The lock on the owner's row makes count and insert one step; SQLite's IMMEDIATE does so anyway.
            get_user_model().objects.select_for_update().get(pk=owner.pk)
            if Wanted.objects.open().filter(owner=owner).count() >= MOST_OPEN:
                raise Refused("too-many-requests-open", f"A person may have {MOST_OPEN} open requests; you have as many.", hint="Close one first.", status=409)
            quota.insist(owner, {stored.sha256: stored.size})
            wanted = Wanted.objects.create(
                owner=owner, match=match, space=space, specification=artifacts.row(stored), title=title, words=words.strip(), task=task, target=target,
                unit=unit.strip() if task == "regression" else "", is_anonymous=is_anonymous, looked=_last_change(space.pk),
            )
    except BaseException:
        artifacts.drop(stored)
        raise
    nearest = _nearest_public(wanted)
    Wanted.objects.filter(pk=wanted.pk).update(before=nearest, nearest=nearest)
    wanted.before = wanted.nearest = nearest
    return wanted


def published(came: specs.Specification, task: str, target: str) -> bytes:
    """The bytes that everybody may see of a requirement."""
    rkme = came.rkme
    bare = specs.Rkme(points=rkme.points, weights=rkme.weights, sigma=rkme.sigma, n=rkme.n, space_id=rkme.space_id, fit=rkme.fit, generator=rkme.generator)
    return specs.Specification(came.space, bare, {"task": task, "target": target}).to_bytes()


def close(wanted: Wanted, by: Any, met_by: Version | None = None) -> Wanted:
    """End a request: it is met by a learnware, or nobody needs it any more."""
    if wanted.owner_id != by.pk and not by.is_staff:
        raise Refused("not-yours", "Only who asked may close a request.", status=403)
    if met_by is not None and met_by.space_id != wanted.space_id:
        raise Refused("other-space", f"A request is met by a learnware of its own space; {met_by.reference} stands in another.",
                      hint="Name one of the near misses.", fields={"met_by": "Other space."})
    if met_by is not None and met_by.status != Version.Status.USABLE:
        raise Refused("not-usable", f"A request is met by a usable learnware; {met_by.reference} is {met_by.get_status_display()}.", fields={"met_by": "Not usable."})
    try:
        wanted.meet(met_by) if met_by is not None else wanted.close()
    except WrongState as error:
        raise Refused("request-is-over", str(error), status=409) from error
    if met_by is not None and met_by.learnware.owner_id != wanted.owner_id:
        tell(met_by.learnware.owner, "request-met", format_lazy(gettext_lazy("{reference} met the request “{title}”."), reference=met_by.reference, title=wanted.title), wanted.get_absolute_url())
    return wanted


def named(reference: str, user: Any) -> Version:
    """The version `owner/name@number` (without a number the latest) among those that the user may see, or Refused."""
    owner, _, rest = reference.partition("/")
    name, at, number = rest.partition("@")
    versions = Version.objects.visible_to(user).whole().filter(learnware__owner__username=owner, learnware__name=name)
    found = None if "\0" in reference else (versions.filter(number=number) if at else versions.filter(is_latest=True)).first()
    if found is None:
        raise Refused("unknown-learnware", f"A request is met by a learnware of this market; {reference[:120]!r} is none.",
                      hint="Write it as owner/name@1.0.0.", fields={"met_by": "Unknown."})
    return found


def near_misses(wanted: Wanted, user: Any, most: int = NEAR_MISSES) -> list[Near]:
    """The nearest usable learnwares that this reader may see, nearest first. Kept until the catalog's next change, and asked of the database each time."""
    return near_misses_of([wanted], user, most)[wanted.pk]


def near_misses_of(rows: list[Wanted], user: Any, most: int = NEAR_MISSES) -> dict[UUID, list[Near]]:
    """`near_misses` of several requests: one look into the cache, one question to the database."""
    who = user.pk if user is not None and user.is_authenticated else 0
    last = dict(Change.objects.filter(space__in={row.space_id for row in rows}).values_list("space_id").annotate(last=Max("id")).values_list("space_id", "last"))
    keys = {row.pk: f"near/{row.pk}/{last.get(row.space_id, 0)}/{who}" for row in rows}
    kept = cache.get_many(list(keys.values()))
    fresh = {}
    for row in rows:
        if keys[row.pk] not in kept:
            fresh[keys[row.pk]] = [str(hit.version_id) for hit in _hits(row, _among(row, user), NEAR_MISSES)]
    if fresh:
        cache.set_many(fresh, KEPT_S)
    named = {pk: [UUID(text) for text in (kept | fresh)[key]][:most] for pk, key in keys.items()}
    everything = {version_id for ids in named.values() for version_id in ids}
    versions = {v.pk: v for v in Version.objects.latest().visible_to(user).whole().filter(pk__in=everything)}
    return {row.pk: [near for version_id in named[row.pk] if version_id in versions and (near := beside(row, versions[version_id]))] for row in rows}


def requests_served_by(version: Version, *, most: int = HELD) -> list[Served]:
    """The open requests that this version would serve, best served first: it is close to their data, or it fits in part and stands clearly nearer
    than what there was when they were asked."""
    rows = Wanted.objects.open().whole().filter(space_id=version.space_id, task=version.task, target=version.target)[:most]
    unit = version.output.get("unit") or ""
    found = [Served(row, near) for row in rows if row.unit in ("", unit) and (near := beside(row, version)) and serves(row, near)]
    return sorted(found, key=lambda served: served.near.score.squared_mmd)


def serves(wanted: Wanted, near: Near) -> bool:
    """Whether a learnware is what a request waits for."""
    score = near.score
    if score.verdict in ("indistinguishable", "close"):
        return True
    if score.verdict == "far" or near.version.created < wanted.created:
        return False
    return wanted.before is None or score.squared_mmd <= NEARER * wanted.before


def beside(wanted: Wanted, version: Version) -> Near | None:
    """How a version stands to a request; None where a specification can not be read."""
    try:
        return Near(version, *_compared(wanted.specification_id, version.specification_id))
    except (ArtifactMissing, ArtifactDamaged, specs.SpecError) as error:
        log.warning("request %s and version %s can not be compared: %s", wanted.pk, version.pk, error)
        return None


def tell_of(version: Version) -> int:
    """Tell whoever waits for such a model that it is there, and its owner whom it would serve; returns how many requests it serves. Each is told once."""
    if version.status != Version.Status.USABLE or not version.is_latest:
        return 0
    served = requests_served_by(version)
    for row in served:
        if row.wanted.owner_id == version.learnware.owner_id or not _may_see(version, row.wanted.owner):
            continue
        with transaction.atomic():
            if not _first_time(row.wanted, version):
                continue
            tell(row.wanted.owner, "request-served", format_lazy(gettext_lazy("{reference} may be the model that you asked for: “{title}”."), reference=version.reference, title=row.wanted.title), row.wanted.get_absolute_url())
    others = [row for row in served if row.wanted.owner_id != version.learnware.owner_id]
    if others:
        _tell_owner(version, others)
    return len(served)


def look(space_id: str | None = None) -> int:
    """Hold open requests against what has changed since they were last looked at; returns how many versions were."""
    open_rows = Wanted.objects.open().filter(**({"space_id": space_id} if space_id else {}))
    looked_at = 0
    for space, since in open_rows.order_by().values_list("space_id").annotate(since=Min("looked")).values_list("space_id", "since"):
        last = _last_change(space)
        if last <= since:
            continue
        changed = Change.objects.filter(space_id=space, id__gt=since).values_list("version_id", flat=True)
        for version in Version.objects.latest().whole().filter(pk__in=list(changed.distinct())):
            tell_of(version)
            looked_at += 1
        for row in open_rows.filter(space_id=space, looked__lt=last):
            Wanted.objects.filter(pk=row.pk).update(looked=last, nearest=_nearest_public(row))
    return looked_at


@lru_cache(maxsize=8192)
def _compared(wanted_sha256: str, version_sha256: str) -> tuple[Score, float]:
    """Score and coverage of two specifications; bytes never change, so neither does the answer."""
    mine, theirs = showing.specification(wanted_sha256).rkme, showing.specification(version_sha256).rkme
    coverage = float(specs.coverage(mine, [theirs]))
    return specs.score(mine, theirs, coverage=coverage), coverage


def _among(wanted: Wanted, user: Any) -> Narrowed:
    """What answers the request's question; where nothing does, what stands in its space."""
    return narrow(user, wanted.space, {}, {"task": wanted.task, "target": wanted.target})


def _hits(wanted: Wanted, among: Narrowed, top: int) -> list[index.Hit]:
    if not among.searched:
        return []
    try:
        rkme = showing.specification(wanted.specification_id).rkme
    except (ArtifactMissing, ArtifactDamaged, specs.SpecError) as error:
        log.error("the specification of request %s can not be read: %s", wanted.pk, error)
        return []
    return index.singles(wanted.space_id, rkme, top=top, allowed=among.few(), accept=among.accept)


def _nearest_public(wanted: Wanted) -> float | None:
    """Squared MMD of the nearest learnware that everybody may see and that answers the question; None where nobody has one."""
    among = _among(wanted, None)
    hits = _hits(wanted, among, 1) if not among.relaxed else []
    return hits[0].value if hits else None


def _last_change(space_id: str) -> int:
    return Change.objects.filter(space_id=space_id).aggregate(last=Max("id"))["last"] or 0


def _may_see(version: Version, user: Any) -> bool:
    return Version.objects.visible_to(user).filter(pk=version.pk).exists()


def _first_time(wanted: Wanted, version: Version) -> bool:
    """Whether this pair is new; of two workers, one is told so."""
    told = Wanted.told.through
    _, is_new = told.objects.get_or_create(wanted_id=wanted.pk, version_id=version.pk)
    return is_new


def _tell_owner(version: Version, served: list[Served]) -> None:
    owner, count = version.learnware.owner, len(served)
    address = version.get_absolute_url()
    if owner.notifications.filter(kind="serves-requests", address=address).exists():
        return
    said = ngettext_lazy("{reference} would serve {count} open request.", "{reference} would serve {count} open requests.", count)
    tell(owner, "serves-requests", format_lazy(said, reference=version.reference, count=count), address)

"""Searches that nobody signed in for are forgotten with time; a person's own stay with the account, and count towards its room."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from marketplace.catalog.models import Artifact
from marketplace.matching.models import Match

log = logging.getLogger(__name__)
AT_ONCE = 500  # rows of one transaction: a table that grew for months must not hold up writers


def kept_until(row: Match) -> datetime | None:
    """When a match is forgotten; none: it stays as long as its owner, or for the job that was made of it."""
    return None if row.owner_id or row.jobs.exists() else row.created + timedelta(days=settings.MATCH_DAYS)


def prune() -> int:
    """Delete the anonymous matches that no job was made of and that are too old, and the oldest where all of them take too much; returns how many. The sweeper takes their bytes."""
    nobodys = Match.objects.filter(owner=None, jobs=None).order_by("created")
    count = 0
    while some := list(nobodys.filter(created__lt=timezone.now() - timedelta(days=settings.MATCH_DAYS)).values_list("pk", flat=True)[:AT_ONCE]):
        if not (gone := _delete(some)):
            break
        count += gone
    while (over := _taken() - settings.MATCH_BYTES) > 0:
        oldest, some = nobodys.values_list("pk", "specification__size")[:AT_ONCE], []
        for pk, size in oldest:
            some.append(pk)
            over -= size
            if over <= 0:
                break
        if not (gone := _delete(some)):
            break
        count += gone
    if count:
        log.info("pruned %s matches that nobody signed in for", count)
    return count


def _delete(some: list[UUID]) -> int:
    """Asked again as they go: a job may have been made of one since."""
    return Match.objects.filter(pk__in=some, jobs=None).delete()[0]


def _taken() -> int:
    """Bytes that requirements of nobody's searches take in the store."""
    return Artifact.objects.filter(pk__in=Match.objects.filter(owner=None, jobs=None).values("specification")).aggregate(n=Sum("size"))["n"] or 0

"""Searches that nobody signed in for are forgotten with time; a person's own stay with the account, and count towards its room."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from marketplace.matching.models import Match

log = logging.getLogger(__name__)
AT_ONCE = 500  # rows of one transaction: a table that grew for months must not hold up writers


def kept_until(row: Match) -> datetime | None:
    """When a match is forgotten; none: it stays as long as its owner, or for the job that was made of it."""
    return None if row.owner_id or row.jobs.exists() else row.created + timedelta(days=settings.MATCH_DAYS)


def prune() -> int:
    """Delete the anonymous matches that are too old and that no job was made of; returns how many. The sweeper takes their bytes."""
    old = Match.objects.filter(owner=None, created__lt=timezone.now() - timedelta(days=settings.MATCH_DAYS), jobs=None).order_by("created")
    count = 0
    while some := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        # Asked again as they go: a job may have been made of one since.
        gone = Match.objects.filter(pk__in=some, jobs=None).delete()[0]
        count += gone
        if not gone:
            break
    if count:
        log.info("pruned %s matches that nobody signed in for", count)
    return count

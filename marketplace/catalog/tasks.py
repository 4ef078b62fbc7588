"""Celery's door to the checks."""

import logging
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import connection
from django.db.models import Q

from marketplace import leases
from marketplace.broker import NO_BELL
from marketplace.catalog.models import Version

log = logging.getLogger(__name__)
AT_ONCE = 50
WAIT_S = 30
LEASE_S = 180  # of a check: longer than the sandbox lets one run


@shared_task(time_limit=900)
def check_learnware(version_id: str) -> None:
    from marketplace.catalog import worker  # starts the sandbox, which the web does without

    worker.check(UUID(version_id))


@shared_task
def reap() -> None:
    """Ring again for checks that no worker finished: their lease has run out, or nobody ever came. What took its worker down three times is refused."""
    from marketplace.catalog import worker  # the sandbox's side of it: only workers reap

    checking = Version.objects.filter(status=Version.Status.CHECKING).order_by("created")
    for pk in checking.filter(leases.lapsed(LEASE_S), attempts__gte=settings.JOB_MAX_ATTEMPTS).values_list("pk", flat=True)[:AT_ONCE]:
        worker.give_up(pk)
    waiting = checking.filter(leases.lapsed(LEASE_S) | (Q(lease_until=None) & leases.since("created", WAIT_S)))
    for pk in waiting.values_list("pk", flat=True)[:AT_ONCE]:
        ring(pk, expires=settings.JOB_REAP_EVERY_S)


@shared_task
def sweep() -> None:
    """Delete the bytes that nothing refers to, and uploads and drafts whose time is over."""
    from marketplace.catalog import artifacts, uploading

    if swept := artifacts.sweep():
        log.info("swept %s artifacts", swept)
    if swept := uploading.sweep():
        log.info("swept %s uploads and drafts", swept)


def ring(version_id: UUID, *, expires: float | None = None) -> None:
    """Tell the workers. A broker that is down is no reason to fail: `reap` rings again."""
    try:
        check_learnware.apply_async([str(version_id)], expires=expires, retry=False)
    except NO_BELL as error:
        log.warning("no doorbell for version %s (%s); the reaper will ring", version_id, error)


@shared_task
def count_rows() -> None:
    """Let SQLite count what its planner would guess: without, it takes "usable" for a rare status and reads a whole catalog to find one page."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA analysis_limit = 1000")
            cursor.execute("ANALYZE")


@shared_task
def lay_out_map() -> None:
    """Place what is new on the map; several doorbells at once are one visit."""
    from marketplace.catalog import mapping

    if moved := mapping.lay_out():
        log.info("the map: %s learnwares placed or moved", moved)


def redraw_map() -> None:
    """Ask for the map to be brought level. A broker that is down is no reason to fail: the clock asks again."""
    try:
        lay_out_map.apply_async(expires=settings.MAP_EVERY_S, retry=False)
    except NO_BELL as error:
        log.warning("no doorbell for the map (%s); the clock will ring", error)

"""Celery's door to the request board (who hears of a model that has come), and to old searches that are forgotten."""

import logging
from uuid import UUID

from celery import shared_task

from marketplace.broker import NO_BELL
from marketplace.catalog.models import Version

log = logging.getLogger(__name__)


@shared_task(time_limit=600)
def tell_of(version_id: str) -> None:
    from marketplace.matching import wanting

    version = Version.objects.whole().filter(pk=UUID(version_id)).first()
    if version is not None:
        wanting.tell_of(version)


@shared_task(time_limit=600)
def look() -> None:
    """Hold open requests against what changed: also what no doorbell told of."""
    from marketplace.matching import wanting

    if count := wanting.look():
        log.info("held open requests against %s versions", count)


@shared_task(time_limit=600)
def prune() -> None:
    """Forget searches that nobody signed in for."""
    from marketplace.matching import pruning

    pruning.prune()


def ring(version_id: UUID) -> None:
    """Tell the workers. A broker that is down is no reason to fail: `look` finds the change again."""
    try:
        tell_of.apply_async([str(version_id)], retry=False)
    except NO_BELL as error:
        log.warning("no doorbell for version %s (%s); the next look will find it", version_id, error)

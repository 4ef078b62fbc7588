"""Celery's door to letters, and to what grows old."""

import logging
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


@shared_task(time_limit=120)
def deliver(letter_id: str) -> None:
    from marketplace.accounts import mailing

    try:
        mailing.send(UUID(letter_id))
    except OSError as error:  # a mail server that is not there, or says no: smtplib's errors are all of this family
        log.warning("letter %s was not sent (%s: %s); it is tried again", letter_id, type(error).__name__, error)


@shared_task
def post() -> None:
    """Ring again for letters that nobody has sent."""
    from marketplace.accounts import mailing

    for pk in mailing.waiting():
        ring(pk)


@shared_task(time_limit=600)
def prune() -> None:
    """Forget what is too old: notices, codes of devices, sessions, tokens that ended long ago, counts of wrong tries, letters that never went."""
    from marketplace.accounts import pruning

    pruning.prune()


def ring(letter_id: UUID) -> None:
    """Tell the workers. A broker that is down is no reason to fail: `post` rings again."""
    try:
        deliver.apply_async([str(letter_id)], retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no doorbell for letter %s (%s); the clock will ring", letter_id, error)

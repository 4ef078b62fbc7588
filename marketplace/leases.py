"""Leases of rows that workers hold: written and judged by the clock of the database.

A worker whose own clock is wrong takes nothing from the others and holds nothing for too long; inside a process, time is measured by `time.monotonic`. Where the
database's clock itself is set back, a lease would lie in a far future: one that lies further ahead than any lease can is as good as over.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

AHEAD_S = 60  # so far may clocks disagree before a time in the future counts as wrong


def until(seconds: float) -> Any:
    """The end of a lease that is taken or held now."""
    return Now() + timedelta(seconds=seconds)


def lapsed(seconds: float) -> Q:
    """Rows whose `lease_until` is over, of leases that last so many seconds."""
    return Q(lease_until__lt=Now()) | Q(lease_until__gt=Now() + timedelta(seconds=2 * seconds + AHEAD_S))


def since(field: str, seconds: float) -> Q:
    """Rows whose time in `field` is so many seconds ago; or in the future, where it was written by a clock that ran ahead."""
    return Q(**{f"{field}__lt": Now() - timedelta(seconds=seconds)}) | Q(**{f"{field}__gt": Now() + timedelta(seconds=AHEAD_S)})

"""When an attempt is foreseen to end, by its pace so far."""

from datetime import datetime, timedelta

from django.utils import timezone

ETA_FROM = 0.15  # of the work; before, its pace says little
ETA_FROM_ONE = 0.45  # where one method was asked for, most of the time goes into its first steps
ETA_AFTER_S = 3.0
ETA_MOVES = 0.3  # how far one report may pull the end that was foreseen towards what the pace now says


def foreseen(progress: float, *, started: datetime | None, ends: datetime | None, one_method: bool) -> datetime | None:
    """The end at the pace so far, pulled only a part of the way from what was foreseen before (`ends`): stages differ in pace, and a time that jumps is no help.

    None while it would be a guess.
    """
    now = timezone.now()
    elapsed = (now - started).total_seconds() if started else 0.0
    if progress < (ETA_FROM_ONE if one_method else ETA_FROM) or elapsed < ETA_AFTER_S:
        return None
    by_pace = now + timedelta(seconds=elapsed * (1 - progress) / progress)
    return by_pace if ends is None or ends < now else ends + ETA_MOVES * (by_pace - ends)

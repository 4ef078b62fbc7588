"""What attempts at a row leave behind: the lease while one lasts, the log when it is over, the error after the last."""

from datetime import datetime
from typing import Any

from django.conf import settings

from marketplace import leases

WORKER_LOST = "worker lost"


def lease() -> Any:
    """The end of a lease that a worker takes or holds now."""
    return leases.until(settings.JOB_LEASE_S)


def closed(log: list[dict], reason: str, now: datetime) -> list[dict]:
    """The log with its open entry, if there is one, ended for a reason."""
    return [entry if entry["ended"] else {**entry, "ended": now.isoformat(), "reason": reason} for entry in log]


def poison(attempts: int, reason: str) -> dict:
    """The error of what took its worker down each time that it was tried."""
    return {
        "code": "poison",
        "message": f"The job took its worker down {attempts} times ({reason}) and is not tried again.",
        "hint": "Try another method, or fewer members; the attempts are listed on the job.",
    }

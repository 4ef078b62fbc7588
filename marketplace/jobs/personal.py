"""A person's jobs and trials: what they take along, and that they go with them (marketplace/accounts/personal.py)."""

from typing import Any

from marketplace.accounts.models import User
from marketplace.jobs.models import ReuseJob, Trial

HELD = {
    "jobs.ReuseJob.owner": ("jobs", "stopped and deleted; so are its rows and its result"),
    "jobs.Trial.owner": ("trials", "deleted"),
}


def collect(user: User) -> dict[str, Any]:
    """The results of the person's jobs, with their digests and where to download them."""
    done = ReuseJob.objects.filter(owner=user, result__isnull=False).select_related("result").order_by("pk")
    return {"results": [{"job": job.pk, "sha256": job.result.sha256, "size": job.result.size, "download": f"/api/v1/jobs/{job.pk}/result"} for job in done]}


def stays(user: User) -> list[str]:
    return []


def leave(user: User) -> None:
    """A worker that runs one of them finds its row gone, and stops; the bytes are swept when nothing refers to them."""
    Trial.objects.filter(owner=user).delete()
    ReuseJob.objects.filter(owner=user).delete()

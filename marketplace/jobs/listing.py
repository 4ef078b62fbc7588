"""The list of somebody's jobs, narrowed by state, target and words; every filter stands in the address."""

from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from marketplace.jobs.models import ReuseJob

FILTERS = {"state": "queued, running, done, failed or cancelled", "target": "What the predictor predicts.", "q": "Words of the method, the target, or the beginning of the id."}


def read(asked: Any) -> dict[str, str]:
    """The filters that an address holds, without the empty ones; a state that is none is as good as left out."""
    found = {key: str(asked.get(key, "")).strip()[:120] for key in FILTERS}
    if found["state"] not in ReuseJob.Status.values:
        found["state"] = ""
    return {key: value for key, value in found.items() if value and "\0" not in value}


def narrowed(jobs: QuerySet[ReuseJob], asked: dict[str, str]) -> QuerySet[ReuseJob]:
    if "state" in asked:
        jobs = jobs.filter(status=asked["state"])
    if "target" in asked:
        jobs = jobs.filter(target=asked["target"])
    for word in asked.get("q", "").split()[:10]:
        jobs = jobs.filter(Q(method__icontains=word) | Q(target__icontains=word) | _by_id(word))
    return jobs


def _by_id(word: str) -> Q:
    """Jobs whose id begins so. Databases keep ids in forms of their own, so the beginning is a range."""
    digits = word.lower().replace("-", "")
    if len(digits) < 4 or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        return Q(pk__in=[])
    return Q(pk__range=(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))))


def choices(jobs: QuerySet[ReuseJob]) -> dict[str, list[tuple[str, int]]]:
    """What one may narrow by, each with how many jobs have it."""
    def counted(name: str) -> list[tuple[str, int]]:
        return list(jobs.order_by().values_list(name).annotate(n=Count("pk")).order_by("-n", name)[:50])

    return {"state": counted("status"), "target": [(target, n) for target, n in counted("target") if target]}


def score(job: ReuseJob) -> dict[str, Any] | None:
    """{"metric", "score", "low", "high"} of a job that was measured: nested where that was done, else of the chosen line."""
    board = job.evidence.get("leaderboard") or []
    found = job.evidence.get("nested") or next((row for row in board if row.get("chosen")), None)
    return {"metric": job.evidence.get("metric"), **{key: found.get(key) for key in ("score", "low", "high")}} if found else None

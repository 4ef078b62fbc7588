"""Numbers for Prometheus: what the processes of this machine counted, and what the database says when it is asked.

Requests and refusals are counted where they happen, in files that all processes of a machine share (MOORAGE_HOME/metrics, prometheus_client's multiprocess mode). Queues, jobs and
indexes are rows: they are read at each scrape, so that every web machine says the same.
"""

import ipaddress
import os
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, F, Max, Min
from django.db.models.fields.json import KeyTextTransform
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

# Before the library is loaded: it decides at its import whether processes share their numbers.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(settings.HOME / "metrics"))
os.makedirs(os.environ["PROMETHEUS_MULTIPROC_DIR"], exist_ok=True)

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest  # noqa: E402
from prometheus_client.core import GaugeMetricFamily  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402

REQUESTS = Histogram("moorage_request_seconds", "How long requests took, by route, method and status.", ["route", "method", "status"],
                     buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
REFUSALS = Counter("moorage_refusals_total", "Answers of the API that say no, by reason code and status.", ["code", "status"])
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
RECENT = timedelta(hours=1)
KILLED = {"model-crashed", "out-of-memory", "out-of-time", "check-failed", "poison"}


class Measured:
    """Middleware: the time of every request, under the route that it took, never under its address, which anybody can make up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = (match.route or "/") if match else "static" if request.path.startswith(settings.STATIC_URL) else "unknown"
        REQUESTS.labels(route, request.method if request.method in METHODS else "OTHER", str(response.status_code)).observe(time.perf_counter() - began)
        return response


def refused(code: str, status: int) -> None:
    """Count an answer that says no."""
    REFUSALS.labels(code, str(status)).inc()


@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """The numbers, for whoever has the token (MOORAGE_METRICS_TOKEN) or asks from this machine itself; nobody else learns that they are there."""
    if not _may_read(request):
        raise Http404
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(Market())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if wanted := settings.METRICS_TOKEN:
        came = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return secrets.compare_digest(came.encode(), wanted.encode())
    try:
        is_here = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    # What a proxy passes on comes from this machine too, but says for whom.
    return is_here and not any(name in request.headers for name in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"))


class Market:
    """A collector that asks the database."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._jobs()
        yield from self._queues()
        yield from self._indexes()

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        from marketplace.catalog.models import Version
        from marketplace.jobs.models import ReuseJob

        yield _gauge("moorage_jobs", "Jobs by status.", ["status"], {(row["status"],): row["n"] for row in ReuseJob.objects.order_by().values("status").annotate(n=Count("pk"))})
        ended = ReuseJob.objects.order_by().filter(ended__gt=timezone.now() - RECENT, started__isnull=False).values("method", "status")
        times = list(ended.annotate(n=Count("pk"), mean=Avg(F("ended") - F("started")), most=Max(F("ended") - F("started"))))
        for name, words, value in (("count", "Jobs that ended within the hour.", lambda row: row["n"]), ("mean_seconds", "Their mean duration.", lambda row: row["mean"].total_seconds()),
                                   ("longest_seconds", "Their longest duration.", lambda row: row["most"].total_seconds())):
            yield _gauge(f"moorage_jobs_ended_hour_{name}", words, ["method", "status"], {(row["method"], row["status"]): value(row) for row in times})
        codes = ReuseJob.objects.order_by().filter(status=ReuseJob.Status.FAILED).annotate(code=KeyTextTransform("code", "error")).values("code").annotate(n=Count("pk"))
        failed = {str(row["code"]): row["n"] for row in codes}
        yield _gauge("moorage_jobs_failed", "Jobs that failed, by reason code.", ["code"], {(code,): n for code, n in failed.items()})
        yield _gauge("moorage_versions", "Versions by status.", ["status"], {(row["status"],): row["n"] for row in Version.objects.order_by().values("status").annotate(n=Count("pk"))})
        codes = Version.objects.order_by().filter(status=Version.Status.REFUSED).annotate(code=KeyTextTransform("code", "refusal")).values("code").annotate(n=Count("pk"))
        refused = {str(row["code"]): row["n"] for row in codes}
        yield _gauge("moorage_versions_refused", "Versions that their check refused, by reason code.", ["code"], {(code,): n for code, n in refused.items()})
        killed = {(where, code): n for where, codes in (("check", refused), ("job", failed)) for code, n in codes.items() if code in KILLED}
        yield _gauge("moorage_sandbox_kills", "Models that were stopped: crashed, out of time or memory, or the end of their worker.", ["during", "code"], killed)

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        from marketplace.catalog.models import Version
        from marketplace.jobs.models import ReuseJob, Trial

        now, waiting = timezone.now(), {
            "jobs": ReuseJob.objects.filter(status=ReuseJob.Status.QUEUED), "checks": Version.objects.filter(status=Version.Status.CHECKING), "trials": Trial.objects.filter(state=Trial.State.WAITING),
        }
        held = {name: rows.aggregate(n=Count("pk"), since=Min("created")) for name, rows in waiting.items()}
        yield _gauge("moorage_queue_length", "What waits for a worker.", ["queue"], {(name,): row["n"] for name, row in held.items()})
        yield _gauge("moorage_queue_oldest_seconds", "How long the oldest of them has waited.", ["queue"],
                     {(name,): (now - row["since"]).total_seconds() if row["since"] else 0 for name, row in held.items()})

    def _indexes(self) -> Iterator[GaugeMetricFamily]:
        from marketplace.catalog.models import Change
        from marketplace.matching import index
        from marketplace.matching.models import IndexSnapshot

        last = Change.objects.aggregate(last=Max("id"))["last"] or 0
        held = index.standing()
        yield _gauge("moorage_index_size", "Specifications in the indexes of the process that answers, by space.", ["space"], {(space[:12],): size for space, size, _ in held})
        yield _gauge("moorage_index_behind", "Changes of the catalog since the last that it looked for.", ["space"], {(space[:12],): max(0, last - seen) for space, _, seen in held})
        made = IndexSnapshot.objects.aggregate(oldest=Min("made"))["oldest"]
        yield _gauge("moorage_index_snapshot_oldest_seconds", "Age of the oldest snapshot.", [], {(): (timezone.now() - made).total_seconds()} if made else {})


def _gauge(name: str, words: str, labels: list[str], values: dict[tuple[str, ...], Any]) -> GaugeMetricFamily:
    found = GaugeMetricFamily(name, words, labels=labels)
    for at, value in values.items():
        found.add_metric(list(at), float(value))
    return found

"""A market for long runs: a site whose worker waits in place of computing (tests/soak/light.py), three learnwares, Bob who asks for jobs, and the rows within reach."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import services
from tests.journeys import models
from tests.journeys.site import Site

SERVICES = {"none": {}, "redis": {"MOORAGE_DATABASE_URL": services.POSTGRES, "MOORAGE_BROKER_URL": services.REDIS},
            "rabbitmq": {"MOORAGE_DATABASE_URL": services.POSTGRES, "MOORAGE_BROKER_URL": services.RABBITMQ}}
LEASE_S = 3
PATIENCE_S = 180


class Market:
    """`bob` is his client, `ask()` asks for one job, `site` starts and kills processes, `revive()` does what a supervisor does."""

    def __init__(self, site: Site, concurrency: int) -> None:
        self.site, self.concurrency, self.revived = site, concurrency, 0
        alice, self.bob = (site.client(site.token(name, ["read", "upload", "run"])) for name in ("alice", "bob"))
        self.members = [{"reference": offer(site, alice, low)} for low in (0.0, 0.25, 0.5)]

    def ask(self, method: str = "ensemble/mean") -> Any:
        return self.bob.post("jobs", json={"members": self.members, "method": method})


    def revive(self) -> None:
        """Start the worker again where it has ended by itself: Celery's does when a child is killed while the pool is starting."""
        if not self.site.worker_runs:
            self.site.start_worker(concurrency=self.concurrency)
            self.revived += 1


@contextmanager
def light_market(kind: str, *, concurrency: int = 4, real: bool = False, processes: int = 1, **settings: str) -> Iterator[Market]:
    """A running market on "none" (SQLite, files), "redis" or "rabbitmq" (both with PostgreSQL); Django of this process is set up for its database."""
    os.environ.update(SERVICES[kind])
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        site = Site(Path(folder), app="marketplace" if real else "tests.soak.light", **{
            "MOORAGE_JOBS_PER_USER": "10000", "MOORAGE_JOBS_RUNNING_PER_USER": "1000", "MOORAGE_JOB_LEASE_S": str(LEASE_S), "MOORAGE_REAP_EVERY_S": "3", "MOORAGE_LOG_LEVEL": "WARNING"} | settings)
        try:
            site.prepare("alice", "bob")
            os.environ.update(site.env)
            os.environ["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
            import django

            django.setup()
            site.start_web(processes)
            site.start_worker(concurrency=concurrency)
            yield Market(site, concurrency)
            from django.db import connections

            connections.close_all()
        finally:
            site.stop()


def unsettled(market: Market, patience_s: float = PATIENCE_S) -> tuple[int, float]:
    """(jobs that are still open, seconds waited) once none is, or patience is over."""
    from marketplace.jobs.models import ReuseJob

    began = time.monotonic()
    while (left := again(lambda: ReuseJob.objects.open().count())) and time.monotonic() - began < patience_s:
        market.revive()
        time.sleep(0.3)
    return left, time.monotonic() - began


def again(ask: Callable[[], Any]) -> Any:
    """An answer of the database, over a new connection where the last was cut."""
    from django.db import Error, connection

    for _ in range(20):
        try:
            return ask()
        except Error:
            connection.close()
            time.sleep(0.2)
    return ask()


def children(pid: int) -> list[int]:
    """The children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def offer(site: Site, alice: Any, low: float) -> str:
    """Offer a real model of a part of the data, and return its reference once its check has found it usable."""
    files = models.write(site.home, f"part-{int(100 * low)}", models.part(low, low + 0.5), "safetensors")
    answer = alice.post(
        "learnwares",
        files={
            "manifest": ("learnware.json", files["manifest"]),
            "model": (files["model"].name, files["model"].read_bytes()),
            "specification": ("specification.json", files["specification"]),
        },
    ).json()
    path = f"learnwares/{answer['owner']}/{answer['name']}/{answer['version']}"
    while (version := alice.get(path).json())["status"] == "checking":
        time.sleep(0.2)
    assert version["status"] == "usable", version["status_reason"]
    return version["reference"]

"""Many jobs, many `kill -9`: none is lost, none has two effects.

    python -m tests.soak.kills                                    60 kills of workers, children and web, SQLite and the filesystem broker
    python -m tests.soak.kills --services redis --kills 300       PostgreSQL and Redis; database connections are cut as well
    python -m tests.soak.kills --services rabbitmq --kills 300
    python -m tests.soak.kills --real --kills 20                  jobs that compute (tests/soak/light.py says what stands in otherwise)

At random moments the worker's main process, one of its pool's children or the web server is killed, or all connections of the database are cut; what was killed is
started again, and jobs are asked for all the while. Exits 1 when a job was lost, had two effects, was poisoned, or was taken up later than lease + 30 s.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from tests.soak.market import LEASE_S, SERVICES, Market, again, children, light_market, unsettled

CONCURRENCY = 4
STARTING_S = 2  # from the word of a worker that it is ready until its loop runs, well rounded
OPEN = 24  # jobs that wait or run while we kill
KINDS = {"child": 73, "worker": 5, "web": 2, "database": 20}  # of a hundred


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=10, help="stop killing after so many")
    parser.add_argument("--services", choices=SERVICES, default="none")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="keep the workers' log here")
    asked = parser.parse_args()
    with light_market(asked.services, concurrency=CONCURRENCY, real=asked.real, MOORAGE_JOB_MAX_ATTEMPTS="200") as market:
        found = Soak(market, asked.kills, asked.minutes, random.Random(asked.seed)).run()
        if found["unfinished"]:
            print(market.site.log("worker"), file=sys.stderr)
        if asked.log:
            asked.log.write_bytes((market.site.home / "worker.log").read_bytes())
    print(json.dumps({"services": asked.services, "work": "real" if asked.real else "light"} | found))
    return 0 if found["lost"] == found["unfinished"] == found["failed"] == found["doubled"] == found["scratch_left"] == 0 and found["slowest_recovery_s"] <= LEASE_S + 30 else 1


class Soak:
    """One run: a thread asks for jobs, this one kills, and rows are counted in the site's own database."""

    def __init__(self, market: Market, kills: int, minutes: float, chance: random.Random) -> None:
        self.market, self.site, self.kills, self.minutes, self.chance = market, market.site, kills, minutes, chance
        self.killed: list[tuple[float, str]] = []
        self.promised: list[str] = []  # ids that the market answered with 202
        self.over = threading.Event()
        self.ready_pid = 0

    def run(self) -> dict[str, Any]:
        from marketplace.accounts.models import Notification
        from marketplace.jobs.models import ReuseJob

        asking = threading.Thread(target=self._ask, daemon=True)
        asking.start()
        pace = self._pace()
        began, until = time.monotonic(), time.monotonic() + 60 * self.minutes
        while len(self.killed) < self.kills and time.monotonic() < until:
            time.sleep(self.chance.uniform(0.2, 1.6) * pace)
            self.market.revive()
            self._kill()
            if len(self.killed) % 20 == 0:
                print(f"{len(self.killed)} kills, {len(self.promised)} jobs, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        self.over.set()
        asking.join(60)
        _, settled = unsettled(self.market)
        jobs = list(ReuseJob.objects.all())
        reasons = Counter(entry["reason"] for job in jobs for entry in job.attempt_log)
        told = Counter(Notification.objects.filter(kind="job-done").values_list("address", flat=True))
        return {
            "kills": len(self.killed), "of": dict(Counter(kind for _, kind in self.killed)), "jobs": len(jobs), "promised": len(self.promised),
            "done": sum(job.status == "done" for job in jobs), "lost": len(set(self.promised) - {str(job.pk) for job in jobs}),
            "unfinished": sum(job.is_open for job in jobs), "failed": sum(job.status == "failed" for job in jobs),
            "doubled": sum(count - 1 for count in told.values()) + sum(max(0, [e["reason"] for e in job.attempt_log].count("done") - 1) for job in jobs),
            "revived": self.market.revived, "most_attempts": max((job.attempts for job in jobs), default=0), "reasons": dict(reasons), "slowest_recovery_s": round(self._slowest(jobs), 1),
            "settled_after_s": round(settled, 1), "seconds": round(time.monotonic() - began),
            "scratch_left": self._scratch_left(),
        }

    def _pace(self) -> float:
        """How much slower this machine is now than one with nothing else to do, by the first jobs: where a job takes long, kills come less often, or none would ever end."""
        from marketplace.jobs.models import ReuseJob

        began = time.monotonic()
        while again(lambda: ReuseJob.objects.filter(status="done").count()) < 8 and time.monotonic() - began < 120:
            time.sleep(0.1)
        return max(1.0, (time.monotonic() - began) / 3)

    def _ask(self) -> None:
        from django.db import connection

        from marketplace.jobs.models import ReuseJob

        while not self.over.is_set():
            if again(lambda: ReuseJob.objects.open().count()) >= OPEN:
                time.sleep(0.1)
                continue
            try:
                answer = self.market.ask()
            except httpx2.HTTPError:  # the web was killed: whether the job was taken, its row will say
                time.sleep(0.5)
                continue
            if answer.status_code == 202:
                self.promised.append(answer.json()["id"])
            elif answer.status_code < 500 or answer.status_code == 500:
                raise AssertionError(f"{answer.status_code}: {answer.text[:500]}")
        connection.close()

    def _kill(self) -> None:
        kinds = dict(KINDS) if self.site.env.get("MOORAGE_DATABASE_URL") else {**KINDS, "database": 0}
        kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
        if kind == "child":
            # Celery ends where a child dies while its pool is starting: whoever killed children then would keep the market without a worker, and measure that.
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.kill(self.chance.choice(self._pool()), signal.SIGKILL)
        elif kind == "web":
            self.site.kill_web()
            self.site.start_web()
        elif kind == "database":
            _cut()
        else:
            self.site.kill_worker()
            self.site.start_worker(concurrency=CONCURRENCY)
        self.killed.append((time.time(), kind))

    def _pool(self) -> list[int]:
        """The worker's children, once it has all of them and takes jobs."""
        until = time.monotonic() + 60
        while len(pool := children(self.site.worker_pid)) < CONCURRENCY or not self._is_ready():
            if time.monotonic() > until:
                raise AssertionError(f"the worker has not its children after a minute:\n{self.site.log('worker')[-2000:]}")
            self.market.revive()
            time.sleep(0.1)
        return pool

    def _is_ready(self) -> bool:
        if self.ready_pid != self.site.worker_pid and self.site.worker_is_ready:
            time.sleep(STARTING_S)
            self.ready_pid = self.site.worker_pid
        return self.ready_pid == self.site.worker_pid

    def _slowest(self, jobs: list[Any]) -> float:
        """Seconds from the last kill that can have hit an attempt until the job was queued again, at most."""
        worst = 0.0
        for job in jobs:
            for entry in job.attempt_log:
                if entry["reason"] == "worker lost":
                    began, ended = (datetime.fromisoformat(entry[key]).timestamp() for key in ("started", "ended"))
                    hits = [(at, kind) for at, kind in self.killed if began - 1 <= at <= ended]
                    if hits and ended - min(hits)[0] > LEASE_S + 30:
                        said = ", ".join(f"{kind} after {at - began:.1f} s" for at, kind in hits)
                        print(f"{job.pk}: began {entry['started']}, queued again after {ended - began:.1f} s; killed meanwhile: {said}", file=sys.stderr)
                    worst = max(worst, ended - min(hits)[0]) if hits else worst
        return worst

    def _scratch_left(self) -> int:
        until = time.monotonic() + 10
        while (left := len(list((self.site.home / "scratch").glob("*")))) and time.monotonic() < until:
            time.sleep(0.5)
            if left:  # a killed attempt's folder goes when the next job begins
                self.market.ask()
        return left


def _cut() -> None:
    """Cut every connection of this market's database but the one that says so."""
    from django.db import connection

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")

    again(cut)


if __name__ == "__main__":
    sys.exit(main())

"""A thread beside the work: holds the lease, hears a wish to cancel, minds the clock."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from django.conf import settings
from django.db import Error as DatabaseError  # InterfaceError too: what a connection that was cut says the second time
from django.db import connection

from marketplace.jobs.models import ReuseJob, WrongState

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how long a wish to cancel may go unheard
REPORT_S = 0.5  # progress is written at most so often
DRAW_S = 1.0
CURVE = 400  # points of a loss curve
AT_ONCE_S = 1.0  # a training that goes on from a checkpoint shows the curve so far within this


class Beating:
    """A thread that beats beside the work inside `with`, and is over with it."""

    def __init__(self, name: str) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=30)

    def _beat(self) -> None:
        raise NotImplementedError


class Watch(Beating):
    """with Watch(job, token) as watch: ... watch.over() says that the work should stop, watch.why says why.

    why is "", "cancelled", "out-of-time" or "lost" (another worker has the job: nothing may be written).
    """

    def __init__(self, job: ReuseJob, token: str) -> None:
        super().__init__(f"watch-{job.pk}")
        self.job, self.token, self.why = job, token, ""
        self._began = time.monotonic()
        self._reported = (0.0, "")
        self._curve: list[dict] = []
        self._drawn = 0.0
        self._lanes: list[dict] = [{"state": "waiting"} for _ in range(job.members.count())]
        self._laned = 0.0
        self._went_on: dict[str, tuple[int, float]] = {}  # how many points of a curve each checkpoint holds, and when its first came

    def over(self) -> bool:
        return bool(self.why)

    def report(self, stage: str, done: float, message: str = "") -> None:
        """Progress, for the page. Throttled: a new stage is written at once, the rest twice a second."""
        now = time.monotonic()
        last, last_stage = self._reported
        if self.over() or (stage == last_stage and now - last < REPORT_S):
            return
        self._reported = (now, stage)
        with self._telling("progress"):
            self.job.report(self.token, stage=stage, progress=float(done), message=message)

    def learned(self, method: str, row: dict) -> None:
        """A point of a loss curve, for the page; written once a second, thinned to what a plot can show."""
        self._curve.append({"method": method, **row})
        with self._telling("where its training goes on from"):
            self._hear_of(method)
        if len(self._curve) > CURVE:
            self._curve = self._curve[::2]
        now = time.monotonic()
        if self.over() or now - self._drawn < DRAW_S:
            return
        self._drawn = now
        with self._telling("the loss curve"):
            self.job.learned(self.token, self._curve)

    def moved(self, place: int, said: dict) -> None:
        """How far a member is; written twice a second, and whenever one begins or ends."""
        if not 0 <= place < len(self._lanes):
            return
        begins = said["state"] != self._lanes[place]["state"]
        self._lanes[place] = self._lanes[place] | said
        now = time.monotonic()
        if self.over() or (not begins and now - self._laned < REPORT_S):
            return
        self._laned = now
        with self._telling("how far the members are"):
            self.job.moved(self.token, self._lanes)

    def may_go_on(self, checkpoints: dict[str, int]) -> None:
        """Which trainings an earlier attempt left half done, {method: epochs}: the log says so as soon as one of them is taken up."""
        self._went_on = {method: (epochs, 0.0) for method, epochs in checkpoints.items()}

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """A word for the page: a job that was lost is noted, a database that is away costs the word alone."""
        try:
            yield
        except WrongState:
            self.why = "lost"
        except DatabaseError:
            log.warning("%s of job %s: not written", what, self.job.pk, exc_info=True)
            connection.close()  # what was cut stays cut; the next word opens another

    def _hear_of(self, method: str) -> None:
        left, began = self._went_on.get(method, (0, 0.0))
        if not left:
            return
        now = time.monotonic()
        points = sum(row["method"] == method for row in self._curve)
        if points == 1:
            self._went_on[method] = (left, now)
        if points >= left:
            del self._went_on[method]
            # An epoch that is trained takes its time; those of a checkpoint are told all at once.
            if points == 1 or now - began < AT_ONCE_S:
                self.job.went_on(self.token, left)

    def _beat(self) -> None:
        every = max(min(settings.JOB_LEASE_S / 3, 10.0), 0.2)
        held_until = time.monotonic() + settings.JOB_LEASE_S
        next_beat = time.monotonic() + every
        try:
            while not self._done.wait(min(LOOK_S, every)):
                now = time.monotonic()
                try:
                    if now >= next_beat:
                        self.job.heartbeat(self.token)
                        held_until, next_beat = now + settings.JOB_LEASE_S, now + every
                    self._look(now)
                except WrongState:
                    self.why = "lost"
                except DatabaseError:
                    # A database that is away for a moment is no reason to stop, until the lease is up.
                    log.warning("heartbeat of job %s failed", self.job.pk, exc_info=True)
                    connection.close()
                    if now > held_until:
                        self.why = "lost"
                if self.why == "lost":
                    return
        finally:
            connection.close()

    def _look(self, now: float) -> None:
        asked = ReuseJob.objects.filter(pk=self.job.pk, token=self.token).values_list("cancel_asked", flat=True).first()
        if asked is None:
            self.why = "lost"
        elif asked:
            self.why = self.why or "cancelled"
        elif now - self._began > settings.JOB_LIMIT_S:
            self.why = self.why or "out-of-time"


class Held(Beating):
    """with Held(row, token): ... keeps the lease of a row whose work is short, by row.heartbeat(token); whoever lost it is told when it ends the row."""

    def __init__(self, row: Any, token: str) -> None:
        super().__init__(f"held-{row.pk}")
        self.row, self.token = row, token

    def _beat(self) -> None:
        try:
            while not self._done.wait(max(min(settings.JOB_LEASE_S / 3, 10.0), 0.2)):
                try:
                    self.row.heartbeat(self.token)
                except WrongState:
                    return
                except DatabaseError:
                    log.warning("heartbeat of %s failed", self.row, exc_info=True)
                    connection.close()
        finally:
            connection.close()

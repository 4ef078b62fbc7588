"""A thread beside the work: holds the lease, hears a wish to cancel, minds the clock."""

import logging
import threading
import time

from django.conf import settings
from django.db import DatabaseError, connection

from marketplace.jobs.models import ReuseJob, WrongState

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how long a wish to cancel may go unheard
REPORT_S = 0.5  # progress is written at most so often
DRAW_S = 1.0
CURVE = 400  # points of a loss curve


class Watch:
    """with Watch(job, token) as watch: ... watch.over() says that the work should stop, watch.why says why.

    why is "", "cancelled", "out-of-time" or "lost" (another worker has the job: nothing may be written).
    """

    def __init__(self, job: ReuseJob, token: str) -> None:
        self.job, self.token, self.why = job, token, ""
        self._began = time.monotonic()
        self._reported = (0.0, "")
        self._curve: list[dict] = []
        self._drawn = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"watch-{job.pk}", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=30)

    def over(self) -> bool:
        return bool(self.why)

    def report(self, stage: str, done: float, message: str = "") -> None:
        """Progress, for the page. Throttled: a new stage is written at once, the rest twice a second."""
        now = time.monotonic()
        last, last_stage = self._reported
        if self.over() or (stage == last_stage and now - last < REPORT_S):
            return
        self._reported = (now, stage)
        try:
            self.job.report(self.token, stage=stage, progress=float(done), message=message)
        except WrongState:
            self.why = "lost"
        except DatabaseError:
            log.warning("progress of job %s was not written", self.job.pk, exc_info=True)

    def learned(self, method: str, row: dict) -> None:
        """A point of a loss curve, for the page; written once a second, thinned to what a plot can show."""
        self._curve.append({"method": method, **row})
        if len(self._curve) > CURVE:
            self._curve = self._curve[::2]
        now = time.monotonic()
        if self.over() or now - self._drawn < DRAW_S:
            return
        self._drawn = now
        try:
            self.job.learned(self.token, self._curve)
        except WrongState:
            self.why = "lost"
        except DatabaseError:
            log.warning("the loss curve of job %s was not written", self.job.pk, exc_info=True)

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

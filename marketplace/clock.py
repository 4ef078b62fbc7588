"""The clock of a worker: sends the tasks of CELERY_BEAT_SCHEDULE at their intervals.

A step of the worker's main process, so it needs no second process and no state on disk, and it
comes back with the worker after a kill. Several workers each have one: the tasks it sends (reapers,
sweeps) are idempotent, and a `celery beat` beside them does no harm either.
"""

import logging
from typing import Any

from celery import bootsteps
from django.conf import settings

from marketplace.broker import NO_BELL

log = logging.getLogger(__name__)
KEPT_S = 30  # a reaper that a busy worker takes late is better than none


class Clock(bootsteps.StartStopStep):
    requires = {"celery.worker.components:Timer"}

    def __init__(self, parent: Any, **options: Any) -> None:
        self.entries: list[Any] = []
        super().__init__(parent, **options)

    def start(self, parent: Any) -> None:
        for name, entry in (parent.app.conf.beat_schedule or {}).items():
            seconds = float(entry["schedule"])
            self.entries.append(parent.timer.call_repeatedly(seconds, _send, (parent.app, name, entry["task"], seconds)))

    def stop(self, parent: Any) -> None:
        for entry in self.entries:
            entry.cancel()
        self.entries.clear()


def _send(app: Any, name: str, task: str, seconds: float) -> None:
    try:
        # A connection for each: one that stays is inherited by every child that is forked later, whose clean-up ends it for this process too. With RabbitMQ, reapers stayed away then for as long as children died.
        with app.connection_for_write() as connection:
            # What no worker took for so long is not worth doing any more: others have been sent since.
            app.send_task(task, expires=max(seconds, KEPT_S), retry=False, queue=settings.CLOCK_QUEUE, connection=connection)
    except NO_BELL as error:
        log.warning("%s was not sent: %s", name, error)

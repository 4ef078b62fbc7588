"""A trial: somebody's rows before one model, for a day."""

import secrets
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplace import leases
from marketplace.catalog.models import Artifact, Space, Version, WrongState
from marketplace.jobs.models.attempts import WORKER_LOST, lease, poison
from marketplace.jobs.models.jobs import ReuseJob


class TrialQuerySet(models.QuerySet):
    def visible_to(self, user: Any, visitor: str = "") -> "TrialQuerySet":
        """One's own; of somebody who is not signed in, those of the same browser."""
        if user is not None and user.is_authenticated:
            return self.filter(owner=user)
        return self.filter(owner=None, visitor=visitor) if visitor else self.none()

    def open(self) -> "TrialQuerySet":
        return self.filter(state__in=Trial.OPEN)

    def abandoned(self) -> "TrialQuerySet":
        """Running, but whoever ran it has not been heard of within the lease."""
        return self.filter(leases.lapsed(settings.JOB_LEASE_S), state=Trial.State.RUNNING)

    def waiting_since(self, seconds: float) -> "TrialQuerySet":
        """Waiting, and no doorbell for so long that the last one may be lost; oldest first."""
        return self.filter(leases.since("rung", seconds), state=Trial.State.WAITING).order_by("rung")

    def expired(self) -> "TrialQuerySet":
        return self.filter(expires__lt=timezone.now())

    def whole(self) -> "TrialQuerySet":
        return self.select_related("version__learnware__owner", "version__space", "job__space", "job__result", "output")


def _tomorrow() -> Any:
    return timezone.now() + timedelta(days=1)


class Trial(models.Model):
    """Somebody's rows put before one model: a learnware, or the result of a job. Gone after a day, its input as soon as it is over.

        waiting ──claim──► running ──finish──► done
           ▲                  │ └─────fail───► failed
           └─────requeue──────┘
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    OPEN = (State.WAITING, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="trials")
    visitor = models.CharField(max_length=64, blank=True)  # of somebody who is not signed in: a digest of their session
    version = models.ForeignKey(Version, null=True, blank=True, on_delete=models.CASCADE, related_name="trials")
    job = models.ForeignKey(ReuseJob, null=True, blank=True, on_delete=models.CASCADE, related_name="trials")
    rows = models.JSONField(null=True, blank=True)  # {column: [values]}, where few rows came
    input = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="input_of")  # where a file came; deleted when it is over
    count = models.PositiveIntegerField()  # of rows

    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING, db_index=True)
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    answer = models.JSONField(null=True, blank=True)  # the first rows with their answers
    output = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="output_of")  # all of them, as CSV
    error = models.JSONField(null=True, blank=True)  # {code, message, hint}

    created = models.DateTimeField(auto_now_add=True)
    rung = models.DateTimeField(auto_now_add=True)  # when a doorbell was last rung for it
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)
    expires = models.DateTimeField(default=_tomorrow, db_index=True)

    objects = TrialQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        constraints = [models.CheckConstraint(condition=Q(version=None, job__isnull=False) | Q(version__isnull=False, job=None), name="one_thing_is_tried")]

    def __str__(self) -> str:
        return f"trial {self.id}"

    def get_absolute_url(self) -> str:
        return reverse("trial", args=[self.id])

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def space(self) -> Space:
        return (self.version or self.job).space

    @property
    def seconds(self) -> float | None:
        """How long the attempt that ended it took."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None

    def claim(self) -> str:
        """Take it and return the fencing token; WrongState when it is not to be had."""
        now, token = timezone.now(), secrets.token_hex(16)
        free = Q(state=self.State.WAITING) | (Q(state=self.State.RUNNING) & leases.lapsed(settings.JOB_LEASE_S))
        if not Trial.objects.filter(free, pk=self.pk, attempts__lt=settings.JOB_MAX_ATTEMPTS).update(
            state=self.State.RUNNING, token=token, lease_until=lease(), attempts=F("attempts") + 1, started=now
        ):
            raise WrongState(f"Trial {self.pk} can not be claimed: it runs elsewhere or is over.")
        self.refresh_from_db()
        return token

    def heartbeat(self, token: str) -> None:
        self._held(token, lease_until=lease())

    def finish(self, token: str, *, answer: dict, output: Artifact | None) -> None:
        self._end(token, self.State.DONE, answer=answer, output=output)

    def fail(self, token: str, error: dict) -> None:
        self._end(token, self.State.FAILED, error=error)

    def requeue(self) -> None:
        """Abandoned to waiting, or, after the last attempt, to failed."""
        changes: dict[str, Any] = {"state": self.State.WAITING, "rung": timezone.now()}
        if self.attempts >= settings.JOB_MAX_ATTEMPTS:
            changes = {"state": self.State.FAILED, "ended": timezone.now(), "rows": None, "input": None,
                       "error": poison(self.attempts, WORKER_LOST) | {"message": f"The model took its worker down {self.attempts} times and is not tried again."}}
        if not Trial.objects.abandoned().filter(pk=self.pk, token=self.token).update(token="", lease_until=None, **changes):
            raise WrongState(f"Trial {self.pk} is not abandoned any more.")
        self.refresh_from_db()

    def _held(self, token: str, /, **changes: Any) -> None:
        if not token or not Trial.objects.filter(pk=self.pk, token=token, state=self.State.RUNNING).update(**changes):
            raise WrongState(f"Trial {self.pk} is not held by this worker any more.")

    def _end(self, token: str, state: str, **changes: Any) -> None:
        # What came in is let go of in the same UPDATE; its bytes are deleted by whoever called.
        self._held(token, state=state, ended=timezone.now(), lease_until=None, token="", rows=None, input=None, **changes)
        self.refresh_from_db()

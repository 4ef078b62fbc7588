"""A job and its members: what a job is asked for, the moves it may make, and questions asked of many."""

import secrets
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplace import leases
from marketplace.catalog.models import Artifact, Space, Version, WrongState
from marketplace.jobs.models import pace
from marketplace.jobs.models.attempts import WORKER_LOST, closed, lease, poison
from marketplace.matching.models import Match


class ReuseJobQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "ReuseJobQuerySet":
        """A job is its owner's business; staff may look."""
        if user is None or not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)

    def open(self) -> "ReuseJobQuerySet":
        return self.filter(status__in=ReuseJob.OPEN)

    def waiting_since(self, seconds: float) -> "ReuseJobQuerySet":
        """Queued, and no doorbell for so long that the last one may be lost; oldest first."""
        return self.filter(leases.since("queued", seconds), status=ReuseJob.Status.QUEUED).order_by("queued")

    def abandoned(self) -> "ReuseJobQuerySet":
        """Running, but whoever ran it has not been heard of within the lease."""
        return self.filter(leases.lapsed(settings.JOB_LEASE_S), status=ReuseJob.Status.RUNNING)

    def whole(self) -> "ReuseJobQuerySet":
        members = models.Prefetch("members", JobMember.objects.select_related("version__learnware__owner", "version__base__learnware__owner"))
        return self.select_related("owner", "space", "result", "match").prefetch_related(members, models.Prefetch("offered", Version.objects.whole()))


class ReuseJob(models.Model):
    """A request to run one method, and its fate.

        queued ──claim──► running ──finish──► done
          ▲  │               │ ├────fail────► failed
          │  └────cancel─┐   │ └──stop──┐
          └───requeue────┼───┘          ▼
                         └────────► cancelled

    Every move is one UPDATE that names the state it leaves (and, while running, the fencing
    token of who runs it): of two workers one wins, and a worker that was given up for dead can
    change nothing when it wakes.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    match = models.ForeignKey(Match, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=64)  # address, as "merge/wise-ft"
    params = models.JSONField(default=dict)
    target = models.CharField(max_length=120, blank=True)  # the column of `data` that holds the labels
    requirement = models.ForeignKey(
        Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="requirement_of_job"
    )
    data = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="data_of")
    rows = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="rows_of")  # without labels

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED, db_index=True)
    token = models.CharField(max_length=32, blank=True)  # fencing: only the holder may finish
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempt_log = models.JSONField(default=list)  # [{"attempt", "started", "ended", "reason"}]
    cancel_asked = models.BooleanField(default=False)

    stage = models.CharField(max_length=40, blank=True)
    progress = models.FloatField(default=0.0)
    message = models.CharField(max_length=300, blank=True)
    ends = models.DateTimeField(null=True, blank=True)  # when this attempt is foreseen to end
    lanes = models.JSONField(default=list)  # how far each member is: [{"state", "rows", "of", "fetching_s", "loading_s", "answering_s"}], by position
    learning = models.JSONField(default=list)  # the loss curve so far: [{"method", "epoch", "train", "validation", ...}]
    error = models.JSONField(null=True, blank=True)  # {code, message, hint}

    evidence = models.JSONField(default=dict)
    lineage = models.JSONField(default=dict)
    result = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="result_of")
    offered = models.ManyToManyField(Version, related_name="made_by", blank=True)  # what the result was offered as

    created = models.DateTimeField(auto_now_add=True, db_index=True)
    queued = models.DateTimeField(auto_now_add=True)  # when a doorbell was last rung for it
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)

    objects = ReuseJobQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.method} {self.id}"

    def get_absolute_url(self) -> str:
        return reverse("job", args=[self.id])

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def eta_s(self) -> float | None:
        """Seconds until this attempt is foreseen to end; None while that would be a guess, and once the guess has proved wrong."""
        if self.status != self.Status.RUNNING or self.ends is None:
            return None
        left = (self.ends - timezone.now()).total_seconds()
        return round(left, 1) if left > 0 else None

    # --- moves of a worker ------------------------------------------------------------------

    def claim(self) -> str:
        """Take the job and return the fencing token; WrongState when it is not to be had."""
        now, token = timezone.now(), secrets.token_hex(16)
        free = Q(status=self.Status.QUEUED) | (Q(status=self.Status.RUNNING) & leases.lapsed(settings.JOB_LEASE_S))
        with transaction.atomic():
            self._insist_on_a_turn()
            taken = ReuseJob.objects.filter(free, pk=self.pk, attempts__lt=settings.JOB_MAX_ATTEMPTS).update(
                status=self.Status.RUNNING,
                token=token,
                lease_until=lease(),
                attempts=F("attempts") + 1,
                started=now,
                stage="starting",
                progress=0.0,
                message="",
                ends=None,
                lanes=[],
                learning=[],
            )
            if not taken:
                raise WrongState(f"Job {self.pk} can not be claimed: it runs elsewhere or is over.")
            # The UPDATE holds the row until commit, so read and write of the log are one step.
            self.refresh_from_db()
            log = closed(self.attempt_log, WORKER_LOST, now)
            log.append({"attempt": self.attempts, "started": now.isoformat(), "ended": None, "reason": ""})
            ReuseJob.objects.filter(pk=self.pk).update(attempt_log=log)
        self.attempt_log = log
        return token

    def heartbeat(self, token: str) -> None:
        """Hold the lease for another while; WrongState when it was lost, and the work with it."""
        self._held(token, lease_until=lease())

    def report(self, token: str, *, stage: str, progress: float, message: str) -> None:
        progress = min(max(progress, 0.0), 1.0)
        self.ends = pace.foreseen(progress, started=self.started, ends=self.ends, one_method=self.method != "auto")
        self._held(token, stage=stage[:40], progress=progress, message=message[:300], ends=self.ends)

    def went_on(self, token: str, epoch: int) -> None:
        """This attempt trains on from the checkpoint that the one before it left."""
        log = [*self.attempt_log[:-1], {**self.attempt_log[-1], "from_epoch": epoch}]
        self._held(token, attempt_log=log)
        self.attempt_log = log

    def moved(self, token: str, lanes: list[dict]) -> None:
        """How far each member is, for the page."""
        self._held(token, lanes=lanes)

    def learned(self, token: str, curve: list[dict]) -> None:
        """The loss curve so far, for the page."""
        self._held(token, learning=curve)

    def finish(self, token: str, *, result: Artifact, evidence: dict, lineage: dict) -> None:
        """Running to done. Called inside the transaction that writes the result's row."""
        self._end(token, self.Status.DONE, "done", result=result, evidence=evidence, lineage=lineage, progress=1.0,
                  stage="done", message="", error=None)

    def fail(self, token: str, error: dict) -> None:
        self._end(token, self.Status.FAILED, str(error.get("code", "failed")), error=error, message="")

    def stop(self, token: str) -> None:
        """Running to cancelled: the worker has heard the owner's wish."""
        self._end(token, self.Status.CANCELLED, "cancelled", message="")

    # --- moves of its owner -----------------------------------------------------------------

    def cancel(self) -> None:
        """A queued job ends here; a running one is asked to stop and ends within seconds."""
        now = timezone.now()
        row = ReuseJob.objects.filter(pk=self.pk)
        if not row.filter(status=self.Status.QUEUED).update(
            status=self.Status.CANCELLED, cancel_asked=True, ended=now
        ) and not row.filter(status=self.Status.RUNNING).update(cancel_asked=True):
            self.refresh_from_db()
            raise WrongState(f"Only an open job can be cancelled; this one is {self.status}.")
        self.refresh_from_db()

    # --- moves of the reaper ----------------------------------------------------------------

    def requeue(self, reason: str = WORKER_LOST) -> None:
        """Abandoned to queued, or, after the last attempt, to failed; or cancelled, if that was asked."""
        now = timezone.now()
        changes: dict[str, Any] = {"token": "", "lease_until": None, "attempt_log": closed(self.attempt_log, reason, now)}
        if self.cancel_asked:
            changes |= {"status": self.Status.CANCELLED, "ended": now}
        elif self.attempts >= settings.JOB_MAX_ATTEMPTS:
            changes |= {"status": self.Status.FAILED, "ended": now, "error": poison(self.attempts, reason)}
        else:
            changes |= {"status": self.Status.QUEUED, "queued": now, "stage": "", "progress": 0.0,
                        "message": f"Attempt {self.attempts} ended early ({reason}); queued again."}
        # The token is in the WHERE: a worker that came back to life keeps the job.
        if not ReuseJob.objects.abandoned().filter(pk=self.pk, token=self.token).update(**changes):
            raise WrongState(f"Job {self.pk} is not abandoned any more.")
        self.refresh_from_db()

    # --- inside -----------------------------------------------------------------------------

    def _insist_on_a_turn(self) -> None:
        """WrongState while its owner has as many jobs running as one may: others wait too. The lock makes count and claim one step; SQLite's IMMEDIATE does so anyway."""
        get_user_model().objects.select_for_update().get(pk=self.owner_id)
        running = ReuseJob.objects.filter(owner=self.owner_id, status=self.Status.RUNNING).exclude(leases.lapsed(settings.JOB_LEASE_S)).exclude(pk=self.pk)
        if running.count() >= settings.JOBS_RUNNING_PER_USER:
            raise WrongState(f"Job {self.pk} waits for its turn: its owner has {settings.JOBS_RUNNING_PER_USER} jobs running.")

    def _held(self, token: str, /, **changes: Any) -> None:
        held = ReuseJob.objects.filter(pk=self.pk, token=token, status=self.Status.RUNNING)
        if not token or not held.update(**changes):
            raise WrongState(f"Job {self.pk} is not held by this worker any more.")

    def _end(self, token: str, status: str, reason: str, **changes: Any) -> None:
        now = timezone.now()
        self._held(token, status=status, ended=now, lease_until=None, token="",
                   attempt_log=closed(self.attempt_log, reason, now), **changes)
        self.refresh_from_db()


class JobMember(models.Model):
    """A version that a job reuses, with its weight in the mixture (0: a candidate for auto only)."""

    job = models.ForeignKey(ReuseJob, on_delete=models.CASCADE, related_name="members")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="used_in")
    weight = models.FloatField()
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["job", "version"], name="a_member_once_per_job")]

"""Celery's door: doorbells for single jobs, and the reaper that makes lost doorbells harmless."""

import logging
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketplace.broker import NO_BELL
from marketplace.jobs import endings
from marketplace.jobs.models import ReuseJob, Trial, WrongState

log = logging.getLogger(__name__)

WAIT_S = 30  # a job queued this long without being taken gets another doorbell
AT_ONCE = 50  # doorbells rung in one pass: a long queue must not flood the broker


@shared_task(time_limit=settings.JOB_LIMIT_S + 60)
def run_job(job_id: str) -> None:
    from marketplace.jobs import worker  # loads torch, which the web does without

    worker.run(UUID(job_id))


@shared_task(time_limit=300)
def run_trial(trial_id: str) -> None:
    from marketplace.jobs import worker  # loads torch, which the web does without

    worker.run_trial(UUID(trial_id))


@shared_task
def reap() -> None:
    """Put abandoned jobs and trials back (or end them), ring again for those that wait too long, and delete trials whose day is over."""
    _reap_trials()
    for job in ReuseJob.objects.abandoned():
        try:
            job.requeue()
        except WrongState:
            continue  # its worker lives after all, or another reaper was faster
        log.warning("job %s was abandoned by its worker and is now %s", job.pk, job.status)
        if job.status == ReuseJob.Status.QUEUED:
            ring(job.pk)
        else:
            endings.tell(job)
    for pk in ReuseJob.objects.waiting_since(WAIT_S).values_list("pk", flat=True)[:AT_ONCE]:
        ReuseJob.objects.filter(pk=pk, status=ReuseJob.Status.QUEUED).update(queued=timezone.now())
        ring(pk, expires=10 * WAIT_S)


def _reap_trials() -> None:
    from marketplace.jobs import trying

    for trial in Trial.objects.abandoned():
        sent = trial.input_id
        try:
            trial.requeue()
        except WrongState:
            continue  # its worker lives after all, or another reaper was faster
        log.warning("trial %s was abandoned by its worker and is now %s", trial.pk, trial.state)
        if trial.state == Trial.State.WAITING:
            ring_for_trial(trial.pk)
        else:
            trying.forget(sent)
    for pk in Trial.objects.waiting_since(WAIT_S).values_list("pk", flat=True)[:AT_ONCE]:
        Trial.objects.filter(pk=pk, state=Trial.State.WAITING).update(rung=timezone.now())
        ring_for_trial(pk, expires=10 * WAIT_S)
    if gone := trying.sweep():
        log.info("swept %s trials", gone)


def ring_next(owner_id: int) -> None:
    """A job of this owner has ended: ring for the next that had to wait for its turn."""
    waiting = ReuseJob.objects.filter(owner=owner_id, status=ReuseJob.Status.QUEUED).order_by("created").values_list("pk", flat=True).first()
    if waiting is not None and ReuseJob.objects.filter(owner=owner_id, status=ReuseJob.Status.RUNNING).count() == settings.JOBS_RUNNING_PER_USER - 1:
        ring(waiting)


def ring_for_trial(trial_id: UUID, *, expires: float | None = None) -> None:
    """Tell the workers that a trial waits; `reap` rings again where the broker is down."""
    _ring(run_trial, "trial", trial_id, expires=expires)


def ring(job_id: UUID, *, expires: float | None = None) -> None:
    """Tell the workers that a job waits. A broker that is down is no reason to fail: `reap` rings again."""
    _ring(run_job, "job", job_id, expires=expires, **_queue(job_id))


def _ring(task: Any, what: str, row_id: UUID, **how: Any) -> None:
    try:
        task.apply_async([str(row_id)], retry=False, **how)
    except NO_BELL as error:
        log.warning("no doorbell for %s %s (%s); the reaper will ring", what, row_id, error)


def _queue(job_id: UUID) -> dict[str, str]:
    """Where the doorbell is rung: methods that train have a queue of their own where there are workers with a GPU."""
    if not settings.GPU_QUEUE:
        return {}
    method = ReuseJob.objects.filter(pk=job_id).values_list("method", flat=True).first() or ""
    return {"queue": settings.GPU_QUEUE} if method.partition("/")[0] in settings.GPU_METHODS else {}

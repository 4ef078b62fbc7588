"""Celery's door: doorbells for single jobs, and the reaper that makes lost doorbells harmless."""

import logging
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from marketplace.jobs import endings
from marketplace.jobs.models import ReuseJob, WrongState

log = logging.getLogger(__name__)

WAIT_S = 30  # a job queued this long without being taken gets another doorbell
AT_ONCE = 50  # doorbells rung in one pass: a long queue must not flood the broker


@shared_task(time_limit=settings.JOB_LIMIT_S + 60)
def run_job(job_id: str) -> None:
    from marketplace.jobs import worker  # loads torch, which the web does without

    worker.run(UUID(job_id))


@shared_task
def reap() -> None:
    """Put abandoned jobs back (or end them), and ring again for those that wait too long."""
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


def ring(job_id: UUID, *, expires: float | None = None) -> None:
    """Tell the workers that a job waits. A broker that is down is no reason to fail: `reap` rings again."""
    try:
        run_job.apply_async([str(job_id)], expires=expires, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no doorbell for job %s (%s); the reaper will ring", job_id, error)

import contextlib
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import utils as errors
from django.utils import timezone
from kombu.exceptions import OperationalError

from marketplace.jobs import tasks, worker
from marketplace.jobs.models import ReuseJob

pytestmark = pytest.mark.django_db


def age(job, **fields):
    ReuseJob.objects.filter(pk=job.pk).update(**{name: timezone.now() - timedelta(seconds=s) for name, s in fields.items()})


def test_an_abandoned_job_goes_back_to_the_queue_and_the_bell_is_rung(job, doorbells):
    job.claim()
    age(job, lease_until=1)
    tasks.reap()
    job.refresh_from_db()
    assert job.status == "queued"
    assert doorbells == [str(job.pk)]


def test_a_job_that_waits_too_long_gets_another_bell_but_not_at_every_pass(job, doorbells):
    tasks.reap()
    assert doorbells == []
    age(job, queued=31)
    tasks.reap()
    tasks.reap()
    assert doorbells == [str(job.pk)]


def test_a_job_whose_worker_lives_is_left_alone(job, doorbells):
    job.claim()
    age(job, queued=500)
    tasks.reap()
    job.refresh_from_db()
    assert (job.status, doorbells) == ("running", [])


def test_poison_is_not_rung_for(job, doorbells):
    for _ in range(3):
        job.claim()
        age(job, lease_until=1)
    tasks.reap()
    job.refresh_from_db()
    assert (job.status, doorbells) == ("failed", [])


def test_a_broker_that_is_down_loses_nothing(job, monkeypatch):
    def down(*args, **options):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.run_job, "apply_async", down)
    tasks.ring(job.pk)
    job.refresh_from_db()
    assert job.status == "queued"


@pytest.mark.parametrize("error", [errors.OperationalError("terminating connection"), errors.InterfaceError("the connection is closed")], ids=["cut", "closed"])
def test_a_database_that_goes_away_in_the_middle_is_no_fault_of_the_job(job, doorbells, monkeypatch, error):
    def cut(*_):
        raise error

    closed = []
    monkeypatch.setattr(worker, "_attempt", cut)
    monkeypatch.setattr(worker, "Watch", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(worker, "connection", SimpleNamespace(close=lambda: closed.append(1)))  # the test's own stays open
    worker.run(job.pk)
    job.refresh_from_db()
    assert job.status == "running" and closed == [1] and doorbells == []
    age(job, lease_until=1)
    tasks.reap()
    job.refresh_from_db()
    assert (job.status, job.attempts, doorbells) == ("queued", 1, [str(job.pk)])

"""Whose clock counts, whose turn it is, and how many may wait."""

from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import ChannelError

from marketplace.errors import Refused
from marketplace.jobs import services, tasks
from marketplace.jobs.models import JobMember, ReuseJob, WrongState

pytestmark = pytest.mark.django_db


@pytest.fixture
def another(job):
    """Jobs of the same owner, queued behind it."""

    def make(n=1):
        made = [ReuseJob.objects.create(owner=job.owner, space=job.space, method="ensemble/mean", target="kind") for _ in range(n)]
        JobMember.objects.bulk_create(JobMember(job=row, version=m.version, weight=m.weight, position=m.position) for row in made for m in job.members.all())
        return made

    return make


@pytest.mark.parametrize("wrong", [timedelta(hours=3), -timedelta(hours=3)], ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_wrong_takes_no_job_that_another_holds(job, monkeypatch, wrong):
    token = job.claim()
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + wrong)
    with pytest.raises(WrongState):
        ReuseJob.objects.get(pk=job.pk).claim()
    assert not ReuseJob.objects.abandoned().exists()
    ReuseJob.objects.get(pk=job.pk).heartbeat(token)


@pytest.mark.parametrize("wrong", [timedelta(hours=3), -timedelta(hours=3)], ids=["ahead", "behind"])
def test_a_lease_that_it_takes_is_as_long_as_any_other(job, monkeypatch, wrong):
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + wrong)
    job.claim()
    job.refresh_from_db()
    assert timedelta(seconds=20) < job.lease_until - now() < timedelta(seconds=40)


def test_a_lease_in_a_far_future_is_one_of_a_clock_that_was_set_back(job):
    job.claim()
    ReuseJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() + timedelta(hours=1))
    assert ReuseJob.objects.abandoned().get() == job
    assert ReuseJob.objects.get(pk=job.pk).claim()


def test_a_job_whose_time_lies_in_the_future_gets_its_doorbell_again(job, doorbells):
    ReuseJob.objects.filter(pk=job.pk).update(queued=timezone.now() + timedelta(hours=1))
    tasks.reap()
    assert doorbells == [str(job.pk)]


def test_others_get_their_turn(job, another, settings, doorbells):
    settings.JOBS_RUNNING_PER_USER = 2
    first, second, third = job, *another(2)
    tokens = [first.claim(), second.claim()]
    with pytest.raises(WrongState, match="turn"):
        third.claim()
    third.refresh_from_db()
    assert (third.status, third.attempts) == ("queued", 0)
    first.fail(tokens[0], {"code": "x"})
    tasks.ring_next(job.owner_id)
    assert doorbells == [str(third.pk)]
    assert third.claim()


def test_a_worker_that_died_takes_nobody_s_turn(job, another, settings):
    settings.JOBS_RUNNING_PER_USER = 1
    job.claim()
    ReuseJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert another()[0].claim()


def test_a_queue_that_is_full_says_come_again(api, bob, job, settings):
    settings.JOBS_QUEUED_MOST = 1
    members = [{"reference": m.version.reference} for m in job.members.all()]
    answer = api(bob).post("/api/v1/jobs", {"members": members, "method": "ensemble/mean"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "queue-full") and int(answer["Retry-After"]) > 0
    assert ReuseJob.objects.count() == 1
    settings.JOBS_QUEUED_MOST, settings.JOBS_PER_USER = 100, 1
    answer = api(bob).post("/api/v1/jobs", {"members": members, "method": "ensemble/mean"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-jobs") and int(answer["Retry-After"]) > 0
    with pytest.raises(Refused, match="open jobs"):
        services.request_again(job, owner=bob, method="ensemble/mean", params={})


@pytest.mark.parametrize("error", [ChannelError("the disk is full"), OSError(28, "No space left"), ConnectionResetError()])
def test_a_broker_that_takes_no_doorbell_loses_nothing(job, monkeypatch, error):
    def down(*args, **options):
        raise error

    monkeypatch.setattr(tasks.run_job, "apply_async", down)
    tasks.ring(job.pk)
    job.refresh_from_db()
    assert job.status == "queued"


def test_the_end_of_a_job_is_written_over_a_new_connection_where_the_old_one_was_cut(monkeypatch):
    from django.db import InterfaceError, OperationalError

    from marketplace.jobs import worker

    closed, left = [], [OperationalError("terminating connection"), InterfaceError("the connection is closed")]
    monkeypatch.setattr(worker.connection, "close", lambda: closed.append(1))
    monkeypatch.setattr(worker.time, "sleep", lambda s: None)

    def write():
        if left:
            raise left.pop(0)

    worker._insist(write)
    assert len(closed) == 2


@pytest.mark.parametrize(("method", "queue"), [("finetune/lora", "gpu"), ("ensemble/mean", None), ("auto", None)])
def test_methods_that_train_ring_where_the_gpus_are(job, settings, monkeypatch, method, queue):
    rung = []
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: rung.append(options.get("queue")))
    ReuseJob.objects.filter(pk=job.pk).update(method=method)
    tasks.ring(job.pk)
    settings.GPU_QUEUE = "gpu"
    tasks.ring(job.pk)
    assert rung == [None, queue]

"""The row guards its own states: of two workers one wins, and a worker given up for dead changes nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.catalog.models import Artifact, WrongState
from marketplace.jobs.models import ReuseJob

pytestmark = pytest.mark.django_db


@pytest.fixture
def result():
    return Artifact.objects.create(sha256="a" * 64, size=10)


def lapse(job):
    ReuseJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def finish(job, token, result):
    job.finish(token, result=result, evidence={"metric": "accuracy"}, lineage={"seed": 0})


def test_a_job_is_claimed_worked_on_and_finished(job, result):
    token = job.claim()
    assert (job.status, job.attempts) == ("running", 1)
    job.heartbeat(token)
    job.report(token, stage="comparing", progress=0.5, message="half")
    finish(job, token, result)
    job.refresh_from_db()
    assert (job.status, job.progress, job.result_id) == ("done", 1.0, "a" * 64)
    assert job.attempt_log[0]["reason"] == "done"
    assert job.ended and not job.token and not job.is_open


def test_the_time_left_is_told_by_the_pace_so_far(job):
    ReuseJob.objects.filter(pk=job.pk).update(method="auto")
    job.refresh_from_db()
    assert job.eta_s is None
    token = job.claim()
    assert job.eta_s is None  # nothing to go by yet
    ReuseJob.objects.filter(pk=job.pk).update(started=timezone.now() - timedelta(seconds=30))
    job.refresh_from_db()
    job.report(token, stage="comparing", progress=0.75, message="")
    job.refresh_from_db()
    assert job.eta_s == pytest.approx(10, abs=1)
    finish(job, token, Artifact.objects.create(sha256="b" * 64, size=1))
    assert job.eta_s is None


def test_of_two_workers_one_gets_the_job(job):
    job.claim()
    with pytest.raises(WrongState):
        ReuseJob.objects.get(pk=job.pk).claim()


def test_a_lapsed_lease_can_be_claimed_and_the_first_worker_is_fenced_off(job, result):
    first = job.claim()
    lapse(job)
    other = ReuseJob.objects.get(pk=job.pk)
    second = other.claim()
    for late in (lambda: job.heartbeat(first), lambda: finish(job, first, result), lambda: job.fail(first, {"code": "x"}),
                 lambda: job.report(first, stage="", progress=1, message=""), lambda: job.stop(first)):
        with pytest.raises(WrongState):
            late()
    finish(other, second, result)
    other.refresh_from_db()
    assert other.attempts == 2
    assert [entry["reason"] for entry in other.attempt_log] == ["worker lost", "done"]


def test_a_heartbeat_holds_the_lease(job):
    token = job.claim()
    lapse(job)
    job.heartbeat(token)
    assert not ReuseJob.objects.abandoned().exists()


def test_an_empty_token_opens_nothing(job, result):
    with pytest.raises(WrongState):
        finish(job, "", result)


@pytest.mark.parametrize("end", ["finish", "fail", "stop"])
def test_what_is_over_stays_over(job, result, end):
    token = job.claim()
    {"finish": lambda: finish(job, token, result), "fail": lambda: job.fail(token, {"code": "x"}), "stop": lambda: job.stop(token)}[end]()
    for again in (job.claim, lambda: finish(job, token, result), job.cancel, job.requeue):
        with pytest.raises(WrongState):
            again()


def test_a_queued_job_is_cancelled_at_once(job):
    job.cancel()
    assert job.status == "cancelled"
    with pytest.raises(WrongState):
        job.claim()


def test_a_running_job_is_asked_to_stop(job):
    token = job.claim()
    job.cancel()
    assert (job.status, job.cancel_asked) == ("running", True)
    job.stop(token)
    assert job.status == "cancelled"


def test_an_abandoned_job_is_queued_again_with_its_reason(job):
    job.claim()
    lapse(job)
    job.refresh_from_db()
    job.requeue()
    assert (job.status, job.token) == ("queued", "")
    assert job.attempt_log[0]["reason"] == "worker lost"
    assert "worker lost" in job.message


def test_a_job_whose_worker_lives_is_not_requeued(job):
    job.claim()
    with pytest.raises(WrongState):
        job.requeue()


def test_a_worker_that_came_back_before_the_reaper_keeps_the_job(job):
    token = job.claim()
    lapse(job)
    seen = ReuseJob.objects.abandoned().get()
    job.heartbeat(token)
    with pytest.raises(WrongState):
        seen.requeue()


def test_after_three_attempts_a_job_is_poison(job):
    for _ in range(3):
        job.claim()
        lapse(job)
        job.refresh_from_db()
        job.requeue()
    assert job.status == "failed"
    assert job.error["code"] == "poison"
    assert len(job.attempt_log) == 3
    with pytest.raises(WrongState):
        job.claim()


def test_a_fourth_claim_is_refused_even_before_the_reaper_came(job):
    for _ in range(3):
        job.claim()
        lapse(job)
    with pytest.raises(WrongState):
        job.claim()


def test_an_abandoned_job_that_was_to_be_cancelled_ends_cancelled(job):
    job.claim()
    job.cancel()
    lapse(job)
    job.refresh_from_db()
    job.requeue()
    assert job.status == "cancelled"


def ago(job, seconds):
    ReuseJob.objects.filter(pk=job.pk).update(started=timezone.now() - timedelta(seconds=seconds))
    job.refresh_from_db()


def test_the_time_left_does_not_jump_with_the_pace_of_one_stage(job):
    ReuseJob.objects.filter(pk=job.pk).update(method="auto")
    token = job.claim()
    ago(job, 10)
    job.report(token, stage="comparing", progress=0.5, message="")
    assert job.eta_s == pytest.approx(10, abs=1)
    job.report(token, stage="comparing", progress=0.2, message="")  # by pace alone 40 s
    assert job.eta_s == pytest.approx(10 + 0.3 * 30, abs=1)


def test_the_time_left_is_hidden_early_and_once_the_guess_was_wrong(job):
    token = job.claim()  # one method: its first steps take longest
    ago(job, 60)
    job.report(token, stage="comparing", progress=0.3, message="")
    assert job.eta_s is None
    job.report(token, stage="packing", progress=0.92, message="")
    assert job.eta_s == pytest.approx(5.2, abs=1)
    ReuseJob.objects.filter(pk=job.pk).update(ends=timezone.now() - timedelta(seconds=1))
    job.refresh_from_db()
    assert job.eta_s is None


def test_what_a_job_went_on_from_stands_in_its_log_and_lanes_begin_anew(job):
    first = job.claim()
    job.moved(first, [{"state": "answered", "rows": 5}])
    lapse(job)
    second = job.claim()
    job.went_on(second, 40)
    job.refresh_from_db()
    assert [entry.get("from_epoch") for entry in job.attempt_log] == [None, 40] and job.lanes == []
    with pytest.raises(WrongState):
        job.moved(first, [])

"""The thread beside the work: a database that is away costs a word, a job that was lost ends the work."""

import threading

import pytest
from django.db import OperationalError

from marketplace.jobs.models import ReuseJob, WrongState
from marketplace.jobs.watch import Held, Watch

pytestmark = pytest.mark.django_db
WORDS = {
    "report": lambda watch: watch.report("training", 0.5),
    "learned": lambda watch: watch.learned("merge/average", {"epoch": 1}),
    "moved": lambda watch: watch.moved(0, {"state": "fetching"}),
    "went_on": lambda watch: (watch.may_go_on({"merge/average": 1}), watch.learned("merge/average", {"epoch": 1})),
}


@pytest.fixture
def closed(monkeypatch):
    """How often the connection was closed; the one of the test stays open."""
    found = []
    monkeypatch.setattr("marketplace.jobs.watch.connection.close", lambda: found.append(1))
    return found


@pytest.mark.parametrize("name", WORDS)
def test_a_word_that_the_database_does_not_take_is_left_out_and_the_connection_renewed(job, monkeypatch, closed, name):
    def cut(*args, **kwargs):
        raise OperationalError("the line is cut")

    watch = Watch(job, job.claim())
    monkeypatch.setattr(ReuseJob, name, cut)
    WORDS[name](watch)
    assert closed == [1] and not watch.over()


@pytest.mark.parametrize("name", WORDS)
def test_a_job_that_was_lost_ends_the_work(job, name):
    watch = Watch(job, job.claim())
    ReuseJob.objects.filter(pk=job.pk).update(token="another's")
    WORDS[name](watch)
    assert watch.over() and watch.why == "lost"


def test_what_is_held_beats_while_the_work_lasts_and_no_longer(settings, closed):
    settings.JOB_LEASE_S = 0.6
    beats, twice = [], threading.Event()

    class Row:
        pk = 1

        def heartbeat(self, token):
            beats.append(token)
            if len(beats) == 2:
                twice.set()
            if len(beats) > 2:
                raise WrongState("It was lost.")

    with Held(Row(), "mine") as held:
        assert twice.wait(20) and held.row.pk == 1
    assert beats[:2] == ["mine", "mine"] and not held._thread.is_alive()

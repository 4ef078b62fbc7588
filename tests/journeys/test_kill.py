"""kill -9 of the worker in the middle of a job: the job is done on its second attempt, once."""

import pytest

from tests.journeys import models
from tests.journeys.site import wait


@pytest.fixture(scope="module")
def match(site, catalog):
    return site.client().post("matches", json={"specification": models.requirement(models.everything())}).json()


def test_a_killed_workers_job_is_done_on_its_second_attempt_once(site, bob, match, finished):
    data = models.everything().to_csv(index=False).encode()
    job = bob.post("jobs", data={"match": match["id"]}, files={"data": ("mine.csv", data, "text/csv")}).json()

    def in_the_middle():
        found = bob.get(f"jobs/{job['id']}").json()
        assert found["status"] in {"queued", "running"}, "the job was over before the worker could be killed"
        return found["status"] == "running" and found["stage"] not in {"", "starting"}

    wait(in_the_middle, 90, lambda: site.log("worker"))
    site.kill_worker()
    site.start_worker()
    done = finished(bob, job)
    assert done["status"] == "done", (done["error"], site.log("worker"))
    assert done["attempts"] == 2
    assert [entry["reason"] for entry in done["attempt_log"]] == ["worker lost", "done"]
    assert bob.get(f"{site.url}{done['result']['url']}").status_code == 200
    scratch = site.home / "scratch"
    wait(lambda: not list(scratch.glob("*")), 10)


def test_a_job_that_came_while_no_worker_ran_is_done_by_the_next(site, bob, match, finished):
    site.kill_worker()
    job = bob.post("jobs", json={"match": match["id"], "method": "ensemble/mean"}).json()
    site.start_worker()
    done = finished(bob, job)
    assert (done["status"], done["attempts"]) == ("done", 1)


def test_a_running_job_stops_when_its_owner_wishes(site, bob, match, finished):
    data = models.everything().to_csv(index=False).encode()
    job = bob.post("jobs", data={"match": match["id"]}, files={"data": ("mine.csv", data, "text/csv")}).json()
    wait(lambda: bob.get(f"jobs/{job['id']}").json()["status"] == "running", 60, lambda: site.log("worker"))
    assert bob.post(f"jobs/{job['id']}/cancel").status_code == 200
    assert finished(bob, job, 30)["status"] == "cancelled"

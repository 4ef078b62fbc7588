"""Rows before a model, in a real browser and with a real worker: a stranger's sample rows, a file of one's own, and kill -9 in between."""

import csv
import io

import pytest

from tests.journeys import models
from tests.journeys.browser import Visitor, opened
from tests.journeys.site import PASSWORD, wait


@pytest.fixture(scope="module")
def job(bob, catalog, finished):
    members = [{"reference": catalog[name]["reference"]} for name in ("small", "large")]
    job = finished(bob, bob.post("jobs", json={"members": members, "method": "ensemble/mean"}).json())
    assert job["status"] == "done", job["error"]
    assert [lane["state"] for lane in job["lanes"]] == ["answered", "answered"]
    return job


def over(client, site, trial, seconds=120):
    def look():
        found = client.get(f"trials/{trial['id']}").json()
        return found if found["state"] in ("done", "failed") else None

    return wait(look, seconds, lambda: site.log("worker"))


def test_sample_rows_and_a_file_are_answered_on_the_page(site, catalog, job, tmp_path):
    rows = models.everything().drop(columns=models.TARGET)
    mine = tmp_path / "mine.csv"
    rows.head(30).to_csv(mine, index=False)
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    with opened() as browser:
        stranger, bob = Visitor(browser, site.url), Visitor(browser, site.url, width=390, scheme="dark")
        stranger.go("/learnwares/alice/nuclei-small/1.0.0/try/")
        stranger.page.click("button:has-text('sample rows')")
        stranger.page.wait_for_selector("text=How sure", timeout=60_000)
        assert stranger.page.locator(".answers tbody tr").count() == 5
        stranger.photograph("try-sample-rows")

        bob.sign_in("bob", PASSWORD)
        bob.go(job["url"])
        bob.page.set_input_files("input[name=file]", tmp_path / "wrong.csv")
        bob.page.wait_for_selector("text=These rows were not taken")
        assert "missing:" in bob.page.inner_text("#trial")
        bob.page.set_input_files("input[name=file]", mine)
        bob.page.wait_for_selector("text=All 30 rows as CSV", timeout=60_000)
        assert bob.page.locator(".answers tbody tr").count() == 20
        bob.photograph("try-file")
        with bob.page.expect_download() as coming:
            bob.page.click("text=All 30 rows as CSV")
        coming.value.save_as(tmp_path / "out.csv")
        found = list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text())))
        assert len(found) == 31 and f"predicted_{models.TARGET}" in found[0] and {row[len(rows.columns)] for row in found[1:]} <= set(models.CLASSES)
        assert stranger.complaints + bob.complaints == []


def test_a_killed_workers_trial_is_answered_by_the_next(site, bob, job):
    content = models.everything().drop(columns=models.TARGET).to_csv(index=False).encode()
    site.kill_worker()
    trial = bob.post(f"jobs/{job['id']}/predict", files={"file": ("mine.csv", content, "text/csv")}).json()
    # A worker that took it and died: the row says running, and nobody holds its lease.
    site.manage("shell", "-c", f"from marketplace.jobs.models import Trial; Trial.objects.get(pk='{trial['id']}').claim()")
    site.start_worker()
    done = over(bob, site, trial)
    assert (done["state"], done["attempts"], done["error"]) == ("done", 2, None)
    assert len(bob.get(f"{site.url}{done['file']['url']}").text.splitlines()) == len(models.everything()) + 1

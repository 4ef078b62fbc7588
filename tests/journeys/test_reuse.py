"""Journeys 2 and 3: Bob brings data, finds what fits, and leaves with a predictor that works."""

import hashlib

import numpy as np
import pytest

from tests.journeys import models


@pytest.fixture(scope="module")
def halves():
    """40 labelled rows of Bob's, and the rest, which nobody uses until the end."""
    frame = models.everything()
    return frame.iloc[:40], frame.iloc[40:].reset_index(drop=True)


@pytest.fixture(scope="module")
def match(site, catalog, halves):
    answer = site.client().post("matches", json={"specification": models.requirement(halves[1]), "top": 10})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def job(bob, match, halves, finished):
    data = halves[0].to_csv(index=False).encode()
    answer = bob.post("jobs", data={"match": match["id"], "method": "auto"}, files={"data": ("mine.csv", data, "text/csv")})
    assert answer.status_code == 202, answer.text
    return finished(bob, answer.json())


@pytest.fixture(scope="module")
def predictor(site, bob, job, tmp_path_factory):
    from reuse import predictor

    path = tmp_path_factory.mktemp("predictor") / "predictor.zip"
    path.write_bytes(bob.get(f"{site.url}{job['result']['url']}").content)
    return predictor.load(predictor.unpack(path, path.parent / "folder") or path.parent / "folder")


def test_data_of_all_sizes_is_met_by_a_mixture(match):
    assert len(match["singles"]) >= 3
    assert [s["squared_mmd"] for s in match["singles"]] == sorted(s["squared_mmd"] for s in match["singles"])
    assert len(match["mixture"]["members"]) >= 2
    assert match["mixture"]["squared_mmd"] < match["singles"][0]["squared_mmd"]
    assert sum(m["weight"] for m in match["mixture"]["members"]) == pytest.approx(1)


def test_the_answer_can_be_read_again_by_whoever_has_its_address(site, match):
    again = site.client().get(f"matches/{match['id']}").json()
    assert again == match


def test_the_job_is_done_with_its_evidence(job, site):
    assert job["status"] == "done", (job["error"], site.log("worker"))
    assert job["attempts"] == 1
    assert job["evidence"]["leaderboard"]
    assert sum(row["chosen"] for row in job["evidence"]["leaderboard"]) == 1
    assert any("scratch" in row["method"] for row in job["evidence"]["leaderboard"])
    assert job["lineage"]


def test_the_result_is_the_file_that_it_claims_to_be(site, bob, job):
    whole = bob.get(f"{site.url}{job['result']['url']}")
    assert hashlib.sha256(whole.content).hexdigest() == job["result"]["sha256"]
    assert job["result"]["sha256"] in whole.headers["ETag"]
    part = bob.get(f"{site.url}{job['result']['url']}", headers={"Range": "bytes=0-9"})
    assert part.status_code == 206
    assert part.content == whole.content[:10]


def test_the_predictor_works_on_rows_that_nobody_used(predictor, halves):
    rest = halves[1]
    found = predictor.predict(rest.drop(columns=models.TARGET))
    assert np.mean(np.asarray(found.labels) == rest[models.TARGET].to_numpy()) > 0.85


def test_the_result_is_offered_and_found_again(site, bob, job, match, halves):
    from tests.journeys.site import wait

    answer = bob.post(f"jobs/{job['id']}/offer", json={"name": "nuclei-together", "card": "# All sizes"})
    assert answer.status_code == 202, answer.text
    path = "learnwares/bob/nuclei-together/1.0.0"
    version = wait(lambda: (v := bob.get(path).json())["status"] != "checking" and v, 90, lambda: site.log("worker"))
    assert version["status"] == "usable", version["status_reason"]
    assert version["manifest"]["parents"]
    again = site.client().post("matches", json={"specification": models.requirement(halves[1])}).json()
    assert again["singles"][0]["reference"] == "bob/nuclei-together@1.0.0"


def test_without_labels_auto_routes_and_says_what_it_could_not_verify(bob, match, finished):
    job = finished(bob, bob.post("jobs", json={"match": match["id"]}).json())
    assert job["status"] == "done", job["error"]
    assert job["evidence"]["warnings"]


def test_members_can_be_named(bob, catalog, finished):
    members = [{"reference": catalog[name]["reference"], "weight": weight} for name, weight in (("small", 1), ("large", 3))]
    job = finished(bob, bob.post("jobs", json={"members": members, "method": "ensemble/mixture-weighted"}).json())
    assert job["status"] == "done", job["error"]
    assert [m["weight"] for m in job["members"]] == [0.25, 0.75]


def test_somebody_elses_job_is_not_there(site, alice, charlie, job):
    for client in (alice, charlie):
        assert client.get(f"jobs/{job['id']}").status_code == 404
        assert client.get(f"jobs/{job['id']}/result").status_code == 404
        assert job["id"] not in client.get("jobs").text
    assert alice.post(f"jobs/{job['id']}/cancel").status_code == 404
    assert alice.post(f"jobs/{job['id']}/offer", json={"name": "stolen"}).status_code == 404
    assert site.client().get(f"jobs/{job['id']}").status_code in (401, 404)

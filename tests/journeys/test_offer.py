"""Journey 1: from three files on Alice's disk to usable learnwares, or to a refusal that says why."""

import json

import pytest

from tests.journeys import models


def test_models_of_three_formats_become_usable(catalog, site):
    assert {v["status"] for v in catalog.values()} == {"usable"}, [v["status_reason"] for v in catalog.values()] + [site.log("worker")]
    assert {v["format"] for v in catalog.values()} == {"skops", "safetensors", "onnx"}


def test_anybody_finds_and_downloads_them(catalog, site):
    anybody = site.client()
    listed = anybody.get("learnwares", params={"q": "nuclei", "task": "classification"}).json()
    assert listed["count"] >= 3
    file = next(f for f in catalog["small"]["files"] if f["name"].endswith(".skops"))
    answer = anybody.get(f"{site.url}{file['url']}" if file["url"].startswith("/") else file["url"])
    assert answer.status_code == 200
    assert len(answer.content) == file["size"]
    assert file["sha256"] in answer.headers["ETag"]


def test_a_signature_that_lies_is_refused_with_its_reason(alice, offer, tmp_path):
    files = models.write(tmp_path, "liar", models.part(0, 0.5), "safetensors",
                         output={"kind": "classes", "target": models.TARGET, "classes": ["a", "b", "c"]})
    said = offer(alice, files)
    assert said["status"] == "refused"
    assert said["status_reason"]["code"] and said["status_reason"]["message"] and "hint" in said["status_reason"]


def test_a_truncated_model_is_refused(alice, offer, tmp_path):
    files = models.write(tmp_path, "torso", models.part(0, 0.5), "safetensors")
    files["model"].write_bytes(files["model"].read_bytes()[:-40])
    said = offer(alice, files)
    assert said.get("http", 0) in range(400, 500) or said["status"] == "refused"


def test_a_renamed_pickle_is_refused_with_the_command_that_converts(alice, offer, tmp_path):
    import hashlib
    import pickle

    files = models.write(tmp_path, "wolf", models.part(0, 0.5), "skops")
    data = pickle.dumps({"weights": [1.0] * 100})
    files["model"].write_bytes(data)
    manifest = json.loads(files["manifest"])
    manifest["model"] |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    said = offer(alice, files, manifest=json.dumps(manifest).encode())
    reason = said if "http" in said else said["status_reason"]
    assert reason["code"] == "pickle-refused"
    assert "moorage convert" in reason["hint"]


def test_versions_are_immutable(alice, catalog, offer, tmp_path):
    said = offer(alice, models.write(tmp_path, "nuclei-small", models.part(0, 0.4), "skops"))
    assert said["http"] in (400, 409, 422)


@pytest.mark.parametrize("who", ["charlie", None])
def test_without_the_scope_nothing_is_offered(site, charlie, who, tmp_path):
    client = charlie if who else site.client()
    files = models.write(tmp_path, "intruder", models.part(0, 0.5), "skops")
    answer = client.post("learnwares", files={"manifest": files["manifest"], "model": files["model"].read_bytes()})
    assert answer.status_code in (401, 403)
    assert {"code", "message", "hint", "request_id"} <= answer.json().keys()


def test_the_market_runs_on_the_services_that_were_asked_for(site):
    """Else a run against PostgreSQL and S3 would prove nothing."""
    import os

    said = site.manage("shell", "-v", "0", "-c", "from django.db import connection; from django.conf import settings; from marketplace.celery import app;"
                       "print(connection.vendor, settings.STORAGE_URL.split(':')[0], app.conf.broker_url.split(':')[0])").split()
    database, store, broker = (os.environ.get(f"MOORAGE_{name}_URL", default).split(":")[0] for name, default in
                               (("DATABASE", "sqlite"), ("STORAGE", "file"), ("BROKER", "filesystem")))
    assert said[-3:] == [{"postgres": "postgresql"}.get(database, database), store, broker]

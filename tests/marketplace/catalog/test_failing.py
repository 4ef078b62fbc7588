"""A full disk, a broken disk, a flipped bit, a database that is away: 507 or 503 with Retry-After, no row and no file more than before; and checks that take their worker down."""

import errno
import os
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from marketplace.catalog import artifacts, tasks, uploading, worker
from marketplace.catalog.models import Artifact, Learnware, Space, Upload, Version, VersionQuerySet
from marketplace.jobs.models import ReuseJob  # noqa: F401 - its rows refer to artifacts
from storage import local

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_store(settings, tmp_path):
    settings.STORAGE_URL = f"file://{tmp_path}/store"
    return tmp_path / "store"


def held(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("number", "status", "code"), [(errno.ENOSPC, 507, "no-space"), (errno.EDQUOT, 507, "no-space"), (errno.EIO, 503, "store-fails")])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_takes_nothing_keeps_nothing(api, alice, files, upload, own_store, monkeypatch, number, status, code, call):
    def fails(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(local.os, call, fails)
    answer = upload(api(alice), files())
    assert (answer.status_code, answer.json()["code"]) == (status, code) and int(answer["Retry-After"]) > 0
    monkeypatch.undo()
    assert not any(model.objects.exists() for model in (Artifact, Learnware, Space, Version)) and held(own_store) == []


def test_the_second_file_that_finds_no_room_takes_the_first_with_it(api, alice, files, upload, own_store, monkeypatch):
    real, calls = local.os.fsync, []

    def full(descriptor):
        calls.append(1)
        if len(calls) > 3:  # the file and two folders of the first
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor)

    monkeypatch.setattr(local.os, "fsync", full)
    assert upload(api(alice), files()).status_code == 507
    monkeypatch.undo()
    assert held(own_store) == [] and not Artifact.objects.exists()


def test_an_upload_that_finds_no_room_for_its_file_has_no_row(api, alice, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploading.os, "open", full)
    answer = api(alice).post("/api/v1/uploads", HTTP_UPLOAD_LENGTH="10", HTTP_TUS_RESUMABLE="1.0.0")
    assert answer.status_code == 507 and not Upload.objects.exists()


@pytest.mark.parametrize("at", [0, 100, -1])
def test_a_flipped_bit_is_never_served(api, alice, files, upload, own_store, at):
    answer = upload(api(alice), files()).json()
    version = Version.objects.get()
    Version.objects.update(status=Version.Status.USABLE)
    path = own_store / version.model_id[:2] / version.model_id[2:4] / version.model_id
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(whole)
    address = f"/api/v1/learnwares/alice/{answer['name']}/{answer['version']}/files/{version.manifest['model']['file']}"
    for extra in ({}, {"HTTP_RANGE": "bytes=0-3"}):
        found = api(alice).get(address, **extra)
        assert (found.status_code, found.json()["code"]) == (503, "artifact-damaged"), address


@pytest.mark.parametrize(("words", "status"), [("server closed the connection unexpectedly", 503), ("database or disk is full", 507)])
def test_a_page_says_the_same_where_the_database_is_away(client, monkeypatch, words, status):
    def away(*args, **kwargs):
        raise OperationalError(words)

    monkeypatch.setattr(VersionQuerySet, "visible_to", away)
    answer = client.get("/learnwares/alice/nuclei/")
    assert answer.status_code == status and int(answer["Retry-After"]) > 0


def test_a_check_that_takes_its_worker_down_three_times_is_refused_and_not_tried_again(alice, files, upload, api, settings):
    upload(api(alice), files())
    version = Version.objects.get()
    for _ in range(settings.JOB_MAX_ATTEMPTS):
        assert worker._claim(version.pk)
        Version.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert worker._claim(version.pk) is None
    tasks.reap()
    version.refresh_from_db()
    assert (version.status, version.refusal["code"], version.attempts) == ("refused", "poison", 3)


def test_a_check_that_goes_on_is_not_given_up(alice, files, upload, api, settings):
    upload(api(alice), files())
    version = Version.objects.get()
    for _ in range(settings.JOB_MAX_ATTEMPTS):
        Version.objects.update(lease_until=None)
        assert worker._claim(version.pk)
    tasks.reap()
    version.refresh_from_db()
    assert version.status == "checking"


def test_offers_beyond_what_can_be_checked_are_told_to_come_again(api, alice, files, upload, settings):
    settings.CHECKS_QUEUED_MOST = 1
    assert upload(api(alice), files("one")).status_code in (201, 202)
    answer = upload(api(alice), files("two", low=0.3))
    assert (answer.status_code, answer.json()["code"]) == (503, "queue-full") and answer["Retry-After"]
    assert not artifacts.held_back() and Version.objects.count() == 1

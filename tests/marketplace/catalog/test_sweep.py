"""What nothing refers to is swept after a day, and nothing else."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.catalog import artifacts, services
from marketplace.catalog.models import Artifact, Version
from storage import ArtifactMissing
from storage.local import LocalStore

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    store = LocalStore(tmp_path / "store")
    monkeypatch.setattr(artifacts, "store", lambda: store)
    return store


def age(store, *digests, days=2):
    Artifact.objects.filter(pk__in=digests).update(created=timezone.now() - timedelta(days=days))
    for sha256 in digests:
        path = store.folder / sha256[:2] / sha256[2:4] / sha256
        moment = path.stat().st_mtime - days * 86400
        os.utime(path, (moment, moment))


def test_what_is_offered_stays_however_old(own_store, alice, files):
    version = services.submit(owner=alice, **files())
    age(own_store, version.model_id, version.specification_id)
    assert artifacts.sweep() == 0
    assert artifacts.read(version.model_id)


def test_a_row_that_nothing_refers_to_goes_with_its_bytes(own_store):
    stored = artifacts.put(b"orphan")
    artifacts.row(stored)
    assert artifacts.sweep() == 0  # it may be on its way to a version
    age(own_store, stored.sha256)
    assert artifacts.sweep() == 1 and not Artifact.objects.exists()
    with pytest.raises(ArtifactMissing):
        artifacts.open(stored.sha256)


def test_bytes_that_a_kill_left_without_a_row_go(own_store):
    stored = artifacts.put(b"nobody wrote my row")
    age(own_store, stored.sha256)
    assert artifacts.sweep() == 1


def test_old_bytes_that_were_put_again_stay_for_their_new_row(own_store):
    stored = artifacts.put(b"again")
    age(own_store, stored.sha256)
    artifacts.put(b"again")
    assert artifacts.sweep() == 0 and artifacts.read(stored.sha256) == b"again"


def test_a_withdrawn_version_keeps_its_bytes(own_store, alice, files):
    version = services.submit(owner=alice, **files())
    Version.objects.update(status="withdrawn")
    age(own_store, version.model_id, version.specification_id)
    assert artifacts.sweep() == 0

"""Room: an account fills as much of the store as it may and no byte more, whatever comes at once."""

import io
import json

import numpy as np
import pytest

from marketplace.accounts import organisations
from marketplace.catalog import artifacts, quota, services, uploading
from marketplace.catalog.models import Artifact, Learnware, Upload, Version
from marketplace.errors import Refused
from marketplace.jobs.models import ReuseJob
from tests.marketplace.catalog.conftest import edited
from tests.marketplace.catalog.test_tus import TUS, begin, send
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    (tmp_path / "uploads").mkdir()
    monkeypatch.setattr(uploading, "folder", lambda: tmp_path / "uploads")


def flats(owner, model=b"weights", name="flats", **more):
    return offered(owner, name, homes(), table(np.random.default_rng(0)), model=model, **more)


def test_what_is_kept_counts_once_for_each_owner(alice, bob):
    assert quota.room(alice) == quota.Room(0, 0, 20 * quota.GB)
    first = flats(alice)
    each = first.model.size + first.specification.size
    flats(alice, number="1.0.1")
    assert quota.room(alice).stored == each and quota.room(bob).stored == 0
    flats(bob)
    flats(alice, number="1.0.2", model=b"other weights", status=Version.Status.REFUSED)
    assert quota.room(bob).stored == each and quota.room(alice).stored == each + len(b"other weights")


def test_what_jobs_were_given_and_made_counts(alice, bob):
    version = flats(bob)
    made, given = (artifacts.row(artifacts.put(content)) for content in (b"a result", b"labelled rows"))
    ReuseJob.objects.create(owner=alice, space=version.space, method="auto", result=made, data=given)
    assert quota.room(alice).stored == made.size + given.size and quota.room(bob).stored == version.model.size + version.specification.size


def test_every_row_that_refers_to_bytes_says_whose_it_is(alice):
    from marketplace.accounts.models import User

    for model, column, owner in quota.relations():
        assert model._base_manager.filter(**{owner: alice, f"{column}__isnull": False}).count() == 0
        *steps, last = owner.split("__")
        for step in steps:
            model = model._meta.get_field(step).related_model
        assert model._meta.get_field(last).related_model is User
    assert {model.__name__ for model, _, _ in quota.relations()} >= {"Version", "ReuseJob", "Trial", "Match", "Wanted"}


def test_an_upload_takes_its_room_before_its_first_byte(api, alice, settings):
    settings.QUOTA_BYTES = 1000
    client = api(alice)
    first = begin(client, b"x" * 600)
    assert first.status_code == 201 and quota.room(alice) == quota.Room(0, 600, 1000)
    answer = begin(client, b"x" * 401)
    assert answer.status_code == 507 and answer.json()["code"] == "over-quota" and answer.json()["hint"] and answer.json()["fields"]["Upload-Length"]
    assert Upload.objects.count() == 1 and begin(client, b"x" * 400).status_code == 201
    client.delete(first["Location"], **TUS)
    assert begin(client, b"x" * 600).status_code == 201 and begin(client, b"x").status_code == 507


def test_the_store_is_not_filled_version_by_version(alice, files, settings):
    found = files()
    first = services.submit(owner=alice, **found)
    kept = quota.room(alice).stored
    assert kept == first.model.size + first.specification.size
    settings.QUOTA_BYTES = kept + first.model.size // 2
    before = set(Artifact.objects.values_list("pk", flat=True))
    with pytest.raises(Refused) as refusal:
        services.submit(owner=alice, **files(version="1.0.1", low=0.2))
    assert (refusal.value.code, refusal.value.status) == ("over-quota", 507) and refusal.value.hint and "model" in refusal.value.fields
    assert Version.objects.count() == 1 and set(Artifact.objects.values_list("pk", flat=True)) == before
    services.submit(owner=alice, **found | {"manifest": edited(found["manifest"], version="1.0.1")})  # the same bytes under another number take nothing
    assert quota.room(alice).stored == kept


def test_room_that_is_taken_while_the_bytes_come_is_seen_when_the_row_is_written(alice, files, settings, monkeypatch):
    real = artifacts.put

    def put(content):
        stored = real(content)
        settings.QUOTA_BYTES = 10  # somebody was faster
        return stored

    monkeypatch.setattr(artifacts, "put", put)
    with pytest.raises(Refused, match="may keep"):
        services.submit(owner=alice, **files())
    assert not Version.objects.exists() and not Artifact.objects.exists() and not Learnware.objects.exists()


def test_an_offer_of_what_has_arrived_is_not_counted_twice(api, alice, files, settings):
    found, client = files(), api(alice)
    content = found["model"].read()
    url = begin(client, content)["Location"]
    assert send(client, url, content, 0).status_code == 204
    settings.QUOTA_BYTES = len(content) + len(found["specification"]) + 2000
    body = {"manifest": json.loads(found["manifest"]), "model": url.rstrip("/").rpartition("/")[2], "specification": json.loads(found["specification"])}
    answer = client.post("/api/v1/learnwares", body, format="json")
    assert answer.status_code == 202, answer.content
    assert not Upload.objects.exists() and quota.room(alice).coming == 0


def test_the_check_before_an_upload_names_it_among_the_problems(alice, files, settings):
    found = files()
    settings.QUOTA_BYTES = 10
    problems = services.problems(author=alice, manifest=json.loads(found["manifest"]), specification=found["specification"])
    assert [problem.code for problem in problems] == ["over-quota"]


def test_an_organisation_has_a_room_of_its_own(alice, files, settings):
    lab = organisations.create(by=alice, username="lab")
    services.submit(owner=alice, **files(owner="lab"))
    assert quota.room(lab).stored > 0 and quota.room(alice).stored == 0
    settings.QUOTA_BYTES = quota.room(lab).stored
    with pytest.raises(Refused, match="lab may keep"):
        services.submit(owner=alice, **files(owner="lab", version="1.0.1", low=0.2))
    with pytest.raises(Refused, match="You may keep"):
        quota.insist(alice, {"": settings.QUOTA_BYTES + 1})
    quota.insist(alice, {"": settings.QUOTA_BYTES})


def test_staff_give_an_account_more_room_or_none(admin_client, alice, settings):
    settings.QUOTA_BYTES = 5
    with pytest.raises(Refused):
        quota.insist(alice, {"": 6})
    page = admin_client.get(f"/admin/accounts/user/{alice.pk}/change/")
    assert page.status_code == 200 and b'name="quota_gb"' in page.content
    form = page.context["adminform"].form
    sent = {name: value for name, value in form.initial.items() if value is not None and name in form.fields and name != "password"} | {"quota_gb": "1"}
    sent |= {"groups": [], "user_permissions": []}
    answer = admin_client.post(f"/admin/accounts/user/{alice.pk}/change/", sent)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    alice.refresh_from_db()
    assert quota.limit(alice) == quota.GB
    quota.insist(alice, {"": 6})
    alice.quota_gb = 0
    with pytest.raises(Refused):
        quota.insist(alice, {"": 1})


def test_pages_say_how_full_it_is(client, alice, settings):
    lab = organisations.create(by=alice, username="lab")
    settings.QUOTA_BYTES = 20 * quota.GB
    Upload.objects.create(owner=alice, name="model.onnx", size=int(3.1 * quota.GB), expires=uploading._expiry())
    client.force_login(alice)
    for address in ("/mine/", "/upload/"):
        said = " ".join(client.get(address).content.decode().split())
        assert '<span class="num">3.1</span> of <span class="num">20</span> GB' in said and "(3.1 GB on its way)" in said
        assert f"Room of {lab.username}" in said


def test_a_job_is_given_nothing_beyond_the_room(alice, settings):
    from marketplace.jobs import services as jobs

    stored = artifacts.put(io.BytesIO(b"x" * 100))
    settings.QUOTA_BYTES = 99
    with pytest.raises(Refused, match="may keep"):
        jobs._queue(alice, None, [], {"data": stored}, space=flats(alice).space, method="auto")
    assert not ReuseJob.objects.exists()

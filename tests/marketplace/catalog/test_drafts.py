"""Drafts: what is written is kept, several at once, for their author alone, and swept when nobody comes back."""

from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from marketplace.accounts.models import Membership, User
from marketplace.catalog import uploading
from marketplace.catalog.models import Draft, Learnware, Upload, Version
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    (tmp_path / "uploads").mkdir()
    monkeypatch.setattr(uploading, "folder", lambda: tmp_path / "uploads")


@pytest.fixture
def draft(alice):
    """A draft of Alice's with a file of which a quarter has arrived."""
    upload = uploading.begin(owner=alice, size=100, name="model.skops")
    Upload.objects.update(offset=25)
    return uploading.save_draft(author=alice, document={"fields": {"name": "half-said", "title": "Half said", "licence": "MIT"}}, uploads=[str(upload.pk)])


@pytest.fixture
def flats(alice):
    output = {"kind": "classes", "target": "kind", "classes": ["flat", "house"]}
    manifest = {"output": output, "input": {"takes": "columns"}, "model": {"file": "model.bin", "architecture": {"name": "linear", "config": {}}}, "card": "# Flats"}
    return offered(alice, "flats", homes(), table(np.random.default_rng(0)), number="1.2.3", manifest=manifest)


def test_a_draft_is_written_read_and_thrown_away(api, alice):
    client = api(alice)
    made = client.post("/api/v1/drafts", {"document": {"fields": {"name": "one"}}}, format="json")
    assert made.status_code == 201 and made.json()["url"] == f"/upload/?draft={made.json()['id']}"
    address = f"/api/v1/drafts/{made.json()['id']}"
    upload = uploading.begin(owner=alice, size=10, name="m")
    again = client.put(address, {"document": {"fields": {"name": "two"}}, "uploads": [str(upload.pk)]}, format="json").json()
    assert again["document"] == {"fields": {"name": "two"}} and again["uploads"][0]["offset"] == 0 and not again["uploads"][0]["finished"]
    assert client.post("/api/v1/drafts", {"document": {}}, format="json").status_code == 201 and len(client.get("/api/v1/drafts").json()) == 2
    assert client.delete(address).status_code == 204 and client.get(address).status_code == 404 and not Upload.objects.exists()


def test_a_draft_is_its_authors(api, bob, client, draft):
    address = f"/api/v1/drafts/{draft.pk}"
    assert api().get(address).status_code == 401
    for method in (api(bob).get, api(bob).delete):
        assert method(address).status_code == 404
    assert api(bob).put(address, {"document": {}}, format="json").status_code == 404
    client.force_login(bob)
    assert client.get(reverse("upload"), {"draft": draft.pk}).status_code == 404 and client.post(reverse("draft-discard", args=[draft.pk])).status_code == 404


def test_a_draft_never_holds_another_persons_upload(api, bob, draft):
    theirs = Upload.objects.get()
    made = api(bob).post("/api/v1/drafts", {"document": {}, "uploads": [str(theirs.pk)]}, format="json").json()
    assert made["uploads"] == []


@pytest.mark.parametrize("body", [{}, {"document": []}, {"document": {}, "uploads": ["x"]}, {"document": {"card": "x" * 300_000}}])
def test_a_draft_that_can_not_be_kept_gets_words(api, alice, body):
    answer = api(alice).post("/api/v1/drafts", body, format="json")
    assert 400 <= answer.status_code < 500 and answer.json()["hint"] and not Draft.objects.exists()


def test_there_are_so_many_drafts_and_no_more(api, alice, settings):
    settings.DRAFTS_EACH = 1
    assert [api(alice).post("/api/v1/drafts", {"document": {}}, format="json").status_code for _ in range(2)] == [201, 429]


def test_old_drafts_are_swept(draft):
    assert uploading.sweep() == 0
    Draft.objects.update(changed=timezone.now() - timedelta(days=31))
    assert uploading.sweep() == 1 and not Draft.objects.exists()


def test_my_learnwares_shows_what_is_on_its_way(client, alice, draft):
    client.force_login(alice)
    page = client.get(reverse("mine")).content.decode()
    assert "Half said" in page and "25 %" in page and "You have offered nothing yet" in page
    form = client.get(reverse("upload"), {"draft": draft.pk}).content.decode()
    assert 'value="half-said"' in form and f'data-draft="{draft.pk}"' in form
    assert client.post(reverse("draft-discard", args=[draft.pk])).status_code == 302 and not Upload.objects.exists()


def test_an_upload_can_be_cancelled_on_the_page(client, alice, bob):
    upload = uploading.begin(owner=alice, size=10, name="loose.onnx")
    address = reverse("upload-cancel", args=[upload.pk])
    client.force_login(bob)
    assert client.post(address).status_code == 404
    client.force_login(alice)
    assert "loose.onnx" in client.get(reverse("upload")).content.decode()
    assert client.post(address).status_code == 302 and not Upload.objects.exists()


def test_a_new_version_begins_with_the_words_of_the_last(client, alice, flats):
    client.force_login(alice)
    page = client.get(reverse("upload"), {"new": "alice/flats"}).content.decode()
    assert 'value="1.3.0"' in page and 'data-number="1.2.4"' in page and 'data-number="2.0.0"' in page
    assert "flat, house" in page and "# Flats" in page and f'data-kept="{flats.specification_id}"' in page


@pytest.mark.parametrize("named", ["alice/flats", "alice/nothing", "nobody", "draft"])
def test_a_new_version_is_for_who_may_write(client, bob, flats, named):
    client.force_login(bob)
    asked = {"draft": "no-id"} if named == "draft" else {"new": named}
    assert client.get(reverse("upload"), asked).status_code == 404


def test_a_writer_offers_for_the_organisation(client, bob, charlie):
    harbour = User.objects.create(username="harbour", kind=User.Kind.ORGANISATION)
    Membership.objects.create(organisation=harbour, user=bob, role=Membership.Role.WRITER)
    Membership.objects.create(organisation=harbour, user=charlie, role=Membership.Role.READER)
    version = offered(harbour, "tides", homes(), table(np.random.default_rng(0)))
    Learnware.objects.update(visibility="private")
    for person, sees in ((bob, True), (charlie, False)):
        client.force_login(person)
        assert ('value="harbour"' in client.get(reverse("upload")).content.decode()) is sees
        assert ("harbour/tides@1.0.0" in client.get(reverse("mine")).content.decode().replace("harbour/</span>", "harbour/")) is sees
        assert client.get(reverse("upload"), {"new": str(version.learnware)}).status_code == (200 if sees else 404)


def test_my_learnwares_are_filtered_by_state(client, alice, flats):
    offered(alice, "houses", homes(), table(np.random.default_rng(1)), status=Version.Status.REFUSED)
    client.force_login(alice)
    page = client.get(reverse("mine"), {"state": "refused"}).content.decode()
    assert "Houses" in page and "flats@" not in page and "?state=usable" in page
    assert "None in this state" in client.get(reverse("mine"), {"state": "withdrawn"}).content.decode()

"""A person's data: all of it to take along, and an end that leaves nothing of them but what others built on."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from marketplace.accounts import factors, notices, organisations, personal, services
from marketplace.accounts.models import ApiToken, AuditEvent, Notification, User
from marketplace.catalog import access, talking, uploading
from marketplace.catalog.models import Comment, Draft, Learnware, Like, Upload, Version
from marketplace.errors import Refused
from marketplace.jobs.models import JobMember, ReuseJob
from marketplace.matching import index
from marketplace.matching.models import Match
from tests.marketplace.rows import homes, join, offered, requirement, table

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_index():
    index.forget()
    yield
    index.forget()


@pytest.fixture
def rng():
    return np.random.default_rng(6)


@pytest.fixture
def full(alice, bob, rng):
    """Alice with something in every corner; Bob has built on one of her learnwares and run a job with another."""
    from marketplace.matching.services import match

    space = homes()
    versions = {name: offered(alice, name, space, table(rng, shift)) for shift, name in enumerate(("alone", "parent", "member"))}
    child = offered(bob, "child", space, table(rng, 4))
    child.parents.set([versions["parent"]])
    job = ReuseJob.objects.create(owner=bob, space=child.space, method="ensemble/mean")
    JobMember.objects.create(job=job, version=versions["member"], weight=1, position=0)
    own = ReuseJob.objects.create(owner=alice, space=child.space, method="ensemble/mean")
    JobMember.objects.create(job=own, version=versions["alone"], weight=1, position=0)
    alice.email, alice.title, alice.about, alice.email_confirmed = "alice@example.org", "Alice A.", "Sails.", timezone.now()
    alice.save()
    services.create_token(alice, "laptop", ["read"])
    factors.begin(alice)
    notices.tell(alice, "usable", "Look.")
    talking.like(child.learnware, alice)
    talking.say(child.learnware, alice, "From Alice.")
    match(user=alice, specification=requirement(space, table(rng)), filters={})
    upload = uploading.begin(owner=alice, size=10, name="model.bin")
    Draft.objects.create(author=alice).uploads.add(upload)
    access.change(child.learnware, bob, gated=True)
    access.ask(child.learnware, alice, "Please.")
    return {**versions, "child": child, "job": job}


def unpacked(answer) -> dict:
    with zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))) as packed:
        return {name: json.loads(packed.read(name)) for name in packed.namelist()}


def test_every_relation_of_a_person_is_accounted_for():
    """A new table that speaks of people says what becomes of it: in the export, and when they leave."""
    ours = {personal.relation_name(relation) for relation in personal.relations()}
    assert ours == {relation for relation in personal.held() if not relation.startswith("accounts.User.")}


def test_the_export_holds_it_all_and_opens_nothing(client, alice, full):
    client.force_login(alice)
    answer = client.post("/accounts/data/")
    assert answer["Content-Type"] == "application/zip" and "moorage-alice.zip" in answer["Content-Disposition"]
    said = unpacked(answer)
    names = {f"{name}.json" for name, _ in personal.held().values() if name}
    assert names <= set(said) and {"account.json", "versions.json", "files.json", "events.json", "results.json"} <= set(said)
    assert said["account.json"]["email"] == "alice@example.org" and said["comments.json"][0]["words"] == "From Alice."
    assert {row["reference"] for row in said["versions.json"]} == {"alice/alone@1.0.0", "alice/parent@1.0.0", "alice/member@1.0.0"}
    assert all(len(row["sha256"]) == 64 and client.get(row["download"]).status_code == 200 for row in said["files.json"] if row["file"] == "specification.json")
    whole = json.dumps(said)
    alice.refresh_from_db()
    token = ApiToken.objects.get(user=alice)
    assert not [secret for secret in (alice.password, token.digest, alice.second_factor.sealed) if secret in whole]
    assert "child" not in json.dumps(said["learnwares.json"])


def test_the_export_is_for_oneself_and_by_a_click(client, alice):
    assert client.post("/accounts/data/").status_code == 302
    client.force_login(alice)
    assert client.get("/accounts/data/").status_code == 405


def leave(client, user, **changes):
    return client.post("/accounts/delete/", {"username": user.username, "password": f"{user.username}-has-a-boat"} | changes)


def test_leaving_takes_name_password_and_code(client, alice):
    client.force_login(alice)
    assert leave(client, alice, username="bob").status_code == leave(client, alice, password="wrong").status_code == 422
    secret = factors.begin(alice)
    import pyotp

    factors.confirm(alice, pyotp.TOTP(secret).now())
    client.force_login(User.objects.get(pk=alice.pk))
    assert leave(client, alice).status_code == leave(client, alice, code="000000").status_code == 422
    assert User.objects.filter(username="alice", is_active=True).exists()


def test_whoever_leaves_leaves_nothing_but_what_others_built_on(client, api, alice, bob, full):
    client.force_login(alice)
    other = Client()
    other.force_login(alice)
    page = client.get("/accounts/delete/").content.decode()
    assert "alice/parent@1.0.0" in page and "alice/member@1.0.0" in page and "alice/alone" not in page
    assert leave(client, alice).url == "/"
    gone = User.objects.get(pk=alice.pk)
    assert gone.username.startswith("gone-") and not gone.is_active and gone.gone and not gone.has_usable_password()
    assert (gone.email, gone.title, gone.about, gone.link, gone.first_name, gone.last_name) == ("",) * 6
    assert {version.learnware.name: version.status for version in Version.objects.filter(learnware__owner=gone)} == {"parent": "withdrawn", "member": "withdrawn"}
    assert not Learnware.objects.filter(name="alone").exists()
    for model, field in ((ApiToken, "user"), (Notification, "recipient"), (Like, "user"), (Comment, "author"), (Draft, "author"), (Upload, "owner"), (Match, "owner"), (ReuseJob, "owner")):
        assert not model.objects.filter(**{field: gone}).exists(), model
    full["child"].learnware.refresh_from_db()
    assert full["child"].learnware.likes_count == 0
    assert other.get("/tokens/").status_code == client.get("/tokens/").status_code == 302
    assert not Client().login(username="alice", password="alice-has-a-boat")


def test_lineage_and_jobs_of_others_stay_sound(client, api, alice, bob, full):
    personal.delete(alice)
    gone = User.objects.get(pk=alice.pk).username
    assert [parent.reference for parent in full["child"].parents.all()] == [f"{gone}/parent@1.0.0"]
    answer = api(bob).get(f"/api/v1/jobs/{full['job'].pk}")
    assert answer.status_code == 200 and answer.json()["members"][0]["reference"] == f"{gone}/member@1.0.0"
    client.force_login(bob)
    page = client.get(full["child"].get_absolute_url())
    assert page.status_code == 200 and "alice" not in page.content.decode()
    assert client.get(f"/people/{gone}/").status_code == 404, "an account that is gone has no page"
    assert client.get(f"/learnwares/{gone}/parent/1.0.0/").status_code == 200


def test_searches_find_nothing_of_theirs_and_still_answer(api, alice, bob, full, rng):
    asked = {"specification": json.loads(requirement(homes(), table(rng)))}
    names = lambda answer: {row["reference"] for row in answer.json()["singles"]}  # noqa: E731
    assert any(name.startswith("alice/") for name in names(api(bob).post("/api/v1/matches", asked, format="json")))
    personal.delete(alice)
    answer = api(bob).post("/api/v1/matches", asked, format="json")
    assert answer.status_code in (200, 201) and names(answer) == {"bob/child@1.0.0"}
    assert [row["reference"] for row in api().get("/api/v1/learnwares").json()["results"]] == ["bob/child@1.0.0"]


def test_nobody_gets_the_name_of_an_account_that_is_gone(client, alice):
    personal.delete(alice)
    answer = client.post("/accounts/sign-up/", {"username": "alice", "password1": "a-quiet-harbour", "password2": "a-quiet-harbour"})
    assert answer.status_code == 422 and "is taken" in answer.content.decode()
    with pytest.raises(Refused, match="taken"):
        services.read_name("alice")


def test_the_last_admin_of_an_organisation_stays_until_there_is_another(client, alice, bob):
    harbour = organisations.create(by=alice, username="harbour")
    client.force_login(alice)
    assert leave(client, alice).status_code == 422 and User.objects.filter(username="alice").exists()
    join(harbour, alice, username="bob", role="admin")
    assert leave(client, alice).status_code == 302
    assert [m.user.username for m in harbour.members.all()] == ["bob"]


def test_the_log_keeps_a_number_and_no_name(client, alice):
    services.create_token(alice, "laptop", ["read"])
    personal.delete(alice)
    assert set(AuditEvent.objects.values_list("actor", flat=True)) == {alice.pk}
    assert "alice" not in json.dumps(list(AuditEvent.objects.values("object", "detail", "origin", "request_id")))


def test_sessions_stand_under_a_digest_of_their_key(client, alice):
    client.force_login(alice)
    row = Session.objects.get()
    assert row.session_key != client.cookies["sessionid"].value and len(row.session_key) == 40
    thief = Client()
    thief.cookies["sessionid"] = row.session_key
    assert thief.get("/tokens/").status_code == 302 and client.get("/tokens/").status_code == 200
    client.post("/accounts/sign-out/")
    assert not Session.objects.filter(pk=row.pk).exists()

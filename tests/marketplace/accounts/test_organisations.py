"""Organisations: founded, joined, left, and acted for; over REST and by the services behind the pages."""

import pytest

from marketplace.accounts import organisations, services
from marketplace.accounts.models import Membership, Notification, User
from marketplace.errors import Refused
from tests.marketplace.rows import join

pytestmark = pytest.mark.django_db


@pytest.fixture
def harbour(alice):
    return organisations.create(by=alice, username="harbour", title="The Harbour")


@pytest.fixture
def admin(api, alice):
    return api(alice, ["read", "admin"])


def test_whoever_founds_one_is_its_admin(api, admin, alice):
    answer = admin.post("/api/v1/organisations", {"username": "harbour", "title": "The Harbour", "link": "https://harbour.example"}, format="json")
    assert answer.status_code == 201 and answer.json()["members"][0]["username"] == "alice"
    assert [(row["username"], row["role"]) for row in admin.get("/api/v1/organisations").json()] == [("harbour", "admin")]
    assert api().get("/api/v1/organisations/harbour").json()["title"] == "The Harbour"
    assert set(User.objects.acts_for(alice).values_list("username", flat=True)) == {"alice", "harbour"}


@pytest.mark.parametrize(("body", "code"), [
    ({"username": "Harbour"}, "bad-name"), ({"username": "h"}, "bad-name"), ({"username": "bob"}, "name-taken"), ({"username": "harbour/x"}, "bad-name"),
    ({}, "wrong-fields"), ({"username": "harbour", "link": "javascript:alert(1)"}, "wrong-fields"), ({"username": "harbour", "about": "x" * 2001}, "wrong-fields"),
])
def test_names_obey_the_rules_of_user_names_and_share_their_set(admin, bob, body, code):
    answer = admin.post("/api/v1/organisations", body, format="json")
    assert 400 <= answer.status_code < 500 and answer.json()["code"] == code and not User.objects.filter(kind="organisation").exists()


def test_nobody_signs_up_under_the_name_of_an_organisation(client, harbour):
    answer = client.post("/accounts/sign-up/", {"username": "harbour", "password1": "a-quiet-quay", "password2": "a-quiet-quay"})
    assert answer.status_code == 422 and "is taken" in answer.content.decode()


def test_nobody_signs_in_as_an_organisation_whatever_its_password(api, client, harbour):
    harbour.set_password("a-quiet-quay")
    harbour.save()
    assert not client.login(username="harbour", password="a-quiet-quay")
    assert client.post("/accounts/sign-in/", {"username": "harbour", "password": "a-quiet-quay"}).status_code == 200
    assert api().post("/api/v1/tokens", {"username": "harbour", "password": "a-quiet-quay"}, format="json").status_code == 401
    with pytest.raises(Refused, match="organisation"):
        services.create_token(harbour, "x", ["read"])


def test_a_member_is_invited_told_accepts_is_changed_and_taken_out(admin, api, alice, bob, harbour):
    path = "/api/v1/organisations/harbour/members"
    assert admin.post(path, {"username": "bob", "role": "reader"}, format="json").status_code == 202
    told = Notification.objects.get(recipient=bob)
    assert told.kind == "invited" and "alice" in told.words and told.address == "/invitations/"
    assert not Membership.objects.filter(user=bob).exists() and [m["username"] for m in api().get("/api/v1/organisations/harbour").json()["members"]] == ["alice"]
    guest = api(bob, ["read", "admin"])
    assert [(row["organisation"], row["role"], row["by"]) for row in guest.get("/api/v1/invitations").json()] == [("harbour", "reader", "alice")]
    assert guest.post("/api/v1/invitations/harbour", {"accept": True}, format="json").json()["role"] == "reader"
    assert guest.post("/api/v1/invitations/harbour", {"accept": True}, format="json").status_code == 404
    assert "is a reader" in Notification.objects.get(recipient=alice).words
    assert not services.may_write(bob, harbour)
    assert admin.patch(f"{path}/bob", {"role": "writer"}, format="json").json()["role"] == "writer"
    assert services.may_write(bob, harbour)
    assert admin.delete(f"{path}/bob").status_code == 204
    assert not Membership.objects.filter(user=bob).exists()


@pytest.mark.parametrize(("body", "code"), [({"username": "nobody"}, "unknown-person"), ({"username": "harbour"}, "unknown-person"), ({"username": "alice"}, "member-already"),
                                            ({"username": "bob", "role": "captain"}, "wrong-fields"), ({}, "wrong-fields")])
def test_who_can_not_be_added_is_refused_by_name(admin, bob, harbour, body, code):
    answer = admin.post("/api/v1/organisations/harbour/members", body, format="json")
    assert 400 <= answer.status_code < 500 and answer.json()["code"] == code


def test_an_invitation_is_declined_or_taken_back_and_nobody_elses(admin, api, alice, bob, charlie, harbour):
    organisations.invite(harbour, alice, username="bob", role="writer")
    assert admin.post("/api/v1/organisations/harbour/members", {"username": "bob"}, format="json").json()["code"] == "invited-already"
    assert api(charlie, ["admin"]).post("/api/v1/invitations/harbour", {"accept": True}, format="json").status_code == 404
    assert api(charlie, ["admin"]).get("/api/v1/organisations/harbour/invitations").status_code == 403
    assert api(charlie, ["admin"]).delete("/api/v1/organisations/harbour/invitations/bob").status_code == 403
    assert api(bob, ["admin"]).post("/api/v1/invitations/harbour", {"accept": False}, format="json").status_code == 204
    assert not Membership.objects.filter(user=bob).exists() and admin.get("/api/v1/organisations/harbour/invitations").json() == []
    invitation = organisations.invite(harbour, alice, username="bob", role="writer")
    assert admin.delete("/api/v1/organisations/harbour/invitations/bob").status_code == 204
    assert admin.delete("/api/v1/organisations/harbour/invitations/bob").status_code == 404
    with pytest.raises(Refused):  # bob held the page open meanwhile
        organisations.accept(invitation, bob)
    with pytest.raises(Refused):
        organisations.accept(organisations.invite(harbour, alice, username="bob", role="writer"), charlie)


@pytest.mark.parametrize("role", ["reader", "writer", ""])
def test_only_admins_say_who_belongs_to_it(api, alice, bob, charlie, harbour, role):
    if role:
        join(harbour, alice, username="bob", role=role)
    held = api(bob, ["admin"])
    path = "/api/v1/organisations/harbour"
    for answer in (held.post(f"{path}/members", {"username": "charlie"}, format="json"), held.patch(f"{path}/members/alice", {"role": "reader"}, format="json"),
                   held.delete(f"{path}/members/alice"), held.patch(path, {"title": "Mine"}, format="json"), held.delete(path)):
        assert answer.status_code == 403 and answer.json()["code"] == "not-admin"


def test_the_last_admin_stays_until_there_is_another(admin, api, alice, bob, harbour):
    path = "/api/v1/organisations/harbour/members"
    assert admin.delete(f"{path}/alice").json()["code"] == admin.patch(f"{path}/alice", {"role": "reader"}, format="json").json()["code"] == "last-admin"
    join(harbour, alice, username="bob", role="admin")
    assert admin.delete(f"{path}/alice").status_code == 204
    assert api(bob, ["admin"]).delete(f"{path}/bob").status_code == 409


def test_everybody_may_leave(api, alice, bob, harbour):
    join(harbour, alice, username="bob", role="reader")
    client = api(bob, ["admin"])
    assert client.delete("/api/v1/organisations/harbour/members/bob").status_code == 204
    assert client.delete("/api/v1/organisations/harbour/members/bob").status_code == 404


def test_it_is_deleted_only_while_it_owns_nothing(admin, harbour):
    from marketplace.catalog.models import Learnware

    held = Learnware.objects.create(owner=harbour, name="crane")
    answer = admin.delete("/api/v1/organisations/harbour")
    assert answer.status_code == 409 and answer.json()["code"] == "owns-learnwares"
    held.delete()
    assert admin.delete("/api/v1/organisations/harbour").status_code == 204
    assert services.read_name("harbour") == "harbour"


def test_a_person_is_admin_of_so_many_and_no_more(alice, monkeypatch):
    monkeypatch.setattr(organisations, "MAX_FOUNDED", 1)
    organisations.create(by=alice, username="first")
    with pytest.raises(Refused, match="at most 1"):
        organisations.create(by=alice, username="second")


def test_a_token_needs_the_scope_and_a_stranger_an_account(api, alice, harbour):
    assert api(alice, ["read", "upload", "run"]).post("/api/v1/organisations", {"username": "quay"}, format="json").status_code == 403
    assert api().get("/api/v1/organisations").status_code == 401
    assert api().get("/api/v1/organisations/alice").status_code == 404

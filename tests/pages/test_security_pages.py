"""Pages of an account's security: what they show, and what they do."""

import re

import pytest
from django.test import Client

from marketplace.accounts.models import ApiToken
from marketplace.accounts.services import create_token

pytestmark = pytest.mark.django_db
OWN = ["security", "password", "email", "second-factor", "second-factor/off", "second-factor/codes", "events", "delete", "profile"]
NEW = {"old": "alice-has-a-boat", "password1": "a-quiet-harbour", "password2": "a-quiet-harbour"}


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


@pytest.mark.parametrize("name", OWN)
def test_pages_of_ones_own_ask_to_sign_in_first_and_hold_no_script_or_style(client, alice, name):
    path = f"/accounts/{name}/"
    assert client.get(path).url.startswith("/accounts/sign-in/?next=")
    client.force_login(alice)
    answer = client.get(path, follow=True)
    page = answer.content.decode()
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page) and not re.search(r"\sstyle=|<style|\son\w+=\"", page)


@pytest.mark.parametrize("name", ["reset", "sign-in", "sign-up"])
def test_public_ones_open(client, db, name):
    answer = client.get(f"/accounts/{name}/")
    assert answer.status_code == 200 and "<h1" in answer.content.decode()


def test_a_new_password_ends_other_sessions_and_keeps_this_one_under_a_new_key(as_alice, alice):
    other = Client()
    other.force_login(alice)
    create_token(alice, "laptop", ["read"])
    before = as_alice.cookies["sessionid"].value
    assert as_alice.post("/accounts/password/", NEW).url == "/accounts/security/"
    assert as_alice.get("/accounts/security/").status_code == 200 and as_alice.cookies["sessionid"].value != before
    assert other.get("/accounts/security/").status_code == 302
    assert ApiToken.objects.exists() and Client().login(username="alice", password="a-quiet-harbour")
    as_alice.post("/accounts/password/", NEW | {"old": "a-quiet-harbour", "password1": "another-harbour", "password2": "another-harbour", "revoke_tokens": "on"})
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(("changes", "words"), [({"old": "wrong"}, "not your password"), ({"password2": "other-harbour"}, "not the same"), ({"password1": "12345678", "password2": "12345678"}, "too common"),
                                                ({"password1": "alice123", "password2": "alice123"}, "too similar")])
def test_a_password_that_is_wrong_is_not_set(as_alice, alice, changes, words):
    answer = as_alice.post("/accounts/password/", NEW | changes)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert Client().login(username="alice", password="alice-has-a-boat")


def test_sessions_elsewhere_are_ended_by_a_click(as_alice, alice):
    other = Client()
    other.force_login(alice)
    assert as_alice.post("/accounts/sessions/end/").status_code == 302
    assert other.get("/mine/").status_code == 302 and as_alice.get("/mine/").status_code == 200


def test_a_sign_in_gets_a_session_key_that_nobody_knew(client, alice):
    client.get("/accounts/sign-in/")
    client.cookies["sessionid"] = "planted0planted0planted0planted0"
    client.post("/accounts/sign-in/", {"username": "alice", "password": "alice-has-a-boat"})
    assert client.cookies["sessionid"].value != "planted0planted0planted0planted0" and client.get("/mine/").status_code == 200


def test_a_token_is_changed_on_its_page(as_alice, alice, bob):
    token, _ = create_token(alice, "laptop", ["read"], 1)
    path = f"/tokens/{token.token_key}/"
    page = as_alice.get(path).content.decode()
    assert "Change “laptop”" in page and "never used" in page
    assert as_alice.post(path, {"name": "server", "scopes": [], "days": ""}).status_code == 422
    assert as_alice.post(path, {"name": "server", "scopes": ["read", "run"], "days": "30"}).url == "/tokens/"
    changed = ApiToken.objects.get()
    assert (changed.name, changed.scopes) == ("server", ["read", "run"]) and (changed.expiry - token.expiry).days >= 28
    as_alice.post(path, {"name": "server", "scopes": ["read"], "days": ""})
    assert ApiToken.objects.get().expiry == changed.expiry
    stranger = Client()
    stranger.force_login(bob)
    assert stranger.get(path).status_code == stranger.post(f"{path}revoke/").status_code == 404
    as_alice.post(f"{path}revoke/")
    assert not ApiToken.objects.exists()


def test_so_it_is_over_the_api(api, alice):
    token, _ = create_token(alice, "laptop", ["read"], 1)
    client, path = api(alice, ["admin"]), f"/api/v1/tokens/{token.token_key}"
    assert client.patch(path, {"scopes": ["upload"], "days": 7}, format="json").json()["scopes"] == ["upload"]
    assert client.patch(path, {"scopes": []}, format="json").status_code == client.patch(path, {"days": 0}, format="json").status_code == 400
    assert api(alice, ["read", "upload", "run"]).patch(path, {"name": "x"}, format="json").status_code == 403


def test_the_menu_leads_there(as_alice):
    assert 'href="/accounts/security/"' in as_alice.get("/").content.decode()

from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.accounts import services
from marketplace.accounts.models import ApiToken
from marketplace.accounts.services import create_token
from marketplace.errors import Refused

pytestmark = pytest.mark.django_db


def ask(api, **changes):
    body = {"username": "alice", "password": "alice-has-a-boat", "name": "laptop", "scopes": ["read"]} | changes
    return api().post("/api/v1/tokens", body, format="json")


def test_a_password_buys_a_token_that_works(api, alice):
    answer = ask(api)
    assert answer.status_code == 201 and answer.json()["token"].startswith("moor_")
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Token {answer.json()['token']}")
    assert client.get("/api/v1/whoami").json() == {"username": "alice", "token": {"name": "laptop", "scopes": ["read"]}}


def test_only_a_hash_of_it_is_kept(api, alice):
    secret = ask(api).json()["token"]
    row = ApiToken.objects.get()
    assert secret not in str({field.name: getattr(row, field.name) for field in row._meta.fields})


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"password": "wrong"}, 401), ({"username": "nobody"}, 401), ({"scopes": ["fly"]}, 422), ({"scopes": []}, 422), ({"name": ""}, 422), ({"days": 0}, 422), ({"days": 9999}, 422)],
)
def test_what_is_wrong_is_said(api, alice, changes, status):
    answer = ask(api, **changes)
    assert answer.status_code in (status, 400) and set(answer.json()) >= {"code", "message", "hint", "request_id"}
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("header", ["Token moor_wrong", "Token", "Bearer x", "Token " + "x" * 5000])
def test_a_token_that_is_none_is_refused(api, alice, header):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get("/api/v1/whoami")
    assert answer.status_code == 401 and answer.json()["hint"]


def test_an_expired_token_opens_nothing(api, alice):
    client = api(alice, ["read"])
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert client.get("/api/v1/whoami").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "path", "method", "allowed"),
    [
        (["read"], "/api/v1/jobs", "get", True), (["read"], "/api/v1/jobs", "post", False), (["run"], "/api/v1/jobs", "post", True),
        (["read"], "/api/v1/learnwares", "post", False), (["upload"], "/api/v1/learnwares", "post", True),
        (["read", "upload", "run"], "/api/v1/tokens", "get", False), (["admin"], "/api/v1/tokens", "get", True),
    ],
)
def test_scopes_open_their_doors_and_no_others(api, alice, scopes, path, method, allowed):
    answer = getattr(api(alice, scopes), method)(path, {}, format="json")
    assert (answer.status_code != 403) == allowed
    if not allowed:
        assert "scope" in answer.json()["message"]


def test_a_token_revoked_is_a_token_no_more(api, alice, bob):
    client = api(alice, ["admin"])
    key = client.get("/api/v1/tokens").json()[0]["id"]
    assert api(bob, ["admin"]).delete(f"/api/v1/tokens/{key}").status_code == 404
    assert client.delete(f"/api/v1/tokens/{key}").status_code == 204
    assert client.get("/api/v1/whoami").status_code == 401


def test_a_user_has_at_most_a_hundred(alice):
    for i in range(100):
        create_token(alice, f"t{i}", ["read"])
    with pytest.raises(Refused) as refused:
        create_token(alice, "one more", ["read"])
    assert refused.value.status == 409


def test_a_token_that_was_revoked_meanwhile_is_not_changed(alice):
    token, _ = create_token(alice, "laptop", ["read"])
    ApiToken.objects.get(pk=token.pk).delete()
    with pytest.raises(Refused) as refused:
        services.change_token(token, name="desk")
    assert (refused.value.code, refused.value.status) == ("no-token", 404) and not ApiToken.objects.exists()

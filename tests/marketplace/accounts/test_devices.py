"""Signing in a device (RFC 8628): the whole dance, and every way out of step."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from marketplace.accounts import devices
from marketplace.accounts.models import ApiToken, DeviceGrant
from marketplace.accounts.services import create_token
from marketplace.errors import Refused

pytestmark = pytest.mark.django_db
SHAPE = {"code", "message", "hint", "request_id"}


@pytest.fixture(autouse=True)
def no_wrong_codes():
    cache.clear()


@pytest.fixture
def asked(api):
    return api().post("/api/v1/device/code", {"name": "moorage on laptop", "scopes": ["read", "upload"]}, format="json").json()


def take(api, device_code):
    return api().post("/api/v1/device/token", {"device_code": device_code}, format="json")


def test_a_device_is_let_in_and_gets_its_token_once(api, client, alice, asked):
    assert set(asked) == {"device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"}
    assert asked["expires_in"] == 600 and asked["interval"] == 5 and asked["verification_uri_complete"].endswith(f"/device/?user_code={asked['user_code']}")
    client.force_login(alice)
    page = client.get("/device/", {"user_code": asked["user_code"]}).content.decode()
    assert "moorage on laptop" in page and "Offer learnwares in your name" in page and "Start and cancel reuse jobs" not in page
    assert "The device is in" in client.post("/device/", {"user_code": asked["user_code"], "decision": "allow"}).content.decode()
    answer = take(api, asked["device_code"])
    made = answer.json()
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store" and set(made) == {"token", "name", "scopes", "expires"}
    assert made["token"].startswith("moor_") and made["name"] == "moorage on laptop" and made["scopes"] == ["read", "upload"]
    device = api()
    device.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    assert device.get("/api/v1/whoami").json()["username"] == "alice"
    again = take(api, asked["device_code"])
    assert again.status_code == 400 and again.json()["code"] == "invalid_grant" and ApiToken.objects.filter(user=alice).count() == 1


def test_only_a_hash_of_the_device_code_is_kept(asked):
    row = DeviceGrant.objects.get()
    assert asked["device_code"] not in str({field.name: getattr(row, field.name) for field in row._meta.fields})
    assert len(asked["user_code"]) == 9 and set(asked["user_code"]) <= {*devices.ALPHABET, "-"}


def test_who_waits_is_told_to_wait_and_who_hurries_to_slow_down(api, asked):
    first, second = take(api, asked["device_code"]), take(api, asked["device_code"])
    assert (first.status_code, first.json()["code"]) == (400, "authorization_pending") and set(first.json()) == SHAPE
    assert (second.status_code, second.json()["code"]) == (400, "slow_down")
    DeviceGrant.objects.update(asked=timezone.now() - timedelta(seconds=5))
    assert take(api, asked["device_code"]).json()["code"] == "authorization_pending"


def test_a_device_that_is_turned_away_hears_so(api, client, alice, asked):
    client.force_login(alice)
    client.post("/device/", {"user_code": asked["user_code"], "decision": "deny"})
    assert take(api, asked["device_code"]).json()["code"] == "access_denied" and not ApiToken.objects.exists()


def test_a_code_lives_ten_minutes(api, client, alice, asked):
    DeviceGrant.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert take(api, asked["device_code"]).json()["code"] == "expired_token"
    client.force_login(alice)
    assert client.get("/device/", {"user_code": asked["user_code"]}).status_code == 410
    DeviceGrant.objects.update(expires=timezone.now() - timedelta(days=2))
    devices.ask("another", ["read"])
    assert DeviceGrant.objects.count() == 1


@pytest.mark.parametrize("code", ["x", "", "x" * 500, None, ["x"]])
def test_a_device_code_that_is_none_opens_nothing(api, code):
    answer = take(api, code)
    assert answer.status_code == 400 and set(answer.json()) >= SHAPE


@pytest.mark.parametrize("body", [{"scopes": ["fly"]}, {"scopes": []}, {"name": "x" * 81}, {"scopes": "read"}])
def test_what_a_device_asks_for_is_checked(api, body):
    answer = api().post("/api/v1/device/code", body, format="json")
    assert answer.status_code == 400 and answer.json()["fields"] and not DeviceGrant.objects.exists()


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' ')} "])
def test_capitals_and_hyphens_make_no_difference(alice, asked, typed):
    assert devices.find(alice, typed(asked["user_code"])).name == "moorage on laptop"


def test_five_wrong_codes_a_minute_and_then_not_even_the_right_one(client, alice, bob, asked):
    client.force_login(alice)
    for _ in range(5):
        assert client.get("/device/", {"user_code": "BBBB-BBBB"}).status_code == 404
    assert client.get("/device/", {"user_code": asked["user_code"]}).status_code == 429
    assert client.post("/device/", {"user_code": asked["user_code"], "decision": "allow"}).status_code == 429
    assert devices.find(bob, asked["user_code"])  # each person has wrongs of their own


def test_a_code_is_decided_once_and_by_somebody_who_is_signed_in(client, alice, bob, asked):
    answer = client.get("/device/", {"user_code": asked["user_code"]})
    assert answer.status_code == 302 and "user_code%3D" in answer.url  # and signing in comes back here
    devices.decide(bob, asked["user_code"], allow=True)
    client.force_login(alice)
    assert client.post("/device/", {"user_code": asked["user_code"], "decision": "deny"}).status_code == 409
    assert DeviceGrant.objects.get().user == bob


def test_who_has_too_many_tokens_hears_it_before_the_device_does(alice, asked, monkeypatch):
    from marketplace.accounts import services

    monkeypatch.setattr(services, "MAX_TOKENS", 1)
    create_token(alice, "one", ["read"])
    with pytest.raises(Refused) as refused:
        devices.decide(alice, asked["user_code"], allow=True)
    assert refused.value.code == "too-many-tokens" and DeviceGrant.objects.get().state == "waiting"


def test_the_door_is_throttled_like_that_of_tokens(api, monkeypatch):
    from marketplace.accounts.api.tokens import TokenRate

    monkeypatch.setattr(TokenRate, "THROTTLE_RATES", {"tokens": "2/min"})
    answers = [api().post("/api/v1/device/code", {}, format="json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429] and "Retry-After" in answers[2]

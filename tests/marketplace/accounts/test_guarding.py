"""Wrong tries are counted, whoever is wrong too often waits, and nobody else does."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import identify_hasher, make_password
from django.test import Client, RequestFactory
from django.utils import timezone

from marketplace.accounts import guarding
from marketplace.accounts.models import ApiToken, Attempt, AuditEvent, Letter
from marketplace.errors import Refused

pytestmark = pytest.mark.django_db
RIGHT = {"username": "alice", "password": "alice-has-a-boat"}
WRONG = RIGHT | {"password": "wrong"}


@pytest.fixture(autouse=True)
def three_tries(settings):
    settings.LOCKOUT_TRIES = 3


def sign_in(client, given, **headers):
    return client.post("/accounts/sign-in/", given, **headers)


def sign_up(name, email="", **headers):
    return Client().post("/accounts/sign-up/", {"username": name, "email": email, "password1": "a-quiet-harbour", "password2": "a-quiet-harbour"}, **headers)


def test_who_is_wrong_too_often_waits_even_with_the_right_password(client, alice):
    assert [sign_in(client, WRONG).status_code for _ in range(3)] == [200, 200, 200]
    answer = sign_in(client, RIGHT)
    assert answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 900
    assert "Too many wrong tries: at most 3 within 15 minutes." in answer.content.decode() and "locked-out" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {"sign-in-failed", "locked-out"}


def test_the_api_counts_with_the_pages_and_says_so(api, client, alice):
    for _ in range(2):
        sign_in(client, WRONG)
    assert api().post("/api/v1/tokens", WRONG, format="json").status_code == 401
    answer = api().post("/api/v1/tokens", RIGHT, format="json")
    assert answer.status_code == 429 and answer.json()["code"] == "locked-out" and int(answer["Retry-After"]) > 60 and not ApiToken.objects.exists()


def test_others_and_other_addresses_are_not_locked_out(client, alice, bob):
    for _ in range(4):
        sign_in(client, WRONG)
    assert sign_in(client, {"username": "bob", "password": "bob-has-a-boat"}).status_code == 302
    client.logout()
    assert sign_in(client, RIGHT, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_the_wait_ends_and_what_is_right_wipes_the_slate(client, alice):
    for _ in range(4):
        sign_in(client, WRONG)
    Attempt.objects.update(last=timezone.now() - timedelta(minutes=16))
    assert sign_in(client, RIGHT).status_code == 302
    client.logout()
    for _ in range(2):
        sign_in(client, WRONG)
    assert sign_in(client, RIGHT).status_code == 302
    client.logout()
    assert [sign_in(client, WRONG).status_code for _ in range(3)] == [200, 200, 200]


def test_one_address_does_not_try_one_password_on_everybody(client, alice, monkeypatch):
    monkeypatch.setattr(guarding, "FROM_ONE_ADDRESS", 2)
    assert [sign_in(client, {"username": f"person-{n}", "password": "summer"}).status_code for n in range(7)] == [200] * 6 + [429]
    assert sign_in(client, RIGHT).status_code == 429


def test_what_is_written_into_a_header_is_no_address(client, alice, settings):
    for n in range(3):
        sign_in(client, WRONG, HTTP_X_FORWARDED_FOR=f"198.51.100.{n}")
    assert sign_in(client, RIGHT, HTTP_X_FORWARDED_FOR="198.51.100.9").status_code == 429
    settings.BEHIND_PROXY = True  # then the last one is what the proxy saw
    assert sign_in(client, RIGHT, HTTP_X_FORWARDED_FOR="198.51.100.9, 203.0.113.5").status_code == 302


def test_one_address_makes_no_accounts_without_end(db, settings, django_user_model):
    settings.ACCOUNTS_PER_ADDRESS = 3
    assert [sign_up(f"person-{n}").status_code for n in range(3)] == [302] * 3
    answer = sign_up("person-3", "dora@example.org")
    said = answer.content.decode()
    assert answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 900 and "Too many accounts were made from this address: at most 3 within 15 minutes." in said
    assert 'value="person-3"' in said and "a-quiet-harbour" not in said, "what was typed stays, but for the password"
    assert django_user_model.objects.count() == 3 and sign_up("person-3", REMOTE_ADDR="192.0.2.7").status_code == 302
    Attempt.objects.update(last=timezone.now() - timedelta(minutes=16))
    assert sign_up("person-4").status_code == 302


def test_a_form_that_is_wrong_makes_no_account_and_counts_for_none(db, settings):
    settings.ACCOUNTS_PER_ADDRESS = 1
    assert [sign_up("no name").status_code for _ in range(3)] == [422] * 3 and sign_up("dora").status_code == 302


def test_signing_up_sends_no_letters_without_end(db, django_user_model):
    found = [sign_up(f"person-{n}", "Dora@example.org" if n % 2 else "dora@example.org", REMOTE_ADDR=f"192.0.2.{n}") for n in range(guarding.LETTERS + 1)]
    assert [answer.status_code for answer in found] == [302] * guarding.LETTERS + [429] and "Too many letters were asked for" in found[-1].content.decode()
    assert Letter.objects.count() == django_user_model.objects.count() == guarding.LETTERS
    assert sign_up("without-address").status_code == 302


def test_rows_hold_neither_names_nor_addresses(client, alice):
    sign_in(client, WRONG, REMOTE_ADDR="192.0.2.77")
    assert all(len(key) == 64 and "alice" not in key and "192" not in key[:3] for key in Attempt.objects.values_list("key", flat=True))


def test_of_many_tries_at_once_no_more_than_the_limit_are_judged(alice, monkeypatch):
    """Each try begins another before it is judged: sixteen stand open at the same moment."""
    judged, refused = [], []

    def judge(*args, **kwargs):
        judged.append(1)
        once()

    def once():
        if len(judged) + len(refused) < 16:
            try:
                guarding.check_password(RequestFactory().post("/"), "alice", "wrong")
            except Refused as refusal:
                refused.append(refusal.status)
                once()

    monkeypatch.setattr(guarding, "authenticate", judge)
    once()
    assert len(judged) == 3 and refused == [429] * 13


def test_new_passwords_are_argon2_and_old_ones_become_it_at_sign_in(client, alice, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    alice.password = make_password("alice-has-a-boat", hasher="pbkdf2_sha256")
    alice.save()
    assert sign_in(client, RIGHT).status_code == 302
    alice.refresh_from_db()
    assert identify_hasher(alice.password).algorithm == "argon2" and alice.password.startswith("argon2$argon2id$")


def test_the_settings_put_argon2_first():
    from importlib import import_module

    assert import_module("marketplace.settings").PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")

"""Letters: a link works once and not for ever, and nobody learns from them who has an account."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from marketplace.accounts import mailing, services, tasks
from marketplace.accounts.models import ApiToken, Attempt, Letter
from marketplace.env import mail as mail_settings

pytestmark = pytest.mark.django_db
NEW = {"password1": "a-quiet-harbour", "password2": "a-quiet-harbour"}


def delivered() -> list:
    """Send what waits, and return it."""
    mail.outbox.clear()
    for pk in Letter.objects.order_by("created").values_list("pk", flat=True):
        tasks.deliver(str(pk))
    return list(mail.outbox)


def link(message) -> str:
    return re.search(r"http://127\.0\.0\.1:8000(/\S+)", message.body.replace("at http://127.0.0.1:8000", ""))[1]


@pytest.fixture
def reached(alice):
    alice.email, alice.email_confirmed = "alice@example.org", timezone.now()
    alice.save()
    return alice


def test_an_address_given_at_sign_up_is_asked_for_and_confirmed_by_a_click(client, db, django_user_model):
    client.post("/accounts/sign-up/", {"username": "dora", "email": "dora@example.org", **NEW})
    dora = django_user_model.objects.get(username="dora")
    (message,) = delivered()
    assert message.to == ["dora@example.org"] and not dora.email_confirmed and not Letter.objects.exists()
    address, other = link(message), Client()
    assert "dora@example.org" in other.get(address).content.decode()
    dora.refresh_from_db()
    assert not dora.email_confirmed, "what only fetches links confirms nothing"
    assert other.post(address).status_code == 302
    dora.refresh_from_db()
    assert dora.email_confirmed
    assert other.get(address).status_code == 410


def test_a_link_of_an_address_that_was_changed_is_over(client, alice):
    services.change_email(alice, "old@example.org")
    (message,) = delivered()
    services.change_email(alice, "new@example.org")
    assert client.post(link(message)).status_code == 410


def test_a_forgotten_password_is_set_by_a_link_once(client, reached):
    services.create_token(reached, "laptop", ["read"])
    signed_in = Client()
    signed_in.force_login(reached)
    client.post("/accounts/reset/", {"email": "Alice@Example.org"})
    (message,) = delivered()
    address = link(message)
    assert client.post(address, {"password1": "12345678", "password2": "12345678"}).status_code == 422
    assert client.post(address, NEW | {"password2": "another"}).status_code == 422
    assert client.post(address, NEW | {"revoke_tokens": "on"}).url == "/accounts/sign-in/"
    assert "_auth_user_id" not in client.session and not ApiToken.objects.exists()
    assert signed_in.get("/tokens/").status_code == 302, "every session ends"
    assert client.get(address).status_code == client.post(address, NEW).status_code == 410
    assert client.login(username="alice", password="a-quiet-harbour")
    assert "The password was changed." in delivered()[0].body


def test_a_link_ends_with_its_time_and_with_a_sign_in(client, reached, settings):
    client.post("/accounts/reset/", {"email": "alice@example.org"})
    address = link(delivered()[0])
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert client.get(address).status_code == 410
    settings.PASSWORD_RESET_TIMEOUT = 3600
    assert client.get(address).status_code == 200
    client.post("/accounts/sign-in/", {"username": "alice", "password": "alice-has-a-boat"})
    assert Client().get(address).status_code == 410


@pytest.mark.parametrize("path", ["/accounts/reset/x/y/", "/accounts/reset/OTk5OTk5OTk5OTk5OTk5OTk5OTk/x-y/", "/accounts/email/MQ/cq9-x/", "/accounts/reset/4pyT/x-y/"])
def test_a_link_that_is_none_is_over(client, alice, path):
    assert client.get(path).status_code == client.post(path, NEW).status_code == 410


def test_the_answer_says_nothing_of_who_has_an_account(client, reached):
    pages, asked = [], []
    for address in ("alice@example.org", "nobody@example.org"):
        Attempt.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            answer = client.post("/accounts/reset/", {"email": address})
        pages.append(re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]*', r"\1", answer.content.decode()))
        asked.append([re.sub(r"'[^']*'|_x\d+", "?", query["sql"]) for query in queries])
        assert answer.status_code == 200
    assert pages[0] == pages[1] and asked[0] == asked[1] and len(delivered()) == 1


def test_an_address_that_was_never_confirmed_gets_no_link(client, alice):
    alice.email = "alice@example.org"
    alice.save()
    client.post("/accounts/reset/", {"email": "alice@example.org"})
    assert delivered() == []


def test_letters_are_not_asked_for_without_end(client, reached):
    found = [client.post("/accounts/reset/", {"email": "alice@example.org"}) for _ in range(6)]
    assert [answer.status_code for answer in found] == [200] * 5 + [429] and found[-1]["Retry-After"]


def test_the_old_address_hears_of_the_new_one(client, reached):
    client.force_login(reached)
    assert client.post("/accounts/email/", {"email": "new@example.org", "password": "wrong"}).status_code == 422
    assert client.post("/accounts/email/", {"email": "new@example.org", "password": "alice-has-a-boat"}).status_code == 302
    told, asked = delivered()
    assert told.to == ["alice@example.org"] and asked.to == ["new@example.org"]
    reached.refresh_from_db()
    assert not reached.email_confirmed


def test_a_server_that_is_down_delays_a_letter_and_the_fifth_time_ends_it(reached, monkeypatch):
    mailing.offer_reset("alice@example.org")
    monkeypatch.setattr("django.core.mail.EmailMessage.send", lambda self: (_ for _ in ()).throw(ConnectionRefusedError("no server")))
    for _ in range(6):
        for pk in [*mailing.waiting(), *Letter.objects.filter(tried=None).values_list("pk", flat=True)]:
            tasks.deliver(str(pk))
            tasks.deliver(str(pk))  # at once: somebody has it
        Letter.objects.update(tried=timezone.now() - timedelta(minutes=2))
    assert Letter.objects.get().attempts == 5 and mailing.waiting() == [] and mailing.sweep() == 1


@pytest.mark.parametrize(("url", "expected"), [
    ("console:", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    ("file:///tmp/mail", {"EMAIL_FILE_PATH": "/tmp/mail"}),
    ("smtp://me:s%40ns@mail.example:2525", {"EMAIL_HOST": "mail.example", "EMAIL_PORT": 2525, "EMAIL_HOST_USER": "me", "EMAIL_HOST_PASSWORD": "s@ns", "EMAIL_USE_TLS": True}),
    ("smtps://mail.example", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}),
    ("smtp://localhost?tls=off", {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}),
])
def test_the_server_is_named_by_a_url(url, expected):
    assert expected.items() <= mail_settings(url).items()


@pytest.mark.parametrize("url", ["gopher://x", "smtp://", "secret-password", "file:"])
def test_a_wrong_url_fails_at_start_and_repeats_no_password(url):
    from django.core.exceptions import ImproperlyConfigured

    with pytest.raises(ImproperlyConfigured, match="MOORAGE_EMAIL_URL must be") as failed:
        mail_settings(url)
    assert "password" not in str(failed.value).split("got ")[1]

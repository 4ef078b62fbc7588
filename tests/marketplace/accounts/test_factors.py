"""The second factor: set up, asked for at each door, never taken twice, and lost without losing the account."""

import re
from datetime import timedelta

import pyotp
import pytest
from django.test import Client
from django.utils import timezone

from marketplace.accounts import devices, factors, sealing
from marketplace.accounts.models import ApiToken, RecoveryCode, SecondFactor
from marketplace.errors import Refused

pytestmark = pytest.mark.django_db
PASSWORD = {"username": "alice", "password": "alice-has-a-boat"}


def now(secret: str) -> str:
    """What an authenticator shows that was never used: each test's own step is forgotten first."""
    SecondFactor.objects.update(last_step=0)
    return pyotp.TOTP(secret).now()


@pytest.fixture
def secret(alice):
    held = factors.begin(alice)
    held_codes = factors.confirm(alice, now(held))
    alice.codes = held_codes
    return held


def test_the_digits_are_those_of_the_rfc():
    # RFC 6238, appendix B, SHA-1, the last six of eight digits.
    totp = pyotp.TOTP(pyotp.random_base32() and "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    assert [totp.at(second) for second in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]


def test_it_is_set_up_on_its_page(client, alice):
    client.force_login(alice)
    other = Client()
    other.force_login(alice)
    page = client.get("/accounts/second-factor/").content.decode()
    secret = "".join(re.search(r'mono wrap-any">([A-Z2-7 ]+)<', page)[1].split())
    assert "<svg" in page and "style=" not in page.split("<svg")[1].split("</svg>")[0] and not factors.has(alice)
    assert client.post("/accounts/second-factor/", {"code": "000000"}).status_code == 422 and not factors.has(alice)
    answer = client.post("/accounts/second-factor/", {"code": now(secret)})
    codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", answer.content.decode())
    assert len(set(codes)) == 10 and factors.has(alice)
    assert client.get("/accounts/security/").status_code == 200, "this session goes on"
    assert other.get("/accounts/security/").status_code == 302, "every other one ends"
    assert client.get("/accounts/second-factor/").url == "/accounts/security/"


def test_what_is_kept_gives_neither_secret_nor_codes_away(alice, secret):
    row = SecondFactor.objects.get()
    assert secret not in row.sealed and sealing.unseal(row.sealed) == secret
    kept = " ".join(RecoveryCode.objects.values_list("digest", flat=True))
    assert not any(code.replace("-", "") in kept or code in kept for code in alice.codes)


def test_a_sign_in_takes_both_steps(client, alice, secret):
    answer = client.post("/accounts/sign-in/", PASSWORD | {"next": "/tokens/"})
    assert answer.url == "/accounts/second-step/" and client.get("/tokens/").status_code == 302
    before = client.session.session_key
    assert client.post("/accounts/second-step/", {"code": "123"}).status_code == 422 and client.get("/tokens/").status_code == 302
    answer = client.post("/accounts/second-step/", {"code": now(secret)})
    assert answer.url == "/tokens/" and client.get("/tokens/").status_code == 200
    assert client.session.session_key != before


def test_the_second_step_is_nothing_without_the_first(client, alice, secret):
    assert client.get("/accounts/second-step/").url == "/accounts/sign-in/"
    assert client.post("/accounts/second-step/", {"code": now(secret)}).url == "/accounts/sign-in/"
    client.post("/accounts/sign-in/", PASSWORD)
    session = client.session
    session["half-in"] = session["half-in"] | {"at": 0}
    session.save()
    assert client.post("/accounts/second-step/", {"code": now(secret)}).url == "/accounts/sign-in/"
    client.post("/accounts/sign-in/", PASSWORD)
    alice.set_password("another-boat")
    alice.save()
    assert client.post("/accounts/second-step/", {"code": now(secret)}).url == "/accounts/sign-in/"


def test_a_code_is_taken_once(alice, secret):
    code = now(secret)
    factors.check(alice, code)
    with pytest.raises(Refused):
        factors.check(alice, code)


@pytest.mark.parametrize(("steps", "is_right"), [(0, True), (-1, True), (1, True), (-2, False), (2, False)])
def test_clocks_may_be_off_by_one_step(alice, secret, steps, is_right):
    SecondFactor.objects.update(last_step=0)
    code = pyotp.TOTP(secret).at(timezone.now() + timedelta(seconds=30 * steps))
    if is_right:
        factors.check(alice, code)
    else:
        with pytest.raises(Refused):
            factors.check(alice, code)


def test_a_recovery_code_opens_once(client, alice, secret):
    for expected in (302, 422):
        client.post("/accounts/sign-in/", PASSWORD)
        assert client.post("/accounts/second-step/", {"code": alice.codes[0].upper()}).status_code == expected
        client.logout()
    assert factors.left(alice) == 9


def test_wrong_codes_are_counted_from_wherever_they_come(client, alice, secret, settings):
    settings.LOCKOUT_TRIES = 3
    client.post("/accounts/sign-in/", PASSWORD)
    found = [client.post("/accounts/second-step/", {"code": "000000"}, REMOTE_ADDR=f"192.0.2.{n}") for n in range(4)]
    assert [answer.status_code for answer in found] == [422, 422, 422, 429] and int(found[-1]["Retry-After"]) > 0
    assert client.post("/accounts/second-step/", {"code": now(secret)}).status_code == 429


def test_a_token_takes_both_too(api, alice, secret):
    answer = api().post("/api/v1/tokens", PASSWORD, format="json")
    assert answer.status_code == 401 and answer.json()["code"] == "code-needed" and "code" in answer.json()["fields"]
    assert api().post("/api/v1/tokens", PASSWORD | {"code": "000000"}, format="json").status_code == 422
    assert not ApiToken.objects.exists()
    assert api().post("/api/v1/tokens", PASSWORD | {"code": now(secret)}, format="json").status_code == 201


def test_who_does_not_know_the_password_learns_nothing_of_a_second_factor(api, alice, secret):
    answer = api().post("/api/v1/tokens", PASSWORD | {"password": "wrong", "code": now(secret)}, format="json")
    assert answer.status_code == 401 and answer.json()["code"] == "bad-token"


def test_a_device_is_let_in_only_after_both_steps(client, alice, secret):
    grant, _ = devices.ask("laptop", ["read"])
    client.post("/accounts/sign-in/", PASSWORD)
    assert client.post("/device/", {"user_code": grant.user_code, "decision": "allow"}).url.startswith("/accounts/sign-in/")
    grant.refresh_from_db()
    assert grant.state == "waiting"


def test_it_is_taken_away_with_a_code(client, alice, secret):
    client.force_login(alice)
    assert client.post("/accounts/second-factor/off/", {"code": "000000"}).status_code == 422 and factors.has(alice)
    assert client.post("/accounts/second-factor/off/", {"code": now(secret)}).url == "/accounts/security/"
    assert not factors.has(alice) and not RecoveryCode.objects.exists()
    assert client.get("/accounts/second-factor/off/").url == "/accounts/security/"


def test_each_page_that_asks_for_a_code_says_what_it_is_for(client, alice, secret):
    client.post("/accounts/sign-in/", PASSWORD)
    page, note = client.get("/accounts/second-step/").content.decode(), "Without the authenticator, type a recovery code."
    assert re.findall(r"<button[^>]*data-busy[^>]*>(.*?)</button>", page)[-1] == "Sign in" and note in page and page.count('name="code"') == 1
    client.force_login(alice)
    for path, act in (("off", "Turn it off"), ("codes", "Make new codes")):
        page = client.get(f"/accounts/second-factor/{path}/").content.decode()
        assert re.findall(r"<button[^>]*data-busy[^>]*>(.*?)</button>", page)[-1] == act and note not in page and page.count('name="code"') == 1


def test_new_recovery_codes_end_the_old(client, alice, secret):
    client.force_login(alice)
    page = client.post("/accounts/second-factor/codes/", {"code": now(secret)}).content.decode()
    assert alice.codes[0] not in page and "-" in re.search(r"<li>([a-z2-9-]{11})</li>", page)[1]
    with pytest.raises(Refused):
        factors.check(alice, alice.codes[0])


class TestStaff:
    @pytest.fixture(autouse=True)
    def needed(self, settings, alice):
        settings.STAFF_SECOND_FACTOR = True
        alice.is_staff = True
        alice.save()

    def test_they_get_nowhere_without(self, client, api, alice, settings):
        answer = client.post("/accounts/sign-in/", PASSWORD | {"next": "/admin/"})
        assert answer.url == "/accounts/second-factor/" and "Staff of this market" in client.get(answer.url).content.decode()
        assert {client.get(path).url for path in ("/admin/", "/", "/explore/", "/tokens/")} == {"/accounts/second-factor/"}
        assert client.get("/api/v1/whoami").status_code == 403 and client.get("/api/v1/whoami").json()["code"] == "second-factor-needed"
        assert api().post("/api/v1/tokens", PASSWORD, format="json").json()["code"] == "second-factor-needed"

    def test_a_token_of_before_opens_nothing(self, api, alice, settings):
        settings.STAFF_SECOND_FACTOR = False
        client = api(alice)
        settings.STAFF_SECOND_FACTOR = True
        assert client.get("/api/v1/whoami").status_code == 403
        assert client.get("/api/whoami-v2").status_code == 403

    def test_with_one_they_do_and_can_not_take_it_away(self, client, alice):
        secret = factors.begin(alice)
        factors.confirm(alice, now(secret))
        client.force_login(alice)
        assert client.get("/admin/").status_code == 200
        assert client.post("/accounts/second-factor/off/", {"code": now(secret)}).status_code == 422 and factors.has(alice)

    def test_others_need_none(self, client, bob):
        client.force_login(bob)
        assert client.get("/tokens/").status_code == 200


def test_the_admin_site_has_no_way_in_of_its_own(client, alice):
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/sign-in/?next=")
    assert client.post("/admin/login/", PASSWORD).url.startswith("/accounts/sign-in/") and "_auth_user_id" not in client.session
    client.force_login(alice)
    assert client.get("/admin/", follow=True).status_code == 403
    assert client.get("/admin/password_change/").url == "/accounts/password/"


def test_who_has_lost_everything_is_helped_by_a_command(client, alice, secret):
    from django.core.management import CommandError, call_command

    from marketplace.accounts.models import AuditEvent

    client.force_login(alice)
    call_command("reset_second_factor", "alice", verbosity=0)
    assert not factors.has(alice) and client.get("/tokens/").status_code == 302
    assert AuditEvent.objects.filter(action="second-factor-off", subject=alice.pk, actor=None).exists()
    with pytest.raises(CommandError):
        call_command("reset_second_factor", "alice")

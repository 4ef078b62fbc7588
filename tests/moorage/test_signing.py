"""Signing in by a code that a person lets in elsewhere."""

import pytest

import moorage
from tests.moorage.market import URL, Pool, answer

BEGUN = {"device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": f"{URL}/device/", "verification_uri_complete": f"{URL}/device/?code=ABCD-EFGH", "expires_in": 600, "interval": 5}


def says(*codes):
    answers = iter(codes)

    def handler(asked):
        if asked.path == "/api/v1/device/code":
            assert asked.json() == {"name": "laptop", "scopes": ["read"]}
            return answer(200, BEGUN)
        assert asked.path == "/api/v1/device/token" and asked.json() == {"device_code": "secret"}
        code = next(answers)
        return answer(200, {"token": "moor_new"}) if code == "token" else answer(503) if code == "busy" else answer(400, {"code": code, "message": "Not yet."})

    return moorage.Market(URL, transport=Pool(handler))


def sign(market):
    shown = []
    return market.login_by_device(shown.append, name="laptop", scopes=["read"]), shown


def test_it_waits_until_a_person_lets_it_in(slept):
    assert sign(says("authorization_pending", "slow_down", "busy", "authorization_pending", "token")) == ("moor_new", [BEGUN])
    assert slept == [5, 5, 10, 10, 10]


@pytest.mark.parametrize(("code", "kind", "words"), [("access_denied", moorage.NotAllowed, "denied"), ("expired_token", moorage.NotSignedIn, "not entered in time"), ("bad-client", moorage.Refused, "Not yet")])
def test_a_no_ends_it(slept, code, kind, words):
    with pytest.raises(kind, match=words) as found:
        sign(says(code))
    assert found.value.hint


def test_a_code_that_is_too_old_ends_it(slept, monkeypatch):
    now = iter([0.0, 1.0, 601.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with pytest.raises(moorage.NotSignedIn, match="moorage login"):
        sign(says("authorization_pending"))

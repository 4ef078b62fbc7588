"""The wire, against a transport that says what a market might."""

import hashlib
import time
from email.utils import formatdate

import pytest
import urllib3

from moorage import errors
from moorage.http import PATIENCE_S
from tests.moorage.market import answer, wire

pytestmark = pytest.mark.usefixtures("slept")


def complaint(status, **said):
    return lambda asked: answer(status, {"code": "c", "message": "No.", "hint": "Do that.", "request_id": "r1"} | said)


def test_it_signs_and_asks_under_the_api():
    def handler(asked):
        assert asked.headers["Authorization"] == "Token moor_x" and asked.path == "/api/v1/learnwares" and asked.params == {"q": ["flats & more"]}  # what is empty is not asked
        return answer(200, {"count": 0})

    assert wire(handler).get("learnwares", q="flats & more", task="") == {"count": 0}


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [(401, errors.NotSignedIn, 3), (403, errors.NotAllowed, 3), (404, errors.NotFound, 4), (409, errors.Conflict, 5), (429, errors.TooMany, 6), (422, errors.Refused, 2),
     (400, errors.Refused, 2), (413, errors.Refused, 2), (500, errors.MarketError, 1), (503, errors.Unreachable, 7)],
)
def test_each_complaint_is_an_exception_of_its_kind(status, kind, exit_code):
    with pytest.raises(kind, match="No. Do that.") as found:
        wire(complaint(status, fields={"name": "taken"})).post("x", json={})
    error = found.value
    assert type(error) is kind and (error.code, error.hint, error.request_id, error.fields, error.exit_code) == ("c", "Do that.", "r1", {"name": "taken"}, exit_code)


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MarketError)])
def test_every_kind_says_what_to_do_next_even_where_the_market_does_not(kind):
    assert kind("No.").hint and kind.__doc__ and 1 <= kind.exit_code <= 9


def test_the_code_wins_over_the_status():
    with pytest.raises(errors.Gated) as found:
        wire(complaint(403, code="gated", hint="")).get("x")
    assert found.value.exit_code == 3 and "Ask its owner" in found.value.hint


def test_whoever_has_no_token_is_sent_to_login():
    with pytest.raises(errors.NotSignedIn, match="moorage login"):
        wire(complaint(401), token=None).get("whoami")


def test_a_get_is_tried_again_and_a_post_is_not():
    def broken(asked):
        raise urllib3.exceptions.ProtocolError("refused")

    got, posted = wire(broken), wire(broken)
    for ask in (lambda: got.get("x"), lambda: posted.post("x", json={})):
        with pytest.raises(errors.Unreachable, match="run.py"):
            ask()
    assert len(got._pool.asked) == 4 and len(posted._pool.asked) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_market_that_is_busy_is_asked_again_when_it_says(status, slept):
    answers = iter([answer(status, Retry_After="7"), answer(status, Retry_After=formatdate(time.time() + 30, usegmt=True)), answer(200, {"ok": True})])
    assert wire(lambda asked: next(answers)).get("x") == {"ok": True}
    assert slept[0] == 7 and 25 < slept[1] <= 30


def test_nobody_waits_an_hour_or_sends_a_post_twice(slept):
    hour = wire(lambda asked: answer(429, {"code": "too-many-requests", "message": "Too many."}, Retry_After="3600"))
    for ask in (lambda: hour.get("x"), lambda: hour.post("x", json={})):
        with pytest.raises(errors.TooMany, match="3600 s") as found:
            ask()
        assert found.value.retry_after == 3600 > PATIENCE_S
    assert not slept and len(hour._pool.asked) == 2


def test_an_address_that_moved_is_not_followed_with_the_token():
    moved = wire(lambda asked: answer(301, Location="https://elsewhere/api/v1/x"))
    with pytest.raises(errors.Refused, match="https://elsewhere"):
        moved.get("x")
    assert len(moved._pool.asked) == 1


def test_offline_no_request_is_made():
    off = wire(lambda asked: pytest.fail("a request was made"), offline=True)
    for ask in (lambda: off.get("x"), lambda: off.post("x", json={}), lambda: off.text("x")):
        with pytest.raises(errors.Offline, match="--offline"):
            ask()


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"\xff\xfe"])
def test_another_site_is_no_market(body):
    with pytest.raises(errors.MarketError, match="not as a market does") as found:
        wire(lambda asked: answer(200, body)).get("x")
    assert found.value.code == "no-market"
    with pytest.raises(errors.MarketError, match="status 502"):
        wire(lambda asked: answer(502, body)).post("x")


CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()


def served(asked):
    begin = int(asked.headers.get("Range", "bytes=0-")[6:-1])
    if begin and asked.headers.get("If-Range") != f'"{SHA}"':
        begin = 0
    if begin >= len(CONTENT):
        return answer(416)
    return answer(206 if begin else 200, CONTENT[begin:], Content_Length=str(len(CONTENT) - begin))


@pytest.mark.parametrize("held", [b"", CONTENT[:3000], CONTENT, CONTENT + b"too much"])
def test_a_download_goes_on_from_what_is_there(tmp_path, held):
    (tmp_path / "f.bin.part").write_bytes(held)
    seen = []
    path = wire(served).download("f", tmp_path / "f.bin", sha256=SHA, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT and not (tmp_path / "f.bin.part").exists() and seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_download_that_is_damaged_is_not_kept(tmp_path):
    with pytest.raises(errors.Damaged, match="damaged"):
        wire(served).download("f", tmp_path / "f.bin", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_breaks_in_the_middle_is_taken_up_again(tmp_path):
    def handler(asked):
        return answer(200, CONTENT[:5000], Content_Length=str(len(CONTENT))) if len(found._pool.asked) == 1 else served(asked)

    found = wire(handler)
    assert found.download("f", tmp_path / "f.bin", sha256=SHA).read_bytes() == CONTENT
    assert [asked.headers.get("Range") for asked in found._pool.asked] == [None, "bytes=5000-"]


def test_a_download_waits_for_a_busy_market(tmp_path, slept):
    found = wire(lambda asked: answer(503, Retry_After="2") if len(found._pool.asked) == 1 else served(asked))
    assert found.download("f", tmp_path / "f.bin", sha256=SHA).read_bytes() == CONTENT and slept == [2]

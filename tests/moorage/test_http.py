"""The wire, against a transport that says what a market might."""

import hashlib

import httpx2 as httpx
import pytest

from moorage import errors
from moorage.credentials import Credentials
from moorage.http import Wire


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def wire(handler, token="moor_x"):
    return Wire(Credentials("http://market", token, "a test"), httpx.MockTransport(handler))


def complaint(status, **said):
    return lambda request: httpx.Response(status, json={"code": "c", "message": "No.", "hint": "Do that.", "request_id": "r1"} | said)


def test_it_signs_and_asks_under_the_api():
    def handler(request):
        assert request.headers["Authorization"] == "Token moor_x" and request.url.path == "/api/v1/learnwares" and request.url.params["q"] == "flats"
        assert "task" not in request.url.params  # what is empty is not asked
        return httpx.Response(200, json={"count": 0})

    assert wire(handler).get("learnwares", q="flats", task="") == {"count": 0}


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [(401, errors.NotSignedIn, 3), (403, errors.NotAllowed, 3), (404, errors.NotFound, 4), (409, errors.Conflict, 5), (429, errors.TooMany, 6), (422, errors.Refused, 2),
     (400, errors.Refused, 2), (413, errors.Refused, 2), (500, errors.MarketError, 1)],
)
def test_each_complaint_is_an_exception_of_its_kind(status, kind, exit_code):
    with pytest.raises(kind, match="No. Do that.") as found:
        wire(complaint(status, fields={"name": "taken"})).post("x", json={})
    error = found.value
    assert type(error) is kind and (error.code, error.hint, error.request_id, error.fields, error.exit_code) == ("c", "Do that.", "r1", {"name": "taken"}, exit_code)


def test_whoever_has_no_token_is_sent_to_login():
    with pytest.raises(errors.NotSignedIn, match="moorage login"):
        wire(complaint(401), token=None).get("whoami")


def test_a_get_is_tried_again_and_a_post_is_not():
    calls = []

    def broken(request):
        calls.append(request.method)
        raise httpx.ConnectError("refused")

    for ask in (lambda: wire(broken).get("x"), lambda: wire(broken).post("x", json={})):
        with pytest.raises(errors.MarketUnreachable, match="run.py"):
            ask()
    assert calls == ["GET"] * 3 + ["POST"]


def test_a_market_that_is_busy_is_asked_again():
    answers = iter([httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(200, json={"ok": True})])
    assert wire(lambda request: next(answers)).get("x") == {"ok": True}


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"\xff\xfe"])
def test_another_site_is_no_market(body):
    with pytest.raises(errors.MarketError, match="not as a market does") as found:
        wire(lambda request: httpx.Response(200, content=body)).get("x")
    assert found.value.code == "no-market"
    with pytest.raises(errors.MarketError, match="status 502"):
        wire(lambda request: httpx.Response(502, content=body)).post("x")


CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()


def served(request):
    begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
    if begin and request.headers.get("If-Range") != f'"{SHA}"':
        begin = 0
    if begin >= len(CONTENT):
        return httpx.Response(416)
    headers = {"Content-Length": str(len(CONTENT) - begin)}
    return httpx.Response(206 if begin else 200, content=CONTENT[begin:], headers=headers)


@pytest.mark.parametrize("held", [b"", CONTENT[:3000], CONTENT, CONTENT + b"too much"])
def test_a_download_goes_on_from_what_is_there(tmp_path, held):
    (tmp_path / "f.bin.part").write_bytes(held)
    seen = []
    path = wire(served).download("f", tmp_path / "f.bin", sha256=SHA, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT and not (tmp_path / "f.bin.part").exists() and seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_download_that_is_damaged_is_not_kept(tmp_path):
    with pytest.raises(errors.MarketError, match="damaged"):
        wire(served).download("f", tmp_path / "f.bin", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_breaks_in_the_middle_is_taken_up_again(tmp_path):
    class Breaking(httpx.SyncByteStream):
        def __iter__(self):
            yield CONTENT[:5000]
            raise httpx.ReadError("gone")

    asked = []

    def handler(request):
        asked.append(request.headers.get("Range"))
        return httpx.Response(200, stream=Breaking(), headers={"Content-Length": str(len(CONTENT))}) if len(asked) == 1 else served(request)

    assert wire(handler).download("f", tmp_path / "f.bin", sha256=SHA).read_bytes() == CONTENT
    assert asked == [None, "bytes=5000-"]

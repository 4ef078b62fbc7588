"""What all of the API shares: one shape of error, request ids, strict JSON, no page that a stranger can break."""

import json

import pytest

pytestmark = pytest.mark.django_db


def post(client, path, body, kind="application/json"):
    return client.post(path, data=body, content_type=kind)


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/v1/tokens", b"{", "application/json"), ("/api/v1/tokens", b"[]", "application/json"), ("/api/v1/tokens", b'{"a": 1, "a": 2}', "application/json"),
        ("/api/v1/tokens", b'{"a": NaN}', "application/json"), ("/api/v1/tokens", b"[" * 100_000, "application/json"), ("/api/v1/tokens", b"\xff\xfe", "application/json"),
        ("/api/v1/tokens", b"a=1", "application/x-www-form-urlencoded"), ("/api/v1/tokens", b"", "text/plain"), ("/api/v1/matches", b'{"specification": 3}', "application/json"),
        ("/api/v1/matches", b'{"top": 10}', "application/json"), ("/api/v1/matches", b"null", "application/json"), ("/api/v1/spaces/find", b'{"columns": {"a": 1}}', "application/json"),
    ],
)
def test_whatever_comes_the_answer_has_one_shape(client, path, body, kind):
    answer = post(client, path, body, kind)
    said = answer.json()
    assert 400 <= answer.status_code < 500 and {"code", "message", "hint", "request_id"} <= set(said)
    assert said["request_id"] == answer["X-Request-ID"] and said["code"] == said["code"].lower() and " " not in said["code"]


def test_a_request_id_that_was_sent_is_kept_and_a_strange_one_is_not(client):
    assert client.get("/api/v1/learnwares", headers={"X-Request-ID": "trace-1234567"})["X-Request-ID"] == "trace-1234567"
    assert client.get("/api/v1/learnwares", headers={"X-Request-ID": "<script>"})["X-Request-ID"] != "<script>"


@pytest.mark.parametrize("path", ["/api/v1/learnwares", "/api/v1/matches", "/api/v1/tokens"])
def test_a_method_that_there_is_not(client, path):
    answer = client.put(path, data=b"{}", content_type="application/json")
    assert answer.status_code in (401, 405) and answer.json()["hint"]


def test_a_fault_of_ours_says_no_more_than_it_must(client, monkeypatch):
    from marketplace.catalog import exploring

    def broken(*words):
        raise RuntimeError("the password is swordfish")

    client.raise_request_exception = False
    monkeypatch.setattr(exploring, "found", broken)
    answer = client.get("/api/v1/learnwares")
    assert answer.status_code == 500 and "swordfish" not in answer.content.decode()
    if answer["Content-Type"].startswith("application/json"):
        assert answer.json()["request_id"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999999999999"])
def test_a_page_that_there_is_not(client, page):
    answer = client.get("/api/v1/learnwares", {"page": page})
    assert answer.status_code in (200, 404, 422) and json.loads(answer.content)


def test_every_answer_carries_the_headers_that_protect_a_browser(client):
    answer = client.get("/")
    assert "default-src 'none'" in answer["Content-Security-Policy"] and answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY" and answer["Referrer-Policy"] == "same-origin"


def test_health(client):
    assert client.get("/health/live").json() == {"status": "ok"}
    found = client.get("/health/ready").json()
    assert found["status"] == "ok" and found["checks"] == {"database": "ok", "storage": "ok"}


def test_health_tells_the_weakest_sandbox_among_the_workers(client, db, monkeypatch):
    from django.core.cache import cache

    from marketplace import sandboxes
    from reuse.sandbox import probe

    cache.delete(sandboxes.KEY)
    assert client.get("/health/ready").json()["sandbox"] == {"level": "unknown", "machines": {}}
    for host, level in (("one", "full"), ("two", "l1"), ("three", "l1"), ("four", "")):
        monkeypatch.setattr(sandboxes.socket, "gethostname", lambda host=host: host)
        monkeypatch.setattr(probe, "level", lambda level=level: probe.Level(level, "as told"))
        sandboxes.announce()
    assert client.get("/health/ready").json()["sandbox"] == {"level": "refuses", "machines": {"refuses": 1, "l1": 2, "full": 1}}
    later = sandboxes.time.time() + 2 * sandboxes.KEPT_S
    monkeypatch.setattr(sandboxes.time, "time", lambda: later)
    assert client.get("/health/ready").json()["sandbox"]["level"] == "unknown"
    cache.delete(sandboxes.KEY)


def test_a_market_without_walls_is_warned_of_at_every_start(settings):
    from marketplace import sandboxes

    settings.SANDBOX_LEVEL = "auto"
    assert sandboxes.lowered(None) == []
    settings.SANDBOX_LEVEL = "none"
    assert [warning.id for warning in sandboxes.lowered(None)] == ["moorage.W001"]


def test_the_schema_and_its_page_are_there(client):
    assert client.get("/api/schema/").status_code == 200
    assert "swagger" in client.get("/api/docs/").content.decode().lower()


@pytest.mark.parametrize("accept", ["text/*", "application/zip", "image/png", "text/html,*/*;q=0.1"])
def test_what_is_accepted_is_no_reason_to_refuse(client, db, accept):
    """Cards and zips are asked for by their own types; the endpoint has one type, and errors stay JSON."""
    assert client.get("/api/v1/learnwares", headers={"accept": accept}).status_code == 200
    answer = client.get("/api/v1/learnwares/nobody/nothing", headers={"accept": accept})
    assert answer.status_code == 404 and answer["Content-Type"].startswith("application/json") and answer.json()["hint"]

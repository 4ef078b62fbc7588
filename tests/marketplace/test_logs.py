import json
import logging

import pytest

from marketplace import logs


def record(message: str, *args, **extra) -> logging.LogRecord:
    made = logging.LogRecord("marketplace.test", logging.WARNING, "x.py", 1, message, args, None)
    vars(made).update(extra)
    return made


def test_an_event_is_one_line_of_json_with_the_job_it_is_about():
    with logs.about("1234"):
        line = logs.Json().format(record("a name\nwith a newline: %s", "\r\n2026 ERROR forged", size=3))
    assert "\n" not in line
    said = json.loads(line)
    assert (said["job_id"], said["level"], said["size"]) == ("1234", "WARNING", 3)
    assert said["message"] == "a name\nwith a newline: \r\n2026 ERROR forged"


def test_what_a_stranger_sent_begins_no_line_of_its_own():
    assert "\n" not in logs.Line().format(record("name: %s", "x\n2026-01-01 00:00:00 ERROR forged"))


@pytest.mark.parametrize("text", [
    "Authorization: Token moor_abcdefghijklmnop", "moor_abcdefghijklmnop", "postgres://moorage:abcdefghijklmnop@host/db", "password=abcdefghijklmnop",
    '{"token": "abcdefghijklmnop"}', "Bearer abcdefghijklmnop",
])
@pytest.mark.parametrize("form", [logs.Line, logs.Json])
def test_no_secret_is_written(form, text):
    assert "abcdefghijklmnop" not in form().format(record("%s", text))


@pytest.mark.django_db
def test_lines_of_a_request_carry_its_id(client, monkeypatch):
    from marketplace import health

    seen = []
    monkeypatch.setattr(health.settings, "STORAGE_URL", "ftp://nowhere")
    monkeypatch.setattr(health.connection, "cursor", lambda: seen.append(logs.request_id.get()) or (_ for _ in ()).throw(health.DatabaseError()))
    client.get("/health/ready", headers={"X-Request-ID": "abcdef0123"})
    assert seen == ["abcdef0123"] and logs.request_id.get() == ""

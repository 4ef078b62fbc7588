"""Large files in parts, against a tus server in memory that breaks where a test wants it to."""

import hashlib

import pytest
import urllib3

from moorage import errors, uploading
from tests.moorage.market import URL, Cache, Tus, answer, wire

pytestmark = pytest.mark.usefixtures("slept")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(uploading, "PART", 1000)
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(i * 7 % 251 for i in range(4500)))
    return path


@pytest.fixture
def send(file):
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()

    def run(tus, **options):
        return uploading.send(wire(tus), Cache(URL), file, name=file.name, sha256=sha256, **options)

    run.sha256 = sha256
    return run


def lost(tus, asked):
    raise urllib3.exceptions.ReadTimeoutError(None, URL, "gone")


def taken_and_lost(tus, asked):
    tus.take(asked)
    raise urllib3.exceptions.ProtocolError("gone")


def test_a_file_goes_up_in_parts_with_its_name_and_digest(send):
    tus, seen = Tus(), []
    assert send(tus, progress=lambda done, total: seen.append((done, total))) == "u0"
    assert tus.whole("u0") == send.sha256 and tus.patches == 5 and seen == [(n, 4500) for n in (0, 1000, 2000, 3000, 4000, 4500)]
    assert tus.uploads["u0"]["words"] == {"filename": "model.onnx", "sha256": send.sha256}


@pytest.mark.parametrize("act", [
    lost, taken_and_lost, lambda tus, asked: answer(503, Retry_After="3"), lambda tus, asked: answer(429, Retry_After="1"), lambda tus, asked: answer(500), lambda tus, asked: answer(409),
    lambda tus, asked: answer(204),
], ids=["lost", "taken and lost", "503", "429", "500", "409", "no offset"])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_whatever_breaks_it_goes_on_where_it_was(send, at, act, slept):
    tus = Tus(**{f"at_{at}": act})
    send(tus)
    assert tus.whole("u0") == send.sha256 and len(tus.uploads) == 1 and tus.patches <= 6


def test_the_market_says_how_long_to_wait(send, slept):
    send(Tus(at_2=lambda tus, asked: answer(503, Retry_After="3")))
    assert slept == [3.0]


@pytest.mark.parametrize("at", range(1, 6))
def test_a_push_that_was_killed_goes_on_when_it_is_run_again(send, at):
    def kill(tus, asked):
        raise KeyboardInterrupt

    tus = Tus(**{f"at_{at}": kill})
    with pytest.raises(KeyboardInterrupt):
        send(tus)
    assert send(tus) == "u0" and tus.whole("u0") == send.sha256 and tus.patches == 6  # no part twice but the one that was cut


def test_an_upload_that_is_there_already_sends_no_byte(send):
    tus = Tus()
    assert send(tus) == send(tus) == "u0" and tus.patches == 5


def test_an_upload_that_was_swept_begins_anew(send):
    tus = Tus()
    send(tus)
    tus.uploads.clear()
    assert send(tus) == "u0" and tus.whole("u0") == send.sha256


def test_it_gives_up_after_some_tries_and_says_how_to_go_on(send):
    tus = Tus(**{f"at_{n}": lost for n in range(2, 50)})
    with pytest.raises(errors.Unreachable, match="1,000 of 4,500 bytes.*Run the same push again"):
        send(tus)
    tus.breaks.clear()
    assert send(tus) == "u0" and tus.whole("u0") == send.sha256


@pytest.mark.parametrize(("status", "kind"), [(413, errors.Refused), (401, errors.NotSignedIn), (403, errors.NotAllowed), (460, errors.Damaged), (410, errors.NotFound)])
def test_a_refusal_is_not_tried_again(send, status, kind):
    tus = Tus(at_2=lambda tus, asked: answer(status, {"code": "c", "message": "No."}))
    with pytest.raises(kind, match="No."):
        send(tus)
    assert tus.patches == 2


def test_parts_go_to_this_market_whatever_the_location_says(send):
    tus = Tus()
    elsewhere = wire(lambda asked: answer(201, Location="https://evil/api/v1/uploads/u0") if asked.method == "POST" and not tus(asked).closed else tus(asked))
    Cache(URL).forget_upload(send.sha256)
    uploading.send(elsewhere, Cache(URL), send.__closure__[0].cell_contents, name="m", sha256=send.sha256)
    assert tus.whole("u0") == send.sha256

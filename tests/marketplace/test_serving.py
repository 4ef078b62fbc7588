"""The ASGI door: threads that take turns, those who wait, those who have gone, and what is too much."""

import asyncio
import io
import json
import threading
import time

import pytest
from django.core import signals
from django.db import connections
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import get_script_prefix, path
from django.utils import translation

from marketplace.serving import Handler

STARTED, GO, CLOSED = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
SEEN: list[str] = []


def held(request, name="?"):
    SEEN.append(name)
    STARTED.release()
    GO.acquire(timeout=20)
    return HttpResponse(name)


def where(request):
    said = JsonResponse({"thread": threading.current_thread().name, "language": translation.get_language(), "prefix": get_script_prefix(), "body": request.body.decode(),
                         "length": request.META.get("CONTENT_LENGTH")})
    translation.activate("de")
    return said


async def endless():
    while True:
        yield b"x"
        await asyncio.sleep(0.001)


def stream(request):
    answer = StreamingHttpResponse(endless())
    answer._resource_closers.append(CLOSED.set)
    return answer


def whole(request):
    SEEN.append(threading.current_thread().name)
    return FileResponse(io.BytesIO(b"x" * 200_000), content_type="text/plain")


def broken(request):
    raise ValueError("as it happens")


urlpatterns = [path("held/<name>", held), path("api/held", held), path("where", where), path("stream", stream), path("broken", broken), path("whole", whole), path("health/live", where)]


class Client:
    """One request: `answer` is (status, headers, body) once it came; `leave()` hangs up."""

    def __init__(self, door, address, *, method="GET", body=b"", root="", headers=(), more=False):
        self.gone, self.asked, self.answer, self.parts, self.first = asyncio.Event(), False, None, [], asyncio.Event()
        self.sent_body, self.more, self.taken = body, more, 0
        scope = {"type": "http", "method": method, "path": address, "raw_path": address.encode(), "root_path": root, "query_string": b"", "headers": [(b"host", b"localhost"), *headers], "http_version": "1.1",
                 "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
        self.task = asyncio.create_task(door(scope, self.receive, self.send))

    async def receive(self):
        if not self.asked:
            self.asked, self.taken = not self.more, self.taken + len(self.sent_body)
            return {"type": "http.request", "body": self.sent_body, "more_body": self.more}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], {k.decode().lower(): v.decode() for k, v in message["headers"]}
        else:
            self.parts.append(message.get("body", b""))
        self.first.set()

    async def done(self):
        await asyncio.wait_for(self.task, 20)
        return self.status, b"".join(self.parts)

    async def leave(self):
        self.gone.set()
        await asyncio.wait_for(self.task, 20)


@pytest.fixture
def door(settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE, settings.WEB_THREADS, settings.WEB_QUEUE, settings.ALLOWED_HOSTS = __name__, [], 2, 3, ["localhost"]
    kept = {name: dict(values) for name, values in connections.settings.items()}
    SEEN.clear()
    yield Handler()
    for name, values in kept.items():
        connections.settings[name].clear()
        connections.settings[name].update(values)


async def begun(many):
    for _ in range(many):
        assert await asyncio.to_thread(STARTED.acquire, timeout=20)


def test_as_many_are_worked_on_as_there_are_threads_and_the_rest_wait_their_turn(door):
    async def run():
        clients = [Client(door, f"/held/{number}") for number in range(5)]
        await begun(2)
        await asyncio.sleep(0.05)
        assert sorted(SEEN) == ["0", "1"]
        GO.release(5)
        assert [await client.done() for client in clients] == [(200, str(number).encode()) for number in range(5)]
        await begun(3)
        assert SEEN[2:] == ["2", "3", "4"]

    asyncio.run(run())


@pytest.mark.parametrize("address", ["/held/late", "/api/held"])
def test_beyond_a_full_queue_it_says_so_at_once_and_probes_are_answered(door, address):
    async def run():
        clients = [Client(door, f"/held/{number}") for number in range(5)]
        await begun(2)
        began = time.monotonic()
        late = Client(door, address)
        status, body = await late.done()
        assert status == 503 and int(late.headers["retry-after"]) > 0 and time.monotonic() - began < 2
        said = json.loads(body) if address.startswith("/api/") else {"code": "too-busy", "message": body.decode()}
        assert said["code"] == "too-busy" and "More is asked" in said["message"]
        assert (await Client(door, "/health/live").done())[0] == 200
        GO.release(5)
        for client in clients:
            assert (await client.done())[0] == 200
        await begun(3)
        assert (await Client(door, "/where").done())[0] == 200
        assert "late" not in SEEN and "?" not in SEEN

    asyncio.run(run())


def test_who_has_gone_before_it_began_is_not_worked_for(door):
    async def run():
        first = [Client(door, f"/held/{number}") for number in range(2)]
        await begun(2)
        goes, stays = Client(door, "/held/goes"), Client(door, "/held/stays")
        await asyncio.sleep(0.05)
        await goes.leave()
        GO.release(3)
        assert (await stays.done())[0] == 200 and [(await client.done())[0] for client in first] == [200, 200]
        await begun(1)
        assert SEEN[2:] == ["stays"] and door._held == 0

    asyncio.run(run())


def test_who_goes_in_the_middle_of_a_stream_ends_it_and_what_it_held_is_closed(door):
    async def run():
        CLOSED.clear()
        client = Client(door, "/stream")
        await asyncio.wait_for(client.first.wait(), 20)
        await client.leave()
        assert CLOSED.is_set() and client.status == 200

    asyncio.run(run())


def test_a_file_comes_whole_and_without_another_thread(door, recwarn):
    before = set(threading.enumerate())
    client_status, body = asyncio.run(_one(door, "/whole"))
    assert client_status == 200 and body == b"x" * 200_000 and SEEN[0].startswith("web") and not recwarn.list
    assert {thread.name.split("_")[0] for thread in set(threading.enumerate()) - before} <= {"web", "asyncio"}


def test_threads_are_used_again_and_requests_do_not_see_each_other(door):
    async def run():
        seen = [json.loads((await Client(door, "/where", method="POST", body=b"%d" % number, root="/market").done())[1]) for number in range(6)]
        assert len({one["thread"] for one in seen}) <= 2 and all(one["thread"].startswith("web") for one in seen)
        assert {one["language"] for one in seen} == {"en"} and {one["prefix"] for one in seen} == {"/market/"} and [one["body"] for one in seen] == list("012345")

    asyncio.run(run())


def test_each_request_begins_and_ends_once_in_the_thread_that_worked_for_it(door):
    heard: list[tuple[str, str]] = []

    def begins(**_):
        heard.append(("begins", threading.current_thread().name))

    def ends(**_):
        heard.append(("ends", threading.current_thread().name))

    signals.request_started.connect(begins)
    signals.request_finished.connect(ends)
    try:
        asyncio.run(_one(door, "/where"))
    finally:
        signals.request_started.disconnect(begins)
        signals.request_finished.disconnect(ends)
    assert [what for what, _ in heard] == ["begins", "ends"] and len({thread for _, thread in heard}) == 1 and heard[0][1].startswith("web")


async def _one(door, address):
    return await Client(door, address).done()


def test_a_view_that_breaks_is_answered_and_the_thread_goes_on(door):
    async def run():
        assert [(await _one(door, "/broken"))[0] for _ in range(3)] == [500, 500, 500] and (await _one(door, "/where"))[0] == 200

    asyncio.run(run())


def test_connections_live_as_long_as_their_threads_and_are_asked_whether_they_still_work(door):
    assert all(values["CONN_MAX_AGE"] > 0 and values["CONN_HEALTH_CHECKS"] for values in connections.settings.values())


@pytest.mark.parametrize(("address", "megabytes"), [("/where", 33), ("/health/live", 33), ("/api/v1/matches", 33), ("/api/v1/jobs", 161), ("/jobs/", 161), ("/upload/", 1057), ("/api/v1/learnwares", 1057)])
def test_a_body_that_is_longer_than_its_address_takes_is_refused_before_it_is_read(door, settings, address, megabytes):
    settings.MAX_MODEL_BYTES, settings.MAX_DATA_BYTES = 512 << 20, 64 << 20

    async def run():
        long = Client(door, address, method="POST", body=b"x", more=True, headers=[(b"content-length", b"%d" % ((megabytes << 20) + 1))])
        status, said = await long.done()
        assert status == 413 and long.taken == 0 and f"{megabytes} MB" in said.decode() and long.headers["x-request-id"] in said.decode()
        fits = Client(door, address, method="POST", body=b"x", headers=[(b"content-length", b"%d" % (megabytes << 20))])
        assert (await fits.done())[0] in (200, 404) and fits.taken == 1

    asyncio.run(run())


def test_one_that_names_no_length_is_refused_when_it_has_become_too_long(door):
    async def run():
        client = Client(door, "/where", method="POST", body=b"x" * (1 << 20), more=True)
        assert (await client.done())[0] == 413 and client.taken == 34 << 20

    asyncio.run(run())


def test_one_that_came_in_chunks_has_a_length_then(door):
    async def run():
        return json.loads((await Client(door, "/where", method="POST", body=b"twelve bytes").done())[1])

    assert asyncio.run(run())["length"] == "12"


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"9" * 5000, b"\xb2"])
def test_a_length_that_is_none_is_refused(door, length):
    assert asyncio.run(_with(door, length))[0] == 413


async def _with(door, length):
    return await Client(door, "/where", method="POST", body=b"x", headers=[(b"content-length", length)]).done()

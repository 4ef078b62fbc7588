"""The ASGI door: each request in one of the process's own threads, from its first signal to its last.

Django's own door gives every request a new thread, sends it to the event loop and back for each middleware that looks at the view and for each signal, and throws the thread away with its
connection to the database. Two hundred clients are two hundred threads and connections then, more than PostgreSQL lets in. Here some threads take turns and keep their connections; who comes
when all are taken waits, who has gone by then is not answered, and beyond a full queue the answer is 503 at once.
"""

import asyncio
import contextvars
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import connections
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from marketplace.errors import bare
from marketplace.failing import BUSY, Failing
from marketplace.operations import metrics
from marketplace.streaming import Arriving

KEEP_S = 60  # how long a thread keeps a connection; whether it still works is asked before each request
STREAMED = re.compile(r"/api/v1/uploads/[0-9a-f-]{36}/?")
WORDS_BYTES = 2**20
PROBES = ("/health/", "/metrics")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Handler(ASGIHandler):
    """`settings.WEB_THREADS` requests at a time, `settings.WEB_QUEUE` more that wait; probes and the parts of uploads beside them."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, "web")
        self._probes = ThreadPoolExecutor(2, "probe")  # an orchestrator must not take a busy process for a dead one
        self._held = 0  # requests that wait or are worked on
        for name in connections.settings:
            connections.settings[name] |= {"CONN_MAX_AGE": KEEP_S, "CONN_HEALTH_CHECKS": True}

    def load_middleware(self, is_async: bool = False) -> None:
        """Views and middleware are synchronous here, every one: with nothing to adapt, a request goes to its thread once and comes back once."""
        super().load_middleware(is_async=False)

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] == "PATCH" and STREAMED.search(scope["path"]):
            await self._part_of_upload(scope, Arriving(receive), send)
            return
        is_probe = scope["path"].startswith(PROBES)
        if not is_probe and self._held >= settings.WEB_THREADS + settings.WEB_QUEUE:
            await self.send_response(_refused(scope["path"], BUSY), send)
            return
        most = _most(scope["path"])
        try:
            body = await self._body(scope, receive, most)  # who sends it slowly takes nobody's place
        except RequestAborted:
            return
        if body is None:
            said = f"A request to this address may have {most >> 20} MB; this one has more."
            await self.send_response(_refused(scope["path"], Failing(413, "body-too-large", said, "Send less; a model comes in parts by /api/v1/uploads, as the client and the upload page send them.", 0)), send)
            return
        await self._answer(scope, body, receive, send, self._probes if is_probe else self._threads)

    async def _body(self, scope: dict[str, Any], receive: Receive, most: int) -> Any:
        """The whole body in a file that lies in memory while it is small; None where it is longer than it may be. Django takes in whatever comes, at any address, before it asks who sends it."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
        if length is not None and (not length.isdigit() or int(length[:20]) > most):
            return None
        file = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE, mode="w+b")  # noqa: SIM115 - closed once it is answered
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                file.close()
                raise RequestAborted
            file.write(message.get("body", b""))
            if file.tell() > most:
                file.close()
                return None
            if not message.get("more_body", False):
                if length is None:  # it came in chunks: to Django a form without a length is an empty one
                    scope["headers"] = [*scope["headers"], (b"content-length", b"%d" % file.tell())]
                file.seek(0)
                return file

    async def _part_of_upload(self, scope: dict[str, Any], body: Arriving, send: Send) -> None:
        """Takes as long as its sender likes, so it has a thread of its own."""
        with_one = ThreadPoolExecutor(1, "upload")
        try:
            await self._answer(scope, body, body, send, with_one)
        finally:
            with_one.submit(connections.close_all)
            with_one.shutdown(wait=False)

    async def _answer(self, scope: dict[str, Any], body: Any, receive: Receive, send: Send, threads: ThreadPoolExecutor) -> None:
        work = threads.submit(contextvars.copy_context().run, self._respond, scope, body)
        work.add_done_callback(lambda _: body.close())
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: work.cancel())  # does nothing to what has begun
        response = None
        try:
            response = await self._worked(work, is_counted=threads is self._threads)
            if response.streaming:
                sending = asyncio.create_task(self.send_response(response, send))
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
                sending.cancel()  # does nothing where all is sent
                await sending
            else:
                await self.send_response(response, send)
        except asyncio.CancelledError:
            if not leaving.done():  # it is us who are stopped
                raise
        finally:
            leaving.cancel()
            if response is not None and response.streaming:
                await asyncio.to_thread(response.close)

    async def _worked(self, work: Future, is_counted: bool) -> HttpResponseBase:
        self._held += is_counted
        try:
            return await asyncio.wrap_future(work)
        finally:
            self._held -= is_counted

    def _respond(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, response = self.create_request(scope, body)
        if request is not None:
            response = self.get_response(request)
        response._handler_class = self.__class__
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if response.streaming and not response.is_async:  # static files, pictures, exports; what may be large streams by itself
            response.streaming_content = _one(b"".join(response.streaming_content))
        if not response.streaming:
            response.close()  # says that the request is over, here, where its connections are
        return response


async def _one(part: bytes) -> AsyncIterator[bytes]:
    yield part


async def _left(receive: Receive) -> None:
    """Ends when whoever asked has gone, or has got the whole answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _most(path: str) -> int:
    """Bytes that the body of a request to this address may have: the files that its form takes, and the words beside them."""
    if path == "/upload/" or re.fullmatch(r"/api/v1/learnwares(/check)?/?", path):
        return 2 * settings.MAX_MODEL_BYTES + settings.MAX_SPECIFICATION_BYTES + WORDS_BYTES
    if re.match(r"(/api/v1)?/jobs(/|$)", path):
        return 2 * settings.MAX_DATA_BYTES + settings.MAX_SPECIFICATION_BYTES + WORDS_BYTES
    return settings.MAX_SPECIFICATION_BYTES + WORDS_BYTES


def _refused(path: str, why: Failing) -> HttpResponse:
    metrics.refused(why.code, why.status)
    request_id = secrets.token_hex(8)
    response = bare(path, why.status, {"code": why.code, "message": why.message, "hint": why.hint, "request_id": request_id})
    response["X-Request-ID"] = request_id
    if why.retry_after_s:
        response["Retry-After"] = str(why.retry_after_s)
    return response

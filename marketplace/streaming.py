"""Bodies of requests as they arrive.

Django's ASGI door takes in the whole body of a request before a view sees its first byte, and drops it when the line breaks. An upload
that is sent in parts wants the opposite: who sends is known before a byte is taken, and what has arrived stays.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

SILENCE_S = 60


class Arriving:
    """The body of one request: a view reads it in its thread while it comes in.

    Stands in for `receive` as well, for Django listens there for the end of the connection.
    """

    def __init__(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._receive, self._loop = receive, asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._held, self._whole, self._broken = b"", False, False
        self._over = asyncio.Event()

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, fewer only at the end; all that is left without a size. OSError when the line broke or fell silent."""
        while not self._whole and not self._broken and (size < 0 or len(self._held) < size):
            wanted = size - len(self._held) if size >= 0 else 1 << 20
            # In the context of the connection, not of the view: the server's transport would keep that, and the next request on this line inherit it.
            self._held += self._context.run(asyncio.run_coroutine_threadsafe, self._collect(wanted), self._loop).result()
        if not self._held and self._broken:
            raise ConnectionAbortedError("The connection ended before the body did.")
        some, self._held = (self._held, b"") if size < 0 else (self._held[:size], self._held[size:])
        return some

    def close(self) -> None:
        """Nothing is kept open."""

    async def __call__(self) -> dict[str, Any]:
        await self._over.wait()
        return await self._receive()

    async def _collect(self, wanted: int) -> bytes:
        parts, length = [], 0
        try:
            async with asyncio.timeout(SILENCE_S) as silence:
                while length < wanted and not self._whole and not self._broken:
                    message = await self._receive()
                    silence.reschedule(self._loop.time() + SILENCE_S)
                    parts.append(message.get("body", b""))
                    length += len(parts[-1])
                    self._broken = message["type"] == "http.disconnect"
                    self._whole = not self._broken and not message.get("more_body", False)
        except TimeoutError:
            self._broken = True
        if self._whole:
            self._over.set()
        return b"".join(parts)

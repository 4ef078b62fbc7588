"""Downloads: ranges, ETags and digests; never anything that a browser would run."""

import base64
import re
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import http_date, parse_etags, quote_etag
from rest_framework.request import Request

from marketplace.catalog import artifacts
from marketplace.catalog.models import Artifact
from marketplace.errors import Refused

PART = 1 << 20
RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")  # more digits than any file has bytes; int() refuses 4,301 of them


def answer(request: HttpRequest | Request, artifact: Artifact, *, name: str, content_type: str = "application/octet-stream") -> HttpResponse:
    """The artifact as a download; 206 for a range, 304 where the client has it, 416 for a range outside it."""
    etag = quote_etag(artifact.sha256)
    begin, end, partial = _range(request, artifact.size, etag)
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    elif request.method == "HEAD":
        response = HttpResponse(content_type=content_type)
        response["Content-Length"] = artifact.size
    else:
        file = artifacts.open(artifact.sha256)
        file.seek(begin)
        # Django reads a synchronous iterator whole before it sends the first byte under ASGI.
        parts = _parts_async if isinstance(getattr(request, "_request", request), ASGIRequest) else _parts
        response = StreamingHttpResponse(parts(file, end - begin), status=206 if partial else 200, content_type=content_type)
        response["Content-Length"] = end - begin
        if partial:
            response["Content-Range"] = f"bytes {begin}-{end - 1}/{artifact.size}"
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["Last-Modified"] = http_date(artifact.created.timestamp())
    response["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(artifact.sha256)).decode()}:"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _range(request: HttpRequest | Request, size: int, etag: str) -> tuple[int, int, bool]:
    asked = RANGE.fullmatch(request.headers.get("Range", "").strip())
    held = request.headers.get("If-Range")
    if asked is None or asked[0] == "bytes=-" or (held is not None and held != etag):
        return 0, size, False
    first, last = asked.groups()
    begin, end = (int(first), min(size, int(last) + 1) if last else size) if first else (max(0, size - int(last)), size)
    if begin >= end:
        raise Refused("wrong-range", f"The file has {size:,} bytes; the range asked for lies outside.", status=416,
                      hint="Ask for the whole file.")
    return begin, end, True


def _parts(file: BinaryIO, left: int) -> Iterator[bytes]:
    with file:
        while left > 0 and (part := file.read(min(PART, left))):
            left -= len(part)
            yield part


async def _parts_async(file: BinaryIO, left: int) -> AsyncIterator[bytes]:
    read = sync_to_async(file.read, thread_sensitive=False)
    with file:
        while left > 0 and (part := await read(min(PART, left))):
            left -= len(part)
            yield part

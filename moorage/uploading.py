"""Large files go up by tus 1.0: in parts, so that what broke off goes on, and a push that was killed goes on when it is run again."""

import base64
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from moorage import errors
from moorage.cache import Cache
from moorage.http import BUSY, PATIENCE_S, Progress, Wire, retry_after

LARGE = 8 * 2**20  # bytes; smaller files go in one request
PART = 8 * 2**20
TRIES = 6  # in a row, without a byte getting through
VERSION = {"Tus-Resumable": "1.0.0"}


def send(wire: Wire, cache: Cache, path: Path, *, name: str, sha256: str, progress: Progress | None = None) -> str:
    """Upload a file and return the id of the upload; goes on where an earlier push of the same file stopped."""
    size = path.stat().st_size
    address, offset = _begun(wire, cache, sha256, size) or (_begin(wire, cache, name, size, sha256), 0)
    misses = 0
    with path.open("rb") as file:
        while offset < size:
            if progress:
                progress(offset, size)
            file.seek(offset)
            try:
                answer = _patch(wire, address, file.read(PART), offset)
            except errors.Unreachable:
                answer = None
            reached = _reached(answer)
            if reached is not None and offset < reached <= size:
                offset, misses = reached, 0
                continue
            misses += 1
            if misses >= TRIES:
                raise wire.complaint(answer) if answer is not None and answer.status >= 400 else errors.Unreachable(
                    f"The upload of {name} stopped at {offset:,} of {size:,} bytes.", code="upload-stopped", hint="Run the same push again: it goes on from there.")
            time.sleep(_wait(answer, misses))
            found = _offset(wire, address, size, otherwise=offset)
            misses = 0 if found > offset else misses  # the part got through, its answer did not
            offset = found
    if progress:
        progress(size, size)
    return urlsplit(address).path.rstrip("/").rpartition("/")[2]


def _begun(wire: Wire, cache: Cache, sha256: str, size: int) -> tuple[str, int] | None:
    held = cache.upload(sha256)
    if held is None:
        return None
    try:
        return held["address"], _offset(wire, held["address"], size)
    except (errors.NotFound, errors.NotAllowed, errors.Refused):  # over, swept, or another person's
        cache.forget_upload(sha256)
        return None


def _begin(wire: Wire, cache: Cache, name: str, size: int, sha256: str) -> str:
    words = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in (("filename", name), ("sha256", sha256)))
    answer = wire.request("POST", "uploads", headers=VERSION | {"Upload-Length": str(size), "Upload-Metadata": words, "Content-Length": "0"})
    # Only the path counts: parts, and the token with them, go to this market and nowhere else.
    address = urlsplit(answer.headers.get("Location", "")).path
    if not address.startswith("/"):
        raise errors.MarketError("The market took the upload without saying where it is.", code="no-location", hint="Check --url; the operators may need to update it.")
    cache.keep_upload(sha256, address)
    return address


def _patch(wire: Wire, address: str, part: bytes, offset: int) -> Any:
    try:
        with wire._sent("PATCH", address, VERSION | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}, body=part) as answer:
            answer.read(decode_content=True, cache_content=True)
    except urllib3.exceptions.HTTPError as error:
        raise wire.unreachable(error) from None
    if answer.status >= 400 and answer.status != 409 and answer.status not in BUSY and answer.status < 500:
        raise wire.complaint(answer)
    return answer


def _offset(wire: Wire, address: str, size: int, *, otherwise: int | None = None) -> int:
    """How far the market's side has come. `otherwise`: where it does not answer now."""
    try:
        answer = wire.request("HEAD", address, headers=VERSION)
    except (errors.Unreachable, errors.TooMany):
        if otherwise is None:
            raise
        return otherwise
    found = answer.headers.get("Upload-Offset", "")
    if not found.isdigit() or int(found) > size:
        raise errors.Refused("The upload that was begun is another file's.", code="other-upload")
    return int(found)


def _reached(answer: Any) -> int | None:
    if answer is None or answer.status not in (200, 204):
        return None
    found = answer.headers.get("Upload-Offset", "")
    return int(found) if found.isdigit() else None


def _wait(answer: Any, misses: int) -> float:
    back_off = min(0.5 * 2 ** (misses - 1), 8.0)
    if answer is None or answer.status == 409:
        return back_off if answer is None else 0.0
    return min(retry_after(answer, back_off), PATIENCE_S)

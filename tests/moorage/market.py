"""A market in memory: what stands in for urllib3's pool, answers by a function, and a tus server that forgets nothing."""

import base64
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3

from moorage.cache import Cache
from moorage.credentials import Credentials
from moorage.http import Wire

URL = "http://market"


@dataclass
class Asked:
    """One request as it left the client."""

    method: str
    path: str
    params: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    fields: Any = None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Pool:
    """Answers every request by `handler(asked)`; keeps what was asked."""

    handler: Callable[[Asked], Any]
    asked: list[Asked] = field(default_factory=list)

    def request(self, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None, fields: Any = None, **how: Any) -> urllib3.HTTPResponse:
        parts = urlsplit(url)
        self.asked.append(Asked(method, parts.path, parse_qs(parts.query), headers, body or b"", fields))
        return self.handler(self.asked[-1])


def answer(status: int = 200, content: Any = b"", **headers: str) -> urllib3.HTTPResponse:
    """An answer; anything but bytes and streams is sent as JSON."""
    body = content if isinstance(content, bytes) or hasattr(content, "read") else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.HTTPResponse(body=io.BytesIO(body) if isinstance(body, bytes) else body, status=status, headers=named, preload_content=False)


def wire(handler: Callable[[Asked], Any], token: str | None = "moor_x", *, offline: bool = False) -> Wire:
    return Wire(Credentials(URL, token, "a test"), Pool(handler), offline=offline)


class Tus:
    """POST, HEAD and PATCH of tus 1.0. `breaks`: what to do instead of the n-th PATCH, by its number."""

    def __init__(self, **breaks: Callable[["Tus", Asked], Any]) -> None:
        self.uploads: dict[str, dict[str, Any]] = {}
        self.patches = 0
        self.breaks = {int(name.removeprefix("at_")): act for name, act in breaks.items()}

    def __call__(self, asked: Asked) -> Any:
        assert asked.headers["Tus-Resumable"] == "1.0.0" and asked.headers["Authorization"] == "Token moor_x"
        if asked.method == "POST":
            words = dict(pair.split(" ") for pair in asked.headers["Upload-Metadata"].split(","))
            key = f"u{len(self.uploads)}"
            self.uploads[key] = {"size": int(asked.headers["Upload-Length"]), "held": bytearray(), "words": {k: base64.b64decode(v).decode() for k, v in words.items()}}
            return answer(201, Location=f"/api/v1/uploads/{key}", Upload_Offset="0")
        upload = self.uploads.get(asked.path.rpartition("/")[2])
        if upload is None:
            return answer(404, {"code": "not-found", "message": "There is no such upload."})
        if asked.method == "HEAD":
            return answer(200, Upload_Offset=str(len(upload["held"])), Upload_Length=str(upload["size"]))
        self.patches += 1
        if act := self.breaks.get(self.patches):
            return act(self, asked)
        return self.take(asked)

    def take(self, asked: Asked) -> Any:
        held = self.uploads[asked.path.rpartition("/")[2]]["held"]
        if int(asked.headers["Upload-Offset"]) != len(held):
            return answer(409, {"code": "wrong-offset", "message": "The upload has come to another place."})
        held += asked.body
        return answer(204, Upload_Offset=str(len(held)))

    def whole(self, key: str) -> str:
        return hashlib.sha256(self.uploads[key]["held"]).hexdigest()


__all__ = ["URL", "Asked", "Cache", "Pool", "Tus", "answer", "wire"]

"""Requests made from the API's own description: by schemathesis, and with hostile strings in every place that takes text."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.test import Client

# What breaks careless code: SQL, templates of several kinds, header lines, zero bytes, half a character, direction marks, numbers that are none, depth.
HOSTILE = {
    "sql": "' OR 1=1; DROP TABLE accounts_user; --",
    "template": "{{ 7*7 }}${7*7}#{7*7}{% load admin %}<%= 7*7 %>",
    "lines": "a\r\nSet-Cookie: x=1\r\n\r\n<script>",
    "zero": "a\0b",
    "half": "a\ud800b",
    "marks": "\u202e\u2066\ufeff\uffff\U0010ffff",
    "number": "99999999999999999999999999999999",
    "path": "../../../../etc/passwd%00",
}


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The API's OpenAPI document."""
    from drf_spectacular.generators import SchemaGenerator

    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))


def client(token: str) -> Client:
    return Client(raise_request_exception=False, headers={"authorization": f"Token {token}"} if token else {})


def send(asking: Client, method: str, path: str, query: str = "", body: Any = None, media_type: str = "application/json") -> Any:
    """Ask; a lone surrogate in a body travels as JSON's own escape, as a careless client sends it."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body, default=str).encode()
    return asking.generic(method.upper(), path, content, content_type=media_type, QUERY_STRING=query)


def broke(answer: Any) -> bool:
    if answer.streaming:
        answer.close()
    return answer.status_code >= 500


# --- hostile strings -------------------------------------------------------------------------------


def hostile(only: set[str] | None = None) -> Iterator[tuple[str, str, str, str, Any]]:
    """(what, method, path, query, body) for each place of each operation that takes text, and each hostile string."""
    for path, methods in description()["paths"].items():
        for method, said in methods.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            places = [*_parameters(path, methods, said), *(("body", name) for name in _fields(said))]
            for where, name in places:
                for kind, text in HOSTILE.items():
                    if only is None or kind in only:
                        filled, query, body = _request(path, methods, said, where, name, text)
                        yield f"{kind} in {where} {name}", method, filled, query, body


def _parameters(path: str, methods: dict, said: dict) -> list[tuple[str, str]]:
    return [(p["in"], p["name"]) for p in [*methods.get("parameters", []), *said.get("parameters", [])] if p["in"] in ("path", "query")]


def _fields(said: dict) -> dict[str, dict]:
    for content in said.get("requestBody", {}).get("content", {}).values():
        return _resolved(content.get("schema", {})).get("properties", {})
    return {}


def _request(path: str, methods: dict, said: dict, where: str, name: str, text: str) -> tuple[str, str, Any]:
    filled = path
    for place, other in _parameters(path, methods, said):
        if place == "path":
            filled = filled.replace(f"{{{other}}}", quote(text if (where, name) == (place, other) else "x", safe="", errors="surrogatepass"))
    query = f"{quote(name)}={quote(text, safe='', errors='surrogatepass')}" if where == "query" else ""
    body = None
    if where == "body":
        fields = _fields(said)
        body = {other: _plain(schema, text if other == name else "x") for other, schema in fields.items()}
    return filled, query, body


def _plain(schema: dict, text: str) -> Any:
    """Something of a schema's shape, with `text` wherever it takes text."""
    schema = _resolved(schema)
    for way in ("allOf", "oneOf", "anyOf"):
        if schema.get(way):
            return _plain(schema[way][0], text)
    kind = schema.get("type")
    if kind == "array":
        return [_plain(schema.get("items", {}), text)]
    if kind == "object" or "properties" in schema:
        return {name: _plain(inner, text) for name, inner in schema.get("properties", {}).items()} or {text: text}
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, text) if text == "x" else text


def _resolved(schema: dict) -> dict:
    while "$ref" in schema:
        schema = description()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


# --- schemathesis ----------------------------------------------------------------------------------


def operations() -> list[Any]:
    """Each operation of the API as schemathesis knows it."""
    import schemathesis

    schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")  # tus's bytes
    return [found.ok() for found in schemathesis.openapi.from_dict(description()).get_all_operations()]


def strategies(operation: Any) -> list[Any]:
    """Two ways to ask: as the description says, and as it forbids."""
    from schemathesis import GenerationMode

    return [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]


def ask(asking: Client, case: Any) -> Any:
    """Send a case of schemathesis through Django's own client: the whole stack, without a socket."""
    from urllib.parse import urlencode

    from schemathesis.core import NotSet

    body = None if isinstance(case.body, NotSet) else case.body
    media_type = case.media_type or "application/json"
    path = "/".join(quote(part, safe="%", errors="replace") for part in str(case.formatted_path).split("/"))
    query = urlencode({str(name): value for name, value in dict(case.query or {}).items()}, doseq=True, errors="replace")
    if media_type.startswith("multipart/") and isinstance(body, dict):
        boundary = "moorage"
        lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode(errors="replace")
                 + (value if isinstance(value, bytes) else str(value).encode(errors="replace")) + b"\r\n" for name, value in body.items()]
        body, media_type = b"".join(lines) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
    elif isinstance(body, str) and media_type != "application/json":
        body = body.encode(errors="replace")
    return send(asking, case.method, path, query, body, media_type)

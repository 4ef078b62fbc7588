"""What all of the API shares: request ids, one shape of error, one shape of page."""

import logging
import math
import re
import secrets
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, pagination
from rest_framework.response import Response
from rest_framework.views import set_rollback

from marketplace import failing, logs
from marketplace.errors import WORDS, Refused, unable
from marketplace.operations import metrics
from reuse import ReuseError
from specs import SpecError

__all__ = ["Page", "Refused", "RequestId", "answer"]

log = logging.getLogger(__name__)
ACCEPTED_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
HINTS = {
    "not_authenticated": ("not-signed-in", "Send `Authorization: Token <token>`; make one on the tokens page or with: moorage login"),
    "authentication_failed": ("bad-token", "Make a new token on the tokens page, or run: moorage login"),
    "permission_denied": ("not-allowed", "Use a token with the scope that this needs."),
    "parse_error": ("not-json", "Send a JSON document, or a multipart form where files are asked for."),
    "unsupported_media_type": ("wrong-media-type", "Send application/json, or multipart/form-data where files are asked for."),
    "method_not_allowed": ("wrong-method", "The allowed methods are in the Allow header; see /api/docs/."),
    "throttled": ("too-many-requests", "Wait as long as the Retry-After header says."),
    "not_found": ("not-found", "Check the address; lists show what you may see."),
}


class RequestId:
    """Gives each request an id, which errors and logs repeat."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        came = request.headers.get("X-Request-ID", "")
        request.request_id = came if ACCEPTED_ID.fullmatch(came) else secrets.token_hex(8)
        token = logs.request_id.set(request.request_id)
        try:
            response = self.get_response(request)
        finally:
            logs.request_id.reset(token)
        response["X-Request-ID"] = request.request_id
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Pages say what the API says (`answer`) where a disk is full, a file damaged, or the database away."""
        found = failing.of(error)
        return unable(request, found) if found is not None else None


class NoZeroBytes:
    """An address with a zero byte names nothing; PostgreSQL would refuse to look. The Hugging Face doors say so in words of their own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        if "\0" in request.path_info and not str(request.resolver_match.url_name).startswith("hub-"):
            raise Http404


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Any expected exception as {code, message, hint, request_id} with `fields` where fields are wrong."""
    status, said, headers = _said(error)
    if status is None:
        return None
    metrics.refused(said["code"], status)
    request = context.get("request")
    said["request_id"] = getattr(getattr(request, "_request", request), "request_id", "")
    set_rollback()
    return Response(said, status=status, headers=headers)


def _said(error: Exception) -> tuple[int | None, dict[str, Any], dict[str, str]]:
    if isinstance(error, Refused):
        said = {"code": error.code, "message": error.message, "hint": error.hint}
        return error.status, said | ({"fields": error.fields} if error.fields else {}), {"Retry-After": str(error.retry_after)} if error.status in (429, 503) else {}
    if isinstance(error, SpecError | ReuseError):
        said = {"code": error.code, "message": error.message, "hint": error.hint}
        fields = getattr(error, "fields", None)
        return 422, said | ({"fields": fields} if fields else {}), {}
    if (found := failing.of(error)) is not None:
        return found.status, {"code": found.code, "message": found.message, "hint": found.hint}, {"Retry-After": str(found.retry_after_s)}
    if isinstance(error, Http404 | PermissionDenied):
        code, message, hint = WORDS[404 if isinstance(error, Http404) else 403]
        return (404 if isinstance(error, Http404) else 403), {"code": code, "message": message, "hint": hint}, {}
    if isinstance(error, exceptions.ValidationError):
        fields = _fields(error.detail)
        first = next(iter(fields.items()), ("", "The input is wrong."))
        said = {"code": "wrong-fields", "message": f"{first[0]}: {first[1]}" if first[0] else first[1],
                "hint": "Correct the fields that are named; /api/docs/ lists them all.", "fields": fields}
        return error.status_code, said, {}
    if isinstance(error, exceptions.APIException):
        key = error.get_codes() if isinstance(error.get_codes(), str) else error.default_code
        code, hint = HINTS.get(key, (str(key).replace("_", "-"), "See /api/docs/."))
        headers = {}
        if getattr(error, "wait", None):
            headers["Retry-After"] = str(math.ceil(error.wait))
        if getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = error.auth_header
        return error.status_code, {"code": code, "message": str(error.detail), "hint": hint}, headers
    return None, {}, {}


def _fields(detail: Any, path: str = "") -> dict[str, str]:
    if isinstance(detail, dict):
        found: dict[str, str] = {}
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            found |= _fields(value, ".".join(filter(None, (path, name))))
        return found
    if isinstance(detail, list):
        if all(not isinstance(item, dict | list) for item in detail):
            return {path: " ".join(str(item) for item in detail)}
        found = {}
        for item in detail:
            found |= _fields(item, path)
        return found
    return {path: str(detail)}


class Page(pagination.PageNumberPagination):
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100

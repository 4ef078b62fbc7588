"""Saying no: one exception for refusals, and the pages for what went wrong."""

from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string

from marketplace.failing import Failing

WORDS = {
    400: ("bad-request", "The request could not be understood.", "Go back and try again."),
    403: ("not-allowed", "You may not do that.", "Sign in with an account that may, or reload the page and try again."),
    404: ("not-found", "There is nothing at this address.", "Look it up under Explore, or check the address."),
    500: ("unexpected", "Something broke on our side; it has been logged.", "Try again; if it stays, report the request id."),
}


class Refused(Exception):
    """What a user asked for can not be done: a reason code, what and why, and what to do next; with 429, in how many seconds."""

    def __init__(self, code: str, message: str, *, hint: str = "", status: int = 422, fields: dict[str, Any] | None = None, retry_after: int = 60) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.code, self.message, self.hint, self.status, self.fields, self.retry_after = code, message, hint, status, fields or {}, retry_after


def answer(request: HttpRequest, status: int) -> HttpResponse:
    """A page, or JSON under /api/; always with the request id."""
    return _answer(request, status, *WORDS[status])


def unable(request: HttpRequest, found: Failing) -> HttpResponse:
    """The answer where the market itself can not: 503 or 507, with the seconds after which to try again."""
    response = _answer(request, found.status, found.code, found.message, found.hint)
    response["Retry-After"] = str(found.retry_after_s)
    return response


def bare(path: str, status: int, said: dict[str, str]) -> HttpResponse:
    """JSON under /api/, elsewhere a line of text: what can be said without asking the database who reads it."""
    if path.startswith("/api/"):
        return JsonResponse(said, status=status)
    return HttpResponse("{message} {hint} ({request_id})".format(**said), status=status, content_type="text/plain; charset=utf-8")


def _answer(request: HttpRequest, status: int, code: str, message: str, hint: str) -> HttpResponse:
    said = {"code": code, "message": message, "hint": hint, "request_id": getattr(request, "request_id", "")}
    if request.path.startswith("/api/"):
        return bare(request.path, status, said)
    try:
        body = render_to_string(f"errors/{status}.html", said, request=request)
    except TemplateDoesNotExist:
        body = f"{message} {hint} ({said['request_id']})"
    except DatabaseError:  # the page around the words asks the database who reads it
        return bare(request.path, status, said)
    return HttpResponse(body, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return answer(request, 500)

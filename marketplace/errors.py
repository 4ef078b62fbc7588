"""Saying no: one exception for refusals, and the pages for what went wrong."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string

WORDS = {
    400: ("bad-request", "The request could not be understood.", "Go back and try again."),
    403: ("not-allowed", "You may not do that.", "Sign in with an account that may, or reload the page and try again."),
    404: ("not-found", "There is nothing at this address.", "Look it up under Explore, or check the address."),
    500: ("unexpected", "Something broke on our side; it has been logged.", "Try again; if it stays, report the request id."),
}


class Refused(Exception):
    """What a user asked for can not be done: a reason code, what and why, and what to do next."""

    def __init__(self, code: str, message: str, *, hint: str = "", status: int = 422, fields: dict[str, Any] | None = None) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.code, self.message, self.hint, self.status, self.fields = code, message, hint, status, fields or {}


def answer(request: HttpRequest, status: int) -> HttpResponse:
    """A page, or JSON under /api/; always with the request id."""
    code, message, hint = WORDS[status]
    said = {"code": code, "message": message, "hint": hint, "request_id": getattr(request, "request_id", "")}
    if request.path.startswith("/api/"):
        return JsonResponse(said, status=status)
    try:
        body = render_to_string(f"errors/{status}.html", said, request=request)
    except TemplateDoesNotExist:
        body = f"{message} {hint} ({said['request_id']})"
    return HttpResponse(body, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return answer(request, 500)

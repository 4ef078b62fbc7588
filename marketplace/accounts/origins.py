"""Where a request comes from, for whatever is written while it is answered."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True)
class Origin:
    address: str = ""
    request_id: str = ""


NOWHERE = Origin()  # a command, or a worker
_now: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def current() -> Origin:
    return _now.get()


def address_of(request: HttpRequest) -> str:
    """The IP address of whoever asks. Behind our proxy it is the last that the header names: what stands before it the client wrote itself."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if settings.BEHIND_PROXY and forwarded:
        return forwarded.split(",")[-1].strip()[:45]
    return request.META.get("REMOTE_ADDR", "")[:45]


def asker(request: HttpRequest) -> str:
    """Whom a rate counts: the person who is signed in, else the address."""
    return f"user-{request.user.pk}" if request.user.is_authenticated else f"address-{address_of(request)}"


class Noted:
    """Middleware: `current()` says where the request comes from while it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _now.set(Origin(address_of(request), getattr(request, "request_id", "")))
        try:
            return self.get_response(request)
        finally:
            _now.reset(token)

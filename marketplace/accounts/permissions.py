"""What a token may do."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

READING = ("GET", "HEAD", "OPTIONS")


class HasScope(BasePermission):
    """Signed in, and with the scope that the view names in `scopes` for the method; `read` where it names none."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        wanted = getattr(view, "scopes", {}).get(request.method, "read")
        token = request.auth
        if token is None or token.allows(wanted):  # a browser's session may do what its user may
            return True
        raise PermissionDenied(
            f"This needs a token with the scope {wanted!r}; {token.name!r} has {', '.join(token.scopes) or 'none'}."
        )


class ReadsOpenly(HasScope):
    """Anybody may read, and sees what they may see; writing needs the scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method in READING:
            look_as_allowed(request)
            return True
        return super().has_permission(request, view)


class LooksOpenly(BasePermission):
    """Anybody may ask, by whatever method, and sees what they may see."""

    def has_permission(self, request: Request, view: Any) -> bool:
        look_as_allowed(request)
        return True


def look_as_allowed(request: Request) -> None:
    """A token without the scope `read` sees what everybody sees, and nothing that is its owner's alone."""
    if request.auth is not None and not request.auth.allows("read"):
        request.user = AnonymousUser()

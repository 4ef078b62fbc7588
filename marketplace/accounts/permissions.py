"""What a token may do."""

from typing import Any

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
    """Anybody may read; writing needs the scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.method in READING or super().has_permission(request, view)

"""Tokens at the API's door."""

from datetime import timedelta

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication

from marketplace.accounts import factors

NOTED_EVERY = timedelta(minutes=1)


class ScopedToken(TokenAuthentication):
    """`Authorization: Token moor_...`; the token's scopes are judged by `permissions.HasScope`."""

    def authenticate_credentials(self, token: bytes) -> tuple:
        user, held = super().authenticate_credentials(token)
        if user.is_staff and factors.is_missing(user):
            raise factors.needed()
        now = timezone.now()
        if held.last_used is None or held.last_used < now - NOTED_EVERY:
            type(held).objects.filter(pk=held.pk).update(last_used=now)
        return user, held


class Session(SessionAuthentication):
    """The pages' cookie, with its CSRF token; answers 401, not 403, to whoever sent neither."""

    def authenticate_header(self, request) -> str:
        return "Token"


class ScopedTokenScheme(OpenApiAuthenticationExtension):
    target_class = "marketplace.accounts.authentication.ScopedToken"
    name = "token"

    def get_security_definition(self, auto_schema) -> dict:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token moor_...`"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "marketplace.accounts.authentication.Session"
    name = "session"

    def get_security_definition(self, auto_schema) -> dict:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}

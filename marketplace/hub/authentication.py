"""The market's tokens, sent as the Hugging Face client sends its own."""

from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from marketplace.accounts.authentication import ScopedToken


class BearerToken(ScopedToken):
    """`Authorization: Bearer moor_...`; the same tokens and scopes as at the other doors."""

    def authenticate(self, request: Request) -> tuple | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("The header is `Authorization: Bearer moor_...`, with one token.")
        try:
            return self.authenticate_credentials(parts[1])
        except UnicodeDecodeError:
            raise AuthenticationFailed("A token is plain letters and digits.") from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

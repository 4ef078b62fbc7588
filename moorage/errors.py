"""What can go wrong, by what one can do about it."""

from typing import Any


class MarketError(Exception):
    """The market, or this client, says no: a reason code, what and why, and what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, code: str = "error", hint: str = "", request_id: str = "", fields: dict[str, Any] | None = None) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message, self.code, self.hint, self.request_id, self.fields = message, code, hint, request_id, fields or {}


class Refused(MarketError):
    """The input breaks a rule; `fields` names where."""

    exit_code = 2


class NotSignedIn(MarketError):
    """No token, or one that is not valid any more."""

    exit_code = 3


class NotAllowed(MarketError):
    """The token's scopes, or the owner of the thing, do not allow it."""

    exit_code = 3


class NotFound(MarketError):
    """Nothing of that name that one may see."""

    exit_code = 4


class Conflict(MarketError):
    """It exists already, or is in another state."""

    exit_code = 5


class TooMany(MarketError):
    """Too many requests or open jobs; later it will do."""

    exit_code = 6


class MarketUnreachable(MarketError):
    """No market answers at the address."""

    exit_code = 7


BY_STATUS = {401: NotSignedIn, 403: NotAllowed, 404: NotFound, 409: Conflict, 429: TooMany}

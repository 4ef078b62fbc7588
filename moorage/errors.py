"""What can go wrong, by what one can do about it. Each kind has an exit code (docs/client.md) and a next step."""

from typing import Any


class MarketError(Exception):
    """The market, or this client, says no: a reason code, what and why, and what to do next."""

    exit_code = 1
    advice = "Try again; if it stays, report the request id."

    def __init__(self, message: str, *, code: str = "error", hint: str = "", request_id: str = "", fields: dict[str, Any] | None = None,
                 retry_after: float | None = None) -> None:
        hint = hint or self.advice
        super().__init__(f"{message} {hint}".strip())
        self.message, self.code, self.hint, self.request_id, self.fields = message, code, hint, request_id, fields or {}
        self.retry_after = retry_after  # seconds, where the market named them


class Refused(MarketError):
    """The input breaks a rule; `fields` names where."""

    exit_code = 2
    advice = "Mend what is named and try again; COMMAND --help says what is taken."


class NotSignedIn(MarketError):
    """No token, or one that is not valid any more."""

    exit_code = 3
    advice = "Sign in: moorage login"


class NotAllowed(MarketError):
    """The token's scopes, or the owner of the thing, do not allow it."""

    exit_code = 3
    advice = "See what your token may do: moorage whoami"


class Gated(NotAllowed):
    """Everybody sees it; its files are for those whom its owner lets in."""

    advice = "Ask its owner: market.access(\"owner/name\", \"what for\"), or the button on its page."


class NotFound(MarketError):
    """Nothing of that name that one may see."""

    exit_code = 4
    advice = "Look it up: moorage search WORDS"


class Conflict(MarketError):
    """It exists already, or is in another state."""

    exit_code = 5
    advice = "See how it stands: moorage show owner/name"


class TooMany(MarketError):
    """Too many requests or open jobs; after `retry_after` seconds it will do."""

    exit_code = 6
    advice = "Wait a little and try again."


class Unreachable(MarketError):
    """No market answers at the address, or it can not answer now."""

    exit_code = 7
    advice = "Start one with `python3 run.py`, or name another with --url or MOORAGE_URL. What you fetched before works with --offline."


class Offline(MarketError):
    """The client is offline, and what was asked for is not in its cache."""

    exit_code = 8
    advice = "Leave out --offline (or unset MOORAGE_OFFLINE) once, with a connection: what is fetched then stays."


class Damaged(MarketError):
    """Bytes arrived, or were kept, that are not those whose SHA-256 was announced."""

    exit_code = 9
    advice = "Fetch it again; what was damaged is not kept."


BY_CODE = {"gated": Gated, "access-needed": Gated, "artifact-damaged": Damaged, "wrong-checksum": Damaged}
BY_STATUS = {401: NotSignedIn, 403: NotAllowed, 404: NotFound, 409: Conflict, 410: NotFound, 423: Conflict, 429: TooMany, 502: Unreachable, 503: Unreachable, 504: Unreachable, 460: Damaged}


def of_answer(status: int, said: Any, *, signed_in: bool, retry_after: float | None = None) -> MarketError:
    """The exception for an answer of the market: by its code, else by its status. `said` is its JSON, or anything else."""
    if not isinstance(said, dict) or not isinstance(said.get("message"), str):
        said = {"code": f"http-{status}", "message": f"The market answered with status {status}."}
    code = str(said.get("code") or "")
    kind = BY_CODE.get(code) or BY_STATUS.get(status) or (Refused if status < 500 else MarketError)
    hint = str(said.get("hint") or "")
    if kind is NotSignedIn and not signed_in:
        hint = "Sign in first: moorage login"
    elif kind is TooMany and retry_after:
        hint = f"Wait {retry_after:.0f} s and try again."
    fields = said.get("fields")
    return kind(said["message"], code=code, hint=hint, request_id=str(said.get("request_id") or ""), fields=fields if isinstance(fields, dict) else None, retry_after=retry_after)

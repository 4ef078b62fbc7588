"""What a person can do with their account beyond the pages' own forms."""

from datetime import timedelta

from marketplace.accounts.models import SCOPES, ApiToken, User
from marketplace.errors import Refused

MAX_TOKENS = 100
MAX_DAYS = 365


def create_token(user: User, name: str, scopes: list[str], days: int = 90) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once: only a hash is kept."""
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise Refused("bad-name", f"A token's name has 1 to 80 characters; got {len(name)}.", fields={"name": "1 to 80 characters."})
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Refused("bad-scopes", f"Scopes are some of {', '.join(SCOPES)}; got {', '.join(map(str, scopes)) or 'none'}.",
                      fields={"scopes": "Choose at least one that there is."})
    if not 1 <= days <= MAX_DAYS:
        raise Refused("bad-days", f"A token is valid for 1 to {MAX_DAYS} days; got {days}.", fields={"days": "Out of range."})
    if ApiToken.objects.filter(user=user).count() >= MAX_TOKENS:
        raise Refused("too-many-tokens", f"A user has at most {MAX_TOKENS} tokens.", hint="Revoke those that you no longer use.", status=409)
    token, secret = ApiToken.objects.create(user=user, expiry=timedelta(days=days), name=name, scopes=sorted(set(scopes), key=list(SCOPES).index))
    return token, secret

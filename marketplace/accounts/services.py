"""What a person can do with their account beyond the pages' own forms: tokens, a name, a profile."""

import re
from datetime import timedelta
from typing import Any

from marketplace.accounts.models import SCOPES, ApiToken, Membership, User
from marketplace.errors import Refused

MAX_TOKENS = 100
MAX_DAYS = 365
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,38}")
NAME_RULE = "Use 2 to 39 small letters, digits, - and _, beginning with a letter or digit."


def create_token(user: User, name: str, scopes: list[str], days: int = 90) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once: only a hash is kept."""
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise Refused("bad-name", f"A token's name has 1 to 80 characters; got {len(name)}.", fields={"name": "1 to 80 characters."})
    scopes = read_scopes(scopes)
    if not 1 <= days <= MAX_DAYS:
        raise Refused("bad-days", f"A token is valid for 1 to {MAX_DAYS} days; got {days}.", fields={"days": "Out of range."})
    room_for_token(user)
    return ApiToken.objects.create(user=user, expiry=timedelta(days=days), name=name, scopes=scopes)


def read_scopes(scopes: list[str]) -> list[str]:
    """The scopes, each once and in order; Refused where one is unknown or none is left."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Refused("bad-scopes", f"Scopes are some of {', '.join(SCOPES)}; got {', '.join(map(str, scopes)) or 'none'}.",
                      fields={"scopes": "Choose at least one that there is."})
    return sorted(set(scopes), key=list(SCOPES).index)


def room_for_token(user: User) -> None:
    """Refused where a user can have no further token."""
    if user.is_organisation:
        raise Refused("no-person", f"{user.username} is an organisation, and those have no tokens.", hint="Use a token of one of its writers.", status=403)
    if ApiToken.objects.filter(user=user).count() >= MAX_TOKENS:
        raise Refused("too-many-tokens", f"A user has at most {MAX_TOKENS} tokens.", hint="Revoke those that you no longer use.", status=409)


def read_name(name: str) -> str:
    """A name that nobody has yet. People and organisations share one set of names, and capitals make no difference."""
    if not NAME.fullmatch(name):
        raise Refused("bad-name", f"{name[:60]!r} can not be a name here.", hint=NAME_RULE, fields={"username": NAME_RULE})
    if is_taken(name):
        raise Refused("name-taken", f"The name {name} is taken.", hint="Choose another.", status=409, fields={"username": "Taken."})
    return name


def is_taken(name: str) -> bool:
    return User.objects.filter(username__iexact=name).exists()


def may_write(user: Any, owner: User) -> bool:
    """Whether somebody may offer, withdraw and decide in the name of an owner: themself, an organisation that they write for, or staff."""
    if user is None or not user.is_authenticated:
        return False
    return user.is_staff or user.pk == owner.pk or (owner.is_organisation and _writes_for(user, owner))


def _writes_for(user: User, organisation: User) -> bool:
    writing = (Membership.Role.WRITER, Membership.Role.ADMIN)
    return Membership.objects.filter(organisation=organisation, user=user, role__in=writing).exists()

"""A person's searches and requests: what they take along, and that they go with them (marketplace/accounts/personal.py)."""

from typing import Any

from marketplace.accounts.models import User
from marketplace.matching.models import Match, Wanted

HELD = {
    "matching.Match.owner": ("matches", "deleted"),
    "matching.Wanted.owner": ("requests", "deleted"),
}


def collect(user: User) -> dict[str, Any]:
    return {}


def stays(user: User) -> list[str]:
    return []


def leave(user: User) -> None:
    Wanted.objects.filter(owner=user).delete()
    Match.objects.filter(owner=user).delete()

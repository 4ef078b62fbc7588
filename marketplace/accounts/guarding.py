"""Tries that are counted: passwords, codes, letters asked for, accounts made. Whoever is wrong, or asks, too often waits.

A row in the database, and not django-axes, because the same count guards passwords, codes of the second factor and mails, at the pages and at the
API; because a try is counted before it is judged, by one conditional UPDATE, so that a hundred at once are no way around it; and because the rows
keep keyed hashes where axes keeps IP addresses and user agents.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from marketplace.accounts import audit, origins, sealing
from marketplace.accounts.models import Attempt, User
from marketplace.errors import Refused

FROM_ONE_ADDRESS = 10  # times as many tries, over all names: one address tries one password on many people, or is a whole office
LETTERS = 5


@dataclass(frozen=True)
class Limit:
    """So many tries under one key until it rests for the cooling time."""

    key: str
    tries: int


def check_password(request: HttpRequest, username: str, password: str) -> User | None:
    """Who signs in with a name and a password, or None. Raises Refused (429) for a name and address that were wrong too often."""
    address = origins.address_of(request)
    limits = [
        Limit(_key("password", username.lower(), address), settings.LOCKOUT_TRIES),
        Limit(_key("password-from", address), settings.LOCKOUT_TRIES * FROM_ONE_ADDRESS),
    ]
    known = User.objects.filter(username=username, is_active=True).first()
    user = _counted(limits, lambda: authenticate(request, username=username, password=password), on_lock=lambda: known and audit.note("locked-out", subject=known))
    if user is None and known is not None:
        audit.note("sign-in-failed", subject=known)
    return user


def check_code(user: User, judge: Callable[[], bool]) -> bool:
    """Whether a code of the second factor is right. Raises Refused (429) for a person whose codes were wrong too often, from wherever they came."""
    is_right = _counted([Limit(_key("code", str(user.pk)), settings.LOCKOUT_TRIES)], judge, on_lock=lambda: audit.note("locked-out", subject=user))
    if not is_right:
        audit.note("second-factor-failed", subject=user)
    return bool(is_right)


def count_letter(request: HttpRequest, address: str) -> None:
    """Refused (429) where too many letters were asked for, to one address or from one place; it makes no difference whether anybody has the address."""
    for limit in (Limit(_key("letter", address.lower()), LETTERS), Limit(_key("letter-from", origins.address_of(request)), LETTERS * FROM_ONE_ADDRESS)):
        _count(limit, "letters were asked for")


def count_account(request: HttpRequest) -> None:
    """Refused (429) where too many accounts were made from one address: each has room of its own in the store."""
    _count(Limit(_key("account-from", origins.address_of(request)), settings.ACCOUNTS_PER_ADDRESS), "accounts were made from this address")


def sweep() -> int:
    """Forget the counts that are over."""
    return Attempt.objects.filter(last__lt=timezone.now() - 2 * _cooling()).delete()[0]


def _counted(limits: list[Limit], judge: Callable[[], Any], on_lock: Callable[[], Any]) -> Any:
    for limit in limits:
        _count(limit, "wrong tries", on_lock)
    found = judge()
    if found:
        Attempt.objects.filter(key=limits[0].key).delete()
        # What was right counts against nobody: of the address, only this one try is taken back.
        Attempt.objects.filter(key__in=[limit.key for limit in limits[1:]], failures__gt=0).update(failures=F("failures") - 1)
    return found


def _count(limit: Limit, what: str, on_lock: Callable[[], Any] = lambda: None) -> None:
    now = timezone.now()
    if Attempt.objects.get_or_create(key=limit.key, defaults={"failures": 1, "last": now})[1]:
        return
    row = Attempt.objects.filter(key=limit.key)
    if row.filter(last__lt=now - _cooling()).update(failures=1, last=now):
        return
    # One UPDATE that counts and judges: of many tries at once no more than the limit get through.
    if row.filter(failures__lt=limit.tries).update(failures=F("failures") + 1, last=now):
        if row.filter(failures=limit.tries).exists():
            on_lock()
        return
    held = row.first()
    seconds = max(1, ceil((held.last + _cooling() - now).total_seconds())) if held else 1
    raise Refused("locked-out", f"Too many {what}: at most {limit.tries} within {settings.LOCKOUT_MINUTES} minutes.",
                  hint=f"Wait {_spelt(seconds)}, then try again.", status=429, retry_after=seconds)


def _cooling() -> timedelta:
    return timedelta(minutes=settings.LOCKOUT_MINUTES)


def _key(*parts: str) -> str:
    return sealing.keyed("attempt", "\n".join(parts))


def _spelt(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 120 else f"{ceil(seconds / 60)} minutes"

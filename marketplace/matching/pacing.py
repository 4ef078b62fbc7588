"""How often one may search, and how much of it is kept.

A search with data costs the web some hundredths of a second, ten times as much at the limits of size, and needs no account. So each process counts who asks it: what is guarded is its own
processor, and a row for each count would cost as much as some searches do.
"""

from contextlib import suppress
from math import ceil

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from marketplace.accounts import origins
from marketplace.accounts.models import User
from marketplace.catalog import quota
from marketplace.errors import Refused

HOUR_S, MINUTE_S = 3600, 60
SIGNED_IN = 5  # times as many searches as an address without an account: programs search too
BEYOND = 1.1  # times its room: so far an account's searches go on when it is full


class SearchRate(SimpleRateThrottle):
    """So many searches a minute, for each person (SIGNED_IN times as many), and for each address of somebody who is not signed in."""

    scope = "searches"
    cache = caches["process"]

    def get_rate(self) -> str:
        return settings.RATE_SEARCHES

    def get_cache_key(self, request: HttpRequest | Request, view: object) -> str:
        return f"searches-{origins.asker(request)}"


def insist(request: HttpRequest | Request, *, size: int = 0) -> None:
    """Refused where whoever asks has searched too often, or where this requirement of `size` bytes is more than is kept for them."""
    rate = SearchRate()
    if request.user.is_authenticated:
        rate.num_requests *= SIGNED_IN
    if not rate.allow_request(request, None):
        wait = max(1, ceil(rate.wait() or 1))
        raise Refused("too-many-searches", f"At most {rate.num_requests} searches a minute; this is one more.", hint=f"Wait {wait} seconds, then search again.", status=429, retry_after=wait)
    if size and request.user.is_authenticated:
        _insist_on_room(request.user, size)
    elif size:
        _insist_on_bytes(origins.address_of(request), size)


def _insist_on_bytes(address: str, size: int) -> None:
    """What nobody signed in for is kept for months, and in nobody's room."""
    key, most = f"searched-{address}", settings.SEARCHED_BYTES_HOUR
    if (taken := caches["process"].get(key, 0)) + size > most:
        raise Refused("too-much-searched", f"Without an account, requirements of {quota.spelt(most)} within an hour are taken; {quota.spelt(taken)} were, and this brings {quota.spelt(size)} more.", hint="Sign in, wait an hour, or describe your data with fewer points.",
                      status=429, retry_after=HOUR_S)
    _add(key, size, HOUR_S)


def _insist_on_room(account: User, size: int) -> None:
    """A full room stops offers and jobs at once, searches a little later. It is counted once a minute, for a search is quicker than the count."""
    key, limit = f"room-{account.pk}", quota.limit(account)
    taken = caches["process"].get(key)
    if taken is None:
        taken = quota.room(account).taken
        _add(key, taken, MINUTE_S)
    if taken + size > BEYOND * limit:
        raise Refused("over-quota", f"You may keep {quota.spelt(limit)} in this market, and search until a tenth beyond; {quota.spelt(taken)} are taken, and this brings {quota.spelt(size)} more.", hint="Ask who runs this market for more room, or search without signing in.", status=507)
    _add(key, size, MINUTE_S)


def _add(key: str, size: int, seconds: int) -> None:
    """To a sum that is forgotten so many seconds after it began."""
    caches["process"].add(key, 0, seconds)
    with suppress(ValueError):  # it has just been forgotten
        caches["process"].incr(key, size)

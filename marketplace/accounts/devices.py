"""Signing in a device that has no browser (RFC 8628): it shows a short code, a person lets it in, it fetches a token once."""

import hashlib
import secrets
import time
from datetime import timedelta

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone

from marketplace.accounts import audit, services
from marketplace.accounts.models import ApiToken, DeviceGrant, User
from marketplace.errors import Refused

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; no digits, so nothing to confuse (RFC 8628, 6.1)
INTERVAL_S = 5  # a device asks no more often
LEEWAY_S = 0.5  # clocks and networks
WRONG_CODES, WRONG_WITHIN_S = 5, 60
KEPT = timedelta(days=1)  # a device that comes late hears that its code has expired
State = DeviceGrant.State


def ask(name: str, scopes: list[str]) -> tuple[DeviceGrant, str]:
    """A new grant that waits for a person, and its device code, of which only the hash is kept."""
    DeviceGrant.objects.filter(expires__lt=timezone.now() - KEPT).delete()
    scopes, secret = services.read_scopes(scopes), secrets.token_urlsafe(32)
    while True:
        letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
        try:
            with transaction.atomic():
                return DeviceGrant.objects.create(device_digest=_digest(secret), user_code=f"{letters[:4]}-{letters[4:]}", name=name, scopes=scopes), secret
        except IntegrityError:
            continue  # one of 25 billion codes, and it is in use: draw again


def find(user: User, user_code: str) -> DeviceGrant:
    """The device that shows this code and waits; capitals and hyphens make no difference. A person may be wrong five times a minute."""
    wrong = _recent_wrongs(user)
    if len(wrong) >= WRONG_CODES:
        raise Refused("too-many-codes", f"{WRONG_CODES} wrong codes within a minute.", hint="Wait a minute, then copy the code from the device.", status=429)
    grant = DeviceGrant.objects.filter(user_code=spelt(user_code)).first()
    if grant is None:
        cache.set(_wrongs_of(user), [*wrong, time.time()], WRONG_WITHIN_S)
        raise Refused("unknown-code", "No device shows this code.", hint="Copy it from the device, as in ABCD-EFGH. Codes live ten minutes.", status=404)
    if grant.expires <= timezone.now():
        raise Refused("code-expired", "This code has expired: it lived ten minutes.", hint="Start again on the device.", status=410)
    if grant.state != State.WAITING:
        raise Refused("code-used", "This code has been used already.", hint="Start again on the device.", status=409)
    return grant


def decide(user: User, user_code: str, *, allow: bool) -> DeviceGrant:
    """Let a waiting device in, with the scopes that it asked for, or turn it away."""
    grant = find(user, user_code)
    if allow:
        services.room_for_token(user)
    state = State.ALLOWED if allow else State.DENIED
    # One UPDATE that names the state it leaves: a code is decided once.
    if not DeviceGrant.objects.filter(pk=grant.pk, state=State.WAITING).update(state=state, user=user):
        raise Refused("code-used", "This code has been used already.", hint="Start again on the device.", status=409)
    grant.refresh_from_db()
    if allow:
        audit.note("device-allowed", actor=user, scopes=grant.scopes)
    return grant


def take(device_code: str) -> tuple[ApiToken, str]:
    """The token of a device that was let in, and its secret, once; until then Refused in the words of RFC 8628."""
    grant = DeviceGrant.objects.filter(device_digest=_digest(device_code)).first()
    if grant is None or grant.state == State.TAKEN:
        raise _no("invalid_grant", "No login waits for this device code: it is unknown, or its token was given already.", "Start again: POST /api/v1/device/code.")
    if grant.expires <= timezone.now():
        raise _no("expired_token", "The device code has expired: nobody let the device in within ten minutes.", "Start again: POST /api/v1/device/code.")
    if grant.state == State.DENIED:
        raise _no("access_denied", "The person turned this device away.", "Start again if that was a mistake.")
    if grant.state == State.WAITING:
        raise _not_yet(grant)
    with transaction.atomic():
        # The token and the state: both or neither, and of two that ask at once one wins.
        if not DeviceGrant.objects.filter(pk=grant.pk, state=State.ALLOWED).update(state=State.TAKEN):
            raise _no("invalid_grant", "The token was given already.", "Start again: POST /api/v1/device/code.")
        return services.create_token(grant.user, grant.name, grant.scopes)


def spelt(user_code: str) -> str:
    """A code as it is kept, whatever a person typed between and around its letters."""
    letters = "".join(letter for letter in user_code.upper() if letter.isalpha())
    return f"{letters[:4]}-{letters[4:8]}" if len(letters) == 8 else ""


def _not_yet(grant: DeviceGrant) -> Refused:
    now = timezone.now()
    is_early = grant.asked is not None and (now - grant.asked).total_seconds() < INTERVAL_S - LEEWAY_S
    DeviceGrant.objects.filter(pk=grant.pk).update(asked=now)
    if is_early:
        return _no("slow_down", f"A device asks at most every {INTERVAL_S} seconds.", "Wait five seconds longer between two requests from now on.")
    return _no("authorization_pending", "Nobody has let this device in yet.", f"Ask again in {INTERVAL_S} seconds.")


def _digest(device_code: str) -> str:
    return hashlib.sha256(device_code.encode()).hexdigest()


def _wrongs_of(user: User) -> str:
    return f"device-codes-wrong-{user.pk}"


def _recent_wrongs(user: User) -> list[float]:
    since = time.time() - WRONG_WITHIN_S
    return [at for at in cache.get(_wrongs_of(user), []) if at > since]


def _no(code: str, message: str, hint: str) -> Refused:
    return Refused(code, message, hint=hint, status=400)

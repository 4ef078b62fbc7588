"""The second factor: an authenticator's six digits (TOTP, RFC 6238), and recovery codes for the day it is lost."""

import secrets
from typing import Any

import pyotp
import segno
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from marketplace.accounts import audit, guarding, mailing, sealing
from marketplace.accounts.models import RecoveryCode, SecondFactor, User
from marketplace.errors import Refused

CODES = 10
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that looks like something else
STEP_S = 30
DRIFT = 1  # steps that a clock may be off
LONGEST = 32


def has(user: Any) -> bool:
    """Whether a person's sign-in needs a second step."""
    return SecondFactor.objects.filter(user_id=user.pk, confirmed__isnull=False).exists()


def is_missing(user: Any) -> bool:
    """Whether this account has to have a second factor and has none."""
    return settings.STAFF_SECOND_FACTOR and user.is_staff and not has(user)


def needed() -> Refused:
    """The refusal of staff who have no second factor where the market asks for one."""
    return Refused("second-factor-needed", "Staff of this market need a second factor.", hint=f"Set one up at {settings.PUBLIC_URL}{reverse('second-factor')}.", status=403)


def begin(user: User) -> str:
    """A secret for a person's authenticator. Until `confirm`, the same at each call, and it changes nothing."""
    factor = SecondFactor.objects.get_or_create(user=user, defaults={"sealed": sealing.seal(pyotp.random_base32())})[0]
    if factor.confirmed:
        raise Refused("second-factor-held", "You have a second factor already.", hint="Turn it off first; that takes a code of it.", status=409)
    return sealing.unseal(factor.sealed)


def address(user: User, secret: str) -> str:
    """The otpauth:// address that an authenticator reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name="Moorage")


def picture(text: str) -> str:
    """A QR code as SVG that may stand in a page: no script, no style."""
    return segno.make(text, error="m").svg_inline(scale=5, border=3, dark="#000", light="#fff", title="QR code for an authenticator")


def confirm(user: User, code: str) -> list[str]:
    """Set up the factor with a first right code; returns the recovery codes, which are shown this once. All other sessions end."""
    factor = SecondFactor.objects.filter(user=user, confirmed=None).first()
    if factor is None:
        raise Refused("no-second-factor", "Nothing waits to be set up.", hint="Begin again on the page of your account's security.", status=409)
    if not guarding.check_code(user, lambda: _is_totp(factor, code)):
        raise _wrong("Type the six digits that your authenticator shows now; mind that the clocks of both devices are right.")
    with transaction.atomic():
        SecondFactor.objects.filter(pk=user.pk).update(confirmed=timezone.now())
        codes = _new_codes(user)
        _end_sessions(user)
        mailing.tell(user, _("A second factor was set up."))
        audit.note("second-factor-on", actor=user)
    return codes


def check(user: User, code: str) -> None:
    """Refused unless the code is of the person's authenticator, or one of their recovery codes, which is used up by that."""
    factor = SecondFactor.objects.filter(user=user, confirmed__isnull=False).first()
    if factor is not None and not guarding.check_code(user, lambda: _is_totp(factor, code) or _is_recovery(user, code)):
        raise _wrong("Type the six digits that your authenticator shows now, or a recovery code that is not used yet.")


def remove(user: User, code: str) -> None:
    """Take the factor away, with a code of it. All other sessions end."""
    if not has(user):
        raise Refused("no-second-factor", "You have no second factor.", status=409)
    if settings.STAFF_SECOND_FACTOR and user.is_staff:
        raise Refused("second-factor-needed", "Staff of this market have a second factor.", hint="Set up another authenticator after somebody has taken your staff rights away.", status=409)
    check(user, code)
    with transaction.atomic():
        SecondFactor.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        _end_sessions(user)
        mailing.tell(user, _("The second factor was taken away."))
        audit.note("second-factor-off", actor=user)


def new_codes(user: User, code: str) -> list[str]:
    """Recovery codes in place of the old ones, which are valid no more; shown this once."""
    if not has(user):
        raise Refused("no-second-factor", "You have no second factor.", hint="Set one up first.", status=409)
    check(user, code)
    with transaction.atomic():
        codes = _new_codes(user)
        mailing.tell(user, _("New recovery codes were made."))
        audit.note("recovery-codes-made", actor=user)
    return codes


def left(user: User) -> int:
    """How many recovery codes a person has not used."""
    return RecoveryCode.objects.filter(user=user, used=None).count()


def _is_totp(factor: SecondFactor, code: str) -> bool:
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return False
    totp, now = pyotp.TOTP(sealing.unseal(factor.sealed)), int(timezone.now().timestamp()) // STEP_S
    right = [step for step in range(now - DRIFT, now + DRIFT + 1) if secrets.compare_digest(totp.at(step * STEP_S), digits)]
    # RFC 6238, 5.2: a code is taken once. Of two that come with the same, the UPDATE lets one through.
    return bool(right) and bool(SecondFactor.objects.filter(pk=factor.pk, last_step__lt=right[-1]).update(last_step=right[-1]))


def _is_recovery(user: User, code: str) -> bool:
    typed = "".join(letter for letter in code.lower()[:LONGEST] if letter in ALPHABET)
    digests = sealing.every_keyed("recovery-code", f"{user.pk}:{typed}")
    is_right = bool(typed) and bool(RecoveryCode.objects.filter(user=user, digest__in=digests, used=None).update(used=timezone.now()))
    if is_right:
        codes = left(user)
        mailing.tell(user, format_lazy(ngettext_lazy("A recovery code was used; {left} is left.", "A recovery code was used; {left} are left.", codes), left=codes))
        audit.note("recovery-code-used", actor=user, left=left(user))
    return is_right


def _new_codes(user: User) -> list[str]:
    codes = ["-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(2)) for _ in range(CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=sealing.keyed("recovery-code", f"{user.pk}:{code.replace('-', '')}")) for code in codes)
    return codes


def _end_sessions(user: User) -> None:
    user.sign_outs += 1
    user.save(update_fields=["sign_outs"])


def _wrong(hint: str) -> Refused:
    return Refused("wrong-code", "This code is not right, or was used before.", hint=hint, status=422, fields={"code": "Not right, or used before."})

"""Letters: written as rows, sent by a worker. Links are signed, work once, and end after a day.

The web writes the same row whether anybody has an address or not, and looks nothing up: neither the answer nor its time says who has an account.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.encoding import force_bytes
from django.utils.functional import Promise
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext_lazy as _

from marketplace import languages
from marketplace.accounts.models import Letter, User

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 5
AGAIN = timedelta(minutes=1)
KEPT = timedelta(days=2)


class Confirming(PasswordResetTokenGenerator):
    """A link that confirms one address: of no use once it was followed, or the address was changed."""

    key_salt = "marketplace.accounts.mailing.Confirming"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk}{user.email}{user.email_confirmed}{timestamp}{user.is_active}"


class Resetting(PasswordResetTokenGenerator):
    """A link to a new password: of no use once the password was changed, or somebody has signed in since."""

    key_salt = "marketplace.accounts.mailing.Resetting"


confirming, resetting = Confirming(), Resetting()


def ask_to_confirm(user: User) -> None:
    """Send a letter that asks whether the address is the person's."""
    if user.email and not user.email_confirmed:
        _write(Letter(kind=Letter.Kind.CONFIRM, address=user.email, user=user))


def offer_reset(address: str) -> None:
    """Send a link to a new password to whoever has confirmed this address, if anybody has."""
    _write(Letter(kind=Letter.Kind.RESET, address=address))


def tell(user: User, words: str | Promise, address: str = "") -> None:
    """Tell a person that their account was changed, at their confirmed address (or at `address`, the one that they had). Words come lazily, and are kept in the receiver's language."""
    to = address or (user.email if user.email_confirmed else "")
    if to:
        with translation.override(languages.of(user)):
            words = str(words)
        _write(Letter(kind=Letter.Kind.CHANGED, address=to, user=user, words=words))


def send(letter_id: UUID) -> None:
    """Send one letter, once: whoever moves `tried` has it."""
    now = timezone.now()
    free = Letter.objects.filter(Q(tried=None) | Q(tried__lt=now - AGAIN), pk=letter_id)
    if not free.update(tried=now, attempts=F("attempts") + 1):
        return
    letter = Letter.objects.select_related("user").get(pk=letter_id)
    for message in _messages(letter):
        message.send()
    letter.delete()


def waiting() -> list[UUID]:
    """Letters that no doorbell brought out."""
    old = timezone.now() - AGAIN
    never = Q(tried=None, created__lt=old) | Q(tried__lt=old)
    return list(Letter.objects.filter(never, attempts__lt=MOST_ATTEMPTS).order_by("created").values_list("pk", flat=True)[:100])


def sweep() -> int:
    """Give up letters that could not be sent."""
    given_up = Letter.objects.filter(Q(attempts__gte=MOST_ATTEMPTS, tried__lt=timezone.now() - AGAIN) | Q(created__lt=timezone.now() - KEPT))
    if count := given_up.delete()[0]:
        log.error("%s letters could not be sent and are given up; is MOORAGE_EMAIL_URL right?", count)
    return count


def read_link(uid: str, token: str, generator: PasswordResetTokenGenerator) -> User | None:
    """Whose link this is; None for one that is wrong, used or too old."""
    try:
        user = User.objects.filter(pk=int(urlsafe_base64_decode(uid)), is_active=True, kind=User.Kind.PERSON).first()
    except (ValueError, OverflowError):  # no base64, no number, or one that no row can have
        return None
    return user if user is not None and generator.check_token(user, token) else None


def uid(user: User) -> str:
    return urlsafe_base64_encode(force_bytes(user.pk))


def _write(letter: Letter) -> None:
    from marketplace.accounts import tasks

    letter.save()
    transaction.on_commit(lambda: tasks.ring(letter.pk))


def _messages(letter: Letter) -> list[EmailMessage]:
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    if letter.kind == Letter.Kind.CHANGED:
        return [_message(letter, _("Your account was changed"), user=letter.user, words=letter.words)]
    if letter.kind == Letter.Kind.CONFIRM:
        user = letter.user
        if user is None or not user.is_active or user.email != letter.address or user.email_confirmed:
            return []
        link = settings.PUBLIC_URL + reverse("email-confirm", args=[uid(user), confirming.make_token(user)])
        return [_message(letter, _("Is this your address?"), user=user, link=link, hours=hours)]
    having = User.objects.filter(email__iexact=letter.address, email_confirmed__isnull=False, is_active=True, kind=User.Kind.PERSON)[:10]
    return [
        _message(letter, _("A new password"), to=user.email, user=user, link=settings.PUBLIC_URL + reverse("password-reset-set", args=[uid(user), resetting.make_token(user)]), hours=hours)
        for user in having
    ]


def _message(letter: Letter, subject: Promise, to: str = "", **context: Any) -> EmailMessage:
    """A letter in the receiver's language."""
    with translation.override(languages.of(context["user"])):
        body = render_to_string(f"accounts/mail/{letter.kind}.txt", context | {"market": settings.PUBLIC_URL})
        subject = str(subject)
    return EmailMessage(f"[Moorage] {subject}", body, to=[to or letter.address], headers={"Auto-Submitted": "auto-generated"})

"""Telling people what happened: the one door through which every app leaves word, and the bell that rings."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.functional import Promise, SimpleLazyObject

from marketplace.accounts.models import Membership, Notification, User

LONGEST = 300


def tell(user: User, kind: str, words: str | Promise, address: str = "") -> None:
    """Leave word for a person; for an organisation, for each of its admins. `address` is a path of this site.

    Words that are translated come lazily, and are kept in the main language of the site: whoever acts is not who reads.
    """
    with translation.override(settings.LANGUAGE_CODE):
        words = str(words)
    heard = [user]
    if user.is_organisation:
        heard = User.objects.filter(memberships__organisation=user, memberships__role=Membership.Role.ADMIN)
    words = words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
    Notification.objects.bulk_create(Notification(recipient=one, kind=kind, words=words, address=address[:LONGEST]) for one in heard)


def unread(user: User) -> int:
    """How many notifications wait for a person."""
    return Notification.objects.filter(recipient=user, read=None).count()


def mark_read(user: User, ids: Iterable[UUID] | None = None) -> int:
    """Mark a person's notifications as read, all of them or those that are named; returns how many were not yet."""
    waiting = Notification.objects.filter(recipient=user, read=None)
    if ids is not None:
        waiting = waiting.filter(pk__in=list(ids))
    return waiting.update(read=timezone.now())


def bell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `unread_notices` for the top bar. Asked of the database only where a template shows it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"unread_notices": SimpleLazyObject(lambda: unread(user))}

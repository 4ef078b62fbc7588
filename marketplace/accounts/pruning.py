"""What is forgotten with time. The audit log is not: it only grows."""

import logging
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone

from marketplace.accounts import devices, guarding, mailing
from marketplace.accounts.models import ApiToken, DeviceGrant, Invitation, Notification

log = logging.getLogger(__name__)
READ_FOR, UNREAD_FOR = timedelta(days=90), timedelta(days=365)
EXPIRED_FOR = timedelta(days=30)  # a token that ended stays so long on its owner's page, and says that it ended
INVITED_FOR = timedelta(days=60)


def prune() -> dict[str, int]:
    """Delete what is too old; returns how many of each."""
    now = timezone.now()
    old = Q(read__lt=now - READ_FOR) | Q(created__lt=now - UNREAD_FOR)
    gone = {
        "notifications": Notification.objects.filter(old).delete()[0],
        "devices": DeviceGrant.objects.filter(expires__lt=now - devices.KEPT).delete()[0],
        "tokens": ApiToken.objects.filter(expiry__lt=now - EXPIRED_FOR).delete()[0],
        "invitations": Invitation.objects.filter(created__lt=now - INVITED_FOR).delete()[0],
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
        "attempts": guarding.sweep(),
        "letters": mailing.sweep(),
    }
    if found := {what: count for what, count in gone.items() if count}:
        log.info("pruned %s", ", ".join(f"{count} {what}" for what, count in found.items()))
    return gone

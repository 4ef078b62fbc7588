"""The audit log: written in the transaction of what it speaks of, chained by digests, never changed.

An event's digest is the SHA-256 of the digest before it and of the event in canonical JSON. Who changes, drops or reorders an event has to change
all that follow, and the end of the chain, which `manage.py verify_audit` prints: kept elsewhere, it shows even that.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplace.accounts import origins, sealing
from marketplace.accounts.models import AuditEvent, AuditHead, User

WORDS = {
    "account-made": _("The account was made"),
    "account-deleted": _("The account was deleted"),
    "data-exported": _("Personal data was exported"),
    "signed-in": _("Signed in"),
    "sign-in-failed": _("A wrong password was given"),
    "locked-out": _("Locked out after too many wrong tries"),
    "signed-out": _("Signed out"),
    "sessions-ended": _("Signed out everywhere"),
    "password-changed": _("The password was changed"),
    "password-reset": _("The password was set by a link from a mail"),
    "email-changed": _("The e-mail address was changed"),
    "email-confirmed": _("The e-mail address was confirmed"),
    "second-factor-on": _("The second factor was set up"),
    "second-factor-off": _("The second factor was taken away"),
    "second-factor-failed": _("A wrong code of the second factor was given"),
    "recovery-codes-made": _("New recovery codes were made"),
    "recovery-code-used": _("A recovery code was used"),
    "token-made": _("A token was made"),
    "token-changed": _("A token was changed"),
    "token-revoked": _("A token was revoked"),
    "device-allowed": _("A device was let in"),
    "organisation-founded": _("An organisation was founded"),
    "organisation-deleted": _("An organisation was deleted"),
    "member-invited": _("Somebody was invited"),
    "invitation-taken-back": _("An invitation was taken back"),
    "member-joined": _("An invitation was accepted"),
    "invitation-declined": _("An invitation was declined"),
    "member-role": _("A member was given another role"),
    "member-left": _("A member left or was taken out"),
    "visibility-changed": _("Who sees or may use a learnware was changed"),
    "shared": _("A learnware was shared"),
    "share-ended": _("A share was ended"),
    "access-decided": _("A request for access was decided"),
    "offered": _("A version was offered"),
    "withdrawn": _("A version was withdrawn"),
    "admin-add": _("Added under /admin/"),
    "admin-change": _("Changed under /admin/"),
    "admin-delete": _("Deleted under /admin/"),
}


@transaction.atomic
def note(action: str, *, actor: Any = None, subject: User | None = None, object: str = "", **detail: Any) -> AuditEvent:
    """Append an event. `action` is a key of WORDS; `detail` is small JSON without secrets and without anything that names a person.

    Call it last in a transaction: it holds the end of the chain until the transaction ends, and whoever waits for a row of others meanwhile may wait in a circle.
    """
    if action not in WORDS:
        raise ValueError(f"An action of the audit log is a key of audit.WORDS; got {action!r}.")
    if connection.vendor == "postgresql":
        # Its foreign keys are checked at the commit, and lock the rows that they point at: let them do so now, before the end of the chain is held.
        connection.check_constraints()
    AuditHead.objects.get_or_create(pk=1)
    head = AuditHead.objects.select_for_update().get(pk=1)
    origin = origins.current()
    event = AuditEvent(
        id=head.count + 1, at=timezone.now(), actor=getattr(actor, "pk", None), subject=getattr(subject, "pk", None), action=action, object=object[:200], detail=detail,
        origin=hashed(origin.address), request_id=origin.request_id[:64], previous=head.digest,
    )
    event.digest = digest(event)
    event.save()
    AuditHead.objects.filter(pk=1).update(count=event.id, digest=event.digest)
    return event


def hashed(address: str) -> str:
    """What the log keeps of an IP address: enough to see that two events come from one place, nothing to find it by."""
    return sealing.keyed("origin", address)[:32] if address else ""


def digest(event: AuditEvent) -> str:
    """The event's digest, from what stands in it and the digest before it."""
    said = {
        "id": event.id, "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"), "actor": event.actor, "subject": event.subject, "action": event.action,
        "object": event.object, "detail": event.detail, "origin": event.origin, "request_id": event.request_id,
    }
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{event.previous}\n{canonical}".encode()).hexdigest()


def faults() -> Iterator[str]:
    """What is wrong with the chain, in words; nothing where it is whole."""
    number, before = 0, "0" * 64
    for event in AuditEvent.objects.order_by("id").iterator(chunk_size=2_000):
        if event.id != number + 1:
            yield f"Events {number + 1} to {event.id - 1} are missing."
        elif event.previous != before:
            yield f"Event {event.id} does not follow event {number}."
        if digest(event) != event.digest:
            yield f"Event {event.id} was changed."
        number, before = event.id, event.digest
    head = AuditHead.objects.filter(pk=1).first() or AuditHead()
    if (head.count, head.digest) != (number, before):
        yield f"The log ends at event {number}, and the end of the chain says {head.count}."


def end() -> tuple[int, str]:
    """How many events there are and the digest of the last: kept outside of the database, it shows a log that was written anew."""
    head = AuditHead.objects.filter(pk=1).first() or AuditHead()
    return head.count, head.digest


def disagreements(end: str) -> list[str]:
    """What an end that was kept elsewhere, NUMBER:DIGEST, says against the log of today."""
    number, __, digest = end.partition(":")
    if not number.isdigit() or len(digest) != 64:
        return [f"An end is NUMBER:DIGEST, as verify_audit prints it; got {end[:80]!r}."]
    kept = "0" * 64 if int(number) == 0 else AuditEvent.objects.filter(pk=int(number)).values_list("digest", flat=True).first()
    return [] if kept == digest else [f"Event {number} had another digest, or is gone: the log was written anew."]


def of(user: User) -> Any:
    """A person's own events: what they did, and what was done to their account."""
    return AuditEvent.objects.filter(Q(actor=user.pk) | Q(subject=user.pk))

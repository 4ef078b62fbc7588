"""Who: people, organisations, their keys and invitations, what they are told, and the log of who did what."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

SCOPES = {
    "read": _("See and download what you may see"),
    "upload": _("Offer learnwares in your name"),
    "run": _("Start and cancel reuse jobs"),
    "admin": _("Everything, tokens included"),
}


class Accounts(UserManager):
    def organisations_of(self, user: Any) -> models.QuerySet:
        """The organisations that a person is a member of."""
        return self.filter(kind=User.Kind.ORGANISATION, members__user=user)

    def acts_for(self, user: Any) -> models.QuerySet:
        """The accounts in whose name a person may offer: their own, and organisations where they may write."""
        writing = models.Q(kind=User.Kind.ORGANISATION, members__user=user, members__role__in=[Membership.Role.ADMIN, Membership.Role.WRITER])
        return self.filter(models.Q(pk=user.pk) | writing).distinct()


class User(AbstractUser):
    """An account: a person, or an organisation that its members act for. The user name is the first half of each learnware's reference.

    People and organisations share one table, so that `owner/name` is unique and whatever a person may own an organisation may own too. Nobody
    signs in as an organisation: it has no password.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "person"
        ORGANISATION = "organisation", "organisation"

    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PERSON)
    title = models.CharField(max_length=80, blank=True)  # what an organisation or person is called beside the user name
    about = models.TextField(max_length=2_000, blank=True)
    link = models.URLField(blank=True)
    email_confirmed = models.DateTimeField(null=True, blank=True)  # only to a confirmed address goes a link to a new password
    quota_gb = models.PositiveIntegerField(null=True, blank=True)  # what it may keep in the store; none: MOORAGE_QUOTA_GB
    language = models.CharField(max_length=10, blank=True)  # in which letters come; none: the main language of the pages
    sign_outs = models.PositiveIntegerField(default=0)  # how often every session was ended at once
    gone = models.DateTimeField(null=True, blank=True)  # when its person deleted it: the row stays for what others built on

    objects = Accounts()

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django's own ends all sessions when the password changes; a new second factor must end them too.
        if not self.sign_outs:
            return super()._get_session_auth_hash(secret)
        said = f"{self.password}|{self.sign_outs}"
        return salted_hmac("marketplace.accounts.models.User.session", said, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_organisation(self) -> bool:
        return self.kind == self.Kind.ORGANISATION

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.username])


class Membership(models.Model):
    """A person in an organisation. Readers see what it keeps private, writers offer in its name, admins say who belongs to it."""

    class Role(models.TextChoices):
        READER = "reader", _("reader")
        WRITER = "writer", _("writer")
        ADMIN = "admin", _("admin")

    organisation = models.ForeignKey(User, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.READER)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "user"], name="one_membership_each")]
        ordering = ["user__username"]


class Notification(models.Model):
    """Something that a person should hear of, once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=30)
    words = models.CharField(max_length=300)
    address = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    read = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["recipient", "read"])]


class ApiToken(AbstractAuthToken):
    """A named key to the API. Only its hash is stored, and it opens only what its scopes say."""

    name = models.CharField(max_length=80)
    scopes = models.JSONField(default=list)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractAuthToken.Meta):
        abstract = False
        ordering = ["-created"]

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


def _soon() -> Any:
    return timezone.now() + timedelta(minutes=10)


class DeviceGrant(models.Model):
    """A device that waits for a person to let it in (RFC 8628). Its secret is kept as a hash; what a person types is short and lives ten minutes."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        ALLOWED = "allowed", "allowed"
        DENIED = "denied", "denied"
        TAKEN = "taken", "taken"

    device_digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the device code
    user_code = models.CharField(max_length=9, unique=True)
    name = models.CharField(max_length=80)
    scopes = models.JSONField(default=list)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    expires = models.DateTimeField(default=_soon)
    asked = models.DateTimeField(null=True, blank=True)  # when the device last asked: it must not ask too often
    created = models.DateTimeField(auto_now_add=True)


class Invitation(models.Model):
    """An organisation wants a person as a member. They become one when they say yes; no or no answer leaves everything as it is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations_sent")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=8, choices=Membership.Role.choices, default=Membership.Role.READER)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "user"], name="one_invitation_each")]
        ordering = ["-created"]


class SecondFactor(models.Model):
    """The secret of a person's authenticator (TOTP, RFC 6238), sealed; it counts once a code of it was typed."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor")
    sealed = models.TextField()  # marketplace/accounts/sealing.py
    confirmed = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0)  # the time step of the last code that was taken: none is taken twice
    created = models.DateTimeField(auto_now_add=True)


class RecoveryCode(models.Model):
    """A way in without the authenticator, once. Only a keyed hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_recovery_code_each")]


class Attempt(models.Model):
    """How often something was tried of late: a password, a code, a letter asked for. Keys are keyed hashes, so no address or name stands here."""

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    last = models.DateTimeField(db_index=True)


class Letter(models.Model):
    """A mail to be sent. The row is the letter, the broker a doorbell; its link is made when it goes, and stands nowhere else."""

    class Kind(models.TextChoices):
        CONFIRM = "confirm", "is this your address"
        RESET = "reset", "a new password"
        CHANGED = "changed", "your account was changed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    address = models.EmailField()
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    words = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    tried = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)


class RetiredName(models.Model):
    """A user name whose account is gone, as a keyed hash: nobody else gets it, so links and lineage never point at a stranger."""

    digest = models.CharField(max_length=64, primary_key=True)


class AppendOnly(Exception):
    """Somebody tried to change or delete what may only grow."""


class EventQuerySet(models.QuerySet):
    """Reading and adding only; adding goes through marketplace/accounts/audit.py, which keeps the chain."""

    def _never(self, *args: Any, **kwargs: Any) -> Any:
        raise AppendOnly("The audit log only grows: its events are neither changed nor deleted.")

    update = delete = bulk_create = bulk_update = update_or_create = get_or_create = _never
    _raw_delete = _never


class AuditEvent(models.Model):
    """Who did what to what, from where. Each event carries the digest of the one before, so a change or a gap shows (`manage.py verify_audit`).

    No foreign key: an event outlives what it speaks of, and the number of a deleted account names nobody.
    """

    id = models.BigIntegerField(primary_key=True)  # 1, 2, 3, … without gaps
    at = models.DateTimeField(db_index=True)
    actor = models.BigIntegerField(null=True, db_index=True)  # the id of an account; none: somebody who is not signed in
    subject = models.BigIntegerField(null=True, db_index=True)  # the account that it happened to, where that is another
    action = models.CharField(max_length=40, db_index=True)
    object = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    origin = models.CharField(max_length=32, blank=True)  # keyed hash of the IP address
    request_id = models.CharField(max_length=64, blank=True)
    previous = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        base_manager_name = "objects"
        default_permissions = ("view",)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("An event of the audit log is never changed.")
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise AppendOnly("An event of the audit log is never deleted.")


class AuditHead(models.Model):
    """The end of the chain, in one row: whoever appends holds it, and a log that was cut off at its end disagrees with it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    count = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)

"""Who: people, organisations, their API tokens, and what they are told."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.urls import reverse
from django.utils import timezone
from knox.models import AbstractAuthToken

SCOPES = {
    "read": "See and download what you may see",
    "upload": "Offer learnwares in your name",
    "run": "Start and cancel reuse jobs",
    "admin": "Everything, tokens included",
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

    objects = Accounts()

    @property
    def is_organisation(self) -> bool:
        return self.kind == self.Kind.ORGANISATION

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.username])


class Membership(models.Model):
    """A person in an organisation. Readers see what it keeps private, writers offer in its name, admins say who belongs to it."""

    class Role(models.TextChoices):
        READER = "reader", "reader"
        WRITER = "writer", "writer"
        ADMIN = "admin", "admin"

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

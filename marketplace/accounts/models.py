"""Who: people and their API tokens."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from knox.models import AbstractAuthToken

SCOPES = {
    "read": "See and download what you may see",
    "upload": "Offer learnwares in your name",
    "run": "Start and cancel reuse jobs",
    "admin": "Everything, tokens included",
}


class User(AbstractUser):
    """A person. Their user name is the first half of each of their learnwares' references."""


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

"""What fits a task: a requirement that came, and the answer it got."""

import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse

from marketplace.catalog.models import Artifact, Space


class Match(models.Model):
    """One search with data. The id is unguessable; whoever has the link may see the answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="matches"
    )
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="+")
    specification = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="requirement_of")
    semantic = models.JSONField(default=dict)
    filters = models.JSONField(default=dict)
    result = models.JSONField()  # {"singles": [...], "mixture": {...}} as the API answers it
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created"]

    def get_absolute_url(self) -> str:
        return reverse("match-detail", args=[self.id])


class IndexSnapshot(models.Model):
    """What one machine's folder holds of a space's index: its bytes are used only if their SHA-256 is this one."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="+")
    host = models.CharField(max_length=255)
    generation = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    last_change = models.BigIntegerField()
    size = models.PositiveIntegerField()
    made = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["space", "host"], name="one_snapshot_a_machine")]

"""What fits a task: a requirement that came, and the answer it got."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from marketplace.catalog.models import Artifact, Space, Version, WrongState


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


class WantedQuerySet(models.QuerySet):
    def open(self) -> "WantedQuerySet":
        return self.filter(state=Wanted.State.OPEN)

    def whole(self) -> "WantedQuerySet":
        return self.select_related("owner", "space", "met_by__learnware__owner")


class Wanted(models.Model):
    """A model that somebody asks for: a published specification of the data that it should know, and no model yet.

        open ──close──► closed
          └────meet───► met
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        MET = "met", _("met")
        CLOSED = "closed", _("closed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="wanted")
    match = models.ForeignKey(Match, null=True, blank=True, on_delete=models.SET_NULL, related_name="wanted")  # its owner's own way back
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="+")
    specification = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="wanted_by")
    title = models.CharField(max_length=120)
    words = models.TextField(max_length=2_000, blank=True)
    task = models.CharField(max_length=20, db_index=True)
    target = models.CharField(max_length=120)
    unit = models.CharField(max_length=40, blank=True)
    is_anonymous = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN, db_index=True)
    met_by = models.ForeignKey(Version, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    before = models.FloatField(null=True, blank=True)  # squared MMD of the nearest public learnware when it was asked; none: there was none
    nearest = models.FloatField(null=True, blank=True)  # and since
    looked = models.BigIntegerField(default=0)  # the last change of the catalog that it was held against
    told = models.ManyToManyField(Version, related_name="+", blank=True)  # whose coming its owner has heard of
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    ended = models.DateTimeField(null=True, blank=True)

    objects = WantedQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN

    @property
    def asks(self) -> str:
        """What is asked for, in one line."""
        if self.task == "classification":
            return gettext("A model that tells the classes of %(target)s apart") % {"target": self.target}
        return (gettext("A model that predicts %(target)s in %(unit)s") if self.unit else gettext("A model that predicts %(target)s")) % {"target": self.target, "unit": self.unit}

    def get_absolute_url(self) -> str:
        return reverse("request", args=[self.pk])

    def close(self) -> None:
        self._end(state=self.State.CLOSED)

    def meet(self, version: Version | None) -> None:
        self._end(state=self.State.MET, met_by=version)

    def _end(self, **changes: Any) -> None:
        # One UPDATE with the old state in its WHERE: of two, one wins.
        if not Wanted.objects.filter(pk=self.pk, state=self.State.OPEN).update(ended=timezone.now(), **changes):
            self.refresh_from_db()
            raise WrongState(f"Only an open request can be closed; this one is {self.get_state_display()}.")
        self.refresh_from_db()


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

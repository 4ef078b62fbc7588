"""What is offered: spaces, learnwares, their immutable versions, and the change log."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse


class WrongState(Exception):
    """A row was asked to make a move that its state does not allow."""


class Artifact(models.Model):
    """Bytes in the store that something refers to. Unreferenced ones are swept."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.BigIntegerField()
    created = models.DateTimeField(auto_now_add=True)


class Space(models.Model):
    """A published frame of reference. Its id is the SHA-256 of its canonical JSON."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, default="table")
    document = models.JSONField()
    founder = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.id[:10]})"

    def get_absolute_url(self) -> str:
        return reverse("space", args=[self.id])


class Learnware(models.Model):
    """A name under which one owner publishes versions of a model with its specification."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="learnwares")
    name = models.SlugField(max_length=80)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_learnware_per_name")]

    def __str__(self) -> str:
        return f"{self.owner.username}/{self.name}"

    def get_absolute_url(self) -> str:
        return reverse("learnware", args=[self.owner.username, self.name])

    def promote(self) -> None:
        """Make the newest usable version the latest, and tell the indexes of both that changed."""
        held = Version.objects.filter(learnware=self)
        for old in held.filter(is_latest=True):
            Change.objects.create(version=old, space_id=old.space_id)
        held.filter(is_latest=True).update(is_latest=False)
        usable = list(held.usable())
        if usable:
            best = max(usable, key=lambda version: tuple(int(part) for part in version.number.split(".")))
            Version.objects.filter(pk=best.pk).update(is_latest=True)
            Change.objects.create(version=best, space_id=best.space_id)


class VersionQuerySet(models.QuerySet):
    def usable(self) -> "VersionQuerySet":
        return self.filter(status=Version.Status.USABLE)

    def latest(self) -> "VersionQuerySet":
        """Of each learnware, the newest usable version."""
        return self.usable().filter(is_latest=True)

    def visible_to(self, user: Any) -> "VersionQuerySet":
        """What the public sees, and whatever the user owns themselves."""
        public = models.Q(status__in=[Version.Status.USABLE, Version.Status.WITHDRAWN])
        if user is not None and user.is_authenticated:
            if user.is_staff:
                return self
            public |= models.Q(learnware__owner=user)
        return self.filter(public)

    def whole(self) -> "VersionQuerySet":
        return self.select_related("learnware__owner", "space")


class Version(models.Model):
    """One immutable edition of a learnware: a model, its specification, its manifest."""

    class Status(models.TextChoices):
        CHECKING = "checking", "being checked"
        USABLE = "usable", "usable"
        REFUSED = "refused", "refused"
        WITHDRAWN = "withdrawn", "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    learnware = models.ForeignKey(Learnware, on_delete=models.CASCADE, related_name="versions")
    number = models.CharField(max_length=40)
    title = models.CharField(max_length=160, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.CHECKING, db_index=True)
    refusal = models.JSONField(null=True, blank=True)  # {code, message, hint}
    is_latest = models.BooleanField(default=False, db_index=True)

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="versions")
    task = models.CharField(max_length=20, db_index=True)
    target = models.CharField(max_length=120, blank=True, db_index=True)
    format = models.CharField(max_length=20, db_index=True)
    licence = models.CharField(max_length=40, db_index=True)
    merge_family = models.CharField(max_length=64, blank=True, db_index=True)
    manifest = models.JSONField()
    report = models.JSONField(default=dict)  # what the check found
    card_html = models.TextField(blank=True)
    words = models.TextField(blank=True)  # lower-case text that free-text search looks through

    model = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="model_of")
    specification = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="specification_of")
    statistics = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.PROTECT, related_name="statistics_of")  # for RegMean and Fisher
    parents = models.ManyToManyField("self", symmetrical=False, related_name="children", blank=True)
    base = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="fine_tuned")

    created = models.DateTimeField(auto_now_add=True, db_index=True)
    checked = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    downloads = models.PositiveIntegerField(default=0)

    objects = VersionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["learnware", "number"], name="versions_are_immutable")]
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """owner/name@number, as manifests, clients and lineage write it."""
        return f"{self.learnware.owner.username}/{self.learnware.name}@{self.number}"

    @property
    def output(self) -> dict:
        return self.manifest["output"]

    def get_absolute_url(self) -> str:
        return reverse("version", args=[self.learnware.owner.username, self.learnware.name, self.number])


class Change(models.Model):
    """The log that indexes follow: each row says that a version became or ceased to be findable.

    The row's id is the sequence number; an index remembers the last one it has applied.
    """

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

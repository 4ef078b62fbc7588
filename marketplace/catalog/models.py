"""What is offered: spaces, learnwares, their immutable versions, and the change log."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.models import User


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

    class Visibility(models.TextChoices):
        PUBLIC = "public", _("everybody")
        PRIVATE = "private", _("the owner and those it is shared with")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="learnwares")
    name = models.SlugField(max_length=80)
    visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC, db_index=True)
    is_gated = models.BooleanField(default=False)  # everybody sees it; its files and its use are for those whom the owner lets in
    card = models.TextField(blank=True)  # Markdown that stands in for the card of its versions, which do not change
    card_html = models.TextField(blank=True)
    card_made = models.CharField(max_length=120, blank=True)  # what rendered card_html
    card_edited = models.DateTimeField(null=True, blank=True)
    likes_count = models.PositiveIntegerField(default=0)
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


class Share(models.Model):
    """Somebody who may see and use a private learnware: a person, or an organisation and so all its members."""

    learnware = models.ForeignKey(Learnware, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shared_with_me")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["learnware", "user"], name="shared_once")]


class AccessRequest(models.Model):
    """A person who wants to use a gated learnware, and what its owner said."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        GRANTED = "granted", _("granted")
        DENIED = "denied", _("denied")

    learnware = models.ForeignKey(Learnware, on_delete=models.CASCADE, related_name="access_requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_requests")
    words = models.TextField(max_length=1_000, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING, db_index=True)
    created = models.DateTimeField(auto_now_add=True)
    decided = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["learnware", "user"], name="asked_once")]
        ordering = ["-created"]


class Like(models.Model):
    learnware = models.ForeignKey(Learnware, on_delete=models.CASCADE, related_name="likes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="likes")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["learnware", "user"], name="liked_once")]


class Comment(models.Model):
    """What somebody says of a learnware; hidden ones stay for moderators."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    learnware = models.ForeignKey(Learnware, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="comments")
    words = models.TextField(max_length=5_000)
    html = models.TextField()
    is_hidden = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    edited = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created"]


class Report(models.Model):
    """Somebody's complaint about a learnware or a comment on it, for a moderator to decide."""

    class Reason(models.TextChoices):
        MALICIOUS = "malicious", _("it harms whoever uses it")
        WRONG = "wrong", _("it is not what it says it is")
        RIGHTS = "rights", _("it breaks somebody's rights or licence")
        PRIVATE = "private", _("it gives personal data away")
        SPAM = "spam", _("it is spam or abuse")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        UPHELD = "upheld", _("upheld")
        DISMISSED = "dismissed", _("dismissed")

    learnware = models.ForeignKey(Learnware, on_delete=models.CASCADE, related_name="reports")
    comment = models.ForeignKey(Comment, null=True, blank=True, on_delete=models.CASCADE, related_name="reports")
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=10, choices=Reason.choices)
    words = models.TextField(max_length=2_000, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN, db_index=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    decided = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.learnware}: {self.get_reason_display()}"


class Upload(models.Model):
    """A file on its way in (tus 1.0): bytes that have arrived so far, kept under MOORAGE_HOME until they are offered or the day is over."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=120)
    size = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)  # what the sender says it will be
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(db_index=True)


class Draft(models.Model):
    """An offer that is not made yet: the words so far, and the files that have arrived."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts")
    document = models.JSONField(default=dict)  # fields of the upload form
    uploads = models.ManyToManyField(Upload, related_name="drafts", blank=True)
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed"]


def _circle(user: Any) -> list[int]:
    """A person and the organisations that they belong to."""
    return [user.pk, *User.objects.organisations_of(user).values_list("pk", flat=True)]


def _shared_with(circle: list[int]) -> models.Exists:
    return models.Exists(Share.objects.filter(learnware=models.OuterRef("learnware"), user__in=circle))


class VersionQuerySet(models.QuerySet):
    def usable(self) -> "VersionQuerySet":
        return self.filter(status=Version.Status.USABLE)

    def latest(self) -> "VersionQuerySet":
        """Of each learnware, the newest usable version."""
        return self.usable().filter(is_latest=True)

    def visible_to(self, user: Any) -> "VersionQuerySet":
        """What a person may see: what is public, what is shared with them or an organisation of theirs, and whatever they own or write for.

        Others never learn that the rest exists: pages and the API answer 404, counts and searches leave it out.
        """
        shown = models.Q(status__in=[Version.Status.USABLE, Version.Status.WITHDRAWN])
        if user is None or not user.is_authenticated:
            return self.filter(shown, learnware__visibility=Learnware.Visibility.PUBLIC)
        if user.is_staff:
            return self
        acting = list(User.objects.acts_for(user).values_list("pk", flat=True))
        circle = _circle(user)
        open_to = models.Q(learnware__visibility=Learnware.Visibility.PUBLIC) | models.Q(learnware__owner__in=circle) | _shared_with(circle)
        return self.filter((shown & open_to) | models.Q(learnware__owner__in=acting))

    def usable_by(self, user: Any) -> "VersionQuerySet":
        """Of those that are visible, the ones whose files a person may have and run: of gated ones, where the owner has let them in."""
        seen = self.visible_to(user)
        if user is None or not user.is_authenticated:
            return seen.filter(learnware__is_gated=False)
        if user.is_staff:
            return seen
        circle = _circle(user)
        let_in = AccessRequest.objects.filter(learnware=models.OuterRef("learnware"), user=user, state=AccessRequest.State.GRANTED)
        return seen.filter(models.Q(learnware__is_gated=False) | models.Q(learnware__owner__in=circle) | _shared_with(circle) | models.Exists(let_in))

    def whole(self) -> "VersionQuerySet":
        return self.select_related("learnware__owner", "space")


class Version(models.Model):
    """One immutable edition of a learnware: a model, its specification, its manifest."""

    class Status(models.TextChoices):
        CHECKING = "checking", _("being checked")
        USABLE = "usable", _("usable")
        REFUSED = "refused", _("refused")
        WITHDRAWN = "withdrawn", _("withdrawn")

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
    card_made = models.CharField(max_length=120, blank=True)
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
        indexes = [models.Index(fields=["status", "is_latest", "created"], name="latest_by_age")]  # how many there are, at every look (catalog/shelf.py)

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


class Place(models.Model):
    """Where a version lies on the map of the catalog; made by a job, in units in which the whole map is about 1 wide."""

    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="place", primary_key=True)
    x = models.FloatField()
    y = models.FloatField()
    generation = models.PositiveIntegerField(default=0)  # of its space's layout; a new version joins the layout that is there


class Island(models.Model):
    """A space on the map: a disc in which its versions lie. Made by a job with the places (marketplace/catalog/mapping.py)."""

    space = models.OneToOneField(Space, on_delete=models.CASCADE, related_name="island", primary_key=True)
    x = models.FloatField()
    y = models.FloatField()
    radius = models.FloatField()
    size = models.PositiveIntegerField()  # public learnwares when its layout was made
    generation = models.PositiveIntegerField(default=1)  # of its layout; it grows whenever its places move
    projection = models.BinaryField()  # float32: what takes a specification's vector to its place in the disc

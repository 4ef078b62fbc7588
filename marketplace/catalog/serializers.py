"""Spaces and versions as the API reads and writes them."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from marketplace.catalog import access
from marketplace.catalog.models import AccessRequest, Draft, Learnware, Space, Upload, Version
from reuse.manifest import STATISTICS


class ColumnAsked(serializers.Serializer):
    name = serializers.CharField(max_length=200, trim_whitespace=False)
    type = serializers.ChoiceField(choices=["numeric", "categorical"])


class ColumnsAsked(serializers.Serializer):
    columns = ColumnAsked(many=True, allow_empty=False, max_length=10_000)


class SpaceFound(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    learnwares = serializers.IntegerField()
    missing = serializers.ListField(child=serializers.CharField())
    extra = serializers.ListField(child=serializers.CharField())
    wrong_type = serializers.ListField(child=serializers.CharField())


class SpacesFound(serializers.Serializer):
    fits = SpaceFound(many=True)
    nearest = SpaceFound(many=True)


class SpaceRow(serializers.ModelSerializer):
    learnwares = serializers.IntegerField(read_only=True)

    class Meta:
        model = Space
        fields = ["id", "name", "kind", "created", "learnwares"]


class SpaceDetail(SpaceRow):
    space = serializers.JSONField(source="document")

    class Meta(SpaceRow.Meta):
        fields = [*SpaceRow.Meta.fields, "space"]


class Reason(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class FileRow(serializers.Serializer):
    name = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)
    url = serializers.CharField()


class VersionRow(serializers.ModelSerializer):
    reference = serializers.CharField(read_only=True)
    owner = serializers.CharField(source="learnware.owner.username", read_only=True)
    name = serializers.CharField(source="learnware.name", read_only=True)
    version = serializers.CharField(source="number", read_only=True)
    status_reason = Reason(source="refusal", read_only=True, allow_null=True)
    space = serializers.CharField(source="space_id", read_only=True)
    output = serializers.DictField(read_only=True)
    visibility = serializers.CharField(source="learnware.visibility", read_only=True)
    gated = serializers.BooleanField(source="learnware.is_gated", read_only=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Version
        fields = ["id", "reference", "owner", "name", "version", "title", "status", "status_reason", "task", "target", "format",
                  "licence", "space", "output", "visibility", "gated", "merge_family", "created", "url"]

    def get_url(self, version: Version) -> str:
        return version.get_absolute_url()


class VersionDetail(VersionRow):
    files = serializers.SerializerMethodField()
    manifest = serializers.SerializerMethodField()
    base = serializers.SerializerMethodField()
    parents = serializers.SerializerMethodField()
    likes = serializers.IntegerField(source="learnware.likes_count", read_only=True)
    tensor_count = serializers.SerializerMethodField()

    class Meta(VersionRow.Meta):
        fields = [*VersionRow.Meta.fields, "manifest", "report", "files", "base", "parents", "downloads", "likes", "tensor_count"]

    def get_tensor_count(self, version: Version) -> int:
        return len(version.report.get("tensors") or ())

    def get_files(self, version: Version) -> list[dict[str, Any]]:
        def row(name: str, size: int | None, sha256: str) -> dict[str, Any]:
            url = reverse("api:version-file", args=[version.learnware.owner.username, version.learnware.name, version.number, name])
            return FileRow({"name": name, "size": size, "sha256": sha256, "url": url}).data

        return [
            row(version.manifest["model"]["file"], version.model.size, version.model_id),
            row("specification.json", version.specification.size, version.specification_id),
            *([row(STATISTICS, version.statistics.size, version.statistics_id)] if version.statistics is not None else []),
            row("learnware.json", None, ""),
        ]

    def get_manifest(self, version: Version) -> dict[str, Any]:
        return access.manifest(self._reader(), version)

    def get_base(self, version: Version) -> str | None:
        base = version.base_id and Version.objects.visible_to(self._reader()).whole().filter(pk=version.base_id).first()
        return base.reference if base else None

    def get_parents(self, version: Version) -> list[str]:
        return [parent.reference for parent in version.parents.visible_to(self._reader()).select_related("learnware__owner")]

    def _reader(self) -> Any:
        """Who reads; without a request, nobody in particular."""
        return getattr(self.context.get("request"), "user", None)


class Offer(serializers.Serializer):
    manifest = serializers.FileField(help_text="learnware.json")
    model = serializers.FileField(help_text="The model file that learnware.json names.")
    specification = serializers.FileField(help_text="The specification of the training data.")
    visibility = serializers.ChoiceField(
        choices=Learnware.Visibility.choices, required=False, help_text="Who sees a new learnware; public when left out. Later versions do not change it: see …/access.",
    )
    statistics = serializers.FileField(required=False, help_text="What RegMean and Fisher need, in place of data: a safetensors file of gram/TENSOR and fisher/TENSOR.")


class OfferOfUploads(serializers.Serializer):
    """An offer whose files have arrived already: each is the id of a finished upload, or `sha256:…` of bytes that you may use."""

    manifest = serializers.DictField(help_text="learnware.json, parsed.")
    model = serializers.CharField(max_length=100)
    specification = serializers.JSONField(help_text="As the model, or the document itself.")
    statistics = serializers.CharField(max_length=100, required=False, allow_null=True, default=None)
    visibility = serializers.ChoiceField(choices=Learnware.Visibility.choices, required=False)
    draft = serializers.UUIDField(required=False, allow_null=True, default=None, help_text="A draft that this offer ends.")


class OfferAsked(serializers.Serializer):
    """What of an offer can be checked before a byte of its model is sent."""

    manifest = serializers.DictField(help_text="learnware.json, parsed.")
    specification = serializers.JSONField(required=False, allow_null=True, default=None, help_text="The document, or an upload.")
    statistics = serializers.BooleanField(required=False, default=False, help_text="Whether statistics come with it.")
    visibility = serializers.ChoiceField(choices=Learnware.Visibility.choices, required=False)


class Problem(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    fix = serializers.CharField()


class OfferChecked(serializers.Serializer):
    reference = serializers.CharField(help_text="What it would be called.")
    problems = Problem(many=True)


class OfferWrong(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()
    request_id = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField())
    problems = Problem(many=True)


class UploadRow(serializers.ModelSerializer):
    finished = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = ["id", "name", "size", "offset", "sha256", "finished", "created", "expires", "url"]

    def get_finished(self, upload: Upload) -> bool:
        return upload.offset == upload.size

    def get_url(self, upload: Upload) -> str:
        return reverse("api:upload", args=[upload.pk])


class KnownAnswer(serializers.Serializer):
    known = serializers.BooleanField()
    name = serializers.CharField(help_text="What an offer calls these bytes, once they are known.")


class DraftRow(serializers.ModelSerializer):
    uploads = UploadRow(many=True, read_only=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Draft
        fields = ["id", "document", "uploads", "created", "changed", "url"]

    def get_url(self, draft: Draft) -> str:
        return f"{reverse('upload')}?draft={draft.pk}"


class DraftWritten(serializers.Serializer):
    document = serializers.DictField(help_text="Fields of the upload form, as they stand.")
    uploads = serializers.ListField(child=serializers.UUIDField(), required=False, default=list, max_length=50)


class VersionPage(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    facets = serializers.DictField()
    results = VersionRow(many=True)


class AccessRequestRow(serializers.ModelSerializer):
    user = serializers.CharField(source="user.username")

    class Meta:
        model = AccessRequest
        fields = ["id", "user", "words", "state", "created", "decided"]


class AccessSettings(serializers.Serializer):
    visibility = serializers.CharField(source="learnware.visibility")
    gated = serializers.BooleanField(source="learnware.is_gated")
    shared_with = serializers.ListField(child=serializers.CharField(), help_text="User names of people and organisations.")
    requests = AccessRequestRow(many=True)


class AccessChange(serializers.Serializer):
    visibility = serializers.ChoiceField(choices=Learnware.Visibility.choices, required=False)
    gated = serializers.BooleanField(required=False)
    shared_with = serializers.ListField(child=serializers.CharField(max_length=150), max_length=access.MAX_SHARES, required=False, help_text="The whole list; who is not in it loses the share.")


class AccessAsked(serializers.Serializer):
    words = serializers.CharField(max_length=1_000, required=False, allow_blank=True, default="", help_text="Who you are and what you need it for.")


DECISIONS = ("granted", "denied")
STANDINGS = ("open", "none", "waiting", "granted", "denied")


class AccessDecision(serializers.Serializer):
    state = serializers.ChoiceField(choices=DECISIONS)


class AccessStanding(serializers.Serializer):
    state = serializers.ChoiceField(choices=STANDINGS, help_text="open: there is nothing to ask for.")


class IslandRow(serializers.Serializer):
    space = serializers.CharField()
    name = serializers.CharField()
    x = serializers.FloatField()
    y = serializers.FloatField()
    radius = serializers.FloatField()
    n = serializers.IntegerField()


class MapPage(serializers.Serializer):
    unit = serializers.IntegerField(help_text="Steps of x and y to the map's width.")
    tasks = serializers.ListField(child=serializers.CharField())
    islands = IslandRow(many=True)
    x = serializers.ListField(child=serializers.IntegerField())
    y = serializers.ListField(child=serializers.IntegerField())
    task = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers into tasks.")
    uses = serializers.ListField(child=serializers.IntegerField())

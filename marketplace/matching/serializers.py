"""What a search takes and what it answers."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from marketplace.matching.models import Match, Wanted
from marketplace.matching.narrowing import MAX_COMPARED
from marketplace.matching.services import MAX_TOP
from specs.scores import WORDS as VERDICTS


class MatchFilters(serializers.Serializer):
    task = serializers.ChoiceField(choices=["regression", "classification"], required=False)
    target = serializers.CharField(max_length=120, required=False)
    licence = serializers.CharField(max_length=40, required=False)
    format = serializers.CharField(max_length=20, required=False)
    q = serializers.CharField(max_length=200, required=False)


class MatchRequest(serializers.Serializer):
    specification = serializers.JSONField(help_text="The requirement: the JSON document that `moorage describe` writes.")
    filters = serializers.JSONField(required=False, help_text="task, target, licence, format, q: every hit obeys them.")
    top = serializers.IntegerField(min_value=1, max_value=MAX_TOP, default=10, help_text=f"How many singles. Times the requirement's points at most {MAX_COMPARED:,}.")

    def validate_specification(self, value: Any) -> dict:
        if not isinstance(value, dict):
            raise serializers.ValidationError("A specification is a JSON object.")
        return value


class ColumnDifference(serializers.Serializer):
    column = serializers.CharField()
    squared_mmd = serializers.FloatField()
    share = serializers.FloatField(help_text="Of what all columns show one by one; shares sum to 1.")
    requirement = serializers.DictField()
    other = serializers.DictField()


class Named(serializers.Serializer):
    id = serializers.UUIDField()
    reference = serializers.CharField()
    title = serializers.CharField()
    task = serializers.CharField()
    target = serializers.CharField()
    format = serializers.CharField()
    licence = serializers.CharField()
    url = serializers.CharField()


class Single(Named):
    rank = serializers.IntegerField()
    squared_mmd = serializers.FloatField()
    mmd = serializers.FloatField()
    noise = serializers.FloatField(help_text="Squared MMD to be expected between two samples of the same data.")
    unbiased = serializers.FloatField(help_text="Squared MMD with what sampling adds taken off; may be below 0.")
    p_value = serializers.FloatField(help_text="How often two samples of the same data stand at least this far apart.")
    coverage = serializers.FloatField()
    verdict = serializers.ChoiceField(choices=list(VERDICTS))
    sentences = serializers.ListField(child=serializers.CharField())
    columns = ColumnDifference(many=True)


class MixtureMember(Named):
    weight = serializers.FloatField()


class Mixture(serializers.Serializer):
    squared_mmd = serializers.FloatField(allow_null=True)
    mmd = serializers.FloatField(allow_null=True)
    coverage = serializers.FloatField()
    gap = serializers.FloatField(allow_null=True)
    closer = serializers.FloatField(allow_null=True, help_text="Best single squared MMD over the mixture's.")
    task = serializers.CharField(allow_null=True)
    target = serializers.CharField(allow_null=True)
    members = MixtureMember(many=True)
    sentences = serializers.ListField(child=serializers.CharField())


class MatchAnswer(serializers.Serializer):
    """The answer as it was given: rows keep it, so it says the same tomorrow, less what the reader may not see."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    created = serializers.DateTimeField()
    space = serializers.DictField()
    semantic = serializers.DictField()
    searched = serializers.IntegerField()
    filters = serializers.DictField()
    relaxed = serializers.ListField(child=serializers.DictField())
    by_labels = serializers.BooleanField(help_text="Whether the requirement's labels took part in the ranking.")
    singles = Single(many=True)
    mixture = Mixture()
    advice = serializers.ListField(child=serializers.CharField())
    left_out = serializers.IntegerField(help_text="Models of the answer that you may not see (any more); 0 for whoever did not ask.")

    def to_representation(self, row: Match) -> dict:
        return {
            "id": str(row.pk),
            "url": row.get_absolute_url(),
            "created": row.created.isoformat(),
            "semantic": row.semantic,
            **self.context.get("result", row.result),
            "left_out": self.context.get("left_out", 0),
        }


class Asked(serializers.Serializer):
    """Bring a match of yours, or a specification."""

    match = serializers.UUIDField(required=False, help_text="A match of yours: its requirement is published.")
    specification = serializers.JSONField(required=False, help_text="Or the document that `moorage describe` writes.")
    title = serializers.CharField(max_length=120)
    task = serializers.ChoiceField(choices=["regression", "classification"])
    target = serializers.CharField(max_length=120)
    unit = serializers.CharField(max_length=40, required=False, allow_blank=True)
    words = serializers.CharField(max_length=2_000, required=False, allow_blank=True)
    is_anonymous = serializers.BooleanField(default=False)

    def validate_specification(self, value: Any) -> dict:
        if not isinstance(value, dict):
            raise serializers.ValidationError("A specification is a JSON object.")
        return value


class Closing(serializers.Serializer):
    met_by = serializers.CharField(max_length=250, required=False, allow_blank=True, help_text="owner/name@1.0.0, where a learnware met the request.")


class NearMiss(serializers.Serializer):
    reference = serializers.CharField(source="version.reference")
    title = serializers.CharField(source="version.title")
    url = serializers.CharField(source="version.get_absolute_url")
    mmd = serializers.FloatField()
    squared_mmd = serializers.FloatField(source="score.squared_mmd")
    p_value = serializers.FloatField(source="score.p_value")
    coverage = serializers.FloatField()
    verdict = serializers.ChoiceField(source="score.verdict", choices=list(VERDICTS))
    sentence = serializers.CharField()


class WantedRow(serializers.Serializer):
    """A model that somebody asks for. `owner` is null where they left their name out."""

    id = serializers.UUIDField()
    url = serializers.CharField(source="get_absolute_url")
    title = serializers.CharField()
    words = serializers.CharField()
    task = serializers.CharField()
    target = serializers.CharField()
    unit = serializers.CharField()
    space = serializers.CharField(source="space_id")
    owner = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=Wanted.State.choices)
    created = serializers.DateTimeField()
    ended = serializers.DateTimeField(allow_null=True)
    near_misses = serializers.SerializerMethodField()

    def get_owner(self, row: Wanted) -> str | None:
        return None if row.is_anonymous else row.owner.username

    def get_near_misses(self, row: Wanted) -> NearMiss(many=True):
        return NearMiss(self.context["near"].get(row.pk, []), many=True).data


class WantedDetail(WantedRow):
    """One request, with the published specification and what met it."""

    is_mine = serializers.SerializerMethodField()
    met_by = serializers.SerializerMethodField()
    specification = serializers.SerializerMethodField()

    def get_is_mine(self, row: Wanted) -> bool:
        return row.owner_id == self.context["user"].pk

    def get_met_by(self, row: Wanted) -> str | None:
        return self.context["met_by"]

    def get_specification(self, row: Wanted) -> str:
        return reverse("request-specification", args=[row.pk])


class WantedPage(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = WantedRow(many=True)

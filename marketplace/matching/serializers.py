"""What a search takes and what it answers."""

from typing import Any

from rest_framework import serializers

from marketplace.matching.models import Match
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
    top = serializers.IntegerField(min_value=1, max_value=MAX_TOP, default=10)

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
    """The answer as it was given: rows keep it, so it says the same tomorrow."""

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

    def to_representation(self, row: Match) -> dict:
        return {
            "id": str(row.pk),
            "url": row.get_absolute_url(),
            "created": row.created.isoformat(),
            "semantic": row.semantic,
            **row.result,
        }

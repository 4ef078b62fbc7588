"""Tokens and people as the API reads and writes them."""

from rest_framework import serializers

from marketplace.accounts.models import SCOPES, ApiToken


class TokenRequest(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)
    name = serializers.CharField(max_length=80, default="client")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(SCOPES)), default=["read", "upload", "run"])
    days = serializers.IntegerField(min_value=1, max_value=365, default=90)


class TokenRow(serializers.ModelSerializer):
    id = serializers.CharField(source="token_key")

    class Meta:
        model = ApiToken
        fields = ["id", "name", "scopes", "created", "expiry", "last_used"]


class NewToken(TokenRow):
    token = serializers.CharField(source="secret")

    class Meta(TokenRow.Meta):
        fields = ["token", *TokenRow.Meta.fields]


class TokenSays(serializers.Serializer):
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())


class WhoAmI(serializers.Serializer):
    username = serializers.CharField()
    token = TokenSays(allow_null=True)

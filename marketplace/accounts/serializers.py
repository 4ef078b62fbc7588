"""Tokens, devices, organisations and notifications as the API reads and writes them."""

from django.core.validators import URLValidator
from rest_framework import serializers

from marketplace.accounts.models import SCOPES, ApiToken, AuditEvent, Invitation, Membership, Notification, User


class TokenRequest(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)
    name = serializers.CharField(max_length=80, default="client")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(SCOPES)), default=["read", "upload", "run"])
    days = serializers.IntegerField(min_value=1, max_value=365, default=90)
    code = serializers.CharField(max_length=32, default="", allow_blank=True, write_only=True, help_text="Where the account has a second factor: six digits of the authenticator, or a recovery code.")


class TokenChange(serializers.Serializer):
    name = serializers.CharField(max_length=80, required=False)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(SCOPES)), required=False, allow_empty=False)
    days = serializers.IntegerField(min_value=1, max_value=365, required=False, help_text="From now.")


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


class DeviceRequest(serializers.Serializer):
    name = serializers.CharField(max_length=80, default="device", help_text="What the person sees, such as “moorage on laptop”; the token gets this name.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(SCOPES)), default=["read", "upload", "run"], allow_empty=False)


class DeviceAnswer(serializers.Serializer):
    device_code = serializers.CharField(help_text="The device's secret, for POST /device/token.")
    user_code = serializers.CharField(help_text="What a person types, as ABCD-EFGH.")
    verification_uri = serializers.CharField()
    verification_uri_complete = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    interval = serializers.IntegerField(help_text="Seconds between two requests, at least.")


class DeviceAsked(serializers.Serializer):
    device_code = serializers.CharField(max_length=128)


class DeviceTokenMade(serializers.Serializer):
    token = serializers.CharField(source="secret")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    expires = serializers.DateTimeField(source="expiry", allow_null=True)


class MemberRow(serializers.ModelSerializer):
    username = serializers.CharField(source="user.username")
    title = serializers.CharField(source="user.title")

    class Meta:
        model = Membership
        fields = ["username", "title", "role", "since"]


class MemberAsked(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Membership.Role.choices, default=Membership.Role.READER)


class RoleChange(serializers.Serializer):
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class ProfileChange(serializers.Serializer):
    title = serializers.CharField(max_length=80, required=False, allow_blank=True)
    about = serializers.CharField(max_length=2_000, required=False, allow_blank=True, help_text="Markdown.")
    link = serializers.CharField(max_length=200, required=False, allow_blank=True, validators=[URLValidator(schemes=["http", "https"])])


class NewOrganisation(ProfileChange):
    username = serializers.CharField(max_length=39)


class OrganisationRow(serializers.ModelSerializer):
    """An organisation of yours."""

    username = serializers.CharField(source="organisation.username")
    title = serializers.CharField(source="organisation.title")
    url = serializers.CharField(source="organisation.get_absolute_url")

    class Meta:
        model = Membership
        fields = ["username", "title", "role", "since", "url"]


class OrganisationDetail(serializers.ModelSerializer):
    founded = serializers.DateTimeField(source="date_joined")
    url = serializers.CharField(source="get_absolute_url")
    members = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["username", "title", "about", "link", "founded", "url", "members"]

    def get_members(self, organisation: User) -> MemberRow(many=True):
        return MemberRow(organisation.members.select_related("user"), many=True).data


class NoticeRow(serializers.ModelSerializer):
    class Meta:
        model = Notification
        fields = ["id", "kind", "words", "address", "created", "read"]


class NoticePage(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    unread = serializers.IntegerField()
    results = NoticeRow(many=True)


class NoticesToMark(serializers.Serializer):
    ids = serializers.ListField(child=serializers.UUIDField(), max_length=1_000, required=False, help_text="Left out: all.")


class NoticesMarked(serializers.Serializer):
    marked = serializers.IntegerField()
    unread = serializers.IntegerField()


class InvitationSent(serializers.ModelSerializer):
    """An invitation as those see it who sent it."""

    username = serializers.CharField(source="user.username")

    class Meta:
        model = Invitation
        fields = ["username", "role", "created"]


class InvitationRow(serializers.ModelSerializer):
    """An invitation of yours."""

    organisation = serializers.CharField(source="organisation.username")
    title = serializers.CharField(source="organisation.title")
    by = serializers.CharField(source="by.username", default=None, allow_null=True)

    class Meta:
        model = Invitation
        fields = ["organisation", "title", "role", "by", "created"]


class InvitationAnswer(serializers.Serializer):
    accept = serializers.BooleanField()


class EventRow(serializers.ModelSerializer):
    words = serializers.SerializerMethodField()
    by_me = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = ["id", "at", "action", "words", "by_me", "object", "detail", "request_id"]

    def get_words(self, event: AuditEvent) -> str:
        from marketplace.accounts.audit import WORDS

        return str(WORDS.get(event.action, event.action))

    def get_by_me(self, event: AuditEvent) -> bool:
        return event.actor == self.context["user"].pk


class EventPage(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = EventRow(many=True)

"""Addresses of accounts: pages and API."""

from django.urls import path

from marketplace.accounts.api import devices as device_api
from marketplace.accounts.api import notifications as notification_api
from marketplace.accounts.api import organisations as organisation_api
from marketplace.accounts.api import tokens as token_api
from marketplace.accounts.views import devices, notifications, organisations, profile, signing, tokens

api_urls = [
    path("whoami", token_api.Me.as_view(), name="whoami"),
    path("tokens", token_api.TokenList.as_view(), name="tokens"),
    path("tokens/<str:token_id>", token_api.TokenDetail.as_view(), name="token"),
    path("device/code", device_api.DeviceCode.as_view(), name="device-code"),
    path("device/token", device_api.DeviceToken.as_view(), name="device-token"),
    path("organisations", organisation_api.OrganisationList.as_view(), name="organisations"),
    path("organisations/<str:username>", organisation_api.OrganisationOne.as_view(), name="organisation"),
    path("organisations/<str:username>/members", organisation_api.MemberList.as_view(), name="members"),
    path("organisations/<str:username>/members/<str:member>", organisation_api.MemberOne.as_view(), name="member"),
    path("notifications", notification_api.NotificationList.as_view(), name="notifications"),
    path("notifications/read", notification_api.NotificationsRead.as_view(), name="notifications-read"),
]

page_urls = [
    path("accounts/sign-up/", signing.sign_up, name="sign-up"),
    path("accounts/sign-in/", signing.sign_in, name="sign-in"),
    path("accounts/sign-out/", signing.sign_out, name="sign-out"),
    path("accounts/profile/", profile.edit, name="profile-edit"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<str:pk>/revoke/", tokens.revoke_token, name="revoke-token"),
    path("device/", devices.device, name="device"),
    path("organisations/new/", organisations.new, name="organisation-new"),
    path("organisations/<str:username>/edit/", organisations.edit, name="organisation-edit"),
    path("organisations/<str:username>/delete/", organisations.delete, name="organisation-delete"),
    path("organisations/<str:username>/members/", organisations.members, name="members"),
    path("organisations/<str:username>/members/<str:member>/role/", organisations.set_role, name="member-role"),
    path("organisations/<str:username>/members/<str:member>/remove/", organisations.remove, name="member-remove"),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/read/", notifications.mark_read, name="notifications-read"),
    path("notifications/<uuid:pk>/", notifications.follow, name="notification"),
]

"""Addresses of accounts: pages and API."""

from django.urls import path

from marketplace.accounts.api import devices as device_api
from marketplace.accounts.api import events as event_api
from marketplace.accounts.api import invitations as invitation_api
from marketplace.accounts.api import notifications as notification_api
from marketplace.accounts.api import organisations as organisation_api
from marketplace.accounts.api import tokens as token_api
from marketplace.accounts.views import devices, notifications, organisations, personal, profile, security, signing, tokens

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
    path("organisations/<str:username>/invitations", invitation_api.SentList.as_view(), name="invitations-sent"),
    path("organisations/<str:username>/invitations/<str:member>", invitation_api.SentOne.as_view(), name="invitation-sent"),
    path("invitations", invitation_api.InvitationList.as_view(), name="invitations"),
    path("invitations/<str:username>", invitation_api.InvitationOne.as_view(), name="invitation"),
    path("events", event_api.EventList.as_view(), name="events"),
    path("notifications", notification_api.NotificationList.as_view(), name="notifications"),
    path("notifications/read", notification_api.NotificationsRead.as_view(), name="notifications-read"),
]

page_urls = [
    path("accounts/sign-up/", signing.sign_up, name="sign-up"),
    path("accounts/sign-in/", signing.sign_in, name="sign-in"),
    path("accounts/sign-out/", signing.sign_out, name="sign-out"),
    path("accounts/second-step/", signing.second_step, name="second-step"),
    path("accounts/reset/", security.ask_reset, name="password-reset"),
    path("accounts/reset/<str:uid>/<str:token>/", security.set_by_link, name="password-reset-set"),
    path("accounts/profile/", profile.edit, name="profile-edit"),
    path("accounts/security/", security.security, name="security"),
    path("accounts/password/", security.password, name="password"),
    path("accounts/email/", security.email, name="email"),
    path("accounts/email/<str:uid>/<str:token>/", security.confirm_email, name="email-confirm"),
    path("accounts/second-factor/", security.second_factor, name="second-factor"),
    path("accounts/second-factor/off/", security.second_factor_off, name="second-factor-off"),
    path("accounts/second-factor/codes/", security.recovery_codes, name="recovery-codes"),
    path("accounts/sessions/end/", security.end_sessions, name="sessions-end"),
    path("accounts/events/", security.events, name="events"),
    path("accounts/data/", personal.export, name="personal-data"),
    path("accounts/delete/", personal.delete, name="account-delete"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<str:key>/", tokens.change_token, name="change-token"),
    path("tokens/<str:key>/revoke/", tokens.revoke_token, name="revoke-token"),
    path("device/", devices.device, name="device"),
    path("organisations/new/", organisations.new, name="organisation-new"),
    path("organisations/<str:username>/edit/", organisations.edit, name="organisation-edit"),
    path("organisations/<str:username>/delete/", organisations.delete, name="organisation-delete"),
    path("organisations/<str:username>/members/", organisations.members, name="members"),
    path("organisations/<str:username>/members/<str:member>/role/", organisations.set_role, name="member-role"),
    path("organisations/<str:username>/members/<str:member>/remove/", organisations.remove, name="member-remove"),
    path("organisations/<str:username>/invitations/<str:member>/take-back/", organisations.take_back, name="invitation-take-back"),
    path("invitations/", organisations.invitations, name="invitations"),
    path("invitations/<str:username>/", organisations.answer_invitation, name="invitation"),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/read/", notifications.mark_read, name="notifications-read"),
    path("notifications/<uuid:pk>/", notifications.follow, name="notification"),
]

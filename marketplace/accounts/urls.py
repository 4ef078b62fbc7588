"""Addresses of accounts: pages and API."""

from django.urls import path

from marketplace.accounts import api, views

api_urls = [
    path("whoami", api.Me.as_view(), name="whoami"),
    path("tokens", api.TokenList.as_view(), name="tokens"),
    path("tokens/<str:token_id>", api.TokenDetail.as_view(), name="token"),
]

page_urls = [
    path("accounts/sign-up/", views.sign_up, name="sign-up"),
    path("accounts/sign-in/", views.sign_in, name="sign-in"),
    path("accounts/sign-out/", views.sign_out, name="sign-out"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<str:pk>/revoke/", views.revoke_token, name="revoke-token"),
]

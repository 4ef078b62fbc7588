"""Addresses of searching: pages and API."""

from django.urls import path

from marketplace.matching import api, views

api_urls = [
    path("matches", api.MatchList.as_view(), name="matches"),
    path("matches/<uuid:match_id>", api.MatchDetail.as_view(), name="match"),
]

page_urls = [
    path("match/", views.match, name="match"),
    path("matches/<uuid:pk>/", views.match_detail, name="match-detail"),
]

"""Addresses of searching and of the request board: pages and API."""

from django.urls import path

from marketplace.matching import api, board, views

api_urls = [
    path("matches", api.MatchList.as_view(), name="matches"),
    path("matches/<uuid:match_id>", api.MatchDetail.as_view(), name="match"),
    path("requests", api.RequestList.as_view(), name="requests"),
    path("requests/<uuid:request_id>", api.RequestDetail.as_view(), name="request"),
    path("requests/<uuid:request_id>/close", api.RequestClose.as_view(), name="request-close"),
]

page_urls = [
    path("match/", views.match, name="match"),
    path("matches/<uuid:pk>/", views.match_detail, name="match-detail"),
    path("matches/<uuid:pk>/mixture/", views.match_mixture, name="match-mixture"),
    path("matches/<uuid:pk>/ask/", board.ask, name="request-ask"),
    path("requests/", board.requests, name="requests"),
    path("requests/<uuid:pk>/", board.one, name="request"),
    path("requests/<uuid:pk>/specification.json", board.specification, name="request-specification"),
    path("requests/<uuid:pk>/close/", board.close, name="request-close"),
    path("requests/<uuid:pk>/answered/", board.answered, name="request-answered"),
    path("requests/served-by-mine/", board.served_mine, name="requests-served-mine"),
    path("requests/served-by/<str:owner>/<str:name>/<str:number>/", board.served_by, name="requests-served"),
]

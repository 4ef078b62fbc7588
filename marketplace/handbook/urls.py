"""Addresses of the documentation."""

from django.urls import path

from marketplace.handbook import views

page_urls = [
    path("docs/", views.handbook, name="docs"),
    path("docs/images/<str:name>", views.image, name="docs-image"),
    path("docs/<path:name>/", views.handbook, name="docs-page"),
]

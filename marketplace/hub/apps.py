from django.apps import AppConfig


class Hub(AppConfig):
    name = "marketplace.hub"
    label = "hub"

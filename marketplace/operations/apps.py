from django.apps import AppConfig


class Operations(AppConfig):
    name = "marketplace.operations"
    label = "operations"

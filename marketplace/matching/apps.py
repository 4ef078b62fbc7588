from django.apps import AppConfig


class Matching(AppConfig):
    name = "marketplace.matching"
    label = "matching"

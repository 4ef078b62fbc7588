from django.apps import AppConfig


class Catalog(AppConfig):
    name = "marketplace.catalog"
    label = "catalog"

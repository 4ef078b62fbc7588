from django.apps import AppConfig
from django.db.models.signals import post_migrate


class Catalog(AppConfig):
    name = "marketplace.catalog"
    label = "catalog"

    def ready(self) -> None:
        from marketplace.catalog import fulltext

        post_migrate.connect(fulltext.make, sender=self, dispatch_uid="catalog-fulltext")

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class Catalog(AppConfig):
    name = "marketplace.catalog"
    label = "catalog"

    def ready(self) -> None:
        from marketplace.accounts import personal as people
        from marketplace.catalog import fulltext, personal

        people.register(personal)
        post_migrate.connect(fulltext.make, sender=self, dispatch_uid="catalog-fulltext")

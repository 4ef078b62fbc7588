from typing import Any

from django.apps import AppConfig
from django.core.management import call_command
from django.db.models.signals import post_migrate


class Accounts(AppConfig):
    name = "marketplace.accounts"
    label = "accounts"

    def ready(self) -> None:
        post_migrate.connect(_cache_table, sender=self)


def _cache_table(using: str, verbosity: int, **_: Any) -> None:
    """The database cache has its table wherever there is a database; nobody has to remember a command."""
    call_command("createcachetable", database=using, verbosity=0)

from typing import Any

from django.apps import AppConfig
from django.core.management import call_command
from django.db.models.signals import post_migrate, post_save


class Accounts(AppConfig):
    name = "marketplace.accounts"
    label = "accounts"

    def ready(self) -> None:
        post_migrate.connect(_cache_table, sender=self)
        post_save.connect(_admin_did, sender="admin.LogEntry", dispatch_uid="accounts-audit-admin")


def _admin_did(instance: Any, created: bool, **_: Any) -> None:
    """What staff did under /admin/ stands in the audit log too: Django's own log can be edited and deleted."""
    from marketplace.accounts import audit

    if created:
        action = {1: "admin-add", 2: "admin-change", 3: "admin-delete"}[instance.action_flag]
        audit.note(action, actor=instance.user, object=f"{instance.content_type.app_label}.{instance.content_type.model}:{instance.object_id}")


def _cache_table(using: str, verbosity: int, **_: Any) -> None:
    """The database cache has its table wherever there is a database; nobody has to remember a command."""
    call_command("createcachetable", database=using, verbosity=0)
